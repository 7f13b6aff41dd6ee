// SPDX-License-Identifier: Apache-2.0
//
// Serving: one coroutine for each shard accepts, and one for each client handles it.

#include "base/internal/memory.h"
#include "tcp/internal/listener.h"
#include "tcp/internal/tcp_connection.h"
#include "weir/sync.h"

// On the stack of weir_tcp_serve, which waits for all who read it.
typedef struct weir_internal_server {
  weir_listener *listener;
  const weir_tcp_serve_options *options;
  weir_tcp_handler handler;
  void *argument;
  weir_semaphore *begun;  // a permit for each coroutine that accepts and holds the listener
} weir_internal_server;

// After a client for whom there was no memory: somebody may free some.
static const int64_t pause_after_shortage = 100 * WEIR_MILLISECOND;

static int handle(void *argument) {
  weir_tcp_connection *connection = (weir_tcp_connection *)argument;
  const weir_internal_server *server = connection->server;
  return server->handler(&connection->connection, server->argument);
}

static int launch(const weir_internal_server *server, weir_tcp_connection *connection) {
  const weir_launch_options *options = &server->options->launch;
  weir_tcp_placement placement = server->options->placement;
  if (server->listener->shard_count > 1) placement = WEIR_TCP_SAME_LOOP;
  switch (placement) {
    case WEIR_TCP_ROUND_ROBIN:
      return weir_launch_on(WEIR_ROUND_ROBIN, NULL, NULL, options, handle, connection);
    case WEIR_TCP_SAME_LOOP:
      return weir_launch(NULL, NULL, options, handle, connection);
    case WEIR_TCP_LEAST_LOADED:
    default:
      return weir_launch_on(WEIR_LEAST_LOADED, NULL, NULL, options, handle, connection);
  }
}

static int hand_out(weir_internal_server *server, weir_connection *client) {
  weir_tcp_connection *connection = (weir_tcp_connection *)client;
  connection->server = server;
  if (launch(server, connection) == 0) return 0;
  weir_connection_abort(client);
  (void)weir_connection_close(client);
  return weir_internal_selector_await_descriptor(server->listener->selector, pause_after_shortage);
}

// Serves the shard of the current loop. Returns 0 when it was closed. Between two accepts, too, the
// listener must not go away.
static int serve_here(void *argument) {
  weir_internal_server *server = (weir_internal_server *)argument;
  weir_internal_shard *shard = weir_internal_listener_hold(server->listener);
  (void)weir_semaphore_release(server->begun, 1);
  int result = 0;
  while (result == 0) {
    weir_connection *client;
    result = weir_accept(server->listener, &client);
    if (result == 0) result = hand_out(server, client);
  }
  weir_internal_listener_let_go(shard);
  // What fails otherwise cancels the handlers, which are children of this coroutine.
  return result == WEIR_E_CLOSED ? 0 : result;
}

// Launches who accepts, in |scope|. *out_count gets their number, also on failure.
static int launch_all(weir_scope *scope, weir_internal_server *server, uint64_t *out_count) {
  *out_count = 0;
  bool sharded = server->listener->shard_count > 1;
  int loops = sharded ? weir_loop_count() : 1;
  int result = 0;
  for (int i = 0; i < loops && result == 0; i++) {
    int loop = sharded ? i : weir_current_loop();
    result = weir_launch_on(loop, scope, NULL, NULL, serve_here, server);
    if (result == 0) (*out_count)++;
  }
  return result;
}

// The same, and returns when each of them holds the listener.
static int begin(weir_scope *scope, weir_internal_server *server) {
  uint64_t count;
  int result = launch_all(scope, server, &count);
  weir_shield shield = weir_shield_begin();
  // Only a loop that cannot wait any more cuts this short, and its coroutines run all the same.
  while (weir_semaphore_acquire(server->begun, count) < 0) continue;
  weir_shield_end(shield);
  return result;
}

static int serve(weir_internal_server *server, weir_internal_shard *shard) {
  // One that fails ends the others.
  const weir_scope_options together = {.fail_together = true};
  weir_scope *scope;
  int result = weir_scope_open(&scope, &together);
  if (result == 0) result = begin(scope, server);
  weir_internal_listener_let_go(shard);
  if (scope == NULL) return result;
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  if (result == 0) result = closed;
  return result == 0 ? WEIR_E_CLOSED : result;
}

int weir_tcp_serve(weir_listener *listener, const weir_tcp_serve_options *options,
                   weir_tcp_handler handler, void *argument) {
  static const weir_tcp_serve_options defaults = {.placement = WEIR_TCP_LEAST_LOADED};
  if (listener == NULL || handler == NULL) return -EINVAL;
  if (weir_current_selector() == NULL) return -EINVAL;
  if (weir_current_selector() != listener->selector) return -EXDEV;
  weir_internal_server server = {.listener = listener,
                                 .options = options != NULL ? options : &defaults,
                                 .handler = handler,
                                 .argument = argument};
  int result = weir_semaphore_create(&server.begun, 0);
  if (result < 0) return result;
  weir_internal_shard *shard = weir_internal_listener_hold(listener);
  result = shard != NULL ? serve(&server, shard) : -EXDEV;
  weir_semaphore_close(server.begun);
  return result;
}
