// SPDX-License-Identifier: Apache-2.0
//
// How the upper layers make a coroutine wait. A function that suspends calls weir_internal_enter
// first; to wait, it takes a ticket, leaves it with whoever will wake it, and suspends. Each ticket
// wakes once: the first wake, cancellation or deadline wins, the others miss.

#ifndef WEIR_COROUTINE_INTERNAL_SUSPEND_H
#define WEIR_COROUTINE_INTERNAL_SUSPEND_H

#include "base/internal/list.h"
#include "coroutine/internal/loop.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_coroutine weir_internal_coroutine;

// weir_internal_current_coroutine returns the coroutine that runs on this thread, or NULL.
weir_internal_coroutine *weir_internal_current_coroutine(void);

// weir_internal_stack_left returns how many bytes of its stack the current coroutine has left.
// SIZE_MAX outside a coroutine.
size_t weir_internal_stack_left(void);

// weir_internal_enter is the first line of every public function that suspends: it returns -EINVAL
// outside a coroutine, -EXDEV when |loop| is not NULL and not the current one, -ECANCELED,
// -ETIMEDOUT, or 0. Now and then it yields first, so that a coroutine whose operations never need
// to wait does not starve the others.
//
// What it checks changes rarely while a coroutine runs, and whoever changes it takes the allowance
// away. So most of the time there is nothing to check.
WEIR_MUST_USE int weir_internal_enter_slowly(const weir_internal_loop *loop);
WEIR_MUST_USE static inline int weir_internal_enter(const weir_internal_loop *loop) {
  weir_internal_thread_state *thread = &weir_internal_thread;
  if (thread->allowance == 0 || loop != thread->loop) return weir_internal_enter_slowly(loop);
  thread->allowance--;
  return 0;
}

// weir_internal_enter_here is weir_internal_enter(NULL).
WEIR_MUST_USE static inline int weir_internal_enter_here(void) {
  if (weir_internal_thread.allowance == 0) return weir_internal_enter_slowly(NULL);
  weir_internal_thread.allowance--;
  return 0;
}

// After a turn's operations, none of which needed to wait, a coroutine lets others run.
// weir_internal_spend counts one that moved |bytes| as several, if they are many: others get their
// turn the sooner. A single one should move no more than a turn's bytes.
enum {
  WEIR_INTERNAL_OPERATIONS_PER_TURN = 64,
  WEIR_INTERNAL_BYTES_PER_OPERATION = 16 * 1024,
  WEIR_INTERNAL_BYTES_PER_TURN =
      WEIR_INTERNAL_OPERATIONS_PER_TURN * WEIR_INTERNAL_BYTES_PER_OPERATION,
};
void weir_internal_spend_slowly(size_t bytes);
static inline void weir_internal_spend(size_t bytes) {
  if (bytes > WEIR_INTERNAL_BYTES_PER_OPERATION) weir_internal_spend_slowly(bytes);
}

// weir_internal_check is weir_internal_enter that never yields.
WEIR_MUST_USE int weir_internal_check(const weir_internal_loop *loop);

// weir_internal_wake_present ends the suspension in which |coroutine|, of this thread, is: what it
// waits for returns |reason|, once. Returns false when it is not suspended, or woken already.
bool weir_internal_wake_present(weir_internal_coroutine *coroutine, int reason);

// An operation that waits for one thing and can be ended by another is interruptible, from its
// begin to its end, by whoever is on its thread. Such operations nest: what an inner one waits for,
// the outer ones wait for.
typedef struct weir_internal_interruptible {
  weir_internal_coroutine *coroutine;
  struct weir_internal_interruptible *outer;
  uint32_t shields;  // around it; those inside it keep an interruption off, too
  bool interrupted;
} weir_internal_interruptible;
void weir_internal_interruptible_begin(weir_internal_interruptible *self);
void weir_internal_interruptible_end(weir_internal_interruptible *self);

