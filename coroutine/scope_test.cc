// SPDX-License-Identifier: Apache-2.0
//
// Scopes, launching and jobs.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <vector>

#include "coroutine/internal/suspend.h"
#include "testing/virtual_loop.h"
#include "weir/coroutine.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

int Launch(weir_scope *scope, Body *body, weir_job **job = nullptr) {
  return weir_launch(scope, job, nullptr, VirtualLoop::Call, body);
}

class Scope : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(0, loop_.created()); }
  void TearDown() override { EXPECT_EQ(0u, weir_internal_loop_coroutine_count(loop_.get())); }
  VirtualLoop loop_;
};

TEST_F(Scope, RunReturnsTheFunctionsResult) {
  EXPECT_EQ(5, loop_.Run([] { return 5; }));
  EXPECT_EQ(-EPIPE, loop_.Run([] { return -EPIPE; }));
}

TEST_F(Scope, RunInsideRunIsBusy) {
  EXPECT_EQ(-EBUSY, loop_.Run([this] { return loop_.Run([] { return 0; }); }));
}

TEST_F(Scope, EverythingOutsideACoroutineIsRefused) {
  weir_scope *scope = nullptr;
  Body body = [] { return 0; };
  EXPECT_EQ(-EINVAL, weir_scope_open(&scope, nullptr));
  EXPECT_EQ(nullptr, scope);
  EXPECT_EQ(-EINVAL, Launch(nullptr, &body));
  EXPECT_EQ(-EINVAL, weir_scope_wait(nullptr));
  EXPECT_EQ(-EINVAL, weir_delay(1));
  EXPECT_EQ(-EINVAL, weir_yield());
  EXPECT_FALSE(weir_is_cancelled());
  EXPECT_FALSE(weir_timeout_end(weir_timeout_begin(1)));
  weir_shield_end(weir_shield_begin());
  weir_scope_cancel(nullptr);
  EXPECT_EQ(0, weir_scope_close(nullptr));
  weir_job_close(nullptr);
}

TEST_F(Scope, ChildrenRunInOrderOfLaunchWhenTheParentSuspends) {
  std::vector<int> trace;
  Body first = [&] { return trace.push_back(1), 0; };
  Body second = [&] { return trace.push_back(2), 0; };
  EXPECT_EQ(0, loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &first));
    EXPECT_EQ(0, Launch(nullptr, &second));
    trace.push_back(0);
    int result = weir_scope_wait(nullptr);
    trace.push_back(3);
    return result;
  }));
  EXPECT_EQ((std::vector<int>{0, 1, 2, 3}), trace);
}

TEST_F(Scope, AParentEndsAfterTheChildrenItDidNotWaitFor) {
  bool ended = false;
  Body child = [&] {
    int result = weir_delay(WEIR_SECOND);
    ended = true;
    return result;
  };
  EXPECT_EQ(3, loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child));
    return 3;
  }));
  EXPECT_TRUE(ended);
}

TEST_F(Scope, AFailedParentCancelsItsChildren) {
  int seen = 0;
  Body child = [&] { return seen = weir_delay(WEIR_FOREVER); };
  EXPECT_EQ(-EIO, loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child));
    EXPECT_EQ(0, weir_yield());
    return -EIO;
  }));
  EXPECT_EQ(-ECANCELED, seen);
}

TEST_F(Scope, AScopeLeftOpenIsClosedWithItsCoroutine) {
  int seen = 0;
  Body child = [&] { return seen = weir_delay(WEIR_FOREVER); };
  EXPECT_EQ(0, loop_.Run([&] {
    weir_scope *outer = nullptr, *inner = nullptr;
    EXPECT_EQ(0, weir_scope_open(&outer, nullptr));
    EXPECT_EQ(0, weir_scope_open(&inner, nullptr));
    return Launch(inner, &child);
  }));
  EXPECT_EQ(-ECANCELED, seen);
}

