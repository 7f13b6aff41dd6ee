// SPDX-License-Identifier: Apache-2.0
//
// Signals as something to read.

#include "weir/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/failing_calls.h"
#include "testing/leak_checked_test.h"
#include "testing/virtual_clock.h"
#include "weir/selector.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchCoroutineOn;
using weir_testing::LaunchJob;
using weir_testing::RunCoroutine;

class Signals : public weir_testing::LeakCheckedTest {
 protected:
  weir_signals *Open(const std::vector<int> &wanted) {
    weir_signals *signals = nullptr;
    EXPECT_EQ(0, weir_signals_open(&signals, wanted.data(), static_cast<int>(wanted.size())));
    return signals;
  }

  int OpenFails(const std::vector<int> &wanted) {
    auto *signals = reinterpret_cast<weir_signals *>(this);
    int result = weir_signals_open(&signals, wanted.data(), static_cast<int>(wanted.size()));
    EXPECT_EQ(nullptr, signals);
    return result;
  }
};

bool IsBlocked(int signal) {
  sigset_t mask;
  EXPECT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &mask));
  return sigismember(&mask, signal) == 1;
}

TEST_F(Signals, AreReadBeforeAndAfterTheWaitBegan) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP, SIGUSR1});
    raise(SIGUSR1);
    EXPECT_EQ(SIGUSR1, weir_signals_wait(signals));
    ExpectLaunch([] { return raise(SIGHUP); });
    EXPECT_EQ(SIGHUP, weir_signals_wait(signals));
    // One sent to the process, twice, is one.
    kill(getpid(), SIGHUP);
    kill(getpid(), SIGHUP);
    EXPECT_EQ(SIGHUP, weir_signals_wait(signals));
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_signals_wait(signals));
    weir_timeout_end(timeout);
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, BlockAndUnblock) {
  ExpectRun([this] {
    sigset_t alarm;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGURG);
    EXPECT_EQ(0, pthread_sigmask(SIG_BLOCK, &alarm, nullptr));
    weir_signals *signals = Open({SIGHUP, SIGURG});
    EXPECT_TRUE(IsBlocked(SIGHUP));
    weir_signals_close(signals);
    EXPECT_FALSE(IsBlocked(SIGHUP));
    EXPECT_TRUE(IsBlocked(SIGURG));
    EXPECT_EQ(0, pthread_sigmask(SIG_UNBLOCK, &alarm, nullptr));
    return 0;
  });
}

// Its ordinary effect would be to kill the process.
TEST_F(Signals, OneThatWasNotReadIsGoneWithTheClose) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP, SIGUSR2});
    raise(SIGHUP);
    raise(SIGUSR2);
    weir_signals_close(signals);
    weir_signals_close(nullptr);
    return 0;
  });
}

TEST_F(Signals, SeveralWithSignalsOfTheirOwn) {
  ExpectRun([this] {
    weir_signals *first = Open({SIGHUP});
    weir_signals *second = Open({SIGUSR1, SIGUSR2});
    weir_job *waits_first = LaunchJob([&] { return weir_signals_wait(first); });
    weir_job *waits_second = LaunchJob([&] { return weir_signals_wait(second); });
    EXPECT_EQ(0, weir_yield());
    raise(SIGUSR2);
    raise(SIGHUP);
    EXPECT_EQ(SIGHUP, EndOf(waits_first));
    EXPECT_EQ(SIGUSR2, EndOf(waits_second));
    weir_signals_close(first);
    EXPECT_TRUE(IsBlocked(SIGUSR1));
    weir_signals_close(second);
    EXPECT_FALSE(IsBlocked(SIGUSR1));
    return 0;
  });
}

TEST_F(Signals, TheSameTwiceIsBusy) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP, SIGUSR1});
    EXPECT_EQ(-EBUSY, OpenFails({SIGUSR2, SIGUSR1}));
    weir_signals *other = Open({SIGUSR2, SIGUSR2});
    weir_signals_close(signals);
    weir_signals_close(other);
    weir_signals_close(Open({SIGUSR1, SIGUSR2}));
    return 0;
  });
}

TEST_F(Signals, TheInterruptsOfTheRunAreBusyUntilTheFirst) {
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  ExpectRun(options, [this] {
    EXPECT_EQ(-EBUSY, OpenFails({SIGHUP, SIGTERM}));
    EXPECT_EQ(-EBUSY, OpenFails({SIGINT}));
    weir_signals_close(Open({SIGHUP}));
    raise(SIGINT);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    weir_signals *signals = Open({SIGINT});
    raise(SIGINT);
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(SIGINT, weir_signals_wait(signals));
    weir_shield_end(shield);
    weir_signals_close(signals);
    return 0;
  });
}

// The signals are the process's, not the loop's.
TEST_F(Signals, TheInterruptsOfTheRunAreBusyOnEveryLoopAndSelector) {
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  options.loops = 2;
  ExpectRun(options, [this, &options] {
    EXPECT_EQ(0, LaunchCoroutineOn(1, [this] {
                EXPECT_EQ(-EBUSY, OpenFails({SIGINT}));
                EXPECT_EQ(-EBUSY, OpenFails({SIGUSR1, SIGTERM}));
                return 0;
              }));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    std::thread other([this, &options] {
      ExpectRun([this] {
        EXPECT_EQ(-EBUSY, OpenFails({SIGTERM}));
        return 0;
      });
      EXPECT_EQ(-EBUSY, RunCoroutine([] { return 0; }, &options));
    });
    other.join();
    kill(getpid(), SIGINT);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    return 0;
  });
  // And they are free again.
  ExpectRun(options, [] { return 0; });
}

