// SPDX-License-Identifier: Apache-2.0

#include "testing/torture.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "testing/counted_waits.h"
#include "testing/failing_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr int64_t kDeadline = 10 * WEIR_SECOND;
constexpr unsigned kAlarmSeconds = 40;  // for a run that ignores its deadline
constexpr int kEachOfTheFirst = 60;
constexpr int kAttempts = 60;  // to meet the same call again

char alarm_message[256];

void TellAndDie(int) {
  ssize_t written = write(STDERR_FILENO, alarm_message, strlen(alarm_message));
  static_cast<void>(written);
  raise(SIGALRM);  // which has its ordinary effect now
}

// While it exists the process must not take long, or it dies and says |during| what.
class Watch {
 public:
  Watch(const std::string &scenario, const std::string &during) {
    snprintf(alarm_message, sizeof alarm_message, "%s never ended, with %s\n", scenario.c_str(),
             during.c_str());
    struct sigaction action = {};
    action.sa_handler = TellAndDie;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    sigaction(SIGALRM, &action, &previous_);
    seconds_left_ = alarm(kAlarmSeconds);
  }
  ~Watch() {
    alarm(seconds_left_);
    sigaction(SIGALRM, &previous_, nullptr);
  }
  Watch(const Watch &) = delete;
  Watch &operator=(const Watch &) = delete;

 private:
  struct sigaction previous_;
  unsigned seconds_left_;
};

// A scenario with all that it must leave as it was.
class Rack {
 public:
  Rack(const Scenario &scenario, CountingAllocator &allocator)
      : scenario_(scenario),
        allocator_(allocator),
        virtual_calls_(clock_.options().system_calls),
        calls_(scenario.virtual_time ? *virtual_calls_ : CountedWaits::Kernel()),
        outstanding_(allocator.outstanding()),
        block_bytes_(allocator.block_bytes()),
        descriptors_(OpenDescriptorCount()) {
    calls_.LimitTransfers(scenario.transfer_limit);
  }

  FailingCalls &calls() { return calls_; }

  // How far it is to the next one that fails.
  int Stride(int nth) const { return nth < kEachOfTheFirst ? 1 : scenario_.stride; }

  // Runs the scenario once, with |failing| as it was set up before. Returns what is wrong; if
  // nothing, "".
  std::string Run(const std::string &failing) {
    Watch watch(scenario_.name, failing);
    outcome_ = scenario_.run(calls_.table());
    std::string wrong = WrongOutcome();
    Count(&wrong, allocator_.outstanding() - outstanding_, "blocks or mapped areas leaked");
    Count(&wrong, allocator_.block_bytes() - block_bytes_, "bytes leaked");
    Count(&wrong, OpenDescriptorCount() - descriptors_, "file descriptors leaked");
    return wrong;
  }

  int result() const { return outcome_.result; }

 private:
  static void Add(std::string *wrong, const std::string &what) {
    *wrong += (wrong->empty() ? "" : "; ") + what;
  }

  static void Count(std::string *wrong, long count, const char *of_what) {
    if (count != 0) Add(wrong, std::to_string(count) + " " + of_what);
  }

  // What must not be, whatever failed.
  std::string WrongOutcome() const {
    const std::string name = weir_error_name(outcome_.result);
    std::string wrong;
    if (outcome_.expired) Add(&wrong, "it hung until the deadline");
    if (outcome_.result > 0) Add(&wrong, "a result above 0");
    if (name == "UNKNOWN") Add(&wrong, "no such error: " + std::to_string(outcome_.result));
    if (outcome_.result == -ECANCELED) Add(&wrong, "the cause is lost: the result is ECANCELED");
    if (outcome_.result == 0 && !outcome_.happened) Add(&wrong, "it claims what did not happen");
    return wrong;
  }

