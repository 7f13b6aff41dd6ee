// SPDX-License-Identifier: Apache-2.0
//
// The selector's own threads: each runs one loop, from the start of a run to its end. All that they
// and the first loop have to tell each other is messages.
//
// A run ends in three steps, so that no message meets a loop that has ended. When the root has
// ended, and with it every coroutine that it launched anywhere, all loops are told to stop: each
// finishes what was left behind, at the same time as the others. One that has nothing left says
// that it is quiet, but goes on reading messages. When all are quiet they may leave.

#include "selector/internal/selector.h"

static weir_internal_loop *first_loop(const weir_internal_selector_loop *loop) {
  return loop->selector->loops[0].loop;
}

// On the thread

static void read_stop(weir_internal_message *message) {
  weir_internal_selector_loop *self =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, stop_message);
  weir_internal_loop_stop(self->loop);
}

static void read_leave(weir_internal_message *message) {
  WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, leave_message)->leave = true;
}

// A loop that cannot wait takes the whole run with it.
static void tell_failure(weir_internal_selector_loop *self) {
  if (self->failure_told || weir_internal_loop_failure(self->loop) == 0) return;
  self->failure_told = true;
  weir_internal_loop_post(first_loop(self), &self->failure_message);
}

static void *run_thread(void *argument) {
  weir_internal_selector_loop *self = (weir_internal_selector_loop *)argument;
  // A new thread runs no other loop, but there may be no memory for its stack for signals.
  int begun = weir_internal_loop_begin(self->loop);
  if (begun < 0) weir_internal_loop_fail(self->loop, begun);
  while (weir_internal_loop_turn(self->loop, WEIR_FOREVER)) tell_failure(self);
  tell_failure(self);
  weir_internal_loop_post(first_loop(self), &self->quiet_message);
  while (!self->leave) {
    bool more = weir_internal_loop_turn(self->loop, WEIR_FOREVER);
    (void)more;
  }
  int result = weir_internal_loop_end(self->loop);
  (void)result;
  return NULL;
}

// On the thread of the first loop

static void read_quiet(weir_internal_message *message) {
  WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, quiet_message)
      ->selector->threads_quiet++;
}

static void read_failure(weir_internal_message *message) {
  weir_internal_selector_loop *failed =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, failure_message);
  weir_internal_loop_fail(first_loop(failed), weir_internal_loop_failure(failed->loop));
}

static int start_thread(weir_internal_selector_loop *loop) {
  loop->leave = false;
  loop->failure_told = false;
  loop->stop_message.run = read_stop;
  loop->leave_message.run = read_leave;
  loop->quiet_message.run = read_quiet;
  loop->failure_message.run = read_failure;
  return weir_internal_thread_start(loop->selector->calls, &loop->thread, run_thread, loop);
}

int weir_internal_threads_start(weir_selector *selector, bool none) {
  selector->threads_started = 0;
  selector->threads_quiet = 0;
  selector->threads_stopped = false;
  if (none) return 0;
  int result = 0;
  for (size_t i = 1; i < selector->loop_count && result == 0; i++) {
    result = start_thread(&selector->loops[i]);
    if (result == 0) selector->threads_started++;
  }
  return result;
}

bool weir_internal_threads_go_on(weir_selector *selector) {
  if (!selector->threads_stopped && weir_internal_loop_is_ending(selector->loops[0].loop)) {
    selector->threads_stopped = true;
    for (size_t i = 1; i <= selector->threads_started; i++) {
      weir_internal_loop_post(selector->loops[i].loop, &selector->loops[i].stop_message);
    }
  }
  return selector->threads_quiet < selector->threads_started;
}

void weir_internal_threads_join(weir_selector *selector) {
  const weir_internal_system_calls *calls = selector->calls;
  for (size_t i = 1; i <= selector->threads_started; i++) {
    weir_internal_loop_post(selector->loops[i].loop, &selector->loops[i].leave_message);
  }
  for (size_t i = 1; i <= selector->threads_started; i++) {
    calls->thread_join(calls->context, selector->loops[i].thread);
  }
}
