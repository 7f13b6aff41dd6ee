// SPDX-License-Identifier: Apache-2.0
//
// Buffers for channels. Most channels use buffers of the default capacity, each only from the
// moment when bytes are there until they are gone; so each loop keeps a few of that size at hand,
// and the one given back last, which is still in the processor's cache, is taken first.

#ifndef WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
#define WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H

#include "coroutine/internal/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // The only size that is kept; all others come straight from the allocator.
  WEIR_INTERNAL_POOLED_SIZE = 16 * 1024,
  // Buffers that wait in a pool at most: one mebibyte for each loop.
  WEIR_INTERNAL_POOLED_BUFFERS = 64,
};

typedef struct weir_internal_buffer_pool weir_internal_buffer_pool;

// weir_internal_buffer_pool_of returns the pool of |loop|, which lives as long as the loop, or NULL
// when there is no memory for one: a legal pool too, that keeps nothing.
weir_internal_buffer_pool *weir_internal_buffer_pool_of(weir_internal_loop *loop);

// weir_internal_buffer_take returns |size| bytes with any content, or NULL.
char *weir_internal_buffer_take(weir_internal_buffer_pool *pool, size_t size);

// weir_internal_buffer_give gives back a |buffer| of |size| bytes. NULL is legal.
void weir_internal_buffer_give(weir_internal_buffer_pool *pool, char *buffer, size_t size);

// weir_internal_buffer_pool_count returns how many buffers wait in |pool|. For tests.
size_t weir_internal_buffer_pool_count(const weir_internal_buffer_pool *pool);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_BUFFER_POOL_H
