// SPDX-License-Identifier: Apache-2.0
//
// The loop: what runs the coroutines of one thread. It keeps those that can run, the timers, and an
// inbox for other threads; it knows no system call. Whoever owns it (the selector) provides three
// operations, and that is the first of the two seams of Weir.

#ifndef WEIR_COROUTINE_INTERNAL_LOOP_H
#define WEIR_COROUTINE_INTERNAL_LOOP_H

#include "base/internal/list.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_loop weir_internal_loop;

// The operations of the world below.
typedef struct weir_internal_loop_operations {
  // Returns the time in nanoseconds; never goes back.
  int64_t (*now)(void *context);
  // Waits until something happened, |until| came (0: just looks, WEIR_FOREVER: no limit) or |wake|
  // was called, and tells those concerned, on this thread. Returns 0 or a negative code; then all
  // coroutines are cancelled, also behind shields, and weir_internal_loop_run reports it.
  int (*wait)(void *context, int64_t until);
  // Makes the present or next |wait| return. Called from any thread.
  void (*wake)(void *context);
} weir_internal_loop_operations;

typedef struct weir_internal_loop_options {
  size_t stack_size;      // bytes of each stack without its guard page
  int64_t drain_timeout;  // how long the loop waiters may go on after the last coroutine
} weir_internal_loop_options;

// weir_internal_loop_create makes a loop over |operations|, which must outlive it.
WEIR_MUST_USE int weir_internal_loop_create(weir_internal_loop **out,
                                            const weir_internal_loop_operations *operations,
                                            void *context,
                                            const weir_internal_loop_options *options);

// weir_internal_loop_run runs |function| as the root coroutine on the calling thread, until it and
// all others have ended and no loop waiter is left. Returns the function's result, or the failure
// that kept it from running. -EBUSY when a loop runs on this thread already.
WEIR_MUST_USE int weir_internal_loop_run(weir_internal_loop *loop, weir_function function,
                                         void *argument);

// weir_internal_loop_run in parts, for loops that serve each other and for those that another loop
// drives. All of it happens on one thread.
//
// weir_internal_loop_begin begins a run that goes on, also without any coroutine, until
// weir_internal_loop_stop; from then on until its root has ended. Returns 0; -EBUSY as
// weir_internal_loop_run; or -ENOMEM without the stack for signals that an overflow report needs:
// then the run has begun all the same, but is to go on to its end.
WEIR_MUST_USE int weir_internal_loop_begin(weir_internal_loop *loop);
// weir_internal_loop_launch_root makes the root coroutine. Returns 0, or -ENOMEM and then
// |function| is never called.
WEIR_MUST_USE int weir_internal_loop_launch_root(weir_internal_loop *loop, weir_function function,
                                                 void *argument);
void weir_internal_loop_stop(weir_internal_loop *loop);
// weir_internal_loop_turn waits until |limit| (a point in time, or WEIR_FOREVER) at most if nothing
// can run, and runs what can. Returns false when the run has come to its end. It may then be called
// further, to go on serving messages.
WEIR_MUST_USE bool weir_internal_loop_turn(weir_internal_loop *loop, int64_t limit);
// weir_internal_loop_until returns until when a turn would wait; 0: not at all.
int64_t weir_internal_loop_until(const weir_internal_loop *loop);
// weir_internal_loop_is_ending tells that the root has ended, or that there is none, after a stop.
bool weir_internal_loop_is_ending(const weir_internal_loop *loop);
// weir_internal_loop_end ends the run, and returns as weir_internal_loop_run.
int weir_internal_loop_end(weir_internal_loop *loop);

// weir_internal_loop_fail cancels all coroutines, also behind shields, and makes the run end with
// |failure|: for loops that depend on each other. weir_internal_loop_failure returns why that, or a
// |wait| that failed, happened to |loop|; or 0.
void weir_internal_loop_fail(weir_internal_loop *loop, int failure);
int weir_internal_loop_failure(const weir_internal_loop *loop);

