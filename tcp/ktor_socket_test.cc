// SPDX-License-Identifier: Apache-2.0
//
// Scenarios that Ktor tests on its sockets and that are nobody else's here: against plain blocking
// peers, and over and over again. docs/ktor-parity.md lists all of them.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "testing/virtual_clock.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Accept;
using weir_testing::Bind;
using weir_testing::Connect;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::FreeUnixName;
using weir_testing::FreeUnixPath;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::Listen;
using weir_testing::Output;
using weir_testing::ReadAll;
using weir_testing::Tcp;
using weir_testing::Write;

std::vector<std::string> Places() {
  return {"127.0.0.1:0", "[::1]:0", "unix:" + FreeUnixPath(), "unix:" + FreeUnixName()};
}

weir_listener *ListenAt(const std::string &place, weir_tcp_builder tcp = Tcp()) {
  weir_address address = {};
  EXPECT_EQ(0, weir_address_from_text(&address, place.c_str()));
  return Listen(address, tcp);
}

void Drop(weir_connection *connection) {
  weir_connection_abort(connection);
  static_cast<void>(weir_connection_close(connection));
}

class KtorSocket : public weir_testing::LeakCheckedTest {};

// TCPSocketTest.testAutoFlush. Its wrapper that counts is a counter here.
TEST_F(KtorSocket, WithAutoFlushBytesArriveWithoutAFlush) {
  ExpectRun([] {
    for (const std::string &place : Places()) {
      weir_listener *listener = ListenAt(place);
      weir_connection *client = Connect(listener);
      weir_connection *server = Accept(listener);
      weir_write_channel *flushed = weir_open_write_channel(server, true);
      EXPECT_EQ(0, weir_write_string(flushed, "hello"));
      char bytes[5];
      EXPECT_EQ(0, weir_read_fully(Input(client), bytes, 5, nullptr));
      EXPECT_EQ(5u, weir_total_bytes_written(flushed));
      weir_write_channel *kept = weir_open_write_channel(client, false);
      EXPECT_EQ(0, weir_write_string(kept, "later"));
      weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
      EXPECT_EQ(-ETIMEDOUT, weir_read_fully(Input(server), bytes, 5, nullptr));
      weir_timeout_end(timeout);
      EXPECT_EQ(0, weir_flush(kept));
      EXPECT_EQ(0, weir_read_fully(Input(server), bytes, 5, nullptr));
      EXPECT_EQ("later", std::string(bytes, 5));
      Drop(client);
      Drop(server);
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

// TCPSocketTest.testAwaitClosedDoesNotDeadLock: a close raced with those who waited for it.
TEST_F(KtorSocket, TwoHundredAndFiftySixClosesEnd) {
  ExpectRun([] {
    for (const std::string &place : Places()) {
      weir_listener *listener = ListenAt(place);
      weir_job *server = LaunchJob([listener] {
        auto handle = [](weir_connection *client, void *) {
          std::string received;
          EXPECT_EQ(0, ReadAll(client, &received));
          return weir_connection_close(client);
        };
        return weir_tcp_serve(listener, nullptr, handle, nullptr);
      });
      weir_timeout timeout = weir_timeout_begin(20 * WEIR_SECOND);
      for (int i = 0; i < 256; i++) {
        weir_connection *client = Connect(listener);
        weir_open_write_channel(client, false);
        EXPECT_EQ(0, weir_connection_close(client));
      }
      EXPECT_FALSE(weir_timeout_end(timeout));
      EXPECT_EQ(0, weir_listener_close(listener));
      EXPECT_EQ(WEIR_E_CLOSED, EndOf(server));
    }
    return 0;
  });
}

// TcpSocketTestNix: with channels open, and something in them, too.
TEST_F(KtorSocket, DescriptorsAreReallyClosed) {
  static std::vector<int> seen;
  auto remember = [](int fd, void *) {
    seen.push_back(fd);
    return 0;
  };
  ExpectRun([&] {
    for (const std::string &place : Places()) {
      weir_tcp_builder tcp = Tcp();
      tcp.options.prepare = remember;
      tcp.options.prepare_accepted = remember;
      weir_listener *listener = ListenAt(place, tcp);
      weir_connection *client = Connect(listener, tcp);
      weir_connection *server = Accept(listener);
      EXPECT_EQ(0, Write(client, "abc"));
      char byte;
      EXPECT_EQ(1, weir_read_available(Input(server), &byte, 1));
      Output(server);
      Input(client);
      EXPECT_EQ(3u, seen.size());
      for (int fd : seen) EXPECT_NE(-1, fcntl(fd, F_GETFD));
      Drop(server);
      Drop(client);
      EXPECT_EQ(0, weir_listener_close(listener));
      for (int fd : seen) {
        EXPECT_EQ(-1, fcntl(fd, F_GETFD));
        EXPECT_EQ(EBADF, errno);
      }
      seen.clear();
    }
    return 0;
  });
}

// StartTimeoutTest: activity re-arms the timer, which means nothing while nobody waits and does not
// outlive the wait. In unix sockets bytes arrive in no time.
TEST_F(KtorSocket, EachByteReadBeginsTheSocketTimeoutAnew) {
  weir_testing::VirtualClock clock;
  int64_t start = 0;
  ExpectRun(clock.options(), [&] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.socket_timeout = 100 * WEIR_MILLISECOND;
    weir_listener *listener = ListenAt("unix:" + FreeUnixName(), tcp);
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    start = clock.now();
    ExpectLaunch([=] {
      for (int round = 0; round < 3; round++) {
        EXPECT_EQ(0, weir_delay(60 * WEIR_MILLISECOND));
        EXPECT_EQ(0, Write(client, "x"));
      }
      return 0;
    });
    char bytes[3];
    EXPECT_EQ(0, weir_read_fully(Input(server), bytes, 3, nullptr));
    EXPECT_EQ(180 * WEIR_MILLISECOND, clock.now() - start);
    EXPECT_EQ(-ETIME, weir_read_available(Input(server), bytes, 1));
    EXPECT_EQ(280 * WEIR_MILLISECOND, clock.now() - start);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_EQ(0, Write(client, "y"));
    EXPECT_EQ(1, weir_read_available(Input(server), bytes, 1));
    weir_job *job = LaunchJob([=] {
      char byte;
      return weir_read_available(Input(server), &byte, 1);
    });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    Drop(client);
    Drop(server);
    return weir_listener_close(listener);
  });
  EXPECT_EQ(1280 * WEIR_MILLISECOND, clock.now() - start);
}

TEST_F(KtorSocket, EachByteWrittenBeginsTheSocketTimeoutAnew) {
  weir_testing::VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.socket_timeout = 100 * WEIR_MILLISECOND;
    weir_listener *listener = ListenAt("unix:" + FreeUnixName(), tcp);
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    const std::string much(4 << 20, 'x');
    weir_job *job = LaunchJob([&, client] {
      std::string some(much.size() / 8, '\0');
      for (int round = 0; round < 8; round++) {
        EXPECT_EQ(0, weir_delay(60 * WEIR_MILLISECOND));
        EXPECT_EQ(0, weir_read_fully(Input(client), some.data(), some.size(), nullptr));
      }
      return 0;
    });
    int64_t start = clock.now();
    EXPECT_EQ(0, Write(server, much));
    EXPECT_LE(400 * WEIR_MILLISECOND, clock.now() - start);
    EXPECT_EQ(0, EndOf(job));
    start = clock.now();
    EXPECT_EQ(-ETIME, Write(server, much));
    EXPECT_EQ(100 * WEIR_MILLISECOND, clock.now() - start);
    Drop(client);
    Drop(server);
    return weir_listener_close(listener);
  });
}

// Peers that block, on threads

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Sends all of |text|.
void SendText(int fd, const std::string &text) {
  EXPECT_EQ(static_cast<ssize_t>(text.size()), send(fd, text.data(), text.size(), MSG_NOSIGNAL));
}

std::string ReceiveAll(int fd) {
  std::string received;
  char bytes[100];
  ssize_t count;
  while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) {
    received.append(bytes, static_cast<size_t>(count));
  }
  EXPECT_EQ(0, count);
  return received;
}

