// SPDX-License-Identifier: Apache-2.0
//
// Deadlines and shields: brackets that change what the running coroutine's deadline is and put it
// back. Nothing is linked, so a bracket may be copied or forgotten without harm to others.

#include "coroutine/internal/coroutine.h"

int64_t weir_now(void) {
  weir_internal_loop *loop = weir_internal_thread.loop;
  if (loop == NULL) return 0;
  loop->now = loop->operations->now(loop->operations_context);
  if (loop->current != NULL) weir_internal_coroutine_look_again(loop->current);
  return loop->now;
}

// The time |nanoseconds| from now; WEIR_FOREVER when that is beyond all time.
static int64_t from_now(int64_t nanoseconds) {
  if (nanoseconds == WEIR_FOREVER) return WEIR_FOREVER;
  int64_t now = weir_now();
  if (nanoseconds <= 0) return now;
  return nanoseconds < WEIR_FOREVER - now ? now + nanoseconds : WEIR_FOREVER;
}

static weir_timeout open_bracket(weir_internal_coroutine *coroutine) {
  weir_timeout timeout = {
      .previous_deadline = coroutine->deadline,
      .previous_owner = coroutine->deadline_owner,
      .depth = ++coroutine->bracket_depth,
      .previous_expired = coroutine->deadline_expired,
  };
  return timeout;
}

static void take_over(weir_internal_coroutine *coroutine, int64_t deadline) {
  coroutine->deadline = deadline;
  coroutine->deadline_owner = coroutine->bracket_depth;
  coroutine->deadline_expired = false;
}

static bool close_bracket(weir_internal_coroutine *coroutine, weir_timeout timeout) {
  weir_internal_coroutine_look_again(coroutine);
  coroutine->bracket_depth = timeout.depth - 1;
  if (coroutine->deadline_owner < timeout.depth) return false;
  bool expired = coroutine->deadline_owner == timeout.depth && coroutine->deadline_expired;
  coroutine->deadline = timeout.previous_deadline;
  coroutine->deadline_owner = timeout.previous_owner;
  coroutine->deadline_expired = timeout.previous_expired;
  return expired;
}

weir_timeout weir_timeout_begin(int64_t nanoseconds) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return (weir_timeout){.depth = 0};
  int64_t deadline = from_now(nanoseconds);
  weir_timeout timeout = open_bracket(coroutine);
  if (deadline < coroutine->deadline) take_over(coroutine, deadline);
  return timeout;
}

bool weir_timeout_end(weir_timeout timeout) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL || timeout.depth == 0) return false;
  return close_bracket(coroutine, timeout);
}

void weir_internal_coroutine_learn(int result) {
  if (result != -ETIMEDOUT) return;
  // What this loop knows of the time may be older than the other one's deadline.
  (void)weir_now();
  (void)weir_internal_coroutine_check(weir_internal_running());
}

void weir_internal_forget_expiry(void) {
  // It was false before: otherwise no operation would have begun.
  weir_internal_running()->deadline_expired = false;
}

weir_shield weir_shield_begin(void) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  weir_shield shield = {{.depth = 0}};
  if (coroutine == NULL) return shield;
  shield.suspended = open_bracket(coroutine);
  take_over(coroutine, WEIR_FOREVER);
  coroutine->shields++;
  return shield;
}

void weir_shield_end(weir_shield shield) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL || shield.suspended.depth == 0) return;
  (void)close_bracket(coroutine, shield.suspended);
  coroutine->shields--;
}

int weir_delay(int64_t nanoseconds) {
  if (nanoseconds <= 0) return weir_yield();
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  int64_t until = from_now(nanoseconds);
  result = weir_internal_suspend(weir_internal_ticket_take_for("delay"), until);
  return result == -ETIME ? 0 : result;
}
