// SPDX-License-Identifier: Apache-2.0
//
// weir/coroutine.h: coroutines, the scopes that own them, cancellation and deadlines.
//
// A coroutine is a function with a stack of its own. It runs until it waits for something; then
// its thread runs another one. It never moves to another thread, so errno and thread-locals are
// safe across every call. A coroutine always belongs to a scope, and a scope does not end before
// the coroutines in it, so none is ever left behind.
//
// A function "suspends" when it may wait. Each function that suspends first looks whether its
// coroutine was cancelled (-ECANCELED) or its deadline has passed (-ETIMEDOUT); then it does
// nothing else. Both stay: every later function that suspends reports them again, until the
// deadline's bracket ends or a shield is raised. The owner of a scope whose coroutines fail
// together is cancelled for a while only; see weir_scope_options.
//
// Exceptions of C++ must not leave a coroutine's function.
//
// Example:
//   static int child(void *argument) {
//     int result = weir_delay(1000000);  // one millisecond
//     *(int *)argument = 42;
//     return result;
//   }
//   static int parent(void *argument) {
//     int answer = 0;
//     weir_scope *scope;
//     int result = weir_scope_open(&scope, NULL);
//     if (result < 0) return result;
//     result = weir_launch(scope, NULL, NULL, child, &answer);
//     if (result == 0) result = weir_scope_wait(scope);
//     weir_scope_close(scope);
//     *(int *)argument = answer;
//     return result;
//   }
//   int answer = 0;
//   int result = weir_run(NULL, parent, &answer);
//   assert(result == 0 && answer == 42);

#ifndef WEIR_COROUTINE_H
#define WEIR_COROUTINE_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// Durations and points in time are nanoseconds in an int64_t.
#define WEIR_MICROSECOND INT64_C(1000)
#define WEIR_MILLISECOND INT64_C(1000000)
#define WEIR_SECOND INT64_C(1000000000)
// WEIR_FOREVER, as a duration, sets no deadline.
#define WEIR_FOREVER INT64_MAX

// The function of a coroutine. Its result is zero or more on success, or a negative code.
typedef int (*weir_function)(void *argument);

// Scopes
//
// Each coroutine has a scope of its own from its start, named by NULL; weir_scope_open adds more,
// one inside the other. A coroutine whose function has returned ends when all coroutines of all its
// scopes have ended; those of scopes that it left open, and all of them if it returned a negative
// code, are cancelled first.
typedef struct weir_scope weir_scope;

// Options of a scope. All zero is the default.
typedef struct weir_scope_options {
  // The first coroutine of the scope that fails cancels the others, also those launched later, and
  // stops what the owner does inside: until it learns of the failure by weir_scope_wait or
  // weir_scope_close of this scope, the owner is as if cancelled, with the failure's code as the
  // cause, and so are the scopes that it has opened inside. It is not stopped while it waits for
  // this very scope, nor behind a shield that it has raised inside. If it returns -ECANCELED
  // without having learnt, it ends with the failure instead. Off by default: a failure is its own
  // coroutine's affair. -ECANCELED is not a failure.
  bool fail_together;
  // A name for messages, which must outlive the scope; default none.
  const char *name;
} weir_scope_options;

// weir_scope_open opens a scope inside the current coroutine, which owns it and closes it with
// weir_scope_close. Its coroutines inherit the deadline in force now. |options| may be NULL. Does
// not suspend. Returns 0; -EINVAL outside a coroutine, or in one that ends (see weir_local);
// -ENOMEM.
WEIR_MUST_USE int weir_scope_open(weir_scope **out, const weir_scope_options *options);

// weir_scope_wait suspends until every coroutine of |scope| has ended. NULL is the current
// coroutine's own scope. Returns 0 when all of them succeeded or were cancelled; the code of the
// first that failed since the scope was opened, again at each call; -ECANCELED or -ETIMEDOUT when
// the waiting itself ended so, and then the coroutines go on; -EINVAL when |scope| is not the
// current coroutine's.
WEIR_MUST_USE int weir_scope_wait(weir_scope *scope);

