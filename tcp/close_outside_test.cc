// SPDX-License-Identifier: Apache-2.0
//
// Closing a listener outside coroutines, by whoever made the selector or drives it.

#include <gtest/gtest.h>

#include <cerrno>
#include <thread>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Bind;
using weir_testing::Body;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RawSocket;

class ClosingOutside : public weir_testing::LeakCheckedTest {
 protected:
  void Create(int loops = 1) {
    weir_selector_options options = {};
    options.loops = loops;
    ASSERT_EQ(0, weir_selector_create(&selector_, &options));
  }
  void TearDown() override {
    EXPECT_EQ(0, weir_selector_close(selector_));
    LeakCheckedTest::TearDown();
  }

  // Binding does not suspend, so it needs no coroutine.
  weir_listener *BindHere(bool shards = false) {
    weir_tcp_builder tcp = weir_tcp(selector_);
    tcp.options.shards = shards;
    return Bind("127.0.0.1", 0, tcp);
  }

  void Run(Body body) { EXPECT_EQ(0, weir_selector_run(selector_, CallBody, &body)); }
  void Start(Body *body) { EXPECT_EQ(0, weir_selector_start(selector_, CallBody, body)); }
  // Drives until |done|, if that is given, and otherwise to the end.
  void Drive(const bool *done = nullptr) {
    int more = 1;
    while (more == 1 && (done == nullptr || !*done)) {
      more = weir_selector_poll(selector_, 100 * WEIR_MILLISECOND, nullptr);
    }
    EXPECT_EQ(done != nullptr ? 1 : 0, more);
  }

  static int CallBody(void *body) { return (*static_cast<Body *>(body))(); }

  weir_selector *selector_ = nullptr;
};

TEST_F(ClosingOutside, WorksWhileTheSelectorDoesNotRun) {
  Create(2);
  for (bool shards : {false, true}) {
    EXPECT_EQ(0, weir_listener_close(BindHere(shards)));
    // One that was used already.
    weir_listener *listener = BindHere(shards);
    for (int loop : {1, 0}) {
      Run([=] {
        return LaunchCoroutineOn(loop, [=] {
          weir_connection *connection = nullptr;
          weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
          EXPECT_EQ(loop == 1 || shards ? -ETIMEDOUT : -EXDEV, weir_accept(listener, &connection));
          weir_timeout_end(timeout);
          return 0;
        });
      });
    }
    EXPECT_EQ(0, weir_listener_close(listener));
  }
}

TEST_F(ClosingOutside, AcceptingDoesNot) {
  Create();
  weir_listener *listener = BindHere();
  weir_connection *connection = nullptr;
  EXPECT_EQ(-EINVAL, weir_accept(listener, &connection));
  auto close = [](void *argument) {
    return weir_listener_close(static_cast<weir_listener *>(argument));
  };
  // Inside it is for the coroutines of its own selector.
  EXPECT_EQ(-EXDEV, weir_run(nullptr, close, listener));
  EXPECT_EQ(0, weir_selector_run(selector_, close, listener));
}

TEST_F(ClosingOutside, WorksBetweenTwoPolls) {
  Create(2);
  weir_listener *listener = BindHere(), *other = BindHere();
  bool waits = false;
  Body accept = [&] {
    waits = true;
    weir_connection *connection = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, weir_accept(listener, &connection));
    return 0;
  };
  Start(&accept);
  Drive(&waits);
  RawSocket client;
  uint16_t port = weir_listener_port(listener);
  EXPECT_EQ(0, weir_listener_close(listener));
  EXPECT_EQ(0, weir_listener_close(other));
  EXPECT_EQ(-ECONNREFUSED, client.Connect(port));
  Drive();
}

TEST_F(ClosingOutside, EndsTheServing) {
  Create(3);
  weir_listener *listener = BindHere();
  bool serving = false;
  auto handle = [](weir_connection *client, void *begun) {
    *static_cast<bool *>(begun) = true;
    weir_bytes line;
    int result = weir_read_line(weir_open_read_channel(client), &line);
    weir_connection_close(client);
    return result;
  };
  Body serve = [&] {
    weir_tcp_serve_options options = {};
    options.placement = WEIR_TCP_SAME_LOOP;
    EXPECT_EQ(WEIR_E_CLOSED, weir_tcp_serve(listener, &options, handle, &serving));
    return 0;
  };
  Start(&serve);
  RawSocket client;
  EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
  Drive(&serving);
  EXPECT_EQ(0, weir_listener_close(listener));
  client.Close();
  Drive();
}

TEST_F(ClosingOutside, IsRefusedWhereOtherThreadsRunLoops) {
  Create(2);
  weir_listener *shards = BindHere(true), *elsewhere = BindHere(), *here = BindHere();
  bool accepted = false;
  Body accept = [&] {
    EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                weir_connection *connection = nullptr;
                EXPECT_EQ(WEIR_E_CLOSED, weir_accept(elsewhere, &connection));
                return 0;
              }));
    // Launched later, it runs later.
    EXPECT_EQ(0, LaunchCoroutineOn(1, [] { return 0; }));
    accepted = true;
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_delay(20 * WEIR_MILLISECOND));
    weir_shield_end(shield);
    EXPECT_EQ(0, weir_listener_close(elsewhere));
    return weir_listener_close(shards);
  };
  Start(&accept);
  Drive(&accepted);
  EXPECT_EQ(-EXDEV, weir_listener_close(shards));
  EXPECT_EQ(-EXDEV, weir_listener_close(elsewhere));
  std::thread([&] { EXPECT_EQ(-EXDEV, weir_listener_close(here)); }).join();
  EXPECT_EQ(0, weir_listener_close(here));
  Drive();
}

}  // namespace
