// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/buffer_pool.h"

static const char key;

static void destroy(void *value) {
  weir_internal_buffer_pool *pool = (weir_internal_buffer_pool *)value;
  while (pool->count > 0) {
    char *buffer = pool->buffers[--pool->count];
    weir_internal_buffer_permit(buffer);
    weir_internal_release(buffer, WEIR_INTERNAL_POOLED_SIZE);
  }
  weir_internal_release(pool, sizeof *pool);
}

weir_internal_buffer_pool *weir_internal_buffer_pool_of(weir_internal_loop *loop) {
  weir_internal_buffer_pool *pool =
      (weir_internal_buffer_pool *)weir_internal_loop_local(loop, &key);
  if (pool != NULL) return pool;
  pool = (weir_internal_buffer_pool *)weir_internal_allocate(sizeof *pool);
  if (pool == NULL) return NULL;
  if (weir_internal_loop_set_local(loop, &key, pool, destroy) == 0) return pool;
  weir_internal_release(pool, sizeof *pool);
  return NULL;
}
