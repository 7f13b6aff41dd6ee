// SPDX-License-Identifier: Apache-2.0
//
// What holds for datagram sockets of every kind: one list of tests, run over each.

#include "weir/udp.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/udp_pair.h"
#include "testing/unix_path.h"

namespace {

using weir_testing::AddressOf;
using weir_testing::BindLike;
using weir_testing::ConnectTo;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::Receive;
using weir_testing::Received;
using weir_testing::Send;
using weir_testing::SendTo;
using weir_testing::Udp;

struct Kind {
  const char *name;
  weir_address (*place)();  // a free one, each time
};

class UdpSocket : public weir_testing::LeakCheckedTest, public ::testing::WithParamInterface<Kind> {
 protected:
  static weir_address Place() { return GetParam().place(); }
  static weir_udp_socket *Bind(weir_udp_builder udp = Udp()) { return BindLike(Place(), udp); }
};

std::string Text(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

TEST_P(UdpSocket, ADatagramComesWithItsSender) {
  ExpectRun([] {
    weir_udp_socket *first = Bind();
    weir_udp_socket *second = Bind();
    EXPECT_EQ(0, SendTo(first, second, "hello"));
    Received received = Receive(second);
    EXPECT_EQ(0, received.result);
    EXPECT_EQ("hello", received.data);
    EXPECT_FALSE(received.truncated);
    EXPECT_EQ(weir_udp_local_address(first), Text(received.address));
    EXPECT_EQ(0, Send(second, "and back", &received.address));
    EXPECT_EQ("and back", Receive(first).data);
    EXPECT_EQ(0, weir_udp_close(first));
    return weir_udp_close(second);
  });
}

TEST_P(UdpSocket, AReceiverWaits) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    weir_job *job = LaunchJob([=] {
      Received received = Receive(server);
      EXPECT_EQ("late", received.data);
      return received.result;
    });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, Send(client, "late"));
    EXPECT_EQ(0, EndOf(job));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

// Ktor: a send of nothing throws or loops, and receiving nothing deafens a native server.
TEST_P(UdpSocket, EmptyDatagramsAreDatagrams) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    EXPECT_EQ(0, Send(client, ""));
    EXPECT_EQ(0, Send(client, "one"));
    weir_datagram nothing = {};
    EXPECT_EQ(1, weir_udp_send_batch(client, &nothing, 1));
    Received received = Receive(server);
    EXPECT_EQ(0, received.result);
    EXPECT_EQ("", received.data);
    EXPECT_FALSE(received.truncated);
    EXPECT_EQ("one", Receive(server).data);
    EXPECT_EQ(1, weir_udp_receive_batch(server, &nothing, 1));
    EXPECT_EQ(0u, nothing.size);
    EXPECT_EQ(0, Send(client, "still there"));
    EXPECT_EQ("still there", Receive(server).data);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, WhatIsTruncatedIsFlagged) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    for (size_t capacity : {4, 5, 6}) {
      EXPECT_EQ(0, Send(client, "12345"));
      Received received = Receive(server, capacity);
      EXPECT_EQ(0, received.result);
      EXPECT_EQ(std::string("12345").substr(0, capacity), received.data);
      EXPECT_EQ(capacity < 5, received.truncated);
      EXPECT_EQ(0, Send(client, "12345"));
      char memory[8] = {};
      weir_datagram datagram = {};
      datagram.data = memory;
      datagram.capacity = capacity;
      EXPECT_EQ(1, weir_udp_receive_batch(server, &datagram, 1));
      EXPECT_EQ(received.data, std::string(memory, datagram.size));
      EXPECT_EQ(capacity < 5, datagram.truncated);
    }
    // A caller without any room can still see that one was there.
    EXPECT_EQ(0, Send(client, "x"));
    EXPECT_TRUE(Receive(server, 0).truncated);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

