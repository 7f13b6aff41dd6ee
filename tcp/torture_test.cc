// SPDX-License-Identifier: Apache-2.0
//
// Conversations from bind to close, again and again: each time another allocation or system call
// fails, with each error that it may give, until the conversation passes untouched. Whatever fails,
// nothing may leak, hang or crash, and nothing may be claimed that did not happen.

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "testing/failing_calls.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
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

// What both sides do with their connection before they close it.
struct Scenario {
  const char *name;
  const char *host;  // nullptr is the dual-stack listener
  int (*serve)(weir_connection *connection);
  int (*ask)(weir_connection *connection, Outcome *outcome);
  size_t transfer_limit;  // of each system call, 0 for none
  size_t capacity;        // of the server's output, 0 for the default
  int every;              // after the first calls, only each so manyth fails
};

void PrintTo(const Scenario &scenario, std::ostream *out) { *out << scenario.name; }

// A line there, and the same line back.

int AnswerALine(weir_connection *connection) {
  weir_bytes line;
  int result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) result = weir_write_line(weir_open_write_channel(connection, true), line);
  return result;
}

int SendALine(weir_connection *connection, const std::string &question, Outcome *outcome) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  int result = weir_write_line(output, weir_text(question.c_str()));
  if (result == 0) result = weir_write_channel_close(output);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) outcome->answered = question == std::string(line.data, line.size);
  if (result == 0) {
    result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
    if (result == WEIR_E_END_OF_STREAM) result = 0;
  }
  return result;
}

int AskALine(weir_connection *connection, Outcome *outcome) {
  return SendALine(connection, std::string(1000, 'q'), outcome);
}

int AskAShortLine(weir_connection *connection, Outcome *outcome) {
  return SendALine(connection, "short", outcome);
}

// Megabytes to a slow reader.

const std::string &Megabytes() {
  static const auto *data = new std::string(weir_testing::Pattern(3 << 20));
  return *data;
}

// Writes with auto-flush, and returns when all is written, but not sent. With |turns| the hook
// sends a part again and again, and the loop another when the kernel takes more.
int WriteMegabytes(weir_connection *connection, bool turns) {
  weir_write_channel *output = weir_open_write_channel(connection, true);
  const std::string &data = Megabytes();
  const size_t piece = 256 << 10;
  for (size_t at = 0; at < data.size(); at += piece) {
    int result = weir_write_fully(output, data.data() + at, piece, nullptr);
    if (result == 0 && turns) result = weir_yield();
    if (result < 0) return result;
  }
  return 0;
}

// Goes elsewhere until the reader has read everything, while the loop sends.
int ServeMegabytes(weir_connection *connection) {
  int result = WriteMegabytes(connection, true);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  return result;
}

// Leaves it all to the close.
int CloseWithMegabytes(weir_connection *connection) { return WriteMegabytes(connection, false); }

int ReadSlowly(weir_connection *connection, Outcome *outcome) {
  const std::string &data = Megabytes();
  std::string received(data.size(), '\0');
  size_t done = 0;
  while (done < data.size()) {
    size_t piece = std::min<size_t>(128 << 10, data.size() - done);
    size_t count = 0;
    int result =
        weir_read_fully(weir_open_read_channel(connection), &received[done], piece, &count);
    if (result < 0) return result;
    done += count;
    for (int i = 0; i < 3 && result == 0; i++) result = weir_yield();
    if (result < 0) return result;
  }
  outcome->answered = data == received;
  return 0;
}

int ThankForMegabytes(weir_connection *connection, Outcome *outcome) {
  int result = ReadSlowly(connection, outcome);
  if (result < 0) return result;
  return weir_write_line(weir_open_write_channel(connection, true), weir_text("thanks"));
}

// Answers with more than the server's close drops in one turn.
int ReadToTheEndAndFlood(weir_connection *connection, Outcome *outcome) {
  int result = ReadSlowly(connection, outcome);
  char more[1];
  if (result == 0) {
    result = weir_read_available(weir_open_read_channel(connection), more, sizeof more);
    if (result > 0) outcome->answered = false;
    if (result == WEIR_E_END_OF_STREAM) result = 0;
  }
  if (result < 0) return result;
  const std::string &flood = Megabytes();
  return weir_write_fully(weir_open_write_channel(connection, true), flood.data(), 1 << 20,
                          nullptr);
}

