// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::RawSocket;
using weir_testing::Tcp;

class Connect : public weir_testing::LeakCheckedTest {};

int ConnectTo(const char *host, uint16_t port, weir_connection **out) {
  return weir_tcp_connect(Tcp(), out, host, port);
}

TEST_F(Connect, BothEndsKnowTheirAddresses) {
  ExpectRun([] {
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(Tcp(), &listener, "::1", 0));
    weir_connection *far = nullptr, *near = nullptr;
    EXPECT_EQ(0, ConnectTo("::1", weir_listener_port(listener), &far));
    EXPECT_EQ(0, weir_accept(listener, &near));
    EXPECT_STREQ(weir_listener_address(listener), weir_remote_address(far));
    EXPECT_STREQ(weir_remote_address(far), weir_local_address(near));
    EXPECT_STREQ(weir_local_address(far), weir_remote_address(near));
    EXPECT_STREQ("::1", weir_connection_host(far));
    EXPECT_EQ(nullptr, weir_connection_host(near));
    // Cached: they stay when the peer has gone.
    std::string remote = weir_remote_address(near);
    weir_connection_abort(far);
    weir_connection_close(far);
    weir_bytes line;
    EXPECT_EQ(-ECONNRESET, weir_read_line(weir_open_read_channel(near), &line));
    EXPECT_EQ(remote, weir_remote_address(near));
    weir_connection_close(near);
    return weir_listener_close(listener);
  });
}

TEST_F(Connect, TheHostIsCopied) {
  ExpectRun([] {
    RawSocket listener;
    int port = listener.Listen(1);
    std::string host = "LOCALHOST";
    weir_connection *connection = nullptr;
    EXPECT_EQ(0, ConnectTo(host.c_str(), static_cast<uint16_t>(port), &connection));
    host.assign("overwritten");
    EXPECT_STREQ("LOCALHOST", weir_connection_host(connection));
    weir_connection_abort(connection);
    weir_connection_close(connection);
    return 0;
  });
}

TEST_F(Connect, ARefusalIsReported) {
  ExpectRun([] {
    RawSocket reserved;
    uint16_t port = static_cast<uint16_t>(reserved.Reserve());
    weir_connection *connection = nullptr;
    for (const char *host : {"127.0.0.1", "::1", "localhost"}) {
      EXPECT_EQ(-ECONNREFUSED, ConnectTo(host, port, &connection)) << host;
      EXPECT_EQ(nullptr, connection);
    }
    return 0;
  });
}

TEST_F(Connect, LocalhostIsIpv6WhereIpv4Refuses) {
  ExpectRun([] {
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(Tcp(), &listener, "::1", 0));
    weir_connection *far = nullptr;
    EXPECT_EQ(0, ConnectTo("localhost", weir_listener_port(listener), &far));
    EXPECT_STREQ(weir_listener_address(listener), weir_remote_address(far));
    EXPECT_STREQ("localhost", weir_connection_host(far));
    weir_connection_abort(far);
    weir_connection_close(far);
    return weir_listener_close(listener);
  });
}

TEST_F(Connect, BadArgumentsAreRefused) {
  ExpectRun([] {
    weir_connection *connection = nullptr;
    for (const char *host : {"", "127.1", "127.0.0.256", "[::1]", "a b", "a:80"}) {
      EXPECT_EQ(-EINVAL, ConnectTo(host, 80, &connection)) << host;
    }
    EXPECT_EQ(-EINVAL, ConnectTo(nullptr, 80, &connection));
    EXPECT_EQ(-EINVAL, ConnectTo("127.0.0.1", 0, &connection));
    EXPECT_EQ(-ENODEV, ConnectTo("fe80::1%no-such-one", 80, &connection));
    EXPECT_EQ(-EINVAL, weir_tcp_connect(weir_tcp(nullptr), &connection, "127.0.0.1", 80));
    weir_tcp_builder tcp = Tcp();
    tcp.options.write.capacity = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_tcp_connect(tcp, &connection, "127.0.0.1", 80));
    EXPECT_EQ(nullptr, connection);
    return 0;
  });
}

