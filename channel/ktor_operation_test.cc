// SPDX-License-Identifier: Apache-2.0
//
// Operations of Ktor's channels that are compositions here, and its scenarios of delimiters and
// copies, written afresh. docs/ktor-parity.md says which is which.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/pipe_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class KtorOperation : public weir_testing::PipeTest {
 protected:
  // peekTo: the bytes from |offset| on, at least |least| if the stream has them, |most| at most.
  static std::string PeekTo(weir_read_channel *channel, size_t offset, size_t least, size_t most) {
    weir_bytes bytes;
    int result = weir_read_span(channel, offset + least, &bytes);
    if (result < 0 && result != WEIR_E_END_OF_STREAM) return Name(result);
    return offset < bytes.size ? Text(bytes).substr(offset, most) : "";
  }

  static std::string Until(weir_read_channel *channel, const char *delimiter, size_t limit = 0,
                           bool allow_missing = false) {
    weir_read_until_options options = {limit, false, allow_missing};
    weir_bytes bytes;
    int result = weir_read_until(channel, weir_text(delimiter), &options, &bytes);
    return Text(bytes) + (result < 0 ? Name(result) : "");
  }

  // Runs |check| with a stream of |text|, in pieces of every size.
  void WithStream(const std::string &text, std::function<void(weir_read_channel *)> check) {
    for (size_t piece = 1; piece <= text.size(); piece++) {
      SCOPED_TRACE(piece);
      WithScript([&](ScriptedTransport &script) {
        for (size_t at = 0; at < text.size(); at += piece) script.Feed(text.substr(at, piece));
        script.FeedEnd();
        check(script.reader());
      });
    }
  }
};

TEST_F(KtorOperation, PeekWithEveryOffsetLeastAndMost) {
  const std::string text = "abcde";
  for (size_t offset = 0; offset <= 6; offset++) {
    for (size_t least = 0; least <= 6; least++) {
      for (size_t most = least; most <= 6; most++) {
        WithPipe({}, [&] {
          EXPECT_EQ(0, Send(text));
          EXPECT_EQ(0, weir_read_await(reader(), 5));
          bool waits = offset + least > text.size();
          std::string expected = offset < text.size() ? text.substr(offset, most) : "";
          if (waits) {
            weir_bytes bytes;
            EXPECT_EQ(-ETIMEDOUT,
                      AtOnce([&] { return weir_read_span(reader(), offset + least, &bytes); }));
            EXPECT_EQ(0, weir_write_channel_close(writer()));
          }
          EXPECT_EQ(expected, PeekTo(reader(), offset, least, most));
          EXPECT_EQ(0u, weir_total_bytes_read(reader()));
          EXPECT_EQ(text, Read(10));
        });
      }
    }
  }
}

TEST_F(KtorOperation, ReadAvailableWithALeast) {
  WithPipe({}, [this] {
    weir_bytes bytes;
    EXPECT_EQ(0, weir_read_span(reader(), 0, &bytes));
    EXPECT_EQ(0u, bytes.size);  // less than the three one wants, without a wait
    EXPECT_EQ(0, Send("abcd"));
    EXPECT_EQ(0, weir_read_span(reader(), 0, &bytes));
    EXPECT_EQ("abcd", Text(bytes));
    EXPECT_EQ(0, weir_read_consume(reader(), 1));  // partial consumption
    EXPECT_EQ("bcd", Read(10));
    EXPECT_EQ(-EAGAIN, weir_read_try(reader(), nullptr, 1));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_try(reader(), nullptr, 1));
  });
}

TEST_F(KtorOperation, SkipDelimiter) {
  WithStream("--end--x", [](weir_read_channel *channel) {
    EXPECT_EQ(1, weir_read_skip_if_found(channel, weir_text("--")));
    EXPECT_EQ(0, weir_read_skip_if_found(channel, weir_text("enD")));
    EXPECT_EQ(0, weir_read_skip_if_found(channel, weir_text("--")));
    EXPECT_EQ(2u, weir_total_bytes_read(channel));
    EXPECT_EQ(1, weir_read_skip_if_found(channel, weir_text("end--")));
    EXPECT_EQ(0, weir_read_skip_if_found(channel, weir_text("xy")));  // the end comes first
    EXPECT_EQ(1, weir_read_skip_if_found(channel, weir_text("x")));
    EXPECT_EQ(0, weir_read_skip_if_found(channel, weir_text("x")));
    EXPECT_EQ(8u, weir_total_bytes_read(channel));
  });
}

TEST_F(KtorOperation, SkipDelimiterWaitsForDelayedBytes) {
  WithPipe({}, [this] {
    int found = 12345;
    Start([&] {
      found = weir_read_skip_if_found(reader(), weir_text("abc"));
      return 0;
    });
    for (const char *byte : {"a", "b"}) {
      EXPECT_EQ(0, Send(byte));
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(12345, found);
    }
    EXPECT_EQ(0, Send("cd"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(1, found);
    EXPECT_EQ("d", Read(10));
  });
}

TEST_F(KtorOperation, ReadUntil) {
  WithStream(";a;;bc", [](weir_read_channel *channel) {
    EXPECT_EQ("<EINVAL>", Until(channel, ""));
    EXPECT_EQ("", Until(channel, ";"));  // at the start
    EXPECT_EQ("a", Until(channel, ";"));
    EXPECT_EQ("", Until(channel, ";"));
    EXPECT_EQ("<EMSGSIZE>", Until(channel, ";", 1));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Until(channel, ";", 2));
    EXPECT_EQ("bc", Until(channel, ";", 2, true));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Until(channel, ";", 2, true));
  });
}

