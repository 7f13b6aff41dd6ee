// SPDX-License-Identifier: Apache-2.0
//
// The loop's own coroutines, and waking a coroutine wherever it is suspended.

#include <gtest/gtest.h>

#include <functional>

#include "coroutine/internal/loop.h"
#include "coroutine/internal/suspend.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_loop.h"

namespace {

using weir_testing::VirtualLoop;
using Body = std::function<int()>;

class Background : public weir_testing::LeakCheckedTest {
 protected:
  static int Launch(Body &body) {
    return weir_internal_loop_launch(weir_internal_current_loop(), VirtualLoop::Call, &body);
  }
};

TEST_F(Background, BelongsToNoScope) {
  VirtualLoop loop;
  int steps = 0;
  Body child = [&] {
    steps++;
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    steps++;
    return -EIO;
  };
  EXPECT_EQ(0, loop.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);  // does not hold for it
    EXPECT_EQ(0, Launch(child));
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel(nullptr);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(1, steps);
    weir_timeout_end(timeout);
    EXPECT_EQ(0, weir_delay(2 * WEIR_SECOND));
    EXPECT_EQ(2, steps);
    return weir_scope_wait(nullptr);
  }));
}

TEST_F(Background, TheEndOfTheRunCancelsItWithAllBelow) {
  VirtualLoop loop;
  int cancelled = 0;
  Body grandchild = [&] {
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    cancelled++;
    return 0;
  };
  Body child = [&] {
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &grandchild));
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    cancelled++;
    return 0;
  };
  for (int run = 1; run <= 2; run++) {
    EXPECT_EQ(3, loop.Run([&] {
      EXPECT_EQ(0, Launch(child));
      EXPECT_EQ(0, weir_yield());
      return 3;
    }));
    EXPECT_EQ(2 * run, cancelled);
    EXPECT_EQ(0u, weir_internal_loop_coroutine_count(loop.get()));
  }
}

TEST_F(Background, LaunchedAtTheVeryEndItRunsAndIsCancelled) {
  VirtualLoop loop;
  int result = 1;
  Body child = [&] { return result = weir_delay(WEIR_FOREVER), 0; };
  EXPECT_EQ(0, loop.Run([&] { return Launch(child); }));
  EXPECT_EQ(-ECANCELED, result);
}

TEST_F(Background, GoesOnAsLongAsALoopWaiterStands) {
  struct Waiter {
    weir_internal_loop_waiter shared;
    bool abandoned;
  } waiter = {};
  weir_internal_link_init(&waiter.shared.link);
  waiter.shared.abandon = [](weir_internal_loop_waiter *self) {
    reinterpret_cast<Waiter *>(self)->abandoned = true;
    weir_internal_loop_waiter_remove(self);
  };
  VirtualLoop loop;
  for (bool in_time : {true, false}) {
    int result = 1;
    Body child = [&] {
      result = weir_delay(in_time ? WEIR_SECOND / 2 : WEIR_SECOND * 2);
      if (result == 0) weir_internal_loop_waiter_remove(&waiter.shared);
      return 0;
    };
    EXPECT_EQ(0, loop.Run([&] {
      weir_internal_loop_waiter_add(loop.get(), &waiter.shared);
      return Launch(child);
    }));
    EXPECT_EQ(in_time ? 0 : -ECANCELED, result);
    EXPECT_EQ(!in_time, waiter.abandoned);
  }
}

TEST_F(Background, WithoutMemoryItIsNeverCalled) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    // Until a new slab of stacks is needed.
    int result = 0;
    int launched = 0, expected = 0;
    Body counted = [&] { return launched++, 0; };
    while (result == 0) {
      allocator().FailNth(1);
      result = Launch(counted);
      if (result == 0) expected++;
    }
    allocator().FailNth(0);
    EXPECT_EQ(-ENOMEM, result);
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_EQ(expected, launched);
    return 0;
  }));
}

TEST_F(Background, APresentSuspensionIsWokenOnce) {
  VirtualLoop loop;
  weir_internal_coroutine *coroutine = nullptr;
  int first = 1, second = 1;
  Body child = [&] {
    coroutine = weir_internal_current_coroutine();
    EXPECT_FALSE(weir_internal_wake_present(coroutine, -EIO));  // it runs
    first = weir_delay(WEIR_SECOND);
    second = weir_delay(WEIR_SECOND);
    return 0;
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &child));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(weir_internal_wake_present(coroutine, -EIO));
    EXPECT_FALSE(weir_internal_wake_present(coroutine, -EIO));  // it will run
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-EIO, first);
  EXPECT_EQ(0, second);
}

}  // namespace
