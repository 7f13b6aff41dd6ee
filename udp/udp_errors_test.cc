// SPDX-License-Identifier: Apache-2.0
//
// What fails is one operation, or one datagram of a batch, and never the socket.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
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
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::Receive;
using weir_testing::Received;
using weir_testing::Send;
using weir_testing::SendTo;
using weir_testing::Udp;

class UdpErrors : public weir_testing::LeakCheckedTest {};

weir_address Place(const std::string &text) {
  weir_address place = {};
  EXPECT_EQ(0, weir_address_from_text(&place, text.c_str())) << text;
  return place;
}

weir_udp_socket *Bind(const char *text = "127.0.0.1:0") { return BindLike(Place(text)); }

// Datagrams with texts, all to one address.
struct Batch {
  Batch(const std::vector<std::string> &data, const weir_address &to)
      : texts(data), datagrams(data.size()) {
    for (size_t i = 0; i < texts.size(); i++) {
      datagrams[i].data = texts[i].data();
      datagrams[i].size = texts[i].size();
      datagrams[i].address = to;
    }
  }
  int Send(weir_udp_socket *socket, size_t from = 0) const {
    return weir_udp_send_batch(socket, datagrams.data() + from, datagrams.size() - from);
  }
  std::vector<std::string> texts;
  std::vector<weir_datagram> datagrams;
};

// What came together.
struct Room {
  explicit Room(size_t count) : memory(count, std::string(100, '\0')), datagrams(count) {
    for (size_t i = 0; i < count; i++) {
      datagrams[i].data = memory[i].data();
      datagrams[i].capacity = memory[i].size();
    }
  }
  int Receive(weir_udp_socket *socket) {
    return weir_udp_receive_batch(socket, datagrams.data(), datagrams.size());
  }
  std::string Text(size_t i) const { return memory[i].substr(0, datagrams[i].size); }
  std::vector<std::string> memory;
  std::vector<weir_datagram> datagrams;
};

void ExpectHears(weir_udp_socket *socket) {
  EXPECT_EQ(0, SendTo(socket, socket, "still here"));
  EXPECT_EQ("still here", Receive(socket).data);
}

TEST_F(UdpErrors, OneTooLargeInTheMiddleOfABatch) {
  ExpectRun([] {
    for (const std::string &place :
         {std::string("127.0.0.1:0"), std::string("[::1]:0"),
          "unix:" + weir_testing::FreeUnixName(), "unix:" + weir_testing::FreeUnixPath()}) {
      weir_udp_socket *server = Bind(place.c_str());
      Batch batch({"one", std::string(10'000'000, 'x'), "three"}, AddressOf(server));
      EXPECT_EQ(1, batch.Send(server));
      EXPECT_EQ(-EMSGSIZE, batch.Send(server, 1));
      EXPECT_EQ(1, batch.Send(server, 2));
      Room room(3);
      EXPECT_EQ(2, room.Receive(server));
      EXPECT_EQ("one", room.Text(0));
      EXPECT_EQ("three", room.Text(1));
      EXPECT_EQ(0, weir_udp_close(server));
    }
    return 0;
  });
}

TEST_F(UdpErrors, OneForAllInTheMiddleOfABatch) {
  ExpectRun([] {
    weir_udp_socket *server = Bind();
    Batch batch({"one", "all of you", "three"}, AddressOf(server));
    batch.datagrams[1].address = Place("127.255.255.255:" + std::to_string(weir_udp_port(server)));
    EXPECT_EQ(1, batch.Send(server));
    EXPECT_EQ(-EACCES, batch.Send(server, 1));
    EXPECT_EQ(1, batch.Send(server, 2));
    EXPECT_EQ("one", Receive(server).data);
    EXPECT_EQ("three", Receive(server).data);
    return weir_udp_close(server);
  });
}

