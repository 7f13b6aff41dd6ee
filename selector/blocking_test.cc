// SPDX-License-Identifier: Apache-2.0
//
// Calls on other threads.

#include "weir/blocking.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>

#include "testing/expect_coroutine.h"
#include "testing/failing_calls.h"
#include "testing/leak_checked_test.h"
#include "weir/selector.h"

namespace {

using weir_testing::Body;
using weir_testing::Call;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::FailingCalls;
using weir_testing::LaunchJob;
using weir_testing::LeakCheckedTest;

// A gate that a thread waits at.
class Gate {
 public:
  void Open() {
    std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    condition_.notify_all();
  }
  void Pass() {
    std::unique_lock<std::mutex> lock(mutex_);
    waiting_++;
    condition_.notify_all();
    condition_.wait(lock, [this] { return open_; });
  }
  void AwaitWaiting(int count) {
    std::unique_lock<std::mutex> lock(mutex_);
    condition_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool open_ = false;
  int waiting_ = 0;
};

int Blocking(Body body) {
  return weir_blocking([](void *argument) { return (*static_cast<Body *>(argument))(); }, &body);
}

// What a detached call owns.
struct Owned {
  Gate *gate;
  std::atomic<int> *calls;
  std::atomic<int> *discards;
  int result = 5;
};

int CallOwned(void *argument) {
  auto *owned = static_cast<Owned *>(argument);
  owned->calls->fetch_add(1);
  if (owned->gate != nullptr) owned->gate->Pass();
  return owned->result;
}

void DiscardOwned(void *argument) {
  auto *owned = static_cast<Owned *>(argument);
  owned->discards->fetch_add(1);
  delete owned;
}

class Blocked : public LeakCheckedTest {
 protected:
  Owned *NewOwned(Gate *gate = nullptr) { return new Owned{gate, &calls_, &discards_}; }

  weir_selector_options OneThread() {
    weir_selector_options options = {};
    options.blocking_threads = 1;
    options.system_calls = system_calls_.table();
    return options;
  }

  int threads_created() const { return system_calls_.count(Call::kThreadCreate); }

