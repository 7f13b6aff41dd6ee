// SPDX-License-Identifier: Apache-2.0

#include "udp/internal/udp_socket.h"

// A sender without an address of its own, such as a unix socket that was not bound, has a family at
// most.
static void finish_address(const weir_udp_socket *socket, weir_address *address, socklen_t size) {
  if (socket->connected) {
    *address = socket->remote;
    return;
  }
  address->size = size > sizeof address->socket.any.sa_family ? size : 0;
  weir_internal_udp_unmap(address);
}

static void finish(const weir_udp_socket *socket, weir_datagram *datagram, size_t size,
                   socklen_t address_size) {
  datagram->truncated = size > datagram->capacity;
  datagram->size = datagram->truncated ? datagram->capacity : size;
  finish_address(socket, &datagram->address, address_size);
}

static int receive_one(weir_udp_socket *socket, weir_datagram *datagram) {
  socklen_t address_size = sizeof datagram->address.socket;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_RECEIVE_FROM,
      .descriptor = &socket->descriptor,
      .timeout = socket->socket_timeout,
      .with.datagram = {.data = datagram->data, .size = datagram->capacity},
  };
  if (!socket->connected) {
    operation.with.datagram.address = &datagram->address.socket.any;
    operation.with.datagram.address_size = &address_size;
  }
  int result = weir_internal_await(&operation);
  if (result < 0) return result;
  finish(socket, datagram, (size_t)result, address_size);
  return 0;
}

static int receive_some(weir_udp_socket *socket, weir_datagram *datagrams, size_t count) {
  struct mmsghdr messages[WEIR_DATAGRAM_BATCH];
  struct iovec buffers[WEIR_DATAGRAM_BATCH];
  if (count > WEIR_DATAGRAM_BATCH) count = WEIR_DATAGRAM_BATCH;
  for (size_t i = 0; i < count; i++) {
    weir_datagram *datagram = &datagrams[i];
    buffers[i] = (struct iovec){datagram->data, datagram->capacity};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &buffers[i], .msg_iovlen = 1};
    if (socket->connected) continue;
    messages[i].msg_hdr.msg_name = &datagram->address.socket;
    messages[i].msg_hdr.msg_namelen = sizeof datagram->address.socket;
  }
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_RECEIVE_MESSAGES,
      .descriptor = &socket->descriptor,
      .timeout = socket->socket_timeout,
      .with.messages = {messages, (unsigned)count},
  };
  int result = weir_internal_await(&operation);
  for (int i = 0; i < result; i++) {
    const struct msghdr *header = &messages[i].msg_hdr;
    finish(socket, &datagrams[i], messages[i].msg_len, header->msg_namelen);
    datagrams[i].truncated = (header->msg_flags & MSG_TRUNC) != 0;
  }
  return result;
}

static int enter(weir_udp_socket *socket) {
  int result = weir_internal_udp_enter(socket);
  if (result < 0) return result;
  if (socket->receiving) {
    weir_internal_udp_leave(socket);
    return -EBUSY;
  }
  socket->receiving = true;
  return 0;
}

static int leave(weir_udp_socket *socket, int result) {
  socket->receiving = false;
  weir_internal_udp_leave(socket);
  return result;
}

int weir_udp_receive(weir_udp_socket *socket, weir_datagram *datagram) {
  int result = enter(socket);
  return result < 0 ? result : leave(socket, receive_one(socket, datagram));
}

int weir_udp_receive_batch(weir_udp_socket *socket, weir_datagram *datagrams, size_t count) {
  if (count == 0) return -EINVAL;
  int result = enter(socket);
  return result < 0 ? result : leave(socket, receive_some(socket, datagrams, count));
}
