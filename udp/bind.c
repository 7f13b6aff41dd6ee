// SPDX-License-Identifier: Apache-2.0

#include <strings.h>

#include "base/internal/memory.h"
#include "udp/internal/udp_socket.h"

// Many sockets may wait at once, each in a coroutine with a page of stack.
_Static_assert(sizeof(weir_udp_socket) <= 768, "an idle datagram socket has become too large");

weir_udp_builder weir_udp(weir_selector *selector) {
  weir_udp_builder builder = {.selector = selector};
  return builder;
}

static weir_udp_socket *allocate(const weir_udp_builder *udp) {
  weir_udp_socket *self = (weir_udp_socket *)weir_internal_allocate(sizeof *self);
  if (self == NULL) return NULL;
  self->selector = udp->selector;
  // A time that never comes is none, and nothing can be added to it.
  bool for_ever = udp->options.socket_timeout > WEIR_FOREVER / 2;
  self->socket_timeout = for_ever ? 0 : udp->options.socket_timeout;
  self->descriptor.fd = -1;
  weir_internal_wait_queue_init(&self->senders);
  weir_internal_wait_queue_init(&self->room);
  return self;
}

static void discard(weir_udp_socket *self) {
  weir_internal_socket_file_remove(weir_internal_selector_calls(self->selector),
                                   &self->local.socket.local, &self->file);
  weir_internal_descriptor_close(&self->descriptor);
  weir_internal_release(self, sizeof *self);
}

// Opens a socket of the |family|, with all options set.
static int open_socket(weir_udp_socket *self, const weir_udp_options *options, int family) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->selector);
  int fd = calls->socket(calls->context, family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&self->descriptor, self->selector, fd, false);
  return weir_internal_udp_set_options(calls, fd, family, options);
}

static int find_local_address(weir_udp_socket *self) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->selector);
  weir_address local = {.size = sizeof local.socket};
  int result =
      calls->local_address(calls->context, self->descriptor.fd, &local.socket.any, &local.size);
  if (result < 0) return result;
  self->local = local;
  weir_address_format(&local, self->local_text);
  return 0;
}

static int bind_to(weir_udp_socket *self, const weir_udp_options *options,
                   const weir_address *address) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->selector);
  if (address->socket.any.sa_family == AF_UNIX) {
    // The path is known from here on, whatever else fails.
    self->local = *address;
    return weir_internal_socket_file_bind(calls, self->descriptor.fd, SOCK_DGRAM,
                                          &address->socket.local, address->size,
                                          options->reuse_address, &self->file);
  }
  return calls->bind(calls->context, self->descriptor.fd, &address->socket.any, address->size);
}

static int open_bound(weir_udp_socket *self, const weir_udp_options *options,
                      const weir_address *address) {
  int result = open_socket(self, options, address->socket.any.sa_family);
  if (result == 0) result = bind_to(self, options, address);
  return result < 0 ? result : find_local_address(self);
}

// Before it was connected, anybody could send to the socket's port. A system call that fails here
// leaves nothing behind that the next one would not tell.
static void drop_what_strangers_sent(weir_udp_socket *self) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->selector);
  char nothing;
  int result;
  do {
    result = calls->receive_from(calls->context, self->descriptor.fd, &nothing, 0, NULL, NULL);
  } while (result >= 0 || result == -EINTR);
}

// A unix socket needs a name to be answered, which the kernel gives to one that asks for no name in
// particular (unix(7)); to internet sockets it gives one anyway.
static int bind_before_connect(weir_udp_socket *self, const weir_udp_options *options,
                               const weir_address *remote) {
  if (options->local_address.size > 0) return bind_to(self, options, &options->local_address);
  if (remote->socket.any.sa_family != AF_UNIX) return 0;
  const weir_address any_name = {.size = sizeof(sa_family_t), .socket.any.sa_family = AF_UNIX};
  return bind_to(self, options, &any_name);
}

static int open_connected(weir_udp_socket *self, const weir_udp_options *options,
                          const weir_address *address) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->selector);
  // The family is the peer's, so that there need not be a local address to tell it.
  int result = open_socket(self, options, address->socket.any.sa_family);
  if (result == 0) result = bind_before_connect(self, options, address);
  if (result == 0) {
    result =
        calls->connect(calls->context, self->descriptor.fd, &address->socket.any, address->size);
  }
  if (result == 0) result = find_local_address(self);
  if (result < 0) return result;
  drop_what_strangers_sent(self);
  self->connected = true;
  self->remote = *address;
  weir_address_format(address, self->remote_text);
  return 0;
}

typedef int (*opener)(weir_udp_socket *self, const weir_udp_options *options,
                      const weir_address *address);

static int make(const weir_udp_builder *udp, weir_udp_socket **out, const weir_address *address,
                opener open_with) {
  *out = NULL;
  if (udp->selector == NULL || address == NULL || address->size == 0) return -EINVAL;
  int result = weir_internal_udp_check_options(&udp->options);
  if (result < 0) return result;
  weir_udp_socket *self = allocate(udp);
  if (self == NULL) return -ENOMEM;
  result = open_with(self, &udp->options, address);
  if (result < 0) {
    discard(self);
    return result;
  }
  *out = self;
  return 0;
}

int weir_udp_bind_address(weir_udp_builder udp, weir_udp_socket **out,
                          const weir_address *address) {
  return make(&udp, out, address, open_bound);
}

int weir_udp_connect_address(weir_udp_builder udp, weir_udp_socket **out,
                             const weir_address *address) {
  return make(&udp, out, address, open_connected);
}

static int parse_host(weir_address *out, const char *host, uint16_t port) {
  return weir_address_parse(out, strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host, port);
}

// One IPv6 socket receives what comes by IPv4 as well. A machine without IPv6 has only the other
// kind.
static int bind_everywhere(const weir_udp_builder *udp, weir_udp_socket **out, uint16_t port) {
  weir_address address;
  int result = weir_address_parse(&address, "::", port);
  if (result == 0) result = make(udp, out, &address, open_bound);
  if (udp->options.ipv6_only) return result;
  if (result != -EAFNOSUPPORT && result != -EADDRNOTAVAIL) return result;
  result = weir_address_parse(&address, "0.0.0.0", port);
  return result < 0 ? result : make(udp, out, &address, open_bound);
}

int weir_udp_bind(weir_udp_builder udp, weir_udp_socket **out, const char *host, uint16_t port) {
  *out = NULL;
  if (host == NULL || *host == '\0') return bind_everywhere(&udp, out, port);
  weir_address address;
  int result = parse_host(&address, host, port);
  return result < 0 ? result : make(&udp, out, &address, open_bound);
}

int weir_udp_connect(weir_udp_builder udp, weir_udp_socket **out, const char *host, uint16_t port) {
  *out = NULL;
  if (host == NULL || port == 0) return -EINVAL;
  weir_address address;
  int result = parse_host(&address, host, port);
  return result < 0 ? result : make(&udp, out, &address, open_connected);
}
