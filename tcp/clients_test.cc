// SPDX-License-Identifier: Apache-2.0
//
// An echo server of lines and its clients: many, stubborn and dying ones.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coroutine/internal/loop.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchCoroutine;
using weir_testing::OpenDescriptorCount;
using weir_testing::RawSocket;

size_t CoroutineCount() { return weir_internal_loop_coroutine_count(weir_internal_current_loop()); }

// Serves until the listener is closed. Each client gets back its lines.
class EchoServer {
 public:
  void Start(int backlog) {
    weir_tcp_builder tcp = weir_tcp(weir_current_selector());
    tcp.options.backlog = backlog;
    EXPECT_EQ(0, weir_tcp_bind(tcp, &listener_, "127.0.0.1", 0));
    ExpectLaunch([this] { return Serve(); });
  }
  void Stop() { EXPECT_EQ(0, weir_listener_close(listener_)); }
  uint16_t port() const { return weir_listener_port(listener_); }
  int served() const { return served_; }

 private:
  int Serve() {
    weir_connection *client = nullptr;
    int result;
    while ((result = weir_accept(listener_, &client)) == 0) {
      result = LaunchCoroutine([this, client] {
        EchoLines(client);
        // How it ended is the client's affair.
        weir_connection_close(client);
        served_++;
        return 0;
      });
      EXPECT_EQ(0, result);
    }
    EXPECT_EQ(WEIR_E_CLOSED, result);
    return weir_scope_wait(nullptr);
  }

  static void EchoLines(weir_connection *client) {
    weir_read_channel *input = weir_open_read_channel(client);
    weir_write_channel *output = weir_open_write_channel(client, true);
    weir_bytes line;
    while (weir_read_utf8_line(input, &line) == 0) {
      if (weir_write_line(output, line) < 0) return;
    }
  }

  weir_listener *listener_ = nullptr;
  int served_ = 0;
};

class Clients : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    // Two descriptors for each client: many shells allow only 1,024.
    rlimit limit = {};
    ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
    LeakCheckedTest::SetUp();
  }
};

// Many clients

std::string Line(int client, int number) {
  std::string line = "client " + std::to_string(client) + " line " + std::to_string(number) + " ";
  line.append(static_cast<size_t>((client * 7 + number * 13) % 60), "abcxyz"[number % 6]);
  // A character of several bytes, which some piece cuts in two.
  return number % 3 == 0 ? line + "\xe2\x82\xac" : line;
}

// Sends |count| lines in odd pieces, then reads them back.
int TalkToServer(uint16_t port, int client, int count) {
  weir_connection *connection = nullptr;
  int result = weir_tcp_connect(weir_tcp(weir_current_selector()), &connection, "127.0.0.1", port);
  EXPECT_EQ(0, result);
  if (result < 0) return result;
  std::string all;
  for (int i = 0; i < count; i++) all += Line(client, i) + (i % 2 == 0 ? "\n" : "\r\n");
  weir_write_channel *output = weir_open_write_channel(connection, false);
  const size_t pieces[] = {1, 117, 2, 61, 3, 231, 5, 97, 7, 53, 11, 330, 13};
  std::string_view rest = all;
  for (size_t i = static_cast<size_t>(client); !rest.empty(); i++) {
    std::string_view piece = rest.substr(0, pieces[i % std::size(pieces)]);
    rest.remove_prefix(piece.size());
    EXPECT_EQ(0, weir_write_fully(output, piece.data(), piece.size(), nullptr));
    EXPECT_EQ(0, weir_flush(output));
    // The others come in between.
    EXPECT_EQ(0, weir_yield());
  }
  EXPECT_EQ(0, weir_write_channel_close(output));
  weir_read_channel *input = weir_open_read_channel(connection);
  weir_bytes line = {};
  for (int i = 0; i < count; i++) {
    EXPECT_EQ(0, weir_read_utf8_line(input, &line));
    EXPECT_EQ(Line(client, i), std::string(line.data, line.size));
  }
  EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_utf8_line(input, &line));
  return weir_connection_close(connection);
}

TEST_F(Clients, AThousandAtOnceGetTheirLines) {
  constexpr int kClients = 1000;
  int ended = 0;
  ExpectRun([&] {
    EchoServer server;
    server.Start(kClients);
    weir_scope *clients = nullptr;
    EXPECT_EQ(0, weir_scope_open(&clients, nullptr));
    for (int client = 0; client < kClients; client++) {
      ExpectLaunch(clients, [&ended, &server, client] {
        int result = TalkToServer(server.port(), client, 100);
        ended++;
        return result;
      });
    }
    EXPECT_EQ(0, weir_scope_wait(clients));
    EXPECT_EQ(0, weir_scope_close(clients));
    server.Stop();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(kClients, server.served());
    EXPECT_EQ(1u, CoroutineCount());
    return 0;
  });
  EXPECT_EQ(kClients, ended);
}