// weir_internal_loop_close frees the loop, which must not be running. NULL is legal.
void weir_internal_loop_close(weir_internal_loop *loop);

// weir_internal_loop_cancel_root cancels the root coroutine, if there is one. From any thread.
void weir_internal_loop_cancel_root(weir_internal_loop *loop);

// What each thread knows of the loop that it runs. Initial-exec: one load, also from a shared
// object.
typedef struct weir_internal_thread_state {
  weir_internal_loop *loop;  // NULL: none
  // Operations that the running coroutine may still begin without a look at its cancellation, its
  // deadline and its turn; see weir_internal_enter.
  uint32_t allowance;
} weir_internal_thread_state;
extern __thread weir_internal_thread_state weir_internal_thread
    __attribute__((tls_model("initial-exec")));

// weir_internal_current_loop returns the loop that runs on this thread, or NULL.
static inline weir_internal_loop *weir_internal_current_loop(void) {
  return weir_internal_thread.loop;
}

// weir_internal_loop_now returns the time at which the loop last looked at its clock.
int64_t weir_internal_loop_now(const weir_internal_loop *loop);

// weir_internal_loop_coroutine_count returns how many coroutines have not ended.
size_t weir_internal_loop_coroutine_count(const weir_internal_loop *loop);

// weir_internal_loop_load returns how many coroutines there are and shall be on |loop|, without
// those that it launched on other loops. From any thread.
size_t weir_internal_loop_load(const weir_internal_loop *loop);

// Loop locals: one value for each |key| (any address), made by upper layers, destroyed with the
// loop in reverse order of their making.
void *weir_internal_loop_local(const weir_internal_loop *loop, const void *key);
WEIR_MUST_USE int weir_internal_loop_set_local(weir_internal_loop *loop, const void *key,
                                               void *value, void (*destroy)(void *value));

// Timers. |fire| runs on the loop's thread, outside any coroutine, once the time has come; it must
// not suspend. Arming an armed timer moves it.
typedef struct weir_internal_timer {
  int64_t when;
  void (*fire)(struct weir_internal_timer *timer);
  // The rest is the heap's own; see timer_heap.h.
  size_t place;  // 0: not armed
  weir_internal_link link;
} weir_internal_timer;
static inline bool weir_internal_timer_is_armed(const weir_internal_timer *timer) {
  return timer->place != 0;
}
void weir_internal_timer_arm(weir_internal_loop *loop, weir_internal_timer *timer, int64_t when);
void weir_internal_timer_cancel(weir_internal_loop *loop, weir_internal_timer *timer);

// weir_internal_loop_launch starts a coroutine on the current loop that belongs to no scope, but to
// the loop: nobody joins it, and no deadline holds for it. Work goes on in it for which a loop
// waiter stands; the run does not wait for it any longer than for loop waiters, then cancels it.
// Returns 0, or -ENOMEM and then |function| is never called.
WEIR_MUST_USE int weir_internal_loop_launch(weir_internal_loop *loop, weir_function function,
                                            void *argument);

// Loop waiters: what goes on in the loop although no coroutine waits for it, such as the rest of a
// flush. The loop does not end before they do. Past its drain timeout it calls |abandon|, which
// must give up at once and remove the waiter.
typedef struct weir_internal_loop_waiter {
  weir_internal_link link;
  void (*abandon)(struct weir_internal_loop_waiter *waiter);
} weir_internal_loop_waiter;
void weir_internal_loop_waiter_add(weir_internal_loop *loop, weir_internal_loop_waiter *waiter);
void weir_internal_loop_waiter_remove(weir_internal_loop_waiter *waiter);

// Messages: how other threads reach a loop. |run| is called on the loop's thread, outside any
// coroutine; the message may be freed or sent again from there.
typedef struct weir_internal_message {
  struct weir_internal_message *next;
  void (*run)(struct weir_internal_message *message);
} weir_internal_message;
// The run does not end before every post that is under way has returned; a loop that is not known
// to stay must not be posted to.
void weir_internal_loop_post(weir_internal_loop *loop, weir_internal_message *message);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_LOOP_H
