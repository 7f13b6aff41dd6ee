// SPDX-License-Identifier: Apache-2.0
//
// Two coroutines of a scope are launched, finish, fail, are cancelled, wait for each other and run
// out of time, in every order of a few steps, and compared with a model so simple that it is
// plainly right. Once each step is followed by all that it causes, and once the next step comes
// before anybody has run. The owner of the scope takes the steps behind a shield, since a failure
// may stop it, and looks without one whether it did.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "testing/all_sequences.h"
#include "testing/scope_model.h"
#include "testing/sync_test.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::scope_model::Actor;
using weir_testing::scope_model::kActors;
using weir_testing::scope_model::Order;

constexpr int64_t kDeadline = 1000;
constexpr int kCauses[kActors] = {-EPROTO, -ENOLINK};

struct Kind {
  bool fail_together;
  bool first_shielded;
  bool settle;  // after each step
};

// What the model says of an actor, too.
struct Real {
  weir_event *ordered = nullptr;
  weir_job *job = nullptr;
  Order order = Order::kNone;
  bool ended = false;
  int result = 0;
  int cause = 0;
  std::vector<int> joined;
};

class ScopeWorld {
 public:
  explicit ScopeWorld(const Kind &kind)
      : kind_(kind), model_(kind.fail_together, kind.first_shielded) {
    for (Real &real : reals_) EXPECT_EQ(0, weir_event_create(&real.ordered));
    weir_scope_options options = {};
    options.fail_together = kind.fail_together;
    weir_timeout timeout = weir_timeout_begin(kDeadline);
    EXPECT_EQ(0, weir_scope_open(&scope_, &options));
    weir_timeout_end(timeout);
  }
  ~ScopeWorld() {
    if (scope_ != nullptr) Close();
    for (Real &real : reals_) {
      weir_job_close(real.job);
      weir_event_close(real.ordered);
    }
  }

  // The steps tell whether they make sense now.

  bool Launch(int index) {
    if (reals_[index].job != nullptr) return false;
    auto body = [this, index] { return Act(index); };
    EXPECT_EQ(0, LaunchCoroutine(body, scope_, &reals_[index].job));
    model_.Launch(index);
    return Settle();
  }

  bool Give(int index, Order order) {
    const Actor &actor = model_.actor(index);
    if (!actor.IsLive() || actor.order != Order::kNone) return false;
    if (order == Order::kJoin && reals_[1 - index].job == nullptr) return false;
    reals_[index].order = order;
    weir_event_set(reals_[index].ordered);
    model_.Give(index, order);
    return Settle();
  }

  bool Cancel(int index) {
    if (reals_[index].job == nullptr) return false;
    weir_job_cancel_with_cause(reals_[index].job, kCauses[index]);
    model_.Cancel(index, kCauses[index]);
    return Settle();
  }

  bool CancelScope() {
    weir_scope_cancel_with_cause(scope_, -ESTALE);
    model_.CancelAll(-ESTALE);
    return Settle();
  }

