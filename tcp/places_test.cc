// SPDX-License-Identifier: Apache-2.0
//
// One list of scenarios, those of Ktor's TCPSocketTest and others, over each kind of address.

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "testing/virtual_clock.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Accept;
using weir_testing::AddressOf;
using weir_testing::Connect;
using weir_testing::EndOf;
using weir_testing::Exists;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::FreeUnixName;
using weir_testing::FreeUnixPath;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::LeaveBehind;
using weir_testing::Listen;
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::ReadAll;
using weir_testing::Tcp;
using weir_testing::UnixAddress;
using weir_testing::Write;

struct Kind {
  const char *name;
  weir_address (*place)();  // a free one, each time
};

weir_address Ip(const char *host) {
  weir_address place = {};
  EXPECT_EQ(0, weir_address_parse(&place, host, 0));
  return place;
}

class Places : public weir_testing::LeakCheckedTest, public ::testing::WithParamInterface<Kind> {
 protected:
  static weir_listener *Bind(weir_tcp_builder tcp = Tcp()) {
    return Listen(GetParam().place(), tcp);
  }
};

// The handler of examples/echo_server.c, as it is there but for the printing.
int Serve(void *argument) {
  auto *client = static_cast<weir_connection *>(argument);
  weir_read_channel *input = weir_open_read_channel(client);
  weir_write_channel *output = weir_open_write_channel(client, true);
  weir_bytes line;
  while (weir_read_utf8_line(input, &line) == 0) {
    if (weir_write_line(output, line) < 0) break;
  }
  return weir_connection_close(client);
}

TEST_P(Places, TheEchoHandlerServesAll) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_connection *client = Connect(listener);
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, Serve, Accept(listener)));
    for (const char *text : {"hello", "", "Grüße"}) {
      EXPECT_EQ(0, weir_write_line(Output(client), weir_text(text)));
      weir_bytes line;
      EXPECT_EQ(0, weir_read_utf8_line(Input(client), &line));
      EXPECT_EQ(text, std::string(line.data, line.size));
    }
    EXPECT_EQ(0, weir_connection_close(client));
    return weir_listener_close(listener);
  });
}

// Ktor: testEchoByteArray.
TEST_P(Places, EverySizeComesBack) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    for (size_t size : {0, 1, 4095, 4096, 4097, 40960, 41280, 8 << 20}) {
      weir_connection *client = Connect(listener);
      weir_connection *server = Accept(listener);
      ExpectLaunch([=] {
        EXPECT_EQ(0, weir_copy_and_close(Input(server), Output(server), nullptr, nullptr));
        return weir_connection_close(server);
      });
      const std::string data = Pattern(size);
      ExpectLaunch([=] {
        EXPECT_EQ(0, Write(client, data));
        return weir_write_channel_close(Output(client));
      });
      std::string back;
      EXPECT_EQ(0, ReadAll(client, &back));
      EXPECT_TRUE(back == data);
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(0, weir_connection_close(client));
    }
    return weir_listener_close(listener);
  });
}

TEST_P(Places, AddressesOfBothEnds) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    EXPECT_STREQ(weir_listener_address(listener), weir_remote_address(client));
    EXPECT_STREQ(weir_listener_address(listener), weir_local_address(server));
    EXPECT_STREQ(weir_local_address(client), weir_remote_address(server));
    weir_connection_set_close_timeout(server, 0);
    EXPECT_EQ(0, weir_connection_close(server));
    // Cached: they stay when the peer has gone.
    EXPECT_STREQ(weir_listener_address(listener), weir_remote_address(client));
    EXPECT_EQ(0, weir_connection_close(client));
    return weir_listener_close(listener);
  });
}

// Ktor: testDisconnect.
TEST_P(Places, AReaderSeesThePeerClose) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    weir_job *job = LaunchJob([=] {
      char byte;
      int result = weir_read_available(Input(server), &byte, 1);
      EXPECT_EQ(0, weir_connection_close(server));
      return result;
    });
    EXPECT_EQ(0, weir_connection_close(client));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, EndOf(job));
    return weir_listener_close(listener);
  });
}

