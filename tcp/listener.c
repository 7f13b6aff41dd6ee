// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/listener.h"

#include <strings.h>

#include "base/internal/memory.h"
#include "tcp/internal/options.h"

weir_tcp_builder weir_tcp(weir_selector *selector) {
  weir_tcp_builder builder = {.selector = selector};
  return builder;
}

static bool is_unix(const weir_address *address) {
  return address->socket.any.sa_family == AF_UNIX;
}

static bool is_everywhere(const weir_address *address) {
  if (is_unix(address)) return false;
  if (address->socket.any.sa_family == AF_INET) {
    return address->socket.ipv4.sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return IN6_IS_ADDR_UNSPECIFIED(&address->socket.ipv6.sin6_addr);
}

// Everything between socket(2) and listen(2), on a shard's open descriptor.
static int bind_unix(weir_listener *listener, int fd, const weir_address *address) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(listener->selector);
  const weir_tcp_options *options = &listener->options;
  int result = weir_internal_tcp_set_unix_options(calls, fd, options);
  if (result < 0) return result;
  // The path is known from here on, whatever else fails.
  listener->address = *address;
  return weir_internal_socket_file_bind(calls, fd, SOCK_STREAM, &address->socket.local,
                                        address->size, !options->exclusive_address,
                                        &listener->file);
}

static int bind_internet(const weir_listener *listener, int fd, const weir_address *address,
                         bool dual_stack) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(listener->selector);
  const weir_tcp_options *options = &listener->options;
  int result = weir_internal_tcp_set_listener_options(calls, fd, options);
  if (result == 0 && dual_stack) {
    result = weir_internal_tcp_set_dual_stack(calls, fd, options->ipv6_only);
  }
  if (result == 0) result = weir_internal_tcp_set_stream_options(calls, fd, options);
  if (result < 0) return result;
  return calls->bind(calls->context, fd, &address->socket.any, address->size);
}

static int set_up(weir_listener *listener, int fd, const weir_address *address, bool dual_stack) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(listener->selector);
  const weir_tcp_options *options = &listener->options;
  int result = is_unix(address) ? bind_unix(listener, fd, address)
                                : bind_internet(listener, fd, address, dual_stack);
  if (result == 0) {
    result = calls->listen(calls->context, fd, weir_internal_tcp_backlog(options));
  }
  if (result < 0) return result;
  // The port that the kernel chose, if none was given.
  weir_address local = {.size = sizeof local.socket};
  result = calls->local_address(calls->context, fd, &local.socket.any, &local.size);
  if (result == 0) listener->address = local;
  return result;
}

// While its socket is open, so that the file cannot be that of a successor.
static void remove_file(weir_listener *listener) {
  weir_internal_socket_file_remove(weir_internal_selector_calls(listener->selector),
                                   &listener->address.socket.local, &listener->file);
  listener->file = (weir_internal_socket_file){0};
}

// Opens a socket that listens on |address|. On failure nothing is left of it.
static int listen_on(weir_listener *listener, weir_internal_shard *shard,
                     const weir_address *address, bool dual_stack) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(listener->selector);
  int fd = calls->socket(calls->context, address->socket.any.sa_family,
                         SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  weir_internal_descriptor_open(&shard->descriptor, listener->selector, fd, false);
  int result = set_up(listener, fd, address, dual_stack);
  if (result < 0) {
    remove_file(listener);
    weir_internal_descriptor_close(&shard->descriptor);
  }
  return result;
}

// One IPv6 socket serves IPv4 clients as well. A machine without IPv6 has only the other kind.
static int listen_everywhere(weir_listener *listener, uint16_t port) {
  weir_address address;
  int result = weir_address_parse(&address, "::", port);
  if (result == 0) result = listen_on(listener, &listener->shards[0], &address, true);
  if (listener->options.ipv6_only) return result;
  if (result != -EAFNOSUPPORT && result != -EADDRNOTAVAIL) return result;
  result = weir_address_parse(&address, "0.0.0.0", port);
  if (result == 0) result = listen_on(listener, &listener->shards[0], &address, false);
  return result;
}

static int listen_on_host(weir_listener *listener, const char *host, uint16_t port) {
  if (host == NULL || *host == '\0') return listen_everywhere(listener, port);
  weir_address address;
  const char *literal = strcasecmp(host, "localhost") == 0 ? "127.0.0.1" : host;
  int result = weir_address_parse(&address, literal, port);
  if (result == 0) result = listen_on(listener, &listener->shards[0], &address, false);
  return result;
}

// The other shards listen on the very address that the first one got.
static int listen_again(weir_listener *listener) {
  const weir_address address = listener->address;
  bool dual_stack = listener->everywhere && address.socket.any.sa_family == AF_INET6;
  int result = 0;
  for (size_t i = 1; i < listener->shard_count && result == 0; i++) {
    result = listen_on(listener, &listener->shards[i], &address, dual_stack);
  }
  return result;
}

