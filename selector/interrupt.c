// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C: the first SIGINT or SIGTERM cancels the root coroutine, the second one finds its ordinary
// effect restored.

#include "selector/internal/selector.h"

static void interrupt_ready(weir_internal_registration *registration, uint32_t events) {
  (void)events;
  weir_internal_interrupt *interrupt =
      WEIR_INTERNAL_CONTAINER(registration, weir_internal_interrupt, source.registration);
  if (weir_internal_signal_source_take(&interrupt->source) == 0) return;
  interrupt->happened = true;
  weir_internal_loop *loop = interrupt->source.loop->loop;
  // From now on these signals are whoever's wants to read them.
  weir_internal_signal_source_end(&interrupt->source);
  weir_internal_loop_cancel_root(loop);
}

int weir_internal_interrupt_begin(weir_internal_interrupt *interrupt,
                                  weir_internal_selector_loop *loop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return weir_internal_signal_source_begin(&interrupt->source, loop, &signals, EPOLLIN,
                                           interrupt_ready);
}

void weir_internal_interrupt_end(weir_internal_interrupt *interrupt) {
  if (interrupt->source.loop == NULL) return;
  // The first signal was asked for: if it came too late to cancel anything it must not kill now.
  interrupt->happened = weir_internal_signal_source_take(&interrupt->source) > 0;
  weir_internal_signal_source_end(&interrupt->source);
}
