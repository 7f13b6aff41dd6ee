// SPDX-License-Identifier: Apache-2.0
//
// The server that all ratios are measured against, written by hand on epoll as well as we can:
// level-triggered, each descriptor registered once, and per event one recv, one pass of memchr and
// one send. All connections share one buffer of 64 KiB; what cannot leave yet is held in a block
// that exists only as long.
//
//   echo_reference MODE HOST PORT
//
// MODE is lines (sends whole lines back), stream (sends bytes back as they come) or sink (drops
// them). Every figure depends on this file, so a test holds its checksum: it must not get slower.

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, EVENTS_PER_WAIT = 512, BACKLOG = 511 };

enum mode { LINES, STREAM, SINK };

typedef struct connection {
  int fd;
  uint32_t held_size;   // bytes in |held|
  uint32_t held_ready;  // of them, those to be sent; the others are the beginning of a line
  char *held;           // NULL when nothing is held
} connection;

static enum mode mode;
static int epoll_fd;
static int listener;
static char buffer[BUFFER_SIZE];

static void close_connection(connection *self) {
  close(self->fd);  // which ends its registration, too
  free(self->held);
  free(self);
}

static void wait_for(connection *self, uint32_t events) {
  struct epoll_event event = {.events = events, .data = {.ptr = self}};
  epoll_ctl(epoll_fd, EPOLL_CTL_MOD, self->fd, &event);
}

static bool hold(connection *self, const char *data, size_t size, size_t ready) {
  self->held = malloc(size);
  if (self->held == NULL) return false;
  memcpy(self->held, data, size);
  self->held_size = (uint32_t)size;
  self->held_ready = (uint32_t)ready;
  return true;
}

// Moves what is held to the beginning of the buffer and returns its size.
static size_t take_held(connection *self) {
  if (self->held == NULL) return 0;
  size_t size = self->held_size;
  memcpy(buffer, self->held, size);
  free(self->held);
  self->held = NULL;
  return size;
}

// Returns where the last line ends in the first |size| bytes of the buffer, of which the first
// |searched| hold no end of a line; 0 when none ends.
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

// Sends |size| bytes and returns how many the kernel took, or -1 when the connection is broken.
static ssize_t send_some(const connection *self, const char *data, size_t size) {
  if (size == 0) return 0;
  ssize_t sent = send(self->fd, data, size, MSG_NOSIGNAL);
  return sent < 0 && errno == EAGAIN ? 0 : sent;
}

static bool readable(connection *self) {
  size_t kept = take_held(self);
  if (kept == BUFFER_SIZE) return false;  // a line longer than the buffer
  ssize_t received = recv(self->fd, buffer + kept, BUFFER_SIZE - kept, 0);
  if (received <= 0) return false;
  if (mode == SINK) return true;
  size_t size = kept + (size_t)received;
  size_t end = mode == STREAM ? size : end_of_lines(kept, size);
  ssize_t sent = send_some(self, buffer, end);
  if (sent < 0) return false;
  if ((size_t)sent == size) return true;
  size_t ready = end - (size_t)sent;
  if (!hold(self, buffer + sent, size - (size_t)sent, ready)) return false;
  if (ready > 0) wait_for(self, EPOLLOUT);
  return true;
}

static bool writable(connection *self) {
  ssize_t sent = send_some(self, self->held, self->held_ready);
  if (sent < 0) return false;
  self->held_size -= (uint32_t)sent;
  self->held_ready -= (uint32_t)sent;
  memmove(self->held, self->held + sent, self->held_size);
  if (self->held_ready > 0) return true;
  wait_for(self, EPOLLIN);
  if (self->held_size > 0) return true;
  free(self->held);
  self->held = NULL;
  return true;
}

static void accept_all(void) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    connection *self = calloc(1, sizeof *self);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = self}};
    if (self == NULL || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
      close(fd);
      free(self);
      continue;
    }
    self->fd = fd;
  }
}

static void serve(void) {
  static struct epoll_event events[EVENTS_PER_WAIT];
  for (;;) {
    int count = epoll_wait(epoll_fd, events, EVENTS_PER_WAIT, -1);
    for (int i = 0; i < count; i++) {
      connection *self = events[i].data.ptr;
      if (self == NULL) {
        accept_all();
      } else {
        bool goes_on = (events[i].events & EPOLLOUT) != 0 ? writable(self) : readable(self);
        if (!goes_on) close_connection(self);
      }
    }
  }
}

static bool start(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return false;
  int on = 1;
  listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
  // What is accepted inherits TCP_NODELAY from the listener.
  return listener >= 0 && epoll_fd >= 0 &&
         setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
         setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
         bind(listener, (const struct sockaddr *)&address, sizeof address) == 0 &&
         listen(listener, BACKLOG) == 0 &&
         epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) == 0;
}

int main(int count, char **words) {
  static const char *const names[] = {[LINES] = "lines", [STREAM] = "stream", [SINK] = "sink"};
  if (count != 4) return fprintf(stderr, "usage: %s lines|stream|sink HOST PORT\n", words[0]), 2;
  while (mode <= SINK && strcmp(words[1], names[mode]) != 0) mode++;
  if (mode > SINK) return fprintf(stderr, "%s: no mode %s\n", words[0], words[1]), 2;
  if (!start(words[2], words[3])) return perror(words[0]), 1;
  serve();
}
