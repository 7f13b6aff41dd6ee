// SPDX-License-Identifier: Apache-2.0
//
// When the process has run out of file descriptors, those who need one wait until the selector
// closes another, on whatever loop. The loops tell each other by messages, and only while somebody
// waits.
//
// So that none is missed, whoever closes counts that first and then looks for those who wait, and
// whoever waits says so first and then looks at the count: in one order for all threads, hence
// __ATOMIC_SEQ_CST.

#include "selector/internal/selector.h"

static void post(weir_internal_selector_loop *loop, weir_internal_message *message, bool *posted) {
  if (__atomic_exchange_n(posted, true, __ATOMIC_ACQ_REL)) return;
  weir_internal_loop_post(loop->loop, message);
}

static void read_closed(weir_internal_message *message) {
  weir_internal_selector_loop *self =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, shortage.closed_message);
  __atomic_store_n(&self->shortage.closed_posted, false, __ATOMIC_RELEASE);
  weir_internal_wait_queue_wake_all(&self->shortage.waiters, 0);
}

static void read_spare(weir_internal_message *message) {
  weir_internal_selector_loop *self =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_selector_loop, shortage.spare_message);
  __atomic_store_n(&self->shortage.spare_posted, false, __ATOMIC_RELEASE);
  if (self->pipe_count == 0) return;
  weir_internal_kernel_pipes_close(self);
  weir_internal_shortage_eased(self);
}

void weir_internal_shortage_init(weir_internal_selector_loop *loop) {
  weir_internal_wait_queue_init(&loop->shortage.waiters);
  loop->shortage.closed_message.run = read_closed;
  loop->shortage.spare_message.run = read_spare;
}

uint64_t weir_internal_selector_closes(const weir_selector *selector) {
  uint64_t closes = 0;
  for (size_t i = 0; i < selector->loop_count; i++) {
    closes += __atomic_load_n(&selector->loops[i].shortage.closes, __ATOMIC_SEQ_CST);
  }
  return closes;
}

void weir_internal_shortage_eased(weir_internal_selector_loop *loop) {
  weir_selector *selector = loop->selector;
  // Each loop has a count of its own, so that they do not fight for one.
  __atomic_fetch_add(&loop->shortage.closes, 1, __ATOMIC_SEQ_CST);
  weir_internal_wait_queue_wake_all(&loop->shortage.waiters, 0);
  if (__atomic_load_n(&selector->loops_in_shortage, __ATOMIC_SEQ_CST) == 0) return;
  for (size_t i = 0; i < selector->loop_count; i++) {
    weir_internal_selector_loop *other = &selector->loops[i];
    if (other == loop || !__atomic_load_n(&other->shortage.waits, __ATOMIC_SEQ_CST)) continue;
    // It does not end as long as this one has something to do.
    post(other, &other->shortage.closed_message, &other->shortage.closed_posted);
  }
}

static void ask_others_for_pipes(weir_internal_selector_loop *loop) {
  weir_selector *selector = loop->selector;
  for (size_t i = 0; i < selector->loop_count; i++) {
    weir_internal_selector_loop *other = &selector->loops[i];
    if (other != loop) post(other, &other->shortage.spare_message, &other->shortage.spare_posted);
  }
}

static int await_eased(weir_internal_selector_loop *loop, uint64_t closes, int64_t until) {
  weir_selector *selector = loop->selector;
  if (loop->shortage.waiting++ == 0) {
    __atomic_store_n(&loop->shortage.waits, true, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&selector->loops_in_shortage, 1, __ATOMIC_SEQ_CST);
  }
  int reason;
  if (weir_internal_selector_closes(selector) == closes) {
    ask_others_for_pipes(loop);
    reason = weir_internal_wait_queue_wait_for(&loop->shortage.waiters, until, "descriptor");
  } else {
    reason = weir_internal_enter_here();
  }
  if (--loop->shortage.waiting == 0) {
    __atomic_store_n(&loop->shortage.waits, false, __ATOMIC_RELEASE);
    __atomic_fetch_sub(&selector->loops_in_shortage, 1, __ATOMIC_ACQ_REL);
  }
  return reason;
}

int weir_internal_selector_await_descriptor(weir_selector *selector, uint64_t closes,
                                            int64_t nanoseconds) {
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  if (loop == NULL || loop->selector != selector) return -EINVAL;
  if (loop->pipe_count > 0) {
    weir_internal_kernel_pipes_close(loop);
    return 0;
  }
  int reason = await_eased(loop, closes, weir_now() + nanoseconds);
  return reason == -ETIME ? 0 : reason;
}
