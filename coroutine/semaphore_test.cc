// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "testing/sync_test.h"

namespace {

using weir_testing::Settle;
using weir_testing::Task;
using weir_testing::Within;

class Semaphore : public weir_testing::SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    ASSERT_EQ(0, weir_semaphore_create(&semaphore_, 2));
  }
  void TearDown() override {
    weir_semaphore_close(semaphore_);
    SyncTest::TearDown();
  }
  weir_testing::Body Acquire(uint64_t count) {
    return [this, count] { return weir_semaphore_acquire(semaphore_, count); };
  }
  int TryAcquire(uint64_t count) { return weir_semaphore_try_acquire(semaphore_, count); }
  int Release(uint64_t count) { return weir_semaphore_release(semaphore_, count); }
  uint64_t Permits() { return weir_semaphore_permits(semaphore_); }

  weir_semaphore *semaphore_ = nullptr;
};

TEST_F(Semaphore, CreateTellsWhenThereIsNoMemory) {
  weir_semaphore *semaphore = semaphore_;
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_semaphore_create(&semaphore, 1));
  EXPECT_EQ(nullptr, semaphore);
  weir_semaphore_close(semaphore);
}

TEST_F(Semaphore, CountsPermits) {
  EXPECT_EQ(2u, Permits());
  EXPECT_EQ(-EAGAIN, TryAcquire(3));
  EXPECT_EQ(0, TryAcquire(2));
  EXPECT_EQ(-EAGAIN, TryAcquire(1));
  EXPECT_EQ(0, TryAcquire(0));
  EXPECT_EQ(0, Release(5));
  EXPECT_EQ(5u, Permits());
  EXPECT_EQ(-EINVAL, weir_semaphore_acquire(semaphore_, 1));  // not a coroutine
  Run(Acquire(4));
  EXPECT_EQ(1u, Permits());
}

TEST_F(Semaphore, RefusesMorePermitsThanItCanCount) {
  EXPECT_EQ(-EOVERFLOW, Release(UINT64_MAX - 1));
  EXPECT_EQ(2u, Permits());
  EXPECT_EQ(0, Release(UINT64_MAX - 2));
  EXPECT_EQ(UINT64_MAX, Permits());
  EXPECT_EQ(-EOVERFLOW, Release(1));
}

TEST_F(Semaphore, WhoComesLaterWaitsBehindEvenIfThereAreEnough) {
  Run([&] {
    Task much(Acquire(4));
    Task little(Acquire(1));
    EXPECT_FALSE(much.ended() || little.ended());
    EXPECT_EQ(-EAGAIN, TryAcquire(1));
    EXPECT_EQ(0, Release(1));
    Settle();
    EXPECT_FALSE(much.ended() || little.ended());
    EXPECT_EQ(0, Release(2));
    EXPECT_EQ(0, much.Result());
    EXPECT_EQ(0, little.Result());
    EXPECT_EQ(0u, Permits());
    return 0;
  });
}

// The one who gives up was all that kept the others waiting.
TEST_F(Semaphore, WhoGivesUpLetsTheOthersGoOn) {
  Run([&] {
    Task much(Acquire(4));
    Task little(Acquire(1)), last(Acquire(1));
    much.Cancel();
    EXPECT_EQ(-ECANCELED, much.Result());
    EXPECT_EQ(0, little.Result());
    EXPECT_EQ(0, last.Result());
    Task late([&] { return Within(WEIR_SECOND, Acquire(2)); });
    Task behind(Acquire(1));
    EXPECT_EQ(0, Release(1));
    EXPECT_EQ(-ETIMEDOUT, late.Result());
    EXPECT_EQ(0, behind.Result());
    return 0;
  });
}

TEST_F(Semaphore, ThoseWhoHaveGivenUpKeepNobodyWaiting) {
  Run([&] {
    Task much(Acquire(4));
    much.Cancel();
    EXPECT_EQ(0, TryAcquire(1));
    EXPECT_EQ(0, TryAcquire(1));
    EXPECT_EQ(-ECANCELED, much.Result());
    EXPECT_EQ(0u, Permits());
    return 0;
  });
}

TEST_F(Semaphore, CancellationAndReleaseInBothOrders) {
  Run([&] {
    EXPECT_EQ(0, TryAcquire(2));
    Task cancelled(Acquire(1)), next(Acquire(1));
    cancelled.Cancel();
    EXPECT_EQ(0, Release(1));
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    EXPECT_EQ(0, next.Result());
    Task served(Acquire(1));
    EXPECT_EQ(0, Release(1));
    served.Cancel();
    EXPECT_EQ(0, served.Result());
    EXPECT_EQ(0u, Permits());
    return 0;
  });
}

TEST_F(Semaphore, CloseEndsTheWaiting) {
  Run([&] {
    Task first(Acquire(3)), cancelled(Acquire(3)), third(Acquire(1));
    cancelled.Cancel();
    weir_semaphore_close(semaphore_);
    semaphore_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, first.Result());
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    EXPECT_EQ(WEIR_E_CLOSED, third.Result());
    return 0;
  });
}

TEST_F(Semaphore, ClosedWhileACoroutineLetsOthersRun) {
  Run([&] {
    Task busy([&] {
      int result = 0;
      for (int i = 0; i < 1000 && result == 0; i++) result = weir_semaphore_acquire(semaphore_, 0);
      return result;
    });
    EXPECT_FALSE(busy.ended());
    weir_semaphore_close(semaphore_);
    semaphore_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, busy.Result());
    return 0;
  });
}

TEST_F(Semaphore, LetsNoMoreInThanItHasPermitsAcrossThreads) {
  constexpr int kRounds = 300;
  EXPECT_EQ(0, Release(1));
  std::atomic<uint64_t> inside{0};
  RunOnThreads(3, [&](int) {
    for (uint64_t count = 1; count <= 3; count++) {
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([&, count] {
                  for (int round = 0; round < kRounds; round++) {
                    int result = Within(round % 2 == 0 ? WEIR_FOREVER : 1, Acquire(count));
                    if (result == -ETIMEDOUT) continue;
                    EXPECT_EQ(0, result);
                    EXPECT_GE(3u, inside += count);
                    if (round % 4 == 0) {
                      EXPECT_EQ(0, weir_yield());
                    }
                    inside -= count;
                    EXPECT_EQ(0, Release(count));
                  }
                  return 0;
                }));
    }
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(3u, Permits());
  EXPECT_EQ(0, TryAcquire(3));  // and nobody is left in the queue
}

// Permits from threads without a loop are a way to tell a coroutine that work has come.
TEST_F(Semaphore, ThreadsWithoutALoopRelease) {
  constexpr int kRounds = 2000;
  EXPECT_EQ(0, TryAcquire(2));
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; i++) {
    threads.emplace_back([&] {
      for (int round = 0; round < kRounds; round++) EXPECT_EQ(0, Release(1));
    });
  }
  Run([&] {
    int result = 0;
    for (int i = 0; i < 2 * kRounds && result == 0; i++) result = Acquire(1)();
    return result;
  });
  for (std::thread &thread : threads) thread.join();
  EXPECT_EQ(0u, Permits());
}

}  // namespace
