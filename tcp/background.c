// SPDX-License-Identifier: Apache-2.0
//
// What a connection waits for in the loop, without a coroutine: one thing at a time.

#include <assert.h>

#include "tcp/internal/tcp_connection.h"

static void finish(weir_tcp_connection *self) {
  void (*then)(weir_tcp_connection *) = self->then;
  self->state = WEIR_INTERNAL_TCP_IDLE;
  self->then = NULL;
  // |then| may free the connection.
  if (then != NULL) then(self);
}

static void operation_completed(weir_internal_operation *operation) {
  finish(WEIR_INTERNAL_CONTAINER(operation, weir_tcp_connection, background.operation));
}

static void turn_came(weir_internal_timer *timer) {
  finish(WEIR_INTERNAL_CONTAINER(timer, weir_tcp_connection, background.timer));
}

int weir_internal_tcp_background_wait(weir_tcp_connection *self, weir_internal_operation_kind kind,
                                      void (*then)(weir_tcp_connection *self)) {
  assert(self->then == NULL);
  if (self->state == WEIR_INTERNAL_TCP_PENDING) {
    // An earlier operation, taken back but not yet confirmed: |then| comes when it is, perhaps for
    // no reason.
    self->then = then;
    return 0;
  }
  self->background.operation = (weir_internal_operation){
      .kind = kind, .descriptor = &self->descriptor, .complete = operation_completed};
  int result = weir_internal_submit(&self->background.operation);
  if (result == -EINPROGRESS) {
    self->state = WEIR_INTERNAL_TCP_PENDING;
    self->then = then;
    return 0;
  }
  if (result < 0) return result;
  weir_internal_tcp_background_next_turn(self, then);
  return 0;
}

void weir_internal_tcp_background_next_turn(weir_tcp_connection *self,
                                            void (*then)(weir_tcp_connection *self)) {
  assert(self->state == WEIR_INTERNAL_TCP_IDLE);
  weir_internal_loop *loop = weir_internal_current_loop();
  self->background.timer = (weir_internal_timer){.fire = turn_came};
  self->state = WEIR_INTERNAL_TCP_TURN;
  self->then = then;
  // A timer whose time has come already would fire in this very turn.
  weir_internal_timer_arm(loop, &self->background.timer, weir_internal_loop_now(loop) + 1);
}

bool weir_internal_tcp_background_stop(weir_tcp_connection *self) {
  self->then = NULL;
  if (self->state == WEIR_INTERNAL_TCP_PENDING) {
    if (!weir_internal_cancel_operation(&self->background.operation)) return false;
  } else if (self->state == WEIR_INTERNAL_TCP_TURN) {
    weir_internal_timer_cancel(weir_internal_current_loop(), &self->background.timer);
  }
  self->state = WEIR_INTERNAL_TCP_IDLE;
  return true;
}