// Ktor: testAcceptErrorOnSocketClose.
TEST_P(Places, ClosingTheListenerEndsTheAccept) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_job *job = LaunchJob([=] {
      weir_connection *connection;
      return weir_accept(listener, &connection);
    });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_listener_close(listener));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(job));
    return 0;
  });
}

// Ktor: testConnectToNonExistingSocket, testBindMultipleTimes.
TEST_P(Places, TheSamePlaceAgainAndAgain) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_address place = AddressOf(listener);
    weir_listener *second = nullptr;
    EXPECT_EQ(-EADDRINUSE, weir_tcp_bind_address(Tcp(), &second, &place));
    EXPECT_EQ(nullptr, second);
    for (int i = 0; i < 10; i++) {
      EXPECT_EQ(0, weir_listener_close(listener));
      weir_connection *nobody = nullptr;
      int result = weir_tcp_connect_address(Tcp(), &nobody, &place);
      EXPECT_TRUE(result == -ECONNREFUSED || result == -ENOENT) << weir_error_name(result);
      EXPECT_EQ(nullptr, nobody);
      listener = Listen(place);
    }
    return weir_listener_close(listener);
  });
}

TEST_P(Places, AnAbortEndsBothSides) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    weir_job *job = LaunchJob([=] {
      char byte;
      return weir_read_available(Input(client), &byte, 1);
    });
    EXPECT_EQ(0, weir_yield());
    weir_connection_abort(client);
    EXPECT_EQ(-ECONNABORTED, EndOf(job));
    char byte;
    // A unix socket knows no reset.
    int result = weir_read_available(Input(server), &byte, 1);
    EXPECT_TRUE(result == -ECONNRESET || result == WEIR_E_END_OF_STREAM);
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(client));
    static_cast<void>(weir_connection_close(server));
    return weir_listener_close(listener);
  });
}

TEST_P(Places, TheSocketTimeoutOfBothDirections) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.socket_timeout = 5 * WEIR_MILLISECOND;
    weir_listener *listener = Bind(tcp);
    weir_connection *client = Connect(listener);
    weir_connection *server = Accept(listener);
    weir_bytes line;
    // Reading, for the accepted connection has the listener's options: nothing is lost by it.
    EXPECT_EQ(0, Write(client, "half a "));
    EXPECT_EQ(-ETIME, weir_read_utf8_line(Input(server), &line));
    EXPECT_EQ(0, Write(client, "line\n"));
    EXPECT_EQ(0, weir_read_utf8_line(Input(server), &line));
    EXPECT_EQ("half a line", std::string(line.data, line.size));
    // Writing, until the peer's buffers are full.
    const std::string much = Pattern(16 << 20);
    size_t done = 0;
    EXPECT_EQ(-ETIME, weir_write_fully(Output(server), much.data(), much.size(), &done));
    EXPECT_LT(done, much.size());
    // An outer deadline is another thing.
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_read_utf8_line(Input(server), &line));
    EXPECT_TRUE(weir_timeout_end(timeout));
    std::string received;
    ExpectLaunch([&] {
      // However often it passes.
      int result = -ETIME;
      while (result == -ETIME) {
        size_t more = 0;
        result = weir_write_fully(Output(server), much.data() + done, much.size() - done, &more);
        done += more;
      }
      EXPECT_EQ(0, result);
      return weir_connection_close(server);
    });
    EXPECT_EQ(0, ReadAll(client, &received));
    EXPECT_TRUE(received == much);
    EXPECT_EQ(0, weir_connection_close(client));
    return weir_listener_close(listener);
  });
}