TEST_F(KtorOperation, ReadUntilFindsWhatOverlapsItself) {
  WithStream("---done1--done2----done", [](weir_read_channel *channel) {
    EXPECT_EQ("-", Until(channel, "--done"));
    EXPECT_EQ("1", Until(channel, "--done"));
    EXPECT_EQ("2--", Until(channel, "--done"));
    EXPECT_EQ(1, weir_read_exhausted(channel));
  });
}

// readUntilDelimiter: the delimiter stays, to be skipped.
TEST_F(KtorOperation, ReadUntilDelimiterThenSkipIt) {
  WithStream("one\r\n\r\ntwo", [](weir_read_channel *channel) {
    weir_read_until_options keep = {};
    keep.keep = true;
    weir_bytes bytes;
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(0, weir_read_until(channel, weir_text("\r\n\r\n"), &keep, &bytes));
      EXPECT_EQ(i == 0 ? "one" : "", Text(bytes));
    }
    EXPECT_EQ(1, weir_read_skip_if_found(channel, weir_text("\r\n\r\n")));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_until(channel, weir_text("\r\n\r\n"), &keep, &bytes));
    EXPECT_EQ("two<WEIR_E_END_OF_STREAM>", Until(channel, "!", 0, true) + Until(channel, "!"));
  });
}

TEST_F(KtorOperation, APacketAcrossManyWrites) {
  WithPipe({1000, 0, 0}, [this] {
    const std::string packet = Pattern(16384);
    Start([&] {
      for (size_t at = 0; at < packet.size(); at += 99) EXPECT_EQ(0, Send(packet.substr(at, 99)));
      return 0;
    });
    weir_bytes bytes;
    EXPECT_EQ(0, weir_read_packet(reader(), packet.size(), &bytes));
    EXPECT_TRUE(packet == Text(bytes));
  });
}

TEST_F(KtorOperation, RemainingInPiecesAndOfAClosedChannel) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, Send("abcdef"));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    weir_buffer buffer = {};
    EXPECT_EQ(-EMSGSIZE, weir_read_remaining(reader(), &buffer, 4));
    EXPECT_EQ("abcd", Text(weir_buffer_bytes(&buffer)));
    EXPECT_EQ(0, weir_read_remaining(reader(), &buffer, 4));
    EXPECT_EQ("abcdef", Text(weir_buffer_bytes(&buffer)));
    EXPECT_EQ(0, weir_read_remaining(reader(), &buffer, 4));
    EXPECT_EQ(6u, buffer.size);
    weir_buffer_release(&buffer);
  });
}

TEST_F(KtorOperation, ExactReadsOfTooFewBytes) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, Send("abc"));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    weir_bytes bytes;
    char out[5] = "????";
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_packet(reader(), 4, &bytes));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_exactly(reader(), out, 4));
    EXPECT_STREQ("????", out);
    size_t done = 0;
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_fully(reader(), out, 4, &done));
    EXPECT_EQ(3u, done);  // told, so not lost
    EXPECT_STREQ("abc?", out);
  });
}

// Ktor's race of a copy with the close of its source, in which bytes or the end got lost.
TEST_F(KtorOperation, ACopyWhoseSourceClosesAnyTime) {
  for (unsigned round = 0; round < 10000; round++) {
    WithPipe({1 + round % 7, 1 + round % 5, 1 + round % 3}, [&] {
      weir_connection *first = nullptr, *second = nullptr;
      weir_pipe_options options = {1 + round % 4};
      EXPECT_EQ(0, weir_pipe(&first, &second, &options));
      uint64_t count = 99;
      Start([&] {
        return weir_copy_and_close(reader(), weir_open_write_channel(first, false), nullptr,
                                   &count);
      });
      const std::string text = Pattern(round % 23);
      Start([&] {
        EXPECT_EQ(0, round % 2 == 0 ? Send(text) : Write(text));
        for (unsigned i = 0; i < round % 11 % 4; i++) EXPECT_EQ(0, weir_yield());
        return weir_write_channel_close(writer());
      });
      std::string got(text.size() + 1, '?');
      size_t done = 0;
      EXPECT_EQ(WEIR_E_END_OF_STREAM,
                weir_read_fully(weir_open_read_channel(second), got.data(), got.size(), &done));
      EXPECT_EQ(text, got.substr(0, done));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(text.size(), count);
      weir_connection_close(first);
      weir_connection_close(second);
    });
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

TEST_F(KtorOperation, ACopyTellsACancelledSourceWithAndWithoutALimit) {
  for (uint64_t limit : {UINT64_MAX, uint64_t{100}}) {
    WithPipe({}, [&] {
      ScriptedTransport target;
      uint64_t count = 0;
      int result = 1;
      Start([&] {
        result = weir_copy_at_most(reader(), target.writer(), limit, nullptr, &count);
        return 0;
      });
      EXPECT_EQ(0, Send("before"));
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ("before", target.sent());  // flushed when the source ran dry
      weir_write_channel_cancel(writer(), -EPROTO);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(-EPROTO, result);
      EXPECT_EQ(6u, count);
      EXPECT_EQ(0, weir_write_channel_cause(target.writer()));  // which stays open
      weir_connection_close(target.connection());
    });
  }
}

}  // namespace
