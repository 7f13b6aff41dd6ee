// SPDX-License-Identifier: Apache-2.0
//
// weir/blocking.h: calls that block their thread, on threads of their own. The selector keeps a
// pool of them, which grows when all are busy and shrinks when they are idle.
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
// -ECANCELED or -ETIMEDOUT when it was never called; -ENOMEM or -EAGAIN when no thread can be had
// and none exists; -EINVAL outside a coroutine.
WEIR_MUST_USE int weir_blocking(weir_function function, void *argument);

// weir_blocking_detached is weir_blocking that may be abandoned: when the coroutine is cancelled or
// its deadline passes it returns at once, and the thread calls |discard| with |argument| when
// |function| has returned; if that was never called, |discard| is called before the return. Until
// then |argument| belongs to the thread, so it must not lie on the stack, and it belongs to the
// caller again when anything else is returned. A thread that never comes back keeps the selector
// from closing: its close waits.
WEIR_MUST_USE int weir_blocking_detached(weir_function function, void *argument,
                                         void (*discard)(void *argument));

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BLOCKING_H
