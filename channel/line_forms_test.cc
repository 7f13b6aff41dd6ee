// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class LineForms : public weir_testing::ChannelTest {
 protected:
  void TearDown() override {
    weir_buffer_release(&buffer_);
    ChannelTest::TearDown();
  }

  static void Configure(ScriptedTransport &script, weir_line_ending ending, size_t limit = 0) {
    weir_read_channel_options options = {};
    options.line_ending = ending;
    options.line_limit = limit;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
  }

  // A failure reads as its name in brackets, behind the line.
  static std::string Strict(ScriptedTransport &script, bool utf8 = false) {
    auto *read = utf8 ? weir_read_utf8_line_strict : weir_read_line_strict;
    weir_bytes line = weir_text("not touched");
    int result = read(script.reader(), &line);
    return Text(line) + (result < 0 ? std::string("<") + weir_error_name(result) + ">" : "");
  }

  std::string Appended() { return Text(weir_buffer_bytes(&buffer_)); }

  weir_buffer buffer_ = {};
};

TEST_F(LineForms, StrictLinesMustBeEnded) {
  for (bool utf8 : {false, true}) {
    for (weir_line_ending ending : {WEIR_LINE_LF, WEIR_LINE_ANY}) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, ending);
        script.Feed("one\r\n\ntwo\nthr");
        script.Feed("ee");
        script.FeedEnd();
        EXPECT_EQ("one", Strict(script, utf8));
        EXPECT_EQ("", Strict(script, utf8));
        EXPECT_EQ("two", Strict(script, utf8));
        EXPECT_EQ("three<WEIR_E_LINE_UNTERMINATED>", Strict(script, utf8));
        EXPECT_EQ(15u, weir_total_bytes_read(script.reader()));
        EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Strict(script, utf8));
      });
    }
  }
}

TEST_F(LineForms, ACrAtTheEndEndsAStrictLineOnlyWhereACrDoes) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("a\r");
    script.FeedEnd();
    EXPECT_EQ("a\r<WEIR_E_LINE_UNTERMINATED>", Strict(script));
  });
  WithScript([](ScriptedTransport &script) {
    Configure(script, WEIR_LINE_ANY);
    script.Feed("a\r\n\r");
    script.FeedEnd();
    EXPECT_EQ("a", Strict(script));
    EXPECT_EQ("", Strict(script));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Strict(script));
  });
}

TEST_F(LineForms, StrictTextReportsTheMissingEndFirst) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("a\xFF\nb\xFF");
    script.FeedEnd();
    EXPECT_EQ("a\xFF<WEIR_E_INVALID_UTF8>", Strict(script, true));
    EXPECT_EQ("b\xFF<WEIR_E_LINE_UNTERMINATED>", Strict(script, true));
  });
}

TEST_F(LineForms, ALimitComesBeforeAMissingEnd) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, WEIR_LINE_LF, 4);
    script.Feed("abcde");
    script.FeedEnd();
    EXPECT_EQ("<WEIR_E_LINE_TOO_LONG>", Strict(script));
    EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
  });
}

TEST_F(LineForms, AppendedLinesStay) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("one\r\ntwo\nthree");
    script.FeedEnd();
    EXPECT_EQ(0, weir_append_line(script.reader(), &buffer_));
    EXPECT_EQ(0, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ("onetwo", Appended());
    EXPECT_EQ(0, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ("onetwothree", Appended());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_append_line(script.reader(), &buffer_));
    EXPECT_EQ("onetwothree", Appended());
  });
}

TEST_F(LineForms, AnInvalidLineIsAppendedToo) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("a\xFF\nb\n");
    EXPECT_EQ(WEIR_E_INVALID_UTF8, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ("a\xFF", Appended());
    EXPECT_EQ(0, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ(
        "a\xFF"
        "b",
        Appended());
  });
}

TEST_F(LineForms, ALineThatIsTooLongIsNotAppended) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, WEIR_LINE_LF, 4);
    script.Feed("abcde\n");
    EXPECT_EQ(WEIR_E_LINE_TOO_LONG, weir_append_line(script.reader(), &buffer_));
    EXPECT_EQ("", Appended());
  });
}

// However the line is ended, and whether its end has come as a whole.
TEST_F(LineForms, WithoutMemoryTheLineStaysUnread) {
  struct Split {
    const char *first;
    const char *rest;
  };
  for (Split split :
       {Split{"line\nnext\n", ""}, Split{"line\r\nnext\n", ""}, Split{"line\rnext\n", ""},
        Split{"line\r", "\nnext\n"}, Split{"line\r", "next\n"}}) {
    for (bool filled : {false, true}) {
      weir_buffer_release(&buffer_);
      const std::string before(filled ? 64 : 0, '#');
      EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text(before.c_str())));
      WithScript([&](ScriptedTransport &script) {
        Configure(script, WEIR_LINE_ANY);
        script.Feed(split.first);
        EXPECT_EQ(0, weir_read_await(script.reader(), 1));
        allocator().FailNth(1);
        EXPECT_EQ(-ENOMEM, weir_append_line(script.reader(), &buffer_));
        EXPECT_TRUE(allocator().refused());
        EXPECT_EQ(before, Appended());
        EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
        script.Feed(split.rest);
        EXPECT_EQ(0, weir_append_line(script.reader(), &buffer_));
        EXPECT_EQ(before + "line", Appended());
        EXPECT_EQ("next", Strict(script));
      });
    }
  }
}

TEST_F(LineForms, WithoutMemoryALastLineStaysUnread) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("line");
    script.FeedEnd();
    EXPECT_EQ(0, weir_read_await(script.reader(), 4));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ(0, weir_append_utf8_line(script.reader(), &buffer_));
    EXPECT_EQ("line", Appended());
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Strict(script));
  });
}

}  // namespace
