// SPDX-License-Identifier: Apache-2.0
//
// Serving: one coroutine for each shard accepts, and one for each client handles it.

#include "tcp/internal/serve.h"

#include "selector/internal/placement.h"
#include "tcp/internal/listener.h"

// After a client for whom there was no memory: somebody may free some.
static const int64_t pause_after_shortage = 100 * WEIR_MILLISECOND;

static int handle(void *argument) {
  weir_tcp_connection *connection = (weir_tcp_connection *)argument;
  const weir_internal_server *server = connection->server;
  return server->handler(&connection->connection, server->argument);
}

void weir_internal_send_away(weir_tcp_connection *connection) {
  weir_connection_abort(&connection->connection);
  (void)weir_connection_close(&connection->connection);
}

void weir_internal_serve_here(weir_internal_server *server, weir_tcp_connection *connection) {
  if (weir_launch(NULL, NULL, &server->options->launch, handle, connection) == 0) return;
  __atomic_store_n(&server->shortage, true, __ATOMIC_RELAXED);
  weir_internal_send_away(connection);
}

// Returns the number of the loop for the next client.
static int place(weir_internal_server *server) {
  if (server->receptions == NULL) return weir_current_loop();
  if (server->options->placement != WEIR_TCP_ROUND_ROBIN) return weir_internal_place();
  int number = server->next_in_turn;
  server->next_in_turn = (number + 1) % weir_loop_count();
  return number;
}

static int hand_out(weir_internal_server *server, weir_connection *client) {
  weir_tcp_connection *connection = (weir_tcp_connection *)client;
  connection->server = server;
  int loop = place(server);
  if (loop == weir_current_loop()) {
    weir_internal_serve_here(server, connection);
  } else {
    weir_internal_reception_send(server, connection, loop);
  }
  if (!__atomic_load_n(&server->shortage, __ATOMIC_RELAXED)) return 0;
  __atomic_store_n(&server->shortage, false, __ATOMIC_RELAXED);
  uint64_t closes = weir_internal_selector_closes(server->selector);
  return weir_internal_selector_await_descriptor(server->selector, closes, pause_after_shortage);
}

// Serves the shard of the current loop. Returns 0 when it was closed. Between two accepts, too, the
// listener must not go away.
static int serve_here(void *argument) {
  weir_internal_server *server = (weir_internal_server *)argument;
  weir_internal_shard *shard = weir_internal_listener_hold(server->listener);
  (void)weir_semaphore_release(server->begun, 1);
  int result = server->receptions != NULL ? weir_internal_receptions_open(server) : 0;
  while (result == 0) {
    weir_connection *client;
    result = weir_accept(server->listener, &client);
    if (result == 0) result = hand_out(server, client);
  }
  if (server->receptions != NULL) weir_internal_receptions_end(server);
  weir_internal_listener_let_go(shard);
  // What fails otherwise cancels the handlers: here they are children of this coroutine.
  return result == WEIR_E_CLOSED ? 0 : result;
}

// Launches who accepts. *out_count gets their number, also on failure.
static int launch_all(weir_internal_server *server, uint64_t *out_count) {
  *out_count = 0;
  bool sharded = server->listener->shard_count > 1;
  int loops = sharded ? weir_loop_count() : 1;
  int result = 0;
  for (int i = 0; i < loops && result == 0; i++) {
    int loop = sharded ? i : weir_current_loop();
    result = weir_launch_on(loop, server->scope, NULL, NULL, serve_here, server);
    if (result == 0) (*out_count)++;
  }
  return result;
}

// The same, and returns when each of them holds the listener.
static int begin(weir_internal_server *server) {
  uint64_t count;
  int result = launch_all(server, &count);
  weir_shield shield = weir_shield_begin();
  // Only a loop that cannot wait any more cuts this short, and its coroutines run all the same.
  while (weir_semaphore_acquire(server->begun, count) < 0) continue;
  weir_shield_end(shield);
  return result;
}

// |shard| is held until those hold theirs who accept.
static int serve(weir_internal_server *server, weir_internal_shard *shard) {
  // One that fails ends the others.
  const weir_scope_options together = {.fail_together = true};
  int result = weir_scope_open(&server->scope, &together);
  if (result == 0) result = begin(server);
  weir_internal_listener_let_go(shard);
  if (server->scope == NULL) return result;
  if (result == 0) result = weir_scope_wait(server->scope);
  int closed = weir_scope_close(server->scope);
  if (result == 0) result = closed;
  return result == 0 ? WEIR_E_CLOSED : result;
}

// With receptions if clients go to other loops than that of the accepting.
static int serve_with_receptions(weir_internal_server *server, weir_internal_shard *shard) {
  bool sharded = server->listener->shard_count > 1;
  bool stay = sharded || weir_loop_count() == 1 || server->options->placement == WEIR_TCP_SAME_LOOP;
  int result = stay ? 0 : weir_internal_receptions_make(server);
  if (result < 0) {
    weir_internal_listener_let_go(shard);
    return result;
  }
  result = serve(server, shard);
  if (!stay) weir_internal_receptions_free(server);
  return result;
}

int weir_tcp_serve(weir_listener *listener, const weir_tcp_serve_options *options,
                   weir_tcp_handler handler, void *argument) {
  static const weir_tcp_serve_options defaults = {.placement = WEIR_TCP_LEAST_LOADED};
  if (listener == NULL || handler == NULL) return -EINVAL;
  if (weir_current_selector() == NULL) return -EINVAL;
  if (weir_current_selector() != listener->selector) return -EXDEV;
  weir_internal_server server = {.listener = listener,
                                 .selector = listener->selector,
                                 .options = options != NULL ? options : &defaults,
                                 .handler = handler,
                                 .argument = argument};
  int result = weir_semaphore_create(&server.begun, 0);
  if (result < 0) return result;
  weir_internal_shard *shard = weir_internal_listener_hold(listener);
  result = shard != NULL ? serve_with_receptions(&server, shard) : -EXDEV;
  weir_semaphore_close(server.begun);
  return result;
}
