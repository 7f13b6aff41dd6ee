// SPDX-License-Identifier: Apache-2.0
//
// Cancelling from threads that run no loop.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "testing/sync_test.h"
#include "weir/coroutine.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::VirtualLoop;

int WaitUntilCancelled() { return weir_delay(WEIR_FOREVER); }

// Calls |function| on another thread, and returns when that has ended: the loop has not read yet
// what it sent.
template <typename Function>
void OnAThread(Function function) {
  std::thread(std::move(function)).join();
}

class CancelFromThreads : public weir_testing::SyncTest {
 protected:
  // A coroutine that waits until it is cancelled and remembers why.
  Body Waiter() {
    return [this] {
      int result = WaitUntilCancelled();
      causes_.push_back(weir_cancellation_cause());
      return result;
    };
  }

  std::vector<int> causes_;
};

TEST_F(CancelFromThreads, AJobAndAllBelow) {
  Run([&] {
    weir_job *job = nullptr;
    auto parent = [&] {
      EXPECT_EQ(0, LaunchCoroutine(Waiter()));
      return Waiter()();
    };
    EXPECT_EQ(0, LaunchCoroutine(parent, nullptr, &job));
    std::thread other([job] { weir_job_cancel_with_cause(job, -EPROTO); });
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-ECANCELED, result);
    EXPECT_EQ(std::vector<int>(2, -EPROTO), causes_);
    other.join();
    weir_job_close(job);
    return 0;
  });
}

TEST_F(CancelFromThreads, AScopeAndWhatIsLaunchedThereLater) {
  Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    for (int i = 0; i < 2; i++) EXPECT_EQ(0, LaunchCoroutine(Waiter(), scope));
    std::thread other([scope] { weir_scope_cancel_with_cause(scope, -EPROTO); });
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(0, LaunchCoroutine(Waiter(), scope));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(std::vector<int>(3, -EPROTO), causes_);
    other.join();
    return weir_scope_close(scope);
  });
}

TEST_F(CancelFromThreads, WithoutACauseOrWithNone) {
  Run([&] {
    for (int cause : {0, 7}) {
      weir_job *job = nullptr;
      EXPECT_EQ(0, LaunchCoroutine(Waiter(), nullptr, &job));
      std::thread other([job, cause] { weir_job_cancel_with_cause(job, cause); });
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      other.join();
      weir_job_close(job);
    }
    EXPECT_EQ(std::vector<int>(2, -ECANCELED), causes_);
    return 0;
  });
}

TEST_F(CancelFromThreads, TheOwnScopeIsAnothersAffair) {
  Run([&] {
    OnAThread([] { weir_scope_cancel(nullptr); });
    EXPECT_EQ(0, LaunchCoroutine([] { return weir_yield(); }));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(CancelFromThreads, TheFirstOfManyCounts) {
  Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(Waiter(), nullptr, &job));
    for (int cause : {-EPROTO, -EIO, -EPIPE}) {
      OnAThread([job, cause] { weir_job_cancel_with_cause(job, cause); });
    }
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    EXPECT_EQ(std::vector<int>{-EPROTO}, causes_);
    OnAThread([job] { weir_job_cancel(job); });  // it has ended
    weir_job_close(job);
    return 0;
  });
}

// From the thread of the job it works at once, and the message has nothing left to do.
TEST_F(CancelFromThreads, TheOwnThreadMayBeQuicker) {
  Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(Waiter(), nullptr, &job));
    EXPECT_EQ(0, weir_yield());
    OnAThread([job] { weir_job_cancel_with_cause(job, -EIO); });
    weir_job_cancel_with_cause(job, -EPROTO);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    EXPECT_EQ(std::vector<int>{-EPROTO}, causes_);
    weir_job_close(job);
    return 0;
  });
}

// The handle goes while the message is under way, to a coroutine that lives, or has ended.
TEST_F(CancelFromThreads, TheHandleMayBeClosedMeanwhile) {
  Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(Waiter(), nullptr, &job));
    OnAThread([job] { weir_job_cancel_with_cause(job, -EPROTO); });
    weir_job_close(job);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(std::vector<int>{-EPROTO}, causes_);
    EXPECT_EQ(0, LaunchCoroutine([] { return 0; }, nullptr, &job));
    OnAThread([job] { weir_job_cancel(job); });
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    weir_job_close(job);
    return weir_delay(WEIR_MILLISECOND);
  });
}

