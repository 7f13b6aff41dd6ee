// SPDX-License-Identifier: Apache-2.0
//
// What a launch may ask for, and why coroutines are cancelled.

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "coroutine/internal/stack_pool.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_loop.h"
#include "weir/coroutine.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

class Launch : public weir_testing::LeakCheckedTest {};

int LaunchSized(size_t stack_size, Body *body) {
  weir_launch_options options = {};
  options.stack_size = stack_size;
  return weir_launch(nullptr, nullptr, &options, VirtualLoop::Call, body);
}

// Uses |size| bytes of the stack.
__attribute__((noinline)) int UseStack(size_t size) {
  char part[1024];
  memset(part, static_cast<int>(size), sizeof part);
  volatile char *touched = part;
  if (size <= sizeof part) return touched[0];
  return UseStack(size - sizeof part) + touched[1];
}

TEST_F(Launch, ALargeStackIsAsLargeAsAskedFor) {
  VirtualLoop loop(64 * 1024);
  bool ran = false;
  Body body = [&] {
    UseStack(3 * 512 * 1024);
    ran = true;
    return 0;
  };
  EXPECT_EQ(0, loop.Run([&] {
    // Thrice, so that one is used again.
    for (int i = 0; i < 3; i++) {
      EXPECT_EQ(0, LaunchSized(2 * 1024 * 1024, &body));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    }
    return 0;
  }));
  EXPECT_TRUE(ran);
}

// The last child ends, and before the owner has its turn somebody else launches another one.
TEST_F(Launch, AScopeThatIsWaitedForMayGetAnotherChildAtTheLastMoment) {
  VirtualLoop loop;
  weir_scope *scope = nullptr;
  bool ended = false;
  Body first = [] { return weir_yield(); };
  Body late = [&] {
    int result = weir_delay(WEIR_SECOND);
    ended = true;
    return result;
  };
  Body launcher = [&] {
    EXPECT_EQ(0, weir_yield());
    return weir_launch(scope, nullptr, nullptr, VirtualLoop::Call, &late);
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, weir_launch(scope, nullptr, nullptr, VirtualLoop::Call, &first));
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &launcher));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_TRUE(ended);
    return weir_scope_close(scope);
  }));
}

TEST_F(Launch, StacksOfAllSizesLiveTogether) {
  VirtualLoop loop;
  int sum = 0;
  Body body = [&] {
    int result = weir_delay(WEIR_MILLISECOND);
    sum++;
    return result;
  };
  EXPECT_EQ(0, loop.Run([&] {
    for (size_t size : {16, 17, 64, 100, 256, 1024, 65536}) {
      for (int i = 0; i < 20; i++) EXPECT_EQ(0, LaunchSized(size * 1024, &body));
    }
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(7 * 20, sum);
}

TEST_F(Launch, ASizeOutOfRangeIsRefused) {
  VirtualLoop loop;
  Body body = [] { return 0; };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(-EINVAL, LaunchSized(16 * 1024 - 1, &body));
    EXPECT_EQ(-EINVAL, LaunchSized((size_t{1} << 30) + 1, &body));
    EXPECT_EQ(-EINVAL, LaunchSized(SIZE_MAX, &body));
    return 0;
  }));
}

TEST_F(Launch, ALargeStackThatCannotBeHadIsReported) {
  VirtualLoop loop;
  int ran = 0;
  Body body = [&] { return ran++, 0; };
  EXPECT_EQ(0, loop.Run([&] {
    int failures = 0;
    for (int nth = 1;; nth++) {
      allocator().FailNth(nth);
      int result = LaunchSized(1024 * 1024, &body);
      bool refused = allocator().refused();
      allocator().FailNth(0);
      EXPECT_EQ(refused ? -ENOMEM : 0, result);
      if (!refused) break;
      failures++;
    }
    EXPECT_EQ(3, failures);  // the slab, its pages, the guard
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(1, ran);
}

// Under ASan the shadow of the stack is looked at first, which is a crash as well.
TEST_F(Launch, ALargeStackHasItsGuard) {
  Body body = [] { return UseStack(100 * 1024 * 1024); };
  EXPECT_DEATH(
      {
        VirtualLoop loop;
        static_cast<void>(loop.Run([&] { return LaunchSized(1024 * 1024, &body); }));
      },
      "");
}

class Cause : public Launch {
 protected:
  // Waits until it is cancelled and remembers why.
  Body Waiter(int *cause) {
    return [cause] {
      EXPECT_EQ(0, weir_cancellation_cause());
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      *cause = weir_cancellation_cause();
      return -ECANCELED;
    };
  }

  int LaunchIn(weir_scope *scope, Body *body, weir_job **job = nullptr) {
    return weir_launch(scope, job, nullptr, VirtualLoop::Call, body);
  }

  int cause_ = 1;
  Body waiter_ = Waiter(&cause_);
};

TEST_F(Cause, IsZeroUnlessCancelled) {
  EXPECT_EQ(0, weir_cancellation_cause());
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([] { return weir_cancellation_cause(); }));
}

TEST_F(Cause, OfAJobIsTold) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    for (auto [given, told] : {std::pair{-EPIPE, -EPIPE},
                               {WEIR_E_CLOSED, WEIR_E_CLOSED},
                               {0, -ECANCELED},
                               {5, -ECANCELED}}) {
      weir_job *job = nullptr;
      EXPECT_EQ(0, LaunchIn(nullptr, &waiter_, &job));
      EXPECT_EQ(0, weir_yield());
      weir_job_cancel_with_cause(job, given);
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      EXPECT_EQ(told, cause_);
      weir_job_cancel_with_cause(job, given);
      weir_job_close(job);
    }
    return 0;
  }));
}

