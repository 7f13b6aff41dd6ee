// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/timer_heap.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <vector>

namespace {

TEST(TimerHeap, FirstIsAlwaysTheEarliestUnderRandomAddsAndRemoves) {
  std::mt19937 random(7);
  std::vector<weir_internal_timer> timers(500);
  std::multiset<int64_t> model;
  weir_internal_timer_heap heap = {};
  for (int step = 0; step < 200000; step++) {
    weir_internal_timer *timer = &timers[random() % timers.size()];
    if (timer->armed) {
      model.erase(model.find(timer->when));
      weir_internal_timer_heap_remove(&heap, timer);
    } else {
      timer->when = static_cast<int64_t>(random() % 1000);
      model.insert(timer->when);
      weir_internal_timer_heap_add(&heap, timer);
    }
    ASSERT_EQ(model.empty(), heap.first == nullptr);
    if (heap.first != nullptr) {
      ASSERT_EQ(*model.begin(), heap.first->when);
    }
  }
}

TEST(TimerHeap, ComesOutInOrder) {
  std::mt19937 random(11);
  std::vector<weir_internal_timer> timers(10000);
  weir_internal_timer_heap heap = {};
  for (auto &timer : timers) {
    timer.when = static_cast<int64_t>(random());
    weir_internal_timer_heap_add(&heap, &timer);
  }
  int64_t last = -1;
  size_t count = 0;
  while (heap.first != nullptr) {
    ASSERT_LE(last, heap.first->when);
    last = heap.first->when;
    weir_internal_timer_heap_remove(&heap, heap.first);
    count++;
  }
  EXPECT_EQ(timers.size(), count);
}

}  // namespace