  FailingCalls system_calls_;
  std::atomic<int> calls_{0};
  std::atomic<int> discards_{0};
};

TEST_F(Blocked, RunsOnAnotherThreadAndReturnsItsResult) {
  ExpectRun([] {
    auto here = std::this_thread::get_id();
    EXPECT_EQ(7, Blocking([&] { return std::this_thread::get_id() != here ? 7 : 0; }));
    EXPECT_EQ(-EIO, Blocking([] { return -EIO; }));
    return 0;
  });
}

TEST_F(Blocked, OthersRunMeanwhile) {
  ExpectRun([] {
    Gate gate;
    ExpectLaunch([&] { return gate.Open(), 0; });
    EXPECT_EQ(1, Blocking([&] { return gate.Pass(), 1; }));
    return 0;
  });
}

TEST_F(Blocked, OutsideACoroutineOrWithoutAFunctionIsRefused) {
  EXPECT_EQ(-EINVAL, Blocking([] { return 0; }));
  EXPECT_EQ(-EINVAL, weir_blocking_detached(CallOwned, nullptr, DiscardOwned));
  ExpectRun([] {
    EXPECT_EQ(-EINVAL, weir_blocking(nullptr, nullptr));
    EXPECT_EQ(-EINVAL, weir_blocking_detached(nullptr, nullptr, DiscardOwned));
    return 0;
  });
}

TEST_F(Blocked, BadOptionsAreRefused) {
  weir_selector_options options = {};
  options.blocking_threads = -1;
  EXPECT_EQ(-EINVAL, weir_testing::RunCoroutine([] { return 0; }, &options));
}

TEST_F(Blocked, ThreadsAreReusedAndThereIsOneForEachCallAtATime) {
  weir_selector_options options = OneThread();
  options.blocking_threads = 8;
  ExpectRun(options, [this] {
    for (int i = 0; i < 10; i++) EXPECT_EQ(i, Blocking([i] { return i; }));
    EXPECT_EQ(1, threads_created());
    Gate gate;
    for (int i = 0; i < 5; i++) {
      ExpectLaunch([&] { return Blocking([&] { return gate.Pass(), 0; }); });
    }
    EXPECT_EQ(0, weir_yield());
    // The calls have all begun, each on a thread of its own.
    gate.AwaitWaiting(5);
    gate.Open();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(5, threads_created());
    return 0;
  });
}

TEST_F(Blocked, CallsBeyondTheLastThreadWaitTheirTurn) {
  ExpectRun(OneThread(), [this] {
    std::vector<int> order;
    for (int i = 0; i < 20; i++) {
      ExpectLaunch([&order, i] { return Blocking([&order, i] { return order.push_back(i), 0; }); });
    }
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(20u, order.size());
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(1, threads_created());
    return 0;
  });
}

int ThreadCount() {
  DIR *directory = opendir("/proc/self/task");
  int count = 0;
  while (const dirent *entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count;
}

TEST_F(Blocked, IdleThreadsEnd) {
  weir_selector_options options = OneThread();
  options.blocking_idle_timeout = WEIR_MILLISECOND;
  ExpectRun(options, [this] {
    const int before = ThreadCount();
    for (int i = 1; i <= 3; i++) {
      EXPECT_EQ(0, Blocking([] { return 0; }));
      while (ThreadCount() > before) EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      EXPECT_EQ(i, threads_created());
    }
    return 0;
  });
}

TEST_F(Blocked, WithoutIdleTimeEachThreadEndsAtOnce) {
  weir_selector_options options = OneThread();
  options.blocking_idle_timeout = -1;
  ExpectRun(options, [] {
    for (int i = 0; i < 100; i++) EXPECT_EQ(i, Blocking([i] { return i; }));
    return 0;
  });
}

TEST_F(Blocked, SignalsGoToOtherThreads) {
  ExpectRun([] {
    sigset_t inside;
    EXPECT_EQ(0, Blocking([&] { return pthread_sigmask(SIG_SETMASK, nullptr, &inside); }));
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGALRM}) {
      EXPECT_EQ(1, sigismember(&inside, signal)) << signal;
    }
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) EXPECT_EQ(0, sigismember(&inside, fault));
    sigset_t here;
    EXPECT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &here));
    EXPECT_EQ(0, sigismember(&here, SIGHUP));
    return 0;
  });
}

TEST_F(Blocked, ACancellationCutsNoCallShort) {
  ExpectRun([] {
    Gate gate;
    weir_job *job = LaunchJob([&] {
      EXPECT_EQ(8, Blocking([&] { return gate.Pass(), 8; }));
      return weir_yield();
    });
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(1);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    gate.Open();
    EXPECT_EQ(-ECANCELED, EndOf(job));
    return 0;
  });
}

TEST_F(Blocked, ADeadlineCutsNoCallShortThatHasBegun) {
  ExpectRun([] {
    // If the thread comes too late the call is taken back, and then there is a longer deadline.
    bool begun = false;
    for (int64_t limit = WEIR_MILLISECOND; !begun; limit *= 2) {
      auto passed = std::chrono::steady_clock::now() + std::chrono::nanoseconds(2 * limit);
      weir_timeout timeout = weir_timeout_begin(limit);
      int result = Blocking([&] {
        begun = true;
        std::this_thread::sleep_until(passed);
        return 9;
      });
      EXPECT_EQ(begun ? 9 : -ETIMEDOUT, result);
      EXPECT_NE(begun, weir_timeout_end(timeout));
    }
    return 0;
  });
}

