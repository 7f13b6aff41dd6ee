// SPDX-License-Identifier: Apache-2.0
//
// Driving a selector from somebody else's loop.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <thread>

#include "selector/internal/system_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/selector.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutineOn;

class Drive : public weir_testing::LeakCheckedTest {
 protected:
  void Create(int loops = 1) {
    weir_selector_options options = {};
    options.loops = loops;
    ASSERT_EQ(0, weir_selector_create(&selector_, &options));
  }
  void Start(Body body, int loops = 1) {
    Create(loops);
    body_ = std::move(body);
    ASSERT_EQ(0, weir_selector_start(selector_, Call, &body_));
  }
  int Poll(int64_t nanoseconds = 0) { return weir_selector_poll(selector_, nanoseconds, &result_); }
  // Whether the descriptor becomes readable in so many milliseconds.
  bool Readable(int milliseconds) const {
    pollfd watched = {weir_selector_fd(selector_), POLLIN, 0};
    return poll(&watched, 1, milliseconds) == 1;
  }
  void TearDown() override {
    EXPECT_EQ(0, weir_selector_close(selector_));
    weir_testing::LeakCheckedTest::TearDown();
  }
  static int Call(void *body) { return (*static_cast<Body *>(body))(); }

  weir_selector *selector_ = nullptr;
  Body body_;
  int result_ = 1000;
};

TEST_F(Drive, PollsUntilTheRunHasEnded) {
  int steps = 0;
  Start([&] {
    for (steps = 1; steps < 3; steps++) EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    return 7;
  });
  EXPECT_EQ(0, steps);  // nothing runs before the first poll
  EXPECT_EQ(nullptr, weir_current_selector());
  EXPECT_EQ(1, Poll());
  EXPECT_EQ(1, steps);
  EXPECT_EQ(-EBUSY, weir_selector_start(selector_, Call, &body_));
  EXPECT_EQ(-EBUSY, weir_selector_run(selector_, Call, &body_));
  EXPECT_EQ(-EBUSY, weir_selector_close(selector_));
  int polls = 0;
  while (Poll(WEIR_FOREVER) == 1) polls++;
  EXPECT_EQ(3, steps);
  EXPECT_EQ(7, result_);
  EXPECT_LT(polls, 10);
  EXPECT_EQ(-EINVAL, Poll());
  EXPECT_EQ(7, weir_selector_run(selector_, Call, &body_));
}

TEST_F(Drive, WaitsNoLongerThanItMay) {
  bool stop = false;
  Start([&] {
    while (!stop) EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
    return 0;
  });
  EXPECT_EQ(1, Poll());
  EXPECT_EQ(1, Poll());
  EXPECT_EQ(1, Poll(WEIR_MICROSECOND));
  EXPECT_EQ(1, Poll(-1));
  stop = true;
  while (Poll(WEIR_SECOND) == 1) continue;
  EXPECT_EQ(0, result_);
}

TEST_F(Drive, RefusesWhatMakesNoSense) {
  Body body = [&] {
    EXPECT_EQ(-EBUSY, Poll());  // inside a coroutine
    return 0;
  };
  Start(body);
  std::thread other([&] { EXPECT_EQ(-EXDEV, Poll()); });
  other.join();
  EXPECT_EQ(0, Poll());
  EXPECT_EQ(-EINVAL, weir_selector_poll(nullptr, 0, nullptr));
  EXPECT_EQ(-EINVAL, weir_selector_start(nullptr, Call, &body_));
  EXPECT_EQ(-EINVAL, weir_selector_start(selector_, nullptr, &body_));
  EXPECT_EQ(-EINVAL, weir_selector_fd(nullptr));
}

TEST_F(Drive, TheDescriptorTellsOfReadyCoroutines) {
  int yields = 0;
  Start([&] {
    for (; yields < 300; yields++) EXPECT_EQ(0, weir_yield());
    return weir_delay(WEIR_MILLISECOND);
  });
  int polls = 0;
  while (yields < 300) {
    ASSERT_TRUE(Readable(0)) << polls;
    ASSERT_EQ(1, Poll());
    polls++;
  }
  EXPECT_GT(polls, 1);
  while (Poll(WEIR_FOREVER) == 1) continue;
  EXPECT_EQ(0, result_);
}

