// SPDX-License-Identifier: Apache-2.0
//
// What the programs of bench/coroutine.py have in common, Weir's and the peers': each is called as
// PROGRAM WORK UNITS ALIVE and prints how many nanoseconds of CPU time, of all its threads, the
// units of that work took.

#ifndef WEIR_BENCH_COROUTINE_WORK_H
#define WEIR_BENCH_COROUTINE_WORK_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_work {
  int64_t units;
  int64_t alive;  // coroutines, or timers, that there are meanwhile
  int64_t began;
  int64_t taken;
} bench_work;

// Does |work|, between the two below, and returns 0 or a negative code.
typedef int bench_function(bench_work *work);

typedef struct bench_entry {
  const char *name;
  bench_function *function;
} bench_entry;

// The processor time of this process, in nanoseconds.
static inline int64_t bench_cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

// Stand around what is measured: the processor time between them is |taken|.
static inline void bench_begin(bench_work *work) { work->began = bench_cpu_time(); }
static inline void bench_end(bench_work *work) { work->taken = bench_cpu_time() - work->began; }

// Finds what the command line asks for. Returns NULL, having said so, if there is no such thing.
static inline bench_function *bench_choose(bench_work *out, const bench_entry *entries, int count,
                                           char **words) {
  if (count == 4) {
    *out = (bench_work){.units = strtoll(words[2], NULL, 10), .alive = strtoll(words[3], NULL, 10)};
    for (; entries->name != NULL; entries++) {
      if (strcmp(words[1], entries->name) == 0) return entries->function;
    }
  }
  fprintf(stderr, "usage: %s WORK UNITS ALIVE\n", words[0]);
  return NULL;
}

// Prints the outcome; returns what main returns.
static inline int bench_report(const bench_work *work, int result) {
  if (result < 0) return fprintf(stderr, "failed: %d\n", result), 1;
  printf("%" PRId64 "\n", work->taken);
  return 0;
}

#endif  // WEIR_BENCH_COROUTINE_WORK_H
