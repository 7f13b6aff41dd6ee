// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

const weir_read_until_options kKeep = {0, true, false};
const weir_read_until_options kAllowMissing = {0, false, true};

class ReadUntil : public weir_testing::ChannelTest {
 protected:
  static void FeedByteByByte(ScriptedTransport &script, const std::string &bytes) {
    for (char byte : bytes) script.Feed(std::string(1, byte));
  }

  // A failure reads as its name in brackets, behind what was stored or appended.
  static std::string Until(ScriptedTransport &script, const std::string &delimiter,
                           const weir_read_until_options *options = nullptr) {
    weir_bytes bytes = weir_text("not touched");
    int result = weir_read_until(script.reader(), Span(delimiter), options, &bytes);
    return Text(bytes) + (result < 0 ? std::string("<") + weir_error_name(result) + ">" : "");
  }

  static std::string Append(ScriptedTransport &script, const std::string &delimiter,
                            const weir_read_until_options *options = nullptr) {
    weir_buffer buffer = {};
    EXPECT_EQ(0, weir_buffer_append(&buffer, weir_text("#")));
    int result = weir_append_until(script.reader(), Span(delimiter), options, &buffer);
    std::string text = Text(weir_buffer_bytes(&buffer)).substr(1);
    weir_buffer_release(&buffer);
    return text + (result < 0 ? std::string("<") + weir_error_name(result) + ">" : "");
  }

  // With a deadline that passes at once if it waits.
  static std::string ReadAtOnce(std::function<std::string()> read) {
    std::string text;
    AtOnce([&] {
      text = read();
      return 0;
    });
    return text;
  }

  static weir_bytes Span(const std::string &text) {
    return weir_bytes_of(text.data(), text.size());
  }

  static std::string Rest(ScriptedTransport &script) {
    std::string out(1000, '?');
    int result = weir_read_try(script.reader(), out.data(), out.size());
    return out.substr(0, result < 0 ? 0 : static_cast<size_t>(result));
  }
};

TEST_F(ReadUntil, StopsBehindTheDelimiter) {
  for (auto *read : {Until, Append}) {
    WithScript([&](ScriptedTransport &script) {
      script.Feed("key: value; other: ; : ");
      EXPECT_EQ("key", read(script, ": ", nullptr));
      EXPECT_EQ("value", read(script, "; ", nullptr));
      EXPECT_EQ("other", read(script, ": ", nullptr));
      EXPECT_EQ("", read(script, "; ", nullptr));
      EXPECT_EQ("", read(script, ": ", nullptr));
      EXPECT_EQ(23u, weir_total_bytes_read(script.reader()));
    });
  }
}

TEST_F(ReadUntil, FindsADelimiterThatOverlapsItself) {
  for (auto *read : {Until, Append}) {
    for (bool byte_by_byte : {false, true}) {
      WithScript([&](ScriptedTransport &script) {
        const std::string stream = "-" + std::string("--done") + "aab" + "aaab";
        if (byte_by_byte) FeedByteByByte(script, stream);
        if (!byte_by_byte) script.Feed(stream);
        EXPECT_EQ("", read(script, "--", nullptr));
        EXPECT_EQ("-done", read(script, "aab", nullptr));
        EXPECT_EQ("a", read(script, "aab", nullptr));
      });
    }
  }
}

TEST_F(ReadUntil, KeepsTheDelimiterWhenAsked) {
  for (auto *read : {Until, Append}) {
    WithScript([&](ScriptedTransport &script) {
      FeedByteByByte(script, "part--next--");
      EXPECT_EQ("part", read(script, "--", &kKeep));
      EXPECT_EQ("", read(script, "--", &kKeep));
      EXPECT_EQ(1, weir_read_skip_if_found(script.reader(), weir_text("--")));
      EXPECT_EQ("next", read(script, "--", &kKeep));
      EXPECT_EQ("--", Rest(script));
    });
  }
}

TEST_F(ReadUntil, AMissingDelimiterIsAnErrorUnlessAllowed) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("last-");
    script.FeedEnd();
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Until(script, "--"));
    EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
    EXPECT_EQ("last-", Until(script, "--", &kAllowMissing));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Until(script, "--", &kAllowMissing));
  });
  WithScript([](ScriptedTransport &script) {
    script.Feed("last-");
    script.FeedEnd();
    EXPECT_EQ("last<WEIR_E_END_OF_STREAM>", Append(script, "--"));
    EXPECT_EQ("-", Append(script, "--", &kAllowMissing));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Append(script, "--", &kAllowMissing));
  });
}

TEST_F(ReadUntil, TheDefaultLimitLeavesRoomForTheDelimiter) {
  for (size_t delimiter_size : {1, 2, 3, 70}) {
    WithScript([&](ScriptedTransport &script) {
      const std::string delimiter(delimiter_size, '-');
      size_t limit = 65536;
      if (delimiter_size > 2) limit = 65538 - delimiter_size;
      script.Feed(std::string(limit, 'x') + delimiter);
      EXPECT_EQ(limit, Until(script, delimiter).size());
      script.Feed(std::string(limit + 1, 'x') + delimiter);
      EXPECT_EQ("<EMSGSIZE>", Until(script, delimiter));
    });
  }
}