// Of those that are not connected the kernel does not tell.
TEST_F(UdpErrors, UnconnectedDoesNotHearOfPeersThatHaveGone) {
  ExpectRun([] {
    for (const char *place : {"127.0.0.1:0", "[::1]:0"}) {
      weir_udp_socket *gone = Bind(place);
      weir_udp_socket *server = Bind(place);
      Batch batch(std::vector<std::string>(70, "anybody?"), AddressOf(gone));
      EXPECT_EQ(0, weir_udp_close(gone));
      EXPECT_EQ(70, batch.Send(server));
      EXPECT_EQ(0, Send(server, "anybody?", &batch.datagrams[0].address));
      ExpectHears(server);
      weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
      EXPECT_EQ(-ETIMEDOUT, Receive(server).result);
      EXPECT_TRUE(weir_timeout_end(timeout));
      EXPECT_EQ(0, weir_udp_close(server));
    }
    return 0;
  });
}

TEST_F(UdpErrors, UnconnectedUnixFailsForPeersThatHaveGone) {
  ExpectRun([] {
    weir_udp_socket *gone = Bind(("unix:" + weir_testing::FreeUnixName()).c_str());
    weir_udp_socket *server = Bind(("unix:" + weir_testing::FreeUnixName()).c_str());
    Batch batch({"one", "two", "three"}, AddressOf(server));
    batch.datagrams[1].address = AddressOf(gone);
    EXPECT_EQ(0, weir_udp_close(gone));
    EXPECT_EQ(1, batch.Send(server));
    EXPECT_EQ(-ECONNREFUSED, batch.Send(server, 1));
    EXPECT_EQ(1, batch.Send(server, 2));
    EXPECT_EQ("one", Receive(server).data);
    EXPECT_EQ("three", Receive(server).data);
    return weir_udp_close(server);
  });
}

TEST_F(UdpErrors, AConnectedOneIsToldInABatch) {
  ExpectRun([] {
    for (const char *place : {"127.0.0.1:0", "[::1]:0"}) {
      weir_udp_socket *server = Bind(place);
      weir_address there = AddressOf(server);
      weir_udp_socket *client = ConnectTo(server);
      Batch batch(std::vector<std::string>(70, "anybody?"), {});
      EXPECT_EQ(0, weir_udp_close(server));
      int refused = 0;
      for (int i = 0; i < 3; i++) refused += batch.Send(client) == -ECONNREFUSED;
      EXPECT_GT(refused, 0);
      server = BindLike(there);
      // One more may be on its way.
      int result = batch.Send(client);
      EXPECT_TRUE(result == 70 || result == -ECONNREFUSED);
      EXPECT_EQ(70, batch.Send(client));
      EXPECT_EQ(0, SendTo(server, client, "heard"));
      EXPECT_EQ("heard", Receive(client).data);
      EXPECT_EQ(0, weir_udp_close(client));
      EXPECT_EQ(0, weir_udp_close(server));
    }
    return 0;
  });
}

TEST_F(UdpErrors, AWaitingReceiverIsToldOnce) {
  ExpectRun([] {
    for (bool as_batch : {false, true}) {
      weir_udp_socket *server = Bind();
      weir_address there = AddressOf(server);
      weir_udp_socket *client = ConnectTo(server);
      EXPECT_EQ(0, weir_udp_close(server));
      auto receive = [=] {
        Room room(4);
        return as_batch ? room.Receive(client) : Receive(client).result;
      };
      weir_job *job = LaunchJob(receive);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(0, Send(client, "anybody?"));
      EXPECT_EQ(-ECONNREFUSED, EndOf(job));
      job = LaunchJob(receive);
      EXPECT_EQ(0, weir_yield());
      server = BindLike(there);
      EXPECT_EQ(0, SendTo(server, client, "heard"));
      EXPECT_EQ(as_batch ? 1 : 0, EndOf(job));
      EXPECT_EQ(0, weir_udp_close(client));
      EXPECT_EQ(0, weir_udp_close(server));
    }
    return 0;
  });
}