  bool PassDeadline() {
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_delay(2 * kDeadline));
    weir_shield_end(shield);
    model_.PassDeadline();
    return true;
  }

  void Check(const std::string &trace) {
    SCOPED_TRACE(trace);
    RunAll();
    Compare();
    int live = 0;
    for (int i = 0; i < kActors; i++) live += model_.actor(i).IsLive();
    if (live == 0) {
      EXPECT_EQ(model_.first_failure(), weir_scope_wait(scope_)) << "wait";
      model_.TellOwner();
      ExpectOwner();
    }
    Close();
    Compare();
  }

 private:
  // The body of an actor.
  int Act(int index) {
    Real &self = reals_[index];
    weir_shield shield = {};
    bool shielded = model_.actor(index).shielded;
    if (shielded) shield = weir_shield_begin();
    self.result = Obey(index);
    self.cause = weir_cancellation_cause();
    if (shielded) weir_shield_end(shield);
    self.ended = true;
    ends_.push_back(index);
    return self.result;
  }

  int Obey(int index) {
    Real &self = reals_[index];
    for (;;) {
      int result = weir_event_wait(self.ordered);
      if (result < 0) return result;
      weir_event_reset(self.ordered);
      Order order = self.order;
      self.order = Order::kNone;
      if (order == Order::kFinish) return 1 + index;
      if (order == Order::kFail) return index == 0 ? -EIO : -EPIPE;
      int joined = 0;
      result = weir_job_wait(reals_[1 - index].job, &joined);
      if (result < 0) return result;
      self.joined.push_back(joined);
    }
  }

  // Lets all run until nobody can: each turn may wake one.
  void RunAll() {
    model_.Run();
    weir_shield shield = weir_shield_begin();
    for (int i = 0; i < 6; i++) EXPECT_EQ(0, weir_yield());
    weir_shield_end(shield);
    ExpectOwner();
  }

  void ExpectOwner() {
    bool stopped = model_.IsOwnerStopped();
    EXPECT_EQ(stopped ? -ECANCELED : 0, weir_yield());
    EXPECT_EQ(stopped, weir_is_cancelled());
    EXPECT_EQ(stopped ? model_.first_failure() : 0, weir_cancellation_cause());
  }

  bool Settle() {
    if (kind_.settle) RunAll();
    return true;
  }

  // The close cancels all, and waits for those behind shields, who end when they like.
  void Close() {
    RunAll();
    model_.CancelAll(-ECANCELED);
    model_.Run();
    bool closed = false;
    for (int i = 0; i < kActors; i++) {
      if (!model_.actor(i).IsLive()) continue;
      if (model_.actor(i).order == Order::kNone) model_.Give(i, Order::kFinish);
      model_.Run();
      EXPECT_EQ(0, LaunchCoroutine([this, i, &closed] {
                  for (int turn = 0; turn < 6; turn++) EXPECT_EQ(0, weir_yield());
                  EXPECT_FALSE(closed) << "it does not wait for all";
                  reals_[i].order = Order::kFinish;
                  weir_event_set(reals_[i].ordered);
                  return 0;
                }));
    }
    EXPECT_EQ(model_.first_failure(), weir_scope_close(scope_)) << "close";
    closed = true;
    scope_ = nullptr;
    model_.TellOwner();
    ExpectOwner();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  }

  void Compare() {
    EXPECT_EQ(model_.ends(), ends_);
    for (int i = 0; i < kActors; i++) {
      SCOPED_TRACE(i);
      const Actor &expected = model_.actor(i);
      const Real &actual = reals_[i];
      EXPECT_EQ(expected.state == Actor::State::kEnded, actual.ended);
      EXPECT_EQ(expected.joined, actual.joined);
      if (!actual.ended) continue;
      EXPECT_EQ(expected.result, actual.result);
      EXPECT_EQ(expected.cause, actual.cause);
      int result = 0;
      weir_shield shield = weir_shield_begin();
      EXPECT_EQ(0, weir_job_wait(actual.job, &result));
      weir_shield_end(shield);
      EXPECT_EQ(expected.result, result);
    }
  }

  Kind kind_;
  weir_testing::scope_model::Scope model_;
  Real reals_[kActors];
  weir_scope *scope_ = nullptr;
  std::vector<int> ends_;
};

using ScopeStep = weir_testing::Step<ScopeWorld>;

std::vector<ScopeStep> Steps() {
  std::vector<ScopeStep> steps;
  for (int i = 0; i < kActors; i++) {
    const std::string name = std::to_string(i);
    steps.push_back({"launch" + name, [i](auto *world) { return world->Launch(i); }});
    for (auto [word, order] : {std::pair<const char *, Order>{"finish", Order::kFinish},
                               {"fail", Order::kFail},
                               {"join", Order::kJoin}}) {
      steps.push_back(
          {word + name, [i, order = order](auto *world) { return world->Give(i, order); }});
    }
    steps.push_back({"cancel" + name, [i](auto *world) { return world->Cancel(i); }});
  }
  steps.push_back({"cancel", [](auto *world) { return world->CancelScope(); }});
  steps.push_back({"timeout", [](auto *world) { return world->PassDeadline(); }});
  return steps;
}

class ScopeInterleavings : public weir_testing::SyncTest,
                           public ::testing::WithParamInterface<std::tuple<bool, bool, bool>> {};

// Of six steps two are mostly launches, which leaves four for what is launched.
TEST_P(ScopeInterleavings, OfTwoCoroutines) {
  auto [fail_together, first_shielded, settle] = GetParam();
  Kind kind = {fail_together, first_shielded, settle};
  Run([&] {
    auto create = [&] { return std::make_unique<ScopeWorld>(kind); };
    EXPECT_LT(500, weir_testing::RunAll<ScopeWorld>(Steps(), 4, create));
    EXPECT_LT(20000, weir_testing::RunAll<ScopeWorld>(Steps(), 6, create));
    return 0;
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, ScopeInterleavings,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool(),
                                            ::testing::Bool()));

}  // namespace
