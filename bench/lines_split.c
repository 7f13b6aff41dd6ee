// SPDX-License-Identifier: Apache-2.0
//
// Splits a file into lines: lines_split WAY FILE. The file is read into memory first, and split
// once in vain, so that all memory is there. Prints the number of lines, of their bytes, and the
// nanoseconds of CPU time that the second time took.

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/lines.h"

typedef int way(bench_lines *out, const char *text, size_t size);

static way *find_way(const char *name) {
  static const struct {
    const char *name;
    way *function;
  } ways[] = {
      {"memchr", bench_lines_memchr},
      {"getline", bench_lines_getline},
      {"weir", bench_lines_weir},
  };
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    if (strcmp(name, ways[i].name) == 0) return ways[i].function;
  }
  return NULL;
}

// Returns what the file holds, or NULL.
static char *load(const char *path, size_t *out_size) {
  char *text = NULL;
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0) {
    *out_size = (size_t)ftell(file);
    rewind(file);
    text = malloc(*out_size);
    if (text != NULL && fread(text, 1, *out_size, file) != *out_size) {
      free(text);
      text = NULL;
    }
  }
  fclose(file);
  return text;
}

static int64_t cpu_time(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

int main(int count, char **words) {
  way *split = count == 3 ? find_way(words[1]) : NULL;
  if (split == NULL) return fprintf(stderr, "usage: %s memchr|getline|weir FILE\n", words[0]), 2;
  size_t size = 0;
  char *text = load(words[2], &size);
  if (text == NULL) return perror(words[2]), 1;
  bench_lines found = {0, 0};
  int64_t taken = 0;
  int result = split(&found, text, size);
  if (result == 0) {
    int64_t before = cpu_time();
    result = split(&found, text, size);
    taken = cpu_time() - before;
  }
  free(text);
  if (result < 0) return fprintf(stderr, "%s failed: %d\n", words[1], result), 1;
  printf("%" PRIu64 " %" PRIu64 " %" PRId64 "\n", found.lines, found.bytes, taken);
  return 0;
}
