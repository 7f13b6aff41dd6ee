// SPDX-License-Identifier: Apache-2.0
//
// The part of a connection that all transports share. A transport puts a weir_connection at the
// start of its own structure, in zeroed memory, and initialises it; this package does the rest,
// down to the call of |release|.

#ifndef WEIR_CHANNEL_INTERNAL_CONNECTION_H
#define WEIR_CHANNEL_INTERNAL_CONNECTION_H

#include "base/internal/list.h"
#include "channel/internal/buffer_pool.h"
#include "channel/internal/read_channel.h"
#include "channel/internal/transport.h"
#include "channel/internal/write_channel.h"
#include "coroutine/internal/loop.h"
#include "coroutine/internal/suspend.h"
#include "weir/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_INTERNAL_DEFAULT_CLOSE_TIMEOUT (5 * INT64_C(1000000000))

// How far a close has come; see close.c.
typedef enum weir_internal_closing {
  WEIR_INTERNAL_OPEN = 0,
  WEIR_INTERNAL_SENDING,    // operations in flight have to leave, output has to be sent
  WEIR_INTERNAL_ENDING,     // inside the transport's |linger|
  WEIR_INTERNAL_ENDED,      // still inside, but it has told already that the peer has ended
  WEIR_INTERNAL_LINGERING,  // the transport will tell when the peer has ended
  WEIR_INTERNAL_STOPPING    // the transport will tell when it can be released
} weir_internal_closing;

// Where an abort from another loop is; see connection.c.
typedef enum weir_internal_distant_abort {
  WEIR_INTERNAL_ABORT_NONE = 0,
  WEIR_INTERNAL_ABORT_SENT,  // the message is on its way, and the connection has to stay
  WEIR_INTERNAL_ABORT_READ,
} weir_internal_distant_abort;

// Whoever waits for the end of a close.
typedef struct weir_internal_closer {
  // Called once the connection is gone, with the result of its close. Does not suspend.
  void (*ended)(struct weir_internal_closer *closer, int result);
} weir_internal_closer;

struct weir_connection {
  const weir_internal_transport *transport;
  // The loop of the first operation; NULL before it, so that a connection can be handed to the loop
  // where it will live. Atomic, for other loops look at it to abort.
  weir_internal_loop *loop;
  weir_internal_buffer_pool *pool;  // of the loop
  weir_read_channel reader;
  weir_write_channel writer;
  const char *local_address;   // owned by the transport
  const char *remote_address;  // owned by the transport
  const char *host;            // owned by the transport, or NULL
  int64_t close_timeout;
  int failure;  // what every operation returns: WEIR_E_CLOSED, -ECONNABORTED, or 0 while open
  weir_internal_closing closing;
  int outcome;                           // what the close returns if nothing else has failed
  bool expired;                          // the close takes no more time
  uint8_t abort_state;                   // a weir_internal_distant_abort
  weir_internal_closer *closer;          // who waits for the close, or NULL
  int64_t close_deadline;                // of a close that waits
  weir_internal_timer timer;             // of the writer's pause and the close, whichever is first
  weir_internal_loop_waiter background;  // linked while the loop sends or closes
  weir_internal_message abort_message;   // from another loop
};

// weir_internal_connection_init prepares a zeroed |connection| for |transport|.
void weir_internal_connection_init(weir_connection *connection,
                                   const weir_internal_transport *transport);

// weir_internal_connection_loop returns the loop of |connection|, or NULL.
static inline weir_internal_loop *weir_internal_connection_loop(const weir_connection *connection) {
  return __atomic_load_n(&connection->loop, __ATOMIC_RELAXED);
}

// weir_internal_connection_is_elsewhere tells whether |connection| belongs to another loop than the
// current one. Where no loop runs none is another.
bool weir_internal_connection_is_elsewhere(const weir_connection *connection);

// weir_internal_connection_bind makes |loop| the one of |connection|, unless it has one.
void weir_internal_connection_bind(weir_connection *connection, weir_internal_loop *loop);

// weir_internal_connection_lingered tells that a |linger| has ended. Unless |linger| itself calls
// it, the connection may be gone when it returns.
void weir_internal_connection_lingered(weir_connection *connection);

// weir_internal_connection_left is the rest of weir_internal_connection_leave when the connection
// ended meanwhile.
int weir_internal_connection_left(weir_connection *connection, int result);

