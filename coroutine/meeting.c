// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/meeting.h"

#include <sched.h>

#include "base/internal/memory.h"

// So often a thread looks at a lock that another one holds before it gives up its core: some times
// longer than the lock is held when its holder runs.
enum { LOOKS_AT_A_LOCK = 200 };

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void weir_internal_lock_take_slowly(weir_internal_lock *lock) {
  for (int looks = 0;; looks++) {
    if (!atomic_load_explicit(&lock->taken, memory_order_relaxed) &&
        !atomic_exchange_explicit(&lock->taken, true, memory_order_acquire)) {
      return;
    }
    if (looks < LOOKS_AT_A_LOCK) {
      relax();
    } else {
      sched_yield();
    }
  }
}

weir_internal_meeting *weir_internal_meeting_create(size_t size) {
  weir_internal_meeting *meeting = (weir_internal_meeting *)weir_internal_allocate(size);
  if (meeting != NULL) meeting->size = size;
  return meeting;
}

void weir_internal_meeting_give(weir_internal_meeting *meeting) {
  if (meeting->closed && meeting->guests == 0) {
    weir_internal_release(meeting, meeting->size);
  } else {
    weir_internal_lock_give(&meeting->lock);
  }
}

int weir_internal_meeting_enter_slowly(weir_internal_meeting *meeting) {
  weir_internal_lock_take(&meeting->lock);
  meeting->guests++;
  weir_internal_lock_give(&meeting->lock);
  int result = weir_internal_enter_slowly(NULL);
  weir_internal_lock_take(&meeting->lock);
  meeting->guests--;
  if (result == 0 && meeting->closed) result = WEIR_E_CLOSED;
  weir_internal_meeting_give(meeting);
  return result;
}

int weir_internal_meeting_suspend(weir_internal_meeting *meeting, weir_internal_list *queue,
                                  weir_internal_waiter *waiter, const char *what) {
  waiter->index = 0;
  waiter->ticket = weir_internal_ticket_take_for(what);
  weir_internal_list_append(queue, &waiter->link);
  weir_internal_lock_give(&meeting->lock);
  return weir_internal_suspend(waiter->ticket, WEIR_FOREVER);
}

void weir_internal_meeting_leave(weir_internal_meeting *meeting, weir_internal_waiter *waiter) {
  if (weir_internal_link_is_linked(&waiter->link)) {
    weir_internal_link_remove(&waiter->link);
  } else {
    meeting->guests--;
  }
}

int weir_internal_meeting_wait(weir_internal_meeting *meeting, weir_internal_list *queue,
                               weir_internal_waiter *waiter, const char *what) {
  int reason = weir_internal_meeting_suspend(meeting, queue, waiter, what);
  if (reason >= 0) return waiter->result;
  weir_internal_lock_take(&meeting->lock);
  weir_internal_meeting_leave(meeting, waiter);
  weir_internal_meeting_give(meeting);
  return reason;
}

static weir_internal_waiter *waiter_of(weir_internal_link *link) {
  return WEIR_INTERNAL_CONTAINER(link, weir_internal_waiter, link);
}

static void make_guest(weir_internal_meeting *meeting, weir_internal_waiter *waiter) {
  weir_internal_link_remove(&waiter->link);
  meeting->guests++;
}

weir_internal_waiter *weir_internal_meeting_first(weir_internal_meeting *meeting,
                                                  weir_internal_list *queue) {
  while (!weir_internal_list_is_empty(queue)) {
    weir_internal_waiter *waiter = waiter_of(queue->next);
    if (weir_internal_ticket_is_open(waiter->ticket)) return waiter;
    make_guest(meeting, waiter);
  }
  return NULL;
}

weir_internal_waiter *weir_internal_meeting_claim(weir_internal_meeting *meeting,
                                                  weir_internal_list *queue) {
  while (!weir_internal_list_is_empty(queue)) {
    weir_internal_waiter *waiter = waiter_of(queue->next);
    if (weir_internal_claim(waiter->ticket)) {
      weir_internal_link_remove(&waiter->link);
      return waiter;
    }
    make_guest(meeting, waiter);
  }
  return NULL;
}

void weir_internal_meeting_claim_all(weir_internal_meeting *meeting, weir_internal_list *queue,
                                     weir_internal_list *claimed, int result) {
  weir_internal_waiter *waiter;
  while ((waiter = weir_internal_meeting_claim(meeting, queue)) != NULL) {
    waiter->result = result;
    weir_internal_list_append(claimed, &waiter->link);
  }
}

void weir_internal_waiter_wake_all(weir_internal_list *claimed) {
  weir_internal_link *link;
  while ((link = weir_internal_list_take_first(claimed)) != NULL) {
    weir_internal_waiter_wake(waiter_of(link));
  }
}
