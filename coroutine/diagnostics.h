// SPDX-License-Identifier: Apache-2.0
//
// weir/diagnostics.h: what a program that seems stuck is waiting for, and which coroutine's stack
// was too small. Nothing here is done unless the program asks for it.
//
// Example:
//   static void print(void *argument, const weir_coroutine_description *coroutine) {
//     (void)argument;
//     printf("%s waits for %s\n", coroutine->name, coroutine->waits_for);
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_dump(print, NULL);  // itself: "root waits for nothing"
//     return 0;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_DIAGNOSTICS_H
#define WEIR_DIAGNOSTICS_H

#include "weir/base.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is known of a coroutine. Texts live as long as the call that got this.
typedef struct weir_coroutine_description {
  const char *name;           // as launched; "root" for the first one, "" if it has none
  const char *waits_for;      // "read", "accept", "delay", "mutex", ...; "nothing": it can run
  int64_t since;              // nanoseconds for which it has waited
  const char *launch_module;  // the file of the code that launched it
  uint64_t launch_offset;     // in that file, for addr2line(1); 0 for the root
  size_t stack_size;          // bytes
  size_t stack_used;          // bytes in use now; for the running coroutine, up to this call
  bool cancelled;
} weir_coroutine_description;

// weir_dump calls |print| once for each coroutine of this thread's loop, oldest first. To be called
// in a coroutine. |print| must not suspend. Returns their number, or -EINVAL outside a coroutine.
int weir_dump(void (*print)(void *argument, const weir_coroutine_description *coroutine),
              void *argument);

// weir_install_dump makes the loop of this thread write a dump as text to |fd|, a line for each
// coroutine, whenever the process gets |signal| (SIGUSR1, say). Other threads must block the signal
// or have installed it too. Returns 0, -EINVAL outside a coroutine or for a signal that cannot be
// caught, or what sigaction(2) reports.
WEIR_MUST_USE int weir_install_dump(int signal, int fd);

// weir_install_overflow_report makes the process write one line to |fd| that names the coroutine
// when one runs over the end of its stack, before it dies of SIGSEGV as it would have anyway. Other
// faults go to the handler that was there before. To be called once per process, and each thread
// that runs a loop gets a stack for signals from its loop. Returns 0, -EALREADY, or what
// sigaction(2) reports.
WEIR_MUST_USE int weir_install_overflow_report(int fd);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_DIAGNOSTICS_H