// weir_internal_interruptible_interrupt is a cancellation that ends with |self|: the suspension in
// which its coroutine is returns -ECANCELED, and so does each later one that was not served before
// it could wait. None that is behind a shield inside |self| does; so nothing that must be waited
// for, like a thread, is cut short, and the next wait is.
void weir_internal_interruptible_interrupt(weir_internal_interruptible *self);

typedef struct weir_internal_ticket {
  weir_internal_coroutine *coroutine;
  uint64_t generation;
} weir_internal_ticket;

// weir_internal_ticket_take_for begins a suspension of the current coroutine, which must go on to
// weir_internal_suspend. From now on the ticket can be used. |what| it waits for, one of the words
// that weir_dump shows, is static.
weir_internal_ticket weir_internal_ticket_take_for(const char *what);

// weir_internal_suspend runs the pre-suspend hooks, then waits for |ticket| to be woken. Returns
// the |reason| of the wake; -ETIME when |until| (a point in time, or WEIR_FOREVER) came first;
// -ECANCELED; -ETIMEDOUT.
WEIR_MUST_USE int weir_internal_suspend(weir_internal_ticket ticket, int64_t until);

// weir_internal_wait_for is both, for a ticket that lies where whoever will wake it knows already.
WEIR_MUST_USE int weir_internal_wait_for(weir_internal_ticket *out, int64_t until,
                                         const char *what);

// weir_internal_forget_expiry is for an operation that was told -ETIMEDOUT and goes on to its end
// all the same: so nothing was cut short, and weir_timeout_end does not say so.
void weir_internal_forget_expiry(void);

// weir_internal_wake ends the suspension that |ticket| names, from any thread. Returns false when
// it has ended already (and then nothing happens).
bool weir_internal_wake(weir_internal_ticket ticket, int reason);

// weir_internal_wake in two steps, for those who hand something over. weir_internal_claim takes the
// right to wake |ticket| and returns whether it got it; only one who asks does. The coroutine then
// stays where it is, and what it lent can be used, until weir_internal_deliver, which must follow
// once, from any thread.
WEIR_MUST_USE bool weir_internal_claim(weir_internal_ticket ticket);
void weir_internal_deliver(weir_internal_ticket ticket, int reason);

// weir_internal_ticket_is_open tells whether nobody has claimed |ticket| yet.
bool weir_internal_ticket_is_open(weir_internal_ticket ticket);

// Wait queues: the coroutines of one loop that wait for one event, first come first served.
typedef struct weir_internal_wait_queue {
  weir_internal_list waiters;
} weir_internal_wait_queue;
void weir_internal_wait_queue_init(weir_internal_wait_queue *queue);
// Waits to be woken through |queue|; returns as weir_internal_suspend does. |what| as above.
WEIR_MUST_USE int weir_internal_wait_queue_wait_for(weir_internal_wait_queue *queue, int64_t until,
                                                    const char *what);
// Wakes the first, or all, with |reason|. The first form returns false when nobody waits.
bool weir_internal_wait_queue_wake_one(weir_internal_wait_queue *queue, int reason);
void weir_internal_wait_queue_wake_all(weir_internal_wait_queue *queue, int reason);
bool weir_internal_wait_queue_is_empty(const weir_internal_wait_queue *queue);

// Pre-suspend hooks: what is to be done once, before the current coroutine suspends, yields or
// ends. |run| must not suspend; it may add hooks, which run after it. A hook is unlinked before it
// runs.
typedef struct weir_internal_pre_suspend {
  weir_internal_link link;
  void (*run)(struct weir_internal_pre_suspend *hook);
} weir_internal_pre_suspend;
void weir_internal_pre_suspend_init(weir_internal_pre_suspend *hook,
                                    void (*run)(weir_internal_pre_suspend *hook));
// Adds |hook| for the current coroutine; nothing happens when it is linked already.
void weir_internal_pre_suspend_add(weir_internal_pre_suspend *hook);
void weir_internal_pre_suspend_remove(weir_internal_pre_suspend *hook);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_SUSPEND_H
