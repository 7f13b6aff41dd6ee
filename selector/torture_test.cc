// SPDX-License-Identifier: Apache-2.0
//
// Foreign descriptors, interrupts, signals and blocking calls.

#include "testing/torture.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <functional>
#include <string>
#include <vector>

#include "testing/counted_waits.h"
#include "testing/lambda_coroutine.h"
#include "weir/blocking.h"
#include "weir/coroutine.h"
#include "weir/selector.h"
#include "weir/signals.h"

namespace {

using weir_testing::CountedWaits;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunTogether;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

// A pipe of the kernel, as another library would have it. Its own calls do not fail.
class ForeignPipe {
 public:
  ForeignPipe() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(0, pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    input = ends[0];
    output = ends[1];
  }
  ~ForeignPipe() {
    CloseOutput();
    Close(input);
  }
  ForeignPipe(const ForeignPipe &) = delete;
  ForeignPipe &operator=(const ForeignPipe &) = delete;

  void CloseOutput() {
    if (output >= 0) Close(output);
    output = -1;
  }

  int input;
  int output;

 private:
  static void Close(int fd) {
    weir_selector_forget(fd);
    close(fd);
  }
};

// More than a pipe holds.
const size_t kSize = 200000;

int WriteAll(ForeignPipe &pipe) {
  const std::string data(kSize, 'x');
  for (size_t done = 0; done < data.size();) {
    ssize_t count = write(pipe.output, data.data() + done, data.size() - done);
    if (count < 0 && errno != EAGAIN) return -errno;
    if (count > 0) done += static_cast<size_t>(count);
    int result = count > 0 ? 0 : weir_selector_select(pipe.output, WEIR_WRITABLE);
    if (result < 0) return result;
  }
  pipe.CloseOutput();
  return 0;
}

int ReadAll(const ForeignPipe &pipe, size_t *received) {
  char part[50000];
  for (;;) {
    ssize_t count = read(pipe.input, part, sizeof part);
    if (count == 0) return 0;
    if (count < 0 && errno != EAGAIN) return -errno;
    if (count > 0) *received += static_cast<size_t>(count);
    int result = count > 0 ? 0 : weir_selector_select(pipe.input, WEIR_READABLE);
    if (result < 0) return result;
  }
}

int Transfer(bool *happened) {
  ForeignPipe pipe;
  size_t received = 0;
  int result =
      RunTogether({[&] { return ReadAll(pipe, &received); }, [&] { return WriteAll(pipe); }});
  *happened = received == kSize;
  return result;
}

// One waits for what never comes until another one lets go of the descriptor.
int Forget(bool *happened) {
  ForeignPipe pipe;
  int selected = 0;
  auto wait = [&] {
    selected = weir_selector_select(pipe.input, WEIR_READABLE);
    return selected == WEIR_E_CLOSED ? 0 : selected;
  };
  auto forget = [&] {
    int result = weir_delay(WEIR_SECOND);
    return result < 0 ? result : weir_selector_forget(pipe.input);
  };
  int result = RunTogether({wait, forget});
  *happened = selected == WEIR_E_CLOSED;
  return result;
}

// More descriptors than the loop has room for at first, all of them known at once.
int Many(bool *happened) {
  ForeignPipe pipe;
  std::vector<int> copies;
  int result = 0;
  for (int i = 0; i < 200 && result == 0; i++) {
    copies.push_back(fcntl(pipe.output, F_DUPFD_CLOEXEC, 0));
    result = weir_selector_select(copies.back(), WEIR_READABLE | WEIR_WRITABLE);
    *happened = result == WEIR_WRITABLE;
    if (*happened) result = 0;
  }
  for (int copy : copies) {
    weir_selector_forget(copy);
    close(copy);
  }
  return result;
}

int Interrupt(bool *happened) {
  raise(SIGTERM);
  int result = weir_delay(WEIR_FOREVER);
  *happened = result == -ECANCELED;
  return result;
}

// Read before it came, and after.
int Signal(bool *happened) {
  const int wanted[] = {SIGHUP, SIGUSR1};
  weir_signals *signals = nullptr;
  int result = weir_signals_open(&signals, wanted, 2);
  if (result < 0) return result;
  raise(SIGHUP);
  int first = weir_signals_wait(signals);
  int second = 0;
  auto wait = [&] { return second = weir_signals_wait(signals); };
  auto send = [] {
    int delayed = weir_delay(WEIR_SECOND);
    raise(SIGUSR1);
    return delayed;
  };
  result = first < 0 ? first : RunTogether({wait, send});
  weir_signals_close(signals);
  *happened = first == SIGHUP && second == SIGUSR1;
  return result;
}

int Increase(void *argument) {
  CountedWaits::Use();
  ++*static_cast<std::atomic<int> *>(argument);
  return 0;
}

// Some at once, on threads or waiting for one, and one that is given away.
int Block(bool *happened) {
  std::atomic<int> count{0};
  auto call = [&] {
    int result = 0;
    for (int i = 0; i < 3 && result == 0; i++) result = weir_blocking(Increase, &count);
    return result;
  };
  int result = RunTogether({call, call});
  auto *owned = new std::atomic<int>(0);
  auto destroy = [](void *argument) { delete static_cast<std::atomic<int> *>(argument); };
  int detached = weir_blocking_detached(Increase, owned, destroy);
  *happened = count == 6 && detached == 0 && *owned == 1;
  if (detached != -ECANCELED && detached != -ETIMEDOUT) destroy(owned);
  return result < 0 ? result : detached;
}

// Coroutines on other loops, launched from there too, one of which is cancelled.
int Elsewhere(bool *happened) {
  std::atomic<int> ended{0};
  std::atomic<bool> cancelled{false};
  auto end = [&] { return ended++, 0; };
  auto launch = [&] {
    int result = 0;
    for (int loop = 0; loop < 3 && result == 0; loop++) result = LaunchCoroutineOn(loop, end);
    return result;
  };
  weir_job *job = nullptr;
  auto wait = [&] { return cancelled = weir_delay(WEIR_FOREVER) == -ECANCELED, 0; };
  weir_scope *scope = nullptr;
  int result = weir_scope_open(&scope, nullptr);
  if (result < 0) return result;
  result = LaunchCoroutineOn(2, wait, scope, &job);
  if (result == 0) result = LaunchCoroutineOn(1, launch, scope);
  if (result == 0) weir_job_cancel(job);
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  weir_job_close(job);
  *happened = ended == 3 && cancelled;
  return result < 0 ? result : closed;
}

// As InCoroutine, on three loops, in real time.
weir_testing::Outcome OnThreeLoops(const weir_internal_system_calls *calls) {
  weir_selector_options options = {};
  options.loops = 3;
  options.system_calls = calls;
  weir_testing::Outcome outcome;
  outcome.result =
      weir_testing::RunCoroutine([&] { return Elsewhere(&outcome.happened); }, &options);
  return outcome;
}

// Somebody else's loop drives, and watches the descriptor. What it does itself does not fail.
weir_testing::Outcome Driven(const weir_internal_system_calls *calls) {
  weir_selector_options options = {};
  options.loops = 2;
  options.system_calls = calls;
  weir_testing::Outcome outcome;
  auto body = [](void *happened) {
    int result = LaunchCoroutineOn(1, [] { return weir_delay(WEIR_MILLISECOND); });
    if (result == 0) result = weir_scope_wait(nullptr);
    if (result == 0) result = weir_delay(WEIR_MILLISECOND);
    *static_cast<bool *>(happened) = result == 0;
    return result;
  };
  weir_selector *selector = nullptr;
  outcome.result = weir_selector_create(&selector, &options);
  if (outcome.result < 0) return outcome;
  outcome.result = weir_selector_fd(selector);
  pollfd watched = {outcome.result, POLLIN, 0};
  if (outcome.result >= 0) {
    outcome.result = weir_selector_start(selector, body, &outcome.happened);
  }
  int more = outcome.result == 0;
  while (more == 1) {
    outcome.expired |= poll(&watched, 1, 10000) == 0;
    more = weir_selector_poll(selector, 0, &outcome.result);
  }
  int closed = weir_selector_close(selector);
  if (outcome.result == 0) outcome.result = more < 0 ? more : closed;
  return outcome;
}

Scenario OfDriving() {
  Scenario scenario;
  scenario.name = "Driven";
  scenario.run = Driven;
  scenario.least_allocations = 5;
  scenario.least_calls = 25;
  return scenario;
}

Scenario OfLoops() {
  Scenario scenario;
  scenario.name = "Loops";
  scenario.run = OnThreeLoops;
  scenario.least_allocations = 10;
  scenario.least_calls = 40;
  return scenario;
}

Scenario Of(const char *name, int least_calls, int (*body)(bool *happened)) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = weir_testing::InCoroutine(body);
  scenario.virtual_time = true;
  scenario.stride = 7;
  scenario.least_allocations = 5;
  scenario.least_calls = least_calls;
  return scenario;
}

std::vector<Scenario> Scenarios() {
  // Threads take real time.
  Scenario block = Of("Block", 26, Block);
  block.virtual_time = false;
  block.run = [run = block.run](const weir_internal_system_calls *calls) {
    const weir_internal_system_calls counting = CountedWaits::Count(calls);
    return run(&counting);
  };
  return {Of("Transfer", 38, Transfer),
          Of("Forget", 20, Forget),
          Of("Many", 165, Many),
          Of("Interrupt", 18, Interrupt),
          Of("Signal", 39, Signal),
          block,
          OfLoops(),
          OfDriving()};
}

INSTANTIATE_TEST_SUITE_P(Selector, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
