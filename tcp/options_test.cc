// SPDX-License-Identifier: Apache-2.0
//
// Each option, on sockets that connect, that listen, and that were accepted.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>

#include "testing/expect_coroutine.h"
#include "testing/failing_calls.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Bind;
using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::FreeUnixName;
using weir_testing::FreeUnixPath;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::RawSocket;
using weir_testing::Tcp;
using weir_testing::Write;

class TcpOptions : public weir_testing::LeakCheckedTest {};

int fd_seen = -1;
int Remember(int fd, void *argument) {
  fd_seen = fd;
  return argument == nullptr ? 0 : *static_cast<int *>(argument);
}

struct Expected {
  int level;
  int name;
  int value;
};

void Expect(int fd, const Expected &expected) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(0, getsockopt(fd, expected.level, expected.name, &value, &size));
  EXPECT_EQ(expected.value, value) << "level " << expected.level << " option " << expected.name;
}

weir_tcp_builder WithAll() {
  weir_tcp_builder tcp = Tcp();
  tcp.options.prepare = Remember;
  tcp.options.type_of_service = 0x08;
  tcp.options.send_buffer = 30000;
  tcp.options.receive_buffer = 40000;
  tcp.options.keep_alive = true;
  tcp.options.keep_alive_idle = 11;
  tcp.options.keep_alive_interval = 12;
  tcp.options.keep_alive_count = 3;
  tcp.options.user_timeout = 4000;
  return tcp;
}

const Expected kAll[] = {
    {IPPROTO_IP, IP_TOS, 0x08},      {SOL_SOCKET, SO_SNDBUF, 60000},
    {SOL_SOCKET, SO_RCVBUF, 80000},  {SOL_SOCKET, SO_KEEPALIVE, 1},
    {IPPROTO_TCP, TCP_KEEPIDLE, 11}, {IPPROTO_TCP, TCP_KEEPINTVL, 12},
    {IPPROTO_TCP, TCP_KEEPCNT, 3},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 4000},
    {IPPROTO_TCP, TCP_NODELAY, 1},
};