int Serve(const Scenario &scenario, weir_listener *listener) {
  weir_connection *connection = nullptr;
  int result = weir_accept(listener, &connection);
  if (result < 0) return result;
  result = scenario.serve(connection);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

int Ask(const Scenario &scenario, uint16_t port, Outcome *outcome) {
  weir_connection *connection = nullptr;
  const char *host = scenario.host == nullptr ? "::1" : scenario.host;
  int result = weir_tcp_connect(weir_tcp(weir_current_selector()), &connection, host, port);
  if (result < 0) return result;
  result = scenario.ask(connection, outcome);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

// Server and client fail together, so that neither waits for one that is gone.
int TalkTogether(const Scenario &scenario, weir_listener *listener, Outcome *outcome) {
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  if (result < 0) return result;
  const uint16_t port = weir_listener_port(listener);
  result = LaunchCoroutine([=] { return Serve(scenario, listener); }, scope);
  if (result == 0) result = LaunchCoroutine([=] { return Ask(scenario, port, outcome); }, scope);
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

int Talk(const Scenario &scenario, Outcome *outcome) {
  weir_listener *listener = nullptr;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.write.capacity = scenario.capacity;
  int result = weir_tcp_bind(tcp, &listener, scenario.host, 0);
  if (result < 0) return result;
  weir_timeout timeout = weir_timeout_begin(10 * WEIR_SECOND);
  result = TalkTogether(scenario, listener, outcome);
  outcome->expired = weir_timeout_end(timeout);
  int closed = weir_listener_close(listener);
  return result < 0 ? result : closed;
}

Outcome RunConversation(const Scenario &scenario, FailingCalls &calls) {
  calls.LimitTransfers(scenario.transfer_limit);
  Outcome outcome;
  weir_selector_options options = {};
  options.cancel_on_interrupt = true;
  options.system_calls = calls.table();
  outcome.result = RunCoroutine([&] { return Talk(scenario, &outcome); }, &options);
  return outcome;
}

class Torture : public weir_testing::LeakCheckedTest,
                public ::testing::WithParamInterface<Scenario> {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    descriptors_ = OpenDescriptorCount();
  }

  // Runs the conversation and checks what must hold in any case. Returns false when it does not.
  bool RunAndCheck(FailingCalls &calls) {
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

  // How far it is to the next call that fails.
  static int Stride(int nth) {
    const int first_calls = 60;
    return nth < first_calls ? 1 : GetParam().every;
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
  for (int nth = 1;; nth += Stride(nth)) {
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
  for (int nth = 1; reached; nth += Stride(nth)) {
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

const char kLocal[] = "127.0.0.1";
const size_t kRoom = 4 << 20;

INSTANTIATE_TEST_SUITE_P(
    Scenarios, Torture,
    ::testing::Values(Scenario{"Line", kLocal, AnswerALine, AskALine, 0, 0, 1},
                      Scenario{"LineByName", "localhost", AnswerALine, AskALine, 0, 0, 1},
                      Scenario{"LineOnBothStacks", nullptr, AnswerALine, AskALine, 0, 0, 1},
                      Scenario{"LineByOneByte", kLocal, AnswerALine, AskAShortLine, 1, 0, 1},
                      Scenario{"LineByTwoBytes", kLocal, AnswerALine, AskAShortLine, 2, 0, 1},
                      Scenario{"LineByThreeBytes", kLocal, AnswerALine, AskAShortLine, 3, 0, 1},
                      Scenario{"Megabytes", kLocal, ServeMegabytes, ThankForMegabytes, 0, kRoom, 7},
                      Scenario{"MegabytesWithLittleRoom", kLocal, ServeMegabytes, ThankForMegabytes,
                               0, 0, 7},
                      Scenario{"CloseWithMegabytes", kLocal, CloseWithMegabytes,
                               ReadToTheEndAndFlood, 0, kRoom, 7}),
    [](const ::testing::TestParamInfo<Scenario> &test) { return test.param.name; });

}  // namespace
