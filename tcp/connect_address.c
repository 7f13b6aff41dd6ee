// SPDX-License-Identifier: Apache-2.0
//
// Connecting to one address, whatever its kind.

#include "coroutine/internal/suspend.h"
#include "tcp/internal/options.h"
#include "tcp/internal/tcp_connection.h"

#define FIRST_PAUSE WEIR_MILLISECOND
#define LONGEST_PAUSE (64 * WEIR_MILLISECOND)

// A unix socket connects at once or not at all. Of room in a full queue the kernel does not tell.
static int connect_unix(weir_internal_descriptor *descriptor, const weir_address *address) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(descriptor->selector);
  for (int64_t pause = FIRST_PAUSE;;) {
    int result =
        calls->connect(calls->context, descriptor->fd, &address->socket.any, address->size);
    if (result == -EINTR) continue;
    if (result != -EAGAIN) return result;
    result = weir_delay(pause);
    if (result < 0) return result;
    if (pause < LONGEST_PAUSE) pause *= 2;
  }
}

static int connect_internet(weir_internal_descriptor *descriptor, const weir_address *address) {
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_CONNECT,
      .descriptor = descriptor,
      .with.connect = {.address = &address->socket.any, .size = address->size},
  };
  return weir_internal_await(&operation);
}

// Connects the open descriptor of |connection|, and finds its local address.
static int connect_descriptor(weir_tcp_connection *connection, const weir_tcp_options *options,
                              const weir_address *remote, weir_address *local) {
  weir_internal_descriptor *descriptor = &connection->descriptor;
  const weir_internal_system_calls *calls = weir_internal_selector_calls(descriptor->selector);
  int result = connection->is_unix
                   ? weir_internal_tcp_set_unix_options(calls, descriptor->fd, options)
                   : weir_internal_tcp_set_stream_options(calls, descriptor->fd, options);
  if (result < 0) return result;
  result =
      connection->is_unix ? connect_unix(descriptor, remote) : connect_internet(descriptor, remote);
  if (result < 0) return result;
  local->size = sizeof local->socket;
  result = calls->local_address(calls->context, descriptor->fd, &local->socket.any, &local->size);
  if (result < 0) return result;
  // TCP connects a socket to itself when it is given the very port that it tries; see connect.c.
  return weir_address_equal(local, remote) ? -ECONNREFUSED : 0;
}

static int open_and_connect(weir_tcp_connection *connection, const weir_tcp_builder *tcp,
                            const weir_address *remote, weir_address *local) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(tcp->selector);
  int fd = calls->socket(calls->context, remote->socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&connection->descriptor, tcp->selector, fd, !connection->is_unix);
  return connect_descriptor(connection, &tcp->options, remote, local);
}

int weir_tcp_connect_address(weir_tcp_builder tcp, weir_connection **out,
                             const weir_address *address) {
  *out = NULL;
  if (tcp.selector == NULL || address == NULL || address->size == 0) return -EINVAL;
  int result = weir_internal_enter(NULL);
  if (result < 0) return result;
  if (tcp.selector != weir_current_selector()) return -EXDEV;
  result = weir_internal_tcp_check_options(&tcp.options);
  if (result < 0) return result;
  bool is_unix = address->socket.any.sa_family == AF_UNIX;
  if (!is_unix && weir_address_port(address) == 0) return -EINVAL;
  weir_tcp_connection *connection = is_unix ? weir_internal_tcp_connection_allocate_unix()
                                            : weir_internal_tcp_connection_allocate(NULL);
  if (connection == NULL) return -ENOMEM;
  weir_address local;
  result = open_and_connect(connection, &tcp, address, &local);
  if (result < 0) {
    weir_internal_tcp_connection_discard(connection);
    return result;
  }
  *out = weir_internal_tcp_connection_ready(connection, &tcp.options, &local, address);
  // A descriptor that has waited for TCP belongs to this loop already.
  weir_internal_connection_bind(*out, weir_internal_current_loop());
  return 0;
}
