// SPDX-License-Identifier: Apache-2.0
//
// What the tests of weir/sync.h share: coroutines on virtual loops of one thread or several.

#ifndef WEIR_TESTING_SYNC_TEST_H
#define WEIR_TESTING_SYNC_TEST_H

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_loop.h"
#include "weir/sync.h"

namespace weir_testing {

// A coroutine that was started, and what came of it.
class Task {
 public:
  // Starts |body| and lets it, and all others that can run, go on until they suspend.
  explicit Task(Body body) {
    auto run = [this, body = std::move(body)] {
      result_ = body();
      ended_ = true;
      return 0;
    };
    EXPECT_EQ(0, LaunchCoroutine(run, nullptr, &job_));
    EXPECT_EQ(0, weir_yield());
  }
  ~Task() {
    if (job_ == nullptr) return;
    weir_job_cancel(job_);
    EXPECT_EQ(0, weir_job_wait(job_, nullptr));
    weir_job_close(job_);
  }
  Task(const Task &) = delete;
  Task &operator=(const Task &) = delete;

  bool ended() const { return ended_; }
  // Cancels it; it learns of that when it runs next.
  void Cancel() { weir_job_cancel(job_); }
  // Waits until it has ended and returns what its body did.
  int Result() {
    EXPECT_EQ(0, weir_job_wait(job_, nullptr));
    return result_;
  }

 private:
  weir_job *job_ = nullptr;
  bool ended_ = false;
  int result_ = 0;
};

// Lets those that can run go on until they suspend.
inline void Settle() {
  EXPECT_EQ(0, weir_yield());
  EXPECT_EQ(0, weir_yield());
}

// Runs |body| under a deadline that many nanoseconds from now.
inline int Within(int64_t nanoseconds, const Body &body) {
  weir_timeout timeout = weir_timeout_begin(nanoseconds);
  int result = body();
  weir_timeout_end(timeout);
  return result;
}

class SyncTest : public LeakCheckedTest {
 protected:
  // Runs |body| as the first coroutine of a loop.
  static void Run(Body body) {
    VirtualLoop loop;
    ASSERT_EQ(0, loop.created());
    EXPECT_EQ(0, loop.Run(std::move(body)));
  }

  // Runs |body| as the first coroutine of each of |count| loops in threads of their own, and tells
  // it the loop's number.
  static void RunOnThreads(int count, const std::function<int(int)> &body) {
    std::vector<std::thread> threads;
    for (int i = 0; i < count; i++) {
      threads.emplace_back([&body, i] { Run([&body, i] { return body(i); }); });
    }
    for (std::thread &thread : threads) thread.join();
  }
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_SYNC_TEST_H
