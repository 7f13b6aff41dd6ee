// SPDX-License-Identifier: Apache-2.0
//
// Scenarios that do what torture is to find, and one that survives.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <set>
#include <string>

#include "testing/torture.h"
#include "weir/coroutine.h"
#include "weir/selector.h"

namespace {

using weir_testing::FailAllocations;
using weir_testing::FailCalls;
using weir_testing::Findings;
using weir_testing::Outcome;
using weir_testing::RunUntouched;
using weir_testing::Scenario;

// Makes one system call; |when_failed| may do wrong when that fails.
Scenario OneCall(std::function<void(Outcome *outcome)> when_failed) {
  Scenario scenario;
  scenario.name = "OneCall";
  scenario.run = [=](const weir_internal_system_calls *calls) {
    Outcome outcome;
    int fd = calls->event_create(calls->context);
    outcome.happened = fd >= 0;
    if (fd >= 0) return calls->close(calls->context, fd), outcome;
    outcome.result = fd;
    when_failed(&outcome);
    return outcome;
  };
  return scenario;
}

// Opens a scope in a coroutine; |when_failed| gets the failure and returns the coroutine's result.
Scenario OneScope(std::function<int(int result)> when_failed) {
  Scenario scenario;
  scenario.name = "OneScope";
  scenario.virtual_time = true;
  scenario.run = weir_testing::InCoroutine([=](bool *happened) {
    weir_scope *scope = nullptr;
    int result = weir_scope_open(&scope, nullptr);
    weir_scope_close(scope);
    *happened = result == 0;
    return result < 0 ? when_failed(result) : 0;
  });
  return scenario;
}

int PassOn(int result) { return result; }

class TortureFinds : public weir_testing::LeakCheckedTest {
 protected:
  Findings InCall(std::function<void(Outcome *outcome)> when_failed) {
    return FailCalls(OneCall(std::move(when_failed)), allocator());
  }
  Findings InScope(std::function<int(int result)> when_failed) {
    return FailAllocations(OneScope(std::move(when_failed)), allocator());
  }
};

TEST_F(TortureFinds, NothingWhereNothingIsWrong) {
  EXPECT_EQ("", RunUntouched(OneScope(PassOn), allocator()).first);
  Findings allocations = InScope(PassOn);
  EXPECT_EQ("", allocations.first) << allocations.failed;
  EXPECT_GE(allocations.runs, 5);
  Findings calls = InCall([](Outcome *) {});
  EXPECT_EQ("", calls.first);
  EXPECT_EQ(4, calls.runs);  // EMFILE, ENFILE, ENODEV, ENOMEM
  EXPECT_EQ(0, calls.skipped);
}

TEST_F(TortureFinds, AScenarioThatFailsUntouched) {
  Scenario scenario = OneCall([](Outcome *) {});
  scenario.run = [](const weir_internal_system_calls *) { return Outcome{-EIO, false, false}; };
  EXPECT_EQ("EIO", RunUntouched(scenario, allocator()).first);
}

TEST_F(TortureFinds, WhichCallItWas) {
  Findings findings = InCall([](Outcome *outcome) {
    if (outcome->result == -ENFILE) outcome->result = 0;
  });
  EXPECT_EQ("it claims what did not happen", findings.first);
  EXPECT_EQ("call 1, eventfd: ENFILE", findings.failed);
  EXPECT_EQ("1:ENFILE", findings.again);
  EXPECT_EQ(2, findings.runs);
}

TEST_F(TortureFinds, ADescriptor) {
  int leaked = -1;
  Findings findings = InCall([&](Outcome *) { leaked = open("/dev/null", O_RDONLY | O_CLOEXEC); });
  EXPECT_EQ("1 file descriptors leaked", findings.first);
  close(leaked);
}

TEST_F(TortureFinds, Memory) {
  weir_selector *leaked = nullptr;
  Findings findings = InScope([&](int result) {
    EXPECT_EQ(0, weir_selector_create(&leaked, nullptr));
    return result;
  });
  EXPECT_NE(std::string::npos, findings.first.find("blocks or mapped areas leaked"));
  EXPECT_NE(std::string::npos, findings.first.find("bytes leaked"));
  EXPECT_EQ("allocation " + findings.again, findings.failed);
  weir_selector_close(leaked);
}

TEST_F(TortureFinds, ACoroutineThatIsStuck) {
  Findings findings = InScope([](int) { return weir_delay(WEIR_FOREVER); });
  EXPECT_EQ("it hung until the deadline", findings.first);
  // Also one that nobody waits for.
  findings = InScope([](int result) {
    auto forever = [](void *) { return weir_delay(WEIR_FOREVER); };
    EXPECT_EQ(0, weir_launch(nullptr, nullptr, nullptr, forever, nullptr));
    return result - result;
  });
  EXPECT_NE(std::string::npos, findings.first.find("it hung until the deadline"));
}

TEST_F(TortureFinds, ALostCause) {
  Findings findings = InScope([](int) { return -ECANCELED; });
  EXPECT_EQ("the cause is lost: the result is ECANCELED", findings.first);
}

TEST_F(TortureFinds, AnErrorThatDoesNotExist) {
  Findings findings = InCall([](Outcome *outcome) { outcome->result = -9999; });
  EXPECT_EQ("no such error: -9999", findings.first);
}

TEST_F(TortureFinds, TheSameAgain) {
  auto none = [](Outcome *) {};
  EXPECT_EQ(4, FailCalls(OneCall(none), allocator(), {1, ""}).runs);
  Findings findings = FailCalls(OneCall(none), allocator(), {1, "ENFILE"});
  EXPECT_EQ(1, findings.runs);
  EXPECT_EQ("call 1, eventfd: ENFILE", findings.failed);
  EXPECT_EQ(0, FailCalls(OneCall(none), allocator(), {1, "EPIPE"}).runs);
  EXPECT_EQ(0, FailCalls(OneCall(none), allocator(), {2, ""}).runs);
  EXPECT_EQ(1, FailAllocations(OneScope(PassOn), allocator(), {2, ""}).runs);
}

// What the first call is differs from run to run, as it does where the kernel decides.
Scenario EventOrEpoll(std::function<bool()> is_event) {
  Scenario scenario;
  scenario.name = "EventOrEpoll";
  scenario.run = [=](const weir_internal_system_calls *calls) {
    Outcome outcome;
    int fd = is_event() ? calls->event_create(calls->context) : calls->epoll_create(calls->context);
    outcome.happened = fd >= 0;
    if (fd >= 0) return calls->close(calls->context, fd), outcome;
    outcome.result = fd;
    return outcome;
  };
  return scenario;
}

TEST_F(TortureFinds, EachErrorOfACallThatIsNotAlwaysTheSame) {
  int runs = 0;
  std::set<int> errors;
  Scenario scenario = EventOrEpoll([&] { return runs++ % 3 == 0; });
  auto run = scenario.run;
  scenario.run = [&](const weir_internal_system_calls *calls) {
    Outcome outcome = run(calls);
    errors.insert(outcome.result);
    return outcome;
  };
  Findings findings = FailCalls(scenario, allocator());
  EXPECT_EQ("", findings.first);
  EXPECT_EQ(4, findings.runs);
  EXPECT_EQ(0, findings.skipped);
  EXPECT_EQ((std::set<int>{0, -EMFILE, -ENFILE, -ENODEV, -ENOMEM}), errors);
  EXPECT_EQ(1, FailCalls(scenario, allocator(), {1, "ENODEV"}).runs);
}

TEST_F(TortureFinds, ACallThatComesALittleLaterInOtherRuns) {
  int runs = 0;
  Scenario scenario = OneCall([](Outcome *) {});
  scenario.run = [&](const weir_internal_system_calls *calls) {
    Outcome outcome;
    int epoll = runs++ > 0 ? calls->epoll_create(calls->context) : -1;
    int event = calls->event_create(calls->context);
    outcome.happened = event >= 0;
    outcome.result = event < 0 && event != -ENOMEM ? event : 0;
    if (event >= 0) calls->close(calls->context, event);
    if (epoll >= 0) calls->close(calls->context, epoll);
    return outcome;
  };
  Findings findings = FailCalls(scenario, allocator(), {1, ""});
  EXPECT_EQ("it claims what did not happen", findings.first);
  EXPECT_EQ("call 2, eventfd: ENOMEM", findings.failed);
  EXPECT_EQ("2:ENOMEM", findings.again);
  EXPECT_EQ(4, findings.runs);
}

TEST_F(TortureFinds, WhatItCouldNotTry) {
  int runs = 0;
  Findings findings = FailCalls(EventOrEpoll([&] { return runs++ == 0; }), allocator());
  EXPECT_EQ("", findings.first);
  EXPECT_EQ(1, findings.runs);
  EXPECT_EQ(3, findings.skipped);
  EXPECT_TRUE(TooManySkipped(findings));
  findings.runs = 200;
  EXPECT_FALSE(TooManySkipped(findings));
}

}  // namespace