TEST_F(Signals, ARunLeavesInterruptsToThoseWhoReadThem) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGINT});
    std::thread other([] {
      weir_selector_options options = {};
      options.cancel_on_interrupt = true;
      EXPECT_EQ(-EBUSY, RunCoroutine([] { return 0; }, &options));
    });
    other.join();
    raise(SIGINT);
    EXPECT_EQ(SIGINT, weir_signals_wait(signals));
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, TheSecondInterruptReachesTheOneWhoWaitsForIt) {
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  ExpectRun(options, [this] {
    raise(SIGINT);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    weir_shield shield = weir_shield_begin();
    weir_signals *signals = Open({SIGINT, SIGTERM});
    for (int signal : {SIGINT, SIGTERM}) {
      // The loop finds both ready: the one who waits, and the one of the run.
      weir_job *job = LaunchJob([&] {
        weir_shield inner = weir_shield_begin();
        weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
        int result = weir_signals_wait(signals);
        weir_timeout_end(timeout);
        weir_shield_end(inner);
        return result;
      });
      EXPECT_EQ(0, weir_yield());
      raise(signal);
      EXPECT_EQ(signal, EndOf(job));
    }
    weir_signals_close(signals);
    weir_shield_end(shield);
    return 0;
  });
}

TEST_F(Signals, WithoutAnOptionInterruptsCanBeRead) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGINT, SIGTERM});
    raise(SIGTERM);
    EXPECT_EQ(SIGTERM, weir_signals_wait(signals));
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, BadOnesAreRefused) {
  EXPECT_EQ(-EINVAL, OpenFails({SIGHUP}));
  EXPECT_EQ(-EINVAL, weir_signals_wait(nullptr));
  ExpectRun([this] {
    for (int signal : {0, -1, NSIG, NSIG + 100, SIGKILL, SIGSTOP}) {
      EXPECT_EQ(-EINVAL, OpenFails({SIGHUP, signal})) << signal;
    }
    EXPECT_EQ(-EINVAL, OpenFails({}));
    EXPECT_EQ(-EINVAL, weir_signals_open(nullptr, nullptr, 0));
    EXPECT_FALSE(IsBlocked(SIGHUP));
    return 0;
  });
}

TEST_F(Signals, OnlyOneWaits) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP});
    weir_job *job = LaunchJob([&] { return weir_signals_wait(signals); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(-EBUSY, weir_signals_wait(signals));
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    // What a cancelled one did not take is there for the next.
    raise(SIGHUP);
    EXPECT_EQ(SIGHUP, weir_signals_wait(signals));
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, CloseEndsTheWait) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP});
    weir_job *job = LaunchJob([&] { return weir_signals_wait(signals); });
    EXPECT_EQ(0, weir_yield());
    weir_signals_close(signals);
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(job));
    EXPECT_FALSE(IsBlocked(SIGHUP));
    // Also one that was cancelled in the same turn.
    signals = Open({SIGHUP});
    job = LaunchJob([&] { return weir_signals_wait(signals); });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    weir_signals_close(signals);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    return 0;
  });
}

TEST_F(Signals, AnotherThreadIsRefused) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP});
    std::thread other([&] {
      ExpectRun([&] {
        EXPECT_EQ(-EXDEV, weir_signals_wait(signals));
        EXPECT_EQ(-EBUSY, OpenFails({SIGHUP}));
        return 0;
      });
    });
    other.join();
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, EachFailureToOpenLeavesNothing) {
  weir_testing::FailingCalls calls;
  weir_selector_options options = {};
  options.system_calls = calls.table();
  ExpectRun(options, [&] {
    calls.FailNth(1, 0);
    EXPECT_EQ(-EMFILE, OpenFails({SIGHUP}));
    calls.FailNth(1, 1);
    EXPECT_EQ(-ENFILE, OpenFails({SIGHUP}));
    calls.FailNth(2, 1);
    EXPECT_EQ(-ENOSPC, OpenFails({SIGHUP}));
    for (int nth = 1;; nth++) {
      allocator().FailNth(nth);
      weir_signals *signals = nullptr;
      const int wanted = SIGHUP;
      int result = weir_signals_open(&signals, &wanted, 1);
      bool refused = allocator().refused();
      allocator().FailNth(0);
      EXPECT_EQ(refused ? -ENOMEM : 0, result);
      weir_signals_close(signals);
      EXPECT_FALSE(IsBlocked(SIGHUP));
      if (!refused) break;
    }
    // And one to wait.
    weir_signals *signals = Open({SIGHUP});
    calls.FailNthWith(2, "ENOSPC");
    EXPECT_EQ(-ENOSPC, weir_signals_wait(signals));
    weir_signals_close(signals);
    return 0;
  });
}

TEST_F(Signals, ACancelledCoroutineDoesNotRead) {
  ExpectRun([this] {
    weir_signals *signals = Open({SIGHUP});
    raise(SIGHUP);
    weir_scope_cancel(nullptr);
    ExpectLaunch([&] {
      EXPECT_EQ(-ECANCELED, weir_signals_wait(signals));
      return 0;
    });
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    weir_signals_close(signals);
    return 0;
  });
}

}  // namespace