TEST_F(Cause, WithoutOneIsECanceled) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, LaunchIn(nullptr, &waiter_));
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel(nullptr);
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-ECANCELED, cause_);
}

// Also those launched later, and the children of children.
TEST_F(Cause, OfAScopeReachesAllBelow) {
  VirtualLoop loop;
  int late_cause = 0;
  Body parent = [&] {
    EXPECT_EQ(0, LaunchIn(nullptr, &waiter_));
    return weir_delay(WEIR_FOREVER);
  };
  Body late = [&] { return late_cause = weir_cancellation_cause(), 0; };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, LaunchIn(nullptr, &parent));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel_with_cause(nullptr, -ENOTCONN);
    weir_scope_cancel_with_cause(nullptr, -EIO);
    EXPECT_EQ(0, LaunchIn(nullptr, &late));
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-ENOTCONN, cause_);
  EXPECT_EQ(-ENOTCONN, late_cause);
}

TEST_F(Cause, TheFirstOneStays) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchIn(nullptr, &waiter_, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel_with_cause(job, -EIO);
    weir_job_cancel_with_cause(job, -EPIPE);
    weir_scope_cancel_with_cause(nullptr, -ENOTCONN);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-EIO, cause_);
}

TEST_F(Cause, IsTheCodeOfTheSiblingThatFailed) {
  VirtualLoop loop;
  Body failing = [] { return -ECONNRESET; };
  EXPECT_EQ(-ECONNRESET, loop.Run([&] {
    weir_scope *scope = nullptr;
    weir_scope_options together = {};
    together.fail_together = true;
    EXPECT_EQ(0, weir_scope_open(&scope, &together));
    EXPECT_EQ(0, LaunchIn(scope, &waiter_));
    EXPECT_EQ(0, LaunchIn(scope, &failing));
    EXPECT_EQ(-ECONNRESET, weir_scope_wait(scope));
    return weir_scope_close(scope);
  }));
  EXPECT_EQ(-ECONNRESET, cause_);
}

// In the own scope and in one left open.
TEST_F(Cause, IsTheCodeOfTheParentThatFailed) {
  VirtualLoop loop;
  int other_cause = 0;
  Body other = Waiter(&other_cause);
  EXPECT_EQ(-EPROTO, loop.Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchIn(scope, &waiter_));
    EXPECT_EQ(0, LaunchIn(nullptr, &other));
    EXPECT_EQ(0, weir_yield());
    return -EPROTO;
  }));
  EXPECT_EQ(-EPROTO, cause_);
  EXPECT_EQ(-EPROTO, other_cause);
}

// A scope opened behind a shield learns of a cancellation only when its owner ends of it.
TEST_F(Cause, IsHandedOnByAParentThatEndsBecauseOfIt) {
  VirtualLoop loop;
  Body parent = [&] {
    weir_shield shield = weir_shield_begin();
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchIn(scope, &waiter_));
    weir_shield_end(shield);
    return weir_delay(WEIR_FOREVER);
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, LaunchIn(nullptr, &parent));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel_with_cause(nullptr, -EIO);
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-EIO, cause_);
}

TEST_F(Cause, OfAScopeOpenedInACancelledCoroutineIsTheCoroutines) {
  VirtualLoop loop;
  int seen = 0;
  Body child = [&] { return seen = weir_cancellation_cause(), 0; };
  Body parent = [&] {
    int result = weir_delay(WEIR_FOREVER);
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchIn(scope, &child));
    EXPECT_EQ(0, weir_scope_close(scope));
    return result;
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, LaunchIn(nullptr, &parent));
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel_with_cause(nullptr, -EIO);
    return weir_scope_wait(nullptr);
  }));
  EXPECT_EQ(-EIO, seen);
}

}  // namespace
