// SPDX-License-Identifier: Apache-2.0

#include "tcp/internal/tcp_connection.h"

#include <assert.h>

#include "base/internal/memory.h"

// Many connections wait for their clients at once, each with one page of stack; what is here comes
// on top of it.
_Static_assert(sizeof(weir_tcp_connection) <= 776, "an idle connection has become too large");

// Behind a unix connection.
enum { TWO_TEXTS = 2 * WEIR_ADDRESS_TEXT_SIZE };

static weir_tcp_connection *tcp_of(weir_connection *connection) {
  return (weir_tcp_connection *)connection;
}

static const weir_internal_system_calls *calls_of(const weir_tcp_connection *self) {
  return weir_internal_selector_calls(self->descriptor.selector);
}

// The kernel reports the failure of a connection once, to whoever comes first, reader or writer;
// then it says "end of stream" to the reader, although the peer never ended its stream. So we keep
// the failure, that a torn stream never looks whole. Not among these is EPIPE, which the writer
// also gets when the peer did end its stream properly; nor what is not the kernel's, such as the
// ETIMEDOUT of a deadline.
static void remember(weir_tcp_connection *self, int result) {
  switch (result) {
    case -ETIMEDOUT:
    case -ECONNRESET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -EHOSTDOWN:
    case -ENETDOWN:
    case -EPROTO:
    case -EIO:
      break;
    default:
      return;
  }
  if (self->failure == 0) self->failure = result;
}

void weir_internal_tcp_remember_failure(weir_tcp_connection *self,
                                        const weir_internal_operation *operation, int result) {
  if (operation->by_kernel) remember(self, result);
}

static int tcp_read(weir_connection *connection, weir_internal_lender *lender, bool wait) {
  weir_tcp_connection *self = tcp_of(connection);
  if (self->spliced.held > 0) return weir_internal_tcp_read_spliced(self, lender);
  if (self->end_seen) return self->failure;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_RECEIVE,
      .descriptor = &self->descriptor,
      .timeout = self->socket_timeout,
      .with.lender = lender,
  };
  int result = wait ? weir_internal_await(&operation) : weir_internal_try(&operation);
  if (result > 0) return result;
  if (result == 0) {
    self->end_seen = true;
    return self->failure;
  }
  // A reader that comes after an abort finds no connection.
  if (result == -ENOTCONN) return self->failure < 0 ? self->failure : -ECONNABORTED;
  weir_internal_tcp_remember_failure(self, &operation, result);
  return result;
}

// Whether the loop, not a coroutine, waits in |direction|.
static bool is_background(const weir_tcp_connection *self, weir_internal_direction direction) {
  return self->state == WEIR_INTERNAL_TCP_PENDING &&
         self->descriptor.waiting[direction] == &self->background.operation;
}

static int write_at_once(weir_tcp_connection *self, const struct iovec *buffers, int count) {
  // While the loop watches, the kernel takes nothing.
  if (is_background(self, WEIR_INTERNAL_WRITE)) return -EAGAIN;
  int result = weir_internal_try_to_send(&self->descriptor, buffers, count);
  // Nothing was waited for, so what is to be remembered is the kernel's.
  if (result < 0) remember(self, result);
  return result;
}

static int tcp_write(weir_connection *connection, const struct iovec *buffers, int count,
                     bool wait) {
  weir_tcp_connection *self = tcp_of(connection);
  if (!wait) return write_at_once(self, buffers, count);
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_SEND,
      .descriptor = &self->descriptor,
      .timeout = self->socket_timeout,
      .with.send = {buffers, count},
  };
  int result = weir_internal_await(&operation);
  if (result < 0) weir_internal_tcp_remember_failure(self, &operation, result);
  return result;
}

static void interrupt(weir_connection *connection, weir_internal_direction direction, int reason) {
  weir_tcp_connection *self = tcp_of(connection);
  // Only those who read or write are to be told.
  if (is_background(self, direction)) return;
  weir_internal_descriptor_interrupt(&self->descriptor, direction, reason);
}

static void tcp_interrupt_read(weir_connection *connection, int reason) {
  interrupt(connection, WEIR_INTERNAL_READ, reason);
}

static void tcp_interrupt_write(weir_connection *connection, int reason) {
  interrupt(connection, WEIR_INTERNAL_WRITE, reason);
}

static void tcp_drop_read(weir_connection *connection) {
  weir_internal_tcp_drop_spliced(tcp_of(connection));
}

static void tell_watcher(weir_tcp_connection *self) {
  weir_internal_watcher *watcher = self->watcher;
  self->watcher = NULL;
  watcher->ready(watcher);
}

static int tcp_watch_write(weir_connection *connection, weir_internal_watcher *watcher) {
  weir_tcp_connection *self = tcp_of(connection);
  assert(self->watcher == NULL);
  int result = weir_internal_tcp_background_wait(self, WEIR_INTERNAL_WRITABLE, tell_watcher);
  if (result == 0) self->watcher = watcher;
  return result;
}

static void tcp_unwatch_write(weir_connection *connection) {
  weir_tcp_connection *self = tcp_of(connection);
  if (self->watcher == NULL) return;
  self->watcher = NULL;
  // If a backend has yet to confirm, background.c does without us.
  bool stopped = weir_internal_tcp_background_stop(self);
  (void)stopped;
}

