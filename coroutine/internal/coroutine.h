// SPDX-License-Identifier: Apache-2.0
//
// What a coroutine, a scope, a job and a loop are made of. For the files of this package only;
// others use loop.h and suspend.h.

#ifndef WEIR_COROUTINE_INTERNAL_COROUTINE_H
#define WEIR_COROUTINE_INTERNAL_COROUTINE_H

#include <stdatomic.h>

#include "base/internal/list.h"
#include "coroutine/internal/cancel_request.h"
#include "coroutine/internal/context.h"
#include "coroutine/internal/loop.h"
#include "coroutine/internal/stack_pool.h"
#include "coroutine/internal/suspend.h"
#include "coroutine/internal/timer_heap.h"
#include "weir/coroutine.h"

typedef struct weir_internal_remote weir_internal_remote;

struct weir_scope {
  weir_internal_coroutine *owner;
  weir_internal_link link;  // in the owner's scopes
  weir_internal_list children;
  weir_internal_wait_queue waiter;  // the owner, when it waits for the children
  int64_t deadline;
  const char *name;
  int first_failure;
  int cause;  // of the cancellation
  uint32_t
      shields;  // that the owner had raised: its cancellation does not reach it if there are any
  bool fail_together;
  bool cancelled;
  bool awaited;  // its owner is inside weir_scope_wait, or ends it
  bool told;     // so its owner has learnt of the first failure
  bool untold;   // they failed together, and its owner has yet to learn of it
};

struct weir_job {
  weir_internal_loop *loop;
  weir_internal_coroutine *coroutine;  // NULL when it has ended
  weir_internal_wait_queue waiters;
  uint32_t inside;  // coroutines inside weir_job_wait
  int result;
  bool handle_closed;
  weir_internal_cancel_request cancel_request;  // closed when the coroutine has ended
};

// A value of coroutine-local storage.
typedef struct weir_internal_local {
  struct weir_internal_local *next;
  const weir_local *key;
  void *value;
} weir_internal_local;

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
  int cause;      // of the cancellation
  uint32_t turn;  // of the allowance that was taken away, what is left of the turn
  uint32_t shields;
  uint32_t untold_failures;  // how many of its scopes are |untold|
  bool cancelled;
  bool deadline_expired;  // an operation returned -ETIMEDOUT because of the present deadline
  uint32_t bracket_depth;
  uint32_t deadline_owner;  // depth of the bracket that set the deadline; 0: inherited
  int64_t deadline;
  int64_t wake_at;  // the earlier of the deadline and the limit of the present suspension
  int64_t suspended_at;
  const char *waits_for;  // in the present or last suspension
  weir_internal_timer timer;
  weir_internal_list pre_suspend;
  weir_internal_interruptible *interruptible;  // the innermost, or NULL
  weir_internal_message wake_message;          // for a wake from another thread
  weir_scope *parent;                          // NULL for the root
  weir_internal_link sibling;                  // in the parent's children
  weir_internal_list scopes;  // own_scope first, then those opened, outermost first
  weir_scope own_scope;
  bool scopes_ended;  // for good: what is left of it is to destroy its locals
  weir_job *job;      // NULL when nobody holds a handle
  // Of a coroutine that another loop launched, and of the proxy that stands for it there; see
  // remote.c. Otherwise NULL.
  weir_internal_remote *remote;
  weir_function function;
  void *argument;
  const char *name;
  void *launch_site;
  uint64_t number;              // no other coroutine's, ever; 0 before it was asked for (mutex.c)
  weir_internal_link of_loop;   // in the loop's coroutines
  weir_internal_local *locals;  // the last one set first
  weir_internal_stack *stack;   // NULL: a proxy
};

_Static_assert(sizeof(weir_internal_coroutine) <= 512, "a parked coroutine must fit in a page");
_Static_assert(sizeof(weir_job) <= 128, "what is left of a coroutine is small");

