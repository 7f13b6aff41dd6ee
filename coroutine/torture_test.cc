// SPDX-License-Identifier: Apache-2.0
//
// Scopes, jobs and deadlines, and what coroutines wait for each other with.

#include "testing/torture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <memory>
#include <utility>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "weir/coroutine.h"
#include "weir/diagnostics.h"
#include "weir/sync.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

int AddLater(int what, int *sum) {
  int result = weir_delay(what * WEIR_MILLISECOND);
  if (result == 0) *sum += what;
  return result;
}

// Children that are joined.
int Scope(bool *happened) {
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  if (result < 0) return result;
  int sum = 0;
  for (int i = 1; i <= 10 && result == 0; i++) {
    result = LaunchCoroutine([i, &sum] { return AddLater(i, &sum); }, scope);
  }
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  *happened = sum == 55;
  return result < 0 ? result : closed;
}

// Each coroutine launches two, in the scope that it has from its start. After a failure they still
// begin when their parent has returned, so nothing of theirs is on its stack.
int Grow(int depth, const std::shared_ptr<int> &count) {
  ++*count;
  int result = 0;
  for (int i = 0; i < 2 && depth > 1 && result == 0; i++) {
    result = LaunchCoroutine([=] { return Grow(depth - 1, count); });
  }
  return result < 0 ? result : weir_scope_wait(nullptr);
}

int Tree(bool *happened) {
  auto count = std::make_shared<int>(0);
  int result = Grow(4, count);
  *happened = *count == 15;
  return result;
}

// A deadline ends what would last forever, in the coroutine that began it and in its child.
int Timeout(bool *happened) {
  weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
  weir_scope *scope = nullptr;
  int late_child = 0;
  int result = weir_scope_open(&scope, nullptr);
  auto child = [&] { return late_child = weir_delay(WEIR_FOREVER); };
  if (result == 0) result = LaunchCoroutine(child, scope);
  if (result == 0) result = weir_delay(WEIR_FOREVER);
  weir_scope_close(scope);
  bool late = weir_timeout_end(timeout);
  *happened = late && late_child == -ETIMEDOUT;
  return late ? 0 : result;
}

// A job that is cancelled cleans up behind a shield, and its result comes out.
int Cancel(bool *happened) {
  bool cleaned = false;
  weir_job *job = nullptr;
  auto body = [&] {
    int result = weir_delay(WEIR_FOREVER);
    weir_shield shield = weir_shield_begin();
    cleaned = weir_delay(WEIR_MILLISECOND) == 0;
    weir_shield_end(shield);
    return result;
  };
  int result = LaunchCoroutine(body, nullptr, &job);
  if (result < 0) return result;
  result = weir_yield();
  weir_job_cancel(job);
  int ended = 0;
  if (result == 0) result = weir_job_wait(job, &ended);
  weir_job_close(job);
  *happened = cleaned && ended == -ECANCELED;
  return result;
}

// Everything of weir/sync.h.
struct Tools {
  weir_mutex *mutex = nullptr;
  weir_event *ready = nullptr;
  weir_semaphore *permits = nullptr;
  weir_typed_channel *numbers[2] = {};
  int senders = 0;
  int sum = 0;

  Tools() = default;
  Tools(const Tools &) = delete;
  Tools &operator=(const Tools &) = delete;
  ~Tools() {
    weir_mutex_close(mutex);
    weir_event_close(ready);
    weir_semaphore_close(permits);
    for (weir_typed_channel *channel : numbers) weir_typed_channel_close(channel);
  }

  int Create() {
    int result = weir_mutex_create(&mutex);
    if (result == 0) result = weir_event_create(&ready);
    if (result == 0) result = weir_semaphore_create(&permits, 1);
    for (size_t i = 0; i < 2 && result == 0; i++) {
      result = weir_typed_channel_create(&numbers[i], sizeof(int), i);
    }
    return result;
  }

  // Sends 1 to 5 to one of the channels, under the semaphore; the last one of two finishes both.
  int Send(weir_typed_channel *channel) {
    int result = weir_event_wait(ready);
    if (result == 0) result = weir_semaphore_acquire(permits, 1);
    for (int number = 1; number <= 5 && result == 0; number++) {
      result = weir_typed_channel_send(channel, &number);
    }
    if (result < 0) return result;
    if (++senders == 2) {
      for (weir_typed_channel *each : numbers) weir_typed_channel_finish(each);
    }
    return weir_semaphore_release(permits, 1);
  }

  // So many cases that it takes memory. The channel that still has something when it is finished
  // comes first.
  int ReceiveOne(int *number) {
    weir_select_case cases[20];
    for (int i = 0; i < 20; i++) cases[i] = {numbers[1 - i % 2], nullptr, number, 0};
    int chosen = weir_select(cases, 20);
    return chosen < 0 ? chosen : cases[chosen].result;
  }

