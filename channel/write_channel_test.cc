// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/scripted_transport.h"
#include "testing/write_test.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using weir_testing::Writes;

class WriteChannel : public weir_testing::WriteTest {};

TEST_F(WriteChannel, NothingLeavesBeforeTheFlush) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_string(script.writer(), "one "));
    EXPECT_EQ(0, Line(script, "two"));
    EXPECT_EQ(0, Fully(script, "three"));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_EQ(Writes{}, script.writes());
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ(Writes{"one two\r\nthree"}, script.writes());
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ(1, script.writes_tried());
  });
}

TEST_F(WriteChannel, AnEmptyChannelHoldsNoBuffer) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_string(script.writer(), ""));
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
    EXPECT_EQ(0, weir_write_format(script.writer(), "%s", ""));
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
    EXPECT_EQ(0, Line(script, "x"));
    EXPECT_NE(nullptr, script.connection()->writer.buffer);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
  });
}

TEST_F(WriteChannel, NothingMayBeWrittenFromNowhere) {
  WithScript([](ScriptedTransport &script) {
    size_t done = 7;
    EXPECT_EQ(0, weir_write_fully(script.writer(), nullptr, 0, &done));
    EXPECT_EQ(0u, done);
    EXPECT_EQ(0, weir_write_line(script.writer(), weir_bytes_of(nullptr, 0)));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("\r\n", script.sent());
  });
}

TEST_F(WriteChannel, WhatDoesNotFitLeavesTogetherWithWhatWaits) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 16);
    EXPECT_EQ(0, Line(script, "short"));
    std::string large(100, 'x');
    EXPECT_EQ(0, Line(script, large));
    EXPECT_EQ(Writes{"short\r\n" + large + "\r\n"}, script.writes());
    EXPECT_EQ(3, script.last_write_buffers());
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
  });
}

TEST_F(WriteChannel, ALargeWriteIsNeverCopied) {
  WithScript([this](ScriptedTransport &script) {
    std::string large(10000000, 'x');
    script.LimitWrites(1000000);
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    EXPECT_EQ(0, Fully(script, large));
    EXPECT_EQ(0, Flush(script));
    EXPECT_LT(allocator().peak_block_bytes() - before, 20000);
    EXPECT_EQ(10u, script.writes().size());
    EXPECT_EQ(large, script.sent());
  });
}

// Many small parts come together in the buffer, whatever stands between them.
TEST_F(WriteChannel, ManySmallPartsLeaveInFewWrites) {
  for (size_t limit : {ScriptedTransport::kUnlimited, size_t{5000}}) {
    WithScript([&](ScriptedTransport &script) {
      script.LimitWrites(limit);
      std::vector<weir_bytes> parts;
      std::string expected;
      const std::string large(50000, 'L');
      for (int i = 0; i < 100000; i++) {
        parts.push_back(weir_bytes_of(&"xyz"[i % 3], i % 4 == 3 ? 0 : 1));
        if (i % 30000 < 29999) continue;
        parts.push_back(weir_bytes_of(large.data(), large.size()));
      }
      for (weir_bytes part : parts) expected.append(part.data, part.size);
      size_t done = 0;
      int count = static_cast<int>(parts.size());
      EXPECT_EQ(0, weir_write_gather(script.writer(), parts.data(), count, &done));
      EXPECT_EQ(0, Flush(script));
      EXPECT_EQ(expected.size(), done);
      EXPECT_TRUE(expected == script.sent());
      EXPECT_GT(limit == 5000 ? 80 : 20, script.writes_tried());
    });
  }
}

// Whatever sizes the transport takes, the peer gets the bytes in their order, once.
TEST_F(WriteChannel, PartialWritesAtEveryByteLoseAndRepeatNothing) {
  for (size_t capacity : {1, 2, 5, 8, 20, 64}) {
    for (size_t limit = 1; limit <= 40; limit++) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, capacity);
        script.LimitWrites(limit);
        std::string expected;
        for (size_t size = 0; size < 24; size++) {
          std::string line(size, static_cast<char>('a' + size));
          EXPECT_EQ(0, Line(script, line));
          EXPECT_EQ(0, Fully(script, line));
          expected += line + "\r\n" + line;
        }
        EXPECT_EQ(0, Flush(script));
        EXPECT_EQ(expected, script.sent()) << capacity << " " << limit;
      });
    }
  }
}

// The same when the transport says EAGAIN after every few bytes, and another coroutine makes room.
TEST_F(WriteChannel, WaitingAfterEveryByteLosesAndRepeatsNothing) {
  for (size_t capacity : {1, 3, 8, 32}) {
    for (size_t step = 1; step <= 12; step++) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, capacity);
        script.SetRoom(0);
        bool done = false;
        Start([&] {
          while (!done) {
            script.AddRoom(step);
            EXPECT_EQ(0, weir_yield());
          }
          return 0;
        });
        std::string expected;
        for (size_t size = 0; size < 12; size++) {
          std::string line(size, static_cast<char>('a' + size));
          EXPECT_EQ(0, Line(script, line));
          EXPECT_LE(Pending(script), capacity);
          expected += line + "\r\n";
        }
        EXPECT_EQ(0, Flush(script));
        EXPECT_EQ(expected, script.sent()) << capacity << " " << step;
        done = true;
        EXPECT_EQ(0, weir_scope_wait(nullptr));
      });
    }
  }
}

