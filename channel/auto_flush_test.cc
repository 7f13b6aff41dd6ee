// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using Writes = std::vector<std::string>;

class AutoFlush : public weir_testing::ChannelTest {
 protected:
  static int Line(ScriptedTransport &script, const char *line) {
    return weir_write_line(&script.connection()->writer, weir_text(line));
  }
};

TEST_F(AutoFlush, ABatchOfLinesLeavesInOneWriteWhenTheCoroutineSuspends) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    for (int i = 0; i < 16; i++) EXPECT_EQ(0, Line(script, "line"));
    EXPECT_EQ(0, script.writes_tried());
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(1, script.writes_tried());
    EXPECT_EQ(std::string(16 * 6, ' ').size(), script.sent().size());
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(1, script.writes_tried());
  });
}

TEST_F(AutoFlush, AnEchoOfLinesReadTogetherIsOneReadAndOneWrite) {
  WithScript([this](ScriptedTransport &script) {
    script.writer(true);
    Start([&] {
      weir_bytes line;
      int result;
      while ((result = weir_read_utf8_line(script.reader(), &line)) == 0) {
        EXPECT_EQ(0, weir_write_line(&script.connection()->writer, line));
      }
      return result == WEIR_E_END_OF_STREAM ? 0 : result;
    });
    int reads = script.reads_tried();
    script.Feed("1\r\n22\r\n333\r\n4444\r\n");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Writes{"1\r\n22\r\n333\r\n4444\r\n"}, script.writes());
    // One that takes, and one that waits for more.
    EXPECT_EQ(2, script.reads_tried() - reads);
    script.FeedEnd();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(AutoFlush, AYieldAndTheEndOfTheCoroutineSendToo) {
  WithScript([this](ScriptedTransport &script) {
    script.writer(true);
    EXPECT_EQ(0, Line(script, "before the yield"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Writes{"before the yield\r\n"}, script.writes());
    Start([&] { return Line(script, "last line"); });
    EXPECT_EQ((Writes{"before the yield\r\n", "last line\r\n"}), script.writes());
  });
}

TEST_F(AutoFlush, SeveralChannelsOfOneCoroutineAllSend) {
  EXPECT_EQ(0, RunLoop([] {
              ScriptedTransport first, second;
              first.writer(true);
              second.writer(true);
              EXPECT_EQ(0, Line(first, "to the first"));
              EXPECT_EQ(0, Line(second, "to the second"));
              EXPECT_EQ(0, weir_yield());
              EXPECT_EQ("to the first\r\n", first.sent());
              EXPECT_EQ("to the second\r\n", second.sent());
              EXPECT_EQ(0, weir_connection_close(first.connection()));
              return weir_connection_close(second.connection());
            }));
}

TEST_F(AutoFlush, WhatTheTransportDoesNotTakeTheLoopSendsLater) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(3);
    EXPECT_EQ(0, Line(script, "abcdef"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("abc", script.sent());
    EXPECT_TRUE(script.watched());
    script.SetRoom(2);
    EXPECT_EQ("abcde", script.sent());
    EXPECT_TRUE(script.watched());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("abcdef\r\n", script.sent());
    EXPECT_FALSE(script.watched());
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
  });
}

TEST_F(AutoFlush, ALineWrittenMeanwhileGoesBehind) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "first"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    int tried = script.writes_tried();
    EXPECT_EQ(0, Line(script, "second"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(tried, script.writes_tried());  // the loop is at it, nothing is tried in vain
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(Writes{"first\r\nsecond\r\n"}, script.writes());
  });
}

TEST_F(AutoFlush, AFlushTakesOverFromTheLoop) {
  WithScript([this](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "line"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    bool flushed = false;
    Start([&] {
      int result = weir_flush(&script.connection()->writer);
      flushed = true;
      return result;
    });
    EXPECT_FALSE(script.watched());
    EXPECT_FALSE(flushed);
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(flushed);
    EXPECT_EQ(Writes{"line\r\n"}, script.writes());
  });
}

TEST_F(AutoFlush, AFlushThatIsCutShortGivesTheRestBackToTheLoop) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(2);
    EXPECT_EQ(0, Line(script, "line"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_flush(&script.connection()->writer); }));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("line\r\n", script.sent());
  });
}

TEST_F(AutoFlush, AWriteWithoutRoomTakesOverAndGivesBackToo) {
  WithScript([](ScriptedTransport &script) {
    weir_write_channel_options options = {};
    options.capacity = 8;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(true), &options));
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "first"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Line(script, "second"); }));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("first\r\n", script.sent());
  });
}