// Ktor: accepted connections get none of the listener's options.
TEST_F(TcpOptions, ReachListenersAndBothEnds) {
  ExpectRun([] {
    for (const char *host : {"127.0.0.1", "::1"}) {
      weir_listener *listener = Bind(host, 0, WithAll());
      const int listening = fd_seen;
      weir_connection *far = nullptr;
      weir_connection *near = nullptr;
      EXPECT_EQ(0, weir_tcp_connect(WithAll(), &far, host, weir_listener_port(listener)));
      EXPECT_EQ(0, weir_accept(listener, &near));
      // Descriptors are given in order, and nobody else takes any here.
      for (int fd : {listening, fd_seen, fd_seen + 1}) {
        for (const Expected &expected : kAll) Expect(fd, expected);
        if (strchr(host, ':') != nullptr) {
          Expect(fd, {IPPROTO_IPV6, IPV6_TCLASS, 0x08});
        }
      }
      weir_connection_set_close_timeout(near, 0);
      EXPECT_EQ(0, weir_connection_close(near));
      EXPECT_EQ(0, weir_connection_close(far));
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

TEST_F(TcpOptions, ReusePortIsForBothToo) {
  ExpectRun([] {
    weir_tcp_builder tcp = WithAll();
    tcp.options.reuse_port = true;
    weir_listener *listener = Bind("127.0.0.1", 0, tcp);
    Expect(fd_seen, {SOL_SOCKET, SO_REUSEPORT, 1});
    weir_connection *connection = nullptr;
    EXPECT_EQ(0, weir_tcp_connect(tcp, &connection, "127.0.0.1", weir_listener_port(listener)));
    Expect(fd_seen, {SOL_SOCKET, SO_REUSEPORT, 1});
    weir_connection_set_close_timeout(connection, 0);
    EXPECT_EQ(0, weir_connection_close(connection));
    return weir_listener_close(listener);
  });
}

TEST_F(TcpOptions, OutOfRangeAreRefused) {
  ExpectRun([] {
    int weir_tcp_options::*const numbers[] = {
        &weir_tcp_options::send_buffer,         &weir_tcp_options::receive_buffer,
        &weir_tcp_options::keep_alive_idle,     &weir_tcp_options::keep_alive_count,
        &weir_tcp_options::keep_alive_interval, &weir_tcp_options::user_timeout};
    for (auto number : numbers) {
      weir_tcp_builder tcp = Tcp();
      tcp.options.*number = -1;
      weir_listener *listener = nullptr;
      EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
      weir_connection *connection = nullptr;
      EXPECT_EQ(-EINVAL, weir_tcp_connect(tcp, &connection, "127.0.0.1", 9));
    }
    weir_tcp_builder tcp = Tcp();
    tcp.options.socket_timeout = -1;
    weir_listener *listener = nullptr;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    // What would have no effect.
    tcp = Tcp();
    tcp.options.keep_alive_count = 3;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    return 0;
  });
}

TEST_F(TcpOptions, ACallbackThatFailsLeavesNothing) {
  ExpectRun([] {
    int failure = -EPERM;
    weir_tcp_builder tcp = Tcp();
    tcp.options.prepare = Remember;
    tcp.options.prepare_argument = &failure;
    weir_listener *listener = nullptr;
    EXPECT_EQ(-EPERM, weir_tcp_bind(tcp, &listener, nullptr, 0));
    EXPECT_EQ(nullptr, listener);
    weir_connection *connection = nullptr;
    EXPECT_EQ(-EPERM, weir_tcp_connect(tcp, &connection, "127.0.0.1", 9));
    EXPECT_EQ(nullptr, connection);
    failure = 1;  // what is not negative is a success
    EXPECT_EQ(0, weir_tcp_bind(tcp, &listener, nullptr, 0));
    return weir_listener_close(listener);
  });
}

// The first client is not wanted. Unix sockets hand nothing down, so that is the only way there.
TEST_F(TcpOptions, ACallbackForAcceptedConnections) {
  ExpectRun([] {
    for (const std::string &place : {std::string("127.0.0.1:0"), std::string("[::1]:0"),
                                     "unix:" + FreeUnixPath(), "unix:" + FreeUnixName()}) {
      SCOPED_TRACE(place);
      int calls = 0;
      weir_tcp_builder tcp = Tcp();
      tcp.options.prepare_argument = &calls;
      tcp.options.prepare_accepted = [](int fd, void *count) {
        const int on = 1;
        EXPECT_EQ(0, setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on));
        fd_seen = fd;
        return ++*static_cast<int *>(count) == 1 ? -EPERM : 1;
      };
      weir_address address = {};
      EXPECT_EQ(0, weir_address_from_text(&address, place.c_str()));
      weir_listener *listener = nullptr;
      EXPECT_EQ(0, weir_tcp_bind_address(tcp, &listener, &address));
      EXPECT_EQ(0, weir_address_from_text(&address, weir_listener_address(listener)));
      weir_connection *unwanted = nullptr, *far = nullptr, *near = nullptr;
      EXPECT_EQ(0, weir_tcp_connect_address(Tcp(), &unwanted, &address));
      EXPECT_EQ(0, weir_tcp_connect_address(Tcp(), &far, &address));
      EXPECT_EQ(0, weir_accept(listener, &near));
      EXPECT_EQ(2, calls);
      Expect(fd_seen, {SOL_SOCKET, SO_KEEPALIVE, 1});
      char byte;
      EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_available(Input(unwanted), &byte, 1));
      EXPECT_EQ(0, Write(near, "x"));
      EXPECT_EQ(1, weir_read_available(Input(far), &byte, 1));
      for (weir_connection *end : {unwanted, near, far}) {
        weir_connection_set_close_timeout(end, 0);
        static_cast<void>(weir_connection_close(end));
      }
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

TEST_F(TcpOptions, ACallbackThatWantsNobodyLeavesTheListenerItsEnd) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.prepare_accepted = [](int, void *) { return -EPERM; };
    weir_listener *listener = Bind("127.0.0.1", 0, tcp);
    const int descriptors = weir_testing::OpenDescriptorCount();
    for (bool closed : {false, true}) {
      weir_job *job = LaunchJob([=] {
        weir_connection *near = nullptr;
        const int result = weir_accept(listener, &near);
        EXPECT_EQ(nullptr, near);
        return result;
      });
      RawSocket client;
      EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
      std::string received;
      EXPECT_EQ(0, client.ReceiveAll(&received));
      EXPECT_EQ(descriptors + 1, weir_testing::OpenDescriptorCount());
      if (closed) {
        EXPECT_EQ(0, weir_listener_close(listener));
      } else {
        weir_job_cancel(job);
      }
      EXPECT_EQ(closed ? WEIR_E_CLOSED : -ECANCELED, EndOf(job));
    }
    return 0;
  });
}

TEST_F(TcpOptions, Ipv6OnlyLeavesIpv4ToOthers) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.ipv6_only = true;
    weir_listener *six = Bind(nullptr, 0, tcp);
    weir_listener *four = Bind("0.0.0.0", weir_listener_port(six));
    EXPECT_EQ(0, weir_listener_close(four));
    return weir_listener_close(six);
  });
}

TEST_F(TcpOptions, ResetOnClose) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.reset_on_close = true;
    weir_listener *listener = Bind("127.0.0.1", 0, tcp);
    weir_connection *far = nullptr;
    weir_connection *near = nullptr;
    EXPECT_EQ(0, weir_tcp_connect(Tcp(), &far, "127.0.0.1", weir_listener_port(listener)));
    EXPECT_EQ(0, weir_accept(listener, &near));
    // At once, although the peer keeps its end open.
    static_cast<void>(weir_connection_close(near));
    char byte;
    EXPECT_EQ(-ECONNRESET, weir_read_available(weir_open_read_channel(far), &byte, 1));
    static_cast<void>(weir_connection_close(far));
    return weir_listener_close(listener);
  });
}

}  // namespace
