// SPDX-License-Identifier: Apache-2.0
//
// Streams of bytes in writes of 64 KiB: into a sink, or there and back again with a window of so
// many writes in flight. The stream repeats a pattern whose length is a prime, so whoever loses,
// doubles or swaps a buffer is found out.

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bench/load.h"

enum { EVENTS_PER_WAIT = 64, PERIOD = 65521 };

typedef struct stream_connection {
  int fd;
  uint64_t sent;  // bytes since it was opened
  uint64_t received;
  uint64_t end;  // send up to here, if a number of rounds was asked for
  bool blocked;  // waits until it can send
} stream_connection;

static struct {
  load_options options;
  int epoll;
  stream_connection *connections;
  bool comes_back;
  bool stopping;
  char pattern[2 * PERIOD + LOAD_CHUNK];
  char received[LOAD_CHUNK];
} load;

static const char *pattern_at(uint64_t position) { return load.pattern + position % PERIOD; }

// How many bytes may be sent now.
static uint64_t room(const stream_connection *self) {
  if (load.stopping) return 0;
  uint64_t left = self->end - self->sent;
  if (!load.comes_back) return left;
  uint64_t window = (uint64_t)load.options.in_flight * LOAD_CHUNK;
  uint64_t outstanding = self->sent - self->received;
  return window - outstanding < left ? window - outstanding : left;
}

static void set_blocked(stream_connection *self, bool blocked) {
  if (self->blocked == blocked) return;
  self->blocked = blocked;
  uint32_t events = blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
  load_watch(load.epoll, EPOLL_CTL_MOD, self->fd, events, self);
}

// One write; then it is the server's turn.
static void send_chunk(stream_connection *self) {
  uint64_t size = room(self) < LOAD_CHUNK ? room(self) : LOAD_CHUNK;
  // A window that has opened only a little is no reason to send.
  if (size == 0 || (size < LOAD_CHUNK && self->end - self->sent > size)) {
    set_blocked(self, false);
    return;
  }
  ssize_t sent = send(self->fd, pattern_at(self->sent), size, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) load_die("send", errno);
  if (sent > 0) self->sent += (uint64_t)sent;
  set_blocked(self, true);
}

static void receive(stream_connection *self) {
  ssize_t received = recv(self->fd, load.received, sizeof load.received, MSG_DONTWAIT);
  if (received < 0 && errno == EAGAIN) return;
  if (received < 0) load_die("recv", errno);
  if (received == 0) load_die("the server ended a connection", 0);
  if (!load.comes_back || (uint64_t)received > self->sent - self->received) {
    load_die("more came back than was sent", 0);
  }
  if (memcmp(pattern_at(self->received), load.received, (size_t)received) != 0) {
    load_die("what came back is not what was sent", 0);
  }
  self->received += (uint64_t)received;
  if (!self->blocked) send_chunk(self);
}

// Whether the server has all of it, and in an echo we have it back.
static bool is_settled(const stream_connection *self) {
  if (!load.stopping && self->sent < self->end) return false;
  if (load.comes_back) return self->received == self->sent;
  int unacknowledged = 0;
  if (ioctl(self->fd, SIOCOUTQ, &unacknowledged) < 0) load_die("ioctl", errno);
  return unacknowledged == 0;
}

static bool all_settled(void) {
  for (uint32_t i = 0; i < load.options.connections; i++) {
    if (!is_settled(&load.connections[i])) return false;
  }
  return true;
}

static void wait_and_work(void) {
  struct epoll_event events[EVENTS_PER_WAIT];
  // Nothing tells that a sink has taken everything, so look from time to time.
  int count = epoll_wait(load.epoll, events, EVENTS_PER_WAIT, 1);
  if (count < 0 && errno != EINTR) load_die("epoll_wait", errno);
  for (int i = 0; i < count; i++) {
    stream_connection *self = events[i].data.ptr;
    if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0) receive(self);
    if ((events[i].events & EPOLLOUT) != 0 && self->blocked) send_chunk(self);
  }
}

static uint64_t total(void) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < load.options.connections; i++) bytes += load.connections[i].sent;
  return bytes;
}

static uint64_t run(load_limit limit) {
  uint64_t before = total();
  load.stopping = false;
  for (uint32_t i = 0; i < load.options.connections; i++) {
    stream_connection *self = &load.connections[i];
    self->end = limit.rounds > 0 ? self->sent + limit.rounds * LOAD_CHUNK : UINT64_MAX;
    send_chunk(self);
  }
  while (!load.stopping || !all_settled()) {
    wait_and_work();
    if (limit.rounds > 0 ? all_settled() : load_now() >= limit.until) load.stopping = true;
  }
  return total() - before;
}

static void open_all(const load_options *options) {
  load.options = *options;
  load.epoll = load_epoll();
  load.connections = load_allocate(options->connections * sizeof *load.connections);
  for (uint32_t i = 0; i < sizeof load.pattern; i++) {
    load.pattern[i] = (char)(i % PERIOD * 2654435761u >> 24);
  }
  for (uint32_t i = 0; i < options->connections; i++) {
    stream_connection *self = &load.connections[i];
    self->fd = load_connect_socket(&options->server);
    load_watch(load.epoll, EPOLL_CTL_ADD, self->fd, EPOLLIN, self);
  }
  run((load_limit){.rounds = 1});
}

static void open_stream(const load_options *options) {
  load.comes_back = true;
  open_all(options);
}

const load_mode load_sink = {.name = "sink", .open = open_all, .run = run};
const load_mode load_stream = {.name = "stream", .open = open_stream, .run = run};
