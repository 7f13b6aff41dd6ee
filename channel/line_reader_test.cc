// SPDX-License-Identifier: Apache-2.0
//
// How lines are read: what waits, what stays after a failure, and what it takes of memory and
// system calls. What is a line is in line_table_test.cc.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/lines.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using namespace weir_testing;

class LineReader : public weir_testing::ChannelTest {};

TEST_F(LineReader, InvalidUtf8AtEveryPositionIsReportedAndConsumed) {
  for (size_t length = 1; length <= 24; length++) {
    for (size_t at = 0; at < length; at++) {
      for (const char *bad : {"\x80", "\xC0", "\xC3", "\xED", "\xF5", "\xFF"}) {
        WithScript([&](ScriptedTransport &script) {
          std::string line(length, 'x');
          line[at] = bad[0];
          script.Feed(line + "\r\nnext\n");
          EXPECT_EQ(Invalid(line), ReadLine(script.reader()));
          EXPECT_EQ(Ok("next"), ReadLine(script.reader()));
        });
      }
    }
  }
}

TEST_F(LineReader, ALoneCrIsAnsweredAtOnceAndItsLateLfDropped) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &kAny));
    script.Feed("hello\r");
    EXPECT_EQ(Ok("hello"), ReadLine(script.reader()));  // does not wait for more
    script.Feed("\nworld\r");
    EXPECT_EQ(Ok("world"), ReadLine(script.reader()));
    script.Feed("\n");
    script.FeedEnd();
    EXPECT_EQ(kEnd, ReadLine(script.reader()));
  });
}

TEST_F(LineReader, TheLateLfIsDroppedBeforeOtherReadsToo) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &kAny));
    char out[3] = "??";
    size_t done = 0;
    for (bool split : {false, true}) {
      script.Feed(split ? "header\r" : "header\r\nxy");
      EXPECT_EQ(Ok("header"), ReadLine(script.reader()));
      if (split) script.Feed("\nxy");
      EXPECT_EQ(0, weir_read_fully(script.reader(), out, 2, &done));
      EXPECT_STREQ("xy", out);
    }
    script.Feed("header\r");
    EXPECT_EQ(Ok("header"), ReadLine(script.reader()));
    script.Feed("\n");
    script.Feed("z");
    EXPECT_EQ(1, weir_read_available(script.reader(), out, 2));
    EXPECT_EQ('z', out[0]);
  });
}

TEST_F(LineReader, OnlyTheFirstLfBehindACrIsDropped) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &kAny));
    script.Feed("a\r");
    EXPECT_EQ(Ok("a"), ReadLine(script.reader()));
    script.Feed("\n\nb\n");
    EXPECT_EQ(Ok(""), ReadLine(script.reader()));
    EXPECT_EQ(Ok("b"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, ALineThatIsTooLongStaysToBeReadOtherwise) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = Limit(4);
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    script.Feed("abcdef");
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));
    char out[8] = {};
    EXPECT_EQ(0, weir_read_fully(script.reader(), out, 3, nullptr));
    EXPECT_STREQ("abc", out);
    script.Feed("g\n");
    EXPECT_EQ(Ok("defg"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, TheLimitIsReportedBeforeTheLineHasEnded) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = Limit(4, WEIR_LINE_LF, true);
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    script.Feed("abcde");
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));  // nothing more has come
    script.Feed("fg\nnext\n");
    EXPECT_EQ(Ok("next"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, SkippingALongLineIsResumedAfterACancelledWait) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = Limit(4, WEIR_LINE_LF, true);
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    script.Feed("abcdefgh");
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));
    for (int i = 0; i < 3; i++) {
      weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
      script.Feed("still the same line");
      EXPECT_EQ(-ETIMEDOUT, ReadLine(script.reader()).result);
      EXPECT_TRUE(weir_timeout_end(timeout));
    }
    script.Feed("its end\nnext\n");
    EXPECT_EQ(Ok("next"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, SkippingALongLineTakesBoundedMemory) {
  WithScript([this](ScriptedTransport &script) {
    weir_read_channel_options options = Limit(100, WEIR_LINE_LF, true);
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    for (int i = 0; i < 64; i++) script.Feed(std::string(16384, 'x'));
    script.Feed("\nnext\n");
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));
    EXPECT_EQ(Ok("next"), ReadLine(script.reader()));
    EXPECT_LT(allocator().peak_block_bytes() - before, 20000);
  });
}

