// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/connect.h"

#include "address/internal/host_name.h"
#include "coroutine/internal/suspend.h"
#include "tcp/internal/options.h"

enum { DEFAULT_ADDRESSES = 8 };

static const int64_t default_timeout = 30 * WEIR_SECOND;
// RFC 8305, 8.
static const int64_t default_resolution_delay = 50 * WEIR_MILLISECOND;
static const int64_t default_attempt_delay = 250 * WEIR_MILLISECOND;
static const int64_t least_attempt_delay = 10 * WEIR_MILLISECOND;

// Checks |options| and fills in the defaults.
static int complete(weir_tcp_connect_options *options) {
  if (options->timeout < 0 || options->addresses > WEIR_INTERNAL_TCP_MOST_ADDRESSES) return -EINVAL;
  if (options->attempt_delay != 0 && options->attempt_delay < least_attempt_delay) return -EINVAL;
  if (options->timeout == 0) options->timeout = default_timeout;
  if (options->resolution_delay == 0) options->resolution_delay = default_resolution_delay;
  if (options->resolution_delay < 0) options->resolution_delay = 0;
  if (options->attempt_delay == 0) options->attempt_delay = default_attempt_delay;
  if (options->addresses == 0) options->addresses = DEFAULT_ADDRESSES;
  return 0;
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

static int open_and_connect(weir_internal_tcp_dialled *out, const weir_tcp_builder *tcp) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(tcp->selector);
  int fd = calls->socket(calls->context, out->remote.socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&out->connection->descriptor, tcp->selector, fd, true);
  return connect_descriptor(out->connection, &tcp->options, &out->remote, &out->local);
}

int weir_internal_tcp_dial(weir_internal_tcp_dialled *out, const weir_tcp_builder *tcp,
                           const char *host, const weir_address *remote) {
  out->connection = NULL;
  int result = weir_internal_enter(NULL);
  if (result < 0) return result;
  out->connection = weir_internal_tcp_connection_allocate(host);
  if (out->connection == NULL) return -ENOMEM;
  out->remote = *remote;
  result = open_and_connect(out, tcp);
  if (result < 0) {
    weir_internal_tcp_connection_discard(out->connection);
    out->connection = NULL;
  }
  return result;
}

static int dial(weir_internal_tcp_dialled *out, const weir_tcp_builder *tcp, const char *host,
                uint16_t port) {
  weir_address literal;
  int result = weir_address_parse(&literal, host, port);
  if (result == 0) return weir_internal_tcp_dial(out, tcp, host, &literal);
  if (result != -EINVAL || !weir_internal_host_name_is_valid(host)) return result;
  return weir_internal_tcp_dial_host(out, tcp, host, port);
}

int weir_tcp_connect(weir_tcp_builder tcp, weir_connection **out, const char *host, uint16_t port) {
  *out = NULL;
  if (tcp.selector == NULL) return -EINVAL;
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  if (tcp.selector != weir_current_selector()) return -EXDEV;
  result = weir_internal_tcp_check_options(&tcp.options);
  if (result == 0) result = complete(&tcp.options.connect);
  if (result < 0) return result;
  if (host == NULL || port == 0) return -EINVAL;
  weir_internal_tcp_dialled dialled;
  weir_timeout timeout = weir_timeout_begin(tcp.options.connect.timeout);
  result = dial(&dialled, &tcp, host, port);
  weir_timeout_end(timeout);
  if (result < 0) return result;
  *out = weir_internal_tcp_connection_ready(dialled.connection, &tcp.options, &dialled.local,
                                            &dialled.remote);
  // The descriptor does already: connecting was its first operation.
  weir_internal_connection_bind(*out, weir_internal_current_loop());
  return 0;
}
