// SPDX-License-Identifier: Apache-2.0
//
// One conversation from bind to close, again and again: each time another allocation or system call
// fails, with each error that it may give, until the conversation passes untouched. Whatever fails,
// nothing may leak, hang or crash, and nothing may be claimed that did not happen.

#include <gtest/gtest.h>

#include <string>

#include "testing/failing_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/tcp.h"

namespace {

using weir_testing::FailingCalls;
using weir_testing::LaunchCoroutine;
using weir_testing::OpenDescriptorCount;
using weir_testing::RunCoroutine;

// How far the conversation came.
struct Outcome {
  int result = 0;
  bool answered = false;  // the client got its answer, and it was the right one
  bool expired = false;   // the deadline was needed
};

int Serve(weir_listener *listener) {
  weir_connection *connection = nullptr;
  int result = weir_accept(listener, &connection);
  if (result < 0) return result;
  weir_bytes line;
  result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) result = weir_write_line(weir_open_write_channel(connection, true), line);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

int Ask(uint16_t port, const char *host, Outcome *outcome) {
  weir_connection *connection = nullptr;
  int result = weir_tcp_connect(weir_tcp(weir_current_selector()), &connection, host, port);
  if (result < 0) return result;
  weir_write_channel *output = weir_open_write_channel(connection, false);
  const std::string question(1000, 'q');
  result = weir_write_line(output, weir_text(question.c_str()));
  if (result == 0) result = weir_write_channel_close(output);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) outcome->answered = question == std::string(line.data, line.size);
  if (result == 0) {
    result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
    if (result == WEIR_E_END_OF_STREAM) result = 0;
  }
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

// Server and client fail together, so that neither waits for one that is gone.
int TalkTogether(weir_listener *listener, const char *host, Outcome *outcome) {
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  if (result < 0) return result;
  const uint16_t port = weir_listener_port(listener);
  result = LaunchCoroutine([=] { return Serve(listener); }, scope);
  if (result == 0) result = LaunchCoroutine([=] { return Ask(port, host, outcome); }, scope);
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

int Talk(const char *host, Outcome *outcome) {
  weir_listener *listener = nullptr;
  int result = weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, host, 0);
  if (result < 0) return result;
  weir_timeout timeout = weir_timeout_begin(10 * WEIR_SECOND);
  result = TalkTogether(listener, host == nullptr ? "::1" : host, outcome);
  outcome->expired = weir_timeout_end(timeout);
  int closed = weir_listener_close(listener);
  return result < 0 ? result : closed;
}

Outcome RunConversation(const char *host, const FailingCalls &calls) {
  Outcome outcome;
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  options.system_calls = calls.table();
  outcome.result = RunCoroutine([&] { return Talk(host, &outcome); }, &options);
  return outcome;
}

class Torture : public weir_testing::LeakCheckedTest,
                public ::testing::WithParamInterface<const char *> {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    descriptors_ = OpenDescriptorCount();
  }

  // Runs the conversation and checks what must hold in any case. Returns false when it does not.
  bool RunAndCheck(const FailingCalls &calls) {
    Outcome outcome = RunConversation(GetParam(), calls);
    EXPECT_FALSE(outcome.expired) << "it hung";
    EXPECT_LE(outcome.result, 0);
    EXPECT_STRNE("UNKNOWN", weir_error_name(outcome.result));
    // Success means that it happened; a failure has a code of its own.
    EXPECT_TRUE(outcome.result < 0 || outcome.answered);
    EXPECT_NE(-ECANCELED, outcome.result) << "the cause is lost";
    EXPECT_EQ(0, allocator().outstanding());
    EXPECT_EQ(descriptors_, OpenDescriptorCount());
    return !HasFailure();
  }

 private:
  int descriptors_ = 0;
};

TEST_P(Torture, PassesUntouched) {
  FailingCalls calls;
  EXPECT_TRUE(RunAndCheck(calls));
  EXPECT_EQ(0, RunConversation(GetParam(), calls).result);
}

TEST_P(Torture, SurvivesEachFailingAllocation) {
  FailingCalls calls;
  int runs = 0;
  for (int nth = 1;; nth++) {
    allocator().FailNth(nth);
    bool good = RunAndCheck(calls);
    bool refused = allocator().refused();
    allocator().FailNth(0);
    ASSERT_TRUE(good) << "with allocation " << nth << " failing";
    if (!refused) break;
    runs++;
  }
  RecordProperty("runs", runs);
  EXPECT_GE(runs, 10);
}

TEST_P(Torture, SurvivesEachFailingSystemCall) {
  FailingCalls calls;
  int runs = 0;
  bool reached = true;
  for (int nth = 1; reached; nth++) {
    reached = false;
    bool failed = true;
    for (size_t which = 0; failed; which++) {
      calls.FailNth(nth, which);
      bool good = RunAndCheck(calls);
      reached = calls.reached();
      failed = calls.failed();
      ASSERT_TRUE(good) << "with call " << nth << " failing: " << calls.description();
      runs += failed;
    }
  }
  RecordProperty("runs", runs);
  EXPECT_GE(runs, 100);
}

// NULL is the dual-stack listener.
INSTANTIATE_TEST_SUITE_P(Hosts, Torture, ::testing::Values("127.0.0.1", "localhost", nullptr));

}  // namespace