enum { WEIR_INTERNAL_LOOP_LOCALS = 8, WEIR_INTERNAL_CACHE_LINE = 64 };

// How far a run has come.
typedef enum weir_internal_run_phase {
  WEIR_INTERNAL_RUN_LIVE = 0,  // has a root, or serves other loops
  WEIR_INTERNAL_RUN_DRAINING,  // goes on for loop waiters
  WEIR_INTERNAL_RUN_ENDING,    // the loop's own coroutines end
  WEIR_INTERNAL_RUN_QUIET,     // nothing is left but messages
} weir_internal_run_phase;

// Stacks of sizes other than the loop's own: a pool for each power of two.
enum {
  WEIR_INTERNAL_SMALLEST_STACK_BITS = 14,
  WEIR_INTERNAL_LARGEST_STACK_BITS = 32,
  WEIR_INTERNAL_STACK_SIZES =
      WEIR_INTERNAL_LARGEST_STACK_BITS - WEIR_INTERNAL_SMALLEST_STACK_BITS + 1,
};

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
  int64_t drain_limit;
  weir_internal_timer_heap timers;
  weir_internal_stack_pool stacks;
  weir_internal_stack_pool sized_stacks[WEIR_INTERNAL_STACK_SIZES];
  weir_internal_list coroutines;  // all, and the proxies, the oldest first
  weir_internal_coroutine *root;  // NULL when it has ended, and with it all but |background|
  weir_internal_cancel_request cancel_root_request;  // closed while there is none
  size_t cancels_due;                                // that are under way to what has ended
  weir_scope background;                             // of the loop's own coroutines
  weir_scope guests;                                 // those that other loops launched here
  size_t proxy_count;                                // of coroutines on other loops
  weir_internal_list waiters;
  int root_result;
  int wait_failure;  // the first; coroutines are forced to end since then
  bool force_due;    // one that did not wait then waits now
  weir_internal_run_phase phase;
  bool running;
  bool serving;     // lives without a root
  bool firing;      // timers
  bool prefetches;  // what the next coroutine will use
  int turns_left;   // before timers and the world are looked at
  // What other threads write, or read when they choose a loop, lies on cache lines of its own.
  char before_shared[WEIR_INTERNAL_CACHE_LINE];
  _Atomic(weir_internal_message *) inbox;
  atomic_uint posters;            // threads inside weir_internal_loop_post
  atomic_uint requests;           // to launch a coroutine here, not read yet
  atomic_size_t coroutine_count;  // written by the loop's own thread only
  char behind_shared[WEIR_INTERNAL_CACHE_LINE];
  struct {
    const void *key;
    void *value;
    void (*destroy)(void *value);
  } locals[WEIR_INTERNAL_LOOP_LOCALS];
  size_t local_count;
};

// weir_internal_running returns the coroutine that this thread runs, or NULL when it runs none.
static inline weir_internal_coroutine *weir_internal_running(void) {
  weir_internal_loop *loop = weir_internal_thread.loop;
  return loop != NULL ? loop->current : NULL;
}

// Changes the number of coroutines that have not ended. Other threads may read it.
static inline void weir_internal_loop_count(weir_internal_loop *loop, int change) {
  size_t count = atomic_load_explicit(&loop->coroutine_count, memory_order_relaxed);
  atomic_store_explicit(&loop->coroutine_count, count + (size_t)change, memory_order_relaxed);
}

// Appends |coroutine| to those that can run.
static inline void weir_internal_loop_make_ready(weir_internal_loop *loop,
                                                 weir_internal_coroutine *coroutine) {
  coroutine->next_ready = NULL;
  if (loop->ready_last == NULL) {
    loop->ready_first = coroutine;
  } else {
    loop->ready_last->next_ready = coroutine;
  }
  loop->ready_last = coroutine;
}

