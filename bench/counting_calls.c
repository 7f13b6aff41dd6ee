// SPDX-License-Identifier: Apache-2.0
//
// weir_run for a server whose system calls are to be counted, on their way through the selector's
// table. The server is compiled with weir_run defined as bench_counted_run, and otherwise the same.

#include "bench/counts.h"
#include "selector/internal/system_calls.h"
#include "weir/selector.h"

int bench_counted_run(const weir_selector_options *options, weir_function function, void *argument);

static bench_counts *counts;

static int count_receive(void *context, int fd, const struct iovec *buffers, int count) {
  counts->receives++;
  return weir_internal_kernel.receive(context, fd, buffers, count);
}

static int count_send(void *context, int fd, const struct iovec *buffers, int count) {
  counts->sends++;
  return weir_internal_kernel.send(context, fd, buffers, count);
}

static int count_epoll_wait(void *context, int epoll, struct epoll_event *events, int count,
                            int64_t timeout) {
  counts->waits++;
  return weir_internal_kernel.epoll_wait(context, epoll, events, count, timeout);
}

static int count_accept(void *context, int fd, struct sockaddr *address, socklen_t *size,
                        int flags) {
  counts->others++;
  return weir_internal_kernel.accept(context, fd, address, size, flags);
}

static int count_set_option(void *context, int fd, int level, int name, const void *value,
                            socklen_t size) {
  counts->others++;
  return weir_internal_kernel.set_option(context, fd, level, name, value, size);
}

static int count_local_address(void *context, int fd, struct sockaddr *address, socklen_t *size) {
  counts->others++;
  return weir_internal_kernel.local_address(context, fd, address, size);
}

static int count_remote_address(void *context, int fd, struct sockaddr *address, socklen_t *size) {
  counts->others++;
  return weir_internal_kernel.remote_address(context, fd, address, size);
}

static int count_shutdown(void *context, int fd, int how) {
  counts->others++;
  return weir_internal_kernel.shutdown(context, fd, how);
}

static int count_close(void *context, int fd) {
  counts->others++;
  return weir_internal_kernel.close(context, fd);
}

static int count_read(void *context, int fd, void *out, size_t size) {
  counts->others++;
  return weir_internal_kernel.read(context, fd, out, size);
}

static int count_write(void *context, int fd, const void *data, size_t size) {
  counts->others++;
  return weir_internal_kernel.write(context, fd, data, size);
}

static int count_epoll_control(void *context, int epoll, int operation, int fd,
                               struct epoll_event *event) {
  counts->others++;
  return weir_internal_kernel.epoll_control(context, epoll, operation, fd, event);
}

int bench_counted_run(const weir_selector_options *options, weir_function function,
                      void *argument) {
  counts = bench_counts_open();
  // What else is in the table, a server calls only before it has connections. The clock is read
  // without a system call.
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.receive = count_receive;
  calls.send = count_send;
  calls.epoll_wait = count_epoll_wait;
  calls.accept = count_accept;
  calls.set_option = count_set_option;
  calls.local_address = count_local_address;
  calls.remote_address = count_remote_address;
  calls.shutdown = count_shutdown;
  calls.close = count_close;
  calls.read = count_read;
  calls.write = count_write;
  calls.epoll_control = count_epoll_control;
  weir_selector_options counted = {0};
  if (options != NULL) counted = *options;
  counted.system_calls = &calls;
  return weir_run(&counted, function, argument);
}
