// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C: the first SIGINT or SIGTERM cancels the root coroutine, the second one finds its ordinary
// effect restored. The signals are read from a descriptor (signalfd(2)), so no handler is
// installed.

#include <sys/signalfd.h>

#include "selector/internal/selector.h"

// Puts the thread's signal mask back, so that the next signal has its ordinary effect.
static void unmask(weir_internal_interrupt *interrupt) {
  if (!interrupt->masked) return;
  const weir_internal_system_calls *calls = interrupt->loop->selector->calls;
  // Only a wrong argument makes it fail, and the mask came from the same call.
  (void)calls->signal_mask(calls->context, SIG_SETMASK, &interrupt->previous_mask, NULL);
  interrupt->masked = false;
}

// Takes one pending signal. Returns whether there was one.
static bool take_signal(const weir_internal_interrupt *interrupt) {
  const weir_internal_system_calls *calls = interrupt->loop->selector->calls;
  struct signalfd_siginfo signal;
  int result;
  do {
    result = calls->read(calls->context, interrupt->fd, &signal, sizeof signal);
  } while (result == -EINTR);
  return result > 0;
}

static void interrupt_ready(weir_internal_registration *registration, uint32_t events) {
  (void)events;
  weir_internal_interrupt *interrupt =
      WEIR_INTERNAL_CONTAINER(registration, weir_internal_interrupt, registration);
  if (!take_signal(interrupt) || interrupt->happened) return;
  interrupt->happened = true;
  unmask(interrupt);
  weir_internal_loop_cancel_root(interrupt->loop->loop);
}

int weir_internal_interrupt_begin(weir_internal_interrupt *interrupt,
                                  weir_internal_selector_loop *loop) {
  const weir_internal_system_calls *calls = loop->selector->calls;
  interrupt->loop = loop;
  interrupt->registration.ready = interrupt_ready;
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  interrupt->fd = calls->signal_create(calls->context, &signals);
  if (interrupt->fd < 0) return interrupt->fd;
  int result = calls->signal_mask(calls->context, SIG_BLOCK, &signals, &interrupt->previous_mask);
  if (result < 0) return result;
  interrupt->masked = true;
  result = weir_internal_slot_take(&loop->slots, &interrupt->registration);
  if (result < 0) return result;
  interrupt->registered = true;
  weir_internal_slot_table *slots = &loop->slots;
  struct epoll_event event = {
      .events = EPOLLIN,
      .data = {.u64 = weir_internal_slot_name(slots, interrupt->registration.slot)},
  };
  return calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, interrupt->fd, &event);
}

void weir_internal_interrupt_end(weir_internal_interrupt *interrupt) {
  if (interrupt->loop == NULL) return;
  const weir_internal_system_calls *calls = interrupt->loop->selector->calls;
  if (interrupt->registered) {
    weir_internal_slot_return(&interrupt->loop->slots, interrupt->registration.slot);
    interrupt->registered = false;
  }
  // The first signal was asked for: if it came too late to cancel anything it must not kill now.
  if (interrupt->masked && !interrupt->happened) interrupt->happened = take_signal(interrupt);
  // Nothing can be lost with a signal descriptor.
  if (interrupt->fd >= 0) (void)calls->close(calls->context, interrupt->fd);
  interrupt->fd = -1;
  unmask(interrupt);
}
