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

class WriteChannel : public weir_testing::ChannelTest {
 protected:
  static int Fully(ScriptedTransport &script, const std::string &data, size_t *done = nullptr) {
    return weir_write_fully(&script.connection()->writer, data.data(), data.size(), done);
  }

  static int Line(ScriptedTransport &script, const std::string &line) {
    return weir_write_line(&script.connection()->writer, weir_bytes_of(line.data(), line.size()));
  }

  static int Flush(ScriptedTransport &script) { return weir_flush(&script.connection()->writer); }

  static void Configure(ScriptedTransport &script, size_t capacity) {
    weir_write_channel_options options = {};
    options.capacity = capacity;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
  }

  static size_t Pending(ScriptedTransport &script) {
    return weir_internal_writer_pending(&script.connection()->writer);
  }
};

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

TEST_F(WriteChannel, ReachingTheCapacitySendsAtOnceWithoutWaiting) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 8);
    EXPECT_EQ(0, Fully(script, "1234567"));
    EXPECT_EQ(Writes{}, script.writes());
    EXPECT_EQ(0, Fully(script, "8"));
    EXPECT_EQ(Writes{"12345678"}, script.writes());
    script.SetRoom(3);
    EXPECT_EQ(0, Fully(script, "abcdefgh"));  // does not wait, though not all of it left
    EXPECT_EQ("12345678abc", script.sent());
    EXPECT_EQ(5u, Pending(script));
    script.SetRoom(ScriptedTransport::kUnlimited);
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

TEST_F(WriteChannel, AFailureOfTheTransportStays) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "lost"));
    script.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, Flush(script));
    script.FailWrites(0);
    EXPECT_EQ(-EPIPE, Flush(script));
    EXPECT_EQ(-EPIPE, Line(script, "x"));
    EXPECT_EQ(-EPIPE, weir_write_format(script.writer(), "x"));
    EXPECT_EQ(-EPIPE, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-EPIPE, weir_connection_close(script.connection()));
    EXPECT_EQ("", script.sent());
  });
}

TEST_F(WriteChannel, AFailureWhileTheCapacityIsReachedIsToldToTheNextWrite) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4);
    script.FailWrites(-ECONNRESET);
    EXPECT_EQ(0, Fully(script, "abcd"));
    EXPECT_EQ(4u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(-ECONNRESET, Fully(script, "e"));
    EXPECT_EQ(4u, weir_total_bytes_written(script.writer()));
  });
}

TEST_F(WriteChannel, ATimeoutOfTheTransportStaysToo) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "lost"));
    // What the kernel says of a peer that no longer acknowledges, no deadline of ours.
    script.FailWrites(-ETIMEDOUT);
    EXPECT_EQ(-ETIMEDOUT, Flush(script));
    script.FailWrites(0);
    EXPECT_EQ(-ETIMEDOUT, Flush(script));
  });
}

TEST_F(WriteChannel, NoMemoryInTheTransportDoesNotStay) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "kept"));
    script.FailWrites(-ENOMEM);
    EXPECT_EQ(-ENOMEM, Flush(script));
    script.FailWrites(0);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("kept\r\n", script.sent());
    // Nor when it was met on the way, by a write that needed no room.
    Configure(script, 4);
    script.FailWrites(-ENOMEM);
    EXPECT_EQ(0, Fully(script, "abcd"));
    EXPECT_EQ(-ENOMEM, Fully(script, "e"));
    script.FailWrites(0);
    EXPECT_EQ(0, Fully(script, "e"));
    EXPECT_EQ("kept\r\nabcde", script.sent());
  });
}

TEST_F(WriteChannel, NoMemoryForTheBufferTakesNothing) {
  WithScript([this](ScriptedTransport &script) {
    for (int what = 0; what < 4; what++) {
      // The first failing write finds the pool's allocation before its own.
      allocator().FailNth(what == 0 ? 2 : 1);
      if (what == 0) {
        EXPECT_EQ(-ENOMEM, Line(script, "x"));
      } else if (what == 1) {
        EXPECT_EQ(-ENOMEM, Fully(script, "x"));
      } else if (what == 2) {
        EXPECT_EQ(-ENOMEM, weir_write_format(script.writer(), "%d", 5));
      } else {
        EXPECT_EQ(-ENOMEM, weir_write_string(script.writer(), "x"));
      }
      EXPECT_TRUE(allocator().refused());
      allocator().FailNth(0);
    }
    EXPECT_EQ(0u, Pending(script));
    EXPECT_EQ(0, Line(script, "later"));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("later\r\n", script.sent());
  });
}

TEST_F(WriteChannel, FormatPrintsIntoTheChannel) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_format(script.writer(), "%s=%d;", "answer", 42));
    EXPECT_EQ(0, weir_write_format(script.writer(), "%5.2f|", 3.14159));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("answer=42; 3.14|", script.sent());
  });
}

TEST_F(WriteChannel, FormatOfEverySizeAroundTheCapacity) {
  for (int size = 0; size <= 40; size++) {
    for (int before = 0; before <= 16; before++) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, 16);
        std::string expected(static_cast<size_t>(before), 'b');
        EXPECT_EQ(0, Fully(script, expected));
        EXPECT_EQ(0, weir_write_format(script.writer(), "%*d", size, 7));
        expected += std::string(static_cast<size_t>(size < 1 ? 0 : size - 1), ' ') + "7";
        EXPECT_EQ(0, Flush(script));
        EXPECT_EQ(expected, script.sent()) << size << " " << before;
      });
    }
  }
}

TEST_F(WriteChannel, AFormatThatDoesNotFitAndFindsNoMemoryTakesNothing) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 16);
    EXPECT_EQ(0, Fully(script, "before"));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_write_format(script.writer(), "%100d", 1));
    allocator().FailNth(0);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("before", script.sent());
  });
}

TEST_F(WriteChannel, FormatReportsWhatPrintfRefuses) {
  WithScript([](ScriptedTransport &script) {
    // Through a pointer, because compilers refuse it as well.
    int (*volatile write_format)(weir_write_channel *, const char *, ...) = weir_write_format;
    EXPECT_EQ(-EOVERFLOW, write_format(script.writer(), "%2147483648d", 1));
    const wchar_t no_character[] = {static_cast<wchar_t>(0x7FFFFFFF), 0};
    EXPECT_EQ(-EINVAL, weir_write_format(script.writer(), "%ls", no_character));
    EXPECT_EQ(0u, Pending(script));
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

TEST_F(WriteChannel, ACloseWhoseFlushFailsMayBeCalledAgain) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(4);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_write_channel_close(script.writer()); }));
    EXPECT_EQ(0, script.finished());
    EXPECT_EQ(0, Line(script, "still open"));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ("last words\r\nstill open\r\n", script.sent());
    EXPECT_EQ(1, script.finished());
  });
}

TEST_F(WriteChannel, AFailureToEndTheStreamStays) {
  WithScript([](ScriptedTransport &script) {
    script.FailFinish(-ENOTCONN);
    EXPECT_EQ(-ENOTCONN, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-ENOTCONN, Line(script, "x"));
    EXPECT_EQ(-ENOTCONN, weir_connection_close(script.connection()));
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
