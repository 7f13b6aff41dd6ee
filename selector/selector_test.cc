// SPDX-License-Identifier: Apache-2.0
//
// Creating, running and interrupting a selector.

#include "weir/selector.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "testing/virtual_clock.h"

namespace {

int Child(void *argument) {
  int result = weir_delay(WEIR_MILLISECOND);
  *static_cast<int *>(argument) = 42;
  return result;
}

int Parent(void *argument) {
  int result = weir_launch(nullptr, nullptr, nullptr, Child, argument);
  if (result < 0) return result;
  result = weir_scope_wait(nullptr);
  return result < 0 ? result : 7;
}

int WaitForever(void *) { return weir_delay(WEIR_FOREVER); }

TEST(Run, ReturnsTheResultAfterTheChildren) {
  int answer = 0;
  EXPECT_EQ(7, weir_run(nullptr, Parent, &answer));
  EXPECT_EQ(42, answer);
}

TEST(Run, RefusesBadOptionsAndNoFunction) {
  weir_selector_options options = {};
  options.stack_size = 1000;
  EXPECT_EQ(-EINVAL, weir_run(&options, Parent, nullptr));
  options.stack_size = size_t{1} << 40;
  EXPECT_EQ(-EINVAL, weir_run(&options, Parent, nullptr));
  EXPECT_EQ(-EINVAL, weir_run(nullptr, nullptr, nullptr));
}

TEST(Run, InsideACoroutineIsBusy) {
  auto nested = [](void *) { return weir_run(nullptr, WaitForever, nullptr); };
  EXPECT_EQ(-EBUSY, weir_run(nullptr, nested, nullptr));
}

TEST(Run, MayBeRepeatedOnOneSelector) {
  weir_selector *selector = nullptr;
  ASSERT_EQ(0, weir_selector_create(&selector, nullptr));
  for (int i = 0; i < 3; i++) {
    int answer = 0;
    EXPECT_EQ(7, weir_selector_run(selector, Parent, &answer));
    EXPECT_EQ(42, answer);
  }
  EXPECT_EQ(0, weir_selector_close(selector));
  EXPECT_EQ(0, weir_selector_close(nullptr));
}

TEST(Run, CloseWhileRunningIsBusy) {
  weir_selector *selector = nullptr;
  ASSERT_EQ(0, weir_selector_create(&selector, nullptr));
  auto body = [](void *argument) {
    EXPECT_EQ(argument, weir_current_selector());
    EXPECT_EQ(-EBUSY, weir_selector_run(weir_current_selector(), WaitForever, nullptr));
    return weir_selector_close(weir_current_selector());
  };
  EXPECT_EQ(-EBUSY, weir_selector_run(selector, body, selector));
  EXPECT_EQ(nullptr, weir_current_selector());
  EXPECT_EQ(0, weir_selector_close(selector));
}

TEST(Run, TheKernelsClockIsNeverEarly) {
  auto body = [](void *) {
    for (int64_t wait : {INT64_C(100000), INT64_C(1500000), INT64_C(20000000)}) {
      int64_t start = weir_now();
      EXPECT_EQ(0, weir_delay(wait));
      EXPECT_GE(weir_now() - start, wait);
    }
    return 0;
  };
  EXPECT_EQ(0, weir_run(nullptr, body, nullptr));
}

// At most a millisecond late when idle. The machine may have others to run, but not each time.
TEST(Run, TheKernelsClockIsSoonThere) {
  auto body = [](void *) {
    for (int64_t wait : {INT64_C(100000), INT64_C(1500000), INT64_C(2999999)}) {
      int in_time = 0;
      for (int tries = 0; in_time < 5 && tries < 5000; tries++) {
        int64_t start = weir_now();
        EXPECT_EQ(0, weir_delay(wait));
        in_time += weir_now() - start - wait <= WEIR_MILLISECOND;
      }
      EXPECT_EQ(5, in_time) << wait;
    }
    return 0;
  };
  EXPECT_EQ(0, weir_run(nullptr, body, nullptr));
}

// What the loop asks of the kernel is the time that is left until the first timer, no more.
TEST(Run, AnIdleLoopWaitsExactlyUntilTheNextTimer) {
  static std::vector<int64_t> waits;
  waits.clear();
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  static const weir_internal_system_calls *ticking;
  ticking = options.system_calls;
  weir_internal_system_calls noting = *ticking;
  noting.epoll_wait = [](void *context, int epoll, struct epoll_event *events, int count,
                         int64_t timeout) {
    if (timeout != 0) waits.push_back(timeout);
    return ticking->epoll_wait(context, epoll, events, count, timeout);
  };
  options.system_calls = &noting;
  static const std::vector<int64_t> delays = {1, 999, 1500000, 7 * WEIR_SECOND + 1};
  auto body = [](void *) {
    for (int64_t delay : delays) EXPECT_EQ(0, weir_delay(delay));
    return 0;
  };
  EXPECT_EQ(0, weir_run(&options, body, nullptr));
  EXPECT_EQ(delays, waits);
}

TEST(Run, AVirtualClockWaitsForNothing) {
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  int64_t start = clock.now();
  auto body = [](void *) { return weir_delay(3600 * WEIR_SECOND); };
  EXPECT_EQ(0, weir_run(&options, body, nullptr));
  EXPECT_EQ(start + 3600 * WEIR_SECOND, clock.now());
}

// Every failure to set up is reported, and leaves nothing behind (the leak checkers look).
TEST(Run, FailsWhenTheKernelRefusesToSetUp) {
  weir_internal_system_calls calls = weir_internal_kernel;
  weir_selector_options options = {};
  options.system_calls = &calls;
  options.cancel_on_interrupt = true;
  calls.epoll_create = [](void *) { return -EMFILE; };
  EXPECT_EQ(-EMFILE, weir_run(&options, Parent, nullptr));
  calls = weir_internal_kernel;
  calls.event_create = [](void *) { return -ENFILE; };
  EXPECT_EQ(-ENFILE, weir_run(&options, Parent, nullptr));
  calls = weir_internal_kernel;
  calls.epoll_control = [](void *, int, int, int, struct epoll_event *) { return -ENOSPC; };
  EXPECT_EQ(-ENOSPC, weir_run(&options, Parent, nullptr));
  calls = weir_internal_kernel;
  calls.signal_create = [](void *, const sigset_t *) { return -EMFILE; };
  EXPECT_EQ(-EMFILE, weir_run(&options, Parent, nullptr));
}

TEST(Run, AFailedWaitCancelsEverythingAndIsReported) {
  weir_internal_system_calls calls = weir_internal_kernel;
  static int waits;
  waits = 0;
  calls.epoll_wait = [](void *, int epoll, struct epoll_event *events, int count, int64_t timeout) {
    if (++waits == 3) return -EBADF;
    return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count,
                                           timeout < 0 ? 0 : timeout);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  EXPECT_EQ(-EBADF, weir_run(&options, WaitForever, nullptr));
}

// A wait that fails for good must not hang those who wait behind a shield.
TEST(Run, AWaitThatAlwaysFailsEndsEvenShieldedWaits) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.epoll_wait = [](void *, int, struct epoll_event *, int, int64_t) { return -EBADF; };
  weir_selector_options options = {};
  options.system_calls = &calls;
  auto body = [](void *) {
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    weir_shield_end(shield);
    return 0;
  };
  EXPECT_EQ(-EBADF, weir_run(&options, body, nullptr));
}