TEST_F(ReadUntil, ALimitIsKeptToTheByte) {
  const weir_read_until_options limit = {4, false, false};
  WithScript([&](ScriptedTransport &script) {
    script.Feed("abcd--abcde--");
    EXPECT_EQ("abcd", Until(script, "--", &limit));
    EXPECT_EQ("<EMSGSIZE>", Until(script, "--", &limit));
    EXPECT_EQ("abcde--", Rest(script));
  });
  WithScript([&](ScriptedTransport &script) {
    script.Feed("abcd--abcde--");
    EXPECT_EQ("abcd", Append(script, "--", &limit));
    EXPECT_EQ("abcd<EMSGSIZE>", Append(script, "--", &limit));
    EXPECT_EQ("e--", Rest(script));
  });
}

TEST_F(ReadUntil, TheLimitIsReportedAsSoonAsItIsCertain) {
  const weir_read_until_options limit = {4, false, false};
  for (auto *read : {Until, Append}) {
    WithScript([&](ScriptedTransport &script) {
      script.Feed("abcd-");
      AtOnce([&] {
        std::string read_so_far = read == Append ? "abcd" : "";
        EXPECT_EQ(read_so_far + "<ETIMEDOUT>", read(script, "--", &limit));
        return 0;
      });
    });
    WithScript([&](ScriptedTransport &script) {
      script.Feed("abcd-x");
      EXPECT_NE(std::string::npos, read(script, "--", &limit).find("<EMSGSIZE>"));
    });
  }
}

TEST_F(ReadUntil, RefusesWhatCannotWork) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = {};
    options.capacity = 4;
    options.line_limit = 8;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    weir_read_until_options limit = {8, false, false};
    EXPECT_EQ("<EINVAL>", Until(script, ""));
    EXPECT_EQ("<EINVAL>", Append(script, ""));
    EXPECT_EQ("<EMSGSIZE>", Until(script, "---", &limit));
    EXPECT_EQ("<EMSGSIZE>", Until(script, "01234567890"));
    EXPECT_EQ("<EMSGSIZE>", Append(script, "01234567890"));
    limit.limit = SIZE_MAX;
    EXPECT_EQ("<EMSGSIZE>", Until(script, "-", &limit));
    EXPECT_EQ(0, script.reads_tried());
    script.Feed("abcdefgh0123456789");
    EXPECT_EQ("abcdefgh", Append(script, "0123456789", &limit));
  });
}

TEST_F(ReadUntil, AppendUntilGoesFarBeyondTheChannel) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = {};
    options.capacity = 16;
    options.line_limit = 16;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    std::string body;
    for (int i = 0; i < 5000; i++) body += "\r\n--boundar" + std::to_string(i);
    script.Feed(body + "\r\n--boundary");
    const weir_read_until_options unlimited = {SIZE_MAX, false, false};
    EXPECT_EQ(body, Append(script, "\r\n--boundary", &unlimited));
    EXPECT_LT(script.connection()->reader.size, 20u);  // it never had to grow
    script.Feed(std::string(17, 'x') + ";");
    EXPECT_EQ(std::string(16, 'x') + "<EMSGSIZE>", Append(script, ";"));
  });
}

TEST_F(ReadUntil, AnAppendThatWasInterruptedGoesOn) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc-");
    EXPECT_EQ(0, AtOnce([&] {
                EXPECT_EQ("abc<ETIMEDOUT>", Append(script, "--"));
                return 0;
              }));
    EXPECT_EQ(3u, weir_total_bytes_read(script.reader()));
    script.Feed("d--");
    EXPECT_EQ("-d", Append(script, "--"));
  });
}

TEST_F(ReadUntil, WithoutMemoryForALongDelimiterNothingIsRead) {
  WithScript([this](ScriptedTransport &script) {
    const std::string delimiter(100, '-');
    script.Feed("abc" + delimiter + "def" + delimiter);
    EXPECT_EQ("abc", Until(script, delimiter));
    allocator().FailNth(1);
    EXPECT_EQ("<ENOMEM>", Until(script, delimiter));
    EXPECT_TRUE(allocator().refused());
    EXPECT_EQ("def", Until(script, delimiter));
  });
}

// A byte that was searched is not looked at again: not even if it is the delimiter by now, which
// nobody but a test could bring about.

void Overwrite(ScriptedTransport &script, size_t at, const std::string &bytes) {
  weir_read_channel *reader = script.reader();
  memcpy(reader->buffer + reader->start + at, bytes.data(), bytes.size());
}

TEST_F(ReadUntil, AfterADeadlineItSearchesOnWhereItWas) {
  for (bool long_delimiter : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      const std::string delimiter = long_delimiter ? std::string(100, '-') + "a" : "-a";
      auto until = [&] { return Until(script, delimiter); };
      std::string text;
      for (int i = 0; i < 5; i++) {
        std::string piece = std::string(200, 'x') + delimiter.substr(0, delimiter.size() - 1);
        text += piece;
        script.Feed(piece);
        EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce(until));
        EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce(until));
        Overwrite(script, 0, delimiter);
      }
      script.Feed("a");
      text = delimiter + text.substr(delimiter.size(), text.size() - 2 * delimiter.size() + 1);
      EXPECT_EQ(text, until());
    });
  }
}

