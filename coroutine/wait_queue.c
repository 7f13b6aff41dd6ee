// SPDX-License-Identifier: Apache-2.0
//
// Wait queues and pre-suspend hooks: the two intrusive lists on which coroutines meet.

#include "coroutine/internal/coroutine.h"

// Lives on the stack of the coroutine that waits.
typedef struct waiter {
  weir_internal_link link;
  weir_internal_ticket ticket;
} waiter;

void weir_internal_wait_queue_init(weir_internal_wait_queue *queue) {
  weir_internal_list_init(&queue->waiters);
}

int weir_internal_wait_queue_wait_for(weir_internal_wait_queue *queue, int64_t until,
                                      const char *what) {
  waiter self;
  weir_internal_list_append(&queue->waiters, &self.link);
  int reason = weir_internal_wait_for(&self.ticket, until, what);
  weir_internal_link_remove(&self.link);
  return reason;
}

bool weir_internal_wait_queue_wake_one(weir_internal_wait_queue *queue, int reason) {
  weir_internal_link *link;
  while ((link = weir_internal_list_take_first(&queue->waiters)) != NULL) {
    // One that was cancelled in this very turn cannot be woken again: the next one gets its turn.
    if (weir_internal_wake(WEIR_INTERNAL_CONTAINER(link, waiter, link)->ticket, reason))
      return true;
  }
  return false;
}

void weir_internal_wait_queue_wake_all(weir_internal_wait_queue *queue, int reason) {
  while (weir_internal_wait_queue_wake_one(queue, reason)) continue;
}

bool weir_internal_wait_queue_is_empty(const weir_internal_wait_queue *queue) {
  return weir_internal_list_is_empty(&queue->waiters);
}

void weir_internal_pre_suspend_init(weir_internal_pre_suspend *hook,
                                    void (*run)(weir_internal_pre_suspend *hook)) {
  weir_internal_link_init(&hook->link);
  hook->run = run;
}

void weir_internal_pre_suspend_add(weir_internal_pre_suspend *hook) {
  if (weir_internal_link_is_linked(&hook->link)) return;
  weir_internal_list_append(&weir_internal_running()->pre_suspend, &hook->link);
}

void weir_internal_pre_suspend_remove(weir_internal_pre_suspend *hook) {
  weir_internal_link_remove(&hook->link);
}
