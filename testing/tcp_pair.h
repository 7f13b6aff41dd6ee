// SPDX-License-Identifier: Apache-2.0
//
// Connected TCP connections for tests, in one line each, and short names for what tests do with
// them most. All are for coroutines, and expect success.

#ifndef WEIR_TESTING_TCP_PAIR_H
#define WEIR_TESTING_TCP_PAIR_H

#include <functional>
#include <string>
#include <string_view>

#include "testing/raw_socket.h"
#include "weir/tcp.h"

namespace weir_testing {

// A builder for the current selector.
weir_tcp_builder Tcp();

// A listener on |host|, NULL if that failed.
weir_listener *Bind(const char *host, uint16_t port, weir_tcp_builder tcp);
weir_listener *Bind(const char *host, uint16_t port);

// The same at an address of any kind.
weir_listener *Listen(const weir_address &place, weir_tcp_builder tcp = Tcp());

// The address of |listener|.
weir_address AddressOf(const weir_listener *listener);

// Connects to |listener|.
weir_connection *Connect(const weir_listener *listener, weir_tcp_builder tcp = Tcp());

// Waits for a client.
weir_connection *Accept(weir_listener *listener);

// Two connections of ours, connected with each other.
struct TcpPair {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
};
TcpPair MakeTcpPair();

// A connection of ours to |peer|. |before_accept| happens before we know of the peer;
// |receive_buffer| is the peer's, 0 for the kernel's default.
weir_connection *AcceptRaw(RawSocket *peer, const std::function<void()> &before_accept = {},
                           int receive_buffer = 0);

// The channels of |connection|.
weir_read_channel *Input(weir_connection *connection);
weir_write_channel *Output(weir_connection *connection);  // with auto-flush

// Returns as weir_write_fully.
int Write(weir_connection *connection, std::string_view data);

// Reads to the end of the stream and appends to |out|. Returns 0, or how the stream ended
// otherwise.
int ReadAll(weir_connection *connection, std::string *out);

// |size| bytes without a pattern that a shift would keep.
std::string Pattern(size_t size);

}  // namespace weir_testing

#endif  // WEIR_TESTING_TCP_PAIR_H
