// SPDX-License-Identifier: Apache-2.0
//
// What all reads that suspend have in common: who may call them, and what ends their wait.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/read_operations.h"
#include "testing/reader_model.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ReadOperation;
using weir_testing::ReadOutcome;
using weir_testing::ScriptedTransport;

// Each of them waits in a stream that begins with "ab" and has not ended.
std::vector<ReadOperation> AllReads() {
  using namespace weir_testing;
  weir_read_until_options options = {};
  return {
      ExactlyOperation(3),
      PacketOperation(3),
      PeekOperation(3),
      SpanAndConsumeOperation(3),
      AwaitOperation(3),
      SkipIfFoundOperation("abc"),
      DiscardOperation(3, false),
      DiscardOperation(3, true),
      RemainingOperation(100),
      UntilOperation("--", options),
      AppendUntilOperation("--", options),
      LineOperation("strict line", weir_read_line_strict, true),
      LineOperation("strict UTF-8 line", weir_read_utf8_line_strict, true),
      AppendLineOperation("append line", weir_append_line),
      AppendLineOperation("append UTF-8 line", weir_append_utf8_line),
  };
}

class EveryRead : public weir_testing::ChannelTest {
 protected:
  // Runs |body| for each read that is suspended in a coroutine, with "ab" there, and closes the
  // connection unless that did it. Returns with what the reads gave.
  void WithSuspended(std::function<void(ScriptedTransport &)> body,
                     std::function<void(const ReadOutcome &)> check) {
    for (const ReadOperation &operation : AllReads()) {
      SCOPED_TRACE(operation.name);
      ReadOutcome outcome = {12345};
      WithScript([&](ScriptedTransport &script) {
        weir_read_channel *reader = script.reader();
        script.Feed("ab");
        Start([&, reader] {
          outcome = operation.read(reader, {});
          return 0;
        });
        EXPECT_EQ(12345, outcome.result);
        body(script);
        EXPECT_EQ(0, weir_scope_wait(nullptr));
      });
      check(outcome);
    }
  }
};

TEST_F(EveryRead, IsWokenByWhatItWaitsFor) {
  WithSuspended(
      [](ScriptedTransport &script) {
        for (char byte : std::string("c\n--")) script.Feed(std::string(1, byte));
        script.FeedEnd();
      },
      [](const ReadOutcome &outcome) { EXPECT_GE(outcome.result, 0); });
}

TEST_F(EveryRead, RefusesASecondReader) {
  WithSuspended(
      [](ScriptedTransport &script) {
        for (const ReadOperation &operation : AllReads()) {
          EXPECT_EQ((ReadOutcome{-EBUSY}), operation.read(script.reader(), {}));
        }
        char byte;
        weir_bytes bytes;
        EXPECT_EQ(-EBUSY, weir_read_try(script.reader(), &byte, 1));
        EXPECT_EQ(-EBUSY, weir_read_span(script.reader(), 0, &bytes));
        EXPECT_EQ(-EBUSY, weir_read_consume(script.reader(), 0));
        EXPECT_EQ(-EBUSY, weir_read_exhausted(script.reader()));
        script.FeedEnd();
      },
      [](const ReadOutcome &outcome) { EXPECT_NE(-EBUSY, outcome.result); });
}

// The channel is gone when the read returns.
TEST_F(EveryRead, IsEndedByAClose) {
  WithSuspended(
      [](ScriptedTransport &script) {
        EXPECT_EQ(0, weir_connection_close(script.connection()));
        EXPECT_TRUE(script.released());
      },
      [](const ReadOutcome &outcome) { EXPECT_EQ(WEIR_E_CLOSED, outcome.result); });
}

TEST_F(EveryRead, IsEndedByAnAbort) {
  WithSuspended([](ScriptedTransport &script) { weir_connection_abort(script.connection()); },
                [](const ReadOutcome &outcome) { EXPECT_EQ(-ECONNABORTED, outcome.result); });
}

TEST_F(EveryRead, IsEndedByAFailureOfTheTransport) {
  WithSuspended([](ScriptedTransport &script) { script.FeedFailure(-ECONNRESET); },
                [](const ReadOutcome &outcome) { EXPECT_EQ(-ECONNRESET, outcome.result); });
}

TEST_F(EveryRead, FailsOutsideACoroutine) {
  ScriptedTransport script;
  for (const ReadOperation &operation : AllReads()) {
    EXPECT_EQ((ReadOutcome{-EINVAL}), operation.read(script.reader(), {})) << operation.name;
  }
  char byte;
  EXPECT_EQ(-EINVAL, weir_read_try(script.reader(), &byte, 1));
  EXPECT_EQ(-EINVAL, weir_read_consume(script.reader(), 0));
  EXPECT_EQ(-EINVAL, weir_read_exhausted(script.reader()));
  EXPECT_EQ(0, RunLoop([&] { return weir_connection_close(script.connection()); }));
}

TEST_F(EveryRead, TakesNothingInACancelledCoroutine) {
  for (const ReadOperation &operation : AllReads()) {
    SCOPED_TRACE(operation.name);
    WithScript([&](ScriptedTransport &script) {
      script.Feed("abc\n--");
      weir_job *job;
      EXPECT_EQ(0, weir_testing::LaunchCoroutine(
                       [&] {
                         char byte;
                         ReadOutcome outcome = operation.read(script.reader(), {});
                         EXPECT_EQ((ReadOutcome{-ECANCELED}), outcome);
                         EXPECT_EQ(-ECANCELED, weir_read_try(script.reader(), &byte, 1));
                         return 0;
                       },
                       nullptr, &job));
      weir_job_cancel(job);
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      weir_job_close(job);
      EXPECT_EQ(0, script.reads_tried());
    });
  }
}

// A peer that always has one more byte must not keep others from running.
TEST_F(EveryRead, LetsOthersRunThoughItNeverWaits) {
  using namespace weir_testing;
  weir_read_until_options options = {};
  const std::string expected(2000, 'x');
  for (const ReadOperation &operation :
       {ExactlyOperation(2000), SkipIfFoundOperation(expected), DiscardOperation(2000, true),
        RemainingOperation(3000), UntilOperation("-", options),
        AppendUntilOperation("-", options)}) {
    SCOPED_TRACE(operation.name);
    WithScript([&](ScriptedTransport &script) {
      for (char byte : expected + "-") script.Feed(std::string(1, byte));
      script.FeedEnd();
      bool done = false;
      int others = 0;
      EXPECT_EQ(0, LaunchCoroutine([&] {
                  while (!done) {
                    EXPECT_EQ(0, weir_yield());
                    others++;
                  }
                  return 0;
                }));
      EXPECT_GE(operation.read(script.reader(), {}).result, 0);
      EXPECT_GE(others, 10);
      done = true;
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    });
  }
}

}  // namespace
