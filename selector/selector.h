// SPDX-License-Identifier: Apache-2.0
//
// weir/selector.h: the selector, which runs coroutines and wakes them when the kernel is ready.
//
// It is the only door to the world: clock, system calls and threads are behind it. Most programs
// need just weir_run.
//
// Example:
//   static int say_hello(void *argument) {
//     printf("hello, %s\n", (const char *)argument);
//     return weir_delay(WEIR_MILLISECOND);
//   }
//   int result = weir_run(NULL, say_hello, "world");
//   assert(result == 0);

#ifndef WEIR_SELECTOR_H
#define WEIR_SELECTOR_H

#include "weir/base.h"
#include "weir/coroutine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_selector weir_selector;

struct weir_internal_system_calls;

// Options of a selector. All zero is the default.
typedef struct weir_selector_options {
  // While weir_selector_run (or weir_run) runs, the first SIGINT or SIGTERM cancels its function's
  // coroutine, and with it everything; a second one does what it always does. The signals are
  // blocked in the thread that runs; all other threads of the process must block them too
  // (pthread_sigmask(3); threads inherit it), or the kernel may deliver the first one to them. Off
  // by default.
  bool cancel_on_interrupt;
  // Bytes of each coroutine's stack, without its guard page, rounded up to whole pages; at least 16
  // KiB. Default 64 KiB; four times as much in builds with a sanitizer.
  size_t stack_size;
  // How long a run goes on after its last coroutine has ended, in nanoseconds, to finish what
  // cancelled coroutines left behind: output not yet sent, connections not yet closed by the peer.
  // Default 500 milliseconds; negative: not at all.
  int64_t drain_timeout;
  // Threads that run coroutines: the one that calls weir_selector_run (or _poll), and one less of
  // the selector's own. Default 1, at most 1,024. See weir_launch_on.
  int loops;
  // Threads for weir_blocking at most, default 64; and how long one waits for work before it ends,
  // in nanoseconds of real time, default 10 seconds; negative: it does not wait.
  int blocking_threads;
  int64_t blocking_idle_timeout;
  // For tests and simulations inside Weir; NULL is the kernel.
  const struct weir_internal_system_calls *system_calls;
} weir_selector_options;

// weir_run creates a selector, runs |function| with |argument| as its first coroutine, waits until
// all coroutines have ended, and closes the selector. |options| may be NULL. Blocks the thread.
// Returns the result of |function|, but 0 when it ended with -ECANCELED because of an interrupt
// that the option |cancel_on_interrupt| asked for; or a failure to set up: -ENOMEM, -EMFILE,
// -ENFILE, -EINVAL (bad options), -EBUSY (inside a coroutine), -EAGAIN (no more threads); or why
// the kernel refused to wait (epoll_wait(2)), and then all coroutines were cancelled, shields or
// not.
WEIR_MUST_USE int weir_run(const weir_selector_options *options, weir_function function,
                           void *argument);

// weir_selector_create makes a selector, which the caller closes with weir_selector_close. Does not
// suspend. Returns 0 or a failure to set up, as weir_run.
WEIR_MUST_USE int weir_selector_create(weir_selector **out, const weir_selector_options *options);

// weir_selector_run is weir_run on a selector that exists; it may be called again when it returned.
WEIR_MUST_USE int weir_selector_run(weir_selector *selector, weir_function function,
                                    void *argument);

// Loops
//
// A selector with the option |loops| runs as many loops, one to each thread. A coroutine stays on
// the loop where it was launched, as do the children that weir_launch gives it, and what it opens.
// An operation on a connection of another loop returns -EXDEV. What weir_accept returned belongs to
// no loop before its first operation; weir_tcp_serve of weir/tcp.h hands clients out, by default to
// the loop with the fewest coroutines.
//
// A run ends when its function's coroutine has ended, and with it all that were launched anywhere.
// The selector's own threads exist as long as the run and take no signals. When one loop cannot
// wait any more, the whole run ends as described at weir_run.

