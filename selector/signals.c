// SPDX-License-Identifier: Apache-2.0

#include "weir/signals.h"

#include <stdatomic.h>

#include "base/internal/memory.h"
#include "selector/internal/selector.h"

// The signals that are open, a bit for each: of two who read the same one, each signal would reach
// either, and it is the process that gets them.
static _Atomic(uint64_t) taken;

struct weir_signals {
  weir_internal_signal_source source;
  weir_internal_wait_queue waiter;
  uint64_t bits;
  bool in_wait;  // from the beginning of weir_signals_wait to its return
  bool closed;   // freed by the one who waits
};

static uint64_t bit_of(int signal) { return UINT64_C(1) << (signal - 1); }

static int collect(const int *signals, int count, sigset_t *out_set, uint64_t *out_bits) {
  sigemptyset(out_set);
  *out_bits = 0;
  for (int i = 0; i < count; i++) {
    bool can_be_blocked = signals[i] != SIGKILL && signals[i] != SIGSTOP;
    if (!can_be_blocked || sigaddset(out_set, signals[i]) != 0) return -EINVAL;
    *out_bits |= bit_of(signals[i]);
  }
  return count > 0 ? 0 : -EINVAL;
}

static bool take(uint64_t bits) {
  uint64_t before = atomic_load_explicit(&taken, memory_order_relaxed);
  do {
    if ((before & bits) != 0) return false;
  } while (!atomic_compare_exchange_weak_explicit(&taken, &before, before | bits,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

static void give_back(uint64_t bits) {
  atomic_fetch_and_explicit(&taken, ~bits, memory_order_relaxed);
}

// The first interrupt of a run is the run's.
static bool is_for_interrupt(const weir_internal_selector_loop *loop, uint64_t bits) {
  const weir_internal_interrupt *interrupt = &loop->selector->interrupt;
  bool waits = interrupt->source.loop == loop && !interrupt->happened;
  return waits && (bits & (bit_of(SIGINT) | bit_of(SIGTERM))) != 0;
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
  uint64_t bits;
  int result = collect(signals, count, &set, &bits);
  if (result < 0) return result;
  if (is_for_interrupt(loop, bits)) return -EBUSY;
  weir_signals *opened = (weir_signals *)weir_internal_allocate(sizeof *opened);
  if (opened == NULL) return -ENOMEM;
  weir_internal_wait_queue_init(&opened->waiter);
  opened->bits = bits;
  result = take(bits) ? 0 : -EBUSY;
  if (result == 0) {
    result = weir_internal_signal_source_begin(&opened->source, loop, &set, EPOLLIN | EPOLLONESHOT,
                                               signals_ready);
    if (result < 0) give_back(bits);
  }
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
  give_back(signals->bits);
  signals->closed = true;
  if (signals->in_wait) {
    weir_internal_wait_queue_wake_all(&signals->waiter, WEIR_E_CLOSED);
  } else {
    destroy(signals);
  }
}
