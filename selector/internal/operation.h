// SPDX-License-Identifier: Apache-2.0
//
// Operations on descriptors: what a socket layer submits and a backend completes.
//
// A backend may complete an operation in the call that submits it, later with its result, or later
// with -EAGAIN, which says "submit it again now": that is how a readiness backend such as epoll
// lets the coroutine itself make the call, while its memory is warm. A completion backend never
// says so.
//
// The memory of an operation belongs to its submitter, who keeps it, and any memory it names, until
// it completed or its cancellation was confirmed.

#ifndef WEIR_SELECTOR_INTERNAL_OPERATION_H
#define WEIR_SELECTOR_INTERNAL_OPERATION_H

#include "base/internal/lender.h"
#include "base/internal/list.h"
#include "coroutine/internal/loop.h"
#include "selector/internal/system_calls.h"
#include "weir/selector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_operation weir_internal_operation;
typedef struct weir_internal_selector_loop weir_internal_selector_loop;

// The two directions in which operations on a descriptor wait, one in each at most.
typedef enum weir_internal_direction {
  WEIR_INTERNAL_READ = 0,
  WEIR_INTERNAL_WRITE = 1,
} weir_internal_direction;

// What a loop's backend knows by a number, because the kernel may still speak of it when it is
// gone.
typedef struct weir_internal_registration {
  // Called on the loop's thread when |events| (EPOLLIN, ...) were seen. May free the registration.
  void (*ready)(struct weir_internal_registration *registration, uint32_t events);
  uint32_t slot;
} weir_internal_registration;

// A descriptor is a file descriptor that a selector's loop watches. Its memory belongs to a socket.
typedef struct weir_internal_descriptor {
  weir_internal_registration registration;
  int fd;
  weir_selector *selector;
  weir_internal_selector_loop *loop;  // NULL until the first operation
  weir_internal_operation *waiting[2];
  weir_internal_operation *retrying[2];  // awaited, completed, and not taken up again yet
  uint32_t seen;                         // EPOLL bits that stay: the end and the exceptions
  bool ready[2];      // by direction; false: an attempt now would be told to wait
  bool short_is_dry;  // a stream on which a short read means that no more is there
  // The kernel is not asked to tell of room before a send has found none. For datagrams, where it
  // would tell of it whenever one has left: a wake-up for each, and nobody waits for it.
  bool room_on_demand;
} weir_internal_descriptor;

// The lowest bit of a kind is its direction.
typedef enum weir_internal_operation_kind {
  WEIR_INTERNAL_RECEIVE = 0 | WEIR_INTERNAL_READ,
  WEIR_INTERNAL_SEND = 0 | WEIR_INTERNAL_WRITE,
  WEIR_INTERNAL_ACCEPT = 2 | WEIR_INTERNAL_READ,
  WEIR_INTERNAL_CONNECT = 2 | WEIR_INTERNAL_WRITE,
  WEIR_INTERNAL_SPLICE_IN = 4 | WEIR_INTERNAL_READ,     // from the descriptor into an empty pipe
  WEIR_INTERNAL_SPLICE_OUT = 4 | WEIR_INTERNAL_WRITE,   // from a pipe to the descriptor
  WEIR_INTERNAL_RECEIVE_FROM = 6 | WEIR_INTERNAL_READ,  // one datagram
  WEIR_INTERNAL_SEND_TO = 6 | WEIR_INTERNAL_WRITE,
  WEIR_INTERNAL_RECEIVE_MESSAGES = 8 | WEIR_INTERNAL_READ,  // several datagrams
  WEIR_INTERNAL_SEND_MESSAGES = 8 | WEIR_INTERNAL_WRITE,
  WEIR_INTERNAL_READABLE = 10 | WEIR_INTERNAL_READ,   // completes with 0 when a receive may succeed
  WEIR_INTERNAL_WRITABLE = 10 | WEIR_INTERNAL_WRITE,  // completes with 0 when a send may succeed
} weir_internal_operation_kind;