  const Scenario &scenario_;
  CountingAllocator &allocator_;
  VirtualClock clock_;
  const weir_internal_system_calls *virtual_calls_;
  FailingCalls calls_;
  long outstanding_;
  long block_bytes_;
  int descriptors_;
  Outcome outcome_;
};

// Runs once with a failure that was set up as |text| says. Returns whether something failed.
bool RunFailing(Rack &rack, int nth, const std::string &text, Findings *findings) {
  findings->first = rack.Run("call " + std::to_string(nth) + " failing, " + text);
  const FailingCalls &calls = rack.calls();
  if (!calls.failed()) {
    findings->failed = "nothing";
    findings->again.clear();
    return false;
  }
  findings->runs++;
  const std::string number = std::to_string(calls.failed_number());
  const std::string error = calls.failed_error();
  findings->failed = "call " + number + ", " + CallName(calls.failed_call()) + ": " + error;
  findings->again = number + ":" + error;
  return true;
}

// Fails the |nth| call with each error that it may give, until something is found. Which call that
// is may differ from run to run, with the kernel and other processes. So the first run decides, and
// the others fail the first call of this kind from there on, or are tried again if none comes.
// Returns whether there is such a call.
bool FailWithEach(Rack &rack, int nth, Findings *findings) {
  rack.calls().FailNth(nth, 0);
  if (!RunFailing(rack, nth, "with its first error", findings)) return rack.calls().reached();
  const Call call = rack.calls().failed_call();
  for (size_t place = 1; place < ErrorCount(call) && findings->first.empty(); place++) {
    const std::string text =
        "as " + std::string(CallName(call)) + ", with its error " + std::to_string(place + 1);
    bool failed = false;
    for (int i = 0; i < kAttempts && !failed && findings->first.empty(); i++) {
      rack.calls().FailNthOnly(nth, call, place);
      failed = RunFailing(rack, nth, text, findings);
    }
    if (!failed && findings->first.empty()) findings->skipped++;
  }
  return true;
}

// Fails the |nth| call with the error of that name, as soon as it is one that may give it.
void FailWith(Rack &rack, const Failure &which, Findings *findings) {
  bool failed = false;
  for (int i = 0; i < kAttempts && !failed && findings->first.empty(); i++) {
    rack.calls().FailNthWith(which.nth, which.error);
    failed = RunFailing(rack, which.nth, "with " + which.error, findings);
  }
}

// From the environment: WEIR_TORTURE=17 or 17:EPIPE.
Failure ChosenFailure() {
  const char *text = getenv("WEIR_TORTURE");
  if (text == nullptr) return {};
  char *end = nullptr;
  const int nth = static_cast<int>(strtol(text, &end, 10));
  EXPECT_TRUE(nth > 0 && (*end == '\0' || *end == ':')) << "WEIR_TORTURE is " << text;
  return {nth, *end == ':' ? end + 1 : ""};
}

// The command that runs one failure again.
std::string CommandFor(const std::string &failure) {
  const auto *test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = std::string(test->test_suite_name()) + "." + test->name();
  const char *target = getenv("TEST_TARGET");
  if (target == nullptr) {
    return "WEIR_TORTURE=" + failure + " " + program_invocation_name + " --gtest_filter=" + name;
  }
  return std::string("./bazelw test ") + target + " --test_filter=" + name +
         " --test_env=WEIR_TORTURE=" + failure;
}

void Expect(const Findings &findings, int least, const Scenario &scenario) {
  ::testing::Test::RecordProperty("runs", findings.runs);
  ::testing::Test::RecordProperty("skipped", findings.skipped);
  if (!findings.first.empty()) {
    ADD_FAILURE() << "with " << findings.failed << " failing: " << findings.first << "\n"
                  << (findings.again.empty() ? "" : "again: " + CommandFor(findings.again));
  } else if (findings.runs < least) {
    ADD_FAILURE() << "runs in which something failed: " << findings.runs << ", least: " << least;
  } else if (TooManySkipped(findings, scenario.runs_per_skipped)) {
    ADD_FAILURE() << "errors that no run could give to the same call: " << findings.skipped
                  << ", beside " << findings.runs << " that were given";
  }
}

