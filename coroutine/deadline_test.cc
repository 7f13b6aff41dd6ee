// SPDX-License-Identifier: Apache-2.0
//
// Deadlines, delays and shields, under virtual time.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "coroutine/internal/suspend.h"
#include "testing/virtual_loop.h"
#include "weir/coroutine.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

class Deadline : public ::testing::Test {
 protected:
  VirtualLoop loop_;
};

TEST_F(Deadline, DelayTakesExactlyItsTime) {
  int64_t start = loop_.now();
  EXPECT_EQ(0, loop_.Run([&] {
    EXPECT_EQ(start, weir_now());
    return weir_delay(1234567);
  }));
  EXPECT_EQ(start + 1234567, loop_.now());
}

TEST_F(Deadline, DelayOfNothingYields) {
  bool ran = false;
  Body other = [&] { return ran = true, 0; };
  loop_.Run([&] {
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &other));
    EXPECT_EQ(0, weir_delay(-5));
    EXPECT_TRUE(ran);
    return 0;
  });
}

TEST_F(Deadline, EndsTheWaitInsideItsBracketAndNotAfter) {
  int64_t start = loop_.now();
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_delay(2 * WEIR_SECOND));
    EXPECT_EQ(start + WEIR_SECOND, loop_.now());
    EXPECT_EQ(-ETIMEDOUT, weir_delay(1));  // it stays
    EXPECT_EQ(-ETIMEDOUT, weir_yield());
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(0, weir_delay(1));
    return 0;
  });
}

TEST_F(Deadline, NotReachedIsNotExpired) {
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND - 1));
    EXPECT_FALSE(weir_timeout_end(timeout));
    return 0;
  });
}

TEST_F(Deadline, PassedWithoutEffectIsNotExpired) {
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    loop_.Advance(2 * WEIR_SECOND);  // computing
    EXPECT_FALSE(weir_timeout_end(timeout));
    return 0;
  });
}

// What was served on the way to its suspension has succeeded, however late.
TEST_F(Deadline, PassedBesideASuccessIsNotExpired) {
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    weir_internal_ticket ticket = weir_internal_ticket_take_for("test");
    EXPECT_TRUE(weir_internal_wake(ticket, 7));
    loop_.Advance(2 * WEIR_SECOND);
    EXPECT_EQ(loop_.now(), weir_now());
    EXPECT_EQ(7, weir_internal_suspend(ticket, WEIR_FOREVER));
    EXPECT_FALSE(weir_timeout_end(timeout));
    return 0;
  });
}

TEST_F(Deadline, ZeroHasPassedAlready) {
  loop_.Run([&] {
    for (int64_t nanoseconds : {INT64_C(0), INT64_C(-1), INT64_MIN}) {
      weir_timeout timeout = weir_timeout_begin(nanoseconds);
      EXPECT_EQ(-ETIMEDOUT, weir_yield());
      EXPECT_TRUE(weir_timeout_end(timeout));
    }
    return 0;
  });
}

TEST_F(Deadline, ForeverAndAlmostForeverNeverPass) {
  loop_.Run([&] {
    for (int64_t nanoseconds : {WEIR_FOREVER, WEIR_FOREVER - 1}) {
      weir_timeout timeout = weir_timeout_begin(nanoseconds);
      EXPECT_EQ(0, weir_delay(3600 * WEIR_SECOND));
      EXPECT_FALSE(weir_timeout_end(timeout));
    }
    return 0;
  });
}

TEST_F(Deadline, TheEarlierOfTwoWins) {
  struct Case {
    int64_t outer, inner;
    bool outer_expires, inner_expires;
  };
  for (const Case &c : {Case{1, 2, true, false}, Case{2, 1, false, true}}) {
    loop_.Run([&] {
      weir_timeout outer = weir_timeout_begin(c.outer * WEIR_SECOND);
      weir_timeout inner = weir_timeout_begin(c.inner * WEIR_SECOND);
      EXPECT_EQ(-ETIMEDOUT, weir_delay(WEIR_FOREVER));
      EXPECT_EQ(c.inner_expires, weir_timeout_end(inner));
      EXPECT_EQ(c.outer_expires ? -ETIMEDOUT : 0, weir_yield());
      EXPECT_EQ(c.outer_expires, weir_timeout_end(outer));
      return 0;
    });
  }
}

