// SPDX-License-Identifier: Apache-2.0
//
// What coroutines wait for outside their loop, against all that interrupts them: foreign
// descriptors, signals, other threads.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "weir/blocking.h"
#include "weir/selector.h"
#include "weir/signals.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::LaunchCoroutineOn;
using weir_testing::PointName;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;

// Something that keeps a thread busy until it is told to end.
class Work {
 public:
  // For weir_blocking and the like.
  static int Do(void *self) {
    auto *work = static_cast<Work *>(self);
    work->calls_++;
    work->begun_.set_value();
    work->ending_.wait();
    return 0;
  }
  static void Discard(void *self) { static_cast<Work *>(self)->discarded_.set_value(); }

  void AwaitBegin() { begun_.get_future().wait(); }
  void AwaitDiscard() { discarded_.get_future().wait(); }
  void End() {
    if (!ended_) end_.set_value();
    ended_ = true;
  }
  // To be asked when it has ended.
  int calls() const { return calls_; }

 private:
  std::promise<void> begun_, end_, discarded_;
  std::future<void> ending_ = end_.get_future();
  bool ended_ = false;
  int calls_ = 0;
};

int DoNothing(void *) { return 0; }

Suspension SelectorSelect() {
  struct Ends {
    int fds[2];
  };
  auto ends = std::make_shared<Ends>();
  EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->fds));
  Suspension suspension;
  suspension.wait = [ends] { return weir_selector_select(ends->fds[0], WEIR_READABLE); };
  suspension.endings.push_back(
      {"forget", [ends] { EXPECT_EQ(0, weir_selector_forget(ends->fds[0])); }, WEIR_E_CLOSED});
  suspension.go_on = [ends] {
    EXPECT_EQ(1, write(ends->fds[1], "x", 1));
    EXPECT_EQ(WEIR_READABLE, weir_selector_select(ends->fds[0], WEIR_READABLE));
  };
  suspension.take_down = [ends] {
    EXPECT_EQ(0, weir_selector_forget(ends->fds[0]));
    for (int fd : ends->fds) close(fd);
  };
  return suspension;
}

// The other loop knows the descriptor, and is busy.
Suspension SelectorForget() {
  struct Ends {
    int fds[2];
  };
  auto ends = std::make_shared<Ends>();
  auto busy = std::make_shared<Work>();
  EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends->fds));
  EXPECT_EQ(0, LaunchCoroutineOn(1, [ends] {
              return weir_selector_select(ends->fds[0], WEIR_READABLE) < 0 ? 0 : -EIO;
            }));
  EXPECT_EQ(0, LaunchCoroutineOn(1, [busy] { return Work::Do(busy.get()); }));
  busy->AwaitBegin();
  Suspension suspension;
  suspension.wait = [ends] { return weir_selector_forget(ends->fds[0]); };
  suspension.finish = [busy] { busy->End(); };
  suspension.take_down = [ends, busy] {
    busy->End();
    EXPECT_EQ(0, weir_selector_forget(ends->fds[0]));
    for (int fd : ends->fds) close(fd);
  };
  return suspension;
}

Suspension SignalsWait() {
  auto signals = std::make_shared<weir_signals *>(nullptr);
  const int wanted[] = {SIGUSR1};
  EXPECT_EQ(0, weir_signals_open(signals.get(), wanted, 1));
  auto close = [signals] {
    weir_signals_close(*signals);
    *signals = nullptr;
  };
  Suspension suspension;
  suspension.wait = [signals] { return weir_signals_wait(*signals); };
  suspension.endings.push_back({"close", close, WEIR_E_CLOSED});
  suspension.go_on = [signals] {
    EXPECT_EQ(0, raise(SIGUSR1));
    EXPECT_EQ(SIGUSR1, weir_signals_wait(*signals));
  };
  suspension.take_down = close;
  return suspension;
}

// The function runs, and its argument may lie on the stack.
Suspension BlockingRunning() {
  auto work = std::make_shared<Work>();
  Suspension suspension;
  suspension.wait = [work] {
    int result = weir_blocking(Work::Do, work.get());
    EXPECT_EQ(1, work->calls());
    return result;
  };
  suspension.settle = [work] { work->AwaitBegin(); };
  suspension.finish = [work] { work->End(); };
  return suspension;
}

// The function runs, and is abandoned.
Suspension DetachedRunning() {
  struct State {
    Work work;
    bool called = false, begun = false;
  };
  auto state = std::make_shared<State>();
  Suspension suspension;
  suspension.wait = [state] {
    state->called = true;
    return weir_blocking_detached(Work::Do, &state->work, Work::Discard);
  };
  suspension.settle = [state] {
    state->work.AwaitBegin();
    state->begun = true;
  };
  suspension.go_on = [] { EXPECT_EQ(0, weir_blocking(DoNothing, nullptr)); };
  suspension.take_down = [state] {
    state->work.End();
    if (state->called) state->work.AwaitDiscard();
    EXPECT_EQ(state->begun ? 1 : 0, state->work.calls());
  };
  return suspension;
}

