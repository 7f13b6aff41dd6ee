// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/meeting.h"
#include "weir/sync.h"

struct weir_mutex {
  weir_internal_meeting meeting;
  weir_internal_coroutine *holder;  // NULL: free, and then nobody waits
  weir_internal_list waiters;
};

int weir_mutex_create(weir_mutex **out) {
  weir_mutex *mutex = (weir_mutex *)(void *)weir_internal_meeting_create(sizeof *mutex);
  *out = mutex;
  if (mutex == NULL) return -ENOMEM;
  weir_internal_list_init(&mutex->waiters);
  return 0;
}

void weir_mutex_close(weir_mutex *mutex) {
  if (mutex == NULL) return;
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&mutex->meeting.lock);
  mutex->meeting.closed = true;
  weir_internal_meeting_claim_all(&mutex->meeting, &mutex->waiters, &claimed, WEIR_E_CLOSED);
  weir_internal_meeting_give(&mutex->meeting);
  weir_internal_waiter_wake_all(&claimed);
}

// Under the lock. Returns 0, -EAGAIN or -EDEADLK.
static int try_lock(weir_mutex *mutex, weir_internal_coroutine *coroutine) {
  if (mutex->holder == coroutine) return -EDEADLK;
  if (mutex->holder != NULL) return -EAGAIN;
  mutex->holder = coroutine;
  return 0;
}

int weir_mutex_lock(weir_mutex *mutex) {
  int result = weir_internal_meeting_enter(&mutex->meeting);
  if (result < 0) return result;
  weir_internal_lock_take(&mutex->meeting.lock);
  result = try_lock(mutex, weir_internal_current_coroutine());
  if (result == -EAGAIN) {
    weir_internal_waiter self;
    return weir_internal_meeting_wait(&mutex->meeting, &mutex->waiters, &self, "mutex");
  }
  weir_internal_lock_give(&mutex->meeting.lock);
  return result;
}

int weir_mutex_try_lock(weir_mutex *mutex) {
  weir_internal_coroutine *coroutine = weir_internal_current_coroutine();
  if (coroutine == NULL) return -EINVAL;
  weir_internal_lock_take(&mutex->meeting.lock);
  int result = try_lock(mutex, coroutine);
  weir_internal_lock_give(&mutex->meeting.lock);
  return result;
}

int weir_mutex_unlock(weir_mutex *mutex) {
  weir_internal_coroutine *coroutine = weir_internal_current_coroutine();
  weir_internal_lock_take(&mutex->meeting.lock);
  bool held = coroutine != NULL && mutex->holder == coroutine;
  weir_internal_waiter *next = NULL;
  if (held) {
    next = weir_internal_meeting_claim(&mutex->meeting, &mutex->waiters);
    mutex->holder = next != NULL ? next->ticket.coroutine : NULL;
    if (next != NULL) next->result = 0;
  }
  weir_internal_lock_give(&mutex->meeting.lock);
  if (next != NULL) weir_internal_waiter_wake(next);
  return held ? 0 : -EPERM;
}