static size_t listener_size(size_t shard_count) {
  return sizeof(weir_listener) + shard_count * sizeof(weir_internal_shard);
}

static weir_listener *allocate(const weir_tcp_builder *tcp, bool shards) {
  size_t count = shards ? weir_internal_selector_loop_count(tcp->selector) : 1;
  weir_listener *listener = (weir_listener *)weir_internal_allocate(listener_size(count));
  if (listener == NULL) return NULL;
  listener->selector = tcp->selector;
  listener->options = tcp->options;
  if (count > 1) listener->options.reuse_port = true;
  listener->shard_count = count;
  for (size_t i = 0; i < count; i++) {
    listener->shards[i].descriptor.fd = -1;
    if (count > 1) {
      listener->shards[i].loop = weir_internal_selector_loop_number(tcp->selector, i);
    }
  }
  return listener;
}

static void release(weir_listener *listener) {
  // Legal for those that are closed, or were never open.
  for (size_t i = 0; i < listener->shard_count; i++) {
    weir_internal_descriptor_close(&listener->shards[i].descriptor);
  }
  weir_internal_release(listener, listener_size(listener->shard_count));
}

// Makes *out, given a listener whose first shard listens, or whatever |result| says.
static int finish(weir_listener *listener, weir_listener **out, int result) {
  if (result == 0) {
    listener->everywhere = is_everywhere(&listener->address);
    result = listen_again(listener);
  }
  if (result < 0) {
    release(listener);
    return result;
  }
  weir_address_format(&listener->address, listener->text);
  *out = listener;
  return 0;
}

const char *weir_listener_address(const weir_listener *listener) { return listener->text; }

int weir_tcp_bind(weir_tcp_builder tcp, weir_listener **out, const char *host, uint16_t port) {
  *out = NULL;
  if (tcp.selector == NULL) return -EINVAL;
  int result = weir_internal_tcp_check_options(&tcp.options);
  if (result < 0) return result;
  weir_listener *listener = allocate(&tcp, tcp.options.shards);
  if (listener == NULL) return -ENOMEM;
  return finish(listener, out, listen_on_host(listener, host, port));
}

int weir_tcp_bind_address(weir_tcp_builder tcp, weir_listener **out, const weir_address *address) {
  *out = NULL;
  if (tcp.selector == NULL || address == NULL || address->size == 0) return -EINVAL;
  int result = weir_internal_tcp_check_options(&tcp.options);
  if (result < 0) return result;
  // Linux shares ports among sockets, but no paths.
  weir_listener *listener = allocate(&tcp, tcp.options.shards && !is_unix(address));
  if (listener == NULL) return -ENOMEM;
  return finish(listener, out, listen_on(listener, &listener->shards[0], address, false));
}

uint16_t weir_listener_port(const weir_listener *listener) {
  return weir_address_port(&listener->address);
}

// Closing

typedef struct shard_close {
  weir_listener *listener;
  weir_internal_shard *shard;
  weir_internal_reply left;
  bool waits;  // somebody still holds it
} shard_close;

// On the loop of the shard.
static void close_here(void *argument) {
  shard_close *self = (shard_close *)argument;
  weir_internal_shard *shard = self->shard;
  shard->closing = true;
  weir_internal_descriptor_interrupt(&shard->descriptor, WEIR_INTERNAL_READ, WEIR_E_CLOSED);
  // Now nothing is pending. The place is free before anybody else runs, and an acceptor that waits
  // for a file descriptor gets one.
  remove_file(self->listener);
  weir_internal_descriptor_close(&shard->descriptor);
  self->waits = shard->inside > 0;
  if (self->waits) shard->left = &self->left;
}

static void close_shard(weir_listener *listener, weir_internal_shard *shard,
                        weir_internal_loop *loop) {
  shard_close self = {.listener = listener, .shard = shard};
  weir_internal_reply_init(&self.left);
  weir_internal_loop_call(loop, close_here, &self, "close");
  if (self.waits) weir_internal_reply_await(&self.left, "close");
}

int weir_listener_close(weir_listener *listener) {
  if (listener == NULL) return 0;
  weir_selector *current = weir_current_selector();
  if (current == NULL) return -EINVAL;
  if (current != listener->selector) return -EXDEV;
  weir_internal_loop *here = weir_internal_current_loop();
  for (size_t i = 0; i < listener->shard_count; i++) {
    weir_internal_shard *shard = &listener->shards[i];
    weir_internal_loop *loop = __atomic_load_n(&shard->loop, __ATOMIC_ACQUIRE);
    close_shard(listener, shard, loop != NULL ? loop : here);
  }
  release(listener);
  return 0;
}