// weir_launch_on is weir_launch on loop |loop| of the current selector, from 0 on; or on the one
// with the fewest coroutines for WEIR_LEAST_LOADED, or on each in turn for WEIR_ROUND_ROBIN. The
// coroutine belongs to |scope|, of this loop, like any other: the scope waits for it and cancels
// it, and its job can be waited for here. Suspends until the coroutine exists, which neither
// cancellation nor a deadline cuts short. For a |loop| that is the current one it is weir_launch,
// and does not suspend. Returns as weir_launch; -EINVAL for a |loop| that does not exist;
// -ECANCELED, from the clean-up of a run that has ended, when that loop takes none any more.
enum { WEIR_LEAST_LOADED = -1, WEIR_ROUND_ROBIN = -2 };
WEIR_MUST_USE int weir_launch_on(int loop, weir_scope *scope, weir_job **out_or_null,
                                 const weir_launch_options *options, weir_function function,
                                 void *argument);

// weir_current_loop returns the number of the loop whose coroutine is running on this thread;
// -EINVAL outside a coroutine. weir_loop_count returns how many the current selector has; 0 outside
// a coroutine.
int weir_current_loop(void);
int weir_loop_count(void);

// Driving a selector from a thread or an event loop of your own
//
// weir_selector_start is weir_selector_run that returns at once, in place of which the caller
// drives; nothing runs on this thread before the first poll. It returns 0; or a negative code as
// weir_selector_run, and then there is nothing to drive.
//
// weir_selector_poll waits for |nanoseconds| at most (0 or less: not at all, WEIR_FOREVER: until
// something happens) if nothing can run, and runs what can, for one turn: what still can run then
// does so in the next poll. It returns 1 while there is more to do and 0 when the run has ended,
// and *out_result, which may be NULL, is what weir_selector_run would have returned. -EINVAL when
// nothing was started; -EXDEV on another thread than that of weir_selector_start; -EBUSY inside a
// coroutine.
//
// weir_selector_fd returns a descriptor that is readable when there is something to do for a poll
// of 0, also when a timer is due: for poll(2), epoll(7), libuv's uv_poll_t and the like. It may be
// asked for at any time outside coroutines, belongs to the selector and stays the same. -EMFILE,
// -ENFILE, -ENOMEM, -ENOSPC, -EINVAL. examples/libuv_host.c shows a whole program.
WEIR_MUST_USE int weir_selector_start(weir_selector *selector, weir_function function,
                                      void *argument);
WEIR_MUST_USE int weir_selector_poll(weir_selector *selector, int64_t nanoseconds, int *out_result);
WEIR_MUST_USE int weir_selector_fd(weir_selector *selector);

// weir_selector_cancel cancels the coroutine of the function that runs, and with it all others, as
// the option |cancel_on_interrupt| does at a signal: for a host that wants its selector to stop. It
// goes on to poll until the run has ended, whose result is -ECANCELED then if the function returns
// that. Nothing happens when nothing runs. May be called from any thread, in a coroutine or not;
// the selector must not be closed before it has returned. NULL is legal. Frees and allocates
// nothing, does not suspend, cannot fail.
void weir_selector_cancel(weir_selector *selector);

// weir_selector_close frees the selector. NULL is legal. Returns 0, or -EBUSY, and then nothing is
// done, while it runs.
int weir_selector_close(weir_selector *selector);

// weir_current_selector returns the selector whose coroutine is running on this thread; NULL
// outside a coroutine.
weir_selector *weir_current_selector(void);

// Foreign descriptors

typedef enum weir_interest {
  WEIR_READABLE = 1,
  WEIR_WRITABLE = 2,
} weir_interest;

// weir_selector_select suspends until |fd|, which a foreign library owns, is ready for one of
// |interest| (one or both of the above), and returns those it is ready for; errors and hang-ups
// count as ready. Regular files are always ready. Besides a count it returns -ECANCELED,
// -ETIMEDOUT, -EBADF, -EBUSY when another coroutine waits for the same direction of the same fd,
// WEIR_E_CLOSED after weir_selector_forget, -EINVAL for no interest or outside a coroutine,
// -ENOMEM, -ENOSPC (epoll_ctl(2)).
WEIR_MUST_USE int weir_selector_select(int fd, int interest);

// weir_selector_forget must be called before |fd| is closed if weir_selector_select was ever used
// on it: it makes those who wait for it return WEIR_E_CLOSED. Does not suspend. Returns 0, also for
// an fd that it does not know; -EINVAL outside a coroutine.
int weir_selector_forget(int fd);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_H