// The kernel ends a batch at an error, and tells it to the next one.
TEST_F(UdpErrors, OneBehindABatchIsTheNextOnes) {
  static weir_udp_socket *client;
  static int calls_made;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.receive_messages = [](void *, int fd, mmsghdr *messages, unsigned) {
    int result = weir_internal_kernel.receive_messages(nullptr, fd, messages, 1);
    // Nobody listens there any more.
    if (calls_made++ == 0) send(fd, "anybody?", 8, 0);
    return result;
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  calls_made = 0;
  ExpectRun(options, [] {
    weir_udp_socket *server = Bind();
    client = ConnectTo(server);
    EXPECT_EQ(0, SendTo(server, client, "before"));
    EXPECT_EQ(0, weir_udp_close(server));
    Room room(4);
    EXPECT_EQ(1, room.Receive(client));
    EXPECT_EQ("before", room.Text(0));
    weir_timeout timeout = weir_timeout_begin(10 * WEIR_SECOND);
    EXPECT_EQ(-ECONNREFUSED, room.Receive(client));
    EXPECT_FALSE(weir_timeout_end(timeout));
    return weir_udp_close(client);
  });
}

// A path of 108 bytes has no room for its NUL, and the kernel says a size as if it had.
TEST_F(UdpErrors, APeerWithTheLongestPathOfAllIsAnswered) {
  ExpectRun([] {
    weir_udp_socket *server = Bind(("unix:" + weir_testing::FreeUnixPath()).c_str());
    weir_address place = AddressOf(server);
    sockaddr_un own = {};
    own.sun_family = AF_UNIX;
    std::string path = weir_testing::FreeUnixPath();
    path.resize(sizeof own.sun_path, 'x');
    path.copy(own.sun_path, path.size());
    int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, bind(peer, reinterpret_cast<sockaddr *>(&own), sizeof own));
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(2, sendto(peer, "hi", 2, 0, &place.socket.any, place.size));
      Room room(1);
      Received received;
      if (i == 0) {
        received = Receive(server);
      } else {
        EXPECT_EQ(1, room.Receive(server));
        received.address = room.datagrams[0].address;
      }
      char text[WEIR_ADDRESS_TEXT_SIZE];
      EXPECT_EQ("unix:" + path, weir_address_format(&received.address, text));
      EXPECT_LE(received.address.size, sizeof received.address.socket);
      EXPECT_EQ(0, Send(server, "and back", &received.address));
      char back[16];
      EXPECT_EQ(8, recv(peer, back, sizeof back, MSG_DONTWAIT));
    }
    close(peer);
    EXPECT_EQ(0, unlink(path.c_str()));
    return weir_udp_close(server);
  });
}

TEST_F(UdpErrors, SendersWithoutANameInABatch) {
  ExpectRun([] {
    weir_udp_socket *server = Bind(("unix:" + weir_testing::FreeUnixName()).c_str());
    weir_address place = AddressOf(server);
    int nameless = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(1, sendto(nameless, "1", 1, 0, &place.socket.any, place.size));
    EXPECT_EQ(0, SendTo(server, server, "2"));
    EXPECT_EQ(1, sendto(nameless, "3", 1, 0, &place.socket.any, place.size));
    close(nameless);
    Room room(4);
    for (weir_datagram &datagram : room.datagrams) datagram.address = place;
    EXPECT_EQ(3, room.Receive(server));
    EXPECT_EQ(0u, room.datagrams[0].address.size);
    EXPECT_TRUE(weir_address_equal(&place, &room.datagrams[1].address));
    EXPECT_EQ(0u, room.datagrams[2].address.size);
    // The answers: none, one, none.
    EXPECT_EQ(-EDESTADDRREQ, weir_udp_send_batch(server, room.datagrams.data(), 3));
    EXPECT_EQ(1, weir_udp_send_batch(server, room.datagrams.data() + 1, 2));
    EXPECT_EQ("2", Receive(server).data);
    return weir_udp_close(server);
  });
}

TEST_F(UdpErrors, AFloodDuringTheConnectIsNotReadForEver) {
  static int received;
  weir_internal_system_calls calls = weir_internal_kernel;
  // There is always one more.
  calls.receive_from = [](void *, int, void *, size_t, sockaddr *, socklen_t *) {
    return ++received < 10'000'000 ? 1 : -EAGAIN;
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  received = 0;
  ExpectRun(options, [] {
    weir_udp_socket *server = Bind();
    weir_udp_socket *client = ConnectTo(server);
    EXPECT_LT(received, 1'000'000);
    EXPECT_EQ(0, weir_udp_close(client));
    return weir_udp_close(server);
  });
}

}  // namespace
