// SPDX-License-Identifier: Apache-2.0
//
// Torture: a scenario is run again and again, each time with another allocation or system call
// failing, with each error that it may give, until the scenario passes untouched. Whatever fails,
// nothing may leak, hang or crash, nothing may be claimed that did not happen, and the result must
// tell the cause.
//
// A package has a torture_test.cc with its scenarios:
//
//   INSTANTIATE_TEST_SUITE_P(Pipe, Torture, testing::ValuesIn(Scenarios()), ScenarioName);
//
// docs/torture.md tells how to add one, and how to run one failure again.

#ifndef WEIR_TESTING_TORTURE_H
#define WEIR_TESTING_TORTURE_H

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/leak_checked_test.h"

namespace weir_testing {

// How a run of a scenario ended.
struct Outcome {
  int result = 0;         // what went wrong, or 0
  bool happened = false;  // all that a result of 0 claims: the answer came, the bytes are the same
  bool expired = false;   // only a deadline ended it
};

// Does the whole thing once, from the first allocation to the last close. |calls| are for
// weir_selector_options.system_calls; what needs no selector may ignore them.
using ScenarioRun = std::function<Outcome(const weir_internal_system_calls *calls)>;

struct Scenario {
  std::string name;  // letters and digits
  ScenarioRun run;
  // Time jumps to what is awaited next when nothing is ready now. Not for what the kernel does
  // behind our back, like TCP.
  bool virtual_time = false;
  size_t transfer_limit = 0;  // bytes that a send or receive takes at most; 0: no limit
  int stride = 1;             // after the first 60, only each so manyth call or allocation fails
  // In so many runs at least something must fail, so that no scenario tests nothing unnoticed.
  int least_allocations = 10;
  // Near the number that do, which is a property of the test, "runs". 0 for a scenario that makes
  // no system calls.
  int least_calls = 100;
  // One error that could not be given to the same call again is right beside so many that could.
  // With several threads the last call of its kind is soon another one.
  int runs_per_skipped = 50;
};

// A run of |body| in a coroutine of a selector of its own, with so many |loops|, that takes
// interrupts, under a deadline of ten seconds, which holds for all that |body| launches. |body|
// returns as a coroutine does, and tells by *happened whether all that 0 claims happened.
ScenarioRun InCoroutine(std::function<int(bool *happened)> body, int loops = 1);

// One failure: the |nth| allocation or call from 1 and, of a call, the error by its name.
struct Failure {
  int nth = 0;        // 0: each
  std::string error;  // empty: each
};

// What came of running a scenario with failures.
struct Findings {
  int runs = 0;        // in which something failed
  int skipped = 0;     // errors not tried, because no call of their kind came again
  std::string first;   // what is wrong in the first one that was not survived; empty: nothing
  std::string failed;  // in that one: "call 17, send: EPIPE"
  std::string again;   // and as a Failure's text: "17:EPIPE"
};

// Each runs |scenario|, which must leave |allocator| and the process as they were, until something
// is found or nothing is left to fail.
Findings RunUntouched(const Scenario &scenario, CountingAllocator &allocator);
Findings FailAllocations(const Scenario &scenario, CountingAllocator &allocator,
                         const Failure &which = {});
Findings FailCalls(const Scenario &scenario, CountingAllocator &allocator,
                   const Failure &which = {});

// Whether so many errors were skipped that the others prove little.
bool TooManySkipped(const Findings &findings, int runs_per_skipped = Scenario().runs_per_skipped);

// The tests of each scenario, in torture.cc: they run those three.
class Torture : public LeakCheckedTest, public ::testing::WithParamInterface<Scenario> {};

// How googletest names a scenario, and shows it.
inline std::string ScenarioName(const ::testing::TestParamInfo<Scenario> &test) {
  return test.param.name;
}
inline void PrintTo(const Scenario &scenario, std::ostream *out) { *out << scenario.name; }

}  // namespace weir_testing

#endif  // WEIR_TESTING_TORTURE_H
