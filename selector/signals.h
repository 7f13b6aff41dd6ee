// SPDX-License-Identifier: Apache-2.0
//
// weir/signals.h: signals as something to read.
//
// Example:
//   static int run(void *argument) {
//     (void)argument;
//     const int wanted[] = {SIGHUP};
//     weir_signals *signals;
//     int result = weir_signals_open(&signals, wanted, 1);
//     if (result < 0) return result;
//     raise(SIGHUP);
//     result = weir_signals_wait(signals);
//     assert(result == SIGHUP);
//     weir_signals_close(signals);
//     return result < 0 ? result : 0;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_SIGNALS_H
#define WEIR_SIGNALS_H

#include <signal.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_signals weir_signals;

// weir_signals_open lets the current thread's coroutines read |count| |signals|, which it blocks in
// this thread (pthread_sigmask(3)): from now on they do nothing else. Threads begun before must
// block them too, or the kernel may deliver them there; a selector's other loops and its threads
// for weir_blocking do. Does not suspend. Returns 0; -EINVAL outside a coroutine, for no signals,
// or for one that cannot be blocked; -EBUSY for one that is open already, or that the option
// |cancel_on_interrupt| still waits for, anywhere in the process; -ENOMEM, -EMFILE, -ENFILE,
// -ENOSPC.
WEIR_MUST_USE int weir_signals_open(weir_signals **out, const int *signals, int count);

// weir_signals_wait suspends until one of the signals has come, and returns its number. Several of
// the same number that come together are one (signal(7)). Besides, it returns -ECANCELED,
// -ETIMEDOUT, -EBUSY while another coroutine waits, WEIR_E_CLOSED, -EINVAL outside a coroutine,
// -EXDEV on another thread, -ENOMEM. A signal that came while nobody waited is there for the next
// one who does.
WEIR_MUST_USE int weir_signals_wait(weir_signals *signals);

// weir_signals_close unblocks those that were not blocked before, and frees |signals|; a coroutine
// that waits gets WEIR_E_CLOSED first. Signals that came and were not read are dropped. To be
// called on the thread that opened them, before its run ends. NULL is legal. Does not suspend.
void weir_signals_close(weir_signals *signals);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SIGNALS_H
