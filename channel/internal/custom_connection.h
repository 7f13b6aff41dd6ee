// SPDX-License-Identifier: Apache-2.0
//
// A connection over operations of the user's. These may suspend; so what the loop does for other
// transports without a coroutine is done here in a coroutine of the connection's own.

#ifndef WEIR_CHANNEL_INTERNAL_CUSTOM_CONNECTION_H
#define WEIR_CHANNEL_INTERNAL_CUSTOM_CONNECTION_H

#include "channel/internal/connection.h"
#include "weir/custom_connection.h"

#ifdef __cplusplus
extern "C" {
#endif

// What a read that waits gets to be filled, since lent memory must not be held while it waits.
enum { WEIR_INTERNAL_CUSTOM_RESERVE = 256 };

// A call into the user's code that may be suspended there.
typedef struct weir_internal_custom_call {
  bool inside;
  weir_internal_interruptible interruptible;
} weir_internal_custom_call;

// What a connection over another one may do besides what is open to users, so that the one below
// can belong to it. None suspends but |await_read| and |flush|.
typedef struct weir_internal_custom_layer {
  // Suspends until a |read| that does not wait may do something. Returns 0 or a negative code. It
  // takes the place of every |read| that waits.
  int (*await_read)(void *context);
  // Suspends until the connection below has sent all that |write| has taken. Returns 0 or a
  // negative code; what is unsent then leaves all the same.
  int (*flush)(void *context);
  // Returns what has broken the layer itself, which reads then say, or 0.
  int (*cause)(const void *context);
  // As in weir_internal_transport.
  void (*linger)(void *context);
  bool (*stop)(void *context);
} weir_internal_custom_layer;

typedef struct weir_internal_custom_connection {
  weir_connection connection;
  weir_custom_operations operations;
  void *context;
  const weir_internal_custom_layer *layer;  // NULL: a user's
  weir_internal_custom_call reading;
  weir_internal_custom_call writing;  // or flushing, or finishing
  // The coroutine of our own.
  bool background;                // it exists
  bool in_flight;                 // it is inside |write| or |finish|
  bool has_outcome;               // what that returned was not asked for yet
  bool finishing;                 // the next thing it does is |finish|
  int outcome;                    // the result of |write| or |finish|
  weir_internal_wait_queue done;  // those who wait for it
  weir_internal_watcher *watcher;
  bool broken;  // by an abort
  size_t size;  // of this structure with its texts
  size_t held;  // bytes in |reserve|
  char reserve[WEIR_INTERNAL_CUSTOM_RESERVE];
  char texts[];
} weir_internal_custom_connection;

// weir_internal_custom_of returns |connection|, which must be a custom one, as what it is.
static inline weir_internal_custom_connection *weir_internal_custom_of(
    weir_connection *connection) {
  return (weir_internal_custom_connection *)connection;
}

// weir_internal_custom_context returns the context of |connection| if it was made over |read|,
// otherwise NULL.
void *weir_internal_custom_context(const weir_connection *connection,
                                   int (*read)(void *context, void *out, size_t size, bool wait));

// weir_internal_custom_result returns the |result| of a user's function for at most |size| bytes,
// or what stands for it when the function has not kept its contract.
int weir_internal_custom_result(int result, size_t size, bool wait);

// weir_internal_custom_begin and weir_internal_custom_end enclose a call. One that does not wait
// has no business with the end of the coroutine in which it happens to run, and stands behind a
// shield: a filter that was refused by the channel below has perhaps taken bytes already.
weir_shield weir_internal_custom_begin(weir_internal_custom_call *call, bool wait);
void weir_internal_custom_end(weir_internal_custom_call *call, bool wait, weir_shield shield);

// weir_internal_custom_interrupt makes all that |call| waits for return -ECANCELED.
void weir_internal_custom_interrupt(weir_internal_custom_call *call);

// The writing operations of the transport (custom_output.c).
int weir_internal_custom_write(weir_connection *connection, const struct iovec *buffers, int count,
                               bool wait);
int weir_internal_custom_flush(weir_connection *connection);
void weir_internal_custom_interrupt_write(weir_connection *connection, int reason);
int weir_internal_custom_watch_write(weir_connection *connection, weir_internal_watcher *watcher);
void weir_internal_custom_unwatch_write(weir_connection *connection);
int weir_internal_custom_finish_write(weir_connection *connection, bool wait);
bool weir_internal_custom_stop(weir_connection *connection);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_CUSTOM_CONNECTION_H
