// SPDX-License-Identifier: Apache-2.0
//
// Driving a selector, from its own loop or from somebody else's: the first loop runs on the
// caller's thread, turn by turn, the others on threads of the selector's own.

#include "selector/internal/selector.h"

static weir_internal_loop *first_loop(const weir_selector *selector) {
  return selector->loops[0].loop;
}

// Starts everything, unless |result| is a failure. What fails is the result of a run that ends at
// once.
static void set_up(weir_selector *selector, int result, weir_function function, void *argument) {
  memset(&selector->interrupt, 0, sizeof selector->interrupt);
  if (result == 0 && selector->options.cancel_on_interrupt) {
    result = weir_internal_interrupt_begin(&selector->interrupt, &selector->loops[0]);
  }
  int started = weir_internal_threads_start(selector, result < 0);
  if (result == 0) result = started;
  weir_internal_loop *loop = first_loop(selector);
  if (result == 0) result = weir_internal_loop_launch_root(loop, function, argument);
  weir_internal_loop_stop(loop);
  selector->start_result = result;
}

static int begin(weir_selector *selector, weir_function function, void *argument) {
  if (selector == NULL || function == NULL) return -EINVAL;
  if (selector->running) return -EBUSY;
  int result = weir_internal_loop_begin(first_loop(selector));
  if (result == -EBUSY) return result;
  selector->running = true;
  selector->driver = pthread_self();
  set_up(selector, result, function, argument);
  return 0;
}

// Returns true while there is more to do.
static bool turn(weir_selector *selector, int64_t limit) {
  bool here = weir_internal_loop_turn(first_loop(selector), limit);
  bool elsewhere = weir_internal_threads_go_on(selector);
  return here || elsewhere;
}

// Between runs nobody polls, so whoever watches the descriptor must find nothing there.
static void fall_silent(weir_selector *selector) {
  if (selector->timer_fd < 0) return;
  selector->timer_when = -1;
  (void)selector->calls->timer_set(selector->calls->context, selector->timer_fd, -1);
  // Nobody waits for what the kernel has told, and what it cannot tell now it tells the next run.
  weir_internal_selector_loop *loop = &selector->loops[0];
  while (loop->backend->wait(loop, 0) == 0 && loop->event_count > 0) continue;
}

static int end(weir_selector *selector) {
  weir_internal_threads_join(selector);
  int result = weir_internal_loop_end(first_loop(selector));
  if (selector->start_result < 0) result = selector->start_result;
  if (result == -ECANCELED && selector->interrupt.happened) result = 0;
  weir_internal_interrupt_end(&selector->interrupt);
  selector->running = false;
  fall_silent(selector);
  return result;
}

static int run_to_end(weir_selector *selector) {
  while (turn(selector, WEIR_FOREVER)) continue;
  return end(selector);
}

int weir_selector_run(weir_selector *selector, weir_function function, void *argument) {
  int result = begin(selector, function, argument);
  return result < 0 ? result : run_to_end(selector);
}

int weir_run(const weir_selector_options *options, weir_function function, void *argument) {
  if (weir_internal_current_loop() != NULL) return -EBUSY;
  weir_selector *selector;
  int result = weir_selector_create(&selector, options);
  if (result < 0) return result;
  result = weir_selector_run(selector, function, argument);
  int closed = weir_selector_close(selector);
  return result < 0 ? result : (closed < 0 ? closed : result);
}

// For a loop of the caller's own

// Makes the descriptor readable, now or in time, if there is something to do.
static void announce(weir_selector *selector) {
  if (selector->timer_fd < 0 || !selector->running) return;
  const weir_internal_system_calls *calls = selector->calls;
  weir_internal_selector_loop *loop = &selector->loops[0];
  int64_t until = weir_internal_loop_until(loop->loop);
  if (loop->next_event < loop->event_count || until <= calls->now(calls->context)) {
    loop->backend->wake(loop);
    return;
  }
  if (until == WEIR_FOREVER) until = -1;
  if (until == selector->timer_when) return;
  selector->timer_when = until;
  // With a descriptor of ours and a legal time it cannot fail.
  (void)calls->timer_set(calls->context, selector->timer_fd, until);
}

int weir_selector_start(weir_selector *selector, weir_function function, void *argument) {
  int result = begin(selector, function, argument);
  if (result < 0) return result;
  if (selector->start_result < 0) return run_to_end(selector);
  announce(selector);
  return 0;
}

static int64_t limit_of(const weir_selector *selector, int64_t nanoseconds) {
  if (nanoseconds <= 0) return 0;
  int64_t now = selector->calls->now(selector->calls->context);
  return nanoseconds < WEIR_FOREVER - now ? now + nanoseconds : WEIR_FOREVER;
}

int weir_selector_poll(weir_selector *selector, int64_t nanoseconds, int *out_result) {
  if (selector == NULL || !selector->running) return -EINVAL;
  if (!pthread_equal(selector->driver, pthread_self())) return -EXDEV;
  if (weir_internal_current_loop() != NULL) return -EBUSY;
  if (turn(selector, limit_of(selector, nanoseconds))) {
    announce(selector);
    return 1;
  }
  int result = end(selector);
  if (out_result != NULL) *out_result = result;
  return 0;
}

int weir_selector_fd(weir_selector *selector) {
  if (selector == NULL) return -EINVAL;
  weir_internal_selector_loop *loop = &selector->loops[0];
  if (selector->timer_fd >= 0) return loop->epoll_fd;
  const weir_internal_system_calls *calls = selector->calls;
  int fd = calls->timer_create(calls->context);
  if (fd < 0) return fd;
  int result = loop->backend->alert(loop, fd);
  if (result < 0) {
    (void)calls->close(calls->context, fd);
    return result;
  }
  selector->timer_fd = fd;
  selector->timer_when = -1;
  announce(selector);
  return loop->epoll_fd;
}

void weir_internal_drive_close(weir_selector *selector) {
  if (selector->timer_fd < 0) return;
  // A timer has nothing to lose.
  (void)selector->calls->close(selector->calls->context, selector->timer_fd);
  selector->timer_fd = -1;
}
