// SPDX-License-Identifier: Apache-2.0
//
// Every suspension in TCP against all that interrupts it; and those in channels again, over real
// sockets, where the kernel holds what the peer has not read.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/channel_suspensions.h"
#include "testing/lambda_coroutine.h"
#include "testing/raw_socket.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Carrier;
using weir_testing::Input;
using weir_testing::LaunchCoroutineOn;
using weir_testing::PointName;
using weir_testing::RawSocket;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;
using weir_testing::Tcp;

struct Listening {
  weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
  RawSocket client;
  int served = 0;

  void Connect() { EXPECT_EQ(0, client.Connect(weir_listener_port(listener))); }
  void Close() {
    EXPECT_EQ(0, weir_listener_close(listener));
    listener = nullptr;
  }
};

// The listener can still be used.
void ExpectAccepts(Listening *listening) {
  listening->Connect();
  weir_connection *connection = nullptr;
  EXPECT_EQ(0, weir_accept(listening->listener, &connection));
  weir_connection_abort(connection);
  weir_connection_close(connection);
}

Suspension Accept() {
  auto listening = std::make_shared<Listening>();
  Suspension suspension;
  suspension.wait = [listening] {
    weir_connection *connection = nullptr;
    int result = weir_accept(listening->listener, &connection);
    EXPECT_EQ(nullptr, connection);
    return result;
  };
  suspension.go_on = [listening] { ExpectAccepts(listening.get()); };
  suspension.endings.push_back({"close", [listening] { listening->Close(); }, WEIR_E_CLOSED});
  suspension.take_down = [listening] { listening->Close(); };
  return suspension;
}

int HandleClient(weir_connection *connection, void *served) {
  weir_bytes line;
  int result = weir_read_line(Input(connection), &line);
  ++*static_cast<int *>(served);
  weir_connection_set_close_timeout(connection, 0);
  weir_connection_close(connection);
  return result;
}

// One client is being served, who says nothing. A close of the listener waits for him.
Suspension Serve() {
  auto listening = std::make_shared<Listening>();
  listening->Connect();
  Suspension suspension;
  suspension.wait = [listening] {
    int result = weir_tcp_serve(listening->listener, nullptr, HandleClient, &listening->served);
    EXPECT_LE(listening->served, 1);
    return result;
  };
  suspension.go_on = [listening] {
    listening->client.Close();
    // Before it was served it is still in the queue.
    if (listening->served == 0) {
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_accept(listening->listener, &connection));
      weir_connection_close(connection);
    }
    ExpectAccepts(listening.get());
  };
  suspension.endings.push_back({"close",
                                [listening] {
                                  listening->Close();
                                  listening->client.Close();
                                },
                                WEIR_E_CLOSED});
  suspension.take_down = [listening] { listening->Close(); };
  return suspension;
}

// The listener belongs to another loop, which is busy.
Suspension ListenerClose() {
  struct Busy {
    weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
    std::promise<void> begun, end;
  };
  auto busy = std::make_shared<Busy>();
  EXPECT_EQ(0, LaunchCoroutineOn(1, [busy] {
              weir_timeout timeout = weir_timeout_begin(0);
              weir_connection *connection = nullptr;
              EXPECT_EQ(-ETIMEDOUT, weir_accept(busy->listener, &connection));
              weir_timeout_end(timeout);
              busy->begun.set_value();
              return busy->end.get_future().wait(), 0;
            }));
  busy->begun.get_future().wait();
  auto ended = std::make_shared<bool>(false);
  Suspension suspension;
  suspension.wait = [busy] {
    weir_listener *listener = busy->listener;
    busy->listener = nullptr;
    return weir_listener_close(listener);
  };
  suspension.finish = [busy, ended] {
    if (!*ended) busy->end.set_value();
    *ended = true;
  };
  suspension.take_down = [busy, finish = suspension.finish] {
    finish();
    EXPECT_EQ(0, weir_listener_close(busy->listener));
  };
  return suspension;
}

// A listener whose queue is full drops the handshakes of those who connect, so that they wait.
Suspension Connect() {
  struct Crowd {
    RawSocket listener;
    std::vector<RawSocket> clients;
    uint16_t port = 0;
  };
  auto crowd = std::make_shared<Crowd>();
  crowd->port = static_cast<uint16_t>(crowd->listener.Listen(0));
  sockaddr_storage address;
  socklen_t size = sizeof address;
  EXPECT_EQ(0, getsockname(crowd->listener.fd(), reinterpret_cast<sockaddr *>(&address), &size));
  for (int i = 0; i < 3; i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    crowd->clients.emplace_back(fd);
    static_cast<void>(connect(fd, reinterpret_cast<sockaddr *>(&address), size));
  }
  Suspension suspension;
  suspension.wait = [crowd] {
    weir_connection *connection = nullptr;
    int result = weir_tcp_connect(Tcp(), &connection, "127.0.0.1", crowd->port);
    EXPECT_EQ(nullptr, connection);
    return result;
  };
  suspension.take_down = [crowd] {
    crowd->clients.clear();
    crowd->listener.Close();
  };
  return suspension;
}