// ClientSocketTest: a server of one client.
class KtorClientSocket : public KtorSocket {
 protected:
  // Connects |client| to a server that does |serve|.
  static void Meet(const std::function<void(int)> &serve,
                   const std::function<void(weir_connection *)> &client) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = Loopback(0);
    auto *generic = reinterpret_cast<sockaddr *>(&address);
    socklen_t size = sizeof address;
    ASSERT_EQ(0, bind(listener, generic, size));
    ASSERT_EQ(0, listen(listener, 1));
    ASSERT_EQ(0, getsockname(listener, generic, &size));
    std::thread server([&] {
      int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
      serve(fd);
      close(fd);
    });
    ExpectRun([&] {
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_tcp_connect(Tcp(), &connection, "127.0.0.1", ntohs(address.sin_port)));
      client(connection);
      return weir_connection_close(connection);
    });
    server.join();
    close(listener);
  }
};

TEST_F(KtorClientSocket, Connects) {
  Meet([](int) {},
       [](weir_connection *connection) {
         std::string received;
         EXPECT_EQ(0, ReadAll(connection, &received));
         EXPECT_EQ("", received);
       });
}

TEST_F(KtorClientSocket, Reads) {
  Meet([](int fd) { SendText(fd, "0123456789"); },
       [](weir_connection *connection) {
         std::string received;
         EXPECT_EQ(0, ReadAll(connection, &received));
         EXPECT_EQ("0123456789", received);
       });
}

