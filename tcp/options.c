// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

enum {
  DEFAULT_BACKLOG = 511,
  LARGEST_CHANNEL = 1 << 30,  // as weir_read_channel_configure and its counterpart say
};

int weir_internal_tcp_check_options(const weir_tcp_options *options) {
  if (options->backlog < 0) return -EINVAL;
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

int weir_internal_tcp_set_stream_options(const weir_internal_system_calls *calls, int fd,
                                         const weir_tcp_options *options) {
  // An urgent mark becomes an ordinary byte of the stream. Otherwise a read stops at the mark, and
  // what looks like a drained socket is not one: see |short_is_dry| of the descriptor.
  int result = set(calls, fd, SOL_SOCKET, SO_OOBINLINE, 1);
  if (result == 0 && !options->delay) result = set(calls, fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return result;
}

int weir_internal_tcp_set_listener_options(const weir_internal_system_calls *calls, int fd,
                                           const weir_tcp_options *options) {
  int result = 0;
  // Without it a server could not start again while clients of its predecessor are in TIME_WAIT. On
  // Linux it does not let two listeners share a port.
  if (!options->exclusive_address) result = set(calls, fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (result == 0 && options->reuse_port) result = set(calls, fd, SOL_SOCKET, SO_REUSEPORT, 1);
  return result;
}

int weir_internal_tcp_set_dual_stack(const weir_internal_system_calls *calls, int fd) {
  return set(calls, fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
}

int weir_internal_tcp_backlog(const weir_tcp_options *options) {
  return options->backlog > 0 ? options->backlog : DEFAULT_BACKLOG;
}