// Ktor: testSendReceive.
TEST_P(UdpSocket, TenDatagramsToItself) {
  ExpectRun([] {
    weir_udp_socket *socket = Bind();
    for (int i = 0; i < 10; i++) {
      EXPECT_EQ(0, SendTo(socket, socket, "number " + std::to_string(i)));
      EXPECT_EQ("number " + std::to_string(i), Receive(socket).data);
    }
    return weir_udp_close(socket);
  });
}

// Ktor: testSendReceiveLarge.
TEST_P(UdpSocket, LargeDatagramsStayWhole) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    for (size_t size : {10000, 10001, 40000, 65000}) {
      std::string data(size, '\0');
      for (size_t i = 0; i < size; i++) data[i] = static_cast<char>(i * 7919 >> 4);
      EXPECT_EQ(0, Send(client, data));
      Received received = Receive(server);
      EXPECT_EQ(data, received.data);
      EXPECT_FALSE(received.truncated);
    }
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ABatchComesAndGoesAsItIs) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = Bind();
    const int count = 9;
    char memory[count + 5][16];
    weir_datagram datagrams[count + 5] = {};
    for (int i = 0; i < count + 5; i++) {
      datagrams[i].data = memory[i];
      datagrams[i].capacity = sizeof memory[i];
      datagrams[i].size = static_cast<size_t>(i);
      memset(memory[i], 'a' + i, sizeof memory[i]);
      datagrams[i].address = AddressOf(server);
    }
    EXPECT_EQ(count, weir_udp_send_batch(client, datagrams, count));
    memset(memory, 0, sizeof memory);
    EXPECT_EQ(4, weir_udp_receive_batch(server, datagrams, 4));
    EXPECT_EQ(5, weir_udp_receive_batch(server, datagrams + 4, count + 1));
    EXPECT_EQ(count, weir_udp_send_batch(server, datagrams, count));
    EXPECT_EQ(count, weir_udp_receive_batch(client, datagrams, count + 5));
    for (int i = 0; i < count; i++) {
      std::string expected(static_cast<size_t>(i), static_cast<char>('a' + i));
      EXPECT_EQ(expected, std::string(memory[i], datagrams[i].size));
      EXPECT_EQ(weir_udp_local_address(server), Text(datagrams[i].address));
    }
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ABatchAfterADryOneWaits) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    char memory[4][8];
    weir_datagram datagrams[4] = {};
    for (int i = 0; i < 4; i++) {
      datagrams[i].data = memory[i];
      datagrams[i].capacity = sizeof memory[i];
    }
    for (int round = 0; round < 3; round++) {
      EXPECT_EQ(0, Send(client, "one"));
      EXPECT_EQ(1, weir_udp_receive_batch(server, datagrams, 4));
      weir_job *job = LaunchJob([&] { return weir_udp_receive_batch(server, datagrams, 4); });
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(0, Send(client, "two"));
      EXPECT_EQ(1, EndOf(job));
    }
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, NoneIsNoBatch) {
  ExpectRun([] {
    weir_udp_socket *socket = Bind();
    weir_datagram datagram = {};
    EXPECT_EQ(-EINVAL, weir_udp_receive_batch(socket, &datagram, 0));
    EXPECT_EQ(0, weir_udp_send_batch(socket, &datagram, 0));
    return weir_udp_close(socket);
  });
}

