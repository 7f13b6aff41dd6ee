// SPDX-License-Identifier: Apache-2.0
//
// Lines, in batches: a connection sends its batch, and the next one when all of it has come back.
// No two lines of a run are alike, and every byte that comes back is compared.

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"

enum { EVENTS_PER_WAIT = 512, NUMBER_SIZE = 8 };

typedef struct line_connection {
  int fd;
  uint32_t first_number;  // of its batch
  uint32_t sent;          // bytes of its batch
  uint32_t received;
  uint64_t rounds;
  bool blocked;  // waits until it can send
} line_connection;

static struct {
  load_options options;
  int epoll;
  line_connection *connections;
  uint32_t batch_size;
  char *batch;        // the lines, with the numbers of whoever used it last
  char *received;     // one byte larger, to see what is too much
  uint32_t number;    // of the next line
  uint32_t active;    // connections with a batch in flight
  uint64_t units;     // done in this run
  double now;         // as of the last wait
  bool reconnecting;  // a connection for each batch
} load;

// The number of a line: eight letters, two for each byte.
static void write_number(char *out, uint32_t number) {
  for (int i = 0; i < NUMBER_SIZE; i++) out[i] = (char)('a' + (number >> 4 * i & 15));
}

// Puts the numbers of the connection's lines into the batch: at each line's beginning and end, so
// that parts of two lines do not pass for one.
static const char *batch_of(const line_connection *self) {
  char *line = load.batch;
  for (uint32_t i = 0; i < load.options.in_flight; i++, line += load.options.line_size) {
    write_number(line, self->first_number + i);
    memcpy(line + load.options.line_size - 2 - NUMBER_SIZE, line, NUMBER_SIZE);
  }
  return load.batch;
}

static void make_batch(void) {
  uint64_t size = (uint64_t)load.options.line_size * load.options.in_flight;
  if (size > LOAD_LARGEST_BATCH) load_die("too much in flight", 0);
  load.batch_size = (uint32_t)size;
  load.batch = load_allocate(size);
  load.received = load_allocate(size + 1);
  for (uint32_t i = 0; i < load.batch_size; i++) load.batch[i] = (char)('!' + i % 89);
  for (uint32_t end = load.options.line_size; end <= size; end += load.options.line_size) {
    memcpy(load.batch + end - 2, "\r\n", 2);
  }
}

static void set_blocked(line_connection *self, bool blocked) {
  if (self->blocked == blocked) return;
  self->blocked = blocked;
  uint32_t events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
  load_watch(load.epoll, EPOLL_CTL_MOD, self->fd, events, self);
}

static void send_batch(line_connection *self) {
  ssize_t sent = send(self->fd, batch_of(self) + self->sent, load.batch_size - self->sent,
                      MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) load_die("send", errno);
  if (sent > 0) self->sent += (uint32_t)sent;
  set_blocked(self, self->sent < load.batch_size);
}

static void connect_one(line_connection *self) {
  self->fd = load_connect_socket(&load.options.server);
  self->blocked = false;
  load_watch(load.epoll, EPOLL_CTL_ADD, self->fd, EPOLLIN, self);
}

static void begin_batch(line_connection *self) {
  if (load.reconnecting) connect_one(self);
  self->first_number = load.number;
  load.number += load.options.in_flight;
  self->sent = 0;
  self->received = 0;
  send_batch(self);
}

static void end_batch(line_connection *self, load_limit limit) {
  load.units += load.options.in_flight;
  self->rounds++;
  if (load.reconnecting) close(self->fd);
  bool goes_on = limit.rounds > 0 ? self->rounds < limit.rounds : load.now < limit.until;
  if (goes_on) {
    begin_batch(self);
  } else {
    load.active--;
  }
}

static void receive(line_connection *self, load_limit limit) {
  uint32_t missing = load.batch_size - self->received;
  ssize_t received = recv(self->fd, load.received, missing + 1, MSG_DONTWAIT);
  if (received < 0 && errno == EAGAIN) return;
  if (received < 0) load_die("recv", errno);
  if (received == 0) load_die("the server ended a connection", 0);
  if (received > missing) load_die("more came back than was sent", 0);
  if (memcmp(batch_of(self) + self->received, load.received, (size_t)received) != 0) {
    load_die("what came back is not what was sent", 0);
  }
  self->received += (uint32_t)received;
  if (self->received == load.batch_size) end_batch(self, limit);
}

static void run_active(load_limit limit) {
  static struct epoll_event events[EVENTS_PER_WAIT];
  while (load.active > 0) {
    int count = epoll_wait(load.epoll, events, EVENTS_PER_WAIT, -1);
    if (count < 0 && errno != EINTR) load_die("epoll_wait", errno);
    load.now = load_now();
    for (int i = 0; i < count; i++) {
      line_connection *self = events[i].data.ptr;
      if ((events[i].events & EPOLLOUT) != 0 && self->blocked) send_batch(self);
      if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) receive(self, limit);
    }
  }
}

static void begin(line_connection *self) {
  self->rounds = 0;
  load.active++;
  begin_batch(self);
}

static uint64_t run(load_limit limit) {
  load.units = 0;
  load.now = load_now();
  for (uint32_t i = 0; i < load.options.connections; i++) begin(&load.connections[i]);
  run_active(limit);
  return load.units;
}

// One connection after the other, each with one batch, so that the server's queue of those it has
// not accepted yet never overflows.
static void open_all(const load_options *options) {
  load.options = *options;
  load.epoll = load_epoll();
  load.connections = load_allocate(options->connections * sizeof *load.connections);
  make_batch();
  for (uint32_t i = 0; i < options->connections; i++) {
    connect_one(&load.connections[i]);
    begin(&load.connections[i]);
    run_active((load_limit){.rounds = 1});
  }
}

static void prepare_to_connect(const load_options *options) {
  load.options = *options;
  load.epoll = load_epoll();
  load.connections = load_allocate(options->connections * sizeof *load.connections);
  make_batch();
  load.reconnecting = true;
}

static void open_to_idle(const load_options *options) {
  open_all(options);
  // Once more, all at the same time.
  run((load_limit){.rounds = 1});
}

static uint64_t idle(load_limit limit) {
  struct epoll_event event;
  double left = limit.rounds > 0 ? 0 : limit.until - load_now();
  int count = epoll_wait(load.epoll, &event, 1, left > 0 ? (int)(left * 1000) : 0);
  if (count < 0 && errno != EINTR) load_die("epoll_wait", errno);
  if (count > 0) load_die("something came on an idle connection", 0);
  return 0;
}

const load_mode load_echo = {.name = "echo", .open = open_all, .run = run};
const load_mode load_connect = {.name = "connect", .open = prepare_to_connect, .run = run};
const load_mode load_idle = {.name = "idle", .open = open_to_idle, .run = idle};
