// SPDX-License-Identifier: Apache-2.0
//
// The peer of coroutine_weir.c over the contexts of libc (makecontext(3)).

#include <ucontext.h>

#include "bench/coroutine_work.h"

enum { STACK = 64 * 1024 };

static char stack[STACK] __attribute__((aligned(16)));
static ucontext_t here;
static ucontext_t there;

static void return_always(void) {
  for (;;) swapcontext(&there, &here);
}

static int make(void) {
  if (getcontext(&there) < 0) return -1;
  there.uc_stack.ss_sp = stack;
  there.uc_stack.ss_size = STACK;
  there.uc_link = NULL;
  makecontext(&there, return_always, 0);
  return 0;
}

static int switch_stacks(bench_work *work) {
  int result = make();
  bench_begin(work);
  for (int64_t i = 0; i < work->units / 2 && result == 0; i++) result = swapcontext(&here, &there);
  bench_end(work);
  return result;
}

static int launch(bench_work *work) {
  int result = 0;
  bench_begin(work);
  for (int64_t i = 0; i < work->units && result == 0; i++) {
    result = make();
    if (result == 0) result = swapcontext(&here, &there);
  }
  bench_end(work);
  return result;
}

static const bench_entry entries[] = {{"switch", switch_stacks}, {"launch", launch}, {NULL, NULL}};

int main(int count, char **words) {
  bench_work work;
  bench_function *function = bench_choose(&work, entries, count, words);
  return function == NULL ? 2 : bench_report(&work, function(&work));
}
