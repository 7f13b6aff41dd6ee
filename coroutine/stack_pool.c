// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/stack_pool.h"

#include <unistd.h>

#include "base/internal/memory.h"

enum {
  FIRST_SLAB_COUNT = 16,
  LARGEST_SLAB_COUNT = 1024,
  // Free stacks that keep their memory; that of more goes back to the kernel. Of large ones fewer.
  WARM_STACKS = 1024,
  WARM_BYTES = 64 * 1024 * 1024,
  // Stacks all aligned alike would compete for the same few sets of the processor's cache.
  CACHE_LINE = 64,
  COLOURS = 16,
};

struct weir_internal_stack_slab {
  weir_internal_stack_slab *next;
  char *pages;
  size_t size;
  size_t count;
  weir_internal_stack stacks[];
};

static size_t slab_size(size_t count) {
  return sizeof(weir_internal_stack_slab) + count * sizeof(weir_internal_stack);
}

// Of |count| stacks, as many as are not too large together, but one.
static size_t limited(const weir_internal_stack_pool *pool, size_t count) {
  size_t most = WARM_BYTES / pool->stack_size;
  if (most == 0) most = 1;
  return count < most ? count : most;
}

void weir_internal_stack_pool_init(weir_internal_stack_pool *pool, size_t stack_size) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  memset(pool, 0, sizeof *pool);
  pool->page_size = page;
  pool->stack_size = (stack_size + page - 1) / page * page;
  pool->next_slab_count = limited(pool, FIRST_SLAB_COUNT);
  pool->warm_limit = limited(pool, WARM_STACKS);
}

static void push(weir_internal_stack **list, weir_internal_stack *stack) {
  stack->next_free = *list;
  *list = stack;
}

static weir_internal_stack *pop(weir_internal_stack **list) {
  weir_internal_stack *stack = *list;
  *list = stack->next_free;
  return stack;
}

static bool add_slab(weir_internal_stack_pool *pool) {
  size_t count = pool->next_slab_count;
  size_t stride = pool->page_size + pool->stack_size;
  weir_internal_stack_slab *slab =
      (weir_internal_stack_slab *)weir_internal_allocate(slab_size(count));
  if (slab == NULL) return false;
  slab->count = count;
  slab->size = count * stride;
  slab->pages = (char *)weir_internal_map_pages(slab->size);
  if (slab->pages == NULL) {
    weir_internal_release(slab, slab_size(count));
    return false;
  }
  for (size_t i = count; i-- > 0;) {
    weir_internal_stack *stack = &slab->stacks[i];
    stack->pool = pool;
    stack->bottom = slab->pages + i * stride + pool->page_size;
    stack->top = slab->pages + (i + 1) * stride - i % COLOURS * CACHE_LINE;
    push(&pool->cold, stack);
  }
  slab->next = pool->slabs;
  pool->slabs = slab;
  pool->next_slab_count = limited(pool, pool->next_slab_count * 2);
  if (pool->next_slab_count > LARGEST_SLAB_COUNT) pool->next_slab_count = LARGEST_SLAB_COUNT;
  return true;
}

// Tells the tools that look at memory that here is a stack. The guard page is no part of it: leak
// checkers read all that they are told of.
static void announce(weir_internal_stack *stack) {
#if WEIR_INTERNAL_VALGRIND
  stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->bottom, stack->top);
#endif
#if WEIR_INTERNAL_ASAN
  __lsan_register_root_region(stack->bottom, (size_t)(stack->top - stack->bottom));
#endif
  (void)stack;
}

static void take_announcement_back(const weir_internal_stack *stack) {
#if WEIR_INTERNAL_VALGRIND
  VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
#endif
#if WEIR_INTERNAL_ASAN
  __lsan_unregister_root_region(stack->bottom, (size_t)(stack->top - stack->bottom));
#endif
  (void)stack;
}

// Puts the guard page of a stack in place, once.
static bool guard(const weir_internal_stack_pool *pool, weir_internal_stack *stack) {
  if (stack->guarded) return true;
  char *page = stack->bottom - pool->page_size;
  if (weir_internal_guard_pages(page, pool->page_size) < 0) return false;
  stack->guarded = true;
  announce(stack);
  return true;
}

weir_internal_stack *weir_internal_stack_take(weir_internal_stack_pool *pool) {
  if (pool->warm != NULL) {
    pool->warm_count--;
    return pop(&pool->warm);
  }
  if (pool->cold == NULL && !add_slab(pool)) return NULL;
  return guard(pool, pool->cold) ? pop(&pool->cold) : NULL;
}

void weir_internal_stack_return(weir_internal_stack_pool *pool, weir_internal_stack *stack) {
#if WEIR_INTERNAL_ASAN
  // Frames that were left without returning leave their red zones behind.
  __asan_unpoison_memory_region(stack->bottom, (size_t)(stack->top - stack->bottom));
#endif
  if (pool->warm_count < pool->warm_limit) {
    pool->warm_count++;
    push(&pool->warm, stack);
  } else {
    weir_internal_trim_pages(stack->bottom, pool->stack_size);
    push(&pool->cold, stack);
  }
}

static void destroy_slab(weir_internal_stack_slab *slab) {
  for (size_t i = 0; i < slab->count; i++) {
    if (slab->stacks[i].guarded) take_announcement_back(&slab->stacks[i]);
  }
  weir_internal_unmap_pages(slab->pages, slab->size);
  weir_internal_release(slab, slab_size(slab->count));
}

void weir_internal_stack_pool_destroy(weir_internal_stack_pool *pool) {
  while (pool->slabs != NULL) {
    weir_internal_stack_slab *slab = pool->slabs;
    pool->slabs = slab->next;
    destroy_slab(slab);
  }
}
