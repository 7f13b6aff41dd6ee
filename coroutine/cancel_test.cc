// SPDX-License-Identifier: Apache-2.0
//
// Who learns of a cancellation, and who does not.

#include <gtest/gtest.h>

#include <ctime>
#include <functional>
#include <vector>

#include "testing/virtual_loop.h"
#include "weir/coroutine.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

int Launch(weir_scope *scope, Body *body, weir_job **job = nullptr) {
  return weir_launch(scope, job, nullptr, VirtualLoop::Call, body);
}

class Cancel : public ::testing::Test {
 protected:
  VirtualLoop loop_;
};

TEST_F(Cancel, WakesTheWaitAndStays) {
  std::vector<int> seen;
  Body child = [&] {
    seen.push_back(weir_delay(WEIR_FOREVER));
    seen.push_back(weir_delay(1));
    seen.push_back(weir_yield());
    EXPECT_TRUE(weir_is_cancelled());
    return 0;
  };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    return 0;
  });
  EXPECT_EQ((std::vector<int>{-ECANCELED, -ECANCELED, -ECANCELED}), seen);
}

TEST_F(Cancel, BeforeTheFirstRunStillRunsTheFunction) {
  int seen = 0;
  Body child = [&] { return seen = weir_yield(); };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    return 0;
  });
  EXPECT_EQ(-ECANCELED, seen);
}

TEST_F(Cancel, ReachesAllBelowAndNobodyBeside) {
  std::vector<int> seen;
  Body leaf = [&] { return seen.push_back(weir_delay(WEIR_FOREVER)), 0; };
  Body middle = [&] {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    for (int i = 0; i < 3; i++) EXPECT_EQ(0, Launch(scope, &leaf));
    for (int i = 0; i < 2; i++) EXPECT_EQ(0, Launch(nullptr, &leaf));
    EXPECT_EQ(-ECANCELED, weir_scope_wait(scope));
    return weir_scope_close(scope);
  };
  int beside_seen = 1;
  Body beside = [&] { return beside_seen = weir_delay(WEIR_SECOND); };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &middle, &job));
    EXPECT_EQ(0, Launch(nullptr, &beside));
    EXPECT_EQ(0, weir_delay(1));
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(std::vector<int>(5, -ECANCELED), seen);
  EXPECT_EQ(0, beside_seen);
}

struct Chain {
  int depth;
  int cancelled;
};

int Descend(void *argument) {
  auto *chain = static_cast<Chain *>(argument);
  if (--chain->depth > 0) {
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, Descend, chain));
  }
  int result = weir_delay(WEIR_FOREVER);
  if (result == -ECANCELED) chain->cancelled++;
  return result;
}

TEST_F(Cancel, ReachesTheBottomOfADeepTree) {
  Chain chain = {5000, 0};
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_launch(nullptr, &job, nullptr, Descend, &chain));
    EXPECT_EQ(0, weir_delay(1));
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(5000, chain.cancelled);
}

// Each one that ends cancels those below it again, who know already. If that took a walk to the
// bottom each, it would take some hundred times as long as making them all.
TEST_F(Cancel, OfADeepTreeTakesNoLongerThanMakingIt) {
  Chain chain = {20000, 0};
  loop_.Run([&] {
    weir_job *job = nullptr;
    clock_t begun = clock();
    EXPECT_EQ(0, weir_launch(nullptr, &job, nullptr, Descend, &chain));
    EXPECT_EQ(0, weir_delay(1));
    clock_t made = clock();
    weir_job_cancel(job);
    weir_job_close(job);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_GT(20 * (made - begun), clock() - made);
    return 0;
  });
  EXPECT_EQ(20000, chain.cancelled);
}

TEST_F(Cancel, IsHeldOffByAShield) {
  std::vector<int> seen;
  Body child = [&] {
    weir_shield shield = weir_shield_begin();
    seen.push_back(weir_delay(WEIR_SECOND));
    weir_shield inner = weir_shield_begin();
    weir_shield_end(inner);
    seen.push_back(weir_delay(WEIR_SECOND));
    EXPECT_TRUE(weir_is_cancelled());
    weir_shield_end(shield);
    seen.push_back(weir_delay(WEIR_SECOND));
    return 0;
  };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    EXPECT_EQ(0, weir_delay(1));
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ((std::vector<int>{0, 0, -ECANCELED}), seen);
}

TEST_F(Cancel, SparesAScopeOpenedInsideAShield) {
  int seen = 1;
  Body helper = [&] { return seen = weir_delay(WEIR_SECOND); };
  Body child = [&] {
    weir_shield shield = weir_shield_begin();
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, Launch(scope, &helper));
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(0, weir_scope_close(scope));
    weir_shield_end(shield);
    return 0;
  };
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(nullptr, &child, &job));
    EXPECT_EQ(0, weir_delay(1));
    weir_job_cancel(job);
    weir_job_close(job);
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(0, seen);
}

}  // namespace