// weir_scope_cancel cancels every coroutine of |scope| and all below them, and those launched in it
// from now on. NULL is the current coroutine's own scope; outside a coroutine it does nothing. May
// be called from any thread, a loop's or not, as weir_job_cancel. |scope| must not be closed before
// the call has returned; a coroutine of the scope, on whatever loop, can be sure of that. Does not
// suspend, cannot fail.
void weir_scope_cancel(weir_scope *scope);

// weir_scope_cancel_with_cause is weir_scope_cancel that says why: weir_cancellation_cause tells
// the coroutines |cause|, a negative code (anything else counts as -ECANCELED). The first cause of
// a coroutine stays.
void weir_scope_cancel_with_cause(weir_scope *scope, int cause);

// weir_scope_close cancels the coroutines of |scope|, suspends until all have ended, and frees it.
// Neither cancellation nor a deadline of the caller cuts this short. NULL is legal and does
// nothing. Returns 0, or the code of the first coroutine that failed; -EINVAL, and then nothing
// is done, when |scope| is not the current coroutine's.
int weir_scope_close(weir_scope *scope);

// Jobs
//
// A job is the handle to one coroutine, for those who want its result or want to cancel just it.
typedef struct weir_job weir_job;

// Options of a launch. All zero is the default.
typedef struct weir_launch_options {
  // A name for messages, which must outlive the coroutine; default none.
  const char *name;
  // Bytes of its stack, without the guard page: at least 16 KiB, at most 1 GiB; four times as much
  // in builds with a sanitizer. Any but the selector's |stack_size|, which is the default, is
  // rounded up to a power of two. When the coroutine has ended its stack is kept for others of that
  // size.
  size_t stack_size;
} weir_launch_options;

// weir_launch starts a coroutine in |scope| (NULL: the current coroutine's own scope), that runs
// |function| with |argument|. It first runs when the current coroutine suspends. Its deadline is
// the one that was in force when |scope| was opened; for the own scope, when the current coroutine
// began, so that a bracket begun since does not hold for it. When weir_launch returns 0 the
// function will be called exactly once, perhaps in a coroutine already cancelled, so it may own its
// argument; otherwise it will never be called. An argument on the stack of the current function
// must be waited for: in the own scope the coroutine may first run when that function has returned.
// If |out_or_null| is not NULL, *out_or_null gets a handle that the caller frees with
// weir_job_close. |options| may be NULL. Does not suspend. Returns 0; -ENOMEM when there is no
// memory for a stack with its guard page; -EINVAL outside a coroutine, without a function, for a
// stack size out of range, or into the own scope of a coroutine that ends (see weir_local); -EXDEV
// for a scope of another thread.
WEIR_MUST_USE int weir_launch(weir_scope *scope, weir_job **out_or_null,
                              const weir_launch_options *options, weir_function function,
                              void *argument);

// weir_job_wait suspends until |job| has ended, and stores what its function returned in
// *out_result (which may be NULL). Any number of coroutines may wait. Returns 0; -ECANCELED or
// -ETIMEDOUT when the waiting ended so; WEIR_E_CLOSED when another coroutine closes the handle
// meanwhile; -EDEADLK when a coroutine waits for itself; -EXDEV on another thread; -EINVAL outside
// a coroutine.
WEIR_MUST_USE int weir_job_wait(weir_job *job, int *out_result);

// weir_job_cancel cancels the job's coroutine and all coroutines below it: what each one waits for
// returns -ECANCELED. Legal for a job that has ended, also when the whole run has. May be called
// from any thread, a loop's or not. On that of the job they are cancelled when it returns. From
// another one, or between two calls of weir_selector_poll, it sends a message, and the loop cancels
// them in its next round; of several calls the first one counts. Who gives the handle to another
// thread does not close it before the calls there have returned; what they have sent may still be
// on its way then. Frees and allocates nothing, does not suspend, cannot fail.
void weir_job_cancel(weir_job *job);

// weir_job_cancel_with_cause is weir_job_cancel that says why; see weir_scope_cancel_with_cause.
void weir_job_cancel_with_cause(weir_job *job, int cause);

