// SPDX-License-Identifier: Apache-2.0
//
// weir/blocking.h: calls that block their thread, on threads of their own. The selector keeps a
// pool of them, for all its loops, which grows when all are busy (see |blocking_threads| of
// weir_selector_options) and shrinks when they are idle. When no more may be had, calls wait their
// turn, first come first served.
//
// The threads have all signals blocked but those that a fault raises, and the stack size that
// threads have by default (setrlimit(2), RLIMIT_STACK). On a selector whose clock is virtual they
// are real all the same: its time goes on without them, so that a deadline beside a call may pass
// at once.
//
// Example:
//   static int compute(void *argument) {
//     *(int *)argument = 42;  // on another thread
//     return 0;
//   }
//   static int run(void *argument) {
//     int result = weir_blocking(compute, argument);
//     return result;
//   }
//   int answer = 0;
//   assert(weir_run(NULL, run, &answer) == 0 && answer == 42);

#ifndef WEIR_BLOCKING_H
#define WEIR_BLOCKING_H

#include "weir/base.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_blocking calls |function| with |argument| on a thread of the pool and suspends until it has
// returned. Neither cancellation nor a deadline cuts this short, because |argument| may lie on the
// stack; a call that has not begun yet is taken back, though. Returns what |function| returned;
// -ECANCELED or -ETIMEDOUT when it was never called; -EAGAIN when no thread can be had and none
// exists (pthread_create(3)); -EINVAL outside a coroutine or without a function. Allocates nothing.
WEIR_MUST_USE int weir_blocking(weir_function function, void *argument);

// weir_blocking_detached is weir_blocking that may be abandoned: when the coroutine is cancelled or
// its deadline passes it returns at once, and the thread calls |discard| with |argument| when
// |function| has returned. Until then |argument| belongs to the thread, so it must not lie on the
// stack. So after -ECANCELED or -ETIMEDOUT, and never after anything else, |argument| is gone:
// |discard| is called before the return when |function| was never called, and also when one of
// these two is its own result. |discard| may be NULL. Returns as weir_blocking, or -ENOMEM. A
// thread that never comes back keeps the selector from closing: its close waits.
WEIR_MUST_USE int weir_blocking_detached(weir_function function, void *argument,
                                         void (*discard)(void *argument));

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BLOCKING_H
