// SPDX-License-Identifier: Apache-2.0
//
// Options of datagram sockets, and what only internet addresses have.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/udp_pair.h"
#include "testing/virtual_clock.h"
#include "weir/udp.h"

namespace {

using weir_testing::AddressOf;
using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::Receive;
using weir_testing::Received;
using weir_testing::Send;
using weir_testing::SendTo;
using weir_testing::Udp;

class UdpIp : public weir_testing::LeakCheckedTest {};

weir_udp_socket *Bind(const char *host, weir_udp_builder udp = Udp(), uint16_t port = 0) {
  weir_udp_socket *socket = nullptr;
  EXPECT_EQ(0, weir_udp_bind(udp, &socket, host, port));
  return socket;
}

std::string Text(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

// Remembers the descriptor that a builder's callback was given.
int fd_seen = -1;
int Remember(int fd, void *argument) {
  fd_seen = fd;
  return argument == nullptr ? 0 : *static_cast<int *>(argument);
}

weir_udp_builder Remembering() {
  weir_udp_builder udp = Udp();
  udp.options.prepare = Remember;
  fd_seen = -1;
  return udp;
}

int Option(int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(0, getsockopt(fd_seen, level, name, &value, &size));
  return value;
}

TEST_F(UdpIp, ABadHostOrPortIsReported) {
  ExpectRun([] {
    weir_udp_socket *socket = nullptr;
    for (const char *host : {"127.0.0.256", "[::1]", " "}) {
      EXPECT_EQ(-EINVAL, weir_udp_bind(Udp(), &socket, host, 0)) << host;
      EXPECT_EQ(-EINVAL, weir_udp_connect(Udp(), &socket, host, 1)) << host;
      EXPECT_EQ(nullptr, socket);
    }
    EXPECT_EQ(-EINVAL, weir_udp_connect(Udp(), &socket, "127.0.0.1", 0));
    EXPECT_EQ(-EINVAL, weir_udp_connect(Udp(), &socket, nullptr, 1));
    EXPECT_EQ(-ENODEV, weir_udp_bind(Udp(), &socket, "fe80::1%no-such-one", 0));
    // An address for documentation (RFC 5737), which is nobody's.
    EXPECT_EQ(-EADDRNOTAVAIL, weir_udp_bind(Udp(), &socket, "203.0.113.1", 0));
    return 0;
  });
}

TEST_F(UdpIp, OptionsOutOfRangeAreRefused) {
  ExpectRun([] {
    weir_udp_socket *socket = nullptr;
    weir_udp_builder udp = Udp();
    udp.options.send_buffer = -1;
    EXPECT_EQ(-EINVAL, weir_udp_bind(udp, &socket, "127.0.0.1", 0));
    udp = Udp();
    udp.options.receive_buffer = -1;
    EXPECT_EQ(-EINVAL, weir_udp_bind(udp, &socket, "127.0.0.1", 0));
    udp = Udp();
    udp.options.socket_timeout = -1;
    EXPECT_EQ(-EINVAL, weir_udp_connect(udp, &socket, "127.0.0.1", 1));
    return 0;
  });
}

TEST_F(UdpIp, LocalhostIsTheLoopbackAddress) {
  ExpectRun([] {
    weir_udp_socket *server = Bind("localhost");
    weir_udp_socket *client = nullptr;
    EXPECT_EQ(0, weir_udp_connect(Udp(), &client, "LocalHost", weir_udp_port(server)));
    EXPECT_EQ("127.0.0.1:" + std::to_string(weir_udp_port(server)),
              weir_udp_remote_address(client));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

// A server of both kinds sees an IPv4 client as what it is, and answers it.
TEST_F(UdpIp, WithoutAHostServesIpv4AndIpv6) {
  ExpectRun([] {
    for (const char *everywhere : {static_cast<const char *>(nullptr), ""}) {
      weir_udp_socket *server = Bind(everywhere);
      EXPECT_EQ("[::]:" + std::to_string(weir_udp_port(server)), weir_udp_local_address(server));
      for (const char *host : {"127.0.0.1", "::1"}) {
        weir_udp_socket *client = nullptr;
        EXPECT_EQ(0, weir_udp_connect(Udp(), &client, host, weir_udp_port(server)));
        EXPECT_EQ(0, Send(client, "one"));
        Received received = Receive(server);
        EXPECT_EQ(weir_udp_local_address(client), Text(received.address));
        EXPECT_EQ(0, Send(server, "two", &received.address));
        EXPECT_EQ("two", Receive(client).data);
        EXPECT_EQ(0, Send(client, "three"));
        char memory[16];
        weir_datagram datagram = {};
        datagram.data = memory;
        datagram.capacity = sizeof memory;
        EXPECT_EQ(1, weir_udp_receive_batch(server, &datagram, 1));
        EXPECT_EQ(weir_udp_local_address(client), Text(datagram.address));
        EXPECT_EQ(1, weir_udp_send_batch(server, &datagram, 1));
        EXPECT_EQ("three", Receive(client).data);
        EXPECT_EQ(0, weir_udp_close(client));
      }
      EXPECT_EQ(0, weir_udp_close(server));
    }
    return 0;
  });
}

TEST_F(UdpIp, Ipv6OnlyLeavesIpv4ToOthers) {
  ExpectRun([] {
    weir_udp_builder udp = Udp();
    udp.options.ipv6_only = true;
    weir_udp_socket *six = Bind(nullptr, udp);
    weir_udp_socket *four = Bind("0.0.0.0", Udp(), weir_udp_port(six));
    EXPECT_EQ(0, weir_udp_close(four));
    return weir_udp_close(six);
  });
}

TEST_F(UdpIp, WithoutIpv6InTheKernelServesIpv4) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.socket = [](void *, int domain, int type, int protocol) {
    return domain == AF_INET6 ? -EAFNOSUPPORT
                              : weir_internal_kernel.socket(nullptr, domain, type, protocol);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  ExpectRun(options, [] {
    weir_udp_socket *server = Bind(nullptr);
    EXPECT_EQ("0.0.0.0:" + std::to_string(weir_udp_port(server)), weir_udp_local_address(server));
    weir_udp_builder only = Udp();
    only.options.ipv6_only = true;
    weir_udp_socket *none = nullptr;
    EXPECT_EQ(-EAFNOSUPPORT, weir_udp_bind(only, &none, nullptr, 0));
    return weir_udp_close(server);
  });
}

// Ktor: testBroadcastFails, testBroadcastSuccessful. The broadcast address of the loopback network.
TEST_F(UdpIp, BroadcastTakesTheOption) {
  ExpectRun([] {
    weir_udp_socket *server = Bind("0.0.0.0");
    weir_address everybody = {};
    EXPECT_EQ(0, weir_address_parse(&everybody, "127.255.255.255", weir_udp_port(server)));
    weir_udp_socket *client = Bind("127.0.0.1");
    EXPECT_EQ(-EACCES, Send(client, "all of you", &everybody));
    EXPECT_EQ(0, weir_udp_close(client));
    weir_udp_builder udp = Udp();
    udp.options.broadcast = true;
    client = Bind("127.0.0.1", udp);
    EXPECT_EQ(0, Send(client, "all of you", &everybody));
    EXPECT_EQ("all of you", Receive(server).data);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_F(UdpIp, EveryOptionReachesTheSocketBeforeItIsBound) {
  ExpectRun([] {
    for (const char *host : {"127.0.0.1", "::1"}) {
      weir_udp_builder udp = Remembering();
      udp.options.type_of_service = 0x10;
      udp.options.reuse_address = true;
      udp.options.reuse_port = true;
      udp.options.broadcast = true;
      udp.options.send_buffer = 30000;
      udp.options.receive_buffer = 40000;
      weir_udp_socket *socket = Bind(host, udp);
      EXPECT_EQ(0x10, Option(IPPROTO_IP, IP_TOS));
      if (strchr(host, ':') != nullptr) {
        EXPECT_EQ(0x10, Option(IPPROTO_IPV6, IPV6_TCLASS));
      }
      EXPECT_EQ(1, Option(SOL_SOCKET, SO_REUSEADDR));
      EXPECT_EQ(1, Option(SOL_SOCKET, SO_REUSEPORT));
      EXPECT_EQ(1, Option(SOL_SOCKET, SO_BROADCAST));
      // The kernel doubles what it is asked for (socket(7)).
      EXPECT_EQ(60000, Option(SOL_SOCKET, SO_SNDBUF));
      EXPECT_EQ(80000, Option(SOL_SOCKET, SO_RCVBUF));
      // Two with the option share the port.
      weir_udp_socket *second = Bind(host, udp, weir_udp_port(socket));
      EXPECT_EQ(0, weir_udp_close(second));
      EXPECT_EQ(0, weir_udp_close(socket));
    }
    return 0;
  });
}

TEST_F(UdpIp, ByDefaultTheKernelsOptionsStay) {
  ExpectRun([] {
    weir_udp_socket *socket = Bind("127.0.0.1", Remembering());
    EXPECT_EQ(0, Option(IPPROTO_IP, IP_TOS));
    EXPECT_EQ(0, Option(SOL_SOCKET, SO_REUSEADDR));
    EXPECT_EQ(0, Option(SOL_SOCKET, SO_REUSEPORT));
    EXPECT_EQ(0, Option(SOL_SOCKET, SO_BROADCAST));
    return weir_udp_close(socket);
  });
}

TEST_F(UdpIp, ACallbackThatFailsLeavesNothing) {
  ExpectRun([] {
    weir_udp_builder udp = Remembering();
    int failure = -EPERM;
    udp.options.prepare_argument = &failure;
    weir_udp_socket *socket = nullptr;
    EXPECT_EQ(-EPERM, weir_udp_bind(udp, &socket, "127.0.0.1", 0));
    EXPECT_EQ(nullptr, socket);
    EXPECT_EQ(-EPERM, weir_udp_connect(udp, &socket, "127.0.0.1", 9));
    EXPECT_EQ(nullptr, socket);
    failure = 7;  // what is not negative is a success
    EXPECT_EQ(0, weir_udp_bind(udp, &socket, "127.0.0.1", 0));
    return weir_udp_close(socket);
  });
}

TEST_F(UdpIp, TooLargeIsReportedAndTheSocketGoesOn) {
  ExpectRun([] {
    weir_udp_socket *server = Bind("127.0.0.1");
    EXPECT_EQ(-EMSGSIZE, SendTo(server, server, std::string(65508, 'x')));
    EXPECT_EQ(0, SendTo(server, server, std::string(65507, 'x')));
    EXPECT_EQ(65507u, Receive(server).data.size());
    return weir_udp_close(server);
  });
}

// What came to the port from strangers before connect(2) is not the peer's.
TEST_F(UdpIp, ConnectedDropsWhatStrangersSentBefore) {
  static weir_address place;
  static int stranger;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.connect = [](void *, int fd, const sockaddr *address, socklen_t size) {
    sockaddr_in own = {};
    socklen_t own_size = sizeof own;
    EXPECT_EQ(0, getsockname(fd, reinterpret_cast<sockaddr *>(&own), &own_size));
    EXPECT_EQ(3, sendto(stranger, "pst", 3, 0, reinterpret_cast<sockaddr *>(&own), own_size));
    return weir_internal_kernel.connect(nullptr, fd, address, size);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  EXPECT_EQ(0, weir_address_parse(&place, "127.0.0.1", 0));
  ExpectRun(options, [] {
    weir_udp_socket *server = Bind("127.0.0.1");
    weir_udp_builder udp = Udp();
    udp.options.local_address = place;
    weir_udp_socket *client = nullptr;
    EXPECT_EQ(0, weir_udp_connect(udp, &client, "127.0.0.1", weir_udp_port(server)));
    EXPECT_EQ(0, SendTo(server, client, "welcome"));
    EXPECT_EQ("welcome", Receive(client).data);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
  close(stranger);
}

// Ktor's native selector dies of a descriptor from 1024 on.
TEST_F(UdpIp, DescriptorsAbove1024) {
  rlimit limit = {};
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
  if (limit.rlim_cur < 1200) GTEST_SKIP() << "too few descriptors are allowed";
  std::vector<int> taken;
  while (taken.empty() || taken.back() < 1100) taken.push_back(dup(0));
  ExpectRun([] {
    weir_udp_socket *server = Bind("127.0.0.1", Remembering());
    EXPECT_GT(fd_seen, 1024);
    weir_job *job = LaunchJob([=] { return Receive(server).result; });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, SendTo(server, server, "x"));
    EXPECT_EQ(0, EndOf(job));
    return weir_udp_close(server);
  });
  for (int fd : taken) close(fd);
}

TEST_F(UdpIp, ASocketBelongsToItsFirstLoop) {
  weir_selector_options options = {};
  options.loops = 2;
  ExpectRun(options, [] {
    weir_udp_socket *server = Bind("127.0.0.1");
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(
                     1, [=] { return SendTo(server, server, "mine"); }, nullptr, &job));
    EXPECT_EQ(0, EndOf(job));
    EXPECT_EQ(-EXDEV, Receive(server).result);
    EXPECT_EQ(-EXDEV, SendTo(server, server, "x"));
    EXPECT_EQ(-EXDEV, weir_udp_close(server));
    job = nullptr;
    EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(
                     1, [=] { return weir_udp_close(server); }, nullptr, &job));
    return EndOf(job);
  });
}

TEST_F(UdpIp, TheSocketTimeoutIsExact) {
  weir_testing::VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    weir_udp_builder udp = Udp();
    udp.options.socket_timeout = 3 * WEIR_SECOND;
    weir_udp_socket *socket = Bind("127.0.0.1", udp);
    int64_t start = weir_now();
    EXPECT_EQ(-ETIME, Receive(socket).result);
    EXPECT_EQ(start + 3 * WEIR_SECOND, weir_now());
    // The earlier one of the two ends it.
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, Receive(socket).result);
    EXPECT_TRUE(weir_timeout_end(timeout));
    timeout = weir_timeout_begin(9 * WEIR_SECOND);
    EXPECT_EQ(-ETIME, Receive(socket).result);
    EXPECT_FALSE(weir_timeout_end(timeout));
    EXPECT_EQ(start + 7 * WEIR_SECOND, weir_now());
    return weir_udp_close(socket);
  });
}

// The kernel has no room for a while: one waits for it, the others behind that one.
class FullSocket {
 public:
  FullSocket() : calls_(weir_internal_kernel) {
    calls_.context = this;
    calls_.send_to = [](void *self, int fd, const void *data, size_t size, const sockaddr *address,
                        socklen_t address_size) {
      if (static_cast<FullSocket *>(self)->full) return -EAGAIN;
      return weir_internal_kernel.send_to(nullptr, fd, data, size, address, address_size);
    };
    options_.system_calls = &calls_;
  }
  const weir_selector_options &options() const { return options_; }
  bool full = true;

 private:
  weir_internal_system_calls calls_;
  weir_selector_options options_ = {};
};

TEST_F(UdpIp, SendersWaitInOrderAndCloseWakesThem) {
  FullSocket full;
  ExpectRun(full.options(), [] {
    weir_udp_socket *socket = Bind("127.0.0.1");
    std::vector<weir_job *> jobs;
    for (int i = 0; i < 4; i++) {
      jobs.push_back(LaunchJob([=] { return SendTo(socket, socket, "x"); }));
    }
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(jobs[1]);
    EXPECT_EQ(-ECANCELED, EndOf(jobs[1]));
    EXPECT_EQ(0, weir_udp_close(socket));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(jobs[0]));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(jobs[2]));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(jobs[3]));
    return 0;
  });
}

TEST_F(UdpIp, SendersThatWaitedSendInOrder) {
  FullSocket full;
  ExpectRun(full.options(), [&] {
    weir_udp_socket *socket = Bind("127.0.0.1");
    for (int i = 0; i < 4; i++) {
      weir_testing::ExpectLaunch([=] { return SendTo(socket, socket, std::to_string(i)); });
    }
    EXPECT_EQ(0, weir_yield());
    full.full = false;
    // What comes in makes the kernel tell again that there is room, too.
    int outside = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    weir_address address = AddressOf(socket);
    EXPECT_EQ(1, sendto(outside, "-", 1, 0, &address.socket.any, address.size));
    close(outside);
    for (const char *expected : {"-", "0", "1", "2", "3"}) {
      EXPECT_EQ(expected, Receive(socket).data);
    }
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    return weir_udp_close(socket);
  });
}

TEST_F(UdpIp, TheSocketTimeoutHoldsForSendersToo) {
  FullSocket full;
  ExpectRun(full.options(), [] {
    weir_udp_builder udp = Udp();
    udp.options.socket_timeout = 2 * WEIR_MILLISECOND;
    weir_udp_socket *socket = Bind("127.0.0.1", udp);
    weir_job *first = LaunchJob([=] { return SendTo(socket, socket, "x"); });
    weir_job *second = LaunchJob([=] { return SendTo(socket, socket, "x"); });
    EXPECT_EQ(-ETIME, EndOf(first));
    EXPECT_EQ(-ETIME, EndOf(second));
    return weir_udp_close(socket);
  });
}

}  // namespace
