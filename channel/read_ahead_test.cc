// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class ReadAhead : public weir_testing::ChannelTest {
 protected:
  static void Configure(ScriptedTransport &script, size_t capacity, size_t line_limit,
                        weir_line_ending ending = WEIR_LINE_LF, bool resynchronise = false) {
    weir_read_channel_options options = {capacity, line_limit, ending, resynchronise};
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
  }

  // A failure reads as its name in brackets.
  static std::string Try(ScriptedTransport &script, size_t size) {
    std::string out(size, '?');
    int result = weir_read_try(script.reader(), out.data(), size);
    return result < 0 ? std::string("<") + weir_error_name(result) + ">"
                      : out.substr(0, static_cast<size_t>(result));
  }

  static std::string Span(ScriptedTransport &script, size_t least) {
    weir_bytes bytes;
    int result = weir_read_span(script.reader(), least, &bytes);
    return Text(bytes) + (result < 0 ? std::string("<") + weir_error_name(result) + ">" : "");
  }
};

TEST_F(ReadAhead, TryGivesWhatIsThereAndNeverWaits) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ("<EAGAIN>", Try(script, 10));
    EXPECT_EQ("", Try(script, 0));
    script.Feed("abc");
    script.Feed("def");
    EXPECT_EQ("ab", Try(script, 2));
    EXPECT_EQ("c", Try(script, 10));
    EXPECT_EQ("def", Try(script, 10));
    script.FeedNothing();
    EXPECT_EQ("<EAGAIN>", Try(script, 10));
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
    script.FeedEnd();
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Try(script, 10));
    EXPECT_EQ(6u, weir_total_bytes_read(script.reader()));
  });
}

TEST_F(ReadAhead, TryNeverLetsOthersRun) {
  WithScript([](ScriptedTransport &script) {
    bool ran = false;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                ran = true;
                return 0;
              }));
    weir_bytes bytes;
    for (int i = 0; i < 10000; i++) {
      EXPECT_EQ("<EAGAIN>", Try(script, 1));
      EXPECT_EQ(0, weir_read_span(script.reader(), 0, &bytes));
      EXPECT_EQ(0, weir_read_consume(script.reader(), 0));
    }
    EXPECT_FALSE(ran);
  });
}

TEST_F(ReadAhead, TryReportsWhatTheTransportReports) {
  WithScript([](ScriptedTransport &script) {
    script.FeedFailure(-ECONNRESET);
    EXPECT_EQ("<ECONNRESET>", Try(script, 1));
  });
}

TEST_F(ReadAhead, TryDropsWhatIsToBeDropped) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4, 1, WEIR_LINE_ANY, true);
    weir_bytes line;
    script.Feed("a\r");
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    script.Feed("\n");
    EXPECT_EQ("<EAGAIN>", Try(script, 5));
    EXPECT_EQ(3u, weir_total_bytes_read(script.reader()));
    script.Feed("\r");
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    script.Feed("\n");
    script.Feed("b");
    EXPECT_EQ("b", Try(script, 5));
    script.Feed("too long");
    EXPECT_EQ(WEIR_E_LINE_TOO_LONG, weir_read_line(script.reader(), &line));
    while (Try(script, 5) == "<EAGAIN>" && weir_total_bytes_read(script.reader()) < 14) continue;
    script.Feed("\r\nc");
    EXPECT_EQ("c", Try(script, 5));
  });
}

TEST_F(ReadAhead, ExactlyReadsAllOrNothing) {
  WithScript([](ScriptedTransport &script) {
    char out[5] = "????";
    script.Feed("abc");
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_read_exactly(script.reader(), out, 4); }));
    EXPECT_STREQ("????", out);
    script.Feed("defg");
    EXPECT_EQ(0, weir_read_exactly(script.reader(), out, 4));
    EXPECT_STREQ("abcd", out);
    script.FeedEnd();
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_exactly(script.reader(), out, 4));
    EXPECT_STREQ("abcd", out);
    EXPECT_EQ(0, weir_read_exactly(script.reader(), out, 3));
    EXPECT_STREQ("efgd", out);
    EXPECT_EQ(0, weir_read_exactly(script.reader(), nullptr, 0));
  });
}