// weir_internal_connection_leave ends an operation of one half of |connection|, which is marked in
// |busy|. Returns |result|; but when the connection ended meanwhile it returns why, and the
// connection may have been freed.
WEIR_MUST_USE static inline int weir_internal_connection_leave(weir_connection *connection,
                                                               bool *busy, int result) {
  *busy = false;
  return connection->failure == 0 ? result : weir_internal_connection_left(connection, result);
}

// weir_internal_connection_go_on stands between the steps of an operation that may take many
// without waiting: now and then it lets others run. Returns 0, or a negative code that ends the
// operation.
WEIR_MUST_USE static inline int weir_internal_connection_go_on(const weir_connection *connection) {
  int result = weir_internal_enter(weir_internal_connection_loop(connection));
  return result == 0 ? connection->failure : result;
}

// weir_internal_connection_refuse looks closer at an operation that seems impossible. Returns why
// it is, or 0 if it is possible after all.
int weir_internal_connection_refuse(weir_connection *connection, const bool *busy);

// weir_internal_connection_mark marks an operation in |busy|. Returns 0; or a negative code, and
// then nothing is marked. weir_internal_connection_go_on comes next, and whatever that returns the
// operation is still to be left.
WEIR_MUST_USE static inline int weir_internal_connection_mark(weir_connection *connection,
                                                              bool *busy) {
  weir_internal_loop *loop = weir_internal_current_loop();
  if (weir_internal_connection_loop(connection) != loop || *busy) {
    int result = weir_internal_connection_refuse(connection, busy);
    if (result < 0) return result;
  }
  // One of the others may close the connection, and must wait for us.
  *busy = true;
  return 0;
}

// weir_internal_connection_enter begins an operation, and marks it in |busy|. Returns 0; or a
// negative code, and then nothing has begun and the connection may have been freed.
WEIR_MUST_USE static inline int weir_internal_connection_enter(weir_connection *connection,
                                                               bool *busy) {
  int result = weir_internal_connection_mark(connection, busy);
  if (result < 0) return result;
  result = weir_internal_connection_go_on(connection);
  return result == 0 ? 0 : weir_internal_connection_leave(connection, busy, result);
}

// weir_internal_connection_enter_at_once is weir_internal_connection_enter that never lets others
// run, so that the connection is still there when it fails.
WEIR_MUST_USE int weir_internal_connection_enter_at_once(weir_connection *connection, bool *busy);

// weir_internal_is_shortage tells whether |failure| says that there is no memory now.
static inline bool weir_internal_is_shortage(int failure) {
  return failure == -ENOMEM || failure == -ENOBUFS;
}

// weir_internal_connection_passes tells whether |failure| of writing, ending or watching is only
// for now. Where writes fail only because of the peer it is the peer's cause, and stays.
static inline bool weir_internal_connection_passes(const weir_connection *connection, int failure) {
  return weir_internal_is_shortage(failure) && connection->transport->cancel_read == NULL;
}

// weir_internal_connection_breaks tells whether |failure| of a read or write is the transport's,
// which stays, and not one of that operation alone.
bool weir_internal_connection_breaks(const weir_connection *connection, int failure);

// weir_internal_reader_interrupt makes the read that is in flight return |reason|, wherever it is
// suspended.
void weir_internal_reader_interrupt(weir_read_channel *channel, int reason);

// weir_internal_writer_interrupt does so with the write that is in flight.
void weir_internal_writer_interrupt(weir_write_channel *channel, int reason);

// weir_internal_connection_at_once tells whether an operation of the half that |busy| is of may be
// done here and now. It must need no waiting and call nothing that may; then it needs neither be
// entered nor left.
static inline bool weir_internal_connection_at_once(const weir_connection *connection, bool busy) {
  weir_internal_thread_state *thread = &weir_internal_thread;
  if (weir_internal_connection_loop(connection) != thread->loop) return false;
  if (thread->allowance == 0) return false;
  if (busy || connection->failure != 0) return false;
  thread->allowance--;
  return true;
}

// weir_internal_connection_background makes the loop stay until the work that |connection| has left
// to it is done.
void weir_internal_connection_background(weir_connection *connection);

