// SPDX-License-Identifier: Apache-2.0
//
// Copies that end their target, or cancel it.

#include <gtest/gtest.h>

#include <string>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class CopyAndClose : public weir_testing::CopyTest {};

TEST_F(CopyAndClose, EndsTheTarget) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, "all of it", 2);
    uint64_t count = 0;
    EXPECT_EQ(0, weir_copy_and_close(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(9u, count);
    EXPECT_EQ("all of it", target.sent());
    EXPECT_EQ(1, target.finished());
  });
}

TEST_F(CopyAndClose, CancelsBothWhenItFails) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("partial");
    source.FeedFailure(-ECONNRESET);
    EXPECT_EQ(-ECONNRESET, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(-ECONNRESET, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(1, target.aborted());
    EXPECT_EQ(0, target.finished());
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("lost");
    target.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      return weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
    }));
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    weir_timeout timeout = weir_timeout_begin(0);  // before it begins
    EXPECT_EQ(-ETIMEDOUT, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    weir_timeout_end(timeout);
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
}

// Whoever closes the target of a copy that has not come to the end breaks the stream off.
TEST_F(CopyAndClose, DoesNotLetAClosedTargetLookComplete) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      int result = 0;
      Start([&] {
        result = weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
        return 0;
      });
      EXPECT_EQ(-ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(WEIR_E_CLOSED, result);
      EXPECT_EQ(1, target.aborted());
      EXPECT_EQ(0, target.finished());
    });
  }
}

TEST_F(CopyAndClose, AClosedTargetEndsBetweenPiecesOnly) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      Start([&] {
        EXPECT_EQ(WEIR_E_CLOSED, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
        return 0;
      });
      EXPECT_EQ(waits_for_source ? 0 : -ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(waits_for_source ? 0 : 1, target.aborted());
      EXPECT_EQ(waits_for_source ? 1 : 0, target.finished());
    });
  }
}

TEST_F(CopyAndClose, ThePeerOfAClosedTargetSeesThatItWasCutShort) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *from[2], *to[2];
              EXPECT_EQ(0, weir_pipe(&from[0], &from[1], nullptr));
              EXPECT_EQ(0, weir_pipe(&to[0], &to[1], nullptr));
              Start([&] {
                EXPECT_EQ(WEIR_E_CLOSED, weir_copy_and_close(weir_open_read_channel(from[1]),
                                                             weir_open_write_channel(to[0], false),
                                                             nullptr, nullptr));
                return 0;
              });
              EXPECT_EQ(0, weir_write_string(weir_open_write_channel(from[0], true), "a part"));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(to[0]));
              uint64_t count = 0;
              EXPECT_EQ(-ECONNRESET, weir_read_discard_exactly(weir_open_read_channel(to[1]),
                                                               UINT64_MAX, &count));
              for (weir_connection *each : {from[0], from[1], to[1]}) {
                weir_connection_abort(each);
                (void)weir_connection_close(each);
              }
              return 0;
            }));
}

// What another coroutine uses does not suffer from the end of the one that would copy.
TEST_F(CopyAndClose, AndATeeLeaveWhatOthersUse) {
  for (bool source_busy : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
      ScriptedTransport second;
      first.SetRoom(0);
      Start([&] {
        char byte;
        if (source_busy) return weir_read_exactly(source.reader(), &byte, 1);
        EXPECT_EQ(0, weir_write_string(first.writer(), "x"));
        return weir_flush(first.writer());
      });
      weir_timeout timeout = weir_timeout_begin(0);
      EXPECT_EQ(-EBUSY, weir_copy_and_close(source.reader(), first.writer(), nullptr, nullptr));
      EXPECT_EQ(-EBUSY, weir_tee(source.reader(), second.writer(), first.writer(), nullptr));
      EXPECT_EQ(-EBUSY, weir_tee(source.reader(), second.writer(), second.writer(), nullptr));
      weir_timeout_end(timeout);
      EXPECT_EQ(0, weir_read_channel_cause(source.reader()));
      EXPECT_EQ(0, weir_write_channel_cause(first.writer()));
      EXPECT_EQ(0, weir_write_channel_cause(second.writer()));
      first.SetRoom(ScriptedTransport::kUnlimited);
      source.Feed("x");
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      (void)weir_connection_close(second.connection());
    });
  }
}

}  // namespace
