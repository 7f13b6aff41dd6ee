// SPDX-License-Identifier: Apache-2.0

#include "testing/udp_pair.h"

#include <gtest/gtest.h>

namespace weir_testing {

weir_udp_builder Udp() { return weir_udp(weir_current_selector()); }

weir_udp_socket *BindLike(const weir_address &place, weir_udp_builder udp) {
  weir_udp_socket *socket = nullptr;
  EXPECT_EQ(0, weir_udp_bind_address(udp, &socket, &place));
  return socket;
}

weir_udp_socket *ConnectTo(const weir_udp_socket *peer, weir_udp_builder udp) {
  weir_udp_socket *socket = nullptr;
  weir_address address = AddressOf(peer);
  EXPECT_EQ(0, weir_udp_connect_address(udp, &socket, &address));
  return socket;
}

weir_address AddressOf(const weir_udp_socket *socket) {
  weir_address address = {};
  const char *text = weir_udp_local_address(socket);
  EXPECT_EQ(0, weir_address_from_text(&address, text)) << text;
  return address;
}

int Send(weir_udp_socket *socket, std::string_view data, const weir_address *to) {
  return weir_udp_send(socket, weir_bytes_of(data.data(), data.size()), to);
}

int SendTo(weir_udp_socket *socket, const weir_udp_socket *to, std::string_view data) {
  weir_address address = AddressOf(to);
  return Send(socket, data, &address);
}

Received Receive(weir_udp_socket *socket, size_t capacity) {
  Received received;
  received.data.resize(capacity);
  weir_datagram datagram = {};
  datagram.data = received.data.data();
  datagram.capacity = capacity;
  received.result = weir_udp_receive(socket, &datagram);
  received.data.resize(received.result == 0 ? datagram.size : 0);
  received.truncated = datagram.truncated;
  received.address = datagram.address;
  return received;
}

}  // namespace weir_testing
