// SPDX-License-Identifier: Apache-2.0
//
// A server of shards is one thing: it begins, fails and ends as a whole.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/tcp.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

constexpr int kLoops = 4;

class ServeShards : public weir_testing::LeakCheckedTest {
 protected:
  static weir_selector_options Options(const weir_internal_system_calls *calls) {
    weir_selector_options options = {};
    options.loops = kLoops;
    options.system_calls = calls;
    return options;
  }
  static weir_listener *Bind() {
    weir_tcp_builder tcp = weir_tcp(weir_current_selector());
    tcp.options.shards = true;
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    return listener;
  }
  static int Serve(weir_listener *listener) {
    auto handle = [](weir_connection *client, void *) { return weir_connection_close(client); };
    return weir_tcp_serve(listener, nullptr, handle, nullptr);
  }
  static void Visit(const weir_listener *listener) {
    weir_tcp_builder tcp = weir_tcp(weir_current_selector());
    weir_connection *client = nullptr;
    // The server may be gone.
    if (weir_tcp_connect(tcp, &client, "127.0.0.1", weir_listener_port(listener)) < 0) return;
    weir_connection_abort(client);
    (void)weir_connection_close(client);
  }
};

TEST_F(ServeShards, TheyFailTogether) {
  static thread_local bool broken;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.accept = [](void *, int fd, sockaddr *address, socklen_t *size, int flags) {
    if (broken) return -EBADF;
    return weir_internal_kernel.accept(nullptr, fd, address, size, flags);
  };
  const weir_selector_options options = Options(&calls);
  for (int loop = 0; loop < kLoops; loop++) {
    SCOPED_TRACE(std::to_string(loop));
    auto root = [&] {
      weir_listener *listener = Bind();
      EXPECT_EQ(0, LaunchCoroutineOn(loop, [] { return broken = true, 0; }));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      int served = 1;
      EXPECT_EQ(0, LaunchCoroutine([&, listener] {
                  weir_timeout timeout = weir_timeout_begin(20 * WEIR_SECOND);
                  served = Serve(listener);
                  EXPECT_FALSE(weir_timeout_end(timeout));
                  return 0;
                }));
      // The kernel chooses the shard of each.
      while (served == 1) Visit(listener);
      EXPECT_EQ(-EBADF, served);
      EXPECT_EQ(0, weir_listener_close(listener));
      broken = false;
      return 0;
    };
    EXPECT_EQ(0, RunCoroutine(root, &options));
  }
}

// The listener is closed while the server begins, at whatever moment.
TEST_F(ServeShards, TheyHoldTheListenerAsSoonAsTheyBegin) {
  const weir_selector_options options = Options(nullptr);
  auto root = [&] {
    for (int i = 0; i < 200; i++) {
      weir_listener *listener = Bind();
      EXPECT_EQ(0, LaunchCoroutine([listener] {
                  EXPECT_EQ(WEIR_E_CLOSED, Serve(listener));
                  return 0;
                }));
      for (int turns = 0; turns <= i % 20; turns++) EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(0, weir_listener_close(listener));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    }
    return 0;
  };
  EXPECT_EQ(0, RunCoroutine(root, &options));
}

// One of them has its first turn late, because others have theirs before.
TEST_F(ServeShards, TheLastToBeginHoldsTheListener) {
  const weir_selector_options options = Options(nullptr);
  std::atomic<bool> stop{false};
  auto crowd = [&stop] {
    while (!stop) {
      auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
      while (std::chrono::steady_clock::now() < until) continue;
      if (weir_yield() < 0) break;
    }
    return 0;
  };
  auto root = [&] {
    std::atomic<bool> crowded{false};
    EXPECT_EQ(0, LaunchCoroutineOn(kLoops - 1, [&] {
                for (int i = 0; i < 300; i++) EXPECT_EQ(0, LaunchCoroutine(crowd));
                return crowded = true, 0;
              }));
    while (!crowded) EXPECT_EQ(0, weir_yield());
    weir_listener *listener = Bind();
    int served = 1;
    EXPECT_EQ(0, LaunchCoroutine([&] { return served = Serve(listener), 0; }));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_listener_close(listener));
    stop = true;
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(WEIR_E_CLOSED, served);
    return 0;
  };
  EXPECT_EQ(0, RunCoroutine(root, &options));
}

}  // namespace
