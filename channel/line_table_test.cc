// SPDX-License-Identifier: Apache-2.0
//
// What lines a stream has, by a table, whatever pieces it comes in.

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/lines.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using namespace weir_testing;

struct Case {
  const char *name;
  std::string input;
  weir_read_channel_options options;
  std::vector<Line> lines;
  bool utf8 = true;
};

std::ostream &operator<<(std::ostream &out, const Case &c) { return out << c.name; }

std::string Nuls(size_t count) { return std::string(count, '\0'); }

std::vector<Case> Cases() {
  return {
      // End of stream.
      {"EmptyStream", "", kLf, {kEnd}},
      {"PartialLastLine", "abc", kLf, {Ok("abc"), kEnd}},
      {"CompleteLastLine", "abc\n", kLf, {Ok("abc"), kEnd}},
      {"PartialLineAfterACompleteOne", "abc\r\nde", kLf, {Ok("abc"), Ok("de"), kEnd}},
      {"PartialLastLineInAny", "abc\rde", kAny, {Ok("abc"), Ok("de"), kEnd}},
      {"EmptyStreamInAny", "", kAny, {kEnd}},

      // What ends a line.
      {"Lf", "a\nb\n", kLf, {Ok("a"), Ok("b"), kEnd}},
      {"CrLf", "a\r\nb\r\n", kLf, {Ok("a"), Ok("b"), kEnd}},
      {"EmptyLines", "\n\r\n\n", kLf, {Ok(""), Ok(""), Ok(""), kEnd}},
      {"LoneCrIsContent", "a\rb\n", kLf, {Ok("a\rb"), kEnd}},
      {"CrBeforeCrLfIsContent", "a\r\r\n", kLf, {Ok("a\r"), kEnd}},
      {"CrAtTheEndIsContent", "abc\r", kLf, {Ok("abc\r"), kEnd}},
      {"LoneCrAtTheEndIsContent", "\r", kLf, {Ok("\r"), kEnd}},
      {"LfInAny", "a\nb\n", kAny, {Ok("a"), Ok("b"), kEnd}},
      {"CrLfInAny", "a\r\nb\r\n", kAny, {Ok("a"), Ok("b"), kEnd}},
      {"LoneCrInAny", "a\rb\rc\r", kAny, {Ok("a"), Ok("b"), Ok("c"), kEnd}},
      {"TwoCrsInAny", "a\r\rb\n", kAny, {Ok("a"), Ok(""), Ok("b"), kEnd}},
      {"CrCrLfInAny", "a\r\r\nb", kAny, {Ok("a"), Ok(""), Ok("b"), kEnd}},
      {"LfCrInAny", "a\n\rb", kAny, {Ok("a"), Ok(""), Ok("b"), kEnd}},
      {"CrLfLfInAny", "a\r\n\nb", kAny, {Ok("a"), Ok(""), Ok("b"), kEnd}},
      {"EndsMixedInAny", "\r\n\r\n\n\ra\r", kAny, {Ok(""), Ok(""), Ok(""), Ok(""), Ok("a"), kEnd}},

      // NUL bytes.
      {"Nuls",
       Nuls(2) + "\n" + "a" + Nuls(1) + "b\r\n",
       kLf,
       {Ok(Nuls(2)), Ok("a" + Nuls(1) + "b"), kEnd}},
      {"NulAtTheEnd", Nuls(1), kLf, {Ok(Nuls(1)), kEnd}},

      // UTF-8.
      {"TwoByteCharacters", "\xC3\xA9t\xC3\xA9\n", kLf, {Ok("\xC3\xA9t\xC3\xA9"), kEnd}},
      {"ThreeByteCharacters", "5 \xE2\x82\xAC\r\n", kLf, {Ok("5 \xE2\x82\xAC"), kEnd}},
      {"FourByteCharacters", "\xF0\x9F\x98\x80\r\n", kAny, {Ok("\xF0\x9F\x98\x80"), kEnd}},
      {"InvalidLineIsConsumed",
       "a\xFF"
       "b\nok\n",
       kLf,
       {Invalid("a\xFF"
                "b"),
        Ok("ok"), kEnd}},
      {"SequenceCutByTheLinesEnd", "a\xC3\nok\n", kLf, {Invalid("a\xC3"), Ok("ok"), kEnd}},
      {"SequenceCutByTheStreamsEnd", "a\xE2\x82", kLf, {Invalid("a\xE2\x82"), kEnd}},
      {"InvalidLinesPassUnchecked",
       "a\xFF\n\xC0\x80",
       kLf,
       {Ok("a\xFF"), Ok("\xC0\x80"), kEnd},
       false},

      // Limits: exactly N, and N + 1.
      {"LimitReachedLf", "abcd\nx\n", Limit(4), {Ok("abcd"), Ok("x"), kEnd}},
      {"LimitReachedCrLf", "abcd\r\nx\n", Limit(4), {Ok("abcd"), Ok("x"), kEnd}},
      {"LimitReachedEnd", "abcd", Limit(4), {Ok("abcd"), kEnd}},
      {"LimitReachedByCr", "abc\r", Limit(4), {Ok("abc\r"), kEnd}},
      {"LimitExceededLf", "abcde\nx\n", Limit(4), {kTooLong}},
      {"LimitExceededCrLf", "abcde\r\nx\n", Limit(4), {kTooLong}},
      {"LimitExceededEnd", "abcde", Limit(4), {kTooLong}},
      {"LimitExceededByCrAtTheEnd", "abcd\r", Limit(4), {kTooLong}},
      {"LimitExceededByCrAndMore", "abcd\rx", Limit(4), {kTooLong}},
      {"LimitExceededByTwoCrs", "abcd\r\r\n", Limit(4), {kTooLong}},
      {"LimitReachedAnyLf", "abcd\nx\n", Limit(4, WEIR_LINE_ANY), {Ok("abcd"), Ok("x"), kEnd}},
      {"LimitReachedAnyCrLf", "abcd\r\nx\n", Limit(4, WEIR_LINE_ANY), {Ok("abcd"), Ok("x"), kEnd}},
      {"LimitReachedAnyCr", "abcd\rx\r", Limit(4, WEIR_LINE_ANY), {Ok("abcd"), Ok("x"), kEnd}},
      {"LimitReachedAnyEnd", "abcd", Limit(4, WEIR_LINE_ANY), {Ok("abcd"), kEnd}},
      {"LimitExceededAnyLf", "abcde\nx\n", Limit(4, WEIR_LINE_ANY), {kTooLong}},
      {"LimitExceededAnyCrLf", "abcde\r\nx\n", Limit(4, WEIR_LINE_ANY), {kTooLong}},
      {"LimitExceededAnyCr", "abcde\rx\n", Limit(4, WEIR_LINE_ANY), {kTooLong}},
      {"LimitExceededAnyEnd", "abcde", Limit(4, WEIR_LINE_ANY), {kTooLong}},
      {"LimitOfOneByte", "a\r\n\nb\n", Limit(1), {Ok("a"), Ok(""), Ok("b"), kEnd}},
      {"LimitOfOneByteExceeded", "ab\n", Limit(1), {kTooLong}},
      {"LimitCountsBytes", "\xC3\xA9\xC3\xA9\n", Limit(4), {Ok("\xC3\xA9\xC3\xA9"), kEnd}},
      {"LimitCountsBytesNotCharacters", "\xC3\xA9\xC3\xA9\xC3\xA9\n", Limit(4), {kTooLong}},
      {"SecondLineTooLong", "ab\nabcde\n", Limit(4), {Ok("ab"), kTooLong}},

      // After a line that was too long.
      {"Resynchronise", "abcdefghij\nx\n", Limit(4, WEIR_LINE_LF, true), {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseCrLf",
       "abcde\r\nx\r\n",
       Limit(4, WEIR_LINE_LF, true),
       {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseOverCrs",
       "abcd\r\r\r\nx\r\n",
       Limit(4, WEIR_LINE_LF, true),
       {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseTwice",
       "abcde\nfghijkl\nx\n",
       Limit(4, WEIR_LINE_LF, true),
       {kTooLong, kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseAtTheEnd", "abcdefghij", Limit(4, WEIR_LINE_LF, true), {kTooLong, kEnd}},
      {"ResynchroniseCrAtTheEnd", "abcd\r", Limit(4, WEIR_LINE_LF, true), {kTooLong, kEnd}},
      {"ResynchroniseAnyCr",
       "abcdefghij\rx\r",
       Limit(4, WEIR_LINE_ANY, true),
       {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseAnyCrLf",
       "abcdefghij\r\nx\r\n",
       Limit(4, WEIR_LINE_ANY, true),
       {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseAnyJustTooLong",
       "abcde\r\nx\r\n",
       Limit(4, WEIR_LINE_ANY, true),
       {kTooLong, Ok("x"), kEnd}},
      {"ResynchroniseAnyEmptyLineFollows",
       "abcde\r\n\r\nx",
       Limit(4, WEIR_LINE_ANY, true),
       {kTooLong, Ok(""), Ok("x"), kEnd}},
  };
}

class LineTable : public weir_testing::ChannelTest, public ::testing::WithParamInterface<Case> {
 protected:
  // Feeds |pieces| through a channel of |capacity| and compares what comes out.
  void Check(const std::vector<std::string> &pieces, size_t capacity) {
    const Case &c = GetParam();
    WithScript([&](ScriptedTransport &script) {
      weir_read_channel_options options = c.options;
      options.capacity = capacity;
      EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
      for (const std::string &piece : pieces) script.Feed(piece);
      script.FeedEnd();
      EXPECT_EQ(c.lines, ReadLines(script.reader(), c.utf8, options.resynchronise));
    });
  }
};

TEST_P(LineTable, InOnePiece) {
  for (size_t capacity : {1, 2, 3, 5, 8, 16384}) Check({GetParam().input}, capacity);
}

TEST_P(LineTable, SplitAtEveryByte) {
  const std::string &input = GetParam().input;
  for (size_t at = 0; at <= input.size(); at++) {
    SCOPED_TRACE(at);
    Check({input.substr(0, at), input.substr(at)}, 0);
    Check({input.substr(0, at), input.substr(at)}, 3);
  }
}

TEST_P(LineTable, SplitTwice) {
  const std::string &input = GetParam().input;
  for (size_t first = 0; first <= input.size(); first++) {
    for (size_t second = first; second <= input.size(); second++) {
      Check({input.substr(0, first), input.substr(first, second - first), input.substr(second)},
            16);
    }
  }
}

TEST_P(LineTable, ByteByByte) {
  std::vector<std::string> pieces;
  for (char byte : GetParam().input) pieces.push_back(std::string(1, byte));
  Check(pieces, 0);
  Check(pieces, 1);
}

INSTANTIATE_TEST_SUITE_P(Lines, LineTable, ::testing::ValuesIn(Cases()),
                         [](const auto &parameter) { return std::string(parameter.param.name); });

}  // namespace
