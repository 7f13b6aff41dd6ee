// SPDX-License-Identifier: Apache-2.0
//
// Serving: accepting and placing clients in serve.c, bringing them to other loops in reception.c.

#ifndef WEIR_TCP_INTERNAL_SERVE_H
#define WEIR_TCP_INTERNAL_SERVE_H

#include "coroutine/internal/suspend.h"
#include "tcp/internal/tcp_connection.h"
#include "weir/sync.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_server weir_internal_server;

// Where clients arrive on one loop. The coroutine that accepts writes what stands first; what
// stands last is of the loop alone.
typedef struct weir_internal_reception {
  weir_internal_server *server;
  int loop;     // its number
  bool opened;  // there is a coroutine that receives, or has been
  weir_internal_message last_message;
  weir_internal_message *first;  // of the clients that have arrived
  weir_internal_message **end;
  weir_internal_wait_queue waiter;
  bool last_came;  // and all clients before it
} weir_internal_reception;

// On the stack of weir_tcp_serve, which waits for all who read it.
struct weir_internal_server {
  weir_listener *listener;  // may be gone when the last one who accepts has let go of it
  weir_selector *selector;
  const weir_tcp_serve_options *options;
  weir_tcp_handler handler;
  void *argument;
  weir_scope *scope;      // of those who accept and those who receive
  weir_semaphore *begun;  // a permit for each coroutine that accepts and holds the listener
  // One for each loop, by number; NULL if clients stay on the loop that accepts them.
  weir_internal_reception *receptions;
  int next_in_turn;  // for WEIR_TCP_ROUND_ROBIN
  bool shortage;     // atomic: there was no memory for a client
};

// weir_internal_serve_here launches the handler on the current loop, as a child of the current
// coroutine. A client for whom there is no memory is sent away.
void weir_internal_serve_here(weir_internal_server *server, weir_tcp_connection *connection);

// weir_internal_send_away resets a client that no handler has seen.
void weir_internal_send_away(weir_tcp_connection *connection);

// weir_internal_receptions_make prepares a reception for each loop. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_internal_receptions_make(weir_internal_server *server);

// weir_internal_receptions_open launches, in the server's scope, those who receive on all loops but
// the current one, without waiting for these. Returns 0 or a negative code; what fails later fails
// the scope.
WEIR_MUST_USE int weir_internal_receptions_open(weir_internal_server *server);

// weir_internal_reception_send hands |connection| over to loop |number|, another one than the
// current, where its handler will be launched. Does not wait for that loop.
void weir_internal_reception_send(weir_internal_server *server, weir_tcp_connection *connection,
                                  int number);

// weir_internal_receptions_end tells that no client will be sent any more, after which those who
// receive end when all of theirs have. To be called on the loop that sent them.
void weir_internal_receptions_end(weir_internal_server *server);

// weir_internal_receptions_free frees the receptions, whose coroutines have ended. Clients that
// were sent to one that could not open are sent away. Suspends until they were found, whatever else
// happens.
void weir_internal_receptions_free(weir_internal_server *server);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_SERVE_H
