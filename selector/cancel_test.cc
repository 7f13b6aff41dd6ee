// SPDX-License-Identifier: Apache-2.0
//
// Cancelling from other loops and from threads of the pool, and a whole run from anywhere.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/blocking.h"
#include "weir/selector.h"
#include "weir/sync.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

constexpr int kLoops = 4;

class CancelFromAnywhere : public weir_testing::LeakCheckedTest {
 protected:
  static int Run(const Body &body) {
    weir_selector_options options = {};
    options.loops = kLoops;
    return RunCoroutine(body, &options);
  }
};

int WaitUntilCancelled() { return weir_delay(WEIR_FOREVER); }

int CallOnThePool(Body body) {
  return weir_blocking([](void *call) { return (*static_cast<Body *>(call))(); }, &body);
}

TEST_F(CancelFromAnywhere, AThreadOfThePoolCancelsAJob) {
  EXPECT_EQ(0, Run([] {
              for (int loop = 0; loop < kLoops; loop++) {
                weir_job *job = nullptr;
                EXPECT_EQ(0, LaunchCoroutineOn(loop, WaitUntilCancelled, nullptr, &job));
                EXPECT_EQ(0, CallOnThePool([job] { return weir_job_cancel(job), 0; }));
                int result = 0;
                EXPECT_EQ(0, weir_job_wait(job, &result));
                EXPECT_EQ(-ECANCELED, result);
                weir_job_close(job);
              }
              return 0;
            }));
}

// The job belongs to the loop that launched it, wherever its coroutine is.
TEST_F(CancelFromAnywhere, EachLoopCancelsAJobOfTheFirst) {
  EXPECT_EQ(0, Run([] {
              for (int there = 0; there < kLoops; there++) {
                for (int canceller = 0; canceller < kLoops; canceller++) {
                  weir_job *job = nullptr;
                  int cause = 0;
                  auto wait = [&cause] {
                    int result = WaitUntilCancelled();
                    cause = weir_cancellation_cause();
                    return result;
                  };
                  EXPECT_EQ(0, LaunchCoroutineOn(there, wait, nullptr, &job));
                  EXPECT_EQ(0, LaunchCoroutineOn(canceller, [job] {
                              return weir_job_cancel_with_cause(job, -EPROTO), 0;
                            }));
                  int result = 0;
                  EXPECT_EQ(0, weir_job_wait(job, &result));
                  EXPECT_EQ(-ECANCELED, result);
                  EXPECT_EQ(-EPROTO, cause);
                  EXPECT_EQ(0, weir_scope_wait(nullptr));
                  weir_job_close(job);
                }
              }
              return 0;
            }));
}

// One of a scope knows that the scope is there.
TEST_F(CancelFromAnywhere, ACoroutineOnAnotherLoopCancelsItsScope) {
  EXPECT_EQ(0, Run([] {
              for (int canceller = 0; canceller < kLoops; canceller++) {
                weir_scope *scope = nullptr;
                EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
                std::atomic<int> told{0};
                auto wait = [&told] {
                  int result = WaitUntilCancelled();
                  told += weir_cancellation_cause() == -EPROTO;
                  return result;
                };
                for (int loop = 0; loop < kLoops; loop++) {
                  EXPECT_EQ(0, LaunchCoroutineOn(loop, wait, scope));
                }
                auto cancel = [scope, wait] {
                  weir_scope_cancel_with_cause(scope, -EPROTO);
                  return wait();
                };
                EXPECT_EQ(0, LaunchCoroutineOn(canceller, cancel, scope));
                EXPECT_EQ(0, weir_scope_wait(scope));
                EXPECT_EQ(kLoops + 1, told);
                EXPECT_EQ(0, weir_scope_close(scope));
              }
              return 0;
            }));
}

// Jobs that all loops know. Nobody closes one while another loop is inside a cancel.
class Board {
 public:
  void Put(size_t place, weir_job *job) {
    std::lock_guard<std::mutex> lock(mutex_);
    jobs_[place] = job;
  }
  void Cancel(size_t place) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (jobs_[place] != nullptr) weir_job_cancel(jobs_[place]);
  }

 private:
  std::mutex mutex_;
  std::array<weir_job *, kLoops> jobs_ = {};
};