// Makes a coroutine that will run |function|; the caller links it to its scope. |options| may be
// NULL, and are valid. NULL: no memory.
weir_internal_coroutine *weir_internal_coroutine_create(weir_internal_loop *loop,
                                                        const weir_launch_options *options,
                                                        weir_function function, void *argument);

// Tells whether there can be a coroutine with |options|.
bool weir_internal_launch_options_are_valid(const weir_launch_options *options);

// Cancels |coroutine| and all below it, because of |cause|.
void weir_internal_coroutine_cancel(weir_internal_coroutine *coroutine, int cause);

// The same, but shields do not help: for a loop that cannot go on.
void weir_internal_coroutine_force(weir_internal_coroutine *coroutine, int cause);

// Returns where to go on when a coroutine has ended.
weir_internal_context *weir_internal_loop_next(weir_internal_loop *loop);

// Gives back the stack of a coroutine that has ended, from another one: the first thing to do after
// every switch.
void weir_internal_loop_bury_ended(weir_internal_loop *loop);
static inline void weir_internal_loop_bury(weir_internal_loop *loop) {
  if (loop->ended != NULL) weir_internal_loop_bury_ended(loop);
}

// Leaves the current coroutine until it is ready and has its turn; returns the wake's reason.
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

// Tells the current coroutine what it learns from others: that one returned |result|. If that is
// -ETIMEDOUT, the deadline that holds here, too, may have been met there first.
void weir_internal_coroutine_learn(int result);

// Takes the allowance of |coroutine|, if it is the current one: what that check says may have
// changed.
void weir_internal_coroutine_look_again(weir_internal_coroutine *coroutine);

// Returns the scope that |scope| names for the current coroutine, or NULL when there is none:
// outside a coroutine, and for the own scope of one whose scopes have ended.
weir_scope *weir_internal_scope_resolve(weir_scope *scope);

// Makes |child| one of |scope|.
void weir_internal_scope_adopt(weir_scope *scope, weir_internal_coroutine *child);

// Prepares |scope| for |owner|.
void weir_internal_scope_init(weir_scope *scope, weir_internal_coroutine *owner);

// Cancels the children of |scope| and all below them, because of |cause|.
void weir_internal_scope_cancel_children(weir_scope *scope, int cause);

// Destroys the values that the current coroutine has of its own.
void weir_internal_locals_end(weir_internal_coroutine *coroutine);

// Ends all scopes of the current coroutine, whose function returned |result|. Returns the result of
// the coroutine.
int weir_internal_scopes_end(weir_internal_coroutine *coroutine, int result);

// Returns the code of a failure that keeps |coroutine| from suspending until it has learnt of it;
// 0: there is none. |any|: or would, without a shield.
int weir_internal_find_untold_failure(const weir_internal_coroutine *coroutine, bool any);
static inline int weir_internal_untold_failure(const weir_internal_coroutine *coroutine, bool any) {
  return coroutine->untold_failures > 0 ? weir_internal_find_untold_failure(coroutine, any) : 0;
}

// Tells |scope| that the function of one of its coroutines returned |result|.
void weir_internal_scope_child_ended(weir_scope *scope, weir_internal_coroutine *child, int result);

// Makes |job|, which is zeroed, the one of |child|.
void weir_internal_job_init(weir_job *job, weir_internal_coroutine *child);

// Tells |job| that its coroutine has ended with |result|.
void weir_internal_job_ended(weir_job *job, int result);

// Cancels the coroutine for which |proxy| stands, and all below it, because of the proxy's cause.
void weir_internal_remote_cancel(weir_internal_coroutine *proxy, bool force);

// Returns the scope to which the coroutine belongs on the loop that launched it. Only its name may
// be looked at.
const weir_scope *weir_internal_remote_scope(const weir_internal_remote *remote);

// Tells the loop that launched it that the current coroutine has ended with |result|.
void weir_internal_remote_guest_ended(weir_internal_remote *remote, int result);

#endif  // WEIR_COROUTINE_INTERNAL_COROUTINE_H
