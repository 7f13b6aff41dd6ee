// SPDX-License-Identifier: Apache-2.0
//
// Waiting for descriptors of other libraries.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_clock.h"
#include "weir/selector.h"

namespace {

using Body = std::function<int()>;

int Call(void *function) { return (*static_cast<Body *>(function))(); }

int Launch(Body *body, weir_job **job = nullptr) {
  return weir_launch(nullptr, job, nullptr, Call, body);
}

class Select : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds_)); }
  void TearDown() override {
    for (int fd : fds_) {
      if (fd >= 0) close(fd);
    }
  }
  int Run(Body body) {
    weir_selector_options options = clock_.options();
    return weir_run(&options, Call, &body);
  }
  weir_testing::VirtualClock clock_;
  int fds_[2] = {-1, -1};
};

TEST_F(Select, ReturnsAtOnceWhatIsReady) {
  EXPECT_EQ(WEIR_WRITABLE, Run([&] { return weir_selector_select(fds_[0], WEIR_WRITABLE); }));
  EXPECT_EQ(WEIR_WRITABLE,
            Run([&] { return weir_selector_select(fds_[0], WEIR_WRITABLE | WEIR_READABLE); }));
  ASSERT_EQ(1, write(fds_[1], "x", 1));
  EXPECT_EQ(WEIR_WRITABLE | WEIR_READABLE,
            Run([&] { return weir_selector_select(fds_[0], WEIR_WRITABLE | WEIR_READABLE); }));
}

TEST_F(Select, WaitsForBytesAgainAndAgain) {
  int seen = 0;
  Body reader = [&] {
    for (int i = 0; i < 100; i++) {
      EXPECT_EQ(WEIR_READABLE, weir_selector_select(fds_[0], WEIR_READABLE));
      char byte;
      EXPECT_EQ(1, read(fds_[0], &byte, 1));
      seen++;
    }
    return 0;
  };
  Run([&] {
    EXPECT_EQ(0, Launch(&reader));
    for (int i = 0; i < 100; i++) {
      EXPECT_EQ(0, weir_delay(1));
      EXPECT_EQ(i, seen);
      EXPECT_EQ(1, write(fds_[1], "x", 1));
    }
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(100, seen);
}

TEST_F(Select, ItIsALevelNotAnEdge) {
  Run([&] {
    EXPECT_EQ(2, write(fds_[1], "xy", 2));
    for (int i = 0; i < 3; i++) {
      EXPECT_EQ(WEIR_READABLE, weir_selector_select(fds_[0], WEIR_READABLE));
    }
    return 0;
  });
}

// So many descriptors become ready at once that the loop tells of them in several turns. Before the
// last one's turn its wait is given up and its byte read; that must not be told to the next who
// waits, whether or not somebody else waits to write.
class SelectStale : public Select, public ::testing::WithParamInterface<bool> {
 protected:
  static constexpr int kCount = 480;
  static constexpr int kLast = kCount - 1;

  void SetUp() override {
    Select::SetUp();
    for (int i = 0; i < kCount; i++) {
      ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, &ends_[2 * i]));
    }
    char much[4096] = {};
    while (write(Near(kLast), much, sizeof much) > 0) continue;  // it cannot be written to
  }
  void TearDown() override {
    for (int fd : ends_) close(fd);
    Select::TearDown();
  }
  int Near(int i) const { return ends_[static_cast<size_t>(2 * i)]; }
  int Far(int i) const { return ends_[static_cast<size_t>(2 * i + 1)]; }

  // The first one who is told takes the bytes of all, and the others' waits with them.
  int Read(int i) {
    int result = weir_selector_select(Near(i), WEIR_READABLE);
    if (result < 0 || told_++ > 0) return result < 0 ? result : 0;
    for (int k = 0; k < kCount; k++) {
      char byte;
      EXPECT_EQ(1, read(Near(k), &byte, 1));
      if (k != i) weir_job_cancel(jobs_[static_cast<size_t>(k)]);
    }
    return 0;
  }

  void LaunchReaders() {
    for (int i = 0; i < kCount; i++) {
      size_t at = static_cast<size_t>(i);
      bodies_[at] = [this, i] { return Read(i); };
      EXPECT_EQ(0, Launch(&bodies_[at], &jobs_[at]));
    }
    EXPECT_EQ(0, weir_yield());
    for (int i = 0; i < kCount; i++) EXPECT_EQ(1, write(Far(i), "x", 1));
    while (told_ == 0) EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_job_wait(jobs_[kLast], nullptr));
  }

  std::vector<int> ends_ = std::vector<int>(2 * kCount);
  std::vector<Body> bodies_ = std::vector<Body>(kCount);
  std::vector<weir_job *> jobs_ = std::vector<weir_job *>(kCount);
  int told_ = 0;
};

