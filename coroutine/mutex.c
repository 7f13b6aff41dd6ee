// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/coroutine.h"
#include "coroutine/internal/meeting.h"
#include "weir/sync.h"

struct weir_mutex {
  weir_internal_meeting meeting;
  uint64_t holder;  // its number; 0: free, and then nobody waits
  weir_internal_list waiters;
};

// Returns the number of |coroutine|, the current one. Its address would do, but for one that ends
// while it holds a mutex: the next coroutine has the same address.
static uint64_t number_of(weir_internal_coroutine *coroutine) {
  static _Atomic uint64_t numbers;
  if (coroutine->number == 0) {
    coroutine->number = 1 + atomic_fetch_add_explicit(&numbers, 1, memory_order_relaxed);
  }
  return coroutine->number;
}

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
static int try_lock(weir_mutex *mutex, uint64_t number) {
  if (mutex->holder == number) return -EDEADLK;
  if (mutex->holder != 0) return -EAGAIN;
  mutex->holder = number;
  return 0;
}

int weir_mutex_lock(weir_mutex *mutex) {
  int result = weir_internal_meeting_enter(&mutex->meeting);
  if (result < 0) return result;
  uint64_t number = number_of(weir_internal_running());
  weir_internal_lock_take(&mutex->meeting.lock);
  result = try_lock(mutex, number);
  if (result == -EAGAIN) {
    weir_internal_waiter self;
    return weir_internal_meeting_wait(&mutex->meeting, &mutex->waiters, &self, "mutex");
  }
  weir_internal_lock_give(&mutex->meeting.lock);
  return result;
}

int weir_mutex_try_lock(weir_mutex *mutex) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return -EINVAL;
  uint64_t number = number_of(coroutine);
  weir_internal_lock_take(&mutex->meeting.lock);
  int result = try_lock(mutex, number);
  weir_internal_lock_give(&mutex->meeting.lock);
  return result;
}

int weir_mutex_unlock(weir_mutex *mutex) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return -EPERM;
  uint64_t number = number_of(coroutine);
  weir_internal_lock_take(&mutex->meeting.lock);
  bool held = mutex->holder == number;
  weir_internal_waiter *next = NULL;
  if (held) {
    next = weir_internal_meeting_claim(&mutex->meeting, &mutex->waiters);
    // It had to have a number before it could wait.
    mutex->holder = next != NULL ? next->ticket.coroutine->number : 0;
    if (next != NULL) next->result = 0;
  }
  weir_internal_lock_give(&mutex->meeting.lock);
  if (next != NULL) weir_internal_waiter_wake(next);
  return held ? 0 : -EPERM;
}
