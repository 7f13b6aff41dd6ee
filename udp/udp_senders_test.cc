// SPDX-License-Identifier: Apache-2.0
//
// Senders for whom there is no room: how they wait, in which order, and what ends that.

#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/udp_pair.h"
#include "testing/unix_path.h"
#include "weir/udp.h"

namespace {

using weir_testing::AddressOf;
using weir_testing::BindLike;
using weir_testing::ConnectTo;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::Receive;
using weir_testing::Send;
using weir_testing::SendTo;
using weir_testing::Udp;

class UdpSenders : public weir_testing::LeakCheckedTest {};

weir_address Place(const char *text) {
  weir_address place = {};
  EXPECT_EQ(0, weir_address_from_text(&place, text));
  return place;
}

weir_udp_socket *Bind(weir_udp_builder udp = Udp()) { return BindLike(Place("127.0.0.1:0"), udp); }

weir_udp_socket *BindUnix() {
  return BindLike(Place(("unix:" + weir_testing::FreeUnixName()).c_str()));
}

// The kernel has room for so many datagrams. It also says which events it was asked for.
class LittleRoom {
 public:
  LittleRoom() : calls_(weir_internal_kernel) {
    calls_.context = this;
    calls_.send_to = [](void *self, int fd, const void *data, size_t size, const sockaddr *address,
                        socklen_t address_size) {
      if (static_cast<LittleRoom *>(self)->Take(1) == 0) return -EAGAIN;
      return weir_internal_kernel.send_to(nullptr, fd, data, size, address, address_size);
    };
    calls_.send_messages = [](void *self, int fd, mmsghdr *messages, unsigned count) {
      unsigned taken = static_cast<LittleRoom *>(self)->Take(count);
      if (taken == 0) return -EAGAIN;
      return weir_internal_kernel.send_messages(nullptr, fd, messages, taken);
    };
    calls_.epoll_control = [](void *self, int epoll, int operation, int fd, epoll_event *event) {
      return static_cast<LittleRoom *>(self)->Control(epoll, operation, fd, event);
    };
    options_.system_calls = &calls_;
  }
  const weir_selector_options &options() const { return options_; }

  // A builder whose sockets' events are remembered.
  weir_udp_builder Udp() {
    weir_udp_builder udp = weir_testing::Udp();
    udp.options.prepare = [](int fd, void *self) {
      return static_cast<LittleRoom *>(self)->fd_ = fd, 0;
    };
    udp.options.prepare_argument = this;
    return udp;
  }

  unsigned room = 0;
  int failure = 0;                // of what changes the events
  std::vector<uint32_t> watched;  // of the latest socket

 private:
  unsigned Take(unsigned wanted) {
    unsigned taken = wanted < room ? wanted : room;
    room -= taken;
    return taken;
  }

  int Control(int epoll, int operation, int fd, epoll_event *event) {
    if (operation == EPOLL_CTL_MOD && failure != 0) return failure;
    if (operation != EPOLL_CTL_DEL && fd == fd_) watched.push_back(event->events);
    return weir_internal_kernel.epoll_control(nullptr, epoll, operation, fd, event);
  }