TEST_F(AutoFlush, WhatACancelledCoroutineWroteStillLeaves) {
  WithScript([this](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    weir_job *job;
    Start(
        [&] {
          EXPECT_EQ(0, Line(script, "last words"));
          return weir_delay(WEIR_FOREVER);
        },
        &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("last words\r\n", script.sent());
  });
}

// The entry of an operation lets others run now and then. What was written before is left to the
// operation then; when it does not come about, that must not be forgotten.
TEST_F(AutoFlush, WhatWasWrittenLeavesAlthoughTheNextOperationIsCancelledAtItsEntry) {
  using Operation = int (*)(weir_write_channel *);
  const Operation operations[] = {
      [](weir_write_channel *writer) { return weir_write_string(writer, "x"); },
      [](weir_write_channel *writer) { return weir_write_await_room(writer, 1); },
      [](weir_write_channel *writer) { return weir_write_available(writer, "x", 1); },
      [](weir_write_channel *writer) { return weir_write_gather(writer, nullptr, 0, nullptr); },
      [](weir_write_channel *writer) { return weir_write_format(writer, "x"); },
  };
  for (Operation operation : operations) {
    WithScript([&](ScriptedTransport &script) {
      weir_write_channel *writer = script.writer(true);
      weir_job *job;
      Start(
          [&] {
            int result = Line(script, "first");
            while (result == 0 || result == 1) result = operation(writer);
            EXPECT_EQ(-ECANCELED, result);
            EXPECT_LT(0u, weir_write_pending(writer));
            weir_shield shield = weir_shield_begin();
            EXPECT_EQ(0, weir_delay(WEIR_SECOND));
            EXPECT_EQ(0u, weir_write_pending(writer));
            weir_shield_end(shield);
            return 0;
          },
          &job);
      weir_job_cancel(job);
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      weir_job_close(job);
      EXPECT_EQ(weir_total_bytes_written(writer), script.sent().size());
    });
  }
}

// The same for those that do not come back to their entry: wherever that falls.
TEST_F(AutoFlush, WhatWasWrittenLeavesAlthoughAFlushOrCloseIsCancelledAtItsEntry) {
  for (auto operation : {weir_flush, weir_write_channel_close}) {
    int cancelled = 0;
    for (int before = 0; before < 200; before++) {
      WithScript([&](ScriptedTransport &script) {
        weir_write_channel *writer = script.writer(true);
        weir_job *job;
        Start(
            [&] {
              int result = Line(script, "line");
              for (int i = 0; i < before && result == 0; i++) {
                result = weir_write_await_room(writer, 1);
              }
              if (result == 0 && operation(writer) == -ECANCELED) cancelled++;
              return 0;
            },
            &job);
        weir_job_cancel(job);
        EXPECT_EQ(0, weir_job_wait(job, nullptr));
        weir_job_close(job);
        EXPECT_EQ("line\r\n", script.sent());
      });
    }
    EXPECT_LT(0, cancelled);
  }
}

TEST_F(AutoFlush, AFailureInTheBackgroundIsToldToTheNextOperation) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    EXPECT_EQ(0, Line(script, "lost"));
    script.FailWrites(-EPIPE);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, script.aborted());  // the peer is gone by itself
    EXPECT_EQ(-EPIPE, Line(script, "x"));
    EXPECT_EQ(-EPIPE, weir_flush(&script.connection()->writer));
    EXPECT_EQ(-EPIPE, weir_connection_close(script.connection()));
  });
}

TEST_F(AutoFlush, AFailureWhileTheLoopWatchesIsToldToo) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "lost"));
    EXPECT_EQ(0, weir_yield());
    script.FailWrites(-ECONNRESET);
    EXPECT_FALSE(script.watched());
    EXPECT_EQ(-ECONNRESET, Line(script, "x"));
  });
}

// A reader may wait for the answer to what was lost: the connection must not look alive.
TEST_F(AutoFlush, AFailureOfOurOwnInTheBackgroundBreaksTheConnection) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    script.FailWatch(-ENOSPC);
    EXPECT_EQ(0, Line(script, "lost"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(1, script.aborted());
    EXPECT_EQ(-ENOSPC, Line(script, "x"));
  });
}

TEST_F(AutoFlush, TurnedOnLaterItSendsWhatWasWrittenBefore) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_line(script.writer(false), weir_text("line")));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("", script.sent());
    script.writer(true);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("line\r\n", script.sent());
  });
}

TEST_F(AutoFlush, TurnedOffItSendsNothingMore) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_line(script.writer(true), weir_text("line")));
    script.writer(false);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("", script.sent());
    EXPECT_EQ(0, weir_flush(script.writer(false)));
    EXPECT_EQ("line\r\n", script.sent());
  });
}

TEST_F(AutoFlush, TheLoopStaysUntilTheOutputIsSentOrItsDrainTimeIsOver) {
  weir_testing::VirtualLoop loop;
  ScriptedTransport script;
  script.SetRoom(0);
  int64_t before = loop.now();
  EXPECT_EQ(0, loop.Run([&] { return weir_write_line(script.writer(true), weir_text("line")); }));
  // Nobody made room. The bytes are still there for a second run.
  EXPECT_EQ(before + WEIR_SECOND, loop.now());
  EXPECT_FALSE(script.watched());
  script.SetRoom(ScriptedTransport::kUnlimited);
  EXPECT_EQ(0, loop.Run([&] { return weir_connection_close(script.connection()); }));
  EXPECT_EQ("line\r\n", script.sent());
}

// The first line leaves it to the coroutine to send, the second one to the loop.
TEST_F(AutoFlush, ALineThatFillsTheBufferBehindOthersIsSentByTheLoopAlone) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    std::string half(16384 / 2 - 2, 'x');
    EXPECT_EQ(0, Line(script, half.c_str()));
    EXPECT_FALSE(script.watched());
    EXPECT_EQ(0, Line(script, half.c_str()));
    EXPECT_TRUE(script.watched());
    int writes = script.writes_tried();
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(writes, script.writes_tried());
    EXPECT_TRUE(script.watched());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(half + "\r\n" + half + "\r\n", script.sent());
    EXPECT_FALSE(script.watched());
  });
}

TEST_F(AutoFlush, AClientThatNeverReadsCostsAtMostOneCapacity) {
  WithScript([this](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    std::string line(1000, 'x');
    size_t lines = 0;
    while (AtOnce([&] { return Line(script, line.c_str()); }) == 0) lines++;
    EXPECT_EQ(16u, lines);
    EXPECT_LE(allocator().peak_block_bytes() - before, 16384 + 1024);
    script.SetRoom(ScriptedTransport::kUnlimited);
  });
}

}  // namespace
