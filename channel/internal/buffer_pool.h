// SPDX-License-Identifier: Apache-2.0
//
// Buffers for channels. Most channels use buffers of the default capacity, and for long lines of
// the default line limit, each only from the moment when bytes are there until they are gone; so
// each loop keeps a few of these sizes at hand, and the one given back last, which is still in the
// processor's cache, is taken first.

#ifndef WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
#define WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H

#include <assert.h>

#include "base/internal/memory.h"
#include "coroutine/internal/loop.h"
#include "coroutine/internal/sanitizers.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // A little more than is asked for: what ends a line comes on top of a capacity or a limit.
  WEIR_INTERNAL_POOLED_EXTRA = 64,
  // The only sizes that are kept; all others come straight from the allocator.
  WEIR_INTERNAL_POOLED_SIZE = 16 * 1024 + WEIR_INTERNAL_POOLED_EXTRA,
  WEIR_INTERNAL_LARGE_POOLED_SIZE = 64 * 1024 + WEIR_INTERNAL_POOLED_EXTRA,
  // Buffers that wait in a pool at most: 1 MiB and 0.5 MiB for each loop.
  WEIR_INTERNAL_POOLED_BUFFERS = 64,
  WEIR_INTERNAL_LARGE_POOLED_BUFFERS = 8,
};

// Arrays, not lists through the buffers: so that taking one touches none of its memory.
typedef struct weir_internal_buffer_pool {
  size_t count;
  size_t room;  // how many are kept at most
  size_t large_count;
  size_t large_room;
  char *buffers[WEIR_INTERNAL_POOLED_BUFFERS];
  char *large_buffers[WEIR_INTERNAL_LARGE_POOLED_BUFFERS];
} weir_internal_buffer_pool;

// weir_internal_buffer_pool_of returns the pool of |loop|, which lives as long as the loop. When
// there is no memory for one it is a pool that keeps nothing.
weir_internal_buffer_pool *weir_internal_buffer_pool_of(weir_internal_loop *loop);

// weir_internal_buffer_is_usual tells whether a buffer for |size| bytes is one of the usual ones.
static inline bool weir_internal_buffer_is_usual(size_t size) {
  return WEIR_INTERNAL_POOLED_SIZE - size <= WEIR_INTERNAL_POOLED_EXTRA;
}

// weir_internal_buffer_size returns how large a buffer for |size| bytes is: sizes that are nearly
// pooled are rounded up.
static inline size_t weir_internal_buffer_size(size_t size) {
  const size_t extra = WEIR_INTERNAL_POOLED_EXTRA;
  if (weir_internal_buffer_is_usual(size)) return WEIR_INTERNAL_POOLED_SIZE;
  if (WEIR_INTERNAL_LARGE_POOLED_SIZE - size <= extra) return WEIR_INTERNAL_LARGE_POOLED_SIZE;
  return size;
}

// weir_internal_buffer_forbid tells AddressSanitizer that |buffer|, in the pool, belongs to nobody:
// whoever still uses a line that ended with it is told so. Without sanitizer it does nothing.
static inline void weir_internal_buffer_forbid(char *buffer, size_t size) {
#if WEIR_INTERNAL_ASAN
  __asan_poison_memory_region(buffer, size);
#else
  (void)buffer, (void)size;
#endif
}

// weir_internal_buffer_permit undoes that, when |buffer| is handed out again.
static inline void weir_internal_buffer_permit(char *buffer, size_t size) {
#if WEIR_INTERNAL_ASAN
  __asan_unpoison_memory_region(buffer, size);
#else
  (void)buffer, (void)size;
#endif
}

// weir_internal_buffer_take_other is the way of weir_internal_buffer_take for buffers of the large
// size, and for those that are not pooled.
char *weir_internal_buffer_take_other(weir_internal_buffer_pool *pool, size_t size);

// weir_internal_buffer_give_other is that of weir_internal_buffer_give.
void weir_internal_buffer_give_other(weir_internal_buffer_pool *pool, char *buffer, size_t size);

// weir_internal_buffer_take returns |size| bytes with any content, or NULL.
static inline char *weir_internal_buffer_take(weir_internal_buffer_pool *pool, size_t size) {
  if (!weir_internal_buffer_is_usual(size) || pool->count == 0) {
    return weir_internal_buffer_take_other(pool, weir_internal_buffer_size(size));
  }
  char *buffer = pool->buffers[--pool->count];
  weir_internal_buffer_permit(buffer, WEIR_INTERNAL_POOLED_SIZE);
  return buffer;
}

// weir_internal_buffer_give gives back a |buffer|, not NULL, that was taken for |size| bytes.
static inline void weir_internal_buffer_give(weir_internal_buffer_pool *pool, char *buffer,
                                             size_t size) {
  assert(buffer != NULL);
  if (!weir_internal_buffer_is_usual(size) || pool->count == pool->room) {
    weir_internal_buffer_give_other(pool, buffer, weir_internal_buffer_size(size));
    return;
  }
  weir_internal_buffer_forbid(buffer, WEIR_INTERNAL_POOLED_SIZE);
  pool->buffers[pool->count++] = buffer;
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
