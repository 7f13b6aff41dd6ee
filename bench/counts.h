// SPDX-License-Identifier: Apache-2.0
//
// Counts of system calls, for the servers that are built to count them. They lie in the file that
// the environment variable WEIR_BENCH_COUNTS names, mapped into memory, so that the runner can read
// them at any time and reading them disturbs nothing.

#ifndef WEIR_BENCH_COUNTS_H
#define WEIR_BENCH_COUNTS_H

#include <stdint.h>

// As the runner reads it.
typedef struct bench_counts {
  uint64_t receives;
  uint64_t sends;
  uint64_t waits;
  uint64_t others;
} bench_counts;

// bench_counts_open returns the process's counts. If there is no such file, nobody can see them.
bench_counts *bench_counts_open(void);

#endif  // WEIR_BENCH_COUNTS_H
