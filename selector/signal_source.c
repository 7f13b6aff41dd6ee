// SPDX-License-Identifier: Apache-2.0
//
// Signals read from a descriptor (signalfd(2)), so that no handler is installed.

#include <sys/signalfd.h>

#include "selector/internal/selector.h"

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

void weir_internal_signal_source_unblock(weir_internal_signal_source *source) {
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
  weir_internal_signal_source_unblock(source);
  source->loop = NULL;
}