TEST_F(LineReader, SkippingAnswersACrAndDropsItsLateLf) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = Limit(4, WEIR_LINE_ANY, true);
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    script.Feed("abcdefgh");
    EXPECT_EQ(kTooLong, ReadLine(script.reader()));
    script.Feed("ijk\r");
    script.Feed("\nnext\r");
    EXPECT_EQ(Ok("next"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, ADeadlineLosesNoByteOfAPartialLine) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("first ha");
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ((Line{-ETIMEDOUT, ""}), ReadLine(script.reader()));
    EXPECT_TRUE(weir_timeout_end(timeout));
    script.Feed("lf\r");
    timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ((Line{-ETIMEDOUT, ""}), ReadLine(script.reader()));
    EXPECT_TRUE(weir_timeout_end(timeout));
    script.Feed("\nsecond\n");
    EXPECT_EQ(Ok("first half"), ReadLine(script.reader()));
    EXPECT_EQ(Ok("second"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, AFailureOfTheTransportStaysAndLosesNoByteEither) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("partial");
    script.FeedFailure(-ECONNRESET);
    script.FeedEnd();
    EXPECT_EQ((Line{-ECONNRESET, ""}), ReadLine(script.reader()));
    // Not a last line: the stream did not end there, it broke.
    EXPECT_EQ((Line{-ECONNRESET, ""}), ReadLine(script.reader()));
    char bytes[16];
    EXPECT_EQ(7, weir_read_available(script.reader(), bytes, sizeof bytes));
    EXPECT_EQ("partial", std::string(bytes, 7));
    EXPECT_EQ(-ECONNRESET, weir_read_available(script.reader(), bytes, sizeof bytes));
  });
}

TEST_F(LineReader, ALineGrowsTheBufferUpToTheLimitAndNoFurther) {
  WithScript([this](ScriptedTransport &script) {
    std::string longest(65536, 'x');
    for (size_t at = 0; at < longest.size(); at += 1000) script.Feed(longest.substr(at, 1000));
    script.Feed("\r");
    script.Feed("\n");
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    EXPECT_EQ(Ok(longest), ReadLine(script.reader()));
    // Both buffers exist while the content moves from one to the other.
    EXPECT_LE(allocator().peak_block_bytes() - before, 16384 + 65536 + 2 * 64 + 1024);
    EXPECT_EQ(kTooLong.result, [&] {
      script.Feed(longest + "y\n");
      return ReadLine(script.reader()).result;
    }());
  });
}

TEST_F(LineReader, TheBufferShrinksWhenTheLongLineIsGone) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed(std::string(60000, 'x') + "\nshort\nha");
    EXPECT_EQ(60000u, ReadLine(script.reader()).text.size());
    EXPECT_EQ(Ok("short"), ReadLine(script.reader()));
    script.Feed("lf\n");
    EXPECT_EQ(Ok("half"), ReadLine(script.reader()));
    EXPECT_EQ(16384u + WEIR_INTERNAL_LINE_EXTRA, script.connection()->reader.size);
    // The large one waits in the pool.
    EXPECT_EQ(1u, script.connection()->pool->large_count);
    EXPECT_LT(allocator().block_bytes(), 65600 + 60000);
  });
}

// A read that fills all that was lent is followed by another one, which says that nothing is left.
TEST_F(LineReader, ALineOfTheCapacityOrTheLimitLeavesRoomThatSaysThatNothingIsLeft) {
  for (size_t size : {16383, 16384, 65536}) {
    WithScript([&](ScriptedTransport &script) {
      for (int i = 0; i < 3; i++) {
        int before = script.reads_tried();
        script.Feed(std::string(size, 'x') + "\r\n");
        EXPECT_EQ(size, ReadLine(script.reader()).text.size());
        EXPECT_EQ(size > 16384 && i == 0 ? 2 : 1, script.reads_tried() - before)
            << size << " " << i;
        EXPECT_GT(script.lent().at(0), size + 2 - (script.reads_tried() - before - 1) * 16387);
      }
    });
  }
}

// Text is checked ahead of the line that is read, so what was checked must not count when somebody
// reads on from the middle of a character, or when the buffer moves.
TEST_F(LineReader, AMistakeBehindACheckedLineIsFoundWhereverItIsCut) {
  const std::string stream = "gr\xC3\xBC\xC3\x9F\n\xE4\xBD\xA0\n\xF0\x9F\x98\x80!\nend\n";
  for (size_t at = 7; at < stream.size() - 4; at++) {
    for (size_t piece : {size_t{7}, size_t{11}, stream.size()}) {
      WithScript([&](ScriptedTransport &script) {
        script.Feed(stream.substr(0, piece));
        if (piece < stream.size()) script.Feed(stream.substr(piece));
        weir_bytes line;
        EXPECT_EQ(0, weir_read_utf8_line(script.reader(), &line));
        std::string skipped(at - 7 + 1, '?');
        EXPECT_EQ(0, weir_read_fully(script.reader(), skipped.data(), skipped.size(), nullptr));
        std::string rest = stream.substr(7 + skipped.size());
        rest = rest.substr(0, rest.find('\n'));
        bool cut = !rest.empty() && (rest[0] & 0xC0) == 0x80;
        EXPECT_EQ(cut ? WEIR_E_INVALID_UTF8 : 0, weir_read_utf8_line(script.reader(), &line)) << at;
        EXPECT_EQ(rest, Text(line));
      });
    }
  }
}

TEST_F(LineReader, OneWrongLineAmongManyIsFoundAndNoOther) {
  for (int wrong = 0; wrong < 100; wrong++) {
    WithScript([&](ScriptedTransport &script) {
      std::string stream;
      for (int i = 0; i < 100; i++) {
        stream += "line \xC3\xBC" + std::string(static_cast<size_t>(i), 'x');
        stream += i == wrong ? "\xE4\xBD\n" : "\r\n";
      }
      script.Feed(stream);
      weir_bytes line;
      for (int i = 0; i < 100; i++) {
        int expected = i == wrong ? WEIR_E_INVALID_UTF8 : 0;
        ASSERT_EQ(expected, weir_read_utf8_line(script.reader(), &line)) << i;
      }
    });
  }
}

