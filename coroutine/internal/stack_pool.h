// SPDX-License-Identifier: Apache-2.0
//
// Stacks of one size, each above a guard page. They are cut from slabs, so that many take few
// mappings, and reused last in first out, so that a warm one comes first. A stack stays mapped as
// long as its pool, because a late wake may still look at the control block of its last tenant.

#ifndef WEIR_COROUTINE_INTERNAL_STACK_POOL_H
#define WEIR_COROUTINE_INTERNAL_STACK_POOL_H

#include "coroutine/internal/sanitizers.h"
#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_stack_pool weir_internal_stack_pool;

enum {
  WEIR_INTERNAL_SMALLEST_STACK = 16 * 1024,
  WEIR_INTERNAL_LARGEST_STACK = 1 << 30,
  // What sanitizers add to each frame has to fit as well.
  WEIR_INTERNAL_STACK_FACTOR = WEIR_INTERNAL_ASAN || WEIR_INTERNAL_TSAN ? 4 : 1,
};

typedef struct weir_internal_stack {
  struct weir_internal_stack *next_free;
  weir_internal_stack_pool *pool;
  char *bottom;  // above the guard page
  char *top;     // differs in its cache line from one stack to the next
  bool guarded;  // the guard page is in place
  unsigned valgrind_id;
} weir_internal_stack;

typedef struct weir_internal_stack_slab weir_internal_stack_slab;

struct weir_internal_stack_pool {
  weir_internal_stack_slab *slabs;
  weir_internal_stack *warm;  // free, with their memory
  weir_internal_stack *cold;  // free, without
  size_t warm_count;
  size_t warm_limit;
  size_t stack_size;  // without the guard page
  size_t page_size;
  size_t next_slab_count;
};

// weir_internal_stack_pool_init makes |pool| one of stacks of |stack_size| bytes, rounded up to
// whole pages, and without any yet. Never fails.
void weir_internal_stack_pool_init(weir_internal_stack_pool *pool, size_t stack_size);

// weir_internal_stack_take returns a stack that nothing is known of, or NULL when there is no
// memory, or when its guard page cannot be put in place.
weir_internal_stack *weir_internal_stack_take(weir_internal_stack_pool *pool);

// weir_internal_stack_return takes |stack| back; the first few keep their memory.
void weir_internal_stack_return(weir_internal_stack_pool *pool, weir_internal_stack *stack);

// weir_internal_stack_pool_destroy frees all stacks; none may be in use.
void weir_internal_stack_pool_destroy(weir_internal_stack_pool *pool);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_STACK_POOL_H
