// SPDX-License-Identifier: Apache-2.0
//
// The peer of coroutine_weir.c over the contexts of Boost.Context, called from C. They have no
// scheduler, so there is no more to measure than switches and the making of a context.

#include "bench/coroutine_work.h"

// As in boost/context/detail/fcontext.hpp.
typedef void *fcontext_t;
typedef struct transfer_t {
  fcontext_t from;
  void *data;
} transfer_t;
extern transfer_t jump_fcontext(fcontext_t to, void *data);
extern fcontext_t make_fcontext(void *top, size_t size, void (*function)(transfer_t));

enum { STACK = 64 * 1024 };

static char stack[STACK] __attribute__((aligned(16)));

static void return_always(transfer_t back) {
  for (;;) back = jump_fcontext(back.from, NULL);
}

static int switch_stacks(bench_work *work) {
  fcontext_t there = make_fcontext(stack + STACK, STACK, return_always);
  bench_begin(work);
  for (int64_t i = 0; i < work->units / 2; i++) there = jump_fcontext(there, NULL).from;
  bench_end(work);
  return 0;
}

static int launch(bench_work *work) {
  bench_begin(work);
  for (int64_t i = 0; i < work->units; i++) {
    jump_fcontext(make_fcontext(stack + STACK, STACK, return_always), NULL);
  }
  bench_end(work);
  return 0;
}

static const bench_entry entries[] = {{"switch", switch_stacks}, {"launch", launch}, {NULL, NULL}};

int main(int count, char **words) {
  bench_work work;
  bench_function *function = bench_choose(&work, entries, count, words);
  return function == NULL ? 2 : bench_report(&work, function(&work));
}
