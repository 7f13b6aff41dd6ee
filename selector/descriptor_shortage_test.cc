// SPDX-License-Identifier: Apache-2.0
//
// Who has run out of file descriptors is woken by a close on any loop.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>

#include "selector/internal/kernel_pipe.h"
#include "selector/internal/operation.h"
#include "selector/internal/selector.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/coroutine.h"
#include "weir/selector.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;

class DescriptorShortage : public weir_testing::LeakCheckedTest {
 protected:
  static void Run(const Body &body) {
    weir_selector_options options = {};
    options.loops = 3;
    EXPECT_EQ(0, weir_testing::RunCoroutine(body, &options));
  }

  static uint64_t Closes() { return weir_internal_selector_closes(weir_current_selector()); }

  // For a close since there were |closes|.
  static int Await(int64_t nanoseconds, uint64_t closes) {
    return weir_internal_selector_await_descriptor(weir_current_selector(), closes, nanoseconds);
  }
  static int Await(int64_t nanoseconds) { return Await(nanoseconds, Closes()); }

  // As a socket layer has it. Returns once it is closed.
  static void OpenAndClose() {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    EXPECT_LE(0, fd);
    weir_internal_descriptor descriptor;
    weir_internal_descriptor_open(&descriptor, weir_current_selector(), fd, false);
    weir_internal_descriptor_close(&descriptor);
  }
};

TEST_F(DescriptorShortage, ACloseOnEachLoopWakes) {
  for (int closer : {0, 1, 2}) {
    Run([closer] {
      std::atomic<int> waiting{3};
      for (int loop : {0, 1, 1}) {
        EXPECT_EQ(0, LaunchCoroutineOn(loop, [&] {
                    EXPECT_EQ(0, Await(WEIR_SECOND * 3600));
                    waiting--;
                    return 0;
                  }));
      }
      EXPECT_EQ(0, LaunchCoroutineOn(closer, [&] {
                  // One that closes before the others wait wakes nobody.
                  while (waiting > 0) {
                    OpenAndClose();
                    EXPECT_EQ(0, weir_yield());
                  }
                  return 0;
                }));
      return weir_scope_wait(nullptr);
    });
  }
}

TEST_F(DescriptorShortage, ACloseBeforeTheWaitIsNotMissed) {
  for (int closer : {0, 1}) {
    Run([closer] {
      uint64_t closes = Closes();
      EXPECT_EQ(0, LaunchCoroutineOn(closer, [] { return OpenAndClose(), 0; }));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(0, Await(WEIR_SECOND * 3600, closes));
      // But it counts once.
      weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
      EXPECT_EQ(-ETIMEDOUT, Await(WEIR_SECOND * 3600));
      weir_timeout_end(timeout);
      return 0;
    });
  }
}

// The close and the beginning of the wait meet in every possible way.
TEST_F(DescriptorShortage, NoCloseIsMissed) {
  Run([] {
    constexpr int kRounds = 100;
    std::atomic<int> waits{0}, closed{0};
    EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                for (int i = 1; i <= kRounds; i++) {
                  while (waits < i) EXPECT_EQ(0, weir_yield());
                  OpenAndClose();
                  closed = i;
                }
                return 0;
              }));
    for (int i = 1; i <= kRounds; i++) {
      uint64_t closes = Closes();
      waits = i;
      EXPECT_EQ(0, Await(WEIR_SECOND * 3600, closes));
      while (closed < i) EXPECT_EQ(0, weir_yield());
    }
    return weir_scope_wait(nullptr);
  });
}

TEST_F(DescriptorShortage, WhoeverNeedNotWaitIsCancelledAllTheSame) {
  Run([] {
    weir_job *job = nullptr;
    int result = 0;
    EXPECT_EQ(0, LaunchCoroutine(
                     [&] {
                       uint64_t closes = Closes();
                       for (;;) {
                         OpenAndClose();
                         result = Await(WEIR_SECOND * 3600, closes);
                         if (result < 0) return 0;
                       }
                     },
                     nullptr, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, result);
    return 0;
  });
}

TEST_F(DescriptorShortage, OtherLoopsGiveUpWhatTheyDoNotUse) {
  Run([] {
    EXPECT_EQ(0, LaunchCoroutineOn(1, [] {
                // As a splice leaves it behind.
                weir_internal_kernel_pipe pipe = {};
                weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
                EXPECT_EQ(0, weir_internal_kernel_pipe_take(loop, &pipe));
                weir_internal_kernel_pipe_give(loop, &pipe);
                return 0;
              }));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    return Await(WEIR_SECOND * 3600);
  });
}

TEST_F(DescriptorShortage, NobodyWaitsForEver) {
  Run([] {
    EXPECT_EQ(0, Await(WEIR_MILLISECOND));
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, Await(WEIR_SECOND * 3600));
    weir_timeout_end(timeout);
    weir_job *job = nullptr;
    int result = 0;
    EXPECT_EQ(
        0, LaunchCoroutine([&] { return result = Await(WEIR_SECOND * 3600), 0; }, nullptr, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, result);
    return 0;
  });
}

}  // namespace
