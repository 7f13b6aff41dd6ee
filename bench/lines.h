// SPDX-License-Identifier: Apache-2.0
//
// Ways to split a text in memory into lines. Each is a peer of the others, and all must find the
// same.

#ifndef WEIR_BENCH_LINES_H
#define WEIR_BENCH_LINES_H

#include <stddef.h>
#include <stdint.h>

// What a way has found.
typedef struct bench_lines {
  uint64_t lines;
  uint64_t bytes;  // of all lines, without what ends them
} bench_lines;

// Each splits the |size| bytes at |text| into |out|. Returns 0 or a negative code.

// memchr(3), and nothing else.
int bench_lines_memchr(bench_lines *out, const char *text, size_t size);

// getline(3), over fmemopen(3): copies each line, and checks nothing.
int bench_lines_getline(bench_lines *out, const char *text, size_t size);

// weir_read_utf8_line.
int bench_lines_weir(bench_lines *out, const char *text, size_t size);

#endif  // WEIR_BENCH_LINES_H
