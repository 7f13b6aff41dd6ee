// SPDX-License-Identifier: Apache-2.0

#include <netinet/in.h>

#include "udp/internal/udp_socket.h"

int weir_internal_udp_check_options(const weir_udp_options *options) {
  if (options->send_buffer < 0 || options->receive_buffer < 0) return -EINVAL;
  if (options->socket_timeout < 0) return -EINVAL;
  return 0;
}

typedef struct target {
  const weir_internal_system_calls *calls;
  int fd;
} target;

static int set(target socket, int level, int name, int value) {
  return socket.calls->set_option(socket.calls->context, socket.fd, level, name, &value,
                                  sizeof value);
}

static int set_type_of_service(target socket, int family, uint8_t type) {
  if (type == 0 || (family != AF_INET && family != AF_INET6)) return 0;
  // An IPv6 socket may send to IPv4 addresses too.
  int result = set(socket, IPPROTO_IP, IP_TOS, type);
  if (result == 0 && family == AF_INET6) result = set(socket, IPPROTO_IPV6, IPV6_TCLASS, type);
  return result;
}

static int set_flags(target socket, int family, const weir_udp_options *options) {
  int result = 0;
  if (options->reuse_address) result = set(socket, SOL_SOCKET, SO_REUSEADDR, 1);
  if (result == 0 && options->reuse_port) result = set(socket, SOL_SOCKET, SO_REUSEPORT, 1);
  if (result == 0 && options->broadcast) result = set(socket, SOL_SOCKET, SO_BROADCAST, 1);
  // Said in both cases, for the kernel's default can be changed (net.ipv6.bindv6only).
  if (result == 0 && family == AF_INET6) {
    result = set(socket, IPPROTO_IPV6, IPV6_V6ONLY, options->ipv6_only);
  }
  return result;
}

static int set_buffers(target socket, const weir_udp_options *options) {
  int result = 0;
  if (options->send_buffer > 0) {
    result = set(socket, SOL_SOCKET, SO_SNDBUF, options->send_buffer);
  }
  if (result == 0 && options->receive_buffer > 0) {
    result = set(socket, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
  }
  return result;
}

int weir_internal_udp_set_options(const weir_internal_system_calls *calls, int fd, int family,
                                  const weir_udp_options *options) {
  target socket = {calls, fd};
  int result = set_flags(socket, family, options);
  if (result == 0) result = set_buffers(socket, options);
  if (result == 0) result = set_type_of_service(socket, family, options->type_of_service);
  if (result == 0 && options->prepare != NULL) {
    result = options->prepare(fd, options->prepare_argument);
  }
  return result < 0 ? result : 0;
}
