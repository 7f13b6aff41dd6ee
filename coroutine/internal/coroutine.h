// SPDX-License-Identifier: Apache-2.0
//
// What a coroutine, a scope, a job and a loop are made of. For the files of this package only;
// others use loop.h and suspend.h.

#ifndef WEIR_COROUTINE_INTERNAL_COROUTINE_H
#define WEIR_COROUTINE_INTERNAL_COROUTINE_H

#include <stdatomic.h>

#include "base/internal/list.h"
#include "coroutine/internal/context.h"
#include "coroutine/internal/loop.h"
#include "coroutine/internal/stack_pool.h"
#include "coroutine/internal/suspend.h"
#include "coroutine/internal/timer_heap.h"
#include "weir/coroutine.h"

struct weir_scope {
  weir_internal_coroutine *owner;
  weir_internal_link link;  // in the owner's scopes
  weir_internal_list children;
  weir_internal_wait_queue waiter;  // the owner, when it waits for the children
  int64_t deadline;
  int first_failure;
  bool fail_together;
  bool cancelled;
  bool shielded;  // opened inside a shield: the owner's cancellation does not reach it
};

struct weir_job {
  weir_internal_loop *loop;
  weir_internal_coroutine *coroutine;  // NULL when it has ended
  weir_internal_wait_queue waiters;
  uint32_t inside;  // coroutines inside weir_job_wait
  int result;
  bool handle_closed;
};

// The control block of a coroutine, at the top of its stack: a parked one costs one page.
struct weir_internal_coroutine {
  // The generation of the present or last suspension, times two, plus one while it can be woken.
  // First, since it outlives the coroutine: a late wake may look at it when the stack has another
  // tenant.
  _Atomic uint64_t ticket;
  weir_internal_context context;
  weir_internal_loop *loop;
  weir_internal_coroutine *next_ready;
  int wake_reason;
  uint32_t turn;  // of the allowance that was taken away, what is left of the turn
  uint32_t shields;
  bool cancelled;
  bool deadline_expired;  // an operation returned -ETIMEDOUT because of the present deadline
  uint32_t bracket_depth;
  uint32_t deadline_owner;  // depth of the bracket that set the deadline; 0: inherited
  int64_t deadline;
  int64_t wake_at;  // the earlier of the deadline and the limit of the present suspension
  weir_internal_timer timer;
  weir_internal_list pre_suspend;
  weir_internal_interruptible *interruptible;  // the innermost, or NULL
  weir_internal_message wake_message;          // for a wake from another thread
  weir_scope *parent;                          // NULL for the root
  weir_internal_link sibling;                  // in the parent's children
  weir_internal_list scopes;  // own_scope first, then those opened, outermost first
  weir_scope own_scope;
  weir_job *job;  // NULL when nobody holds a handle
  weir_function function;
  void *argument;
  const char *name;
  void *launch_site;
  weir_internal_stack *stack;
};

_Static_assert(sizeof(weir_internal_coroutine) <= 512, "a parked coroutine must fit in a page");
_Static_assert(sizeof(weir_job) <= 128, "what is left of a coroutine is small");

enum { WEIR_INTERNAL_LOOP_LOCALS = 8 };

struct weir_internal_loop {
  const weir_internal_loop_operations *operations;
  void *operations_context;
  weir_internal_context context;  // where the scheduler is, while a coroutine runs
  weir_internal_coroutine *current;
  weir_internal_coroutine *ended;  // its stack is to be returned
  weir_internal_coroutine *ready_first;
  weir_internal_coroutine *ready_last;
  uint64_t generations;
  int64_t now;
  int64_t drain_timeout;
  weir_internal_timer_heap timers;
  weir_internal_stack_pool stacks;
  weir_internal_coroutine *root;  // NULL when it has ended, and with it all but |background|
  weir_scope background;          // of the loop's own coroutines
  size_t coroutine_count;
  weir_internal_list waiters;
  _Atomic(weir_internal_message *) inbox;
  atomic_uint posters;  // threads inside weir_internal_loop_post
  int root_result;
  int wait_failure;  // the first; coroutines are forced to end since then
  bool running;
  bool firing;  // timers
  struct {
    const void *key;
    void *value;
    void (*destroy)(void *value);
  } locals[WEIR_INTERNAL_LOOP_LOCALS];
  size_t local_count;
};

static inline weir_internal_coroutine *weir_internal_running(void) {
  weir_internal_loop *loop = weir_internal_thread.loop;
  return loop != NULL ? loop->current : NULL;
}

// Appends |coroutine| to those that can run.
void weir_internal_loop_make_ready(weir_internal_loop *loop, weir_internal_coroutine *coroutine);

// Makes a coroutine that will run |function|; the caller links it to its scope. NULL: no memory.
weir_internal_coroutine *weir_internal_coroutine_create(weir_internal_loop *loop,
                                                        weir_function function, void *argument);

// Cancels |coroutine| and all below it.
void weir_internal_coroutine_cancel(weir_internal_coroutine *coroutine);

// The same, but shields do not help: for a loop that cannot go on.
void weir_internal_coroutine_force(weir_internal_coroutine *coroutine);

// Lowers the ticket of the current coroutine and goes to the scheduler; returns the wake's reason.
int weir_internal_coroutine_park(weir_internal_coroutine *coroutine);

// Runs the pre-suspend hooks of the current coroutine.
static inline void weir_internal_pre_suspend_run(weir_internal_coroutine *coroutine) {
  weir_internal_link *link;
  while ((link = weir_internal_list_take_first(&coroutine->pre_suspend)) != NULL) {
    weir_internal_pre_suspend *hook =
        WEIR_INTERNAL_CONTAINER(link, weir_internal_pre_suspend, link);
    hook->run(hook);
  }
}

// Tells whether the current coroutine must not suspend: -ECANCELED, -ETIMEDOUT, or 0.
int weir_internal_coroutine_check(weir_internal_coroutine *coroutine);

// Takes the allowance of |coroutine|, if it is the current one: what that check says may have
// changed.
void weir_internal_coroutine_look_again(weir_internal_coroutine *coroutine);

// Prepares |scope| for |owner|.
void weir_internal_scope_init(weir_scope *scope, weir_internal_coroutine *owner);

// Suspends until |scope| has no children, whatever else happens.
void weir_internal_scope_join(weir_scope *scope);

// Cancels the children of |scope| and all below them.
void weir_internal_scope_cancel_children(weir_scope *scope);

// Ends all scopes of the current coroutine, whose function returned |result|.
void weir_internal_scopes_end(weir_internal_coroutine *coroutine, int result);

// Tells |scope| that the function of one of its coroutines returned |result|.
void weir_internal_scope_child_ended(weir_scope *scope, weir_internal_coroutine *child, int result);

// Tells |job| that its coroutine has ended with |result|.
void weir_internal_job_ended(weir_job *job, int result);

#endif  // WEIR_COROUTINE_INTERNAL_COROUTINE_H
