// SPDX-License-Identifier: Apache-2.0
//
// Line ends that are searched a block at a time: the ways to search one, and that lines are the
// same wherever the blocks, the pieces that arrive and the other reads happen to lie.

#include "channel/internal/line_ends.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "channel/internal/utf8.h"
#include "testing/channel_test.h"
#include "testing/read_operations.h"
#include "testing/reader_model.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ReaderModel;
using weir_testing::ReadOperation;
using weir_testing::ReadOutcome;
using weir_testing::ScriptedTransport;

constexpr size_t kBlock = WEIR_INTERNAL_LINE_BLOCK;

// The blocks

template <typename Predicate>
uint64_t Mask(const char *block, Predicate predicate) {
  uint64_t mask = 0;
  for (size_t i = 0; i < kBlock; i++) {
    if (predicate(static_cast<unsigned char>(block[i]))) mask |= uint64_t{1} << i;
  }
  return mask;
}

void ExpectAllWaysAgree(const char *block) {
  uint64_t line_ends = Mask(block, [](unsigned char byte) { return byte == '\n'; });
  uint64_t not_ascii = Mask(block, [](unsigned char byte) { return byte > 0x7F; });
  ASSERT_EQ(line_ends, weir_internal_line_ends_plain(block));
  ASSERT_EQ(line_ends, weir_internal_line_ends_of(block));
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    ASSERT_EQ(line_ends, weir_internal_line_ends_avx2(block));
  }
#endif
  ASSERT_EQ(not_ascii, weir_internal_not_ascii_plain(block));
  ASSERT_EQ(not_ascii, weir_internal_not_ascii_of(block));
}

TEST(ABlockOfLines, EveryByteAtEveryPlaceAmongBytesThatAreNearlyLf) {
  for (int around : {0x00, 0x09, 0x0A, 0x0B, 0x0D, 0x7F, 0x8A, 0xF5, 0xFF}) {
    std::string block(kBlock, static_cast<char>(around));
    for (size_t place = 0; place < kBlock; place++) {
      for (int byte = 0; byte < 256; byte++) {
        block[place] = static_cast<char>(byte);
        ExpectAllWaysAgree(block.data());
      }
      block[place] = static_cast<char>(around);
    }
  }
}

TEST(ABlockOfLines, AtEveryAlignment) {
  std::mt19937 random(1);
  for (int round = 0; round < 100; round++) {
    std::string bytes(3 * kBlock, 'a');
    for (char &byte : bytes) byte = "\n\r\x0B"[random() % 3];
    for (size_t at = 0; at <= bytes.size() - kBlock; at++) ExpectAllWaysAgree(bytes.data() + at);
  }
}

// Lines across blocks

class LineEnds : public weir_testing::ChannelTest {
 protected:
  // Gives |stream| to a reader in pieces that end at |cuts|, and reads it by |next|, which returns
  // the operation, until it has ended.
  template <typename Next>
  void Compare(const std::string &stream, const std::vector<size_t> &cuts,
               weir_read_channel_options options, Next next) {
    ScriptedTransport script;
    ASSERT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    size_t from = 0;
    for (size_t cut : cuts) {
      if (cut > from && cut < stream.size()) {
        script.Feed(stream.substr(from, cut - from));
        from = cut;
      }
    }
    if (from < stream.size()) script.Feed(stream.substr(from));
    script.FeedEnd();
    if (options.capacity == 0) options.capacity = 16 * 1024;
    if (options.line_limit == 0) options.line_limit = 64 * 1024;
    ReaderModel model(stream, options);
    for (;;) {
      const ReadOperation &operation = next();
      ReadOutcome expected = operation.expect(model);
      ASSERT_EQ(expected, operation.read(script.reader(), {}))
          << operation.name << " before " << model.unread().size() << " bytes of "
          << ::testing::PrintToString(stream);
      if (expected.result == WEIR_E_END_OF_STREAM) break;
      if (expected.result == WEIR_E_LINE_TOO_LONG && !options.resynchronise) break;
    }
    EXPECT_EQ(0, weir_connection_close(script.connection()));
  }
};

ReadOperation Utf8Line() {
  ReadOperation line = weir_testing::LineOperation("UTF-8 line", weir_read_utf8_line, false);
  auto expect = line.expect;
  line.expect = [expect](ReaderModel &model) {
    ReadOutcome outcome = expect(model);
    bool valid = weir_internal_utf8_is_valid(outcome.text.data(), outcome.text.size());
    if (outcome.result == 0 && !valid) outcome.result = WEIR_E_INVALID_UTF8;
    return outcome;
  };
  return line;
}