// All threads are busy, so that the call has not begun and is taken back.
Suspension Queued(bool detached) {
  auto before = std::make_shared<Work>();
  auto work = std::make_shared<Work>();
  ExpectLaunch([before] { return weir_blocking(Work::Do, before.get()); });
  EXPECT_EQ(0, weir_yield());
  before->AwaitBegin();
  Suspension suspension;
  suspension.wait = [work, detached] {
    if (detached) return weir_blocking_detached(Work::Do, work.get(), Work::Discard);
    return weir_blocking(Work::Do, work.get());
  };
  suspension.go_on = [before, work, detached] {
    if (detached) work->AwaitDiscard();
    before->End();
    EXPECT_EQ(0, weir_blocking(DoNothing, nullptr));
  };
  suspension.take_down = [before, work] {
    before->End();
    EXPECT_EQ(0, work->calls());
  };
  return suspension;
}

// The other loop is busy, and reads no messages.
Suspension LaunchOn() {
  auto busy = std::make_shared<Work>();
  auto calls = std::make_shared<int>(0);
  EXPECT_EQ(0, LaunchCoroutineOn(1, [busy] { return Work::Do(busy.get()); }));
  busy->AwaitBegin();
  Suspension suspension;
  suspension.wait = [calls] {
    int result = LaunchCoroutineOn(1, [calls] { return ++*calls, 0; });
    // It need not be waited for by hand, but then it is known to have been called.
    weir_shield shield = weir_shield_begin();
    int waited = weir_scope_wait(nullptr);
    weir_shield_end(shield);
    EXPECT_TRUE(waited == 0 ? *calls == 1 : waited == -ECANCELED);
    return result;
  };
  suspension.finish = [busy] { busy->End(); };
  suspension.take_down = suspension.finish;
  return suspension;
}

Suspension JobWaitElsewhere() {
  auto job = std::make_shared<weir_job *>(nullptr);
  auto call = [] { return weir_delay(WEIR_FOREVER) == -ECANCELED ? 42 : 0; };
  EXPECT_EQ(0, LaunchCoroutineOn(1, call, nullptr, job.get()));
  auto close = [job] {
    if (*job != nullptr) weir_job_cancel(*job);
    weir_job_close(*job);
    *job = nullptr;
  };
  Suspension suspension;
  suspension.wait = [job] { return weir_job_wait(*job, nullptr); };
  suspension.endings.push_back({"close", close, WEIR_E_CLOSED});
  suspension.endings.push_back({"cancel", [job] { weir_job_cancel(*job); }, 0});
  suspension.go_on = [job] {
    weir_job_cancel(*job);
    EXPECT_EQ(42, EndOf(*job));
    *job = nullptr;
  };
  suspension.take_down = close;
  return suspension;
}

SuspensionPoint WithOneThread(SuspensionPoint point) {
  point.blocking_threads = 1;
  return point;
}

SuspensionPoint WithTwoLoops(SuspensionPoint point) {
  point.loops = 2;
  return point;
}

std::vector<SuspensionPoint> Points() {
  const std::string no_close = "threads are not closed";
  return {
      {"weir_selector_select", "", SelectorSelect, ""},
      {"weir_signals_wait", "", SignalsWait, ""},
      {"weir_blocking", "running", BlockingRunning, no_close},
      WithOneThread({"weir_blocking", "queued", [] { return Queued(false); }, no_close}),
      {"weir_blocking_detached", "running", DetachedRunning, no_close},
      WithOneThread({"weir_blocking_detached", "queued", [] { return Queued(true); }, no_close}),
      WithTwoLoops({"weir_launch_on", "", LaunchOn, "loops are not closed"}),
      WithTwoLoops({"weir_selector_forget", "", SelectorForget, "loops are not closed"}),
      WithTwoLoops({"weir_job_wait", "elsewhere", JobWaitElsewhere, ""}),
  };
}

INSTANTIATE_TEST_SUITE_P(Selector, SuspensionMatrix, testing::ValuesIn(Points()), PointName);

TEST(SuspensionPoints, AreAllThere) {
  std::vector<SuspensionPoint> own = Points();
  own.pop_back();  // of a function of weir/coroutine.h
  const std::set<std::string> not_suspending = {
      "weir_current_loop",    "weir_current_selector", "weir_loop_count",      "weir_run",
      "weir_selector_cancel", "weir_selector_close",   "weir_selector_create", "weir_selector_fd",
      "weir_selector_poll",   "weir_selector_run",     "weir_selector_start",  "weir_signals_close",
      "weir_signals_open",
  };
  weir_testing::ExpectComplete({"selector/blocking.h", "selector/selector.h", "selector/signals.h"},
                               own, not_suspending);
}

}  // namespace