int RunBounded(const std::function<int(bool *happened)> &body, Outcome *outcome) {
  const int64_t deadline = weir_now() + kDeadline;
  weir_timeout timeout = weir_timeout_begin(kDeadline);
  weir_scope *scope = nullptr;
  int body_result = 0;
  int result = weir_scope_open(&scope, nullptr);
  // A coroutine of its own, because a deadline that it begins would not hold for those it launches.
  auto call = [&] { return body_result = body(&outcome->happened); };
  if (result == 0) result = LaunchCoroutine(call, scope);
  if (result == 0) result = weir_scope_wait(scope);
  weir_scope_close(scope);
  weir_timeout_end(timeout);
  outcome->expired = weir_now() >= deadline;
  return body_result < 0 ? body_result : result;
}

}  // namespace

ScenarioRun InCoroutine(std::function<int(bool *happened)> body, int loops) {
  return [body = std::move(body), loops](const weir_internal_system_calls *calls) {
    weir_selector_options options = {};
    options.loops = loops;
    options.cancel_on_interrupt = true;
    options.system_calls = calls;
    Outcome outcome;
    outcome.result = RunCoroutine([&] { return RunBounded(body, &outcome); }, &options);
    return outcome;
  };
}

Findings RunUntouched(const Scenario &scenario, CountingAllocator &allocator) {
  Rack rack(scenario, allocator);
  Findings findings;
  findings.failed = "nothing";
  findings.first = rack.Run("nothing failing");
  if (findings.first.empty() && rack.result() < 0) {
    findings.first = weir_error_name(rack.result());
  }
  return findings;
}

Findings FailAllocations(const Scenario &scenario, CountingAllocator &allocator,
                         const Failure &which) {
  Rack rack(scenario, allocator);
  Findings findings;
  bool refused = true;
  for (int nth = which.nth == 0 ? 1 : which.nth; refused; nth += rack.Stride(nth)) {
    findings.failed = "allocation " + std::to_string(nth);
    findings.again = std::to_string(nth);
    allocator.FailNth(nth);
    findings.first = rack.Run(findings.failed + " failing");
    refused = allocator.refused();
    findings.runs += refused;
    allocator.FailNth(0);
    if (!findings.first.empty() || which.nth != 0) break;
  }
  return findings;
}

Findings FailCalls(const Scenario &scenario, CountingAllocator &allocator, const Failure &which) {
  Rack rack(scenario, allocator);
  Findings findings;
  if (!which.error.empty()) {
    FailWith(rack, which, &findings);
    return findings;
  }
  bool reached = true;
  for (int nth = which.nth == 0 ? 1 : which.nth; reached; nth += rack.Stride(nth)) {
    reached = FailWithEach(rack, nth, &findings);
    if (!findings.first.empty() || which.nth != 0) break;
  }
  return findings;
}

bool TooManySkipped(const Findings &findings, int runs_per_skipped) {
  return findings.skipped * runs_per_skipped > findings.runs;
}

// torture_self_test.cc has no scenarios for them.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Torture);

TEST_P(Torture, PassesUntouched) { Expect(RunUntouched(GetParam(), allocator()), 0, GetParam()); }

TEST_P(Torture, SurvivesEachFailingAllocation) {
  const Failure chosen = ChosenFailure();
  Expect(FailAllocations(GetParam(), allocator(), chosen),
         chosen.nth == 0 ? GetParam().least_allocations : 1, GetParam());
}

TEST_P(Torture, SurvivesEachFailingSystemCall) {
  const Failure chosen = ChosenFailure();
  Expect(FailCalls(GetParam(), allocator(), chosen), chosen.nth == 0 ? GetParam().least_calls : 1,
         GetParam());
}

}  // namespace weir_testing