TEST_F(ReadAhead, TheLimitIsTheCapacityOrTheLineLimitAndTwo) {
  for (size_t capacity : {3, 4, 7, 20}) {
    for (size_t line_limit : {1, 2, 5, 18}) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, capacity, line_limit);
        size_t limit = std::max(capacity, line_limit + 2);
        weir_bytes bytes;
        std::string out(limit + 1, '?');
        EXPECT_EQ(-EMSGSIZE, weir_read_peek(script.reader(), limit + 1, &bytes));
        EXPECT_EQ(-EMSGSIZE, weir_read_packet(script.reader(), limit + 1, &bytes));
        EXPECT_EQ(-EMSGSIZE, weir_read_span(script.reader(), limit + 1, &bytes));
        EXPECT_EQ(-EMSGSIZE, weir_read_await(script.reader(), limit + 1));
        EXPECT_EQ(-EMSGSIZE, weir_read_exactly(script.reader(), out.data(), limit + 1));
        EXPECT_EQ(-EMSGSIZE, weir_read_await(script.reader(), SIZE_MAX));
        EXPECT_EQ(0, script.reads_tried());
        auto letter = [](size_t i) { return static_cast<char>('a' + i % 26); };
        for (size_t i = 0; i < limit * 3; i++) script.Feed(std::string(1, letter(i)));
        // Also where it does not begin at the beginning of the buffer.
        EXPECT_EQ("a", Try(script, 1));
        EXPECT_EQ(0, weir_read_peek(script.reader(), limit, &bytes));
        EXPECT_EQ(limit, bytes.size);
        EXPECT_EQ('b', bytes.data[0]);
        EXPECT_EQ(0, weir_read_packet(script.reader(), limit, &bytes));
        EXPECT_EQ(letter(limit), bytes.data[limit - 1]);
        EXPECT_EQ(0, weir_read_exactly(script.reader(), out.data(), limit));
        EXPECT_EQ(letter(2 * limit), out[limit - 1]);
      });
    }
  }
}

TEST_F(ReadAhead, PeekLeavesEverythingUnread) {
  WithScript([](ScriptedTransport &script) {
    weir_bytes bytes;
    script.Feed("abc");
    for (size_t size : {3, 0, 1, 2}) {
      EXPECT_EQ(0, weir_read_peek(script.reader(), size, &bytes));
      EXPECT_EQ(std::string("abc").substr(0, size), Text(bytes));
    }
    EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
    EXPECT_EQ(3u, weir_read_buffered(script.reader()));
    script.FeedEnd();
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_peek(script.reader(), 4, &bytes));
    EXPECT_EQ("abc", Text(bytes));
    EXPECT_EQ("abc", Try(script, 10));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_peek(script.reader(), 4, &bytes));
    EXPECT_EQ("", Text(bytes));
  });
}

// For those who look at the first bytes to tell a protocol.
TEST_F(ReadAhead, PeekThenALine) {
  WithScript([](ScriptedTransport &script) {
    weir_bytes bytes;
    for (char byte : std::string("GET /\r\nHost")) script.Feed(std::string(1, byte));
    EXPECT_EQ(0, weir_read_peek(script.reader(), 4, &bytes));
    EXPECT_EQ("GET ", Text(bytes));
    EXPECT_EQ(0, weir_read_utf8_line(script.reader(), &bytes));
    EXPECT_EQ("GET /", Text(bytes));
  });
}

TEST_F(ReadAhead, SpanGivesAllThatIsThere) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ("", Span(script, 0));
    script.Feed("abc");
    script.Feed("def");
    EXPECT_EQ("abc", Span(script, 0));
    EXPECT_EQ("abc", Span(script, 2));
    EXPECT_EQ("abcdef", Span(script, 4));
    EXPECT_EQ(0, weir_read_consume(script.reader(), 2));
    EXPECT_EQ("cdef", Span(script, 1));
    EXPECT_EQ(-EINVAL, weir_read_consume(script.reader(), 5));
    EXPECT_EQ(-EINVAL, weir_read_consume(script.reader(), SIZE_MAX));
    EXPECT_EQ("cdef", Span(script, 0));
    script.FeedEnd();
    EXPECT_EQ("cdef<WEIR_E_END_OF_STREAM>", Span(script, 5));
    EXPECT_EQ(0, weir_read_consume(script.reader(), 4));
    EXPECT_EQ("", Span(script, 0));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Span(script, 1));
  });
}