TEST_F(Connect, NeedsACoroutineOfItsSelector) {
  weir_selector *other = nullptr;
  ASSERT_EQ(0, weir_selector_create(&other, nullptr));
  weir_connection *connection = nullptr;
  EXPECT_EQ(-EINVAL, weir_tcp_connect(weir_tcp(other), &connection, "127.0.0.1", 80));
  ExpectRun([&] {
    EXPECT_EQ(-EXDEV, weir_tcp_connect(weir_tcp(other), &connection, "127.0.0.1", 80));
    return 0;
  });
  EXPECT_EQ(0, weir_selector_close(other));
}

// A listener whose queue is full lets further clients wait: the kernel drops their SYN.
class Waiting : public Connect {
 protected:
  // Fills the queue; to be called in a coroutine. Returns the port.
  uint16_t Fill() {
    int port = listener_.Listen(0);
    EXPECT_GT(port, 0);
    weir_connection *connection = nullptr;
    for (int i = 0; i < 8; i++) {
      weir_timeout timeout = weir_timeout_begin(50 * WEIR_MILLISECOND);
      int result = ConnectTo("127.0.0.1", static_cast<uint16_t>(port), &connection);
      weir_timeout_end(timeout);
      if (result == -ETIMEDOUT) return static_cast<uint16_t>(port);
      EXPECT_EQ(0, result);
      queued_.push_back(connection);
    }
    ADD_FAILURE() << "the queue does not fill";
    return static_cast<uint16_t>(port);
  }

  void Empty() {
    for (weir_connection *connection : queued_) {
      weir_connection_abort(connection);
      weir_connection_close(connection);
    }
    listener_.Close();
  }

 private:
  RawSocket listener_;
  std::vector<weir_connection *> queued_;
};

TEST_F(Waiting, ADeadlineEndsIt) {
  ExpectRun([this] {
    uint16_t port = Fill();
    int descriptors = weir_testing::OpenDescriptorCount();
    weir_connection *connection = nullptr;
    weir_timeout timeout = weir_timeout_begin(10 * WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, ConnectTo("127.0.0.1", port, &connection));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(nullptr, connection);
    EXPECT_EQ(descriptors, weir_testing::OpenDescriptorCount());
    Empty();
    return 0;
  });
}

TEST_F(Waiting, ACancellationEndsIt) {
  ExpectRun([this] {
    uint16_t port = Fill();
    int descriptors = weir_testing::OpenDescriptorCount();
    weir_job *job = LaunchJob([=] {
      weir_connection *connection = nullptr;
      // localhost: the second address is not tried either.
      int result = ConnectTo("localhost", port, &connection);
      EXPECT_EQ(nullptr, connection);
      return result;
    });
    // The attempt is a coroutine of its own.
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(descriptors + 1, weir_testing::OpenDescriptorCount());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    EXPECT_EQ(descriptors, weir_testing::OpenDescriptorCount());
    Empty();
    return 0;
  });
}

TEST_F(Connect, ACancelledCoroutineDoesNotBegin) {
  ExpectRun([] {
    RawSocket listener;
    uint16_t port = static_cast<uint16_t>(listener.Listen(1));
    weir_job *job = LaunchJob([=] {
      weir_connection *connection = nullptr;
      return ConnectTo("127.0.0.1", port, &connection);
    });
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    return 0;
  });
}

// What the kernel may choose by chance, the callback chooses on purpose.
int BindTo(int fd, void *argument) {
  const weir_address *address = static_cast<const weir_address *>(argument);
  return bind(fd, &address->socket.any, address->size) == 0 ? 0 : -errno;
}