TEST_P(Places, ACopyHasTheSocketTimeoutToo) {
  ExpectRun([] {
    weir_listener *listener = Bind();
    weir_tcp_builder tcp = Tcp();
    tcp.options.socket_timeout = 2 * WEIR_MILLISECOND;
    weir_connection *source = Connect(listener, tcp);
    weir_connection *feeder = Accept(listener);
    weir_connection *target = Connect(listener, tcp);
    weir_connection *sink = Accept(listener);
    ExpectLaunch([=] { return Write(feeder, Pattern(200000)); });
    ExpectLaunch([=] {
      std::string received;
      EXPECT_EQ(0, ReadAll(sink, &received));
      EXPECT_TRUE(received == Pattern(200000));
      return weir_connection_close(sink);
    });
    EXPECT_EQ(-ETIME, weir_copy(Input(source), Output(target), nullptr, nullptr));
    EXPECT_EQ(0, weir_connection_close(target));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    ExpectLaunch([=] { return weir_connection_close(feeder); });
    EXPECT_EQ(0, weir_connection_close(source));
    return weir_listener_close(listener);
  });
}

TEST_P(Places, BuffersOfBothEnds) {
  ExpectRun([] {
    static int fd;
    weir_tcp_builder tcp = Tcp();
    tcp.options.send_buffer = 30000;
    tcp.options.receive_buffer = 40000;
    tcp.options.prepare = [](int given, void *) {
      fd = given;
      return 0;
    };
    weir_listener *listener = Bind(tcp);
    fd = -1;
    weir_connection *client = Connect(listener, tcp);
    const int connected = fd;
    weir_connection *server = Accept(listener);
    // Descriptors are given in order, and nobody else takes any here.
    for (int each : {connected, connected + 1}) {
      int size = 0;
      socklen_t length = sizeof size;
      EXPECT_EQ(0, getsockopt(each, SOL_SOCKET, SO_SNDBUF, &size, &length));
      EXPECT_EQ(60000, size);  // the kernel doubles it (socket(7))
      if (AddressOf(listener).socket.any.sa_family == AF_UNIX) continue;
      EXPECT_EQ(0, getsockopt(each, SOL_SOCKET, SO_RCVBUF, &size, &length));
      EXPECT_EQ(80000, size);
    }
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, Serve, server));
    EXPECT_EQ(0, weir_connection_close(client));
    return weir_listener_close(listener);
  });
}

const Kind kKinds[] = {
    {"Ipv4", [] { return Ip("127.0.0.1"); }},
    {"Ipv6", [] { return Ip("::1"); }},
    {"UnixPath", [] { return UnixAddress(FreeUnixPath()); }},
    {"UnixAbstract", [] { return UnixAddress(FreeUnixName()); }},
};

std::string NameOf(const ::testing::TestParamInfo<Kind> &kind) { return kind.param.name; }

INSTANTIATE_TEST_SUITE_P(Tcp, Places, ::testing::ValuesIn(kKinds), NameOf);

// What only unix sockets have

class UnixStream : public weir_testing::LeakCheckedTest {};

TEST_F(UnixStream, TheFileGoesWithTheListener) {
  ExpectRun([] {
    std::string path = FreeUnixPath();
    weir_listener *listener = Listen(UnixAddress(path));
    EXPECT_EQ("unix:" + path, weir_listener_address(listener));
    EXPECT_EQ(0, weir_listener_port(listener));
    EXPECT_TRUE(Exists(path));
    EXPECT_EQ(0, weir_listener_close(listener));
    EXPECT_FALSE(Exists(path));
    return 0;
  });
}

// Those whom the close wakes may begin anew before it returns.
TEST_F(UnixStream, TheFileOfASuccessorStays) {
  for (bool exclusive : {false, true}) {
    ExpectRun([exclusive] {
      std::string path = FreeUnixPath();
      weir_listener *first = Listen(UnixAddress(path));
      weir_listener *second = nullptr;
      weir_job *job = LaunchJob([&] {
        weir_connection *nobody = nullptr;
        EXPECT_EQ(WEIR_E_CLOSED, weir_accept(first, &nobody));
        weir_tcp_builder tcp = Tcp();
        tcp.options.exclusive_address = exclusive;
        second = Listen(UnixAddress(path), tcp);
        return 0;
      });
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(0, weir_listener_close(first));
      EXPECT_EQ(0, EndOf(job));
      EXPECT_TRUE(Exists(path));
      return weir_listener_close(second);
    });
  }
}