// Interrupts: each in a process of its own.

// Runs |body| in a child process with .cancel_on_interrupt, and returns the child's wait status.
// Its exit status is the run's result, or 100 for any failure.
int RunInChild(weir_function body, void *argument = nullptr) {
  pid_t child = fork();
  if (child == 0) {
    weir_selector_options options = {};
    options.cancel_on_interrupt = true;
    int result = weir_run(&options, body, argument);
    _exit(result < 0 ? 100 : result);
  }
  int status = -1;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  return status;
}

bool Exited(int status, int code) { return WIFEXITED(status) && WEXITSTATUS(status) == code; }

TEST(Interrupt, EndsTheRunWithSuccess) {
  for (int signal : {SIGINT, SIGTERM}) {
    auto body = [](void *argument) {
      kill(getpid(), *static_cast<int *>(argument));
      return weir_delay(WEIR_FOREVER);
    };
    EXPECT_TRUE(Exited(RunInChild(body, &signal), 0));
  }
}

TEST(Interrupt, OtherResultsAreKept) {
  auto body = [](void *) {
    kill(getpid(), SIGINT);
    return weir_delay(WEIR_FOREVER) == -ECANCELED ? -EIO : 1;
  };
  EXPECT_TRUE(Exited(RunInChild(body), 100));
}

TEST(Interrupt, OneThatComesAsTheRunEndsIsNotLeftBehind) {
  auto body = [](void *) {
    kill(getpid(), SIGINT);
    return 7;
  };
  EXPECT_TRUE(Exited(RunInChild(body), 7));
}

TEST(Interrupt, ASecondOneKills) {
  auto body = [](void *) {
    kill(getpid(), SIGINT);
    if (weir_delay(WEIR_FOREVER) == -ECANCELED) kill(getpid(), SIGINT);
    return 0;
  };
  int status = RunInChild(body);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

TEST(Interrupt, TheSignalMaskIsPutBack) {
  sigset_t before, after;
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &before));
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  auto body = [](void *) {
    sigset_t inside;
    pthread_sigmask(SIG_SETMASK, nullptr, &inside);
    return sigismember(&inside, SIGINT);
  };
  EXPECT_EQ(1, weir_run(&options, body, nullptr));
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &after));
  EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT));
}

}  // namespace