  int Receive() {
    int number = 0;
    int result;
    while ((result = ReceiveOne(&number)) == 0) {
      result = weir_mutex_lock(mutex);
      if (result < 0) return result;
      int before = sum;
      result = weir_yield();
      sum = before + number;
      weir_mutex_unlock(mutex);
      if (result < 0) return result;
    }
    return result == WEIR_E_END_OF_STREAM ? 0 : result;
  }
};

int Sync(bool *happened) {
  Tools tools;
  int result = tools.Create();
  if (result < 0) return result;
  weir_scope_options together = {};
  together.fail_together = true;
  weir_scope *scope = nullptr;
  result = weir_scope_open(&scope, &together);
  for (int i = 0; i < 2 && result == 0; i++) {
    result = LaunchCoroutine([&, i] { return tools.Send(tools.numbers[i]); }, scope);
    if (result == 0) result = LaunchCoroutine([&] { return tools.Receive(); }, scope);
  }
  weir_event_set(tools.ready);
  if (result == 0) result = weir_scope_wait(scope);
  weir_scope_close(scope);
  *happened = tools.sum == 30;
  return result;
}

// Values of its own, two of which it replaces; whatever was set is destroyed.
int Locals(bool *happened) {
  static int destroyed;
  static constexpr auto kDestroy = [](void *value) {
    destroyed++;
    delete static_cast<int *>(value);
  };
  static constexpr weir_local kLocals[3] = {{kDestroy}, {kDestroy}, {kDestroy}};
  destroyed = 0;
  int set = 0;
  auto body = [&set] {
    for (int i = 0; i < 5; i++) {
      auto value = std::make_unique<int>(i);
      int result = weir_local_set(&kLocals[i % 3], value.get());
      if (result < 0) return result;
      static_cast<void>(value.release());
      set++;
    }
    return *static_cast<int *>(weir_local_get(&kLocals[1])) == 4 ? weir_yield() : -EIO;
  };
  int result = LaunchCoroutine(body);
  int joined = weir_scope_wait(nullptr);
  EXPECT_EQ(set, destroyed);
  *happened = destroyed == 5;
  return result < 0 ? result : joined;
}

// A file for reports, whose own calls do not fail.
class Report {
 public:
  Report() : file_(tmpfile()) { EXPECT_NE(nullptr, file_); }
  ~Report() { fclose(file_); }
  Report(const Report &) = delete;
  Report &operator=(const Report &) = delete;
  int fd() const { return fileno(file_); }
  bool HasText() const { return lseek(fd(), 0, SEEK_END) > 0; }

 private:
  FILE *file_;
};

// A dump on a signal, of two loops. The file stays until both have ended: each writes when it gets
// to it.
weir_testing::Outcome Dump(const weir_internal_system_calls *calls) {
  Report report;
  auto body = [&report](bool *happened) {
    auto install = [&report] { return weir_install_dump(SIGUSR1, report.fd()); };
    int result = LaunchCoroutineOn(1, install);
    if (result == 0) result = weir_scope_wait(nullptr);
    if (result == 0) result = install();
    if (result < 0) return result;
    raise(SIGUSR1);
    while (result == 0 && !report.HasText()) result = weir_delay(WEIR_MILLISECOND);
    *happened = report.HasText();
    return result;
  };
  return weir_testing::InCoroutine(body, 2)(calls);
}

// The report of an overflow is for the process, once; each run with it needs memory on each loop.
weir_testing::Outcome OverflowReport(const weir_internal_system_calls *calls) {
  weir_testing::Outcome outcome;
  outcome.result = weir_install_overflow_report(STDERR_FILENO);
  if (outcome.result == -EALREADY) outcome.result = 0;
  if (outcome.result < 0) return outcome;
  auto body = [](bool *happened) {
    int result = LaunchCoroutineOn(1, [=] { return *happened = true, 0; });
    return result < 0 ? result : weir_scope_wait(nullptr);
  };
  return weir_testing::InCoroutine(body, 2)(calls);
}

Scenario Of(const char *name, int least_calls, int (*body)(bool *happened)) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = weir_testing::InCoroutine(body);
  scenario.virtual_time = true;
  scenario.least_calls = least_calls;  // to set up, and to wait
  return scenario;
}

Scenario OnTwoLoops(const char *name, weir_testing::ScenarioRun run) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = std::move(run);
  scenario.least_calls = 20;
  return scenario;
}

std::vector<Scenario> Scenarios() {
  return {Of("Scope", 27, Scope),     Of("Tree", 17, Tree),
          Of("Timeout", 18, Timeout), Of("Cancel", 18, Cancel),
          Of("Sync", 17, Sync),       Of("Locals", 17, Locals),
          OnTwoLoops("Dump", Dump),   OnTwoLoops("OverflowReport", OverflowReport)};
}

INSTANTIATE_TEST_SUITE_P(Coroutine, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
