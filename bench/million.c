// SPDX-License-Identifier: Apache-2.0
//
// A million coroutines, parked and woken: what they take of memory and time, and what of it the
// kernel has back when they have ended. Its argument is how many; needs 4.3 GB for the million, and
// Linux 6.13, without which about 32,000 guard pages fit in a process (vm.max_map_count).
//
//   bazel-bin/bench/million 1000000

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "weir/coroutine.h"
#include "weir/selector.h"

typedef struct crowd {
  int64_t count;
  int64_t parked;
  int64_t woken;
  weir_job *leader;
  int64_t last;  // point in time
  int64_t bytes_at_first;
} crowd;

// Bytes of memory in use.
static int64_t resident(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL) return 0;
  int64_t all = 0;
  int64_t pages = 0;
  if (fscanf(file, "%" SCNd64 " %" SCNd64, &all, &pages) != 2) pages = 0;
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static void report(crowd *self, const char *what) {
  int64_t now = weir_now();
  int64_t bytes = resident() - self->bytes_at_first;
  printf("%-8s %6.0f ns each, %6.0f bytes each\n", what,
         (double)(now - self->last) / (double)self->count, (double)bytes / (double)self->count);
  self->last = weir_now();
}

static int lead(void *argument) {
  (void)argument;
  return weir_delay(WEIR_FOREVER);
}

static int follow(void *argument) {
  crowd *self = (crowd *)argument;
  self->parked++;
  int result = weir_job_wait(self->leader, NULL);
  if (result == 0) self->woken++;
  return result;
}

static int launch_all(crowd *self, weir_scope *scope) {
  for (int64_t i = 0; i < self->count; i++) {
    int result = weir_launch(scope, NULL, NULL, follow, self);
    if (result < 0) return result;
  }
  return 0;
}

static int gather(void *argument) {
  crowd *self = (crowd *)argument;
  weir_scope *scope;
  int result = weir_scope_open(&scope, NULL);
  if (result < 0) return result;
  result = weir_launch(NULL, &self->leader, NULL, lead, NULL);
  self->bytes_at_first = resident();
  self->last = weir_now();
  if (result == 0) result = launch_all(self, scope);
  if (result == 0) report(self, "launched");
  while (result == 0 && self->parked < self->count) result = weir_yield();
  if (result == 0) report(self, "parked");
  if (self->leader != NULL) weir_job_cancel(self->leader);
  if (result == 0) result = weir_scope_wait(scope);
  if (result == 0) report(self, "ended");
  int closed = weir_scope_close(scope);
  weir_job_close(self->leader);
  return result < 0 ? result : closed;
}

int main(int argc, char **argv) {
  crowd self = {.count = argc > 1 ? strtoll(argv[1], NULL, 10) : 1000000};
  int result = weir_run(NULL, gather, &self);
  if (result == 0 && self.woken == self.count) return 0;
  fprintf(stderr, "%" PRId64 " of %" PRId64 " woken: %s\n", self.woken, self.count,
          weir_error_message(result));
  return 1;
}