// Never answers.
weir_resolver SilentResolver() {
  return {[](void *, weir_address *, size_t, const char *, weir_family) {
            return weir_delay(WEIR_FOREVER);
          },
          nullptr};
}

Suspension ConnectByName() {
  Suspension suspension;
  suspension.wait = [] {
    const weir_resolver silent = SilentResolver();
    weir_connection *connection = nullptr;
    weir_tcp_builder tcp = Tcp();
    tcp.options.connect.resolver = &silent;
    int result = weir_tcp_connect(tcp, &connection, "weir.example", 80);
    EXPECT_EQ(nullptr, connection);
    return result;
  };
  return suspension;
}

// The queue of a unix socket is full, and the kernel makes clients wait.
Suspension ConnectToAddress() {
  struct Crowd {
    weir_address address = {};
    weir_listener *listener = nullptr;
    std::vector<weir_connection *> clients;
  };
  auto crowd = std::make_shared<Crowd>();
  EXPECT_EQ(0, weir_address_unix(&crowd->address, weir_testing::FreeUnixName().c_str()));
  weir_tcp_builder tcp = Tcp();
  tcp.options.backlog = 1;
  EXPECT_EQ(0, weir_tcp_bind_address(tcp, &crowd->listener, &crowd->address));
  auto connect = [crowd] {
    weir_connection *client = nullptr;
    int result = weir_tcp_connect_address(Tcp(), &client, &crowd->address);
    if (client != nullptr) crowd->clients.push_back(client);
    return result;
  };
  for (int result = 0; result == 0;) {
    weir_timeout timeout = weir_timeout_begin(1);
    result = connect();
    weir_timeout_end(timeout);
    EXPECT_TRUE(result == 0 || result == -ETIMEDOUT) << result;
  }
  Suspension suspension;
  suspension.wait = connect;
  suspension.go_on = [crowd, connect] {
    weir_connection *accepted = nullptr;
    EXPECT_EQ(0, weir_accept(crowd->listener, &accepted));
    crowd->clients.push_back(accepted);
    EXPECT_EQ(0, connect());
  };
  suspension.take_down = [crowd] {
    for (weir_connection *client : crowd->clients) {
      weir_connection_abort(client);
      weir_connection_close(client);
    }
    EXPECT_EQ(0, weir_listener_close(crowd->listener));
  };
  return suspension;
}

Carrier MakeCarrier() {
  weir_testing::TcpPair pair = weir_testing::MakeTcpPair();
  return {pair.near, pair.far};
}

std::vector<SuspensionPoint> Points() {
  SuspensionPoint close = {"weir_listener_close", "", ListenerClose, "is the close itself"};
  close.loops = 2;
  return {
      close,
      {"weir_accept", "", Accept, ""},
      {"weir_tcp_serve", "", Serve, ""},
      {"weir_tcp_connect", "", Connect, "not to be had before it returns"},
      {"weir_tcp_connect_address", "", ConnectToAddress, "not to be had before it returns"},
      {"weir_tcp_connect", "ByName", ConnectByName, "not to be had before it returns"},
  };
}

INSTANTIATE_TEST_SUITE_P(Tcp, SuspensionMatrix, testing::ValuesIn(Points()), PointName);
INSTANTIATE_TEST_SUITE_P(TcpRead, SuspensionMatrix,
                         testing::ValuesIn(weir_testing::ReadPoints(MakeCarrier)), PointName);
INSTANTIATE_TEST_SUITE_P(TcpWrite, SuspensionMatrix,
                         testing::ValuesIn(weir_testing::WritePoints(MakeCarrier)), PointName);
INSTANTIATE_TEST_SUITE_P(TcpCopy, SuspensionMatrix,
                         testing::ValuesIn(weir_testing::CopyPoints(MakeCarrier)), PointName);

TEST(SuspensionPoints, AreAllThere) {
  const std::set<std::string> not_suspending = {
      "weir_listener_address", "weir_listener_port",    "weir_tcp",
      "weir_tcp_bind",         "weir_tcp_bind_address",
  };
  weir_testing::ExpectComplete({"tcp/tcp.h"}, Points(), not_suspending);
}

}  // namespace
