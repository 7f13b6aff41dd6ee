// SPDX-License-Identifier: Apache-2.0
//
// What lies below a connection's channels: a source of bytes, a sink of bytes, and an end. A
// socket, a pipe and a TLS session each implement these operations; channels know nothing else of
// them.
//
// No operation here checks for a second concurrent caller: the channels above have done that.

#ifndef WEIR_CHANNEL_INTERNAL_TRANSPORT_H
#define WEIR_CHANNEL_INTERNAL_TRANSPORT_H

#include "base/internal/lender.h"
#include "weir/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

// How many buffers a write gets at most.
enum { WEIR_INTERNAL_WRITE_BUFFERS = 16 };

// A watcher waits, in the loop and without a coroutine, until a write may make progress.
typedef struct weir_internal_watcher {
  // Called once for each watch, on the loop's thread, perhaps inside a coroutine, never before
  // |watch_write| has returned. Must not suspend; may watch again; may free the connection.
  void (*ready)(struct weir_internal_watcher *watcher);
} weir_internal_watcher;

// |self| is the connection for which the operation is called.
typedef struct weir_internal_transport {
  // Puts bytes into what |lender| lends, which is asked only once there are bytes. Returns their
  // number, at least 1; 0 at the end of the stream, then again at each call; -EAGAIN when there are
  // none and |wait| is false. With |wait| it suspends, and then may return -ECANCELED, -ETIMEDOUT
  // or what |interrupt| says, and has taken nothing; nor has it when it returns the lender's
  // failure.
  int (*read)(weir_connection *self, weir_internal_lender *lender, bool wait);

  // Takes bytes from |buffers|, one or more, none empty, and returns how many, at least 1.
  // -EAGAIN when it can take none and |wait| is false; otherwise it suspends, with the failures of
  // |read|. Keeps no pointer to the buffers. -ENOMEM and -ENOBUFS, also of |watch_write| and
  // |finish_write|, say that it may be tried again; but for a transport with |cancel_read|.
  int (*write)(weir_connection *self, const struct iovec *buffers, int count, bool wait);

  // Suspends until all that |write| has taken was sent, with the failures of |read|; with or
  // without it that leaves. NULL: |write| takes nothing that it does not send.
  int (*flush)(weir_connection *self);

  // Makes a |read| (|write| or |flush|) that is suspended in another coroutine return |reason|.
  void (*interrupt_read)(weir_connection *self, int reason);
  void (*interrupt_write)(weir_connection *self, int reason);

  // Calls |watcher| once a |write| that does not wait may make progress, or has failed. One watcher
  // at a time, and none while a |write| is suspended. Returns 0 or a negative code.
  int (*watch_write)(weir_connection *self, weir_internal_watcher *watcher);
  // Takes the watch back. Legal when there is none.
  void (*unwatch_write)(weir_connection *self);

  // Tells the peer that nothing more will be written. Returns 0 or a negative code. Where that
  // takes time it is -EAGAIN without |wait|, and then |watch_write| may be used; with |wait| it
  // suspends, with the failures of |read|.
  int (*finish_write)(weir_connection *self, bool wait);

  // Called after everything was written and |finish_write| was called, to end in peace: reads and
  // drops what the peer still sends until it has ended its stream as well. Does not suspend: calls
  // weir_internal_connection_lingered, once, now or later, in the loop. That may free the
  // connection.
  void (*linger)(weir_connection *self);

  // Breaks the connection so that the peer learns of it; frees nothing, does not suspend. May be
  // called at any time before |release|.
  void (*abort)(weir_connection *self);

  // Both may be NULL, and are called once at most, before |release|; neither suspends.
  //
  // Nobody will read any more, because of |cause|, a negative code: drops what is unread, and makes
  // the peer's writes fail with it. NULL: the peer is not told. A transport that has this operation
  // fails to write only because of its peer.
  void (*cancel_read)(weir_connection *self, int cause);
  // The stream breaks off because of |cause|: the peer gets that instead of what it has not read
  // yet. NULL: the whole connection is aborted instead.
  void (*cancel_write)(weir_connection *self, int cause);

  // Nobody will read any more, and the peer is not told: gives up what is held of the unread bytes
  // outside the channel. Does not suspend. NULL: nothing is.
  void (*drop_read)(weir_connection *self);

  // Moves up to |size| bytes that come next straight to |target|, a connection of the same loop
  // whose channel holds nothing unsent, without bringing them into the program. Suspends until
  // there are some and |target| takes some. Returns their number, at least 1. -EAGAIN: what comes
  // next, the end or a failure of the source too, has to go through |read|, at least once, because
  // it cannot be moved or is not worth it. -ENOTSUP: |target| is none to which it can move. Any
  // other negative code is that of a |write| to |target|, or ends the wait. Whatever it returns, a
  // byte that |target| did not take comes out of the next |copy_to| or |read|. NULL: never.
  int (*copy_to)(weir_connection *self, weir_connection *target, size_t size);

  // Tells whether |release| may be called, as far as coroutines of the transport's own are
  // concerned. If not, makes them end, and calls weir_internal_connection_close_on then. NULL:
  // there are none.
  bool (*stop)(weir_connection *self);

  // Frees the connection with all that it holds. Stops a |linger| that has not ended. No read or
  // write is in flight, nothing is watched.
  void (*release)(weir_connection *self);
} weir_internal_transport;

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_TRANSPORT_H
