// SPDX-License-Identifier: Apache-2.0
//
// Buffers for channels. Most channels use buffers of the default capacity, each only from the
// moment when bytes are there until they are gone; so each loop keeps a few of that size at hand,
// and the one given back last, which is still in the processor's cache, is taken first.

#ifndef WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
#define WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H

#include "base/internal/memory.h"
#include "coroutine/internal/loop.h"
#include "coroutine/internal/sanitizers.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // The only size that is kept; all others come straight from the allocator.
  WEIR_INTERNAL_POOLED_SIZE = 16 * 1024,
  // Buffers that wait in a pool at most: one mebibyte for each loop.
  WEIR_INTERNAL_POOLED_BUFFERS = 64,
};

// An array, not a list through the buffers: so that taking one touches none of its memory.
typedef struct weir_internal_buffer_pool {
  size_t count;
  char *buffers[WEIR_INTERNAL_POOLED_BUFFERS];
} weir_internal_buffer_pool;

// weir_internal_buffer_pool_of returns the pool of |loop|, which lives as long as the loop, or NULL
// when there is no memory for one: a legal pool too, that keeps nothing.
weir_internal_buffer_pool *weir_internal_buffer_pool_of(weir_internal_loop *loop);

// A buffer in the pool belongs to nobody: whoever still uses a line that ended with it is told so.
static inline void weir_internal_buffer_forbid(char *buffer) {
#if WEIR_INTERNAL_ASAN
  __asan_poison_memory_region(buffer, WEIR_INTERNAL_POOLED_SIZE);
#else
  (void)buffer;
#endif
}

static inline void weir_internal_buffer_permit(char *buffer) {
#if WEIR_INTERNAL_ASAN
  __asan_unpoison_memory_region(buffer, WEIR_INTERNAL_POOLED_SIZE);
#else
  (void)buffer;
#endif
}

// weir_internal_buffer_take returns |size| bytes with any content, or NULL.
static inline char *weir_internal_buffer_take(weir_internal_buffer_pool *pool, size_t size) {
  if (size != WEIR_INTERNAL_POOLED_SIZE || pool == NULL || pool->count == 0) {
    return (char *)weir_internal_allocate_unset(size);
  }
  char *buffer = pool->buffers[--pool->count];
  weir_internal_buffer_permit(buffer);
  return buffer;
}

// weir_internal_buffer_give gives back a |buffer| of |size| bytes. NULL is legal.
static inline void weir_internal_buffer_give(weir_internal_buffer_pool *pool, char *buffer,
                                             size_t size) {
  if (size != WEIR_INTERNAL_POOLED_SIZE || pool == NULL ||
      pool->count == WEIR_INTERNAL_POOLED_BUFFERS) {
    weir_internal_release(buffer, size);
    return;
  }
  weir_internal_buffer_forbid(buffer);
  pool->buffers[pool->count++] = buffer;
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
