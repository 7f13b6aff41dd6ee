// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/meeting.h"
#include "weir/sync.h"

struct weir_event {
  weir_internal_meeting meeting;
  atomic_bool set;  // changed under the lock
  weir_internal_list waiters;
};

int weir_event_create(weir_event **out) {
  weir_event *event = (weir_event *)(void *)weir_internal_meeting_create(sizeof *event);
  *out = event;
  if (event == NULL) return -ENOMEM;
  weir_internal_list_init(&event->waiters);
  return 0;
}

void weir_event_close(weir_event *event) {
  if (event == NULL) return;
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&event->meeting.lock);
  event->meeting.closed = true;
  weir_internal_meeting_claim_all(&event->meeting, &event->waiters, &claimed, WEIR_E_CLOSED);
  weir_internal_meeting_give(&event->meeting);
  weir_internal_waiter_wake_all(&claimed);
}

int weir_event_wait(weir_event *event) {
  int result = weir_internal_meeting_enter(&event->meeting);
  if (result < 0 || weir_event_is_set(event)) return result;
  weir_internal_lock_take(&event->meeting.lock);
  if (!atomic_load_explicit(&event->set, memory_order_relaxed)) {
    weir_internal_waiter self;
    return weir_internal_meeting_wait(&event->meeting, &event->waiters, &self, "event");
  }
  weir_internal_lock_give(&event->meeting.lock);
  return 0;
}

void weir_event_set(weir_event *event) {
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&event->meeting.lock);
  atomic_store_explicit(&event->set, true, memory_order_release);
  weir_internal_meeting_claim_all(&event->meeting, &event->waiters, &claimed, 0);
  // The last look at the event: who sees it set may close it, which waits for the lock.
  weir_internal_lock_give(&event->meeting.lock);
  weir_internal_waiter_wake_all(&claimed);
}

void weir_event_reset(weir_event *event) {
  weir_internal_lock_take(&event->meeting.lock);
  atomic_store_explicit(&event->set, false, memory_order_relaxed);
  weir_internal_lock_give(&event->meeting.lock);
}

bool weir_event_is_set(const weir_event *event) {
  return atomic_load_explicit(&event->set, memory_order_acquire);
}