TEST_F(Deadline, AnInnerBracketWithoutDeadlineLeavesTheOuterInForce) {
  loop_.Run([&] {
    weir_timeout outer = weir_timeout_begin(WEIR_SECOND);
    weir_timeout inner = weir_timeout_begin(WEIR_FOREVER);
    EXPECT_EQ(-ETIMEDOUT, weir_delay(WEIR_FOREVER));
    EXPECT_FALSE(weir_timeout_end(inner));
    EXPECT_TRUE(weir_timeout_end(outer));
    return 0;
  });
}

TEST_F(Deadline, ManyBracketsInARowKeepTheirOwnTimes) {
  loop_.Run([&] {
    for (int i = 1; i <= 100; i++) {
      int64_t start = loop_.now();
      weir_timeout timeout = weir_timeout_begin(i * WEIR_MILLISECOND);
      // Every other one ends before its deadline, and must not disturb those after it.
      int64_t wait = i % 2 == 0 ? WEIR_MICROSECOND : WEIR_FOREVER;
      EXPECT_EQ(i % 2 == 0 ? 0 : -ETIMEDOUT, weir_delay(wait));
      EXPECT_EQ(i % 2 == 0 ? start + WEIR_MICROSECOND : start + i * WEIR_MILLISECOND, loop_.now());
      EXPECT_EQ(i % 2 != 0, weir_timeout_end(timeout));
    }
    return 0;
  });
}

TEST_F(Deadline, ChildrenInheritTheDeadlineOfTheScopesOpening) {
  int seen = 0;
  int64_t start = loop_.now(), ended = 0;
  Body child = [&] {
    seen = weir_delay(WEIR_FOREVER);
    ended = loop_.now();
    return 0;
  };
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(5 * WEIR_SECOND);
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_timeout later = weir_timeout_begin(WEIR_SECOND);  // after the opening: not inherited
    EXPECT_EQ(0, weir_launch(scope, nullptr, nullptr, VirtualLoop::Call, &child));
    EXPECT_EQ(-ETIMEDOUT, weir_scope_wait(scope));
    EXPECT_TRUE(weir_timeout_end(later));
    EXPECT_EQ(-ETIMEDOUT, weir_scope_wait(scope));
    EXPECT_TRUE(weir_timeout_end(timeout));
    return weir_scope_close(scope);
  });
  EXPECT_EQ(-ETIMEDOUT, seen);
  EXPECT_EQ(start + 5 * WEIR_SECOND, ended);
}

TEST_F(Deadline, AShieldHoldsADeadlineOffButNotOneBegunInside) {
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_delay(2 * WEIR_SECOND));
    weir_timeout inside = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_delay(2 * WEIR_SECOND));
    EXPECT_TRUE(weir_timeout_end(inside));
    weir_shield_end(shield);
    EXPECT_EQ(-ETIMEDOUT, weir_yield());
    EXPECT_TRUE(weir_timeout_end(timeout));
    return 0;
  });
}

TEST_F(Deadline, CancellationComesBeforeADeadlineThatPassedToo) {
  int seen = 0;
  Body child = [&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_delay(WEIR_FOREVER));
    int result = weir_delay(WEIR_FOREVER);
    EXPECT_EQ(-ETIMEDOUT, result);
    EXPECT_TRUE(weir_timeout_end(timeout));
    return seen = weir_delay(WEIR_FOREVER);
  };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_launch(nullptr, &job, nullptr, VirtualLoop::Call, &child));
    EXPECT_EQ(0, weir_delay(2 * WEIR_SECOND));
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(-ECANCELED, seen);
}

}  // namespace
