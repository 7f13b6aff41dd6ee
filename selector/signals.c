// SPDX-License-Identifier: Apache-2.0

#include "weir/signals.h"

#include "base/internal/memory.h"
#include "selector/internal/selector.h"

struct weir_signals {
  weir_internal_signal_source source;
  weir_internal_wait_queue waiter;
  bool in_wait;  // from the beginning of weir_signals_wait to its return
  bool closed;   // freed by the one who waits
};

static int collect(const int *signals, int count, sigset_t *out) {
  sigemptyset(out);
  for (int i = 0; i < count; i++) {
    bool can_be_blocked = signals[i] != SIGKILL && signals[i] != SIGSTOP;
    if (!can_be_blocked || sigaddset(out, signals[i]) != 0) return -EINVAL;
  }
  return count > 0 ? 0 : -EINVAL;
}

static void signals_ready(weir_internal_registration *registration, uint32_t events) {
  (void)events;
  weir_signals *signals = WEIR_INTERNAL_CONTAINER(registration, weir_signals, source.registration);
  // Whoever waits next looks first.
  (void)weir_internal_wait_queue_wake_one(&signals->waiter, 0);
}

static void destroy(weir_signals *signals) { weir_internal_release(signals, sizeof *signals); }

int weir_signals_open(weir_signals **out, const int *signals, int count) {
  if (out == NULL) return -EINVAL;
  *out = NULL;
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  if (loop == NULL || weir_internal_current_coroutine() == NULL) return -EINVAL;
  sigset_t set;
  int result = collect(signals, count, &set);
  if (result < 0) return result;
  weir_signals *opened = (weir_signals *)weir_internal_allocate(sizeof *opened);
  if (opened == NULL) return -ENOMEM;
  weir_internal_wait_queue_init(&opened->waiter);
  result = weir_internal_signal_source_begin(&opened->source, loop, &set, EPOLLIN | EPOLLONESHOT,
                                             signals_ready);
  if (result < 0) {
    destroy(opened);
    return result;
  }
  *out = opened;
  return 0;
}

// Asks to be told when one comes. Told once, so that one that nobody waits for costs nothing.
static int arm(const weir_signals *signals) {
  weir_internal_selector_loop *loop = signals->source.loop;
  return loop->backend->arm(loop, signals->source.fd, EPOLLIN, signals->source.registration.slot,
                            true);
}

static int wait_inside(weir_signals *signals) {
  int result = weir_internal_enter_here();
  while (result == 0) {
    if (signals->closed) return WEIR_E_CLOSED;
    int signal = weir_internal_signal_source_take(&signals->source);
    if (signal > 0) return signal;
    result = arm(signals);
    if (result < 0) return result;
    result = weir_internal_wait_queue_wait_for(&signals->waiter, WEIR_FOREVER, "signal");
  }
  return result;
}

int weir_signals_wait(weir_signals *signals) {
  if (signals == NULL || weir_internal_current_coroutine() == NULL) return -EINVAL;
  if (signals->source.loop->loop != weir_internal_current_loop()) return -EXDEV;
  if (signals->in_wait) return -EBUSY;
  // Before the first suspension: whoever runs meanwhile may close them.
  signals->in_wait = true;
  int result = wait_inside(signals);
  signals->in_wait = false;
  if (signals->closed) destroy(signals);
  return result;
}

void weir_signals_close(weir_signals *signals) {
  if (signals == NULL) return;
  // Those that came and were not read must not have their ordinary effect now.
  while (weir_internal_signal_source_take(&signals->source) > 0) continue;
  weir_internal_signal_source_end(&signals->source);
  signals->closed = true;
  if (signals->in_wait) {
    weir_internal_wait_queue_wake_all(&signals->waiter, WEIR_E_CLOSED);
  } else {
    destroy(signals);
  }
}