TEST_F(Scope, WaitReturnsTheFirstFailureAndCancellationIsNone) {
  Body fails = [] { return -EPIPE; };
  Body fails_later = [] { return weir_delay(1) < 0 ? -1 : -EIO; };
  Body cancelled = [] { return -ECANCELED; };
  Body counts = [] { return 12; };
  loop_.Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, Launch(scope, &cancelled));
    EXPECT_EQ(0, Launch(scope, &counts));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(0, Launch(scope, &fails_later));
    EXPECT_EQ(0, Launch(scope, &fails));
    EXPECT_EQ(-EPIPE, weir_scope_wait(scope));
    EXPECT_EQ(-EPIPE, weir_scope_close(scope));
    return 0;
  });
}

TEST_F(Scope, FailTogetherCancelsTheSiblings) {
  int seen = 0;
  Body waits = [&] { return seen = weir_delay(WEIR_FOREVER); };
  Body fails = [] { return -EPIPE; };
  loop_.Run([&] {
    weir_scope *scope = nullptr;
    weir_scope_options options = {};
    options.fail_together = true;
    EXPECT_EQ(0, weir_scope_open(&scope, &options));
    EXPECT_EQ(0, Launch(scope, &waits));
    EXPECT_EQ(0, Launch(scope, &fails));
    EXPECT_EQ(-EPIPE, weir_scope_wait(scope));
    EXPECT_EQ(-EPIPE, weir_scope_close(scope));
    return 0;
  });
  EXPECT_EQ(-ECANCELED, seen);
}

TEST_F(Scope, WithoutFailTogetherSiblingsGoOn) {
  int seen = 1;
  Body waits = [&] { return seen = weir_delay(WEIR_SECOND); };
  Body fails = [] { return -EPIPE; };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &waits));
    EXPECT_EQ(0, Launch(nullptr, &fails));
    EXPECT_EQ(-EPIPE, weir_scope_wait(nullptr));
    return 0;
  });
  EXPECT_EQ(0, seen);
}

TEST_F(Scope, OnlyTheOwnerWaitsAndCloses) {
  weir_scope *scope = nullptr;
  Body stranger = [&] {
    EXPECT_EQ(-EINVAL, weir_scope_wait(scope));
    EXPECT_EQ(-EINVAL, weir_scope_close(scope));
    return 0;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, Launch(nullptr, &stranger));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    return weir_scope_close(scope);
  });
}

TEST_F(Scope, AChildMayLaunchInItsParentsScope) {
  weir_scope *scope = nullptr;
  bool ran = false;
  Body second = [&] { return ran = true, 0; };
  Body first = [&] { return Launch(scope, &second); };
  loop_.Run([&] {
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, Launch(scope, &first));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_TRUE(ran);
    return weir_scope_close(scope);
  });
}

TEST_F(Scope, LaunchInACancelledScopeRunsTheFunctionOnceCancelled) {
  int runs = 0, seen = 0;
  Body child = [&] {
    runs++;
    EXPECT_TRUE(weir_is_cancelled());
    return seen = weir_yield();
  };
  loop_.Run([&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    weir_scope_cancel(scope);
    EXPECT_EQ(0, Launch(scope, &child));
    EXPECT_EQ(0, weir_scope_wait(scope));
    return weir_scope_close(scope);
  });
  EXPECT_EQ(1, runs);
  EXPECT_EQ(-ECANCELED, seen);
}