ReadOperation PlainLine() { return weir_testing::LineOperation("line", weir_read_line, false); }

// All lines alike, behind a first one that shifts them.
TEST_F(LineEnds, EveryLengthAtEveryShift) {
  const ReadOperation line = Utf8Line();
  RunLoop([&] {
    for (size_t length = 0; length <= 200; length++) {
      for (size_t shift = 0; shift < kBlock; shift++) {
        const std::string end = (length + shift) % 3 == 0 ? "\n" : "\r\n";
        std::string stream = std::string(shift, 's') + end;
        for (int i = 0; i < 5; i++) stream += std::string(length, static_cast<char>('a' + i)) + end;
        // In one piece; and in two, so that the second comes when bytes behind the first line are
        // known already.
        Compare(stream, {}, {}, [&]() -> const ReadOperation & { return line; });
        Compare(stream, {length + 2 * shift}, {}, [&]() -> const ReadOperation & { return line; });
      }
    }
    return 0;
  });
}

// A CR at every place, alone or before a LF that may be in the next block or come later.
TEST_F(LineEnds, CarriageReturnsAtEveryPlace) {
  const ReadOperation line = PlainLine();
  RunLoop([&] {
    for (weir_line_ending ending : {WEIR_LINE_LF, WEIR_LINE_ANY}) {
      for (size_t place = 0; place < 200; place++) {
        for (const char *end : {"\r", "\r\n", "\r\r\n", "\n\r"}) {
          std::string stream = "first\n" + std::string(place, 'a') + end + "b\n\nc";
          weir_read_channel_options options = {};
          options.line_ending = ending;
          Compare(stream, {}, options, [&]() -> const ReadOperation & { return line; });
          Compare(stream, {place + 7}, options, [&]() -> const ReadOperation & { return line; });
        }
      }
    }
    return 0;
  });
}

std::string RandomStream(std::mt19937 &random) {
  const size_t longest = std::vector<size_t>{4, 40, 100, 700}[random() % 4];
  const size_t size = random() % 3000;
  const std::vector<std::string> characters = {"a", "b", "\r", "\xC3\xA9", "\xE4\xBD\xA0", "\x8A"};
  const size_t alphabet = random() % 2 == 0 ? 2 : random() % 8 == 0 ? 6 : 5;
  std::string stream;
  while (stream.size() < size) {
    for (size_t left = random() % longest; left > 0; left--) {
      stream += characters[random() % alphabet];
    }
    stream += random() % 2 == 0 ? "\n" : "\r\n";
  }
  return stream + (random() % 2 == 0 ? "rest" : "");
}

TEST_F(LineEnds, AmongOtherReadsInEveryBuffer) {
  using namespace weir_testing;
  std::vector<ReadOperation> operations = {
      Utf8Line(),
      Utf8Line(),
      Utf8Line(),
      PlainLine(),
      AppendLineOperation("append line", weir_append_line),
      PeekOperation(1),
      ExactlyOperation(1),
      ExactlyOperation(30),
      DiscardOperation(70, false),
      SpanAndConsumeOperation(3),
      AwaitOperation(60),
  };
  std::mt19937 random(20260101);
  RunLoop([&] {
    for (int round = 0; round < 20000; round++) {
      weir_read_channel_options options = {};
      options.capacity = std::vector<size_t>{0, 0, 61, 64, 100, 300, 1000}[random() % 7];
      options.line_limit = std::vector<size_t>{0, 0, 60, 64, 100, 500}[random() % 6];
      options.resynchronise = random() % 4 != 0;
      options.line_ending = random() % 8 == 0 ? WEIR_LINE_ANY : WEIR_LINE_LF;
      std::string stream = RandomStream(random);
      std::vector<size_t> cuts;
      const size_t step = std::vector<size_t>{5, 50, 100, 1000}[random() % 4];
      for (size_t at = 0; at < stream.size() && cuts.size() < 50;) {
        cuts.push_back(at += 1 + random() % step);
      }
      size_t used = random() % 2 == 0 ? 4 : operations.size();
      Compare(stream, cuts, options,
              [&]() -> const ReadOperation & { return operations[random() % used]; });
      if (HasFatalFailure()) return 0;
    }
    return 0;
  });
}

}  // namespace