TEST_F(ReadAhead, ASpanIsNoLargerThanTheLimitAlthoughALineLeftMore) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 5, 8);
    script.Feed("0123456789a");
    weir_bytes line;
    EXPECT_EQ(WEIR_E_LINE_TOO_LONG, weir_read_line(script.reader(), &line));
    EXPECT_EQ("0123456789", Span(script, 0));
    EXPECT_EQ("0123456789", Span(script, 10));
    EXPECT_EQ(0, weir_read_consume(script.reader(), 10));
    EXPECT_EQ("a", Span(script, 0));
  });
}

TEST_F(ReadAhead, WhatRemainsOfASpanStaysValid) {
  WithScript([](ScriptedTransport &script) {
    weir_bytes bytes;
    script.Feed("abcdef");
    EXPECT_EQ(0, weir_read_span(script.reader(), 1, &bytes));
    for (size_t i = 0; i < bytes.size; i++) {
      EXPECT_EQ(0, weir_read_consume(script.reader(), 1));
      EXPECT_EQ("abcdef", Text(bytes));
    }
  });
}

TEST_F(ReadAhead, SkipIfFoundTakesOnlyWhatIsExpected) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abcab");
    EXPECT_EQ(0, weir_read_skip_if_found(script.reader(), weir_text("abd")));
    EXPECT_EQ(1, weir_read_skip_if_found(script.reader(), weir_text("abc")));
    EXPECT_EQ(1, weir_read_skip_if_found(script.reader(), weir_bytes_of(nullptr, 0)));
    script.FeedEnd();
    EXPECT_EQ(0, weir_read_skip_if_found(script.reader(), weir_text("abc")));
    EXPECT_EQ("ab", Try(script, 10));
    EXPECT_EQ(0, weir_read_skip_if_found(script.reader(), weir_text("a")));
  });
}

TEST_F(ReadAhead, SkipIfFoundAnswersAtTheFirstByteThatDiffers) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("ax");
    EXPECT_EQ(0, weir_read_skip_if_found(script.reader(), weir_text("abcdef")));
    EXPECT_EQ("ax", Try(script, 10));
    Configure(script, 4, 4);
    EXPECT_EQ(-EMSGSIZE, weir_read_skip_if_found(script.reader(), weir_text("1234567")));
  });
}

TEST_F(ReadAhead, ExhaustedWaitsForAByteOrTheEnd) {
  WithScript([this](ScriptedTransport &script) {
    int first = 12345;
    Start([&] {
      first = weir_read_exhausted(script.reader());
      return 0;
    });
    EXPECT_EQ(12345, first);
    script.Feed("a");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, first);
    EXPECT_EQ("a", Try(script, 1));
    script.FeedEnd();
    EXPECT_EQ(1, weir_read_exhausted(script.reader()));
    EXPECT_EQ(1, weir_read_exhausted(script.reader()));
  });
}

TEST_F(ReadAhead, AnIdleChannelHoldsNoBuffer) {
  WithScript([](ScriptedTransport &script) {
    weir_bytes bytes;
    script.Feed(std::string(40000, 'x'));
    EXPECT_EQ(0, weir_read_packet(script.reader(), 40000, &bytes));
    EXPECT_EQ(40000u, bytes.size);
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_read_await(script.reader(), 1); }));
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
  });
}

TEST_F(ReadAhead, TotalBytesReadCountsWhateverIsRead) {
  WithScript([](ScriptedTransport &script) {
    weir_bytes bytes;
    uint64_t done;
    std::string out(20000, '?');
    script.Feed("one\r\ntwo\n12345678");
    EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
    EXPECT_EQ(0, weir_read_line(script.reader(), &bytes));
    EXPECT_EQ(5u, weir_total_bytes_read(script.reader()));
    EXPECT_EQ(0, weir_read_until(script.reader(), weir_text("o"), nullptr, &bytes));
    EXPECT_EQ(8u, weir_total_bytes_read(script.reader()));
    EXPECT_EQ(0, weir_read_discard(script.reader(), 3, &done));
    EXPECT_EQ(11u, weir_total_bytes_read(script.reader()));
    script.Feed(std::string(30000, 'x'));
    EXPECT_EQ(0, weir_read_fully(script.reader(), out.data(), out.size(), nullptr));
    EXPECT_EQ(20011u, weir_total_bytes_read(script.reader()));
    EXPECT_GT(weir_read_buffered(script.reader()), 0u);
  });
}

}  // namespace
