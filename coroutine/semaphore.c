// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/meeting.h"
#include "weir/sync.h"

struct weir_semaphore {
  weir_internal_meeting meeting;
  _Atomic uint64_t permits;  // changed under the lock; too few for the first who waits
  weir_internal_list waiters;
};

typedef struct acquirer {
  weir_internal_waiter waiter;
  uint64_t count;
} acquirer;

static acquirer *acquirer_of(weir_internal_waiter *waiter) {
  return WEIR_INTERNAL_CONTAINER(waiter, acquirer, waiter);
}

static uint64_t permits_of(const weir_semaphore *semaphore) {
  return atomic_load_explicit(&semaphore->permits, memory_order_relaxed);
}

static void set_permits(weir_semaphore *semaphore, uint64_t permits) {
  atomic_store_explicit(&semaphore->permits, permits, memory_order_relaxed);
}

int weir_semaphore_create(weir_semaphore **out, uint64_t permits) {
  weir_semaphore *semaphore =
      (weir_semaphore *)(void *)weir_internal_meeting_create(sizeof *semaphore);
  *out = semaphore;
  if (semaphore == NULL) return -ENOMEM;
  set_permits(semaphore, permits);
  weir_internal_list_init(&semaphore->waiters);
  return 0;
}

void weir_semaphore_close(weir_semaphore *semaphore) {
  if (semaphore == NULL) return;
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&semaphore->meeting.lock);
  semaphore->meeting.closed = true;
  weir_internal_meeting_claim_all(&semaphore->meeting, &semaphore->waiters, &claimed,
                                  WEIR_E_CLOSED);
  weir_internal_meeting_give(&semaphore->meeting);
  weir_internal_waiter_wake_all(&claimed);
}

// Under the lock: claims those whose turn it is.
static void hand_out(weir_semaphore *semaphore, weir_internal_list *claimed) {
  weir_internal_waiter *first;
  while ((first = weir_internal_meeting_first(&semaphore->meeting, &semaphore->waiters)) != NULL) {
    if (acquirer_of(first)->count > permits_of(semaphore)) return;
    // The first may be cancelled right now. Then it is the next one who was claimed, and that may
    // want more than there is: so look again before.
    if (!weir_internal_claim(first->ticket)) continue;
    set_permits(semaphore, permits_of(semaphore) - acquirer_of(first)->count);
    weir_internal_link_remove(&first->link);
    first->result = 0;
    weir_internal_list_append(claimed, &first->link);
  }
}

// Under the lock.
static int try_acquire(weir_semaphore *semaphore, uint64_t count) {
  if (permits_of(semaphore) < count) return -EAGAIN;
  if (weir_internal_meeting_first(&semaphore->meeting, &semaphore->waiters) != NULL) {
    return -EAGAIN;
  }
  set_permits(semaphore, permits_of(semaphore) - count);
  return 0;
}

// Waits without the lock that it was called with. Who gives up may have kept others waiting who
// want less.
static int wait(weir_semaphore *semaphore, uint64_t count) {
  acquirer self = {.count = count};
  int reason = weir_internal_meeting_suspend(&semaphore->meeting, &semaphore->waiters, &self.waiter,
                                             "semaphore");
  if (reason >= 0) return self.waiter.result;
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&semaphore->meeting.lock);
  weir_internal_meeting_leave(&semaphore->meeting, &self.waiter);
  hand_out(semaphore, &claimed);
  weir_internal_meeting_give(&semaphore->meeting);
  weir_internal_waiter_wake_all(&claimed);
  return reason;
}

int weir_semaphore_acquire(weir_semaphore *semaphore, uint64_t count) {
  int result = weir_internal_meeting_enter(&semaphore->meeting);
  if (result < 0) return result;
  weir_internal_lock_take(&semaphore->meeting.lock);
  if (try_acquire(semaphore, count) < 0) return wait(semaphore, count);
  weir_internal_lock_give(&semaphore->meeting.lock);
  return 0;
}

int weir_semaphore_try_acquire(weir_semaphore *semaphore, uint64_t count) {
  weir_internal_lock_take(&semaphore->meeting.lock);
  int result = try_acquire(semaphore, count);
  weir_internal_lock_give(&semaphore->meeting.lock);
  return result;
}

int weir_semaphore_release(weir_semaphore *semaphore, uint64_t count) {
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&semaphore->meeting.lock);
  int result = count > UINT64_MAX - permits_of(semaphore) ? -EOVERFLOW : 0;
  if (result == 0) {
    set_permits(semaphore, permits_of(semaphore) + count);
    hand_out(semaphore, &claimed);
  }
  weir_internal_lock_give(&semaphore->meeting.lock);
  weir_internal_waiter_wake_all(&claimed);
  return result;
}

uint64_t weir_semaphore_permits(const weir_semaphore *semaphore) { return permits_of(semaphore); }