TEST_F(UnixStream, AStaleFileIsReplacedAndNoOther) {
  ExpectRun([] {
    std::string path = FreeUnixPath();
    weir_address place = UnixAddress(path);
    LeaveBehind(path, SOCK_STREAM);
    weir_tcp_builder exclusive = Tcp();
    exclusive.options.exclusive_address = true;
    weir_listener *listener = nullptr;
    EXPECT_EQ(-EADDRINUSE, weir_tcp_bind_address(exclusive, &listener, &place));
    listener = Listen(place);
    EXPECT_EQ(0, unlink(path.c_str()));
    LeaveBehind(path, SOCK_STREAM);
    EXPECT_EQ(0, weir_listener_close(listener));
    EXPECT_TRUE(Exists(path));
    EXPECT_EQ(0, unlink(path.c_str()));
    std::ofstream(path) << "precious";
    EXPECT_EQ(-EADDRINUSE, weir_tcp_bind_address(Tcp(), &listener, &place));
    EXPECT_TRUE(Exists(path));
    return unlink(path.c_str());
  });
}

TEST_F(UnixStream, WhatIsNotThereIsReported) {
  ExpectRun([] {
    weir_connection *connection = nullptr;
    weir_address place = UnixAddress(FreeUnixPath());
    EXPECT_EQ(-ENOENT, weir_tcp_connect_address(Tcp(), &connection, &place));
    EXPECT_EQ(-EINVAL, weir_tcp_connect_address(Tcp(), &connection, nullptr));
    weir_address too_long = {};
    EXPECT_EQ(-ENAMETOOLONG, weir_address_unix(&too_long, std::string(200, 'x').c_str()));
    EXPECT_EQ(-EINVAL, weir_tcp_connect_address(Tcp(), &connection, &too_long));
    weir_listener *listener = nullptr;
    EXPECT_EQ(-EINVAL, weir_tcp_bind_address(Tcp(), &listener, &too_long));
    weir_address no_folder = UnixAddress("no-such-folder/socket");
    EXPECT_EQ(-ENOENT, weir_tcp_bind_address(Tcp(), &listener, &no_folder));
    return 0;
  });
}

TEST_F(UnixStream, ConnectOptionsAreCheckedAndItsTimeoutCounts) {
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  ExpectRun(options, [] {
    weir_address place = UnixAddress(FreeUnixName());
    weir_tcp_builder tcp = Tcp();
    tcp.options.backlog = 1;
    weir_listener *listener = Listen(place, tcp);
    std::vector<weir_connection *> clients;
    tcp.options.connect.timeout = -1;
    weir_connection *client = nullptr;
    EXPECT_EQ(-EINVAL, weir_tcp_connect_address(tcp, &client, &place));
    tcp.options.connect.timeout = WEIR_SECOND;
    int result;
    while ((result = weir_tcp_connect_address(tcp, &client, &place)) == 0) {
      clients.push_back(client);
    }
    EXPECT_EQ(-ETIMEDOUT, result);
    for (weir_connection *each : clients) {
      weir_connection_abort(each);
      weir_connection_close(each);
    }
    return weir_listener_close(listener);
  });
}

TEST_F(UnixStream, AFullQueueIsWaitedFor) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.backlog = 1;
    weir_listener *listener = Listen(UnixAddress(FreeUnixName()), tcp);
    weir_address place = AddressOf(listener);
    const int count = 6;
    for (int i = 0; i < count; i++) {
      ExpectLaunch([=] {
        weir_connection *connection = nullptr;
        EXPECT_EQ(0, weir_tcp_connect_address(Tcp(), &connection, &place));
        return weir_connection_close(connection);
      });
    }
    for (int i = 0; i < count; i++) EXPECT_EQ(0, weir_connection_close(Accept(listener)));
    weir_connection *first = Connect(listener);
    weir_connection *second = Connect(listener);
    weir_timeout timeout = weir_timeout_begin(5 * WEIR_MILLISECOND);
    weir_connection *third = nullptr;
    EXPECT_EQ(-ETIMEDOUT, weir_tcp_connect_address(Tcp(), &third, &place));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(0, weir_listener_close(listener));
    static_cast<void>(weir_connection_close(first));
    static_cast<void>(weir_connection_close(second));
    return 0;
  });
}

}  // namespace