// So who reads the bracket does not throw away a result that came.
TEST_F(Blocked, ADeadlineThatCutNothingShortHasNotExpired) {
  Gate gate;
  ExpectRun([&] {
    ExpectLaunch([&] {
      gate.AwaitWaiting(1);
      EXPECT_EQ(0, weir_delay(2 * WEIR_MILLISECOND));
      gate.Open();
      return 0;
    });
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(7, Blocking([&] { return gate.Pass(), 7; }));
    EXPECT_FALSE(weir_timeout_end(timeout));
    return 0;
  });
}

TEST_F(Blocked, ACallThatHasNotBegunIsTakenBack) {
  ExpectRun(OneThread(), [] {
    Gate gate;
    ExpectLaunch([&] { return Blocking([&] { return gate.Pass(), 0; }); });
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(1);
    bool called = false;
    weir_job *job = LaunchJob([&] { return Blocking([&] { return called = true; }); });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, Blocking([&] { return called = true; }));
    EXPECT_TRUE(weir_timeout_end(timeout));
    gate.Open();
    EXPECT_FALSE(called);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Blocked, ACancelledCoroutineCallsNothing) {
  ExpectRun([this] {
    weir_scope_cancel(nullptr);
    ExpectLaunch([this] {
      EXPECT_EQ(-ECANCELED, Blocking([] { return 0; }));
      EXPECT_EQ(-ECANCELED, weir_blocking_detached(CallOwned, NewOwned(), DiscardOwned));
      return 0;
    });
    return 0;
  });
  EXPECT_EQ(0, calls_);
  EXPECT_EQ(1, discards_);
}

TEST_F(Blocked, WithoutAnyThreadItFails) {
  ExpectRun(OneThread(), [this] {
    system_calls_.FailNth(1, 0);
    EXPECT_EQ(-EAGAIN, Blocking([] { return 0; }));
    EXPECT_TRUE(system_calls_.failed());
    Owned *owned = NewOwned();
    system_calls_.FailNth(1, 0);
    EXPECT_EQ(-EAGAIN, weir_blocking_detached(CallOwned, owned, DiscardOwned));
    delete owned;
    EXPECT_EQ(3, Blocking([] { return 3; }));
    return 0;
  });
  EXPECT_EQ(0, discards_);
}

TEST_F(Blocked, WithoutAnotherThreadItWaitsForOne) {
  weir_selector_options options = OneThread();
  options.blocking_threads = 2;
  ExpectRun(options, [this] {
    Gate gate;
    ExpectLaunch([&] { return Blocking([&] { return gate.Pass(), 0; }); });
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(1);
    system_calls_.FailNth(1, 0);
    weir_job *job = LaunchJob([] { return Blocking([] { return 6; }); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(system_calls_.failed());
    gate.Open();
    EXPECT_EQ(6, EndOf(job));
    return 0;
  });
}

TEST_F(Blocked, AllocatesNothing) {
  ExpectRun([this] {
    allocator().FailNth(1);
    EXPECT_EQ(1, Blocking([] { return 1; }));
    EXPECT_FALSE(allocator().refused());
    allocator().FailNth(0);
    return 0;
  });
}

TEST_F(Blocked, DetachedReturnsTheResultAndTheArgument) {
  ExpectRun([this] {
    Owned *owned = NewOwned();
    EXPECT_EQ(5, weir_blocking_detached(CallOwned, owned, DiscardOwned));
    EXPECT_EQ(0, discards_);
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_blocking_detached(CallOwned, owned, DiscardOwned));
    allocator().FailNth(0);
    delete owned;
    return 0;
  });
  EXPECT_EQ(1, calls_);
  EXPECT_EQ(0, discards_);
}

TEST_F(Blocked, DetachedIsAbandoned) {
  Gate gate;
  weir_selector *selector = nullptr;
  ASSERT_EQ(0, weir_selector_create(&selector, nullptr));
  Body body = [&] {
    weir_job *job =
        LaunchJob([&] { return weir_blocking_detached(CallOwned, NewOwned(&gate), DiscardOwned); });
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(1);
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_blocking_detached(CallOwned, NewOwned(&gate), DiscardOwned));
    EXPECT_TRUE(weir_timeout_end(timeout));
    return 0;
  };
  EXPECT_EQ(
      0, weir_selector_run(
             selector, [](void *argument) { return (*static_cast<Body *>(argument))(); }, &body));
  // The second one may have had no time to begin.
  EXPECT_GE(1, discards_);
  gate.Open();
  // Waits for the threads.
  EXPECT_EQ(0, weir_selector_close(selector));
  EXPECT_EQ(2, discards_);
  EXPECT_LE(1, calls_);
}

TEST_F(Blocked, DetachedIsTakenBackBeforeItBegins) {
  ExpectRun(OneThread(), [this] {
    Gate gate;
    ExpectLaunch([&] { return Blocking([&] { return gate.Pass(), 0; }); });
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(1);
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_blocking_detached(CallOwned, NewOwned(), DiscardOwned));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(1, discards_);
    gate.Open();
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(0, calls_);
}

TEST_F(Blocked, DetachedThatReturnsACancellationOfItsOwnIsDiscarded) {
  ExpectRun([this] {
    Owned *owned = NewOwned();
    owned->result = -ETIMEDOUT;
    EXPECT_EQ(-ETIMEDOUT, weir_blocking_detached(CallOwned, owned, DiscardOwned));
    return 0;
  });
  EXPECT_EQ(1, discards_);
}

// Both at the same time: whichever comes first, nothing is lost and nothing is done twice.
TEST_F(Blocked, CancellationRacesWithTheEnd) {
  int finished = 0;
  ExpectRun([&] {
    for (int i = 0; i < 300; i++) {
      weir_job *job = LaunchJob([&] {
        Owned *owned = NewOwned();
        int result = weir_blocking_detached(CallOwned, owned, DiscardOwned);
        EXPECT_TRUE(result == 5 || result == -ECANCELED) << result;
        if (result != 5) return 0;
        finished++;
        delete owned;
        return 0;
      });
      EXPECT_EQ(0, weir_yield());
      for (int j = 0; j < i % 20; j++) EXPECT_EQ(0, weir_yield());
      weir_job_cancel(job);
      EXPECT_EQ(0, EndOf(job));
    }
    return 0;
  });
  EXPECT_EQ(300, finished + discards_);
}

// A thread that is not joined keeps its memory, which no leak checker of ours would see.
TEST_F(Blocked, EachThreadIsJoined) {
  static std::atomic<int> created, joined;
  created = joined = 0;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.thread_create = [](void *, pthread_t *out, void *(*function)(void *), void *argument) {
    created++;
    return weir_internal_kernel.thread_create(nullptr, out, function, argument);
  };
  calls.thread_join = [](void *, pthread_t thread) {
    joined++;
    weir_internal_kernel.thread_join(nullptr, thread);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  Gate gate;
  ExpectRun(options, [&] {
    for (int i = 0; i < 4; i++) {
      ExpectLaunch([&] { return Blocking([&] { return gate.Pass(), 0; }); });
    }
    EXPECT_EQ(0, weir_yield());
    gate.AwaitWaiting(4);
    gate.Open();
    return 0;
  });
  EXPECT_EQ(4, created);
  EXPECT_EQ(4, joined);
}

// The kernel refuses to wait: not even a shield helps, but a call on its way is still waited for.
TEST_F(Blocked, ALoopThatCannotGoOnWaitsForTheCall) {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.epoll_wait = [](void *, int, struct epoll_event *, int, int64_t) { return -EBADF; };
  weir_selector_options options = {};
  options.system_calls = &calls;
  bool ended = false;
  EXPECT_EQ(-EBADF, weir_testing::RunCoroutine(
                        [&] { return Blocking([&] { return ended = true, 0; }); }, &options));
  // It was taken back, or it has ended.
  SUCCEED() << ended;
}

}  // namespace