struct weir_internal_operation {
  weir_internal_operation_kind kind;
  int result;
  weir_internal_descriptor *descriptor;
  // Called on the loop's thread, outside any coroutine or inside another, when an operation that
  // was pending has completed with |result|. Must not suspend.
  void (*complete)(weir_internal_operation *operation);
  void *owner;  // for |complete|
  // How long it may wait when it is awaited, in nanoseconds; 0: for ever.
  int64_t timeout;
  // The result is what the system call itself said, and not an interruption or a deadline, which
  // may have the same code.
  bool by_kernel;
  union {
    weir_internal_lender *lender;  // RECEIVE: result is the number of bytes, 0 at the end
    struct {                       // SEND: result is the number of bytes
      const struct iovec *buffers;
      int count;
    } send;
    // SPLICE_IN, SPLICE_OUT: result is the number of bytes. A SPLICE_IN of 0 moves none of what
    // comes next, be it the end, a failure or urgent data: a RECEIVE tells.
    struct {
      int pipe;
      size_t size;
    } splice;
    struct {  // ACCEPT: result is the new fd, non-blocking and close-on-exec
      struct sockaddr *address;
      socklen_t *size;
    } accept;
    struct {  // CONNECT: result is 0
      const struct sockaddr *address;
      socklen_t size;
      bool begun;  // set by the backend
    } connect;
    // RECEIVE_FROM: result is the size of the datagram, also if |data| has no room for all of it;
    // SEND_TO: the number of bytes. 0 is an empty datagram. Of those that arrive |address_size| is
    // room and result, and NULL means that it is not asked for; of those that leave, |address| may
    // be NULL.
    struct {
      void *data;
      size_t size;
      struct sockaddr *address;
      socklen_t *address_size;
    } datagram;
    struct {  // RECEIVE_MESSAGES, SEND_MESSAGES: result is the number of datagrams, at least 1
      struct mmsghdr *messages;
      unsigned count;
    } messages;
  } with;
};

// weir_internal_descriptor_open makes |descriptor| speak for |fd|, a non-blocking socket, which it
// owns from now on. |short_is_dry| is for TCP streams with SO_OOBINLINE on. Cannot fail; the first
// operation binds it to the loop where that happens.
void weir_internal_descriptor_open(weir_internal_descriptor *descriptor, weir_selector *selector,
                                   int fd, bool short_is_dry);

// weir_internal_descriptor_close closes the fd; nothing may be pending. Legal when it is closed.
void weir_internal_descriptor_close(weir_internal_descriptor *descriptor);

// weir_internal_descriptor_interrupt completes what is pending in |direction|, if anything, with
// |reason|.
void weir_internal_descriptor_interrupt(weir_internal_descriptor *descriptor,
                                        weir_internal_direction direction, int reason);

// weir_internal_submit starts |operation|. Returns its result (with -EAGAIN never among them), or
// -EINPROGRESS: then |complete| will be called. -EXDEV when the descriptor belongs to another loop,
// -EBUSY when an operation is pending in that direction.
WEIR_MUST_USE int weir_internal_submit(weir_internal_operation *operation);

// weir_internal_try runs |operation| without ever waiting: returns its result or -EAGAIN.
WEIR_MUST_USE int weir_internal_try(weir_internal_operation *operation);

// weir_internal_try_to_send is weir_internal_try of a SEND that needs no operation: for what is
// sent on the way to a suspension, which is most.
WEIR_MUST_USE int weir_internal_try_to_send(weir_internal_descriptor *descriptor,
                                            const struct iovec *buffers, int count);

// weir_internal_cancel_operation takes back a pending |operation|. Returns true when |complete|
// will not be called any more; false when the backend has to confirm, which it does by completing
// it with -ECANCELED, or its result. epoll always returns true.
WEIR_MUST_USE bool weir_internal_cancel_operation(weir_internal_operation *operation);

// weir_internal_await submits |operation| and suspends the current coroutine until it has
// completed. Returns its result, or -ECANCELED or -ETIMEDOUT, and then it has had no effect; so
// -ETIME when |timeout| has passed. Sets |complete| and |owner|.
WEIR_MUST_USE int weir_internal_await(weir_internal_operation *operation);

// weir_internal_selector_calls returns the selector's table of system calls.
const weir_internal_system_calls *weir_internal_selector_calls(const weir_selector *selector);

// weir_internal_selector_loop_count returns how many loops |selector| has, and
// weir_internal_selector_loop_number the one that has a |number|, from 0 on.
size_t weir_internal_selector_loop_count(const weir_selector *selector);
weir_internal_loop *weir_internal_selector_loop_number(const weir_selector *selector,
                                                       size_t number);

// weir_internal_selector_is_at_rest tells whether |selector| does not run.
// weir_internal_selector_is_driven_here tells whether it does, and this thread is between two polls
// of it: then nothing happens on the first loop, and the others go on.
bool weir_internal_selector_is_at_rest(const weir_selector *selector);
bool weir_internal_selector_is_driven_here(const weir_selector *selector);

// weir_internal_selector_closes returns a number that is another one after |selector| has closed a
// file descriptor on whatever loop. From any thread.
uint64_t weir_internal_selector_closes(const weir_selector *selector);

// weir_internal_selector_await_descriptor suspends until the selector has closed a file descriptor
// since the number was |closes|, or for |nanoseconds|. For those who ran out of them, and asked for
// the number before they did. Returns 0 in both cases, or -ECANCELED or -ETIMEDOUT.
WEIR_MUST_USE int weir_internal_selector_await_descriptor(weir_selector *selector, uint64_t closes,
                                                          int64_t nanoseconds);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_OPERATION_H
