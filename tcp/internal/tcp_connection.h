// SPDX-License-Identifier: Apache-2.0
//
// A TCP connection: the shared part of every connection over a descriptor. Its life: allocated
// before anything can fail for want of memory, opened over a file descriptor, handed to its user
// ready, and released by the shared part's close.

#ifndef WEIR_TCP_INTERNAL_TCP_CONNECTION_H
#define WEIR_TCP_INTERNAL_TCP_CONNECTION_H

#include "channel/internal/connection.h"
#include "channel/internal/transport.h"
#include "coroutine/internal/loop.h"
#include "selector/internal/kernel_pipe.h"
#include "selector/internal/operation.h"
#include "weir/address.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_tcp_connection weir_tcp_connection;

// What a connection does in the loop while no coroutine waits for it.
typedef enum weir_internal_tcp_background {
  WEIR_INTERNAL_TCP_IDLE = 0,
  WEIR_INTERNAL_TCP_PENDING,  // an operation is submitted
  WEIR_INTERNAL_TCP_TURN,     // a timer brings it back in the loop's next turn
} weir_internal_tcp_background;

struct weir_tcp_connection {
  weir_connection connection;
  weir_internal_descriptor descriptor;
  // The background work: where it waits, and what comes then; NULL when that was taken back while
  // the operation could not be. Watching and lingering never happen together, nor do the two ways
  // of waiting, so that one small memory serves all.
  union {
    weir_internal_operation operation;
    weir_internal_timer timer;
  } background;
  void (*then)(weir_tcp_connection *self);
  weir_internal_watcher *watcher;
  struct weir_internal_server *server;  // whose handler shall have it; see serve.c
  weir_internal_tcp_background state;
  // The failure that broke the stream; see tcp_connection.c.
  int failure;
  int64_t socket_timeout;  // 0: none
  bool is_unix;
  bool reset_on_close;
  bool end_seen;
  bool few_spliced;  // the last splice took so little that it was not worth it
  bool passing;      // a copy is suspended that names the pipe below
  bool unwanted;     // nobody will read any more
  // Unread bytes that have left the socket already; see splice.c.
  weir_internal_kernel_pipe spliced;
  char local[WEIR_ADDRESS_IP_TEXT_SIZE];
  char remote[WEIR_ADDRESS_IP_TEXT_SIZE];
  // As the caller of weir_tcp_connect named it, or nothing; the two texts of a unix connection,
  // which are longer.
  char host[];
};

// weir_internal_tcp_connection_allocate returns a connection that is not open, for |host|, which
// may be NULL and is copied. Returns NULL when there is no memory.
weir_tcp_connection *weir_internal_tcp_connection_allocate(const char *host);

// weir_internal_tcp_connection_allocate_unix is the same for a unix socket.
weir_tcp_connection *weir_internal_tcp_connection_allocate_unix(void);

// weir_internal_tcp_connection_discard frees |self|, closing its descriptor if it has one. It must
// never have been in the hands of a user.
void weir_internal_tcp_connection_discard(weir_tcp_connection *self);

// weir_internal_tcp_connection_ready makes |self|, whose descriptor is open and connected, a
// connection for users. |options| were checked.
weir_connection *weir_internal_tcp_connection_ready(weir_tcp_connection *self,
                                                    const weir_tcp_options *options,
                                                    const weir_address *local,
                                                    const weir_address *remote);

// weir_internal_tcp_remember_failure keeps |result| of |operation|, if it tells that the connection
// is broken.
void weir_internal_tcp_remember_failure(weir_tcp_connection *self,
                                        const weir_internal_operation *operation, int result);

// Splicing (splice.c)
//
// weir_internal_tcp_copy_to is the transport's |copy_to|. weir_internal_tcp_read_spliced is the
// transport's |read| while something is spliced; weir_internal_tcp_drop_spliced drops that.
int weir_internal_tcp_copy_to(weir_connection *connection, weir_connection *target, size_t size);
WEIR_MUST_USE int weir_internal_tcp_read_spliced(weir_tcp_connection *self,
                                                 weir_internal_lender *lender);
void weir_internal_tcp_drop_spliced(weir_tcp_connection *self);

// Background work (background.c).
//
// weir_internal_tcp_background_wait calls |then| in the loop, once an operation of |kind|,
// WEIR_INTERNAL_READABLE or WEIR_INTERNAL_WRITABLE, has completed, whatever its result; now and
// then for no reason. Never before it returned. Returns 0 or a negative code, and then |then| will
// not be called. Nothing may be waited for yet.
WEIR_MUST_USE int weir_internal_tcp_background_wait(weir_tcp_connection *self,
                                                    weir_internal_operation_kind kind,
                                                    void (*then)(weir_tcp_connection *self));

// weir_internal_tcp_background_next_turn calls |then| in the loop's next turn.
void weir_internal_tcp_background_next_turn(weir_tcp_connection *self,
                                            void (*then)(weir_tcp_connection *self));

// weir_internal_tcp_background_stop takes back what is waited for. Legal when there is nothing.
// Returns false when a backend has yet to confirm that: until then |self| must stay, and |then|, if
// set again, will be called.
bool weir_internal_tcp_background_stop(weir_tcp_connection *self);

// weir_internal_tcp_linger is the transport's |linger| (linger.c).
void weir_internal_tcp_linger(weir_connection *connection);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_TCP_CONNECTION_H
