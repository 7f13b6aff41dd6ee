// SPDX-License-Identifier: Apache-2.0
//
// Every suspension in UDP against all that interrupts it. Sends are over unix sockets, the only
// ones whose senders wait for the receiver.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/udp_pair.h"
#include "testing/unix_path.h"
#include "weir/udp.h"

namespace {

using weir_testing::PointName;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;

using Operation = std::function<int(weir_udp_socket *)>;

struct Two {
  weir_udp_socket *near = nullptr;
  weir_udp_socket *far = nullptr;
  int sent = 0;

  explicit Two(const std::string &place) {
    weir_address address = {};
    EXPECT_EQ(0, weir_address_from_text(&address, place.c_str()));
    far = weir_testing::BindLike(address);
    near = weir_testing::ConnectTo(far);
  }

  void CloseNear() {
    EXPECT_EQ(0, weir_udp_close(near));
    near = nullptr;
  }

  void Close() {
    CloseNear();
    EXPECT_EQ(0, weir_udp_close(far));
  }

  void SendNumber() {
    EXPECT_EQ(0, weir_testing::Send(near, std::to_string(sent)));
    sent++;
  }

  void ExpectNumber(int number) {
    EXPECT_EQ(std::to_string(number), weir_testing::Receive(far).data);
  }
};

int ReceiveOne(weir_udp_socket *socket) {
  char data[16];
  weir_datagram datagram = {};
  datagram.data = data;
  datagram.capacity = sizeof data;
  return weir_udp_receive(socket, &datagram);
}

int ReceiveBatch(weir_udp_socket *socket) {
  char data[16];
  weir_datagram datagrams[2] = {};
  datagrams[0].data = datagrams[1].data = data;
  datagrams[0].capacity = datagrams[1].capacity = sizeof data;
  return weir_udp_receive_batch(socket, datagrams, 2);
}

// Nothing comes. What comes after the interruption is received.
Suspension Receiving(const Operation &receive) {
  auto two = std::make_shared<Two>("127.0.0.1:0");
  Suspension suspension;
  suspension.wait = [two, receive] { return receive(two->near); };
  suspension.go_on = [two] {
    weir_address to = weir_testing::AddressOf(two->near);
    EXPECT_EQ(0, weir_testing::Send(two->far, "still here", &to));
    EXPECT_EQ("still here", weir_testing::Receive(two->near).data);
  };
  suspension.endings.push_back({"close", [two] { two->CloseNear(); }, WEIR_E_CLOSED});
  suspension.take_down = [two] { two->Close(); };
  return suspension;
}

int SendOne(weir_udp_socket *socket) { return weir_testing::Send(socket, "one too many"); }

int SendBatch(weir_udp_socket *socket) {
  char text[] = "one too many";
  weir_datagram datagrams[2] = {};
  datagrams[0].data = datagrams[1].data = text;
  datagrams[0].size = datagrams[1].size = sizeof text - 1;
  return weir_udp_send_batch(socket, datagrams, 2);
}

// The peer's queue is full. What was refused is not sent later.
Suspension Sending(const Operation &send) {
  auto two = std::make_shared<Two>("unix:" + weir_testing::FreeUnixName());
  for (;;) {
    weir_timeout timeout = weir_timeout_begin(1);
    int result = weir_testing::Send(two->near, std::to_string(two->sent));
    weir_timeout_end(timeout);
    if (result == -ETIMEDOUT) break;
    EXPECT_EQ(0, result);
    two->sent++;
  }
  Suspension suspension;
  suspension.wait = [two, send] { return send(two->near); };
  suspension.go_on = [two] {
    int before = two->sent;
    two->ExpectNumber(0);
    two->SendNumber();
    for (int number = 1; number <= before; number++) two->ExpectNumber(number);
  };
  suspension.endings.push_back({"close", [two] { two->CloseNear(); }, WEIR_E_CLOSED});
  suspension.take_down = [two] { two->Close(); };
  return suspension;
}

std::vector<SuspensionPoint> Points() {
  return {
      {"weir_udp_receive", "", [] { return Receiving(ReceiveOne); }, ""},
      {"weir_udp_receive_batch", "", [] { return Receiving(ReceiveBatch); }, ""},
      {"weir_udp_send", "", [] { return Sending(SendOne); }, ""},
      {"weir_udp_send_batch", "", [] { return Sending(SendBatch); }, ""},
  };
}

INSTANTIATE_TEST_SUITE_P(Udp, SuspensionMatrix, testing::ValuesIn(Points()), PointName);

TEST(SuspensionPoints, AreAllThere) {
  const std::set<std::string> not_suspending = {
      "weir_udp",
      "weir_udp_bind",
      "weir_udp_bind_address",
      // But for those whom it wakes to leave.
      "weir_udp_close",
      "weir_udp_connect",
      "weir_udp_connect_address",
      "weir_udp_local_address",
      "weir_udp_port",
      "weir_udp_remote_address",
  };
  weir_testing::ExpectComplete({"udp/udp.h"}, Points(), not_suspending);
}

}  // namespace
