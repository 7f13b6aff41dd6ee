// SPDX-License-Identifier: Apache-2.0
//
// Messages between loops that meet each other, or the end of a loop.

#include <gtest/gtest.h>

#include <atomic>

#include "selector/internal/system_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/selector.h"

namespace {

using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

class RemoteMessages : public weir_testing::LeakCheckedTest {};

// The first loop cannot wait any more, and a cancellation that shields keep off is on its way
// already. What is behind the shields is to end all the same.
TEST_F(RemoteMessages, AForceOvertakenByACancellationIsToldAfterIt) {
  static thread_local bool fails;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.epoll_wait = [](void *, int epoll, epoll_event *events, int count, int64_t timeout) {
    if (fails) return fails = false, -EBADF;
    return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, timeout);
  };
  weir_selector_options options = {};
  options.loops = 2;
  options.system_calls = &calls;
  std::atomic<bool> inside{false};
  int waited = 1;
  auto shielded = [&] {
    weir_shield shield = weir_shield_begin();
    inside = true;
    waited = weir_delay(20 * WEIR_SECOND);
    weir_shield_end(shield);
    return 0;
  };
  auto root = [&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutineOn(1, shielded, nullptr, &job));
    while (!inside) EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    weir_job_close(job);
    fails = true;
    return 0;
  };
  EXPECT_EQ(-EBADF, RunCoroutine(root, &options));
  EXPECT_FALSE(fails);
  EXPECT_EQ(-ECANCELED, waited);
}

// Of loops with equally many coroutines each has its turn, from the first on.
TEST_F(RemoteMessages, TiesOfTheLeastLoadedGoRound) {
  weir_selector_options options = {};
  options.loops = 4;
  std::atomic<int> at[6];
  auto root = [&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    // This loop has one already; after the third they are equal.
    for (auto &loop : at) {
      loop = -1;
      auto stay = [&loop] {
        loop = weir_current_loop();
        return weir_delay(WEIR_FOREVER);
      };
      EXPECT_EQ(0, LaunchCoroutineOn(WEIR_LEAST_LOADED, stay, scope));
      while (loop < 0) EXPECT_EQ(0, weir_yield());
    }
    return weir_scope_close(scope);
  };
  EXPECT_EQ(0, RunCoroutine(root, &options));
  const int expected[] = {1, 2, 3, 0, 1, 2};
  for (int i = 0; i < 6; i++) EXPECT_EQ(expected[i], at[i]) << i;
}

// Nothing is left of those before, so that the loops stay as equal as they were.
TEST_F(RemoteMessages, LoopsThatStayIdleGoRoundToo) {
  weir_selector_options options = {};
  options.loops = 4;
  auto root = [] {
    for (int expected : {1, 2, 3, 1, 2, 3}) {
      int at = -1;
      weir_job *job = nullptr;
      auto look = [&at] { return at = weir_current_loop(), 0; };
      EXPECT_EQ(0, LaunchCoroutineOn(WEIR_LEAST_LOADED, look, nullptr, &job));
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      weir_job_close(job);
      EXPECT_EQ(expected, at);
    }
    return 0;
  };
  EXPECT_EQ(0, RunCoroutine(root, &options));
}

}  // namespace
