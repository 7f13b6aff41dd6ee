// SPDX-License-Identifier: Apache-2.0
//
// Signals read from a descriptor (signalfd(2)), so that no handler is installed.

#include <stdatomic.h>
#include <sys/signalfd.h>

#include "selector/internal/selector.h"

// The signals that somebody reads, a bit for each: of two who read the same one, each signal would
// reach either, and it is the process that gets them.
static _Atomic(uint64_t) taken;

static uint64_t bits_of(const sigset_t *signals) {
  uint64_t bits = 0;
  for (int signal = 1; signal < NSIG; signal++) {
    if (sigismember(signals, signal) == 1) bits |= UINT64_C(1) << (signal - 1);
  }
  return bits;
}

static bool take(const sigset_t *signals) {
  uint64_t bits = bits_of(signals);
  uint64_t before = atomic_load_explicit(&taken, memory_order_relaxed);
  do {
    if ((before & bits) != 0) return false;
  } while (!atomic_compare_exchange_weak_explicit(&taken, &before, before | bits,
                                                  memory_order_relaxed, memory_order_relaxed));
  return true;
}

static void give_back(const sigset_t *signals) {
  atomic_fetch_and_explicit(&taken, ~bits_of(signals), memory_order_relaxed);
}

static const weir_internal_system_calls *calls_of(const weir_internal_signal_source *source) {
  return source->loop->selector->calls;
}

// Blocks the signals, and remembers which of them were not blocked before.
static int block(weir_internal_signal_source *source) {
  const weir_internal_system_calls *calls = calls_of(source);
  sigset_t previous;
  int result = calls->signal_mask(calls->context, SIG_BLOCK, &source->signals, &previous);
  if (result < 0) return result;
  source->to_unblock = source->signals;
  for (int signal = 1; signal < NSIG; signal++) {
    if (sigismember(&previous, signal) == 1) sigdelset(&source->to_unblock, signal);
  }
  source->blocked = true;
  return 0;
}

static void unblock(weir_internal_signal_source *source) {
  if (!source->blocked) return;
  const weir_internal_system_calls *calls = calls_of(source);
  // Only a wrong argument makes it fail.
  (void)calls->signal_mask(calls->context, SIG_UNBLOCK, &source->to_unblock, NULL);
  source->blocked = false;
}

static int begin(weir_internal_signal_source *source) {
  weir_internal_selector_loop *loop = source->loop;
  const weir_internal_system_calls *calls = calls_of(source);
  source->fd = calls->signal_create(calls->context, &source->signals);
  if (source->fd < 0) return source->fd;
  int result = block(source);
  if (result == 0) result = weir_internal_slot_take(&loop->slots, &source->registration);
  if (result < 0) return result;
  source->registered = true;
  struct epoll_event event = {
      .events = source->events,
      .data = {.u64 = weir_internal_slot_name(&loop->slots, source->registration.slot)},
  };
  return calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event);
}

int weir_internal_signal_source_begin(
    weir_internal_signal_source *source, weir_internal_selector_loop *loop, const sigset_t *signals,
    uint32_t events, void (*ready)(weir_internal_registration *registration, uint32_t events)) {
  memset(source, 0, sizeof *source);
  if (!take(signals)) return -EBUSY;
  source->loop = loop;
  source->signals = *signals;
  source->events = events;
  source->registration.ready = ready;
  int result = begin(source);
  if (result < 0) weir_internal_signal_source_end(source);
  return result;
}

int weir_internal_signal_source_take(const weir_internal_signal_source *source) {
  const weir_internal_system_calls *calls = calls_of(source);
  struct signalfd_siginfo signal;
  int result;
  do {
    result = calls->read(calls->context, source->fd, &signal, sizeof signal);
  } while (result == -EINTR);
  return result > 0 ? (int)signal.ssi_signo : 0;
}

void weir_internal_signal_source_end(weir_internal_signal_source *source) {
  if (source->loop == NULL) return;
  const weir_internal_system_calls *calls = calls_of(source);
  if (source->registered) {
    weir_internal_slot_return(&source->loop->slots, source->registration.slot);
  }
  // Nothing can be lost with a signal descriptor, and closing it ends its registration.
  if (source->fd >= 0) (void)calls->close(calls->context, source->fd);
  unblock(source);
  give_back(&source->signals);
  source->loop = NULL;
}