// weir_job_close frees the handle, on the thread of the job. The coroutine, when it still runs,
// goes on; those who wait for it get WEIR_E_CLOSED. NULL is legal.
void weir_job_close(weir_job *job);

// weir_is_cancelled tells whether the current coroutine was cancelled, or is as if it were (see
// |fail_together|), also behind a shield. false outside a coroutine.
bool weir_is_cancelled(void);

// weir_cancellation_cause returns why the current coroutine was cancelled: the cause that was
// given; the code with which its parent, or in a scope with |fail_together| its sibling or child,
// failed; why the kernel refused to wait; or -ECANCELED when none is known. 0 while it is not
// cancelled.
int weir_cancellation_cause(void);

// Deadlines
//
// A weir_timeout is the bracket of a deadline: a plain value, which must be ended in the coroutine
// that began it, in reverse order. What suspends inside the bracket returns -ETIMEDOUT when its
// deadline, or that of an outer bracket, has passed: never early, at most a millisecond late when
// the thread is idle.
typedef struct weir_timeout {
  int64_t previous_deadline;
  uint32_t previous_owner;
  uint32_t depth;
  bool previous_expired;
} weir_timeout;

// weir_timeout_begin opens a bracket whose deadline is |nanoseconds| from now. Zero or less has
// passed already; WEIR_FOREVER sets none, so that only outer deadlines hold. Does not suspend.
weir_timeout weir_timeout_begin(int64_t nanoseconds);

// weir_timeout_end closes |timeout|. Returns true if something inside returned -ETIMEDOUT because
// of this very bracket, not of an outer one; or would have, had not a close or the like ended it in
// the same moment. The -ETIMEDOUT of a coroutine that was waited for inside counts, if this
// deadline has passed: it may have inherited it. Nothing that succeeded counts.
bool weir_timeout_end(weir_timeout timeout);

// Shields
//
// A weir_shield is the bracket of a clean-up: a plain value, ended in the coroutine that began it,
// in reverse order. Inside, the coroutine suspends although it was cancelled or a deadline begun
// outside has passed. A deadline begun inside holds.
typedef struct weir_shield {
  weir_timeout suspended;
} weir_shield;

// weir_shield_begin raises a shield; weir_shield_end lowers it. Outside a coroutine both do
// nothing.
weir_shield weir_shield_begin(void);
void weir_shield_end(weir_shield shield);

// Coroutine-local storage
//
// A weir_local names one value that each coroutine has for itself: NULL until it is set, and again
// in each coroutine that is launched. To be defined once, as a constant with static storage.
typedef struct weir_local {
  // Called with a value that is not NULL when another one takes its place, or when its coroutine
  // ends, in that coroutine: after all the coroutines of its scopes have ended, and in the reverse
  // of the order in which the locals were first set. May be NULL. Must not suspend. When the
  // coroutine ends it has no scope any more: weir_launch into its own scope and weir_scope_open
  // return -EINVAL.
  void (*destroy)(void *value);
} weir_local;

// weir_local_set gives the current coroutine its |value| of |local|. Does not suspend. Returns 0;
// -ENOMEM, and then nothing has changed; -EINVAL outside a coroutine or without a |local|.
WEIR_MUST_USE int weir_local_set(const weir_local *local, void *value);

// weir_local_get returns the current coroutine's value of |local|; NULL outside a coroutine. Never
// fails.
void *weir_local_get(const weir_local *local);

// weir_now returns the time of the clock that deadlines use: nanoseconds since some fixed point,
// never going back. It is virtual when the selector's clock is. 0 outside a run.
int64_t weir_now(void);

// weir_delay suspends for |nanoseconds|; zero or less is weir_yield, WEIR_FOREVER waits until
// cancelled. Returns 0, -ECANCELED, -ETIMEDOUT, or -EINVAL outside a coroutine.
WEIR_MUST_USE int weir_delay(int64_t nanoseconds);

// weir_yield lets the other coroutines that can run do so first. Returns 0, -ECANCELED, -ETIMEDOUT,
// or -EINVAL outside a coroutine.
WEIR_MUST_USE int weir_yield(void);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_H
