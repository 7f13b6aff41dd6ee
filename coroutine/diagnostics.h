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
  const char *name;   // as launched; "root" for the first one, "" if it has none
  const char *scope;  // the name of the scope that it was launched in, "" if it has none
  // "read", "accept", "delay", "mutex", ...; "nothing": it can run; "another loop": it was launched
  // from here by weir_launch_on, and a dump there tells more.
  const char *waits_for;
  int64_t since;              // nanoseconds for which it has waited
  const char *launch_module;  // the file of the code that launched it, "" if it is not known
  uint64_t launch_offset;     // in that file, for addr2line(1); 0 for the root
  size_t stack_size;          // bytes; 0: on another loop
  size_t stack_used;          // bytes in use now; for the running coroutine, up to this call
  bool cancelled;
} weir_coroutine_description;

// weir_dump calls |print| once for each coroutine that runs on this thread's loop, or was launched
// from here on another one, oldest first. To be called
// in a coroutine. |print| must not suspend. Returns their number, or -EINVAL outside a coroutine or
// without |print|.
int weir_dump(void (*print)(void *argument, const weir_coroutine_description *coroutine),
              void *argument);

// weir_install_dump makes the loop of this thread write a dump as text to |fd|, after a heading a
// line for each coroutine, whenever the process gets |signal| (SIGUSR1, say), on whatever thread.
// Several loops may install the same one: each writes its own dump. The loop writes when the
// coroutine that runs suspends. If one keeps the thread busy, a second signal names it at once,
// provided that this thread gets it. Writing may block the thread if |fd| does. To be called again
// for another signal or |fd|. The handler stays for good, but does nothing any more for a selector
// that is closed. Returns 0, -EINVAL outside a coroutine or for a signal that cannot be caught,
// -ENOMEM, or what sigaction(2) reports.
WEIR_MUST_USE int weir_install_dump(int signal, int fd);

// weir_install_overflow_report makes the process write one line to |fd| that names the coroutine
// when one runs over the end of its stack, before it dies of SIGSEGV as it would have anyway. Other
// faults go to the handler that was there before. A frame larger than the guard page may step over
// it unnoticed, unless the compiler prevents that (-fstack-clash-protection). To be called once per
// process, best before the first run: each thread gets a stack for signals (sigaltstack(2)), unless
// it has one, for the time that it runs a loop or several, and a run fails with -ENOMEM without it.
// Returns 0, -EALREADY, -ENOMEM, or what sigaction(2) reports.
WEIR_MUST_USE int weir_install_overflow_report(int fd);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_DIAGNOSTICS_H