TEST_F(Connect, AConnectionToItselfIsRefusedByWhateverName) {
  const char *const places[][2] = {
      {"127.0.0.1", "127.0.0.1"}, {"127.0.0.1", "0.0.0.0"},   {"::1", "::1"}, {"::1", "::"},
      {"::1", "::1%lo"},          {"127.0.0.1", "localhost"},
  };
  ExpectRun([&] {
    for (const auto &[own, host] : places) {
      RawSocket reserved;
      uint16_t port = static_cast<uint16_t>(reserved.Reserve());
      reserved.Close();
      weir_address local = {};
      EXPECT_EQ(0, weir_address_parse(&local, own, port));
      weir_tcp_builder tcp = Tcp();
      tcp.options.prepare = BindTo;
      tcp.options.prepare_argument = &local;
      weir_connection *connection = nullptr;
      EXPECT_EQ(-ECONNREFUSED, weir_tcp_connect(tcp, &connection, host, port)) << host;
      EXPECT_EQ(nullptr, connection);
    }
    return 0;
  });
}

// Ktor's selector on native targets dies of a descriptor beyond FD_SETSIZE, and takes all its
// sockets along.
TEST_F(Connect, ADescriptorBeyond1024IsLikeAnyOther) {
  std::vector<RawSocket> before;
  do {
    before.emplace_back(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ASSERT_GE(before.back().fd(), 0);
  } while (before.back().fd() < 1100);
  ExpectRun([] {
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(Tcp(), &listener, "127.0.0.1", 0));
    weir_connection *far = nullptr, *near = nullptr;
    EXPECT_EQ(0, ConnectTo("localhost", weir_listener_port(listener), &far));
    EXPECT_EQ(0, weir_accept(listener, &near));
    EXPECT_EQ(0, weir_write_line(weir_open_write_channel(far, true), weir_text("hello")));
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(weir_open_read_channel(near), &line));
    for (weir_connection *end : {near, far}) {
      weir_connection_abort(end);
      weir_connection_close(end);
    }
    return weir_listener_close(listener);
  });
}

int connected_fd;

TEST_F(Connect, AppliesItsOptions) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.connect = [](void *, int fd, const struct sockaddr *address, socklen_t size) {
    connected_fd = fd;
    return weir_internal_kernel.connect(nullptr, fd, address, size);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  for (bool delay : {false, true}) {
    ExpectRun(options, [delay] {
      RawSocket listener;
      uint16_t port = static_cast<uint16_t>(listener.Listen(1));
      weir_tcp_builder tcp = Tcp();
      tcp.options.delay = delay;
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_tcp_connect(tcp, &connection, "127.0.0.1", port));
      int no_delay = -1, inline_urgent = -1;
      socklen_t size = sizeof no_delay;
      getsockopt(connected_fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
      getsockopt(connected_fd, SOL_SOCKET, SO_OOBINLINE, &inline_urgent, &size);
      EXPECT_EQ(delay, no_delay == 0);
      EXPECT_NE(0, inline_urgent);
      weir_connection_abort(connection);
      weir_connection_close(connection);
      return 0;
    });
  }
}

TEST_F(Connect, ChannelOptionsReachBothEnds) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.read.line_limit = 3;
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    weir_connection *far = nullptr, *near = nullptr;
    EXPECT_EQ(0, weir_tcp_connect(tcp, &far, "127.0.0.1", weir_listener_port(listener)));
    EXPECT_EQ(0, weir_accept(listener, &near));
    for (weir_connection *end : {near, far}) {
      EXPECT_EQ(0, weir_write_line(weir_open_write_channel(end, true), weir_text("1234")));
    }
    for (weir_connection *end : {near, far}) {
      weir_bytes line;
      EXPECT_EQ(WEIR_E_LINE_TOO_LONG, weir_read_line(weir_open_read_channel(end), &line));
    }
    weir_connection_abort(near);
    weir_connection_close(near);
    weir_connection_close(far);
    return weir_listener_close(listener);
  });
}

}  // namespace