TEST_F(ReadUntil, AfterADeadlineItSearchesAnewForAnotherDelimiter) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("a-bb-c");
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "-d"); }));
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "-bb-cd"); }));
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "-d"); }));
    EXPECT_EQ("a", Until(script, "-b", &kKeep));
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "-d"); }));
    EXPECT_EQ("", Until(script, "-b"));
    EXPECT_EQ("b", Until(script, "-c"));
  });
}

TEST_F(ReadUntil, AfterADeadlineItSearchesAnewWhatAnotherReadHasLeft) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("-a-");
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "a-b"); }));
    EXPECT_EQ(0, weir_read_discard(script.reader(), 2, nullptr));
    script.Feed("b-a-b");
    EXPECT_EQ("-b-", Until(script, "a-b"));
    script.Feed("1\n2 3");
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "4"); }));
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    script.Feed("4");
    EXPECT_EQ("2 3", Until(script, "4"));
  });
}

TEST_F(ReadUntil, AfterADeadlineAnotherLimitHolds) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abcdefgh-");
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "--"); }));
    for (size_t limit = 1; limit < 8; limit++) {
      weir_read_until_options options = {limit, false, false};
      EXPECT_EQ("<EMSGSIZE>", Until(script, "--", &options));
      if (limit % 2 == 0) {
        EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "--"); }));
      }
    }
    weir_read_until_options options = {8, false, false};
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "--", &options); }));
    script.Feed("-");
    EXPECT_EQ("abcdefgh", Until(script, "--", &options));
  });
}

// Beside a search of so little that it costs no more than the delimiter does, memory is not worth
// it.
TEST_F(ReadUntil, AfterADeadlineItRemembersOnlyALongSearch) {
  for (bool held : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      const std::string delimiter(6000, '-');
      char byte;
      EXPECT_EQ(-EAGAIN, weir_read_try(script.reader(), &byte, 1));
      if (held) {
        script.Feed(std::string(6000, 'x'));
        EXPECT_EQ(0, weir_read_await(script.reader(), 1));
      }
      long before = allocator().block_bytes();
      for (int i = 0; i < 3; i++) {
        EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, delimiter); }));
        EXPECT_EQ(nullptr, script.reader()->past_search);
      }
      EXPECT_EQ(before, allocator().block_bytes());
      script.Feed("y");
      EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, delimiter); }));
      EXPECT_EQ(held, script.reader()->past_search != nullptr);
      script.Feed(delimiter);
      EXPECT_EQ(held ? std::string(6000, 'x') + "y" : "y", Until(script, delimiter));
      EXPECT_EQ(nullptr, script.reader()->past_search);
    });
  }
}

// A search whose bytes were read otherwise is of no use to anybody.
TEST_F(ReadUntil, AnIdleChannelRemembersNoSearch) {
  for (const char *rest : {"", "next"}) {
    WithScript([&](ScriptedTransport &script) {
      weir_read_channel *reader = script.reader();
      const std::string delimiter(1000, '-');
      script.Feed(std::string(9000, 'x') + "\n" + rest);
      EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, delimiter); }));
      EXPECT_NE(nullptr, reader->past_search);
      weir_bytes line;
      EXPECT_EQ(0, weir_read_line(reader, &line));
      Start([&] {
        EXPECT_EQ(0, weir_read_line(reader, &line));
        return 0;
      });
      EXPECT_EQ(nullptr, reader->past_search);
      EXPECT_EQ(*rest == '\0', reader->buffer == nullptr);
      script.Feed("\n");
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    });
  }
}

TEST_F(ReadUntil, WithoutMemoryToRememberItSearchesAnew) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("abc-");
    EXPECT_EQ(0, weir_read_await(script.reader(), 4));
    allocator().FailNth(1);
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "--"); }));
    EXPECT_TRUE(allocator().refused());
    Overwrite(script, 0, "--");
    EXPECT_EQ("", Until(script, "--"));
  });
}

TEST_F(ReadUntil, ACancelledChannelForgetsTheSearch) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc-");
    EXPECT_EQ("<ETIMEDOUT>", ReadAtOnce([&] { return Until(script, "--"); }));
    weir_read_channel_cancel(script.reader(), -EPROTO);
    EXPECT_EQ("<EPROTO>", Until(script, "--"));
  });
}

// If each byte began a new search of what is there, this would take minutes.
TEST_F(ReadUntil, ALongDelimiterThatComesByteByByte) {
  WithScript([](ScriptedTransport &script) {
    const std::string delimiter = std::string(30000, '-') + "a";
    FeedByteByByte(script, "--" + delimiter);
    EXPECT_EQ("--", Until(script, delimiter));
    FeedByteByByte(script, "--" + delimiter);
    EXPECT_EQ("--", Append(script, delimiter));
  });
}

}  // namespace
