// SPDX-License-Identifier: Apache-2.0

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "bench/load.h"

_Noreturn void load_die(const char *message, int error) {
  const char *reason = error != 0 ? strerror(error) : "";
  fprintf(stderr, "load_generator: %s%s%s\n", message, error != 0 ? ": " : "", reason);
  exit(1);
}

double load_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void *load_allocate(uint64_t size) {
  void *memory = calloc(1, size);
  if (memory == NULL) load_die("out of memory", 0);
  return memory;
}

// The next of about two million addresses 127.1.0.1 to 127.31.255.254.
static struct in_addr next_address(void) {
  static uint32_t counter;
  const uint32_t first = 0x7f010001, count = 0x1f0000 - 2;
  struct in_addr address = {.s_addr = htonl(first + counter++ % count)};
  return address;
}

int load_connect_socket(const struct sockaddr_in *server) {
  int on = 1;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) load_die("socket", errno);
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0) load_die("no delay", errno);
  if (server->sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_addr = next_address()};
    // The port is chosen by connect, which knows that only the four numbers together must differ.
    if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) < 0 ||
        bind(fd, (const struct sockaddr *)&local, sizeof local) < 0) {
      load_die("bind", errno);
    }
  }
  if (connect(fd, (const struct sockaddr *)server, sizeof *server) < 0) load_die("connect", errno);
  return fd;
}

void load_watch(int epoll, int operation, int fd, uint32_t events, void *data) {
  struct epoll_event event = {.events = events, .data = {.ptr = data}};
  if (epoll_ctl(epoll, operation, fd, &event) < 0) load_die("epoll_ctl", errno);
}

int load_epoll(void) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) load_die("epoll_create1", errno);
  return epoll;
}