TEST_F(LineReader, LongLinesOneAfterTheOtherTakeOneReadAndNoMemoryEach) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed(std::string(60000, 'x') + "\n");
    EXPECT_EQ(60000u, ReadLine(script.reader()).text.size());
    int reads = script.reads_tried();
    for (int i = 1; i <= 10; i++) {
      script.Feed(std::string(60000, 'y') + "\n");
      long before = allocator().outstanding();
      EXPECT_EQ(60000u, ReadLine(script.reader()).text.size());
      EXPECT_EQ(before, allocator().outstanding());
      EXPECT_EQ(reads + i, script.reads_tried());
    }
    // A short line ends that.
    script.Feed("short\n");
    EXPECT_EQ(Ok("short"), ReadLine(script.reader()));
    script.Feed("short\n");
    EXPECT_EQ(Ok("short"), ReadLine(script.reader()));
    EXPECT_EQ(std::vector<size_t>{16384 + WEIR_INTERNAL_LINE_EXTRA}, script.lent());
    EXPECT_EQ(1u, script.connection()->pool->large_count);
  });
}

TEST_F(LineReader, WithoutMemoryForALongLineItsBeginningIsReadFirst) {
  WithScript([this](ScriptedTransport &script) {
    weir_read_channel_options options = {};
    options.line_limit = 100000;  // whose buffers are not pooled
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    script.Feed(std::string(90000, 'x') + "\n");
    EXPECT_EQ(90000u, ReadLine(script.reader()).text.size());
    allocator().FailNth(1);
    script.Feed("short\n");
    EXPECT_EQ(Ok("short"), ReadLine(script.reader()));
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
  });
}

TEST_F(LineReader, EverySizeAroundTheCapacityAndTheLimitReadsTheSame) {
  for (size_t first = 0; first <= 42; first++) {
    for (size_t second = 0; second <= 42; second++) {
      WithScript([&](ScriptedTransport &script) {
        weir_read_channel_options options = {};
        options.capacity = 8;
        options.line_limit = 40;
        options.resynchronise = true;
        EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
        for (size_t size : {first, second, first}) script.Feed(std::string(size, 'x') + "\r\n");
        script.Feed("ends here");
        for (size_t size : {first, second, first}) {
          Line expected = size > 40 ? kTooLong : Ok(std::string(size, 'x'));
          ASSERT_EQ(expected, ReadLine(script.reader())) << first << " " << second;
        }
        char byte;
        ASSERT_EQ(1, weir_read_available(script.reader(), &byte, 1));
        ASSERT_EQ('e', byte);
      });
    }
  }
}

TEST_F(LineReader, ManyLinesOfAnyLengthComeThroughASmallBuffer) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = {};
    options.capacity = 64;
    options.line_limit = 300;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    std::string all;
    std::vector<std::string> lines;
    unsigned seed = 1;
    for (size_t i = 0; i < 2000; i++) {
      seed = seed * 1103515245 + 12345;
      lines.push_back(std::string(seed / 65536 % 301, static_cast<char>('a' + i % 26)));
      all += lines.back() + (i % 3 == 0 ? "\n" : "\r\n");
    }
    for (size_t at = 0; at < all.size();) {
      seed = seed * 1103515245 + 12345;
      size_t size = 1 + seed / 65536 % 97;
      script.Feed(all.substr(at, size));
      at += size;
    }
    for (const std::string &line : lines) EXPECT_EQ(Ok(line), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, ASpanStaysValidUntilTheNextReadWhateverElseHappens) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("kept\n");
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    // The channel has run dry, more comes, and the coroutine writes and suspends meanwhile.
    script.Feed("later\n");
    EXPECT_EQ(0, weir_write_line(script.writer(true), weir_text("answer")));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_EQ("kept", std::string(line.data, line.size));
    EXPECT_EQ(Ok("later"), ReadLine(script.reader()));
  });
}

TEST_F(LineReader, EveryAllocationMayFailAndTheLineIsReadLater) {
  const std::string line(40000, 'x');
  bool refused = true;
  for (int nth = 1; refused; nth++) {
    WithScript([&](ScriptedTransport &script) {
      script.Feed(line + "\n");
      script.FeedEnd();
      allocator().FailNth(nth);
      Line first = ReadLine(script.reader());
      refused = allocator().refused();
      allocator().FailNth(0);
      // The buffer and its growth are needed; the pool is not.
      EXPECT_EQ(nth == 2 || nth == 3 ? (Line{-ENOMEM, ""}) : Ok(line), first) << nth;
      if (first.result < 0) {
        EXPECT_EQ(Ok(line), ReadLine(script.reader())) << nth;
      }
      EXPECT_EQ(kEnd, ReadLine(script.reader())) << nth;
    });
  }
}

}  // namespace
