// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum {
  DEFAULT_BACKLOG = 511,
  LARGEST_CHANNEL = 1 << 30,  // as weir_read_channel_configure and its counterpart say
};

int weir_internal_tcp_check_options(const weir_tcp_options *options) {
  if (options->backlog < 0 || options->socket_timeout < 0) return -EINVAL;
  if (options->send_buffer < 0 || options->receive_buffer < 0) return -EINVAL;
  if (options->keep_alive_idle < 0 || options->keep_alive_interval < 0) return -EINVAL;
  if (options->keep_alive_count < 0 || options->user_timeout < 0) return -EINVAL;
  bool tuned = options->keep_alive_idle > 0 || options->keep_alive_interval > 0 ||
               options->keep_alive_count > 0;
  if (tuned && !options->keep_alive) return -EINVAL;
  if (options->read.capacity > LARGEST_CHANNEL || options->read.line_limit > LARGEST_CHANNEL) {
    return -EINVAL;
  }
  if (options->read.line_ending != WEIR_LINE_LF && options->read.line_ending != WEIR_LINE_ANY) {
    return -EINVAL;
  }
  if (options->write.capacity > LARGEST_CHANNEL) return -EINVAL;
  return 0;
}

static int set(const weir_internal_system_calls *calls, int fd, int level, int name, int value) {
  return calls->set_option(calls->context, fd, level, name, &value, sizeof value);
}

static int set_buffers(const weir_internal_system_calls *calls, int fd,
                       const weir_tcp_options *options) {
  int result = 0;
  if (options->send_buffer > 0) {
    result = set(calls, fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
  }
  if (result == 0 && options->receive_buffer > 0) {
    result = set(calls, fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
  }
  return result;
}

static int set_type_of_service(const weir_internal_system_calls *calls, int fd, uint8_t type) {
  int family = AF_INET;
  socklen_t size = sizeof family;
  int result = calls->get_option(calls->context, fd, SOL_SOCKET, SO_DOMAIN, &family, &size);
  // An IPv6 socket may have IPv4 clients too.
  if (result == 0) result = set(calls, fd, IPPROTO_IP, IP_TOS, type);
  if (result == 0 && family == AF_INET6) {
    result = set(calls, fd, IPPROTO_IPV6, IPV6_TCLASS, type);
  }
  return result;
}

// Sets a number that has a default of its own, unless it is 0.
static int set_if_given(const weir_internal_system_calls *calls, int fd, int name, int value) {
  return value == 0 ? 0 : set(calls, fd, IPPROTO_TCP, name, value);
}

static int set_keep_alive(const weir_internal_system_calls *calls, int fd,
                          const weir_tcp_options *options) {
  int result = set(calls, fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  if (result == 0) result = set_if_given(calls, fd, TCP_KEEPIDLE, options->keep_alive_idle);
  if (result == 0) result = set_if_given(calls, fd, TCP_KEEPINTVL, options->keep_alive_interval);
  if (result == 0) result = set_if_given(calls, fd, TCP_KEEPCNT, options->keep_alive_count);
  return result;
}

static int set_reset_on_close(const weir_internal_system_calls *calls, int fd) {
  const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
  return calls->set_option(calls->context, fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static int call(int (*callback)(int fd, void *argument), int fd, void *argument) {
  int result = callback == NULL ? 0 : callback(fd, argument);
  return result < 0 ? result : 0;
}

static int prepare(int fd, const weir_tcp_options *options) {
  return call(options->prepare, fd, options->prepare_argument);
}

int weir_internal_tcp_prepare_accepted(int fd, const weir_tcp_options *options) {
  return call(options->prepare_accepted, fd, options->prepare_argument);
}

int weir_internal_tcp_set_stream_options(const weir_internal_system_calls *calls, int fd,
                                         const weir_tcp_options *options) {
  // An urgent mark becomes an ordinary byte of the stream. Otherwise a read stops at the mark, and
  // what looks like a drained socket is not one: see |short_is_dry| of the descriptor.
  int result = set(calls, fd, SOL_SOCKET, SO_OOBINLINE, 1);
  if (result == 0 && options->reuse_port) result = set(calls, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (result == 0 && !options->delay) result = set(calls, fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (result == 0) result = set_buffers(calls, fd, options);
  if (result == 0 && options->type_of_service != 0) {
    result = set_type_of_service(calls, fd, options->type_of_service);
  }
  if (result == 0 && options->keep_alive) result = set_keep_alive(calls, fd, options);
  if (result == 0) result = set_if_given(calls, fd, TCP_USER_TIMEOUT, options->user_timeout);
  if (result == 0 && options->reset_on_close) result = set_reset_on_close(calls, fd);
  return result < 0 ? result : prepare(fd, options);
}

int weir_internal_tcp_set_unix_options(const weir_internal_system_calls *calls, int fd,
                                       const weir_tcp_options *options) {
  int result = set_buffers(calls, fd, options);
  return result < 0 ? result : prepare(fd, options);
}

void weir_internal_tcp_set_accepted_unix_options(const weir_internal_system_calls *calls, int fd,
                                                 const weir_tcp_options *options) {
  // The kernel takes sizes as wishes, and so do we: no reason to send a client away.
  int result = set_buffers(calls, fd, options);
  (void)result;
}

int weir_internal_tcp_set_listener_options(const weir_internal_system_calls *calls, int fd,
                                           const weir_tcp_options *options) {
  int result = 0;
  // Without it a server could not start again while clients of its predecessor are in TIME_WAIT. On
  // Linux it does not let two listeners share a port.
  if (!options->exclusive_address) result = set(calls, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  return result;
}

int weir_internal_tcp_set_dual_stack(const weir_internal_system_calls *calls, int fd,
                                     bool ipv6_only) {
  return set(calls, fd, IPPROTO_IPV6, IPV6_V6ONLY, ipv6_only);
}

int weir_internal_tcp_backlog(const weir_tcp_options *options) {
  return options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
}
