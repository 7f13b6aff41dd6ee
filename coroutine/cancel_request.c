// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/cancel_request.h"

#include "coroutine/internal/coroutine.h"

enum { OPEN = 0, CLOSED = 1 };

void weir_internal_cancel_request_open(weir_internal_cancel_request *request,
                                       void (*run)(weir_internal_message *message)) {
  request->message.run = run;
  request->read = false;
  // The message of the run before, of a root, was read by then.
  atomic_store_explicit(&request->state, OPEN, memory_order_release);
}

bool weir_internal_cancel_request_close(weir_internal_cancel_request *request,
                                        weir_internal_loop *loop) {
  int state = atomic_exchange_explicit(&request->state, CLOSED, memory_order_acq_rel);
  request->due = state < 0 && !request->read;
  // Whoever sent it may not have got so far as to know that the loop must stay.
  if (request->due) loop->cancels_due++;
  return request->due;
}

void weir_internal_cancel_request_send(weir_internal_cancel_request *request,
                                       weir_internal_loop *loop, int cause) {
  int expected = OPEN;
  if (!atomic_compare_exchange_strong_explicit(&request->state, &expected, cause,
                                               memory_order_acq_rel, memory_order_relaxed)) {
    return;
  }
  weir_internal_loop_post(loop, &request->message);
}

int weir_internal_cancel_request_read(weir_internal_cancel_request *request) {
  request->read = true;
  if (!request->due) return atomic_load_explicit(&request->state, memory_order_relaxed);
  request->due = false;
  weir_internal_current_loop()->cancels_due--;
  return 0;
}