// Ktor: testUdpConnect; on native, connecting to an IPv6 peer without a local address fails.
TEST_P(UdpSocket, ConnectedNeedsNoLocalAddress) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    EXPECT_STREQ(weir_udp_local_address(server), weir_udp_remote_address(client));
    EXPECT_STREQ("", weir_udp_remote_address(server));
    EXPECT_EQ(0, Send(client, "hello"));
    Received received = Receive(server);
    EXPECT_EQ(weir_udp_local_address(client), Text(received.address));
    EXPECT_EQ(0, Send(server, "welcome", &received.address));
    received = Receive(client);
    EXPECT_EQ("welcome", received.data);
    EXPECT_EQ(weir_udp_local_address(server), Text(received.address));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ConnectedIsForThePeerAlone) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *stranger = Bind();
    weir_udp_socket *client = ConnectTo(server);
    weir_address there = AddressOf(server);
    weir_address elsewhere = AddressOf(stranger);
    EXPECT_EQ(-EISCONN, Send(client, "hello", &elsewhere));
    EXPECT_EQ(0, Send(client, "hello", &there));
    weir_datagram datagrams[2] = {};
    datagrams[1].address = elsewhere;
    EXPECT_EQ(1, weir_udp_send_batch(client, datagrams, 2));
    EXPECT_EQ(-EISCONN, weir_udp_send_batch(client, datagrams + 1, 1));
    static_cast<void>(SendTo(stranger, client, "pst"));
    EXPECT_EQ(0, SendTo(server, client, "welcome"));
    EXPECT_EQ("welcome", Receive(client).data);
    EXPECT_EQ(0, weir_udp_close(client));
    EXPECT_EQ(0, weir_udp_close(stranger));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ConnectedWithALocalAddress) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_builder udp = Udp();
    udp.options.local_address = Place();
    weir_udp_socket *client = ConnectTo(server, udp);
    EXPECT_EQ(0, Send(client, "hello"));
    EXPECT_EQ(weir_udp_local_address(client), Text(Receive(server).address));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, UnconnectedNeedsAnAddressForEach) {
  ExpectRun([] {
    weir_udp_socket *socket = Bind();
    EXPECT_EQ(-EDESTADDRREQ, Send(socket, "hello"));
    weir_datagram datagrams[2] = {};
    datagrams[0].address = AddressOf(socket);
    EXPECT_EQ(1, weir_udp_send_batch(socket, datagrams, 2));
    EXPECT_EQ(-EDESTADDRREQ, weir_udp_send_batch(socket, datagrams + 1, 1));
    return weir_udp_close(socket);
  });
}

// An ICMP error, or the like, is the failure of one operation. Ktor: any failure in its loop ends
// reception for ever.
TEST_P(UdpSocket, APeerThatHasGoneDoesNotDeafen) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    weir_address place = AddressOf(server);
    EXPECT_EQ(0, weir_udp_close(server));
    int failed = 0;
    for (int i = 0; i < 4; i++) failed += Send(client, "anybody?") == -ECONNREFUSED;
    EXPECT_GT(failed, 0);
    // At most one more is on its way to the receiver.
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    int result = Receive(client).result;
    weir_timeout_end(timeout);
    EXPECT_TRUE(result == -ECONNREFUSED || result == -ETIMEDOUT);
    server = BindLike(place);
    EXPECT_EQ(0, SendTo(server, client, "back again"));
    EXPECT_EQ("back again", Receive(client).data);
    EXPECT_EQ(0, Send(client, "heard"));
    EXPECT_EQ("heard", Receive(server).data);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ASecondReceiverIsRefused) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_job *job = LaunchJob([=] { return Receive(server).result; });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(-EBUSY, Receive(server).result);
    weir_datagram datagram = {};
    EXPECT_EQ(-EBUSY, weir_udp_receive_batch(server, &datagram, 1));
    EXPECT_EQ(0, SendTo(server, server, "for the first"));
    EXPECT_EQ(0, EndOf(job));
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, ManySend) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    const int senders = 20;
    const int each = 50;
    for (int i = 0; i < senders; i++) {
      ExpectLaunch([=] {
        for (int j = 0; j < each; j++) {
          EXPECT_EQ(0, Send(client, std::to_string(i) + " " + std::to_string(j)));
          EXPECT_EQ(0, weir_yield());
        }
        return 0;
      });
    }
    std::vector<int> next(senders);
    for (int i = 0; i < senders * each; i++) {
      std::string data = Receive(server).data;
      int sender = std::stoi(data);
      EXPECT_EQ(next[sender]++, std::stoi(data.substr(data.find(' '))));
    }
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

