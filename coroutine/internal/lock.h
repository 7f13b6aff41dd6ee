// SPDX-License-Identifier: Apache-2.0
//
// A lock for what threads share for some tens of instructions. It costs one exchange when nobody
// else has it. Giving it back is one store, the last access: whoever gets the lock after may free
// it. Nothing may wait, nor call what is not ours, while it is held.

#ifndef WEIR_COROUTINE_INTERNAL_LOCK_H
#define WEIR_COROUTINE_INTERNAL_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct weir_internal_lock {
  atomic_bool taken;  // false: zeroed memory is a lock that is free
} weir_internal_lock;

// weir_internal_lock_take waits until nobody has |lock|, and takes it;
// weir_internal_lock_take_slowly is its way when somebody has.
void weir_internal_lock_take_slowly(weir_internal_lock *lock);
static inline void weir_internal_lock_take(weir_internal_lock *lock) {
  if (atomic_exchange_explicit(&lock->taken, true, memory_order_acquire)) {
    weir_internal_lock_take_slowly(lock);
  }
}

// weir_internal_lock_give gives |lock| back.
static inline void weir_internal_lock_give(weir_internal_lock *lock) {
  atomic_store_explicit(&lock->taken, false, memory_order_release);
}

#endif  // WEIR_COROUTINE_INTERNAL_LOCK_H
