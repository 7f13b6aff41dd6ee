// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/timer_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <random>
#include <set>
#include <vector>

#include "testing/leak_checked_test.h"

namespace {

class TimerHeap : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    ASSERT_EQ(0, weir_internal_timer_heap_init(&heap_));
  }
  void TearDown() override {
    weir_internal_timer_heap_destroy(&heap_);
    LeakCheckedTest::TearDown();
  }

  // Adds or removes any of |timers|, and compares with a sorted list.
  void Toggle(std::vector<weir_internal_timer> *timers) {
    weir_internal_timer *timer = &(*timers)[random_() % timers->size()];
    if (weir_internal_timer_is_armed(timer)) {
      model_.erase(model_.find(timer->when));
      weir_internal_timer_heap_remove(&heap_, timer);
    } else {
      timer->when = static_cast<int64_t>(random_() % 1000);
      model_.insert(timer->when);
      weir_internal_timer_heap_add(&heap_, timer);
    }
    ASSERT_EQ(model_.empty(), heap_.first == nullptr);
    if (heap_.first != nullptr) {
      ASSERT_EQ(*model_.begin(), heap_.first->when);
    }
  }

  void Arm(weir_internal_timer *timer) {
    timer->when = static_cast<int64_t>(random_());
    weir_internal_timer_heap_add(&heap_, timer);
  }

  // Takes out all, the earliest first, and returns how many there were.
  size_t Drain() {
    int64_t last = -1;
    size_t count = 0;
    while (heap_.first != nullptr) {
      EXPECT_LE(last, heap_.first->when);
      last = heap_.first->when;
      weir_internal_timer_heap_remove(&heap_, heap_.first);
      count++;
    }
    return count;
  }

  weir_internal_timer_heap heap_ = {};
  std::mt19937 random_{7};
  std::multiset<int64_t> model_;
};

TEST_F(TimerHeap, FirstIsAlwaysTheEarliestUnderRandomAddsAndRemoves) {
  std::vector<weir_internal_timer> timers(500);
  for (int step = 0; step < 200000; step++) ASSERT_NO_FATAL_FAILURE(Toggle(&timers));
}

TEST_F(TimerHeap, ComesOutInOrder) {
  for (size_t size : {1u, 2u, 5u, 6u, 4093u, 4094u, 50000u}) {
    std::vector<weir_internal_timer> timers(size);
    for (auto &timer : timers) Arm(&timer);
    EXPECT_EQ(size, Drain());
  }
}

// The first place in memory is there from the start; all others are given back, in part already
// when most timers are gone.
TEST_F(TimerHeap, GivesBackWhatItNeedsNoMore) {
  long before = allocator().outstanding();
  std::vector<weir_internal_timer> timers(100000);
  for (auto &timer : timers) Arm(&timer);
  long most = allocator().outstanding();
  EXPECT_LT(before + 3, most);
  for (size_t i = 20000; i < timers.size(); i++) {
    weir_internal_timer_heap_remove(&heap_, &timers[i]);
  }
  EXPECT_GT(most, allocator().outstanding());
  EXPECT_LT(before, allocator().outstanding());
  EXPECT_EQ(20000u, Drain());
  EXPECT_EQ(before, allocator().outstanding());
}

TEST_F(TimerHeap, InitTellsWhenThereIsNoMemory) {
  weir_internal_timer_heap other = {};
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_internal_timer_heap_init(&other));
  allocator().FailNth(0);
}

// Arming cannot fail: what has no place waits for one.
TEST_F(TimerHeap, KeepsTheOrderWithoutMemory) {
  std::vector<weir_internal_timer> some(4000), more(500);
  for (auto &timer : some) Arm(&timer);
  for (auto &timer : some) model_.insert(timer.when);
  for (int step = 0; step < 20000; step++) {
    allocator().FailNth(1);
    ASSERT_NO_FATAL_FAILURE(Toggle(&more));
    // The places of those that are gone are taken by those that wait.
    if (step % 100 == 50) {
      weir_internal_timer *timer = &some[static_cast<size_t>(step / 100)];
      model_.erase(model_.find(timer->when));
      weir_internal_timer_heap_remove(&heap_, timer);
    }
  }
  allocator().FailNth(0);
  for (int step = 0; step < 2000; step++) ASSERT_NO_FATAL_FAILURE(Toggle(&more));
  EXPECT_EQ(model_.size(), Drain());
}

TEST_F(TimerHeap, TakesThemAllInOnceThereIsMemory) {
  std::vector<weir_internal_timer> timers(5000);
  for (auto &timer : timers) {
    allocator().FailNth(1);
    Arm(&timer);
  }
  allocator().FailNth(0);
  std::vector<weir_internal_timer> more(2000);
  for (auto &timer : more) Arm(&timer);
  EXPECT_TRUE(weir_internal_list_is_empty(&heap_.unplaced));
  EXPECT_EQ(7000u, Drain());
}

// In time of this thread, not of the clock: others have the processor, too. What is put off while
// timers are armed would have to be done here, and is some hundred times as much.
TEST_F(TimerHeap, TheFirstOfManyComesOutQuickly) {
  auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
  };
  std::vector<weir_internal_timer> timers(1000000);
  int64_t begun = now();
  for (auto &timer : timers) Arm(&timer);
  int64_t armed = now();
  weir_internal_timer_heap_remove(&heap_, heap_.first);
  EXPECT_GT((armed - begun) / 100, now() - armed);
  for (auto &timer : timers) {
    if (weir_internal_timer_is_armed(&timer)) weir_internal_timer_heap_remove(&heap_, &timer);
  }
}

}  // namespace
