// SPDX-License-Identifier: Apache-2.0
//
// Counts the system calls of a server that makes them itself: the server is compiled with each of
// their names defined as the counting one.

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/counts.h"

ssize_t bench_recv(int fd, void *out, size_t size, int flags);
ssize_t bench_send(int fd, const void *data, size_t size, int flags);
int bench_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout);
int bench_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int bench_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int bench_close(int fd);

ssize_t bench_recv(int fd, void *out, size_t size, int flags) {
  bench_counts_open()->receives++;
  return recv(fd, out, size, flags);
}

ssize_t bench_send(int fd, const void *data, size_t size, int flags) {
  bench_counts_open()->sends++;
  return send(fd, data, size, flags);
}

int bench_epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
  bench_counts_open()->waits++;
  return epoll_wait(epoll, events, count, timeout);
}

int bench_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event) {
  bench_counts_open()->others++;
  return epoll_ctl(epoll, operation, fd, event);
}

int bench_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
  bench_counts_open()->others++;
  return accept4(fd, address, size, flags);
}

int bench_close(int fd) {
  bench_counts_open()->others++;
  return close(fd);
}