TEST_F(Scope, LaunchWithoutMemoryLeavesNothing) {
  Body child = [] { return 0; };
  loop_.Run([&] {
    weir_allocator allocator = {};
    allocator.allocate = [](void *, size_t) -> void * { return nullptr; };
    allocator.release = [](void *, void *memory, size_t) { std::free(memory); };
    allocator.map = [](void *, size_t) -> void * { return nullptr; };
    allocator.unmap = [](void *, void *, size_t) {};
    EXPECT_EQ(0, weir_set_allocator(&allocator));
    weir_job *job = nullptr;
    weir_scope *scope = nullptr;
    EXPECT_EQ(-ENOMEM, Launch(nullptr, &child, &job));
    EXPECT_EQ(nullptr, job);
    EXPECT_EQ(-ENOMEM, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, weir_set_allocator(nullptr));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Scope, LaunchNeedsAFunction) {
  loop_.Run([&] {
    EXPECT_EQ(-EINVAL, weir_launch(nullptr, nullptr, nullptr, nullptr, nullptr));
    return 0;
  });
}

// Jobs

TEST_F(Scope, JobGivesTheResultToAllWhoWait) {
  Body child = [] { return weir_delay(WEIR_SECOND) < 0 ? -1 : 9; };
  weir_job *job = nullptr;
  Body other = [&] {
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    return result;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    weir_job *other_job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &other, &other_job));
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(9, result);
    EXPECT_EQ(0, weir_job_wait(other_job, &result));
    EXPECT_EQ(9, result);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));  // again, when it has ended
    weir_job_cancel(job);
    weir_job_close(job);
    weir_job_close(other_job);
    return 0;
  });
}

TEST_F(Scope, TheFirstWhoWaitedMayCloseTheJobForAll) {
  Body child = [] { return weir_delay(WEIR_SECOND) < 0 ? -1 : 9; };
  weir_job *job = nullptr;
  std::vector<int> seen;
  Body waiter = [&] {
    int result = 0;
    int waited = weir_job_wait(job, &result);
    seen.push_back(waited == 0 ? result : waited);
    if (seen.size() == 1) weir_job_close(job);
    return 0;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    for (int i = 0; i < 3; i++) EXPECT_EQ(0, Launch(nullptr, &waiter));
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ((std::vector<int>{9, 9, 9}), seen);
}

TEST_F(Scope, AJobClosedWhileSomebodyWaitsTellsHim) {
  Body child = [] { return weir_delay(WEIR_SECOND); };
  weir_job *job = nullptr;
  int seen = 0;
  Body waiter = [&] { return seen = weir_job_wait(job, nullptr); };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    EXPECT_EQ(0, Launch(nullptr, &waiter));
    EXPECT_EQ(0, weir_yield());
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(WEIR_E_CLOSED, seen);
}

TEST_F(Scope, JobClosedEarlyLetsTheCoroutineGoOn) {
  bool ended = false;
  Body child = [&] {
    int result = weir_delay(1);
    ended = true;
    return result;
  };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_TRUE(ended);
}

TEST_F(Scope, JobCannotWaitForItself) {
  weir_job *job = nullptr;
  Body child = [&] { return weir_job_wait(job, nullptr); };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-EDEADLK, result);
    weir_job_close(job);
    return 0;
  });
}

// Turns

TEST_F(Scope, YieldTakesTurns) {
  std::vector<int> trace;
  Body a = [&] {
    for (int i = 0; i < 3; i++) {
      trace.push_back(1);
      EXPECT_EQ(0, weir_yield());
    }
    return 0;
  };
  Body b = [&] {
    for (int i = 0; i < 3; i++) {
      trace.push_back(2);
      EXPECT_EQ(0, weir_yield());
    }
    return 0;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(nullptr, &a));
    EXPECT_EQ(0, Launch(nullptr, &b));
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ((std::vector<int>{1, 2, 1, 2, 1, 2}), trace);
}

TEST_F(Scope, TwentyThousandCoroutinesAtOnce) {
  int ended = 0;
  Body child = [&] {
    int result = weir_delay(WEIR_SECOND);
    ended++;
    return result;
  };
  loop_.Run([&] {
    for (int i = 0; i < 20000; i++) {
      int result = Launch(nullptr, &child);
      if (result < 0) return result;
    }
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(20000, ended);
}

}  // namespace