// weir_internal_connection_idle tells that no such work is left.
void weir_internal_connection_idle(weir_connection *connection);

// weir_internal_connection_close_on goes on with a close; the connection may be gone afterwards.
void weir_internal_connection_close_on(weir_connection *connection);

// weir_internal_connection_close_for closes |connection|, which belongs to this loop, without
// suspending. Returns -EINPROGRESS, and |closer| is told when it is gone; or the result of the
// close, and then it is gone already; or -EALREADY, and then nothing was done.
int weir_internal_connection_close_for(weir_connection *connection, weir_internal_closer *closer);

// weir_internal_connection_hurry lets a close take no more time. It may free the connection.
void weir_internal_connection_hurry(weir_connection *connection);

// weir_internal_connection_wake_at ends the writer's pause at |when|; WEIR_FOREVER: there is none.
void weir_internal_connection_wake_at(weir_connection *connection, int64_t when);

// weir_internal_connection_time_came is what the timer calls.
void weir_internal_connection_time_came(weir_internal_timer *timer);

// weir_internal_reader_connection and weir_internal_writer_connection return the connection of
// which |channel| is a part.
static inline weir_connection *weir_internal_reader_connection(weir_read_channel *channel) {
  return WEIR_INTERNAL_CONTAINER(channel, weir_connection, reader);
}
static inline weir_connection *weir_internal_writer_connection(weir_write_channel *channel) {
  return WEIR_INTERNAL_CONTAINER(channel, weir_connection, writer);
}

// weir_internal_writer_take_buffer makes sure that there is a buffer. Returns 0 or -ENOMEM.
WEIR_MUST_USE static inline int weir_internal_writer_take_buffer(weir_write_channel *channel) {
  if (channel->buffer != NULL) return 0;
  weir_internal_buffer_pool *pool = weir_internal_writer_connection(channel)->pool;
  channel->buffer = weir_internal_buffer_take(pool, channel->capacity);
  if (channel->buffer == NULL) return -ENOMEM;
  channel->size = channel->capacity;
  return 0;
}

// weir_internal_writer_release gives back the buffer and what is in it.
static inline void weir_internal_writer_release(weir_write_channel *channel) {
  if (channel->buffer == NULL) return;
  weir_internal_buffer_pool *pool = weir_internal_writer_connection(channel)->pool;
  weir_internal_buffer_give(pool, channel->buffer, channel->size);
  channel->buffer = NULL;
  channel->size = channel->start = channel->end = 0;
}

// weir_internal_reader_enter begins a read, weir_internal_reader_leave ends it.
WEIR_MUST_USE static inline int weir_internal_reader_enter(weir_read_channel *channel) {
  return weir_internal_connection_enter(weir_internal_reader_connection(channel), &channel->busy);
}
WEIR_MUST_USE static inline int weir_internal_reader_enter_at_once(weir_read_channel *channel) {
  return weir_internal_connection_enter_at_once(weir_internal_reader_connection(channel),
                                                &channel->busy);
}
WEIR_MUST_USE static inline int weir_internal_reader_leave(weir_read_channel *channel, int result) {
  return weir_internal_connection_leave(weir_internal_reader_connection(channel), &channel->busy,
                                        result);
}

// weir_internal_reader_leave_span is weir_internal_reader_leave for a read that hands out a span:
// when the connection was closed meanwhile, what *out_bytes names is gone with it.
WEIR_MUST_USE static inline int weir_internal_reader_leave_span(weir_read_channel *channel,
                                                                int result, weir_bytes *out_bytes) {
  int left = weir_internal_reader_leave(channel, result);
  if (left != result) *out_bytes = weir_bytes_of("", 0);
  return left;
}

// weir_internal_reader_more is a step of a read that may take many: weir_internal_reader_fill, and
// now and then others run. Returns 0, WEIR_E_END_OF_STREAM or another negative code.
WEIR_MUST_USE static inline int weir_internal_reader_more(weir_read_channel *channel) {
  int result = weir_internal_reader_fill(channel);
  if (result == 0) return WEIR_E_END_OF_STREAM;
  if (result < 0) return result;
  result = weir_internal_connection_go_on(weir_internal_reader_connection(channel));
  // One of the others may have cancelled the channel, and dropped what the caller has seen.
  return result == 0 ? channel->failure : result;
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_CONNECTION_H
