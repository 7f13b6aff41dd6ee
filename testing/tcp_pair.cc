// SPDX-License-Identifier: Apache-2.0

#include "testing/tcp_pair.h"

#include <gtest/gtest.h>

namespace weir_testing {

weir_tcp_builder Tcp() { return weir_tcp(weir_current_selector()); }

weir_listener *Bind(const char *host, uint16_t port, weir_tcp_builder tcp) {
  weir_listener *listener = nullptr;
  EXPECT_EQ(0, weir_tcp_bind(tcp, &listener, host, port));
  return listener;
}

weir_listener *Bind(const char *host, uint16_t port) { return Bind(host, port, Tcp()); }

weir_listener *Listen(const weir_address &place, weir_tcp_builder tcp) {
  weir_listener *listener = nullptr;
  EXPECT_EQ(0, weir_tcp_bind_address(tcp, &listener, &place));
  return listener;
}

weir_address AddressOf(const weir_listener *listener) {
  weir_address address = {};
  EXPECT_EQ(0, weir_address_from_text(&address, weir_listener_address(listener)));
  return address;
}

weir_connection *Connect(const weir_listener *listener, weir_tcp_builder tcp) {
  weir_connection *connection = nullptr;
  weir_address address = AddressOf(listener);
  EXPECT_EQ(0, weir_tcp_connect_address(tcp, &connection, &address));
  return connection;
}

weir_connection *Accept(weir_listener *listener) {
  weir_connection *connection = nullptr;
  EXPECT_EQ(0, weir_accept(listener, &connection));
  return connection;
}

TcpPair MakeTcpPair() {
  TcpPair pair;
  weir_listener *listener = Bind("127.0.0.1", 0);
  EXPECT_EQ(0, weir_tcp_connect(Tcp(), &pair.far, "127.0.0.1", weir_listener_port(listener)));
  EXPECT_EQ(0, weir_accept(listener, &pair.near));
  EXPECT_EQ(0, weir_listener_close(listener));
  return pair;
}

weir_connection *AcceptRaw(RawSocket *peer, const std::function<void()> &before_accept,
                           int receive_buffer) {
  weir_connection *connection = nullptr;
  weir_listener *listener = Bind("127.0.0.1", 0);
  EXPECT_EQ(0, peer->Connect(weir_listener_port(listener), receive_buffer));
  if (before_accept) before_accept();
  EXPECT_EQ(0, weir_accept(listener, &connection));
  EXPECT_EQ(0, weir_listener_close(listener));
  return connection;
}

weir_read_channel *Input(weir_connection *connection) { return weir_open_read_channel(connection); }

weir_write_channel *Output(weir_connection *connection) {
  return weir_open_write_channel(connection, true);
}

int Write(weir_connection *connection, std::string_view data) {
  return weir_write_fully(Output(connection), data.data(), data.size(), nullptr);
}

int ReadAll(weir_connection *connection, std::string *out) {
  char buffer[10000];
  for (;;) {
    int count = weir_read_available(Input(connection), buffer, sizeof buffer);
    if (count == WEIR_E_END_OF_STREAM) return 0;
    if (count < 0) return count;
    out->append(buffer, static_cast<size_t>(count));
  }
}

std::string Pattern(size_t size) {
  std::string data(size, '\0');
  uint32_t state = 12345;
  for (char &byte : data) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<char>(state >> 24);
  }
  return data;
}

}  // namespace weir_testing