static int tcp_finish_write(weir_connection *connection, bool wait) {
  (void)wait;
  weir_tcp_connection *self = tcp_of(connection);
  // The peer is to get a reset in its place, from the close.
  if (self->reset_on_close && connection->closing != WEIR_INTERNAL_OPEN) return 0;
  const weir_internal_system_calls *calls = calls_of(self);
  int result = calls->shutdown(calls->context, self->descriptor.fd, SHUT_WR);
  if (result != -ENOTCONN) return result;
  // There was a connection, and the peer has broken it.
  return self->failure < 0 ? self->failure : -EPIPE;
}

static void tcp_abort(weir_connection *connection) {
  weir_tcp_connection *self = tcp_of(connection);
  const weir_internal_system_calls *calls = calls_of(self);
  weir_internal_tcp_drop_spliced(self);
  if (self->is_unix) {
    // It knows no reset.
    int ended = calls->shutdown(calls->context, self->descriptor.fd, SHUT_RDWR);
    (void)ended;
    return;
  }
  // Dissolving the association makes Linux drop all output and send a reset at once, while the file
  // descriptor stays ours until the close.
  const struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  int result = calls->connect(calls->context, self->descriptor.fd, &nobody, sizeof nobody);
  if (result == 0) return;
  // The next best is a reset at the close. An end of stream would come at once, but would make what
  // the peer got look complete.
  const struct linger reset_at_close = {.l_onoff = 1, .l_linger = 0};
  result = calls->set_option(calls->context, self->descriptor.fd, SOL_SOCKET, SO_LINGER,
                             &reset_at_close, sizeof reset_at_close);
  if (result == 0) return;
  result = calls->shutdown(calls->context, self->descriptor.fd, SHUT_RDWR);
  // It fails only when there is no connection any more, which is what was wanted.
  (void)result;
}

static void destroy(weir_tcp_connection *self) {
  weir_internal_tcp_drop_spliced(self);
  weir_internal_descriptor_close(&self->descriptor);
  size_t size = sizeof *self;
  if (self->is_unix) size += TWO_TEXTS;
  if (self->connection.host != NULL) size += strlen(self->host) + 1;
  weir_internal_release(self, size);
}

static void tcp_release(weir_connection *connection) {
  weir_tcp_connection *self = tcp_of(connection);
  if (weir_internal_tcp_background_stop(self)) {
    destroy(self);
  } else {
    self->then = destroy;
  }
}

static const weir_internal_transport tcp_transport = {
    .read = tcp_read,
    .write = tcp_write,
    .interrupt_read = tcp_interrupt_read,
    .interrupt_write = tcp_interrupt_write,
    .watch_write = tcp_watch_write,
    .unwatch_write = tcp_unwatch_write,
    .finish_write = tcp_finish_write,
    .linger = weir_internal_tcp_linger,
    .abort = tcp_abort,
    .drop_read = tcp_drop_read,
    .copy_to = weir_internal_tcp_copy_to,
    .release = tcp_release,
};

static weir_tcp_connection *allocate(size_t more) {
  weir_tcp_connection *self = weir_internal_allocate(sizeof *self + more);
  if (self == NULL) return NULL;
  self->descriptor.fd = -1;
  return self;
}

weir_tcp_connection *weir_internal_tcp_connection_allocate_unix(void) {
  weir_tcp_connection *self = allocate(TWO_TEXTS);
  if (self != NULL) self->is_unix = true;
  return self;
}

weir_tcp_connection *weir_internal_tcp_connection_allocate(const char *host) {
  size_t host_size = host == NULL ? 0 : strlen(host) + 1;
  weir_tcp_connection *self = allocate(host_size);
  if (self == NULL) return NULL;
  if (host_size > 0) {
    memcpy(self->host, host, host_size);
    self->connection.host = self->host;
  }
  return self;
}

void weir_internal_tcp_connection_discard(weir_tcp_connection *self) { destroy(self); }

// An IPv4 client of a listener for both is shown as what it is, not as ::ffff:192.0.2.1.
static void format(const weir_address *address, char *out) {
  const struct sockaddr_in6 *ipv6 = &address->socket.ipv6;
  if (address->socket.any.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ipv6->sin6_addr)) {
    weir_address_format(address, out);
    return;
  }
  weir_address mapped = {.size = sizeof mapped.socket.ipv4};
  mapped.socket.ipv4.sin_family = AF_INET;
  mapped.socket.ipv4.sin_port = ipv6->sin6_port;
  memcpy(&mapped.socket.ipv4.sin_addr, &ipv6->sin6_addr.s6_addr[12], sizeof(struct in_addr));
  weir_address_format(&mapped, out);
}

weir_connection *weir_internal_tcp_connection_ready(weir_tcp_connection *self,
                                                    const weir_tcp_options *options,
                                                    const weir_address *local,
                                                    const weir_address *remote) {
  weir_connection *connection = &self->connection;
  const char *host = connection->host;
  weir_internal_connection_init(connection, &tcp_transport);
  connection->host = host;
  char *local_text = self->is_unix ? self->host : self->local;
  char *remote_text = self->is_unix ? self->host + WEIR_ADDRESS_TEXT_SIZE : self->remote;
  format(local, local_text);
  format(remote, remote_text);
  connection->local_address = local_text;
  connection->remote_address = remote_text;
  self->socket_timeout = options->socket_timeout;
  if (options->reset_on_close && !self->is_unix) {
    self->reset_on_close = true;
    connection->close_timeout = 0;
  } else if (options->close_timeout != 0)
    connection->close_timeout = options->close_timeout;
  int result = weir_read_channel_configure(&connection->reader, &options->read);
  assert(result == 0);
  result = weir_write_channel_configure(&connection->writer, &options->write);
  assert(result == 0);
  (void)result;
  return connection;
}
