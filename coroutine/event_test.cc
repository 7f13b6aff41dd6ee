// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "testing/sync_test.h"

namespace {

using weir_testing::Task;
using weir_testing::Within;

class Event : public weir_testing::SyncTest {
 protected:
  void SetUp() override {
    SyncTest::SetUp();
    ASSERT_EQ(0, weir_event_create(&event_));
  }
  void TearDown() override {
    weir_event_close(event_);
    SyncTest::TearDown();
  }
  int Wait() { return weir_event_wait(event_); }

  weir_event *event_ = nullptr;
};

TEST_F(Event, CreateTellsWhenThereIsNoMemory) {
  weir_event *event = event_;
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_event_create(&event));
  EXPECT_EQ(nullptr, event);
  weir_event_close(event);
}

TEST_F(Event, IsNotSetAtFirstAndStaysAsItWasPut) {
  EXPECT_FALSE(weir_event_is_set(event_));
  weir_event_set(event_);
  weir_event_set(event_);
  EXPECT_TRUE(weir_event_is_set(event_));
  EXPECT_EQ(-EINVAL, Wait());  // not a coroutine
  Run([&] { return Wait(); });
  weir_event_reset(event_);
  EXPECT_FALSE(weir_event_is_set(event_));
}

TEST_F(Event, SetWakesAllWhoWait) {
  Run([&] {
    Task first([&] { return Wait(); }), second([&] { return Wait(); });
    EXPECT_FALSE(first.ended());
    weir_event_set(event_);
    weir_event_reset(event_);  // they have been woken all the same
    Task third([&] { return Wait(); });
    EXPECT_TRUE(first.ended());
    EXPECT_TRUE(second.ended());
    EXPECT_FALSE(third.ended());
    weir_event_set(event_);
    EXPECT_EQ(0, first.Result() + second.Result() + third.Result());
    return 0;
  });
}

TEST_F(Event, CancellationAndSettingInBothOrders) {
  Run([&] {
    Task cancelled([&] { return Wait(); });
    cancelled.Cancel();
    weir_event_set(event_);
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    weir_event_reset(event_);
    Task woken([&] { return Wait(); });
    weir_event_set(event_);
    woken.Cancel();
    EXPECT_EQ(0, woken.Result());
    return 0;
  });
}

TEST_F(Event, WaitingEndsAtADeadline) {
  Run([&] {
    EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, [&] { return Wait(); }));
    weir_event_set(event_);
    EXPECT_EQ(0, Within(WEIR_SECOND, [&] { return Wait(); }));
    EXPECT_EQ(-ETIMEDOUT, Within(0, [&] { return Wait(); }));  // although it is set
    return 0;
  });
}

TEST_F(Event, CloseEndsTheWaiting) {
  Run([&] {
    Task first([&] { return Wait(); }), cancelled([&] { return Wait(); });
    cancelled.Cancel();
    weir_event_close(event_);
    event_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, first.Result());
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    return 0;
  });
}

TEST_F(Event, ClosedWhileACoroutineLetsOthersRun) {
  Run([&] {
    weir_event_set(event_);
    Task busy([&] {
      int result = 0;
      for (int i = 0; i < 1000 && result == 0; i++) result = Wait();
      return result;
    });
    EXPECT_FALSE(busy.ended());
    weir_event_close(event_);
    event_ = nullptr;
    EXPECT_EQ(WEIR_E_CLOSED, busy.Result());
    return 0;
  });
}

TEST_F(Event, AThreadWithoutALoopSetsIt) {
  int value = 0;
  std::thread setter;
  Run([&] {
    setter = std::thread([&] {
      value = 42;
      weir_event_set(event_);
    });
    return Wait();
  });
  EXPECT_EQ(42, value);
  setter.join();
}

// Who was woken may close it, while the one who woke it is still on its way out.
TEST_F(Event, WhoWasWokenMayCloseItAtOnce) {
  for (int i = 0; i < 500; i++) {
    weir_event *event = nullptr;
    ASSERT_EQ(0, weir_event_create(&event));
    std::thread setter([event] { weir_event_set(event); });
    Run([&] {
      int result = weir_event_wait(event);
      weir_event_close(event);
      return result;
    });
    setter.join();
  }
}

// One thread closes, another waits or is about to.
TEST_F(Event, ClosedByAnotherThread) {
  for (int i = 0; i < 100; i++) {
    weir_event *event = nullptr;
    ASSERT_EQ(0, weir_event_create(&event));
    std::atomic<int> waiting{0};
    std::thread closer([&] {
      while (waiting < 4) std::this_thread::yield();
      weir_event_close(event);
    });
    RunOnThreads(2, [&](int) {
      for (int j = 0; j < 4; j++) {
        EXPECT_EQ(
            0, weir_testing::LaunchCoroutine([&, j] {
              int result = Within(j < 2 ? WEIR_FOREVER : 1, [&] { return weir_event_wait(event); });
              EXPECT_TRUE(result == WEIR_E_CLOSED || (j >= 2 && result == -ETIMEDOUT)) << result;
              return 0;
            }));
      }
      EXPECT_EQ(0, weir_yield());
      waiting += 2;  // all have begun
      return weir_scope_wait(nullptr);
    });
    closer.join();
  }
}

TEST_F(Event, ThreadsTakeTurns) {
  constexpr int kRounds = 3000;
  weir_event *turns[2] = {};
  for (weir_event *&turn : turns) ASSERT_EQ(0, weir_event_create(&turn));
  weir_event_set(turns[0]);
  int count = 0;
  RunOnThreads(2, [&](int self) {
    for (int i = 0; i < kRounds; i++) {
      EXPECT_EQ(0, weir_event_wait(turns[self]));
      EXPECT_EQ(2 * i + self, count);
      count++;
      weir_event_reset(turns[self]);
      weir_event_set(turns[1 - self]);
    }
    return 0;
  });
  EXPECT_EQ(2 * kRounds, count);
  for (weir_event *turn : turns) weir_event_close(turn);
}

}  // namespace