TEST_P(SelectStale, WhatWasNotToldYetIsNotToldToTheNext) {
  Run([this] {
    weir_job *writer_job = nullptr;
    Body writer = [this] { return weir_selector_select(Near(kLast), WEIR_WRITABLE); };
    if (GetParam()) {
      EXPECT_EQ(0, Launch(&writer, &writer_job));
    }
    LaunchReaders();
    weir_timeout timeout = weir_timeout_begin(1);
    EXPECT_EQ(-ETIMEDOUT, weir_selector_select(Near(kLast), WEIR_READABLE));
    weir_timeout_end(timeout);
    if (writer_job != nullptr) {
      weir_job_cancel(writer_job);
      EXPECT_EQ(0, weir_job_wait(writer_job, nullptr));
      weir_job_close(writer_job);
    }
    for (weir_job *job : jobs_) weir_job_close(job);
    for (int fd : ends_) weir_selector_forget(fd);
    return 0;
  });
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutAWriter, SelectStale, ::testing::Bool());

TEST_F(Select, HangUpIsReady) {
  close(fds_[1]);
  fds_[1] = -1;
  EXPECT_EQ(WEIR_READABLE, Run([&] { return weir_selector_select(fds_[0], WEIR_READABLE); }));
}

TEST_F(Select, OneWaiterForEachDirection) {
  Body reader = [&] { return weir_selector_select(fds_[0], WEIR_READABLE); };
  Run([&] {
    // Fill the socket, so that writing waits as well.
    int flags = fcntl(fds_[0], F_GETFL);
    EXPECT_EQ(0, fcntl(fds_[0], F_SETFL, flags | O_NONBLOCK));
    std::string block(4096, 'x');
    while (write(fds_[0], block.data(), block.size()) > 0) continue;
    weir_job *read_job = nullptr;
    EXPECT_EQ(0, Launch(&reader, &read_job));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(-EBUSY, weir_selector_select(fds_[0], WEIR_READABLE));
    EXPECT_EQ(-EBUSY, weir_selector_select(fds_[0], WEIR_READABLE | WEIR_WRITABLE));
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_selector_select(fds_[0], WEIR_WRITABLE));
    EXPECT_TRUE(weir_timeout_end(timeout));
    // Making room wakes nobody: the reader still waits, and is woken by bytes.
    while (recv(fds_[1], &block[0], block.size(), MSG_DONTWAIT) > 0) continue;
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_EQ(1, write(fds_[1], "x", 1));
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(read_job, &result));
    EXPECT_EQ(WEIR_READABLE, result);
    weir_job_close(read_job);
    return 0;
  });
}

TEST_F(Select, IsCancelledAndTimesOut) {
  int seen = 0;
  Body reader = [&] { return seen = weir_selector_select(fds_[0], WEIR_READABLE); };
  Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(&reader, &job));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, seen);
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_selector_select(fds_[0], WEIR_READABLE));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(1, write(fds_[1], "x", 1));
    EXPECT_EQ(WEIR_READABLE, weir_selector_select(fds_[0], WEIR_READABLE));
    return 0;
  });
}

TEST_F(Select, ForgetEndsTheWaitAndTheNumberMayBeUsedAnew) {
  int seen = 0;
  Body reader = [&] { return seen = weir_selector_select(fds_[0], WEIR_READABLE); };
  Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, Launch(&reader, &job));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_selector_forget(fds_[0]));
    close(fds_[0]);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(WEIR_E_CLOSED, seen);
    int again = dup(fds_[1]);
    EXPECT_EQ(fds_[0], again);
    EXPECT_EQ(WEIR_READABLE, weir_selector_select(again, WEIR_READABLE));  // hung up
    EXPECT_EQ(0, weir_selector_forget(again));
    EXPECT_EQ(0, weir_selector_forget(again));
    return 0;
  });
}

TEST_F(Select, ANumberClosedWithoutForgettingStillWorksWhenUsedAnew) {
  Run([&] {
    EXPECT_EQ(WEIR_WRITABLE, weir_selector_select(fds_[0], WEIR_WRITABLE));
    close(fds_[0]);
    int again = dup(fds_[1]);
    EXPECT_EQ(fds_[0], again);
    EXPECT_EQ(WEIR_READABLE, weir_selector_select(again, WEIR_READABLE));
    return 0;
  });
}

TEST_F(Select, RegularFilesAreAlwaysReady) {
  FILE *file = tmpfile();
  ASSERT_NE(nullptr, file);
  EXPECT_EQ(WEIR_READABLE | WEIR_WRITABLE,
            Run([&] { return weir_selector_select(fileno(file), WEIR_READABLE | WEIR_WRITABLE); }));
  fclose(file);
}

TEST_F(Select, RefusesWhatMakesNoSense) {
  EXPECT_EQ(-EINVAL, weir_selector_select(fds_[0], WEIR_READABLE));
  EXPECT_EQ(-EINVAL, weir_selector_forget(fds_[0]));
  Run([&] {
    EXPECT_EQ(-EBADF, weir_selector_select(-1, WEIR_READABLE));
    EXPECT_EQ(-EBADF, weir_selector_select(15000, WEIR_READABLE));
    EXPECT_EQ(-EBADF, weir_selector_select(INT_MAX, WEIR_READABLE));  // and no table for it
    EXPECT_EQ(-EINVAL, weir_selector_select(fds_[0], 0));
    EXPECT_EQ(-EINVAL, weir_selector_select(fds_[0], 4));
    EXPECT_EQ(0, weir_selector_forget(-1));
    EXPECT_EQ(0, weir_selector_forget(12345));
    return 0;
  });
}