TEST_F(Drive, TheDescriptorTellsOfTimers) {
  Create();
  ASSERT_LE(0, weir_selector_fd(selector_));
  EXPECT_FALSE(Readable(0));
  int steps = 0;
  body_ = [&] {
    for (; steps < 3; steps++) EXPECT_EQ(0, weir_delay(3 * WEIR_MILLISECOND));
    return 0;
  };
  ASSERT_EQ(0, weir_selector_start(selector_, Call, &body_));
  EXPECT_TRUE(Readable(0));
  EXPECT_EQ(1, Poll());
  int polls = 0;
  do {
    EXPECT_TRUE(Readable(5000));
    polls++;
  } while (Poll() == 1);
  EXPECT_EQ(3, steps);
  // Once for each timer, and perhaps once more for what it has made ready.
  EXPECT_LE(polls, 7);
}

// A kernel's pipe inside the selector, and the selector inside somebody else's epoll.
// A host that goes on watching it between two runs must not spin.
TEST_F(Drive, TheDescriptorIsSilentBetweenRuns) {
  Start([] {
    weir_job *sleeper = nullptr;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([] { return weir_delay(5 * WEIR_MILLISECOND); },
                                               nullptr, &sleeper));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    weir_job_cancel(sleeper);
    EXPECT_EQ(0, weir_job_wait(sleeper, nullptr));
    weir_job_close(sleeper);
    return 0;
  });
  EXPECT_TRUE(Readable(0));
  while (Poll() == 1) EXPECT_TRUE(Readable(1000));
  EXPECT_FALSE(Readable(20));
  ASSERT_EQ(0, weir_selector_start(selector_, Call, &body_));
  EXPECT_TRUE(Readable(0));
  while (Poll() == 1) EXPECT_TRUE(Readable(1000));
}

TEST_F(Drive, TheDescriptorTellsOfOtherDescriptors) {
  int ends[2];
  ASSERT_EQ(0, pipe(ends));
  int selected = 0;
  Start([&] {
    selected = weir_selector_select(ends[0], WEIR_READABLE);
    weir_selector_forget(ends[0]);
    return 0;
  });
  int outer = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {EPOLLIN, {}};
  ASSERT_EQ(0, epoll_ctl(outer, EPOLL_CTL_ADD, weir_selector_fd(selector_), &event));
  EXPECT_EQ(1, epoll_wait(outer, &event, 1, 0));
  EXPECT_EQ(1, Poll());
  EXPECT_EQ(0, epoll_wait(outer, &event, 1, 0));
  EXPECT_EQ(1, write(ends[1], "x", 1));
  EXPECT_EQ(1, epoll_wait(outer, &event, 1, 5000));
  while (Poll() == 1) continue;
  EXPECT_EQ(WEIR_READABLE, selected);
  for (int fd : {ends[0], ends[1], outer}) close(fd);
}

TEST_F(Drive, OtherLoopsRunMeanwhileAndWakeIt) {
  Start(
      [&] {
        for (int loop = 0; loop < 3; loop++) {
          EXPECT_EQ(0, LaunchCoroutineOn(loop, [] { return weir_delay(WEIR_MILLISECOND); }));
        }
        return weir_scope_wait(nullptr);
      },
      3);
  do {
    ASSERT_TRUE(Readable(5000));
  } while (Poll() == 1);
  EXPECT_EQ(0, result_);
}

TEST_F(Drive, ARunThatCannotStartIsReportedAtOnce) {
  Create(2);
  body_ = [] { return ADD_FAILURE(), 0; };
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_selector_start(selector_, Call, &body_));
  allocator().FailNth(0);
  EXPECT_EQ(-EINVAL, Poll());
}

TEST_F(Drive, WithoutADescriptorForTimersThereIsNone) {
  static weir_internal_system_calls calls;
  calls = weir_internal_kernel;
  calls.timer_create = [](void *) { return -EMFILE; };
  weir_selector_options options = {};
  options.system_calls = &calls;
  ASSERT_EQ(0, weir_selector_create(&selector_, &options));
  EXPECT_EQ(-EMFILE, weir_selector_fd(selector_));
  calls = weir_internal_kernel;
  calls.epoll_control = [](void *, int, int, int, epoll_event *) { return -ENOSPC; };
  EXPECT_EQ(-ENOSPC, weir_selector_fd(selector_));
  calls = weir_internal_kernel;
  EXPECT_LE(0, weir_selector_fd(selector_));
}

}  // namespace
