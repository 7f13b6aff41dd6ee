// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/buffer_pool.h"

static const char key;

// Of all loops without memory for their own. Since it keeps nothing, nobody ever writes to it.
static weir_internal_buffer_pool without_room;

static void release_all(char **buffers, size_t count, size_t size) {
  for (size_t i = 0; i < count; i++) {
    weir_internal_buffer_permit(buffers[i], size);
    weir_internal_release(buffers[i], size);
  }
}

static void destroy(void *value) {
  weir_internal_buffer_pool *pool = (weir_internal_buffer_pool *)value;
  release_all(pool->buffers, pool->count, WEIR_INTERNAL_POOLED_SIZE);
  release_all(pool->large_buffers, pool->large_count, WEIR_INTERNAL_LARGE_POOLED_SIZE);
  weir_internal_release(pool, sizeof *pool);
}

weir_internal_buffer_pool *weir_internal_buffer_pool_of(weir_internal_loop *loop) {
  weir_internal_buffer_pool *pool =
      (weir_internal_buffer_pool *)weir_internal_loop_local(loop, &key);
  if (pool != NULL) return pool;
  pool = (weir_internal_buffer_pool *)weir_internal_allocate(sizeof *pool);
  if (pool == NULL) return &without_room;
  pool->room = WEIR_INTERNAL_POOLED_BUFFERS;
  pool->large_room = WEIR_INTERNAL_LARGE_POOLED_BUFFERS;
  if (weir_internal_loop_set_local(loop, &key, pool, destroy) == 0) return pool;
  weir_internal_release(pool, sizeof *pool);
  return &without_room;
}

char *weir_internal_buffer_take_other(weir_internal_buffer_pool *pool, size_t size) {
  if (size != WEIR_INTERNAL_LARGE_POOLED_SIZE || pool->large_count == 0) {
    return (char *)weir_internal_allocate_unset(size);
  }
  char *buffer = pool->large_buffers[--pool->large_count];
  weir_internal_buffer_permit(buffer, size);
  return buffer;
}

void weir_internal_buffer_give_other(weir_internal_buffer_pool *pool, char *buffer, size_t size) {
  if (size != WEIR_INTERNAL_LARGE_POOLED_SIZE || pool->large_count == pool->large_room) {
    weir_internal_release(buffer, size);
    return;
  }
  weir_internal_buffer_forbid(buffer, size);
  pool->large_buffers[pool->large_count++] = buffer;
}
