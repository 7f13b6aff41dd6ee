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

// Between attempts at a unix socket whose queue is full.
static const int64_t first_pause = WEIR_MILLISECOND;
static const int64_t longest_pause = 64 * WEIR_MILLISECOND;

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

// TCP connects a socket to itself when the kernel gives it the very port that it tries, which can
// happen in the ephemeral range. Nobody listens there. The address that was asked for may be
// another name of the one that was reached, such as 0.0.0.0.
static int refuse_self(const weir_internal_system_calls *calls, int fd, const weir_address *local,
                       const weir_address *remote) {
  if (weir_address_port(local) != weir_address_port(remote)) return 0;
  weir_address reached = {.size = sizeof reached.socket};
  int result = calls->remote_address(calls->context, fd, &reached.socket.any, &reached.size);
  if (result < 0) return result;
  return weir_address_equal(local, &reached) ? -ECONNREFUSED : 0;
}

static int connect_internet(weir_internal_descriptor *descriptor, const weir_address *remote) {
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_CONNECT,
      .descriptor = descriptor,
      .with.connect = {.address = &remote->socket.any, .size = remote->size},
  };
  return weir_internal_await(&operation);
}

// A unix socket connects at once or not at all. Of room in a full queue the kernel does not tell.
static int connect_unix(weir_internal_descriptor *descriptor, const weir_address *remote) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(descriptor->selector);
  for (int64_t pause = first_pause;;) {
    int result = calls->connect(calls->context, descriptor->fd, &remote->socket.any, remote->size);
    if (result == -EINTR) continue;
    if (result != -EAGAIN) return result;
    result = weir_delay(pause);
    if (result < 0) return result;
    if (pause < longest_pause) pause *= 2;
  }
}

// Connects the open descriptor of the connection, and finds its local address.
static int connect_descriptor(weir_internal_tcp_dialled *self, const weir_tcp_options *options) {
  weir_internal_descriptor *descriptor = &self->connection->descriptor;
  const weir_internal_system_calls *calls = weir_internal_selector_calls(descriptor->selector);
  int fd = descriptor->fd;
  bool is_unix = self->connection->is_unix;
  int result = is_unix ? weir_internal_tcp_set_unix_options(calls, fd, options)
                       : weir_internal_tcp_set_stream_options(calls, fd, options);
  if (result < 0) return result;
  result = is_unix ? connect_unix(descriptor, &self->remote)
                   : connect_internet(descriptor, &self->remote);
  if (result < 0) return result;
  weir_address *local = &self->local;
  local->size = sizeof local->socket;
  result = calls->local_address(calls->context, fd, &local->socket.any, &local->size);
  return result < 0 || is_unix ? result : refuse_self(calls, fd, local, &self->remote);
}

static int open_and_connect(weir_internal_tcp_dialled *self, const weir_tcp_builder *tcp) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(tcp->selector);
  int fd = calls->socket(calls->context, self->remote.socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&self->connection->descriptor, tcp->selector, fd,
                                !self->connection->is_unix);
  return connect_descriptor(self, &tcp->options);
}

int weir_internal_tcp_dial(weir_internal_tcp_dialled *out, const weir_tcp_builder *tcp,
                           const char *host, const weir_address *remote) {
  out->connection = NULL;
  out->failure = 0;
  int result = weir_internal_enter(NULL);
  if (result < 0) return result;
  out->connection = remote->socket.any.sa_family == AF_UNIX
                        ? weir_internal_tcp_connection_allocate_unix()
                        : weir_internal_tcp_connection_allocate(host);
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
  out->failure = 0;
  int result = weir_address_parse(&literal, host, port);
  if (result == 0) return weir_internal_tcp_dial(out, tcp, host, &literal);
  if (result != -EINVAL || !weir_internal_host_name_is_valid(host)) return result;
  return weir_internal_tcp_dial_host(out, tcp, host, port);
}

static int check(weir_tcp_builder *tcp) {
  if (tcp->selector == NULL) return -EINVAL;
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  if (tcp->selector != weir_current_selector()) return -EXDEV;
  result = weir_internal_tcp_check_options(&tcp->options);
  return result < 0 ? result : complete(&tcp->options.connect);
}

static weir_connection *ready(const weir_internal_tcp_dialled *dialled,
                              const weir_tcp_options *options) {
  weir_connection *connection = weir_internal_tcp_connection_ready(
      dialled->connection, options, &dialled->local, &dialled->remote);
  // A descriptor that has waited for TCP belongs to this loop already.
  weir_internal_connection_bind(connection, weir_internal_current_loop());
  return connection;
}

int weir_tcp_connect(weir_tcp_builder tcp, weir_connection **out, const char *host, uint16_t port) {
  *out = NULL;
  int result = check(&tcp);
  if (result < 0) return result;
  if (host == NULL || port == 0) return -EINVAL;
  weir_internal_tcp_dialled dialled;
  weir_timeout timeout = weir_timeout_begin(tcp.options.connect.timeout);
  result = dial(&dialled, &tcp, host, port);
  bool expired = weir_timeout_end(timeout);
  if (result == -ETIMEDOUT && expired && dialled.failure < 0) result = dialled.failure;
  if (result == 0) *out = ready(&dialled, &tcp.options);
  return result;
}

int weir_tcp_connect_address(weir_tcp_builder tcp, weir_connection **out,
                             const weir_address *address) {
  *out = NULL;
  int result = check(&tcp);
  if (result < 0) return result;
  if (address == NULL || address->size == 0) return -EINVAL;
  if (address->socket.any.sa_family != AF_UNIX && weir_address_port(address) == 0) return -EINVAL;
  weir_internal_tcp_dialled dialled;
  weir_timeout timeout = weir_timeout_begin(tcp.options.connect.timeout);
  result = weir_internal_tcp_dial(&dialled, &tcp, NULL, address);
  weir_timeout_end(timeout);
  if (result == 0) *out = ready(&dialled, &tcp.options);
  return result;
}