TEST_F(KtorClientSocket, Writes) {
  Meet([](int fd) { EXPECT_EQ("0123456789", ReceiveAll(fd)); },
       [](weir_connection *connection) {
         EXPECT_EQ(0, Write(connection, "0123456789"));
         EXPECT_EQ(0, weir_write_channel_close(Output(connection)));
       });
}

// Each part comes when the one before was answered.
TEST_F(KtorClientSocket, ReadsParts) {
  auto serve = [](int fd) {
    for (const char *part : {"01", "2345", "6789\n"}) {
      SendText(fd, part);
      char answer;
      EXPECT_EQ(1, recv(fd, &answer, 1, 0));
    }
  };
  Meet(serve, [](weir_connection *connection) {
    char bytes[10];
    for (size_t size : {2, 4}) {
      EXPECT_EQ(0, weir_read_fully(Input(connection), bytes, size, nullptr));
      EXPECT_EQ(0, Write(connection, "."));
    }
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(Input(connection), &line));
    EXPECT_EQ("6789", std::string(line.data, line.size));
    EXPECT_EQ(0, Write(connection, "."));
  });
}

// ServerSocketTest: a client that blocks.
class KtorServerSocket : public KtorSocket {
 protected:
  static void Meet(const std::function<void(int)> &client,
                   const std::function<void(weir_connection *)> &serve) {
    std::thread visitor;
    ExpectRun([&] {
      weir_listener *listener = Bind("127.0.0.1", 0);
      sockaddr_in address = Loopback(weir_listener_port(listener));
      visitor = std::thread([=] {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(0, connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address));
        client(fd);
        close(fd);
      });
      // The tear-down there: a loop that accepts is cancelled.
      weir_job *job = LaunchJob([=] {
        weir_connection *connection = nullptr;
        int result;
        while ((result = weir_accept(listener, &connection)) == 0) {
          serve(connection);
          EXPECT_EQ(0, weir_connection_close(connection));
          served = true;
        }
        return result;
      });
      while (!served) EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      weir_job_cancel(job);
      EXPECT_EQ(-ECANCELED, EndOf(job));
      return weir_listener_close(listener);
    });
    visitor.join();
  }
  void SetUp() override {
    KtorSocket::SetUp();
    served = false;
  }
  static bool served;
};
bool KtorServerSocket::served;

TEST_F(KtorServerSocket, BindsAndAccepts) {
  Meet([](int) {}, [](weir_connection *) {});
}

// The last line is not ended.
TEST_F(KtorServerSocket, Reads) {
  Meet([](int fd) { SendText(fd, "whole\nand half"); },
       [](weir_connection *connection) {
         weir_bytes line;
         for (const char *text : {"whole", "and half"}) {
           EXPECT_EQ(0, weir_read_utf8_line(Input(connection), &line));
           EXPECT_EQ(text, std::string(line.data, line.size));
         }
         EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_utf8_line(Input(connection), &line));
       });
}

TEST_F(KtorServerSocket, Writes) {
  Meet([](int fd) { EXPECT_EQ("hello", ReceiveAll(fd)); },
       [](weir_connection *connection) {
         EXPECT_EQ(0, weir_write_string(Output(connection), "hello"));
       });
}

}  // namespace