TEST_F(WriteChannel, AWriteWaitsWhileThereIsNoRoom) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    EXPECT_EQ(0, Fully(script, "abcd"));
    bool written = false;
    Start([&] {
      int result = Fully(script, "ef");
      written = true;
      return result;
    });
    EXPECT_FALSE(written);
    script.AddRoom(1);  // one byte of room is not enough for both
    EXPECT_EQ(0, weir_yield());
    EXPECT_FALSE(written);
    script.AddRoom(1);
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(written);
    EXPECT_EQ("ab", script.sent());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("abcdef", script.sent());
  });
}

TEST_F(WriteChannel, ADeadlineTakesAllOrNothingOfWhatFitsTheCapacity) {
  for (size_t room = 0; room <= 12; room++) {
    WithScript([&](ScriptedTransport &script) {
      Configure(script, 8);
      script.SetRoom(0);
      EXPECT_EQ(0, Fully(script, "abcdef"));
      script.SetRoom(room);
      int result = AtOnce([&] { return Line(script, "xyz"); });
      // Room for 3 of what waits makes room for the line.
      EXPECT_EQ(room >= 3 ? 0 : -ETIMEDOUT, result) << room;
      script.SetRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ(0, Flush(script));
      EXPECT_EQ(result == 0 ? "abcdefxyz\r\n" : "abcdef", script.sent()) << room;
    });
  }
}

TEST_F(WriteChannel, ADeadlineTellsHowMuchOfALargeWriteWasTaken) {
  for (size_t room = 0; room <= 30; room++) {
    WithScript([&](ScriptedTransport &script) {
      Configure(script, 8);
      script.SetRoom(0);
      EXPECT_EQ(0, Fully(script, "abc"));
      script.SetRoom(room);
      const std::string large = "0123456789ABCDEFGHIJ";
      size_t done = 99;
      int result = AtOnce([&] { return Fully(script, large, &done); });
      EXPECT_EQ(room >= 3 + 12 ? 0 : -ETIMEDOUT, result) << room;
      if (result == 0) {
        EXPECT_EQ(large.size(), done);
      }
      script.SetRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ(0, Flush(script));
      EXPECT_EQ("abc" + large.substr(0, done), script.sent()) << room;
    });
  }
}

TEST_F(WriteChannel, ADeadlineInAFlushKeepsTheRest) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(2);
    EXPECT_EQ(0, Fully(script, "abcdef"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Flush(script); }));
    EXPECT_EQ("ab", script.sent());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_EQ("ab", script.sent());  // no auto-flush: it stays
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("abcdef", script.sent());
  });
}

TEST_F(WriteChannel, CancellationEndsAWriteAndTheNextWriterGoesOn) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    weir_job *job;
    int result = 0;
    Start(
        [&] {
          EXPECT_EQ(0, Fully(script, "abcd"));
          return Fully(script, "e");
        },
        &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, &result));
    EXPECT_EQ(-ECANCELED, result);
    weir_job_close(job);
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, Fully(script, "fg"));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("abcdfg", script.sent());
  });
}

TEST_F(WriteChannel, ASecondWriterIsRefusedAndTheFirstUndisturbed) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    Start([&] { return Fully(script, "abcdefgh"); });
    EXPECT_EQ(-EBUSY, Fully(script, "x"));
    EXPECT_EQ(-EBUSY, Line(script, "x"));
    EXPECT_EQ(-EBUSY, weir_write_string(&script.connection()->writer, "x"));
    EXPECT_EQ(-EBUSY, weir_write_format(&script.connection()->writer, "x"));
    EXPECT_EQ(-EBUSY, Flush(script));
    EXPECT_EQ(-EBUSY, weir_write_channel_close(&script.connection()->writer));
    EXPECT_EQ(-EBUSY, weir_write_channel_configure(&script.connection()->writer, nullptr));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("abcdefgh", script.sent());
  });
}

TEST_F(WriteChannel, ConfigureChecksItsOptions) {
  WithScript([](ScriptedTransport &script) {
    weir_write_channel_options options = {};
    options.capacity = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_write_channel_configure(script.writer(), &options));
    options.capacity = size_t{1} << 30;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), nullptr));
    EXPECT_EQ(0, Line(script, "x"));
    EXPECT_EQ(-EBUSY, weir_write_channel_configure(script.writer(), nullptr));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), nullptr));
  });
}

TEST_F(WriteChannel, ClosingItFlushesAndEndsTheStreamButReadingGoesOn) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ("last words\r\n", script.sent());
    EXPECT_EQ(1, script.finished());
    EXPECT_EQ(WEIR_E_CLOSED, Line(script, "x"));
    EXPECT_EQ(WEIR_E_CLOSED, weir_write_format(script.writer(), "x"));
    EXPECT_EQ(WEIR_E_CLOSED, Flush(script));
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ(1, script.finished());
    script.Feed("answer\n");
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    EXPECT_EQ("answer", Text(line));
    EXPECT_EQ(0, weir_connection_close(script.connection()));
    EXPECT_EQ(1, script.finished());
  });
}

TEST_F(WriteChannel, ALongWriteThatNeverWaitsLetsOthersRun) {
  WithScript([](ScriptedTransport &script) {
    script.LimitWrites(100);
    bool done = false;
    int others = 0;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                while (!done) {
                  EXPECT_EQ(0, weir_yield());
                  others++;
                }
                return 0;
              }));
    EXPECT_EQ(0, Fully(script, std::string(100000, 'x')));
    EXPECT_GE(others, 10);
    done = true;
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(WriteChannel, ALargeWriteCutShortLeavesNoEmptyBufferBehind) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Fully(script, "abc"));
    script.SetRoom(10);
    size_t done = 0;
    std::string large(20000, 'x');
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Fully(script, large, &done); }));
    EXPECT_EQ(7u, done);
    EXPECT_EQ(nullptr, script.connection()->writer.buffer);
  });
}

}  // namespace