TEST_F(CancelFromThreads, TheScopeMayBeClosedMeanwhile) {
  Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutine(Waiter(), scope));
    EXPECT_EQ(0, weir_yield());
    OnAThread([scope] { weir_scope_cancel_with_cause(scope, -EPROTO); });
    EXPECT_EQ(0, weir_scope_close(scope));
    EXPECT_EQ(std::vector<int>{-ECANCELED}, causes_);
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    OnAThread([scope] { weir_scope_cancel(scope); });
    return weir_scope_close(scope);
  });
}

// A run does not end before it has read what lies in things that it has freed else.
TEST_F(CancelFromThreads, TheRunMayEndMeanwhile) {
  weir_job *job = nullptr;
  Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutine([] { return 0; }, nullptr, &job));
    OnAThread([&] {
      weir_job_cancel(job);
      weir_scope_cancel(scope);
    });
    return weir_scope_close(scope);
  });
  OnAThread([job] { weir_job_cancel(job); });  // nobody is left to be told
  weir_job_close(job);
}

TEST_F(CancelFromThreads, TheRootOfTheRunThatIsUnderWay) {
  VirtualLoop loop;
  ASSERT_EQ(0, loop.created());
  for (int i = 0; i < 3; i++) {
    OnAThread([&] { weir_internal_loop_cancel_root(loop.get()); });  // none
    EXPECT_EQ(0, loop.Run([] { return weir_delay(WEIR_SECOND); }));
    std::thread other;
    EXPECT_EQ(-ECANCELED, loop.Run([&] {
      other = std::thread([&] { weir_internal_loop_cancel_root(loop.get()); });
      return WaitUntilCancelled();
    }));
    other.join();
    // It comes too late, and not to the next run.
    EXPECT_EQ(0, loop.Run([&] {
      OnAThread([&] { weir_internal_loop_cancel_root(loop.get()); });
      return 0;
    }));
    EXPECT_EQ(-ECANCELED, loop.Run([&] {
      weir_internal_loop_cancel_root(loop.get());
      return weir_yield();
    }));
  }
}

// Threads cancel whatever there is while it begins, waits, ends and is closed.
TEST_F(CancelFromThreads, WhileEverythingEndsAtTheSameTime) {
  constexpr int kThreads = 3, kRounds = 2000;
  struct Target {
    std::atomic<weir_job *> job{nullptr};
    std::atomic<weir_scope *> scope{nullptr};
    std::atomic<int> users{0};
  } target;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; i++) {
    threads.emplace_back([&, i] {
      while (!stop) {
        // Who uses them is counted before it looks, and so seen by the one who closes them.
        target.users++;
        if (weir_job *job = target.job; job != nullptr && i != 1) weir_job_cancel(job);
        if (weir_scope *scope = target.scope; scope != nullptr && i != 2) weir_scope_cancel(scope);
        target.users--;
        std::this_thread::yield();
      }
    });
  }
  auto await_users = [&] {
    while (target.users > 0) std::this_thread::yield();
  };
  Run([&] {
    int cancelled = 0;
    for (int round = 0; round < kRounds; round++) {
      weir_scope *scope = nullptr;
      weir_job *job = nullptr;
      EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
      auto body = [round] { return round % 2 == 0 ? weir_delay(round) : WaitUntilCancelled(); };
      EXPECT_EQ(0, LaunchCoroutine(body, round % 3 == 0 ? nullptr : scope, &job));
      target.job = job;
      target.scope = scope;
      if (round % 5 == 0) std::this_thread::yield();
      int result = 0;
      if (round % 7 != 0) {
        EXPECT_EQ(0, weir_job_wait(job, &result));
      }
      cancelled += result == -ECANCELED;
      target.scope = nullptr;
      target.job = nullptr;
      await_users();
      // Only now nobody else cancels it.
      weir_job_cancel(job);
      weir_job_close(job);
      EXPECT_EQ(0, weir_scope_close(scope));
    }
    EXPECT_LT(kRounds / 4, cancelled);
    return weir_scope_wait(nullptr);
  });
  stop = true;
  for (std::thread &thread : threads) thread.join();
}

}  // namespace
