// SPDX-License-Identifier: Apache-2.0
//
// Coroutine-local storage.

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "testing/leak_checked_test.h"
#include "testing/virtual_loop.h"
#include "weir/coroutine.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

std::vector<int> destroyed;

void Remember(void *value) { destroyed.push_back(*static_cast<int *>(value)); }

const weir_local kFirst = {Remember};
const weir_local kSecond = {Remember};
const weir_local kPlain = {nullptr};

class Local : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    destroyed.clear();
  }

  int one_ = 1, two_ = 2, three_ = 3;
};

TEST_F(Local, IsNullUntilItIsSet) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(nullptr, weir_local_get(&kFirst));
    EXPECT_EQ(0, weir_local_set(&kFirst, nullptr));
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(0, weir_local_set(&kPlain, &two_));
    EXPECT_EQ(&one_, weir_local_get(&kFirst));
    EXPECT_EQ(&two_, weir_local_get(&kPlain));
    EXPECT_EQ(nullptr, weir_local_get(&kSecond));
    return 0;
  }));
}

TEST_F(Local, EachCoroutineHasItsOwn) {
  VirtualLoop loop;
  Body child = [&] {
    EXPECT_EQ(nullptr, weir_local_get(&kFirst));
    EXPECT_EQ(0, weir_local_set(&kFirst, &two_));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(&two_, weir_local_get(&kFirst));
    return 0;
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &child));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(std::vector<int>{2}, destroyed);
    EXPECT_EQ(&one_, weir_local_get(&kFirst));
    return 0;
  }));
  EXPECT_EQ((std::vector<int>{2, 1}), destroyed);
}

TEST_F(Local, AreDestroyedInReverseOrderWhenTheCoroutineEnds) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(0, weir_local_set(&kPlain, &three_));
    EXPECT_EQ(0, weir_local_set(&kSecond, &two_));
    EXPECT_TRUE(destroyed.empty());
    return 0;
  }));
  EXPECT_EQ((std::vector<int>{2, 1}), destroyed);
}

TEST_F(Local, AnotherValueDestroysTheOneBefore) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_TRUE(destroyed.empty());
    EXPECT_EQ(0, weir_local_set(&kFirst, &two_));
    EXPECT_EQ(std::vector<int>{1}, destroyed);
    EXPECT_EQ(0, weir_local_set(&kFirst, nullptr));
    EXPECT_EQ((std::vector<int>{1, 2}), destroyed);
    return 0;
  }));
  EXPECT_EQ((std::vector<int>{1, 2}), destroyed);
}

// They may still be used by the children, and one by the destruction of another.
TEST_F(Local, OutliveTheChildrenAndTheLocalsSetLater) {
  VirtualLoop loop;
  static void *seen;
  seen = nullptr;
  static const weir_local looks = {[](void *) { seen = weir_local_get(&kFirst); }};
  Body child = [&] {
    int result = weir_delay(WEIR_SECOND);
    EXPECT_TRUE(destroyed.empty());
    return result;
  };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(0, weir_local_set(&looks, &two_));
    return weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &child);
  }));
  EXPECT_EQ(&one_, seen);
  EXPECT_EQ(std::vector<int>{1}, destroyed);
}

TEST_F(Local, OneSetByADestructionIsDestroyedToo) {
  VirtualLoop loop;
  static int last = 7;
  static const weir_local sets = {[](void *) { EXPECT_EQ(0, weir_local_set(&kFirst, &last)); }};
  EXPECT_EQ(0, loop.Run([&] { return weir_local_set(&sets, &one_); }));
  EXPECT_EQ(std::vector<int>{7}, destroyed);
}

// Its scopes have ended, so nobody would wait for what is launched there. Another one's may still
// be used.
TEST_F(Local, ADestructionCannotLaunchInTheCoroutineThatHasEnded) {
  VirtualLoop loop;
  static int launched, opened, launched_elsewhere;
  static weir_scope *elsewhere;
  static bool ran;
  static const weir_local launches = {[](void *) {
    auto call = [](void *) { return ran = true, 0; };
    launched = weir_launch(nullptr, nullptr, nullptr, call, nullptr);
    weir_scope *scope = nullptr;
    opened = weir_scope_open(&scope, nullptr);
    EXPECT_EQ(nullptr, scope);
    EXPECT_FALSE(ran);
    launched_elsewhere = weir_launch(elsewhere, nullptr, nullptr, call, nullptr);
  }};
  Body child = [&] { return weir_local_set(&launches, &one_); };
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_scope_open(&elsewhere, nullptr));
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, &child));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(-EINVAL, launched);
    EXPECT_EQ(-EINVAL, opened);
    EXPECT_EQ(0, launched_elsewhere);
    EXPECT_EQ(0, weir_scope_wait(elsewhere));
    EXPECT_TRUE(ran);
    return weir_scope_close(elsewhere);
  }));
}

TEST_F(Local, AFailedAllocationChangesNothing) {
  VirtualLoop loop;
  EXPECT_EQ(0, loop.Run([&] {
    EXPECT_EQ(0, weir_local_set(&kSecond, &two_));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_local_set(&kFirst, &one_));
    EXPECT_EQ(nullptr, weir_local_get(&kFirst));
    // What has a place needs no other.
    allocator().FailNth(1);
    EXPECT_EQ(0, weir_local_set(&kSecond, &three_));
    allocator().FailNth(0);
    return 0;
  }));
  EXPECT_EQ((std::vector<int>{2, 3}), destroyed);
}

TEST_F(Local, OutsideACoroutineThereIsNone) {
  EXPECT_EQ(-EINVAL, weir_local_set(&kFirst, &one_));
  EXPECT_EQ(nullptr, weir_local_get(&kFirst));
  VirtualLoop loop;
  EXPECT_EQ(-EINVAL, loop.Run([&] { return weir_local_set(nullptr, &one_); }));
}

}  // namespace
