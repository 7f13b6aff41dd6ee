// SPDX-License-Identifier: Apache-2.0
//
// Threads of the selector's own, those of its loops and those of blocking calls.

#include "selector/internal/selector.h"

static void choose_blocked(sigset_t *signals) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
  sigfillset(signals);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) sigdelset(signals, faults[i]);
}

int weir_internal_thread_start(const weir_internal_system_calls *calls, pthread_t *out,
                               void *(*function)(void *argument), void *argument) {
  sigset_t blocked, previous;
  choose_blocked(&blocked);
  // A thread inherits the mask.
  int result = calls->signal_mask(calls->context, SIG_SETMASK, &blocked, &previous);
  if (result < 0) return result;
  result = calls->thread_create(calls->context, out, function, argument);
  // Only a wrong argument makes it fail, and the mask came from the same call.
  (void)calls->signal_mask(calls->context, SIG_SETMASK, &previous, NULL);
  return result;
}