  weir_internal_system_calls calls_;
  weir_selector_options options_ = {};
  int fd_ = -1;
};

TEST_F(UdpSenders, WaitInOrderAndCloseWakesThem) {
  LittleRoom little;
  ExpectRun(little.options(), [] {
    weir_udp_socket *socket = Bind();
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

TEST_F(UdpSenders, ThatWaitedSendInOrder) {
  LittleRoom little;
  ExpectRun(little.options(), [&] {
    weir_udp_socket *socket = Bind();
    for (int i = 0; i < 4; i++) {
      ExpectLaunch([=] { return SendTo(socket, socket, std::to_string(i)); });
    }
    EXPECT_EQ(0, weir_yield());
    little.room = 4;
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

TEST_F(UdpSenders, HaveTheSocketTimeoutToo) {
  LittleRoom little;
  ExpectRun(little.options(), [] {
    weir_udp_builder udp = Udp();
    udp.options.socket_timeout = 2 * WEIR_MILLISECOND;
    weir_udp_socket *socket = Bind(udp);
    weir_job *first = LaunchJob([=] { return SendTo(socket, socket, "x"); });
    weir_job *second = LaunchJob([=] { return SendTo(socket, socket, "x"); });
    EXPECT_EQ(-ETIME, EndOf(first));
    EXPECT_EQ(-ETIME, EndOf(second));
    return weir_udp_close(socket);
  });
}

// To be told whenever a datagram has left would be a wake-up for each, and nobody waits for it.
TEST_F(UdpSenders, AskTheKernelForRoomOnlyOnceTheyFoundNone) {
  LittleRoom little;
  ExpectRun(little.options(), [&] {
    weir_udp_socket *socket = Bind(little.Udp());
    little.room = 1;
    EXPECT_EQ(0, SendTo(socket, socket, "x"));
    EXPECT_EQ(1u, little.watched.size());
    EXPECT_EQ(0u, little.watched[0] & EPOLLOUT);
    for (int i = 0; i < 2; i++) {
      weir_job *job = LaunchJob([=] { return SendTo(socket, socket, "y"); });
      EXPECT_EQ(0, weir_yield());
      weir_job_cancel(job);
      EXPECT_EQ(-ECANCELED, EndOf(job));
    }
    EXPECT_EQ(2u, little.watched.size());
    EXPECT_EQ(little.watched[0] | EPOLLOUT, little.watched.back());
    return weir_udp_close(socket);
  });
}

TEST_F(UdpSenders, WhoCannotAskForRoomFailAndTheNextDoesNot) {
  LittleRoom little;
  ExpectRun(little.options(), [&] {
    weir_udp_socket *socket = Bind();
    weir_datagram datagram = {};
    datagram.address = AddressOf(socket);
    little.failure = -ENOMEM;
    EXPECT_EQ(-ENOMEM, SendTo(socket, socket, "x"));
    EXPECT_EQ(-ENOMEM, weir_udp_send_batch(socket, &datagram, 1));
    little.room = 1;
    EXPECT_EQ(0, SendTo(socket, socket, "y"));
    EXPECT_EQ("y", Receive(socket).data);
    little.failure = 0;
    weir_job *job = LaunchJob([=] { return SendTo(socket, socket, "z"); });
    little.room = 1;
    EXPECT_EQ(0, EndOf(job));
    return weir_udp_close(socket);
  });
}

// Whoever closes frees the socket, and so nobody may take a part for a success and go on.
TEST_F(UdpSenders, OfABatchLearnThatTheSocketIsClosed) {
  LittleRoom little;
  ExpectRun(little.options(), [&] {
    weir_udp_socket *socket = Bind();
    weir_datagram datagrams[5] = {};
    for (weir_datagram &datagram : datagrams) datagram.address = AddressOf(socket);
    little.room = 3;
    weir_job *job = LaunchJob([&] { return weir_udp_send_batch(socket, datagrams, 5); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0u, little.room);
    EXPECT_EQ(0, weir_udp_close(socket));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(job));
    return 0;
  });
}

// Fills what the kernel holds for the peer of |client|; returns how many that is.
int Fill(weir_udp_socket *client) {
  weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
  int count = 0;
  while (Send(client, "filling") == 0) count++;
  EXPECT_TRUE(weir_timeout_end(timeout));
  return count;
}

TEST_F(UdpSenders, OfABatchKnowWhatWasSentBeforeTheyWereInterrupted) {
  ExpectRun([] {
    weir_udp_socket *server = BindUnix();
    weir_udp_socket *client = ConnectTo(server);
    int filled = Fill(client);
    for (int i = 0; i < 3; i++) EXPECT_EQ("filling", Receive(server).data);
    weir_datagram datagrams[5] = {};
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(3, weir_udp_send_batch(client, datagrams, 5));
    EXPECT_EQ(-ETIMEDOUT, weir_udp_send_batch(client, datagrams + 3, 2));
    EXPECT_TRUE(weir_timeout_end(timeout));
    for (int i = 0; i < filled; i++) Receive(server);
    EXPECT_EQ(2, weir_udp_send_batch(client, datagrams + 3, 2));
    EXPECT_EQ("", Receive(server).data);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_F(UdpSenders, AreNotOvertakenForEver) {
  ExpectRun([] {
    weir_udp_socket *server = BindUnix();
    weir_udp_socket *client = ConnectTo(server);
    weir_job *greedy = LaunchJob([=] {
      int result = 0;
      while (result == 0) result = Send(client, "greedy");
      return result;
    });
    EXPECT_EQ(0, weir_yield());
    weir_job *patient = LaunchJob([=] { return Send(client, "patient"); });
    EXPECT_EQ(0, weir_yield());
    int before = 0;
    while (before < 1000 && Receive(server).data != "patient") {
      before++;
      EXPECT_EQ(0, weir_yield());
    }
    EXPECT_LT(before, 1000);
    EXPECT_EQ(0, weir_udp_close(client));
    EXPECT_EQ(0, EndOf(patient));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(greedy));
    return weir_udp_close(server);
  });
}

TEST_F(UdpSenders, TakeOverFromOneThatGaveUp) {
  ExpectRun([] {
    weir_udp_socket *server = BindUnix();
    weir_udp_socket *client = ConnectTo(server);
    int filled = Fill(client);
    weir_job *first = LaunchJob([=] { return Send(client, "first"); });
    weir_job *expired = LaunchJob([=] {
      weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
      EXPECT_EQ(-ETIMEDOUT, Send(client, "expired"));
      EXPECT_TRUE(weir_timeout_end(timeout));
      return 0;
    });
    weir_job *last = LaunchJob([=] { return Send(client, "last"); });
    EXPECT_EQ(0, EndOf(expired));
    weir_job_cancel(first);
    EXPECT_EQ(-ECANCELED, EndOf(first));
    for (int i = 0; i < filled; i++) EXPECT_EQ("filling", Receive(server).data);
    EXPECT_EQ("last", Receive(server).data);
    EXPECT_EQ(0, EndOf(last));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_F(UdpSenders, LearnThatAFullPeerHasGone) {
  ExpectRun([] {
    weir_udp_socket *server = BindUnix();
    weir_udp_socket *client = ConnectTo(server);
    weir_udp_socket *unconnected = BindUnix();
    weir_address place = AddressOf(server);
    Fill(client);
    weir_job *first = LaunchJob([=] { return Send(client, "first"); });
    weir_job *second = LaunchJob([=] { return Send(client, "second"); });
    weir_job *third = LaunchJob([=] { return Send(unconnected, "third", &place); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_udp_close(server));
    EXPECT_EQ(-ECONNREFUSED, EndOf(first));
    EXPECT_EQ(-ECONNREFUSED, EndOf(second));
    EXPECT_EQ(-ECONNREFUSED, EndOf(third));
    EXPECT_EQ(0, weir_udp_close(unconnected));
    return weir_udp_close(client);
  });
}

// One client that does not read would otherwise stop a server from answering all others.
TEST_F(UdpSenders, ToAFullPeerHoldUpNobodyElse) {
  ExpectRun([] {
    weir_udp_socket *full = BindUnix();
    weir_udp_socket *other = BindUnix();
    weir_udp_socket *filling = ConnectTo(full);
    int filled = Fill(filling);
    weir_udp_socket *server = BindUnix();
    weir_job *job = LaunchJob([=] { return SendTo(server, full, "late"); });
    EXPECT_EQ(0, weir_yield());
    weir_timeout timeout = weir_timeout_begin(10 * WEIR_SECOND);
    EXPECT_EQ(0, SendTo(server, other, "at once"));
    weir_datagram datagram = {};
    datagram.address = AddressOf(other);
    EXPECT_EQ(1, weir_udp_send_batch(server, &datagram, 1));
    EXPECT_FALSE(weir_timeout_end(timeout));
    for (int i = 0; i < filled; i++) EXPECT_EQ("filling", Receive(full).data);
    EXPECT_EQ("late", Receive(full).data);
    EXPECT_EQ(0, EndOf(job));
    for (weir_udp_socket *socket : {filling, other, server}) EXPECT_EQ(0, weir_udp_close(socket));
    return weir_udp_close(full);
  });
}

TEST_F(UdpSenders, OfALongBatchWaitAndGoOn) {
  ExpectRun([] {
    weir_udp_socket *server = BindUnix();
    weir_udp_socket *connected = ConnectTo(server);
    weir_udp_socket *unconnected = BindUnix();
    for (weir_udp_socket *client : {connected, unconnected}) {
      const int count = 3 * WEIR_DATAGRAM_BATCH + 1;
      std::vector<weir_datagram> datagrams(count);
      std::vector<std::string> texts(count);
      for (int i = 0; i < count; i++) {
        texts[i] = std::to_string(i);
        datagrams[i].data = texts[i].data();
        datagrams[i].size = texts[i].size();
        datagrams[i].address = AddressOf(server);
      }
      weir_job *job =
          LaunchJob([&] { return weir_udp_send_batch(client, datagrams.data(), count); });
      for (int i = 0; i < count; i++) EXPECT_EQ(texts[i], Receive(server).data);
      EXPECT_EQ(count, EndOf(job));
      EXPECT_EQ(0, weir_udp_close(client));
    }
    return weir_udp_close(server);
  });
}

}  // namespace