// Ktor: testClose.
TEST_P(UdpSocket, CloseWakesTheReceiver) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_job *job = LaunchJob([=] { return Receive(server).result; });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_udp_close(server));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(job));
    EXPECT_EQ(0, weir_udp_close(nullptr));
    return 0;
  });
}

TEST_P(UdpSocket, CloseReachesAReceiverThatWasWokenInVain) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    weir_job *job = LaunchJob([=] { return Receive(server).result; });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, Send(client, "x"));
    // Woken, or about to be; what came is lost with the socket, or is received.
    EXPECT_EQ(0, weir_udp_close(server));
    int result = EndOf(job);
    EXPECT_TRUE(result == 0 || result == WEIR_E_CLOSED);
    return weir_udp_close(client);
  });
}

TEST_P(UdpSocket, ACancelledReceiverTakesNothing) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    weir_job *job = LaunchJob([=] { return Receive(server).result; });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    EXPECT_EQ(0, SendTo(server, server, "kept"));
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ(-ETIMEDOUT, Receive(server).result);
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ("kept", Receive(server).data);
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, TheSocketTimeoutEndsOneReceive) {
  ExpectRun([] {
    weir_udp_builder udp = Udp();
    udp.options.socket_timeout = 5 * WEIR_MILLISECOND;
    weir_udp_socket *server = Bind(udp);
    for (int i = 0; i < 2; i++) {
      int64_t before = weir_now();
      EXPECT_EQ(-ETIME, Receive(server).result);
      EXPECT_GE(weir_now() - before, 5 * WEIR_MILLISECOND);
    }
    EXPECT_EQ(0, SendTo(server, server, "still usable"));
    EXPECT_EQ("still usable", Receive(server).data);
    return weir_udp_close(server);
  });
}

TEST_P(UdpSocket, TheSameAddressCanBeBoundAgainAndAgain) {
  ExpectRun([] {
    weir_udp_socket *socket = Bind();
    weir_address address = AddressOf(socket);
    weir_udp_socket *second = socket;
    EXPECT_EQ(-EADDRINUSE, weir_udp_bind_address(Udp(), &second, &address));
    EXPECT_EQ(nullptr, second);
    for (int i = 0; i < 10; i++) {
      EXPECT_EQ(0, weir_udp_close(socket));
      socket = BindLike(address);
    }
    return weir_udp_close(socket);
  });
}

TEST_P(UdpSocket, DoesNothingOutsideACoroutine) {
  weir_udp_socket *socket = nullptr;
  ExpectRun([&] {
    socket = Bind();
    EXPECT_NE(nullptr, socket);
    return weir_udp_close(socket);
  });
  EXPECT_EQ(-EINVAL, weir_udp_receive(nullptr, nullptr));
  EXPECT_EQ(-EINVAL, weir_udp_bind(weir_udp(nullptr), &socket, "127.0.0.1", 0));
  EXPECT_EQ(nullptr, socket);
}

weir_address IpPlace(const char *host) {
  weir_address place = {};
  EXPECT_EQ(0, weir_address_parse(&place, host, 0));
  return place;
}

weir_address UnixPlace(const std::string &path) {
  weir_address place = {};
  EXPECT_EQ(0, weir_address_unix(&place, path.c_str())) << path;
  return place;
}

const Kind kKinds[] = {
    {"Ipv4", [] { return IpPlace("127.0.0.1"); }},
    {"Ipv6", [] { return IpPlace("::1"); }},
    {"UnixPath", [] { return UnixPlace(weir_testing::FreeUnixPath()); }},
    {"UnixAbstract", [] { return UnixPlace(weir_testing::FreeUnixName()); }},
};

std::string NameOf(const ::testing::TestParamInfo<Kind> &kind) { return kind.param.name; }

INSTANTIATE_TEST_SUITE_P(Udp, UdpSocket, ::testing::ValuesIn(kKinds), NameOf);

}  // namespace
