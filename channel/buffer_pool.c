// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/buffer_pool.h"

#include "base/internal/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif

// A buffer in the pool belongs to nobody: whoever still uses a line that ended with it is told so.
#ifdef ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
static void forbid(char *memory, size_t size) { __asan_poison_memory_region(memory, size); }
static void permit(char *memory, size_t size) { __asan_unpoison_memory_region(memory, size); }
#else
static void forbid(char *memory, size_t size) { (void)memory, (void)size; }
static void permit(char *memory, size_t size) { (void)memory, (void)size; }
#endif

// An array, not a list through the buffers: so that taking one touches none of its memory.
struct weir_internal_buffer_pool {
  size_t count;
  char *buffers[WEIR_INTERNAL_POOLED_BUFFERS];
};

static const char key;

static void destroy(void *value) {
  weir_internal_buffer_pool *pool = (weir_internal_buffer_pool *)value;
  while (pool->count > 0) {
    char *buffer = pool->buffers[--pool->count];
    permit(buffer, WEIR_INTERNAL_POOLED_SIZE);
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

char *weir_internal_buffer_take(weir_internal_buffer_pool *pool, size_t size) {
  if (size == WEIR_INTERNAL_POOLED_SIZE && pool != NULL && pool->count > 0) {
    char *buffer = pool->buffers[--pool->count];
    permit(buffer, size);
    return buffer;
  }
  return (char *)weir_internal_allocate_unset(size);
}

void weir_internal_buffer_give(weir_internal_buffer_pool *pool, char *buffer, size_t size) {
  if (buffer == NULL) return;
  if (size == WEIR_INTERNAL_POOLED_SIZE && pool != NULL &&
      pool->count < WEIR_INTERNAL_POOLED_BUFFERS) {
    forbid(buffer, size);
    pool->buffers[pool->count++] = buffer;
    return;
  }
  weir_internal_release(buffer, size);
}

size_t weir_internal_buffer_pool_count(const weir_internal_buffer_pool *pool) {
  return pool == NULL ? 0 : pool->count;
}
