// SPDX-License-Identifier: Apache-2.0
//
// Bringing clients to other loops. The coroutine that accepts must not wait for a loop that may be
// busy, or a single handler that computes would stop the serving of all. So a client goes as a
// message, which is in its connection and cannot fail to be sent. On the other loop a coroutine
// receives it and launches the handler: a child of its own, of which only that loop has to know.
//
// The last message to each loop says that it is the last. Until then the coroutine there goes on,
// cancelled or not: so no client is lost who was on the way. Those who arrive after a cancellation
// find a handler that is born cancelled.

#include "base/internal/memory.h"
#include "coroutine/internal/remote.h"
#include "selector/internal/placement.h"
#include "tcp/internal/serve.h"

static weir_tcp_connection *client_of(weir_internal_message *message) {
  return WEIR_INTERNAL_CONTAINER(message, weir_tcp_connection, background.arrival.message);
}

int weir_internal_receptions_make(weir_internal_server *server) {
  size_t count = weir_internal_selector_loop_count(server->selector);
  weir_internal_reception *receptions =
      (weir_internal_reception *)weir_internal_allocate(count * sizeof *receptions);
  if (receptions == NULL) return -ENOMEM;
  for (size_t i = 0; i < count; i++) {
    receptions[i].server = server;
    receptions[i].loop = (int)i;
    receptions[i].end = &receptions[i].first;
    weir_internal_wait_queue_init(&receptions[i].waiter);
  }
  server->receptions = receptions;
  return 0;
}

// On the other loop

static void client_arrives(weir_internal_message *message) {
  weir_internal_reception *self = client_of(message)->background.arrival.at;
  message->next = NULL;
  *self->end = message;
  self->end = &message->next;
  (void)weir_internal_wait_queue_wake_one(&self->waiter, 0);
}

static void last_arrives(weir_internal_message *message) {
  weir_internal_reception *self =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_reception, last_message);
  self->last_came = true;
  (void)weir_internal_wait_queue_wake_one(&self->waiter, 0);
}

static weir_tcp_connection *take_first(weir_internal_reception *self) {
  weir_internal_message *message = self->first;
  if (message == NULL) return NULL;
  self->first = message->next;
  if (self->first == NULL) self->end = &self->first;
  return client_of(message);
}

static int receive(void *argument) {
  weir_internal_reception *self = (weir_internal_reception *)argument;
  for (;;) {
    weir_tcp_connection *connection;
    while ((connection = take_first(self)) != NULL) {
      weir_internal_serve_here(self->server, connection);
      weir_internal_place_keep();
    }
    if (self->last_came) return 0;
    weir_shield shield = weir_shield_begin();
    // Only a loop that cannot wait any more cuts this short, and it reads messages all the same.
    int reason = weir_internal_wait_queue_wait_for(&self->waiter, WEIR_FOREVER, "client");
    (void)reason;
    weir_shield_end(shield);
  }
}

// On the loop that accepts

// In a coroutine of its own, because the other loop may let it wait.
static int open(void *argument) {
  weir_internal_reception *self = (weir_internal_reception *)argument;
  int result = weir_launch_on(self->loop, self->server->scope, NULL, NULL, receive, self);
  self->opened = result == 0;
  return result;
}

int weir_internal_receptions_open(weir_internal_server *server) {
  size_t count = weir_internal_selector_loop_count(server->selector);
  int result = 0;
  for (size_t i = 0; i < count && result == 0; i++) {
    weir_internal_reception *each = &server->receptions[i];
    if (each->loop == weir_current_loop()) continue;
    result = weir_launch(server->scope, NULL, NULL, open, each);
  }
  return result;
}

static weir_internal_loop *loop_of(const weir_internal_reception *self) {
  return weir_internal_selector_loop_number(self->server->selector, (size_t)self->loop);
}

void weir_internal_reception_send(weir_internal_server *server, weir_tcp_connection *connection,
                                  int number) {
  weir_internal_reception *self = &server->receptions[number];
  connection->background.arrival.message.run = client_arrives;
  connection->background.arrival.at = self;
  weir_internal_place_promise(number);
  weir_internal_loop_post(loop_of(self), &connection->background.arrival.message);
}

void weir_internal_receptions_end(weir_internal_server *server) {
  size_t count = weir_internal_selector_loop_count(server->selector);
  for (size_t i = 0; i < count; i++) {
    weir_internal_reception *each = &server->receptions[i];
    if (each->loop == weir_current_loop()) continue;
    each->last_message.run = last_arrives;
    weir_internal_loop_post(loop_of(each), &each->last_message);
  }
}

// Called on a loop where nobody receives, behind all messages that went there.
static void break_promises(void *argument) {
  const weir_internal_reception *self = (const weir_internal_reception *)argument;
  const weir_internal_message *message = self->first;
  for (; message != NULL; message = message->next) weir_internal_place_keep();
}

void weir_internal_receptions_free(weir_internal_server *server) {
  size_t count = weir_internal_selector_loop_count(server->selector);
  for (size_t i = 0; i < count; i++) {
    weir_internal_reception *each = &server->receptions[i];
    if (each->opened || each->loop == weir_current_loop()) continue;
    weir_internal_loop_call(loop_of(each), break_promises, each, "close");
    weir_tcp_connection *connection;
    while ((connection = take_first(each)) != NULL) weir_internal_send_away(connection);
  }
  weir_internal_release(server->receptions, count * sizeof *server->receptions);
}
