// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "coroutine/internal/suspend.h"
#include "testing/sync_test.h"

namespace {

using weir_testing::Task;
using weir_testing::Within;

class Mutex : public weir_testing::SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    ASSERT_EQ(0, weir_mutex_create(&mutex_));
  }
  void TearDown() override {
    weir_mutex_close(mutex_);
    SyncTest::TearDown();
  }

  weir_mutex *mutex_ = nullptr;
};

TEST_F(Mutex, CreateTellsWhenThereIsNoMemory) {
  weir_mutex *mutex = mutex_;
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_mutex_create(&mutex));
  EXPECT_EQ(nullptr, mutex);
  weir_mutex_close(mutex);
}

TEST_F(Mutex, IsHeldByOneAndFreeAfter) {
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    EXPECT_EQ(-EAGAIN, Task([&] { return weir_mutex_try_lock(mutex_); }).Result());
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    EXPECT_EQ(0, weir_mutex_try_lock(mutex_));
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    return 0;
  });
}

TEST_F(Mutex, TellsMisuse) {
  EXPECT_EQ(-EINVAL, weir_mutex_lock(mutex_));
  EXPECT_EQ(-EINVAL, weir_mutex_try_lock(mutex_));
  EXPECT_EQ(-EPERM, weir_mutex_unlock(mutex_));
  Run([&] {
    EXPECT_EQ(-EPERM, weir_mutex_unlock(mutex_));
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    EXPECT_EQ(-EDEADLK, weir_mutex_lock(mutex_));
    EXPECT_EQ(-EDEADLK, weir_mutex_try_lock(mutex_));
    EXPECT_EQ(-EPERM, Task([&] { return weir_mutex_unlock(mutex_); }).Result());
    return weir_mutex_unlock(mutex_);
  });
}

TEST_F(Mutex, ServesInOrderAndLetsNobodyPass) {
  std::vector<int> order;
  auto body = [&](int id) {
    return [&, id] {
      EXPECT_EQ(0, weir_mutex_lock(mutex_));
      order.push_back(id);
      EXPECT_EQ(0, weir_yield());
      return weir_mutex_unlock(mutex_);
    };
  };
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    Task first(body(1)), second(body(2)), third(body(3));
    EXPECT_TRUE(order.empty());
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    EXPECT_EQ(-EAGAIN, weir_mutex_try_lock(mutex_));  // it has been handed over
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    order.push_back(4);
    return weir_mutex_unlock(mutex_);
  });
  EXPECT_EQ((std::vector<int>{1, 2, 3, 4}), order);
}

TEST_F(Mutex, CancelledBeforeTheHandOverTheNextGetsIt) {
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    Task first([&] { return weir_mutex_lock(mutex_); });
    auto lock_and_unlock = [&] {
      int result = weir_mutex_lock(mutex_);
      return result < 0 ? result : weir_mutex_unlock(mutex_);
    };
    Task second(lock_and_unlock);
    first.Cancel();
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    EXPECT_EQ(-ECANCELED, first.Result());
    EXPECT_EQ(0, second.Result());
    return 0;
  });
}

TEST_F(Mutex, CancelledAfterTheHandOverItHasIt) {
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    Task first([&] {
      EXPECT_EQ(0, weir_mutex_lock(mutex_));
      EXPECT_EQ(-ECANCELED, weir_yield());
      return weir_mutex_unlock(mutex_);
    });
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    first.Cancel();
    EXPECT_EQ(0, first.Result());
    EXPECT_EQ(0, weir_mutex_try_lock(mutex_));
    return weir_mutex_unlock(mutex_);
  });
}

TEST_F(Mutex, WaitingEndsAtADeadline) {
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    Task late([&] { return Within(WEIR_SECOND, [&] { return weir_mutex_lock(mutex_); }); });
    EXPECT_EQ(-ETIMEDOUT, late.Result());
    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
    EXPECT_EQ(0, weir_mutex_try_lock(mutex_));
    return weir_mutex_unlock(mutex_);
  });
}

TEST_F(Mutex, ACancelledCoroutineDoesNotLock) {
  Run([&] {
    Task task([&] {
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      return weir_mutex_lock(mutex_);
    });
    task.Cancel();
    EXPECT_EQ(-ECANCELED, task.Result());
    EXPECT_EQ(0, weir_mutex_try_lock(mutex_));
    return weir_mutex_unlock(mutex_);
  });
}

// Its holder may close it; those who wait leave it one by one, and the last one frees it.
TEST_F(Mutex, CloseEndsTheWaiting) {
  Run([&] {
    EXPECT_EQ(0, weir_mutex_lock(mutex_));
    Task first([&] { return weir_mutex_lock(mutex_); });
    Task cancelled([&] { return weir_mutex_lock(mutex_); });
    Task third([&] { return weir_mutex_lock(mutex_); });
    cancelled.Cancel();
    weir_mutex_close(mutex_);
    mutex_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, first.Result());
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    EXPECT_EQ(WEIR_E_CLOSED, third.Result());
    return 0;
  });
}

// A coroutine that never needs to wait lets others run now and then. It may be closed meanwhile.
TEST_F(Mutex, ClosedWhileACoroutineLetsOthersRun) {
  Run([&] {
    Task busy([&] {
      int result = 0;
      for (int i = 0; i < 1000 && result == 0; i++) {
        result = weir_mutex_lock(mutex_);
        if (result == 0) weir_mutex_unlock(mutex_);
      }
      return result;
    });
    EXPECT_FALSE(busy.ended());
    weir_mutex_close(mutex_);
    mutex_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, busy.Result());
    return 0;
  });
}

// Its successor has the same stack and the same control block, and is somebody else.
TEST_F(Mutex, OfAHolderThatHasEndedBelongsToNobodyElse) {
  Run([&] {
    const weir_internal_coroutine *before = nullptr;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                before = weir_internal_current_coroutine();
                return weir_mutex_lock(mutex_);
              }));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                EXPECT_EQ(before, weir_internal_current_coroutine());
                EXPECT_EQ(-EAGAIN, weir_mutex_try_lock(mutex_));
                EXPECT_EQ(-EPERM, weir_mutex_unlock(mutex_));
                EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, [&] { return weir_mutex_lock(mutex_); }));
                return 0;
              }));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Mutex, GuardsACountAcrossThreads) {
  constexpr int kThreads = 3, kCoroutines = 4, kRounds = 300;
  int count = 0;
  int expected = 0;
  RunOnThreads(kThreads, [&](int) {
    for (int i = 0; i < kCoroutines; i++) {
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([&, i] {
                  for (int round = 0; round < kRounds;) {
                    // Some are impatient, and try again.
                    int64_t patience = i % 2 == 0 ? WEIR_FOREVER : round % 3;
                    int result = Within(patience, [&] { return weir_mutex_lock(mutex_); });
                    if (result < 0) {
                      EXPECT_EQ(-ETIMEDOUT, result);
                      std::this_thread::yield();
                      EXPECT_EQ(0, weir_yield());
                      if (patience == 0) round++;
                      continue;
                    }
                    int before = count;
                    if (round % 8 == 0) {
                      EXPECT_EQ(0, weir_yield());
                    }
                    count = before + 1;
                    expected++;
                    EXPECT_EQ(0, weir_mutex_unlock(mutex_));
                    round++;
                  }
                  return 0;
                }));
    }
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(expected, count);
  EXPECT_LE(kThreads * kCoroutines * kRounds / 2, count);
}

}  // namespace
