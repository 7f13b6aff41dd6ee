// SPDX-License-Identifier: Apache-2.0

#include <strings.h>

#include "base/internal/memory.h"
#include "coroutine/internal/suspend.h"
#include "tcp/internal/options.h"
#include "tcp/internal/tcp_connection.h"

enum { MOST_CANDIDATES = 2 };

// Fills in the addresses to try, in order. Returns their number, or -EINVAL, -ENODEV.
static int find_candidates(weir_address *out, const char *host, uint16_t port) {
  if (host == NULL || port == 0) return -EINVAL;
  if (strcasecmp(host, "localhost") != 0) {
    int result = weir_address_parse(out, host, port);
    return result < 0 ? result : 1;
  }
  // RFC 6761, 6.3: these are its addresses, without a look at any name service.
  int result = weir_address_parse(&out[0], "127.0.0.1", port);
  if (result == 0) result = weir_address_parse(&out[1], "::1", port);
  return result < 0 ? result : 2;
}

// Connects the open descriptor of |connection|, and finds its local address.
static int connect_descriptor(weir_tcp_connection *connection, const weir_tcp_options *options,
                              const weir_address *remote, weir_address *local) {
  weir_internal_descriptor *descriptor = &connection->descriptor;
  const weir_internal_system_calls *calls = weir_internal_selector_calls(descriptor->selector);
  int result = weir_internal_tcp_set_stream_options(calls, descriptor->fd, options);
  if (result < 0) return result;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_CONNECT,
      .descriptor = descriptor,
      .with.connect = {.address = &remote->socket.any, .size = remote->size},
  };
  result = weir_internal_await(&operation);
  if (result < 0) return result;
  local->size = sizeof local->socket;
  result = calls->local_address(calls->context, descriptor->fd, &local->socket.any, &local->size);
  if (result < 0) return result;
  // A socket that tries a port of the ephemeral range may be given this very port as its own, and
  // then TCP connects it to itself. Nobody listens there.
  return weir_address_equal(local, remote) ? -ECONNREFUSED : 0;
}

// Tries one address. On failure |connection| is as before.
static int try_address(weir_tcp_connection *connection, weir_tcp_builder tcp,
                       const weir_address *remote, weir_address *local) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(tcp.selector);
  int fd = calls->socket(calls->context, remote->socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&connection->descriptor, tcp.selector, fd, true);
  int result = connect_descriptor(connection, &tcp.options, remote, local);
  if (result < 0) weir_internal_descriptor_close(&connection->descriptor);
  return result;
}

static int connect_to(weir_tcp_builder tcp, weir_connection **out, const char *host,
                      const weir_address *candidates, int count) {
  weir_tcp_connection *connection = weir_internal_tcp_connection_allocate(host);
  if (connection == NULL) return -ENOMEM;
  weir_address local;
  int result = -EINVAL;
  for (int i = 0; i < count; i++) {
    result = try_address(connection, tcp, &candidates[i], &local);
    if (result == 0) {
      *out = weir_internal_tcp_connection_ready(connection, &tcp.options, &local, &candidates[i]);
      // The descriptor does already: connecting was its first operation.
      weir_internal_connection_bind(*out, weir_internal_current_loop());
      return 0;
    }
    if (result == -ECANCELED || result == -ETIMEDOUT) break;
  }
  weir_internal_tcp_connection_discard(connection);
  return result;
}

int weir_tcp_connect(weir_tcp_builder tcp, weir_connection **out, const char *host, uint16_t port) {
  *out = NULL;
  if (tcp.selector == NULL) return -EINVAL;
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  if (tcp.selector != weir_current_selector()) return -EXDEV;
  result = weir_internal_tcp_check_options(&tcp.options);
  if (result < 0) return result;
  weir_address candidates[MOST_CANDIDATES];
  int count = find_candidates(candidates, host, port);
  if (count < 0) return count;
  return connect_to(tcp, out, host, candidates, count);
}