// A descriptor is the process's, whatever loop waits for it.
class SelectOnLoops : public weir_testing::LeakCheckedTest {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, fds_));
  }
  void TearDown() override {
    for (int fd : fds_) close(fd);
    LeakCheckedTest::TearDown();
  }
  static void Run(const Body &body) {
    weir_selector_options options = {};
    options.loops = 3;
    weir_testing::ExpectRun(options, body);
  }

  // Runs |body| on |loop| and waits for it.
  static void On(int loop, const Body &body) {
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(loop, body, nullptr, &job));
    weir_testing::EndOf(job);
  }
  // Returns when somebody waits on |loop|.
  weir_job *Wait(int loop, int interest = WEIR_READABLE) {
    weir_job *job = nullptr;
    auto wait = [this, interest] { return weir_selector_select(fds_[0], interest); };
    EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(loop, wait, nullptr, &job));
    On(loop, [] { return 0; });  // launched later, it runs later
    return job;
  }
  // Leaves no room to write.
  void Fill() {
    char much[4096] = {};
    while (send(fds_[0], much, sizeof much, MSG_DONTWAIT) > 0) continue;
  }

  int fds_[2] = {-1, -1};
};

TEST_F(SelectOnLoops, ForgetEndsTheWaitOnEach) {
  Run([this] {
    Fill();
    weir_job *reader = Wait(1);
    weir_job *writer = Wait(2, WEIR_WRITABLE);
    EXPECT_EQ(0, weir_selector_forget(fds_[0]));
    EXPECT_EQ(WEIR_E_CLOSED, weir_testing::EndOf(reader));
    EXPECT_EQ(WEIR_E_CLOSED, weir_testing::EndOf(writer));
    // None of them thinks that it knows the number.
    close(fds_[0]);
    int number = fds_[0];
    fds_[0] = dup(fds_[1]);
    EXPECT_EQ(number, fds_[0]);
    for (int loop = 0; loop < 3; loop++) {
      On(loop, [this] {
        EXPECT_EQ(WEIR_READABLE, weir_selector_select(fds_[0], WEIR_READABLE));  // hung up
        return 0;
      });
    }
    return weir_selector_forget(fds_[0]);
  });
}

TEST_F(SelectOnLoops, ForgetEndsTheWaitHereToo) {
  Run([this] {
    Fill();
    weir_job *reader = Wait(1);
    weir_job *writer = Wait(0, WEIR_WRITABLE);
    On(1, [this] { return weir_selector_forget(fds_[0]); });
    EXPECT_EQ(WEIR_E_CLOSED, weir_testing::EndOf(reader));
    EXPECT_EQ(WEIR_E_CLOSED, weir_testing::EndOf(writer));
    return 0;
  });
}

TEST_F(SelectOnLoops, OneWaiterForEachDirection) {
  Run([this] {
    Fill();
    weir_job *reader = Wait(1);
    for (int loop : {0, 2}) {
      On(loop, [this] {
        EXPECT_EQ(-EBUSY, weir_selector_select(fds_[0], WEIR_READABLE));
        EXPECT_EQ(-EBUSY, weir_selector_select(fds_[0], WEIR_READABLE | WEIR_WRITABLE));
        return 0;
      });
    }
    weir_job *writer = Wait(2, WEIR_WRITABLE);
    EXPECT_EQ(1, write(fds_[1], "x", 1));
    EXPECT_EQ(WEIR_READABLE, weir_testing::EndOf(reader));
    EXPECT_EQ(-EBUSY, weir_selector_select(fds_[0], WEIR_WRITABLE));
    EXPECT_EQ(WEIR_READABLE, weir_selector_select(fds_[0], WEIR_READABLE));
    weir_job_cancel(writer);
    EXPECT_EQ(-ECANCELED, weir_testing::EndOf(writer));
    return weir_selector_forget(fds_[0]);
  });
}

// Whoever loses the race is told at once.
TEST_F(SelectOnLoops, OfTwoWhoBeginTogetherOneIsBusy) {
  for (int i = 0; i < 50; i++) {
    Run([this] {
      std::vector<weir_job *> jobs;
      std::atomic<int> begun{0}, busy{0};
      for (int loop : {1, 2}) {
        auto wait = [&] {
          begun++;
          while (begun < 2) continue;
          int result = weir_selector_select(fds_[0], WEIR_READABLE);
          if (result == -EBUSY) busy++;
          return result;
        };
        jobs.push_back(nullptr);
        EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(loop, wait, nullptr, &jobs.back()));
      }
      while (busy == 0) EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(1, write(fds_[1], "x", 1));
      EXPECT_EQ(WEIR_READABLE - EBUSY, weir_testing::EndOf(jobs[0]) + weir_testing::EndOf(jobs[1]));
      char byte;
      EXPECT_EQ(1, read(fds_[0], &byte, 1));
      return weir_selector_forget(fds_[0]);
    });
  }
}

}  // namespace
