// SPDX-License-Identifier: Apache-2.0
//
// Lines: Ktor's scenarios, written afresh. docs/ktor-parity.md says which is which; the table of
// line_reader_test.cc has more of them, each cut at every byte.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/pipe_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

// Two, three and four bytes long.
const char *const kCharacters[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};

class KtorLine : public weir_testing::PipeTest {
 protected:
  static void Configure(weir_read_channel *channel, size_t line_limit, weir_line_ending ending,
                        size_t capacity = 0) {
    weir_read_channel_options options = {};
    options.capacity = capacity;
    options.line_limit = line_limit;
    options.line_ending = ending;
    EXPECT_EQ(0, weir_read_channel_configure(channel, &options));
  }

  // The lines that a stream of |pieces| has, as "[one][two]<failure>".
  std::string Lines(const std::vector<std::string> &pieces, size_t line_limit,
                    weir_line_ending ending, size_t capacity = 0) {
    std::string all;
    WithScript([&](ScriptedTransport &script) {
      Configure(script.reader(), line_limit, ending, capacity);
      for (const std::string &piece : pieces) script.Feed(piece);
      script.FeedEnd();
      weir_bytes line;
      int result;
      while ((result = weir_read_utf8_line(script.reader(), &line)) == 0) {
        all += "[" + Text(line) + "]";
      }
      all += Name(result);
    });
    return all;
  }

  static std::vector<std::string> Cut(const std::string &text, size_t at) {
    return {text.substr(0, at), text.substr(at)};
  }
};

TEST_F(KtorLine, EveryLengthWithItsExactLimitEveryEndAndEveryCutNearIt) {
  struct End {
    const char *bytes;
    weir_line_ending ending;
  };
  for (size_t length = 0; length <= 1024; length++) {
    const std::string line = Pattern(length).replace(0, length, length, 'x');
    const size_t limit = length > 0 ? length : 1;
    for (End end : {End{"\n", WEIR_LINE_LF}, End{"\r\n", WEIR_LINE_LF}, End{"", WEIR_LINE_LF},
                    End{"\n", WEIR_LINE_ANY}, End{"\r\n", WEIR_LINE_ANY}, End{"\r", WEIR_LINE_ANY},
                    End{"", WEIR_LINE_ANY}}) {
      const std::string text = line + end.bytes;
      const std::string expected = text.empty() ? "" : "[" + line + "]";
      for (size_t at = length > 2 ? length - 2 : 0; at <= text.size(); at++) {
        ASSERT_EQ(expected + "<WEIR_E_END_OF_STREAM>", Lines(Cut(text, at), limit, end.ending))
            << length << " " << at;
        if (length < 2) continue;
        ASSERT_EQ("<WEIR_E_LINE_TOO_LONG>", Lines(Cut(text, at), limit - 1, end.ending))
            << length << " " << at;
      }
    }
  }
}

TEST_F(KtorLine, CharactersAcrossEdges) {
  for (const std::string character : kCharacters) {
    for (size_t edge : {1024, 4096, 16384}) {
      for (size_t before = edge - character.size(); before <= edge; before++) {
        const std::string line = std::string(before, 'x') + character + "end";
        const std::string expected = "[" + line + "][next]<WEIR_E_END_OF_STREAM>";
        const std::string text = line + "\r\nnext";
        for (size_t capacity : {size_t{0}, edge}) {
          EXPECT_TRUE(expected == Lines({text}, 0, WEIR_LINE_LF, capacity)) << edge << before;
          EXPECT_TRUE(expected == Lines(Cut(text, edge), 0, WEIR_LINE_ANY, capacity))
              << edge << before;
        }
      }
    }
  }
}

TEST_F(KtorLine, CharactersAcrossTheEndOfTheRing) {
  for (const std::string character : kCharacters) {
    for (size_t ring = 1; ring <= 9; ring++) {
      WithPipe({ring, 0, 1}, [&] {
        std::string text;
        for (size_t i = 0; i < 10; i++) text += std::string(i % 3, 'x') + character;
        Start([&] {
          EXPECT_EQ(0, Send("#" + text + "\n"));
          return 0;
        });
        EXPECT_EQ("#" + text, ReadLine()) << ring;
      });
    }
  }
}

TEST_F(KtorLine, CharactersCutEverywhere) {
  for (const std::string character : kCharacters) {
    const std::string text = "a" + character + "b" + character + "\n";
    for (size_t at = 0; at <= text.size(); at++) {
      EXPECT_EQ("[" + text.substr(0, text.size() - 1) + "]<WEIR_E_END_OF_STREAM>",
                Lines(Cut(text, at), 0, WEIR_LINE_LF));
    }
  }
}

// What made Ktor's loop go on for ever, or gave a wrong character.
TEST_F(KtorLine, ACharacterThatTheEndCutsIsTold) {
  for (const std::string character : kCharacters) {
    for (size_t size = 1; size < character.size(); size++) {
      WithPipe({}, [&] {
        EXPECT_EQ(0, Send("a" + character.substr(0, size)));
        EXPECT_EQ(0, weir_write_channel_close(writer()));
        EXPECT_EQ("a" + character.substr(0, size) + "<WEIR_E_INVALID_UTF8>", ReadLine());
        EXPECT_EQ("<WEIR_E_END_OF_STREAM>", ReadLine());
      });
    }
  }
}

