// SPDX-License-Identifier: Apache-2.0
//
// What the failure of a coroutine does to the owner of a scope with fail_together.

#include <gtest/gtest.h>

#include <vector>

#include "testing/sync_test.h"
#include "weir/coroutine.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::Within;

int WaitUntilCancelled() { return weir_delay(WEIR_FOREVER); }

// Fails a millisecond after it was launched.
int FailSoon() {
  int result = weir_delay(WEIR_MILLISECOND);
  return result < 0 ? result : -EIO;
}

weir_scope *OpenTogether() {
  weir_scope *scope = nullptr;
  weir_scope_options options = {};
  options.fail_together = true;
  EXPECT_EQ(0, weir_scope_open(&scope, &options));
  return scope;
}

// The current coroutine is as if cancelled, because of |cause|.
void ExpectStopped(int cause) {
  EXPECT_EQ(-ECANCELED, weir_yield());
  EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
  EXPECT_TRUE(weir_is_cancelled());
  EXPECT_EQ(cause, weir_cancellation_cause());
}

void ExpectFree() {
  EXPECT_EQ(0, weir_yield());
  EXPECT_FALSE(weir_is_cancelled());
  EXPECT_EQ(0, weir_cancellation_cause());
}

class FailTogether : public weir_testing::SyncTest {};

TEST_F(FailTogether, EndsWhatTheOwnerWaitsForUntilItLearnsWhy) {
  Run([] {
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    int64_t start = weir_now();
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    EXPECT_EQ(start + WEIR_MILLISECOND, weir_now());
    ExpectStopped(-EIO);
    EXPECT_EQ(-EIO, weir_scope_wait(scope));
    ExpectFree();
    EXPECT_EQ(-EIO, weir_scope_wait(scope));
    EXPECT_EQ(-EIO, weir_scope_close(scope));
    ExpectFree();
    return 0;
  });
}

TEST_F(FailTogether, IsOverWithTheClose) {
  Run([] {
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    EXPECT_EQ(-EIO, weir_scope_close(scope));
    ExpectFree();
    return 0;
  });
}