TEST_F(CancelFromAnywhere, AllLoopsCancelEachOther) {
  constexpr int kRounds = 500;
  Board board;
  std::atomic<int> working{kLoops};
  auto work = [&](int loop) {
    size_t place = static_cast<size_t>(loop);
    for (int round = 0; round < kRounds; round++) {
      weir_job *job = nullptr;
      // Some end by themselves at about the time; some of them are on another loop.
      bool short_lived = round % 2 == 0;
      auto body = [short_lived] { return short_lived ? weir_yield() : WaitUntilCancelled(); };
      int where = round % 5 == 0 ? (loop + 1) % kLoops : loop;
      EXPECT_EQ(0, LaunchCoroutineOn(where, body, nullptr, &job));
      board.Put(place, job);
      int result = 0;
      if (round % 3 != 0) {
        EXPECT_EQ(0, weir_job_wait(job, &result));
      }
      board.Put(place, nullptr);
      weir_job_cancel(job);
      weir_job_close(job);
    }
    working--;
    return weir_scope_wait(nullptr);
  };
  auto cancel = [&](int loop) {
    int result = 0;
    while (working > 0 && result == 0) {
      for (size_t place = 0; place < kLoops; place++) board.Cancel(place);
      result = loop == 0 ? CallOnThePool([&] { return board.Cancel(1), 0; }) : weir_yield();
    }
    return result;
  };
  EXPECT_EQ(0, Run([&] {
              for (int loop = 0; loop < kLoops; loop++) {
                EXPECT_EQ(0, LaunchCoroutineOn(loop, [&work, loop] { return work(loop); }));
                EXPECT_EQ(0, LaunchCoroutineOn(loop, [&cancel, loop] { return cancel(loop); }));
              }
              return weir_scope_wait(nullptr);
            }));
}

// Runs

class CancelRun : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    weir_selector_options options = {};
    options.loops = 2;
    ASSERT_EQ(0, weir_selector_create(&selector_, &options));
  }
  void TearDown() override {
    EXPECT_EQ(0, weir_selector_close(selector_));
    LeakCheckedTest::TearDown();
  }
  int Run(Body body) { return weir_selector_run(selector_, Call, &body); }
  static int Call(void *body) { return (*static_cast<Body *>(body))(); }

  weir_selector *selector_ = nullptr;
};

TEST_F(CancelRun, FromAThread) {
  std::thread other;
  int child = 0;
  EXPECT_EQ(-ECANCELED, Run([&] {
    EXPECT_EQ(0, LaunchCoroutineOn(1, [&] { return child = WaitUntilCancelled(); }));
    other = std::thread([this] { weir_selector_cancel(selector_); });
    int result = WaitUntilCancelled();
    EXPECT_EQ(-ECANCELED, weir_cancellation_cause());
    return result;
  }));
  other.join();
  EXPECT_EQ(-ECANCELED, child);
}

TEST_F(CancelRun, FromACoroutineOfAnyLoop) {
  for (int loop : {0, 1}) {
    EXPECT_EQ(-ECANCELED, Run([&] {
      EXPECT_EQ(0, LaunchCoroutineOn(loop, [this] { return weir_selector_cancel(selector_), 0; }));
      return WaitUntilCancelled();
    }));
  }
}

TEST_F(CancelRun, FromThePool) {
  EXPECT_EQ(-ECANCELED, Run([&] {
    EXPECT_EQ(0, CallOnThePool([this] { return weir_selector_cancel(selector_), 0; }));
    return WaitUntilCancelled();
  }));
}

// Neither what comes when nothing runs, nor what comes too late, is for the next run.
TEST_F(CancelRun, IsForThePresentOneOnly) {
  weir_selector_cancel(nullptr);
  for (int i = 0; i < 3; i++) {
    weir_selector_cancel(selector_);
    EXPECT_EQ(7, Run([&] {
                std::thread([this] { weir_selector_cancel(selector_); }).join();
                return 7;
              }));
    EXPECT_EQ(0, Run([] { return weir_yield(); }));
  }
}

TEST_F(CancelRun, WhileRunsFollowEachOther) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      while (!stop) weir_selector_cancel(selector_);
    });
  }
  for (int i = 0; i < 50; i++) {
    EXPECT_EQ(i % 2 == 0 ? -ECANCELED : 0,
              Run([i] { return i % 2 == 0 ? WaitUntilCancelled() : 0; }));
  }
  stop = true;
  for (std::thread &thread : threads) thread.join();
}

}  // namespace
