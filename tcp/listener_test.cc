// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Bind;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::RawSocket;
using weir_testing::Tcp;

class Listener : public weir_testing::LeakCheckedTest {};

// Connects to |host| through |listener|, and returns how both ends see each other.
struct Seen {
  std::string near_remote, near_local, far_remote, far_local;
};
Seen Meet(weir_listener *listener, const char *host) {
  weir_connection *far = nullptr;
  weir_connection *near = nullptr;
  Seen seen;
  EXPECT_EQ(0, weir_tcp_connect(Tcp(), &far, host, weir_listener_port(listener)));
  if (far != nullptr) {
    EXPECT_EQ(0, weir_accept(listener, &near));
  }
  if (near != nullptr) {
    seen = {weir_remote_address(near), weir_local_address(near), weir_remote_address(far),
            weir_local_address(far)};
    weir_connection_set_close_timeout(near, 0);
    weir_connection_close(near);
  }
  weir_connection_close(far);
  return seen;
}

TEST_F(Listener, TakesAFreePortForZero) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    EXPECT_NE(0, weir_listener_port(listener));
    EXPECT_EQ("127.0.0.1:" + std::to_string(weir_listener_port(listener)),
              weir_listener_address(listener));
    return weir_listener_close(listener);
  });
}

TEST_F(Listener, LocalhostIsTheLoopbackAddress) {
  ExpectRun([] {
    for (const char *host : {"localhost", "LocalHost"}) {
      weir_listener *listener = Bind(host, 0);
      EXPECT_EQ(0u, std::string(weir_listener_address(listener)).find("127.0.0.1:"));
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

TEST_F(Listener, ABusyPortIsReported) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    weir_listener *second = listener;
    EXPECT_EQ(-EADDRINUSE,
              weir_tcp_bind(Tcp(), &second, "127.0.0.1", weir_listener_port(listener)));
    EXPECT_EQ(nullptr, second);
    return weir_listener_close(listener);
  });
}

TEST_F(Listener, ABadHostIsReported) {
  ExpectRun([] {
    weir_listener *listener = nullptr;
    for (const char *host : {"example.org", "127.0.0.256", "[::1]", " ", "localhost:80"}) {
      EXPECT_EQ(-EINVAL, weir_tcp_bind(Tcp(), &listener, host, 0)) << host;
      EXPECT_EQ(nullptr, listener);
    }
    EXPECT_EQ(-ENODEV, weir_tcp_bind(Tcp(), &listener, "fe80::1%no-such-one", 0));
    // An address for documentation (RFC 5737), which is nobody's.
    EXPECT_EQ(-EADDRNOTAVAIL, weir_tcp_bind(Tcp(), &listener, "203.0.113.1", 0));
    return 0;
  });
}

TEST_F(Listener, OptionsOutOfRangeAreRefused) {
  ExpectRun([] {
    weir_listener *listener = nullptr;
    weir_tcp_builder tcp = Tcp();
    tcp.options.backlog = -1;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    tcp = Tcp();
    tcp.options.read.capacity = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    tcp = Tcp();
    tcp.options.read.line_limit = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    tcp = Tcp();
    const int unknown_ending = 7;
    memcpy(&tcp.options.read.line_ending, &unknown_ending, sizeof unknown_ending);
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    tcp = Tcp();
    tcp.options.write.capacity = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    EXPECT_EQ(-EINVAL, weir_tcp_bind(weir_tcp(nullptr), &listener, "127.0.0.1", 0));
    return 0;
  });
}

TEST_F(Listener, WithoutAHostServesIpv4AndIpv6) {
  ExpectRun([] {
    for (const char *host : {static_cast<const char *>(nullptr), ""}) {
      weir_listener *listener = Bind(host, 0);
      std::string port = std::to_string(weir_listener_port(listener));
      EXPECT_EQ("[::]:" + port, weir_listener_address(listener));
      // An IPv4 client is shown as one, and each connection tells the address it came in
      // by.
      Seen four = Meet(listener, "127.0.0.1");
      EXPECT_EQ("127.0.0.1:" + port, four.near_local);
      EXPECT_EQ(four.far_local, four.near_remote);
      EXPECT_EQ(four.far_remote, four.near_local);
      Seen six = Meet(listener, "::1");
      EXPECT_EQ("[::1]:" + port, six.near_local);
      EXPECT_EQ(six.far_local, six.near_remote);
      EXPECT_EQ(six.far_remote, six.near_local);
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

TEST_F(Listener, WithoutIpv6InTheKernelServesIpv4) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.socket = [](void *, int domain, int type, int protocol) {
    return domain == AF_INET6 ? -EAFNOSUPPORT
                              : weir_internal_kernel.socket(nullptr, domain, type, protocol);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  ExpectRun(options, [] {
    weir_listener *listener = Bind(nullptr, 0);
    std::string port = std::to_string(weir_listener_port(listener));
    EXPECT_EQ("0.0.0.0:" + port, weir_listener_address(listener));
    EXPECT_EQ("127.0.0.1:" + port, Meet(listener, "127.0.0.1").near_local);
    return weir_listener_close(listener);
  });
}

TEST_F(Listener, TheSamePortCanBeBoundAgainAndAgain) {
  ExpectRun([] {
    uint16_t port = 0;
    for (int i = 0; i < 10; i++) {
      weir_listener *listener = Bind("127.0.0.1", port);
      port = weir_listener_port(listener);
      // A connection whose near end closed first leaves a TIME_WAIT on the port.
      Meet(listener, "127.0.0.1");
      EXPECT_EQ(0, weir_listener_close(listener));
    }
    return 0;
  });
}

TEST_F(Listener, ReusePortSharesAPort) {
  ExpectRun([] {
    weir_tcp_builder tcp = Tcp();
    tcp.options.reuse_port = true;
    weir_listener *first = Bind("127.0.0.1", 0, tcp);
    weir_listener *second = Bind("127.0.0.1", weir_listener_port(first), tcp);
    EXPECT_EQ(weir_listener_port(first), weir_listener_port(second));
    EXPECT_EQ(0, weir_listener_close(first));
    return weir_listener_close(second);
  });
}

// What the system calls were asked for, since nothing else shows it.
struct Asked {
  int reuse_address = 0;
  int no_delay = 0;
  int backlog = 0;
  int types = ~0;
};
Asked asked;

weir_internal_system_calls RecordingCalls() {
  asked = Asked();
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.socket = [](void *, int domain, int type, int protocol) {
    asked.types &= type;
    return weir_internal_kernel.socket(nullptr, domain, type, protocol);
  };
  calls.accept = [](void *, int fd, struct sockaddr *address, socklen_t *size, int flags) {
    asked.types &= flags | SOCK_STREAM;
    return weir_internal_kernel.accept(nullptr, fd, address, size, flags);
  };
  calls.listen = [](void *, int fd, int backlog) {
    asked.backlog = backlog;
    return weir_internal_kernel.listen(nullptr, fd, backlog);
  };
  calls.set_option = [](void *, int fd, int level, int name, const void *value, socklen_t size) {
    if (level == SOL_SOCKET && name == SO_REUSEADDR) asked.reuse_address++;
    if (level == IPPROTO_TCP && name == TCP_NODELAY) asked.no_delay++;
    return weir_internal_kernel.set_option(nullptr, fd, level, name, value, size);
  };
  return calls;
}

TEST_F(Listener, AppliesItsOptions) {
  weir_internal_system_calls calls = RecordingCalls();
  weir_selector_options options = {};
  options.system_calls = &calls;
  ExpectRun(options, [] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    EXPECT_EQ(1, asked.reuse_address);
    EXPECT_EQ(1, asked.no_delay);
    EXPECT_EQ(511, asked.backlog);
    Meet(listener, "127.0.0.1");
    EXPECT_EQ(0, weir_listener_close(listener));
    asked = Asked();
    weir_tcp_builder tcp = Tcp();
    tcp.options.backlog = 3;
    tcp.options.delay = true;
    tcp.options.exclusive_address = true;
    listener = Bind("127.0.0.1", 0, tcp);
    EXPECT_EQ(0, asked.reuse_address);
    EXPECT_EQ(0, asked.no_delay);
    EXPECT_EQ(3, asked.backlog);
    return weir_listener_close(listener);
  });
  EXPECT_EQ(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, asked.types);
}

int accepted_fd;

// We set them once on the listener and rely on Linux to hand them down.
TEST_F(Listener, AcceptedConnectionsInheritTheOptions) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.accept = [](void *, int fd, struct sockaddr *address, socklen_t *size, int flags) {
    return accepted_fd = weir_internal_kernel.accept(nullptr, fd, address, size, flags);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  for (bool delay : {false, true}) {
    ExpectRun(options, [delay] {
      weir_tcp_builder tcp = Tcp();
      tcp.options.delay = delay;
      weir_listener *listener = Bind(nullptr, 0, tcp);
      RawSocket client;
      EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_accept(listener, &connection));
      int no_delay = -1, inline_urgent = -1;
      socklen_t size = sizeof no_delay;
      getsockopt(accepted_fd, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size);
      getsockopt(accepted_fd, SOL_SOCKET, SO_OOBINLINE, &inline_urgent, &size);
      EXPECT_EQ(delay, no_delay == 0);
      EXPECT_NE(0, inline_urgent);
      client.Close();
      EXPECT_EQ(0, weir_connection_close(connection));
      return weir_listener_close(listener);
    });
  }
}

// Closing

TEST_F(Listener, ClosingNothingIsLegal) { EXPECT_EQ(0, weir_listener_close(nullptr)); }

TEST_F(Listener, CloseWakesTheAcceptor) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    int seen = 0;
    bool left = false;
    ExpectLaunch([&] {
      weir_connection *connection = nullptr;
      seen = weir_accept(listener, &connection);
      EXPECT_EQ(nullptr, connection);
      left = true;
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_listener_close(listener));
    EXPECT_TRUE(left);
    EXPECT_EQ(WEIR_E_CLOSED, seen);
    return 0;
  });
}

TEST_F(Listener, CloseWorksInACancelledCoroutine) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    int seen = 0;
    ExpectLaunch([&] {
      weir_connection *connection = nullptr;
      seen = weir_accept(listener, &connection);
      return 0;
    });
    weir_job *closer = LaunchJob([&] { return weir_listener_close(listener); });
    weir_job_cancel(closer);
    EXPECT_EQ(0, EndOf(closer));
    EXPECT_EQ(WEIR_E_CLOSED, seen);
    return 0;
  });
}

TEST_F(Listener, CloseMeetsAnAcceptorThatWasJustWoken) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    RawSocket client;
    int seen = 0;
    ExpectLaunch([&] {
      weir_connection *connection = nullptr;
      seen = weir_accept(listener, &connection);
      if (connection != nullptr) weir_connection_abort(connection);
      weir_connection_close(connection);
      return 0;
    });
    ExpectLaunch([&] {
      EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
      // The next look at the kernel makes the acceptor ready; it runs before or
      // after us.
      EXPECT_EQ(0, weir_yield());
      return weir_listener_close(listener);
    });
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_TRUE(seen == 0 || seen == WEIR_E_CLOSED) << weir_error_name(seen);
    return 0;
  });
}

TEST_F(Listener, CloseResetsThoseWhoWait) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    RawSocket client;
    EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
    EXPECT_EQ(0, weir_listener_close(listener));
    std::string received;
    EXPECT_EQ(-ECONNRESET, client.ReceiveAll(&received));
    return 0;
  });
}

}  // namespace
