// SPDX-License-Identifier: Apache-2.0
//
// A cancellation from another thread, as a message that lies in what it cancels: a job, a scope, or
// the root of a run. It is sent once at most, because a cancellation stays; so no thread waits for
// another, nothing is allocated, and nothing is sent to what has ended. docs/concurrency_model.md
// tells of the model that checks it.

#ifndef WEIR_COROUTINE_INTERNAL_CANCEL_REQUEST_H
#define WEIR_COROUTINE_INTERNAL_CANCEL_REQUEST_H

#include <stdatomic.h>

#include "coroutine/internal/loop.h"

typedef struct weir_internal_cancel_request {
  weir_internal_message message;
  // 0: may be sent; negative: was sent, and why; positive: nothing is left to be cancelled.
  _Atomic int state;
  // Of the loop's thread.
  bool read;
  bool due;  // under way to what has ended
} weir_internal_cancel_request;

// weir_internal_cancel_request_open makes |request| one that may be sent. |run| is called on the
// loop's thread and calls weir_internal_cancel_request_read.
void weir_internal_cancel_request_open(weir_internal_cancel_request *request,
                                       void (*run)(weir_internal_message *message));

// weir_internal_cancel_request_close makes it one that is never sent, as soon as what it is for
// cannot be cancelled any more. On the thread of |loop|. Returns true when it is under way: then
// |run| has yet to be called, and the run goes on until then.
bool weir_internal_cancel_request_close(weir_internal_cancel_request *request,
                                        weir_internal_loop *loop);

// weir_internal_cancel_request_send cancels what |request| is for, on |loop|, because of |cause|,
// unless it was sent before or is closed. From any thread. The loop stays until this returns, if
// the memory of |request| does.
void weir_internal_cancel_request_send(weir_internal_cancel_request *request,
                                       weir_internal_loop *loop, int cause);

// weir_internal_cancel_request_read returns the cause, or 0 when the request was closed meanwhile:
// then its memory, which nobody will look at any more, may be freed.
WEIR_MUST_USE int weir_internal_cancel_request_read(weir_internal_cancel_request *request);

#endif  // WEIR_COROUTINE_INTERNAL_CANCEL_REQUEST_H
