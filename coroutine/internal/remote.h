// SPDX-License-Identifier: Apache-2.0
//
// From one loop to another: launching a coroutine there, calling a function there, and waiting for
// the answer. The loops share no state but messages, and all of these are in memory that exists
// before the first of them is posted, so that none can fail to be sent.

#ifndef WEIR_COROUTINE_INTERNAL_REMOTE_H
#define WEIR_COROUTINE_INTERNAL_REMOTE_H

#include "coroutine/internal/loop.h"
#include "coroutine/internal/suspend.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_launch is weir_launch, told where that was called: for messages.
WEIR_MUST_USE int weir_internal_launch(weir_scope *scope, weir_job **out_or_null,
                                       const weir_launch_options *options, weir_function function,
                                       void *argument, void *launch_site);

// weir_internal_launch_remote is weir_internal_launch on |target|, a loop that runs or will run as
// long as this one: the coroutine belongs to |scope| on this loop. Suspends until the coroutine
// exists, whatever else happens. Returns as weir_launch; -ECANCELED when |target| is about to end.
WEIR_MUST_USE int weir_internal_launch_remote(weir_internal_loop *target, weir_scope *scope,
                                              weir_job **out_or_null,
                                              const weir_launch_options *options,
                                              weir_function function, void *argument,
                                              void *launch_site);

// A reply: one message for which one coroutine waits, shielded. It lives on that one's stack.
typedef struct weir_internal_reply {
  weir_internal_message message;
  weir_internal_loop *loop;
  weir_internal_ticket ticket;
  bool arrived;
} weir_internal_reply;

// weir_internal_reply_init prepares |reply| for the current coroutine.
void weir_internal_reply_init(weir_internal_reply *reply);

// weir_internal_reply_send lets it go on, from any thread, once.
void weir_internal_reply_send(weir_internal_reply *reply);

// weir_internal_reply_await suspends until |reply| was sent, whatever else happens. |what| as in
// suspend.h.
void weir_internal_reply_await(weir_internal_reply *reply, const char *what);

// weir_internal_loop_call calls |function|, which must not suspend, on the thread of |loop|,
// outside any coroutine (or at once, if it is the current loop), and suspends until that has
// returned, whatever else happens. |what| as in suspend.h.
void weir_internal_loop_call(weir_internal_loop *loop, void (*function)(void *argument),
                             void *argument, const char *what);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_REMOTE_H
