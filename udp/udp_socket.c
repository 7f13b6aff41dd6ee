// SPDX-License-Identifier: Apache-2.0

#include "udp/internal/udp_socket.h"

#include "base/internal/memory.h"

const char *weir_udp_local_address(const weir_udp_socket *socket) { return socket->local_text; }

const char *weir_udp_remote_address(const weir_udp_socket *socket) { return socket->remote_text; }

uint16_t weir_udp_port(const weir_udp_socket *socket) { return weir_address_port(&socket->local); }

void weir_internal_udp_unmap(weir_address *address) {
  if (address->size < sizeof address->socket.ipv6) return;
  const struct sockaddr_in6 ipv6 = address->socket.ipv6;
  if (ipv6.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) return;
  memset(address, 0, sizeof *address);
  address->size = sizeof address->socket.ipv4;
  address->socket.ipv4.sin_family = AF_INET;
  address->socket.ipv4.sin_port = ipv6.sin6_port;
  memcpy(&address->socket.ipv4.sin_addr, &ipv6.sin6_addr.s6_addr[12], sizeof(struct in_addr));
}

// Makes sure that |socket| belongs to the loop of this thread, which its first operation decides.
static int check_loop(weir_udp_socket *socket) {
  weir_internal_loop *here = weir_internal_current_loop();
  weir_internal_loop *loop = __atomic_load_n(&socket->loop, __ATOMIC_ACQUIRE);
  if (loop != NULL && loop == here) return 0;
  if (weir_current_selector() == NULL) return -EINVAL;
  if (weir_current_selector() != socket->selector) return -EXDEV;
  bool first = loop == NULL && __atomic_compare_exchange_n(&socket->loop, &loop, here, false,
                                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  return first ? 0 : -EXDEV;
}

int weir_internal_udp_enter(weir_udp_socket *socket) {
  if (socket == NULL) return -EINVAL;
  int result = check_loop(socket);
  if (result < 0) return result;
  // From here on the socket cannot go away: weir_internal_enter may let its owner run.
  socket->inside++;
  result = weir_internal_enter(socket->loop);
  if (result == 0 && socket->closing) result = WEIR_E_CLOSED;
  if (result < 0) weir_internal_udp_leave(socket);
  return result;
}

void weir_internal_udp_leave(weir_udp_socket *socket) {
  socket->inside--;
  if (socket->inside == 0 && socket->left != NULL) weir_internal_reply_send(socket->left);
}

int weir_udp_close(weir_udp_socket *socket) {
  if (socket == NULL) return 0;
  int result = check_loop(socket);
  if (result < 0) return result;
  if (socket->closing) return -EALREADY;
  socket->closing = true;
  weir_internal_descriptor_interrupt(&socket->descriptor, WEIR_INTERNAL_READ, WEIR_E_CLOSED);
  weir_internal_descriptor_interrupt(&socket->descriptor, WEIR_INTERNAL_WRITE, WEIR_E_CLOSED);
  weir_internal_wait_queue_wake_all(&socket->senders, WEIR_E_CLOSED);
  weir_internal_wait_queue_wake_all(&socket->room, WEIR_E_CLOSED);
  // The address is free before anybody else runs.
  weir_internal_socket_file_remove(weir_internal_selector_calls(socket->selector),
                                   &socket->local.socket.local, &socket->file);
  weir_internal_descriptor_close(&socket->descriptor);
  if (socket->inside > 0) {
    weir_internal_reply left;
    weir_internal_reply_init(&left);
    socket->left = &left;
    weir_internal_reply_await(&left, "close");
  }
  weir_internal_release(socket, sizeof *socket);
  return 0;
}