// It is not in a wait, so nobody can wake it: its next operation tells.
TEST_F(FailTogether, IsToldToAnOwnerThatIsReadyToo) {
  Run([] {
    weir_scope *scope = OpenTogether();
    auto fail = [] { return -EIO; };
    EXPECT_EQ(0, LaunchCoroutine(fail, scope));
    EXPECT_EQ(-ECANCELED, weir_yield());
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

// All of them end before the wait does.
TEST_F(FailTogether, LetsTheOwnerWaitForTheOthers) {
  Run([] {
    weir_scope *scope = OpenTogether();
    bool cleaned_up = false;
    auto sibling = [&] {
      int result = WaitUntilCancelled();
      weir_shield shield = weir_shield_begin();
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      weir_shield_end(shield);
      cleaned_up = true;
      return result;
    };
    EXPECT_EQ(0, LaunchCoroutine(sibling, scope));
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    EXPECT_EQ(-EIO, weir_scope_wait(scope));
    EXPECT_TRUE(cleaned_up);
    ExpectFree();
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

// A wait that ended otherwise has told nothing.
TEST_F(FailTogether, GoesOnWhenTheWaitRanOutOfTime) {
  Run([] {
    weir_scope *scope = OpenTogether();
    auto stubborn = [] {
      weir_shield shield = weir_shield_begin();
      int result = weir_delay(WEIR_SECOND);
      weir_shield_end(shield);
      return result;
    };
    EXPECT_EQ(0, LaunchCoroutine(stubborn, scope));
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND / 4, [&] { return weir_scope_wait(scope); }));
      ExpectStopped(-EIO);
    }
    EXPECT_EQ(-EIO, weir_scope_wait(scope));
    ExpectFree();
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

// Whoever waits for the one that fails has its result in time.
TEST_F(FailTogether, LetsTheResultThrough) {
  Run([] {
    weir_scope *scope = OpenTogether();
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope, &job));
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-EIO, result);
    weir_job_close(job);
    ExpectStopped(-EIO);
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

// It hides what happened outside of it, not what happens inside.
TEST_F(FailTogether, AShieldKeepsItOffThatWasRaisedInsideTheScope) {
  Run([] {
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_TRUE(weir_is_cancelled());
    EXPECT_EQ(-EIO, weir_cancellation_cause());
    weir_shield_end(shield);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

TEST_F(FailTogether, AShieldRaisedAroundTheScopeDoesNotKeepItOff) {
  Run([] {
    weir_shield shield = weir_shield_begin();
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    EXPECT_EQ(-EIO, weir_scope_close(scope));
    weir_shield_end(shield);
    ExpectFree();
    return 0;
  });
}

// As the owner's body is inside the scope, so is what it opened since.
TEST_F(FailTogether, ReachesTheScopesOpenedInside) {
  Run([] {
    std::vector<int> causes;
    auto remember = [&] {
      int result = WaitUntilCancelled();
      causes.push_back(weir_cancellation_cause());
      return result;
    };
    weir_scope *outer = nullptr, *inner = nullptr, *shielded = nullptr, *late = nullptr;
    EXPECT_EQ(0, weir_scope_open(&outer, nullptr));
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, weir_scope_open(&inner, nullptr));
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_scope_open(&shielded, nullptr));
    weir_shield_end(shield);
    int untouched = 0;
    auto go_on = [&] { return untouched += weir_delay(WEIR_SECOND) == 0, 0; };
    for (weir_scope *each : {static_cast<weir_scope *>(nullptr), outer, shielded}) {
      EXPECT_EQ(0, LaunchCoroutine(go_on, each));
    }
    EXPECT_EQ(0, LaunchCoroutine(remember, inner));
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    EXPECT_EQ(-ECANCELED, weir_scope_wait(inner));
    EXPECT_EQ(0, weir_scope_open(&late, nullptr));
    EXPECT_EQ(0, LaunchCoroutine(remember, late));
    EXPECT_EQ(0, weir_scope_close(late));
    EXPECT_EQ(std::vector<int>(2, -EIO), causes);
    shield = weir_shield_begin();
    EXPECT_EQ(0, weir_scope_wait(shielded));
    weir_shield_end(shield);
    EXPECT_EQ(0, weir_scope_close(shielded));
    EXPECT_EQ(0, weir_scope_close(inner));
    EXPECT_EQ(-EIO, weir_scope_close(scope));
    EXPECT_EQ(0, weir_scope_wait(outer));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(3, untouched);
    return weir_scope_close(outer);
  });
}

// The wait for the inner one, too, is inside the outer one.
TEST_F(FailTogether, OfTheOuterScopeEndsTheWaitForTheInner) {
  Run([] {
    weir_scope *outer = OpenTogether();
    weir_scope *inner = OpenTogether();
    auto fail_late = [] { return weir_delay(WEIR_SECOND) < 0 ? -ECANCELED : -EPROTO; };
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, outer));
    EXPECT_EQ(0, LaunchCoroutine(fail_late, inner));
    EXPECT_EQ(-ECANCELED, weir_scope_wait(inner));
    EXPECT_EQ(0, weir_scope_close(inner));
    ExpectStopped(-EIO);
    return weir_scope_close(outer) == -EIO ? 0 : -1;
  });
}

TEST_F(FailTogether, OfBothScopesIsLearntFromEach) {
  Run([] {
    weir_scope *outer = OpenTogether();
    weir_scope *inner = OpenTogether();
    auto fail_sooner = [] { return -EPROTO; };
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, outer));
    EXPECT_EQ(0, LaunchCoroutine(fail_sooner, inner));
    EXPECT_EQ(-ECANCELED, weir_yield());
    ExpectStopped(-EPROTO);
    EXPECT_EQ(-EPROTO, weir_scope_wait(inner));
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    ExpectStopped(-EIO);
    EXPECT_EQ(-EPROTO, weir_scope_close(inner));
    ExpectStopped(-EIO);
    EXPECT_EQ(-EIO, weir_scope_close(outer));
    ExpectFree();
    return 0;
  });
}

// Nothing is lost of a failure for which nobody asked.
TEST_F(FailTogether, IsTheResultOfAnOwnerThatReturnsBecauseOfIt) {
  Run([] {
    auto owner = [] {
      weir_scope *outer = OpenTogether();
      weir_scope *inner = OpenTogether();
      EXPECT_EQ(0, LaunchCoroutine([] { return -EPROTO; }, inner));
      EXPECT_EQ(0, LaunchCoroutine(FailSoon, outer));
      EXPECT_EQ(-ECANCELED, weir_yield());
      weir_shield shield = weir_shield_begin();
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      weir_shield_end(shield);
      return weir_delay(WEIR_SECOND);
    };
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(owner, nullptr, &job));
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-EIO, result);
    weir_job_close(job);
    EXPECT_EQ(-EIO, weir_scope_wait(nullptr));
    return 0;
  });
}

TEST_F(FailTogether, IsNotTheResultOfAnOwnerThatWasCancelled) {
  Run([] {
    auto owner = [] {
      weir_scope *scope = OpenTogether();
      EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
      return WaitUntilCancelled();
    };
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine(owner, nullptr, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-ECANCELED, result);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(FailTogether, CancellationIsNoFailure) {
  Run([] {
    weir_scope *scope = OpenTogether();
    EXPECT_EQ(0, LaunchCoroutine([] { return -ECANCELED; }, scope));
    EXPECT_EQ(0, LaunchCoroutine(WaitUntilCancelled, scope));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    weir_scope_cancel(scope);
    ExpectFree();
    EXPECT_EQ(0, weir_scope_wait(scope));
    return weir_scope_close(scope);
  });
}

// Also of one that was cancelled before: its owner did not know.
TEST_F(FailTogether, OfACancelledScopeIsTold) {
  Run([] {
    weir_scope *scope = OpenTogether();
    auto fail = [] { return WaitUntilCancelled() == -ECANCELED ? -EIO : 0; };
    EXPECT_EQ(0, LaunchCoroutine(fail, scope));
    EXPECT_EQ(0, weir_yield());
    weir_scope_cancel(scope);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    ExpectStopped(-EIO);
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

TEST_F(FailTogether, WithoutItTheOwnerGoesOn) {
  Run([] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutine(FailSoon, scope));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    ExpectFree();
    return weir_scope_close(scope) == -EIO ? 0 : -1;
  });
}

}  // namespace