// A client that never reads

// Sends lines until nobody takes them any more.
void SendUntilStuck(RawSocket *client) {
  std::string lines;
  for (int i = 0; i < 1000; i++) lines += "a line that nobody will ever read\n";
  for (;;) {
    weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
    int result = client->Send(lines);
    weir_timeout_end(timeout);
    if (result == 0) continue;
    EXPECT_EQ(-ETIMEDOUT, result);
    return;
  }
}

TEST_F(Clients, OneThatNeverReadsBlocksOnlyItselfAndCostsItsBuffers) {
  static constexpr long kCapacity = 16 * 1024;
  ExpectRun([this] {
    EchoServer server;
    server.Start(0);
    EXPECT_EQ(0, weir_yield());
    RawSocket stubborn;
    long before = allocator().block_bytes();
    allocator().ResetPeak();
    EXPECT_EQ(0, stubborn.Connect(server.port(), 4096));
    SendUntilStuck(&stubborn);
    // The stack comes on top of it: one page, as for every client.
    EXPECT_LE(allocator().peak_block_bytes() - before, 2 * kCapacity + 8 * 1024);
    EXPECT_GT(allocator().block_bytes() - before, kCapacity) << "it is not stuck";
    // Others are served as ever.
    for (int client = 0; client < 10; client++) {
      EXPECT_EQ(0, TalkToServer(server.port(), client, 100));
    }
    EXPECT_EQ(10, server.served());
    stubborn.Close();
    server.Stop();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(11, server.served());
    return 0;
  });
}

// Dying clients

// Waits until no other coroutine is left but |count|.
void WaitForCoroutines(size_t count) {
  weir_timeout timeout = weir_timeout_begin(20 * WEIR_SECOND);
  while (CoroutineCount() > count && weir_delay(WEIR_MILLISECOND) == 0) continue;
  EXPECT_FALSE(weir_timeout_end(timeout));
  EXPECT_EQ(count, CoroutineCount());
}

TEST_F(Clients, ThoseKilledInTheMiddleOfALineLeaveNothing) {
  ExpectRun([] {
    EchoServer server;
    server.Start(0);
    EXPECT_EQ(0, weir_yield());
    const int descriptors = OpenDescriptorCount();
    const size_t coroutines = CoroutineCount();
    constexpr int kClients = 90;
    std::vector<RawSocket> clients(kClients);
    for (RawSocket &client : clients) {
      EXPECT_EQ(0, client.Connect(server.port()));
      EXPECT_EQ(0, client.Send("a whole line\nand half a li"));
      std::string echo;
      EXPECT_EQ(0, client.Receive(&echo, strlen("a whole line\r\n")));
    }
    EXPECT_EQ(coroutines + kClients, CoroutineCount());
    for (size_t i = 0; i < clients.size(); i++) {
      switch (i % 3) {
        case 0:
          clients[i].Reset();
          break;
        case 1:
          clients[i].Close();
          break;
        case 2:
          EXPECT_EQ(0, clients[i].FinishWriting());
          clients[i].Reset();
          break;
      }
    }
    WaitForCoroutines(coroutines);
    EXPECT_EQ(descriptors, OpenDescriptorCount());
    EXPECT_EQ(kClients, server.served());
    server.Stop();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(1u, CoroutineCount());
    return 0;
  });
}

TEST_F(Clients, ACancelledServerLeavesNothing) {
  ExpectRun([] {
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, "127.0.0.1", 0));
    const int descriptors = OpenDescriptorCount();
    constexpr int kClients = 20;
    std::vector<RawSocket> clients(kClients);
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    for (RawSocket &client : clients) {
      EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
      EXPECT_EQ(0, client.Send("half a li"));
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_accept(listener, &connection));
      ExpectLaunch(scope, [connection] {
        weir_bytes line;
        EXPECT_EQ(-ECANCELED, weir_read_line(weir_open_read_channel(connection), &line));
        return weir_connection_close(connection);
      });
    }
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_scope_close(scope));
    EXPECT_EQ(1u, CoroutineCount());
    // Each was told the end of the stream; when they end theirs, the loop closes the rest.
    for (RawSocket &client : clients) {
      std::string received;
      EXPECT_EQ(0, client.ReceiveAll(&received));
      client.Close();
    }
    weir_timeout timeout = weir_timeout_begin(20 * WEIR_SECOND);
    while (OpenDescriptorCount() > descriptors && weir_delay(WEIR_MILLISECOND) == 0) continue;
    EXPECT_FALSE(weir_timeout_end(timeout));
    return weir_listener_close(listener);
  });
}

}  // namespace
