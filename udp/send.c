// SPDX-License-Identifier: Apache-2.0
//
// Sending. The kernel mostly has room at once. When it has none, one coroutine waits for it in the
// descriptor and all others behind that one, in the order in which they came; but see await_room.

#include "udp/internal/udp_socket.h"

// Whoever had the turn leaves it to the first one who waits, who is told so: nobody comes in
// between.
static int await_turn(weir_udp_socket *socket) {
  if (!socket->sending) {
    socket->sending = true;
    return 0;
  }
  int64_t until = WEIR_FOREVER;
  if (socket->socket_timeout > 0) until = weir_now() + socket->socket_timeout;
  int result = weir_internal_wait_queue_wait_for(&socket->senders, until, "write");
  return socket->closing ? WEIR_E_CLOSED : result;
}

static void end_turn(weir_udp_socket *socket) {
  socket->sending = weir_internal_wait_queue_wake_one(&socket->senders, 0);
}

// When a unix socket that is not connected finds the queue of another one full, the kernel does not
// tell it when there is room again, but of each attempt that it can write
// (net/unix/af_unix.c, unix_dgram_poll).
static bool may_miss_room(const weir_udp_socket *socket) {
  return !socket->connected && socket->local.socket.any.sa_family == AF_UNIX;
}

// So each of its senders looks again now and then, without turns: the queues of their targets have
// nothing to do with each other.
static int await_room(weir_udp_socket *socket, weir_internal_operation *operation) {
  const int64_t longest_pause = 16 * WEIR_MILLISECOND;
  int64_t patience = socket->socket_timeout;
  int64_t until = patience > 0 ? weir_now() + patience : WEIR_FOREVER;
  for (int64_t pause = WEIR_MILLISECOND;;) {
    socket->descriptor.ready[WEIR_INTERNAL_WRITE] = true;
    int result = weir_internal_try(operation);
    if (result != -EAGAIN) return result;
    int64_t now = weir_now();
    if (now >= until) return -ETIME;
    int64_t next = pause < until - now ? now + pause : until;
    result = weir_internal_wait_queue_wait_for(&socket->room, next, "write");
    // The pause may have ended at the very moment of the close.
    if (socket->closing) return WEIR_E_CLOSED;
    if (result != -ETIME) return result;
    if (pause < longest_pause) pause *= 2;
  }
}

// When the peer of a unix socket has closed, the kernel dissolves the connection at the next send;
// but somebody else may have taken the peer's address since.
static int await_sent_again(weir_udp_socket *socket, weir_internal_operation *operation) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(socket->selector);
  int result = calls->connect(calls->context, socket->descriptor.fd, &socket->remote.socket.any,
                              socket->remote.size);
  return result < 0 ? result : weir_internal_await(operation);
}

static int await_sent(weir_udp_socket *socket, weir_internal_operation *operation) {
  operation->descriptor = &socket->descriptor;
  operation->timeout = socket->socket_timeout;
  if (may_miss_room(socket)) return await_room(socket, operation);
  int result = await_turn(socket);
  if (result < 0) return result;
  result = weir_internal_await(operation);
  if (result == -ENOTCONN && socket->connected) result = await_sent_again(socket, operation);
  end_turn(socket);
  return result;
}

// Whether |address| is one to which the socket may send. A connected one names none to the kernel,
// which would send elsewhere, too.
static int check_address(const weir_udp_socket *socket, const weir_address *address) {
  bool given = address != NULL && address->size > 0;
  if (!socket->connected) return given ? 0 : -EDESTADDRREQ;
  return !given || weir_address_equal(address, &socket->remote) ? 0 : -EISCONN;
}

static int send_one(weir_udp_socket *socket, weir_bytes data, const weir_address *address) {
  int result = check_address(socket, address);
  if (result < 0) return result;
  // Nothing is written through these pointers.
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_SEND_TO,
      .with.datagram = {.data = (void *)(uintptr_t)data.data, .size = data.size},
  };
  if (!socket->connected) {
    operation.with.datagram.address = (struct sockaddr *)(uintptr_t)&address->socket;
    operation.with.datagram.address_size = (socklen_t *)(uintptr_t)&address->size;
  }
  result = await_sent(socket, &operation);
  return result < 0 ? result : 0;
}

// Returns how many of |count| messages are made, fewer if an address is wrong; or a negative code.
static int make_messages(const weir_udp_socket *socket, struct mmsghdr *messages,
                         struct iovec *buffers, const weir_datagram *datagrams, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const weir_datagram *datagram = &datagrams[i];
    int result = check_address(socket, &datagram->address);
    if (result < 0) return i > 0 ? (int)i : result;
    buffers[i] = (struct iovec){datagram->data, datagram->size};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &buffers[i], .msg_iovlen = 1};
    if (socket->connected) continue;
    messages[i].msg_hdr.msg_name = (void *)(uintptr_t)&datagram->address.socket;
    messages[i].msg_hdr.msg_namelen = datagram->address.size;
  }
  return (int)count;
}

static int send_some(weir_udp_socket *socket, const weir_datagram *datagrams, size_t count) {
  struct mmsghdr messages[WEIR_DATAGRAM_BATCH];
  struct iovec buffers[WEIR_DATAGRAM_BATCH];
  if (count > WEIR_DATAGRAM_BATCH) count = WEIR_DATAGRAM_BATCH;
  int made = make_messages(socket, messages, buffers, datagrams, count);
  if (made < 0) return made;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_SEND_MESSAGES,
      .with.messages = {messages, (unsigned)made},
  };
  return await_sent(socket, &operation);
}

static int send_all(weir_udp_socket *socket, const weir_datagram *datagrams, size_t count) {
  size_t done = 0;
  while (done < count) {
    int result = send_some(socket, datagrams + done, count - done);
    // Whatever was sent, the socket will be gone.
    if (result == WEIR_E_CLOSED) return result;
    if (result < 0) return done > 0 ? (int)done : result;
    done += (size_t)result;
    if (done == count) break;
    // Others may run between the steps, and one of them may close the socket.
    result = weir_internal_enter(socket->loop);
    if (socket->closing) return WEIR_E_CLOSED;
    if (result < 0) break;
  }
  return (int)done;
}

int weir_udp_send(weir_udp_socket *socket, weir_bytes data, const weir_address *address) {
  int result = weir_internal_udp_enter(socket);
  if (result < 0) return result;
  result = send_one(socket, data, address);
  weir_internal_udp_leave(socket);
  return result;
}

int weir_udp_send_batch(weir_udp_socket *socket, const weir_datagram *datagrams, size_t count) {
  if (count > INT32_MAX) return -EINVAL;
  int result = weir_internal_udp_enter(socket);
  if (result < 0) return result;
  result = send_all(socket, datagrams, count);
  weir_internal_udp_leave(socket);
  return result;
}
