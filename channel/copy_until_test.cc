// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class CopyUntil : public weir_testing::CopyTest {};

TEST_F(CopyUntil, FindsTheDelimiterHoweverTheStreamIsCut) {
  struct Case {
    const char *input, *delimiter, *before, *rest;
  };
  for (const Case &one :
       {Case{"a;b", ";", "a", "b"}, Case{";b", ";", "", "b"}, Case{"---done", "--d", "-", "one"},
        Case{"aabaabaac", "aabaac", "aab", ""}, Case{"xyxyz!", "xyz", "xy", "!"}}) {
    for (size_t step = 1; step < 10; step++) {
      for (bool keep : {false, true}) {
        WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
          FeedAll(source, one.input, step);
          weir_read_until_options options = {};
          options.keep = keep;
          uint64_t count = 7;
          EXPECT_EQ(0, weir_copy_until(source.reader(), weir_text(one.delimiter), &options,
                                       target.writer(), &count));
          EXPECT_EQ(one.before, target.sent()) << one.input << " " << step;
          EXPECT_EQ(strlen(one.before), count);
          EXPECT_EQ((keep ? std::string(one.delimiter) : "") + one.rest, Rest(source));
        });
      }
    }
  }
}

TEST_F(CopyUntil, NoMemoryLimitsIt) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    std::string large = std::string(300000, '-') + "x";
    FeedAll(source, large + "--END--rest", 10000);
    EXPECT_EQ(0, weir_copy_until(source.reader(), weir_text("--END--"), nullptr, target.writer(),
                                 nullptr));
    EXPECT_TRUE(large == target.sent());
    EXPECT_EQ("rest", Rest(source));
  });
}

TEST_F(CopyUntil, WritesWhatCannotBeTheDelimiterAsItComes) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("some-");
    Start([&] {
      return weir_copy_until(source.reader(), weir_text("--"), nullptr, target.writer(), nullptr);
    });
    EXPECT_EQ("some", target.sent());
    source.Feed("thing--rest");
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ("some-thing", target.sent());
  });
}

TEST_F(CopyUntil, TellsWhyThereIsNoDelimiter) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-EINVAL,
              weir_copy_until(source.reader(), weir_text(""), nullptr, target.writer(), nullptr));
    std::string huge(65539, 'x');
    EXPECT_EQ(-EMSGSIZE, weir_copy_until(source.reader(), weir_text(huge.c_str()), nullptr,
                                         target.writer(), nullptr));
    FeedAll(source, "abc-", 10);
    weir_read_until_options options = {};
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_copy_until(source.reader(), weir_text("--"), &options,
                                                    target.writer(), nullptr));
    options.allow_missing = true;
    uint64_t count = 0;
    EXPECT_EQ(0,
              weir_copy_until(source.reader(), weir_text("--"), &options, target.writer(), &count));
    EXPECT_EQ(1u, count);
    EXPECT_EQ("abc-", target.sent());
    EXPECT_EQ(WEIR_E_END_OF_STREAM,
              weir_copy_until(source.reader(), weir_text("--"), &options, target.writer(), &count));
  });
}

// The delimiter is read only when all before it has left.
TEST_F(CopyUntil, MayBeRepeatedAfterADeadline) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("one;two;");
    target.SetRoom(0);
    uint64_t count = 0, total = 0;
    auto copy = [&] {
      return weir_copy_until(source.reader(), weir_text(";"), nullptr, target.writer(), &count);
    };
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(-ETIMEDOUT, AtOnce(copy));
      total += count;
    }
    target.AddRoom(100);
    EXPECT_EQ(0, copy());
    total += count;
    EXPECT_EQ(3u, total);
    EXPECT_EQ("one", target.sent());
    EXPECT_EQ(0, copy());
    EXPECT_EQ("onetwo", target.sent());
  });
}

// The flush in front of the delimiter waits, and meanwhile the source is cancelled or closed.
TEST_F(CopyUntil, TheSourceMayEndDuringTheLastFlush) {
  for (bool close : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed("one;two;");
      target.SetRoom(0);
      int result = 1;
      Start([&] {
        result =
            weir_copy_until(source.reader(), weir_text(";"), nullptr, target.writer(), nullptr);
        return 0;
      });
      // The flush has come to its end, but the copy has not run yet.
      target.AddRoom(100);
      if (close) {
        EXPECT_EQ(0, weir_connection_close(source.connection()));
      } else {
        weir_read_channel_cancel(source.reader(), -EPROTO);
      }
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(close ? WEIR_E_CLOSED : -EPROTO, result);
      EXPECT_EQ("one", target.sent());
    });
  }
}

TEST_F(CopyUntil, TheLimitIsExact) {
  for (size_t limit = 1; limit <= 4; limit++) {
    for (size_t step = 1; step <= 5; step++) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        FeedAll(source, "abc;d", step);
        weir_read_until_options options = {};
        options.limit = limit;
        uint64_t count = 0;
        int result =
            weir_copy_until(source.reader(), weir_text(";"), &options, target.writer(), &count);
        EXPECT_EQ(limit < 3 ? -EMSGSIZE : 0, result);
        EXPECT_EQ(std::min<size_t>(limit, 3), count);
        EXPECT_EQ(0, weir_flush(target.writer()));
        EXPECT_EQ(std::string("abc").substr(0, limit), target.sent());
      });
    }
  }
}

}  // namespace
