// SPDX-License-Identifier: Apache-2.0
//
// Datagram sockets for tests, in one line each. All are for coroutines, and expect success.

#ifndef WEIR_TESTING_UDP_PAIR_H
#define WEIR_TESTING_UDP_PAIR_H

#include <string>
#include <string_view>

#include "weir/udp.h"

namespace weir_testing {

// A builder for the current selector.
weir_udp_builder Udp();

// A socket bound to a free address like |place|, or connected to |peer|; nullptr if that failed.
weir_udp_socket *BindLike(const weir_address &place, weir_udp_builder udp = Udp());
weir_udp_socket *ConnectTo(const weir_udp_socket *peer, weir_udp_builder udp = Udp());

// The address of |socket|, parsed from its text.
weir_address AddressOf(const weir_udp_socket *socket);

// Sends |data|; to where the socket is connected to without |to|.
int Send(weir_udp_socket *socket, std::string_view data, const weir_address *to = nullptr);
int SendTo(weir_udp_socket *socket, const weir_udp_socket *to, std::string_view data);

// What came: the result, and of 0 the datagram.
struct Received {
  int result = 0;
  std::string data;
  bool truncated = false;
  weir_address address = {};
};
Received Receive(weir_udp_socket *socket, size_t capacity = 65536);

}  // namespace weir_testing

#endif  // WEIR_TESTING_UDP_PAIR_H