TEST_F(KtorLine, ACrAndItsLfInTwoFlushes) {
  for (weir_line_ending ending : {WEIR_LINE_LF, WEIR_LINE_ANY}) {
    WithPipe({}, [&] {
      Configure(reader(), 0, ending);
      std::vector<std::string> lines;
      Start([&] {
        for (int i = 0; i < 3; i++) lines.push_back(ReadLine());
        return 0;
      });
      for (const char *piece : {"one\r", "\ntwo", "\r", "\n", "\r\n"}) {
        EXPECT_EQ(0, Send(piece));
        EXPECT_EQ(0, weir_yield());
      }
      EXPECT_EQ((std::vector<std::string>{"one", "two", ""}), lines);
      EXPECT_EQ(0, weir_write_channel_close(writer()));
      EXPECT_EQ("<WEIR_E_END_OF_STREAM>", ReadLine());
    });
  }
}

// A peer that ends its lines by CR alone, and waits for an answer to each.
TEST_F(KtorLine, ALoneCrIsAnsweredWithoutTheNextByte) {
  WithPipe({}, [this] {
    Configure(reader(), 0, WEIR_LINE_ANY);
    for (const char *line : {"one", "", "three"}) {
      EXPECT_EQ(0, Send(std::string(line) + "\r"));
      weir_timeout timeout = weir_timeout_begin(1);
      EXPECT_EQ(line, ReadLine());
      weir_timeout_end(timeout);
    }
  });
}

TEST_F(KtorLine, ACrAndThenText) {
  EXPECT_EQ("[a\rb][c]<WEIR_E_END_OF_STREAM>", Lines({"a\r", "b\nc"}, 0, WEIR_LINE_LF));
  EXPECT_EQ("[a][b][c]<WEIR_E_END_OF_STREAM>", Lines({"a\r", "b\nc"}, 0, WEIR_LINE_ANY));
  EXPECT_EQ("[\rb]<WEIR_E_END_OF_STREAM>", Lines({"\r", "b"}, 0, WEIR_LINE_LF));
  EXPECT_EQ("[][b]<WEIR_E_END_OF_STREAM>", Lines({"\r", "b"}, 0, WEIR_LINE_ANY));
}

TEST_F(KtorLine, TwoEmptyLinesAreFourBytes) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, Send("\r\n\r\n"));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    EXPECT_EQ("", ReadLine());
    EXPECT_EQ(2u, weir_total_bytes_read(reader()));
    EXPECT_EQ("", ReadLine());
    EXPECT_EQ(4u, weir_total_bytes_read(reader()));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", ReadLine());
    EXPECT_EQ(4u, weir_total_bytes_read(reader()));
  });
}

TEST_F(KtorLine, ThirtyTwoKibibytesAndMoreInPieces) {
  for (size_t piece : {7, 1000, 40000}) {
    WithPipe({0, 0, 1024}, [&] {
      const std::string line(32768, 'y');
      Start([&] {
        const std::string text = line + "\n" + line + "!";
        for (size_t at = 0; at < text.size(); at += piece)
          EXPECT_EQ(0, Send(text.substr(at, piece)));
        return weir_write_channel_close(writer());
      });
      EXPECT_TRUE(line == ReadLine()) << piece;
      EXPECT_EQ(32769u, weir_total_bytes_read(reader()));
      EXPECT_TRUE(line + "!" == ReadLine()) << piece;
      EXPECT_EQ("<WEIR_E_END_OF_STREAM>", ReadLine());
    });
  }
}

// Ktor's oldest reader gave the beginning of such a line as if it were whole.
TEST_F(KtorLine, ATooLongLineIsNeverTakenForAWholeOne) {
  for (bool ended : {false, true}) {
    WithPipe({}, [&] {
      Configure(reader(), 4, WEIR_LINE_LF);
      EXPECT_EQ(0, Send("four\nfive!\n"));
      if (ended) {
        EXPECT_EQ(0, weir_write_channel_close(writer()));
      }
      EXPECT_EQ("four", ReadLine());
      for (int i = 0; i < 2; i++) EXPECT_EQ("<WEIR_E_LINE_TOO_LONG>", ReadLine());
      EXPECT_EQ(5u, weir_total_bytes_read(reader()));
      EXPECT_EQ("five!\n", ReadFully(6));  // it is still there
    });
  }
}

// The echo of Ktor's documentation writes "null" for ever then.
TEST_F(KtorLine, AnEchoEndsWithItsInput) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, Send("one\ntwo"));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    int lines = 0;
    weir_bytes line;
    while (weir_read_utf8_line(reader(), &line) == 0 && lines < 100) lines++;
    EXPECT_EQ(2, lines);
  });
}

TEST_F(KtorLine, AFailureBehindAPieceOfALineLosesNoneOfIt) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("whole\npart");
    script.FeedFailure(-ECONNRESET);
    weir_buffer lines = {};
    EXPECT_EQ(0, weir_append_utf8_line(script.reader(), &lines));
    EXPECT_EQ(-ECONNRESET, weir_append_utf8_line(script.reader(), &lines));
    EXPECT_EQ("whole", Text(weir_buffer_bytes(&lines)));
    weir_buffer_release(&lines);
    char out[5] = "????";
    EXPECT_EQ(4, weir_read_available(script.reader(), out, 4));
    EXPECT_STREQ("part", out);
  });
}

}  // namespace
