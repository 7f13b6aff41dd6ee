// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/listener.h"

#include <strings.h>

#include "base/internal/memory.h"
#include "tcp/internal/options.h"

weir_tcp_builder weir_tcp(weir_selector *selector) {
  weir_tcp_builder builder = {.selector = selector};
  return builder;
}

static bool is_everywhere(const weir_address *address) {
  if (address->socket.any.sa_family == AF_INET) {
    return address->socket.ipv4.sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return IN6_IS_ADDR_UNSPECIFIED(&address->socket.ipv6.sin6_addr);
}

// Everything between socket(2) and listen(2), on the listener's open descriptor.
static int set_up(weir_listener *listener, const weir_address *address, bool dual_stack) {
  const weir_internal_system_calls *calls =
      weir_internal_selector_calls(listener->descriptor.selector);
  const weir_tcp_options *options = &listener->options;
  int fd = listener->descriptor.fd;
  int result = weir_internal_tcp_set_listener_options(calls, fd, options);
  if (result == 0) result = weir_internal_tcp_set_stream_options(calls, fd, options);
  if (result == 0 && dual_stack) result = weir_internal_tcp_set_dual_stack(calls, fd);
  if (result == 0) result = calls->bind(calls->context, fd, &address->socket.any, address->size);
  if (result == 0) {
    result = calls->listen(calls->context, fd, weir_internal_tcp_backlog(options));
  }
  if (result < 0) return result;
  // The port that the kernel chose, if none was given.
  listener->address.size = sizeof listener->address.socket;
  return calls->local_address(calls->context, fd, &listener->address.socket.any,
                              &listener->address.size);
}

// Opens a socket that listens on |address|. On failure nothing is left of it.
static int listen_on(weir_listener *listener, weir_selector *selector, const weir_address *address,
                     bool dual_stack) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(selector);
  int fd = calls->socket(calls->context, address->socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&listener->descriptor, selector, fd, false);
  int result = set_up(listener, address, dual_stack);
  if (result < 0) weir_internal_descriptor_close(&listener->descriptor);
  return result;
}

// One IPv6 socket serves IPv4 clients as well. A machine without IPv6 has only the other kind.
static int listen_everywhere(weir_listener *listener, weir_selector *selector, uint16_t port) {
  weir_address address;
  int result = weir_address_parse(&address, "::", port);
  if (result == 0) result = listen_on(listener, selector, &address, true);
  if (result != -EAFNOSUPPORT && result != -EADDRNOTAVAIL) return result;
  result = weir_address_parse(&address, "0.0.0.0", port);
  if (result == 0) result = listen_on(listener, selector, &address, false);
  return result;
}

static int listen_on_host(weir_listener *listener, weir_selector *selector, const char *host,
                          uint16_t port) {
  if (host == NULL || *host == '\0') return listen_everywhere(listener, selector, port);
  weir_address address;
  const char *literal = strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host;
  int result = weir_address_parse(&address, literal, port);
  if (result == 0) result = listen_on(listener, selector, &address, false);
  return result;
}

int weir_tcp_bind(weir_tcp_builder tcp, weir_listener **out, const char *host, uint16_t port) {
  *out = NULL;
  if (tcp.selector == NULL) return -EINVAL;
  int result = weir_internal_tcp_check_options(&tcp.options);
  if (result < 0) return result;
  weir_listener *listener = weir_internal_allocate(sizeof *listener);
  if (listener == NULL) return -ENOMEM;
  listener->options = tcp.options;
  weir_internal_wait_queue_init(&listener->left);
  result = listen_on_host(listener, tcp.selector, host, port);
  if (result < 0) {
    weir_internal_release(listener, sizeof *listener);
    return result;
  }
  listener->everywhere = is_everywhere(&listener->address);
  weir_address_format(&listener->address, listener->text);
  *out = listener;
  return 0;
}

const char *weir_listener_address(const weir_listener *listener) { return listener->text; }

uint16_t weir_listener_port(const weir_listener *listener) {
  return weir_address_port(&listener->address);
}

// Waits until no coroutine is inside weir_accept, whatever happens to this one.
static void wait_until_left(weir_listener *listener) {
  weir_shield shield = weir_shield_begin();
  while (listener->inside > 0) {
    int result = weir_internal_wait_queue_wait_for(&listener->left, WEIR_FOREVER, "close");
    // Behind the shield nothing but the wake ends this, and |inside| tells what we wait for.
    (void)result;
  }
  weir_shield_end(shield);
}

int weir_listener_close(weir_listener *listener) {
  if (listener == NULL) return 0;
  weir_selector *current = weir_current_selector();
  if (current == NULL) return -EINVAL;
  if (current != listener->descriptor.selector) return -EXDEV;
  listener->closing = true;
  weir_internal_descriptor_interrupt(&listener->descriptor, WEIR_INTERNAL_READ, WEIR_E_CLOSED);
  // Now nothing is pending. The port is free before anybody else runs, and an acceptor that waits
  // for a file descriptor gets one.
  weir_internal_descriptor_close(&listener->descriptor);
  wait_until_left(listener);
  weir_internal_release(listener, sizeof *listener);
  return 0;
}
