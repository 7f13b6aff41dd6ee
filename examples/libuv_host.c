// SPDX-License-Identifier: Apache-2.0
//
// Weir inside a program that has a loop already: libuv_host. libuv's loop watches the selector's
// descriptor and polls the selector when it is readable; coroutines and libuv's callbacks take
// turns on one thread. Here a coroutine echoes lines to another one over TCP, while a timer of
// libuv ticks.

#include <stdio.h>
#include <uv.h>

#include "weir/tcp.h"

typedef struct host {
  weir_selector *selector;
  uv_poll_t watch;
  uv_timer_t timer;
  int ticks;
  int result;
} host;

static int echo(weir_connection *client, void *argument) {
  (void)argument;
  weir_bytes line;
  while (weir_read_line(weir_open_read_channel(client), &line) == 0) {
    if (weir_write_line(weir_open_write_channel(client, true), line) < 0) break;
  }
  return weir_connection_close(client);
}

static int serve(void *argument) {
  return weir_tcp_serve((weir_listener *)argument, NULL, echo, NULL);
}

static int talk(weir_connection *connection) {
  for (int i = 0; i < 5; i++) {
    weir_bytes line;
    int result = weir_delay(10 * WEIR_MILLISECOND);
    if (result == 0) {
      result = weir_write_format(weir_open_write_channel(connection, true), "line %d\r\n", i);
    }
    if (result >= 0) result = weir_read_line(weir_open_read_channel(connection), &line);
    if (result < 0) return result;
    printf("%.*s\n", (int)line.size, line.data);
  }
  return 0;
}

static int run(void *argument) {
  (void)argument;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  weir_listener *listener;
  int result = weir_tcp_bind(tcp, &listener, "127.0.0.1", 0);
  if (result < 0) return result;
  weir_scope *server = NULL;
  result = weir_scope_open(&server, NULL);
  if (result == 0) result = weir_launch(server, NULL, NULL, serve, listener);
  weir_connection *connection = NULL;
  if (result == 0) {
    result = weir_tcp_connect(tcp, &connection, "127.0.0.1", weir_listener_port(listener));
  }
  if (result == 0) result = talk(connection);
  weir_connection_close(connection);
  // The server ends before what it uses.
  weir_scope_close(server);
  weir_listener_close(listener);
  return result;
}

// Lets the coroutines run, and stops libuv's loop after the last one.
static void drive(uv_poll_t *watch, int status, int events) {
  (void)status;
  (void)events;
  host *self = watch->data;
  int more = weir_selector_poll(self->selector, 0, &self->result);
  if (more == 1) return;
  if (more < 0) self->result = more;
  uv_close((uv_handle_t *)&self->watch, NULL);
  uv_close((uv_handle_t *)&self->timer, NULL);
}

static void tick(uv_timer_t *timer) { ((host *)timer->data)->ticks++; }

int main(void) {
  host self = {.result = 0};
  int result = weir_selector_create(&self.selector, NULL);
  if (result == 0) result = weir_selector_start(self.selector, run, NULL);
  if (result < 0) return fprintf(stderr, "%s\n", weir_error_message(result)), 1;
  uv_loop_t *loop = uv_default_loop();
  uv_poll_init(loop, &self.watch, weir_selector_fd(self.selector));
  uv_timer_init(loop, &self.timer);
  self.watch.data = &self;
  self.timer.data = &self;
  uv_poll_start(&self.watch, UV_READABLE, drive);
  uv_timer_start(&self.timer, tick, 1, 1);
  uv_run(loop, UV_RUN_DEFAULT);
  weir_selector_close(self.selector);
  printf("the timer ticked %s\n", self.ticks > 0 ? "meanwhile" : "never");
  return self.result < 0 || self.ticks == 0;
}
