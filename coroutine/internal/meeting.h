// SPDX-License-Identifier: Apache-2.0
//
// What mutexes, events, semaphores and typed channels have in common: coroutines of several threads
// wait in their queues, each is served by whoever makes that possible, and the object may be closed
// meanwhile.
//
// The rules that make it safe:
// - A waiter lives on the stack of the coroutine that waits, or that of weir_select. While it is in
//   a queue, the lock of the meeting guards it, and its coroutine cannot go away, for it must take
//   that lock to leave.
// - Who serves a waiter takes it out of the queue and claims its ticket. If that succeeds, the
//   waiter, and the memory that it lends, are the server's until the delivery, which comes after
//   the lock was given back. The waiter never comes back to the meeting, which may be gone.
// - If the claim fails, a cancellation, a deadline or another case of the same select came first,
//   and the next in the queue is served instead. The loser has yet to come back, so it counts as a
//   guest. Who comes back to a meeting leaves it by weir_internal_meeting_leave.
// - A closed meeting has empty queues. It is freed when it has no guests.

#ifndef WEIR_COROUTINE_INTERNAL_MEETING_H
#define WEIR_COROUTINE_INTERNAL_MEETING_H

#include "coroutine/internal/lock.h"
#include "coroutine/internal/suspend.h"

// The first member of each such object.
typedef struct weir_internal_meeting {
  weir_internal_lock lock;
  bool closed;
  size_t guests;  // coroutines that are in no queue, but will come back
  size_t size;    // bytes of the whole object
} weir_internal_meeting;

typedef struct weir_internal_waiter {
  weir_internal_link link;
  weir_internal_ticket ticket;
  int index;   // among the cases of its select; what its suspension returns when it is served
  int result;  // set by who serves it: the outcome
} weir_internal_waiter;

// weir_internal_meeting_create returns a zeroed object of |size| bytes that begins with a meeting,
// or NULL.
weir_internal_meeting *weir_internal_meeting_create(size_t size);

// weir_internal_meeting_give gives the lock back, and frees the object when it is time.
void weir_internal_meeting_give(weir_internal_meeting *meeting);

// weir_internal_meeting_enter is weir_internal_enter that returns WEIR_E_CLOSED when the meeting
// was closed while the coroutine let others run; then it may be gone.
WEIR_MUST_USE int weir_internal_meeting_enter_slowly(weir_internal_meeting *meeting);
WEIR_MUST_USE static inline int weir_internal_meeting_enter(weir_internal_meeting *meeting) {
  weir_internal_thread_state *thread = &weir_internal_thread;
  if (thread->allowance == 0) return weir_internal_meeting_enter_slowly(meeting);
  thread->allowance--;
  return 0;
}

// The following are called with the lock held.

// weir_internal_meeting_suspend puts |waiter| into |queue|, gives the lock back and suspends;
// |what| as in suspend.h. Returns the waiter's index when it was served; otherwise -ECANCELED or
// -ETIMEDOUT, and then it must leave.
WEIR_MUST_USE int weir_internal_meeting_suspend(weir_internal_meeting *meeting,
                                                weir_internal_list *queue,
                                                weir_internal_waiter *waiter, const char *what);

// weir_internal_meeting_leave takes |waiter|, which was not served, out of the meeting.
void weir_internal_meeting_leave(weir_internal_meeting *meeting, weir_internal_waiter *waiter);

// weir_internal_meeting_wait is both. Returns the result of the waiter, -ECANCELED or -ETIMEDOUT,
// without the lock.
WEIR_MUST_USE int weir_internal_meeting_wait(weir_internal_meeting *meeting,
                                             weir_internal_list *queue,
                                             weir_internal_waiter *waiter, const char *what);

// weir_internal_meeting_first returns the first of |queue| that, at this moment, could be served,
// or NULL; those before it are out of the queue.
weir_internal_waiter *weir_internal_meeting_first(weir_internal_meeting *meeting,
                                                  weir_internal_list *queue);

// weir_internal_meeting_claim takes the first that can be served out of |queue| and claims it, or
// returns NULL. weir_internal_waiter_wake must follow, after the lock was given back.
weir_internal_waiter *weir_internal_meeting_claim(weir_internal_meeting *meeting,
                                                  weir_internal_list *queue);

// weir_internal_meeting_claim_all claims all of |queue|, moves them to |claimed|, and sets their
// results.
void weir_internal_meeting_claim_all(weir_internal_meeting *meeting, weir_internal_list *queue,
                                     weir_internal_list *claimed, int result);

// These are called without the lock.

// weir_internal_waiter_wake lets the coroutine of |waiter|, which was claimed, go on.
static inline void weir_internal_waiter_wake(weir_internal_waiter *waiter) {
  weir_internal_deliver(waiter->ticket, waiter->index);
}
void weir_internal_waiter_wake_all(weir_internal_list *claimed);

#endif  // WEIR_COROUTINE_INTERNAL_MEETING_H
