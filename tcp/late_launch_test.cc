// SPDX-License-Identifier: Apache-2.0
//
// What the coroutine of a custom connection's own, which belongs to no scope, launches on other
// loops while the run ends.

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>

#include "selector/internal/system_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/custom_connection.h"
#include "weir/sync.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

class LateLaunch : public weir_testing::LeakCheckedTest {
 protected:
  // Leaves a connection to the loop whose stream ends with |finish|. Returns what the close did.
  static int CloseLater(Body *finish) {
    static constexpr weir_custom_operations kOperations = {
        nullptr, nullptr,
        [](void *body, bool wait) { return wait ? (*static_cast<Body *>(body))() : -EAGAIN; },
        nullptr, nullptr};
    weir_connection *connection = nullptr;
    int result = weir_custom_connection(&connection, &kOperations, finish, nullptr);
    if (result < 0) return result;
    weir_connection_set_close_timeout(connection, WEIR_FOREVER);
    weir_timeout timeout = weir_timeout_begin(0);
    result = weir_connection_close(connection);
    EXPECT_TRUE(weir_timeout_end(timeout));
    return result;
  }
  static int Run(const Body &body, const weir_internal_system_calls *calls = nullptr) {
    weir_selector_options options = {};
    options.loops = 2;
    options.drain_timeout = WEIR_FOREVER;
    options.system_calls = calls;
    return RunCoroutine(body, &options);
  }
};

TEST_F(LateLaunch, ALoopThatIsEndingRefuses) {
  int launched = 0;
  int tries = 0;
  // At the first time the other loop may not have been told yet.
  Body finish = [&] {
    for (; launched == 0 && tries < 100; tries++) {
      launched = LaunchCoroutineOn(1, [] { return 0; });
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    }
    return 0;
  };
  EXPECT_EQ(0, Run([&] {
              EXPECT_EQ(-ETIMEDOUT, CloseLater(&finish));
              return 0;
            }));
  EXPECT_EQ(-ECANCELED, launched);
  EXPECT_LE(tries, 3);
}

// Holds the other loop back before a wait with nothing left to do, until the first one has nothing
// left either, or is so careless as to end.
struct Hold {
  std::mutex mutex;
  std::condition_variable changed;
  bool guest_ended = false;
  bool idle = false;
  bool released = false;

  void Release() {
    std::lock_guard<std::mutex> lock(mutex);
    if (idle) released = true;
    changed.notify_all();
  }
  void WaitWhenIdle() {
    std::unique_lock<std::mutex> lock(mutex);
    if (!guest_ended || idle) return;
    idle = true;
    changed.notify_all();
    changed.wait(lock, [this] { return released; });
  }
  void GuestEnds() {
    std::lock_guard<std::mutex> lock(mutex);
    guest_ended = true;
  }
  void AwaitIdle() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [this] { return idle; });
  }
};

Hold *hold;
thread_local bool is_first_loop;

// The message of a cancellation is in memory that belongs to this loop, and comes back to it last.
TEST_F(LateLaunch, ALoopEndsOnlyWhenAllItsMessagesAreBack) {
  Hold held;
  hold = &held;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.epoll_wait = [](void *, int epoll, epoll_event *events, int count, int64_t timeout) {
    if (is_first_loop && timeout != 0) hold->Release();
    if (!is_first_loop && timeout < 0) hold->WaitWhenIdle();
    return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, timeout);
  };
  calls.thread_join = [](void *, pthread_t thread) {
    hold->Release();
    weir_internal_kernel.thread_join(nullptr, thread);
  };
  std::atomic<bool> go{false};
  bool launched = false;
  Body finish = [&] {
    weir_scope *scope = nullptr;
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    auto guest = [&go] {
      while (!go) EXPECT_EQ(0, weir_yield());
      hold->GuestEnds();
      return 0;
    };
    EXPECT_EQ(0, LaunchCoroutineOn(1, guest, scope, &job));
    launched = true;
    // Now the root ends, and the other loop is told to.
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    go = true;
    hold->AwaitIdle();
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_close(scope);
  };
  is_first_loop = true;
  EXPECT_EQ(0, Run(
                   [&] {
                     EXPECT_EQ(-ETIMEDOUT, CloseLater(&finish));
                     while (!launched) EXPECT_EQ(0, weir_yield());
                     return 0;
                   },
                   &calls));
  is_first_loop = false;
}

}  // namespace
