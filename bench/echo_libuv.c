// SPDX-License-Identifier: Apache-2.0
//
// A line echo server on libuv, as a user of libuv would write it: echo_libuv HOST PORT. What
// arrived leaves by uv_try_write, and by uv_write if the kernel does not take all of it. Not part
// of the build: the runner compiles it where libuv is installed.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { BUFFER_SIZE = 64 * 1024, BACKLOG = 511 };

typedef struct connection {
  uv_tcp_t tcp;
  size_t held_size;
  char *held;  // the beginning of a line, or NULL
} connection;

typedef struct output {
  uv_write_t write;
  char data[];
} output;

static char buffer[BUFFER_SIZE];

static void die(const char *what, int result) {
  fprintf(stderr, "echo_libuv: %s: %s\n", what, uv_strerror(result));
  exit(1);
}

static void closed(uv_handle_t *handle) {
  connection *self = handle->data;
  free(self->held);
  free(self);
}

static void written(uv_write_t *write, int status) {
  (void)status;  // the reader learns of it, too
  free(write->data);
}

// Lends the one buffer, behind what is held of the line before.
static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *out) {
  (void)suggested;
  connection *self = handle->data;
  if (self->held != NULL) memcpy(buffer, self->held, self->held_size);
  *out = uv_buf_init(buffer + self->held_size, (unsigned)(BUFFER_SIZE - self->held_size));
}

static void send_later(connection *self, size_t begin, size_t end) {
  output *rest = malloc(sizeof *rest + end - begin);
  if (rest == NULL) die("send", UV_ENOMEM);
  memcpy(rest->data, buffer + begin, end - begin);
  rest->write.data = rest;
  uv_buf_t span = uv_buf_init(rest->data, (unsigned)(end - begin));
  int result = uv_write(&rest->write, (uv_stream_t *)&self->tcp, &span, 1, written);
  if (result < 0) free(rest);
}

static void send_lines(connection *self, size_t end) {
  uv_buf_t span = uv_buf_init(buffer, (unsigned)end);
  int sent = uv_try_write((uv_stream_t *)&self->tcp, &span, 1);
  size_t begin = sent > 0 ? (size_t)sent : 0;
  if (begin < end) send_later(self, begin, end);
}

static size_t end_of_lines(size_t searched, size_t size) {
  size_t end = 0;
  const char *from = buffer + searched;
  const char *newline;
  while ((newline = memchr(from, '\n', (size_t)(buffer + size - from))) != NULL) {
    from = newline + 1;
    end = (size_t)(from - buffer);
  }
  return end;
}

static void received(uv_stream_t *stream, ssize_t count, const uv_buf_t *unused) {
  (void)unused;
  connection *self = stream->data;
  if (count == 0) return;
  if (count < 0 || self->held_size == BUFFER_SIZE) {
    uv_close((uv_handle_t *)stream, closed);
    return;
  }
  size_t size = self->held_size + (size_t)count;
  size_t end = end_of_lines(self->held_size, size);
  if (end > 0) send_lines(self, end);
  free(self->held);
  self->held = NULL;
  self->held_size = size - end;
  if (self->held_size == 0) return;
  self->held = malloc(self->held_size);
  if (self->held == NULL) die("hold", UV_ENOMEM);
  memcpy(self->held, buffer + end, self->held_size);
}

static void accepted(uv_stream_t *listener, int status) {
  if (status < 0) die("accept", status);
  connection *self = calloc(1, sizeof *self);
  if (self == NULL) die("accept", UV_ENOMEM);
  uv_tcp_init(listener->loop, &self->tcp);
  self->tcp.data = self;
  uv_tcp_nodelay(&self->tcp, 1);
  int result = uv_accept(listener, (uv_stream_t *)&self->tcp);
  if (result == 0) result = uv_read_start((uv_stream_t *)&self->tcp, lend, received);
  if (result < 0) uv_close((uv_handle_t *)&self->tcp, closed);
}

static void interrupted(uv_signal_t *handle, int number) {
  (void)number;
  uv_stop(handle->loop);
}

int main(int count, char **words) {
  if (count != 3) return fprintf(stderr, "usage: %s HOST PORT\n", words[0]), 2;
  uv_loop_t *loop = uv_default_loop();
  uv_signal_t signal;
  uv_tcp_t listener;
  struct sockaddr_in address;
  uv_signal_init(loop, &signal);
  uv_signal_start(&signal, interrupted, SIGINT);
  uv_tcp_init(loop, &listener);
  int result = uv_ip4_addr(words[1], (int)strtol(words[2], NULL, 10), &address);
  if (result == 0) result = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
  if (result == 0) result = uv_listen((uv_stream_t *)&listener, BACKLOG, accepted);
  if (result < 0) die("listen", result);
  uv_run(loop, UV_RUN_DEFAULT);
  return 0;
}
