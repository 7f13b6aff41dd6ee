// SPDX-License-Identifier: Apache-2.0
//
// Reads a stream through a read channel, by lines and otherwise, as an input says, and compares
// each step with the reference.
//
// An input is four bytes, then O operations of one byte, then P pieces of one byte, then the stream
// to the input's end. What is missing is zero.
//
//   byte 0   bit 0: a lone CR ends lines too; bit 1: resynchronise; bit 2: long lines: each 'x' of
//            the stream stands for 997 of them, and pieces are 97 times as large; bit 3: all
//            forms of reading
//   byte 1   the channel's capacity: 0 is the default, up to 200 itself, above 200 N - 200 KiB
//   byte 2   the line limit, likewise
//   byte 3   O in the low four bits, P in the high four
//
// Operations are done in turn, over and over; without any, lines of UTF-8 are read:
//   bits 0-2 0, 1: weir_read_utf8_line; 2, 3: weir_read_line; 4: weir_read_available;
//            5: weir_read_fully; 6: weir_read_channel_configure; 7: the coroutine suspends
//   bit 3    under a deadline that passes at the first wait
//            with all forms of reading, 0: weir_read_utf8_line_strict; 1, with an odd size:
//            weir_append_utf8_line; 2: weir_read_line_strict; 3, with an odd size:
//            weir_append_line; 6: peek, until, skip_if_found, or span and consume, by bits 4 and 5
//   bits 4-7 the size, by the table kSizes; for configure: bits 4 and 5 as in byte 0, bits 6 and 7
//            choose capacity and limit
//
// Pieces are how the stream arrives, in turn, over and over; without any it arrives at once:
//   0        nothing yet: the reader has to wait
//   1-239    as many bytes, or 97 times as many
//   240-247  a readiness behind which there is nothing
//   248-255  N - 247 KiB

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fail.h"
#include "fuzz/reference_line_reader.h"
#include "fuzz/split_transport.h"
#include "testing/virtual_loop.h"
#include "weir/channel.h"

namespace {

using weir_fuzz::Fail;
using weir_fuzz::ReferenceLineReader;
using weir_fuzz::SplitTransport;
using Outcome = ReferenceLineReader::Outcome;

constexpr size_t kSizes[16] = {0, 1, 2, 3, 4, 5, 7, 8, 16, 31, 64, 100, 255, 1000, 5000, 20000};
constexpr size_t kLargestStream = 80 * 1024;
constexpr int kMostOperations = 4000;

struct Input {
  weir_read_channel_options options = {};
  std::vector<uint8_t> operations;
  bool all_forms = false;
  std::vector<int> pieces;
  std::string stream;
};

size_t LimitOf(uint8_t byte) { return byte <= 200 ? byte : (byte - size_t{200}) * 1024; }

int PieceOf(uint8_t byte, bool long_lines) {
  if (byte >= 248) return (byte - 247) * 1024;
  if (byte >= 240) return SplitTransport::kNothing;
  return long_lines ? byte * 97 : byte;
}

Input Decode(const uint8_t *data, size_t size) {
  size_t at = 0;
  auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
  Input input;
  uint8_t flags = next();
  input.options.line_ending = flags & 1 ? WEIR_LINE_ANY : WEIR_LINE_LF;
  input.options.resynchronise = (flags & 2) != 0;
  input.options.capacity = LimitOf(next());
  input.options.line_limit = LimitOf(next());
  bool long_lines = (flags & 4) != 0;
  input.all_forms = (flags & 8) != 0;
  uint8_t counts = next();
  for (int i = 0; i < (counts & 15); i++) input.operations.push_back(next());
  for (int i = 0; i < counts >> 4; i++) input.pieces.push_back(PieceOf(next(), long_lines));
  if (input.operations.empty()) input.operations.push_back(0);
  for (; at < size && input.stream.size() < kLargestStream; at++) {
    input.stream.append(long_lines && data[at] == 'x' ? 997 : 1, static_cast<char>(data[at]));
  }
  return input;
}

ReferenceLineReader::Options OfReference(const weir_read_channel_options &options) {
  ReferenceLineReader::Options reference;
  reference.line_limit = options.line_limit > 0 ? options.line_limit : 64 * 1024;
  reference.cr_ends_line = options.line_ending == WEIR_LINE_ANY;
  reference.resynchronise = options.resynchronise;
  return reference;
}

// Bytes that the channel may hold, with these options.
size_t MostHeld(const weir_read_channel_options &options) {
  size_t capacity = options.capacity > 0 ? options.capacity : 16 * 1024;
  return std::max(capacity, OfReference(options).line_limit) + WEIR_INTERNAL_LINE_EXTRA;
}

class Comparison {
 public:
  explicit Comparison(const Input &input)
      : input_(input),
        options_(input.options),
        model_(input.stream, OfReference(options_)),
        transport_(model_.stream(), input.pieces),
        reader_(weir_open_read_channel(transport_.connection())) {}

  int Run() {
    int result = weir_read_channel_configure(reader_, &options_);
    if (result != 0) Fail("configure: %s", weir_error_name(result));
    // Until the stream was found to end three times, or nothing changes any more.
    size_t idle = 0;
    for (int i = 0; i < kMostOperations && ends_ < 3; i++) {
      size_t before = model_.position() + transport_.delivered();
      Do(input_.operations[static_cast<size_t>(i) % input_.operations.size()]);
      idle = model_.position() + transport_.delivered() == before ? idle + 1 : 0;
      if (idle > 3 * (input_.operations.size() + input_.pieces.size())) break;
    }
    result = weir_connection_close(transport_.connection());
    if (result != 0 || !transport_.released()) Fail("close: %s", weir_error_name(result));
    return 0;
  }

 private:
  void Do(uint8_t operation) {
    size_t size = kSizes[operation >> 4];
    CheckLastLine();
    bool hurried = (operation & 8) != 0;
    weir_timeout timeout = {};
    if (hurried) timeout = weir_timeout_begin(SplitTransport::kWait / 2);
    transport_.Expect(0, 0);
    if (input_.all_forms) {
      DoOneOfAll(operation, size);
    } else {
      DoUsual(operation, size);
    }
    // Whether it passed was told to whoever waited, and to nobody else.
    bool passed = hurried && weir_timeout_end(timeout);
    if (passed != transport_.timed_out() && (operation & 7) != 7) Fail("the deadline's end");
    CheckHeld();
  }

  void DoUsual(uint8_t operation, size_t size) {
    switch (operation & 7) {
      case 0:
      case 1:
        return ReadLine({"read_utf8_line", true, false, weir_read_utf8_line});
      case 2:
      case 3:
        return ReadLine({"read_line", false, false, weir_read_line});
      case 4:
        return ReadAvailable(size);
      case 5:
        return ReadFully(size);
      case 6:
        return Configure(operation >> 4);
      default:
        return Suspend();
    }
  }

  void DoOneOfAll(uint8_t operation, size_t size) {
    bool odd = (operation & 16) != 0;
    switch (operation & 7) {
      case 0:
        return ReadLine({"read_utf8_line_strict", true, true, weir_read_utf8_line_strict});
      case 1:
        return odd ? ReadLine({"append_utf8_line", true, false, nullptr, weir_append_utf8_line})
                   : ReadLine({"read_utf8_line", true, false, weir_read_utf8_line});
      case 2:
        return ReadLine({"read_line_strict", false, true, weir_read_line_strict});
      case 3:
        return odd ? ReadLine({"append_line", false, false, nullptr, weir_append_line})
                   : ReadLine({"read_line", false, false, weir_read_line});
      case 6:
        return LookAhead((operation >> 4) & 3, operation >> 6);
      default:
        return DoUsual(operation, size);
    }
  }

  // The last line is still there when the next operation begins.
  void CheckLastLine() {
    std::string_view line(line_.data, line_.size);
    if (line != expected_line_) Fail("the last line has changed before the next read");
  }

  void CheckHeld() {
    if (transport_.delivered() < model_.position()) Fail("reads what has not come");
    size_t held = transport_.delivered() - model_.position();
    // One that only looked ahead has dropped a LF, which the model still has.
    if (held > MostHeld(options_) + 1 && !model_.skips_rest()) Fail("%zu bytes are held", held);
  }

  void BeginRead(size_t needed, size_t room) {
    line_ = {};
    expected_line_ = {};
    transport_.Expect(needed, room + MostHeld(options_));
  }

  // Compares a result that was |expected| if no deadline passed. Returns whether none did.
  bool Agree(const char *name, int expected, int result) {
    if (transport_.timed_out()) expected = -ETIMEDOUT;
    if (result != expected) {
      Fail("%s at %zu: %s (%d), but expected %s (%d)", name, model_.position(),
           weir_error_name(result), result, weir_error_name(expected), expected);
    }
    ends_ = result == WEIR_E_END_OF_STREAM ? ends_ + 1 : 0;
    return !transport_.timed_out();
  }

  // A form of reading a line: in place or, where |read| is missing, appended.
  struct Form {
    const char *name;
    bool utf8;
    bool strict;
    int (*read)(weir_read_channel *, weir_bytes *);
    int (*append)(weir_read_channel *, weir_buffer *) = nullptr;
  };

  static int Expected(const Form &form, const ReferenceLineReader::Result &line) {
    if (line.outcome == Outcome::kEnd) return WEIR_E_END_OF_STREAM;
    if (line.outcome == Outcome::kTooLong) return WEIR_E_LINE_TOO_LONG;
    if (form.strict && !line.terminated) return WEIR_E_LINE_UNTERMINATED;
    return form.utf8 && !weir_fuzz::IsUtf8(line.text) ? WEIR_E_INVALID_UTF8 : 0;
  }

  // Reads into |appended_| behind what is there.
  int Append(const Form &form, weir_bytes *out) {
    weir_buffer buffer = {};
    if (weir_buffer_append(&buffer, weir_text("before")) != 0) Fail("no memory");
    int result = form.append(reader_, &buffer);
    appended_ = std::string(buffer.data, buffer.size);
    weir_buffer_release(&buffer);
    if (appended_.compare(0, 6, "before") != 0) Fail("%s changes what was there", form.name);
    *out = weir_bytes_of(appended_.data() + 6, appended_.size() - 6);
    return result;
  }

  void ReadLine(const Form &form) {
    ReferenceLineReader::Result line = model_.PeekLine();
    BeginRead(line.needed, 0);
    weir_bytes out = weir_text("not touched");
    int result = form.read != nullptr ? form.read(reader_, &out) : Append(form, &out);
    bool done = Agree(form.name, Expected(form, line), result);
    std::string_view text(out.data, out.size);
    if (!done) {
      if (!text.empty()) Fail("a line behind a deadline");
      return;
    }
    if (text != line.text) {
      Fail("a line at %zu: %zu bytes, but expected %zu, or others", model_.position(), text.size(),
           line.text.size());
    }
    model_.TakeLine();
    line_ = out;
    expected_line_ = line.text;
  }

  void LookAhead(int kind, size_t size) {
    static constexpr const char *kExpected[4] = {"a", "\n", "xx", "\xC3\xA9\r\n"};
    if (kind == 1) return ReadUntil(kExpected[size]);
    if (kind == 2) return SkipIfFound(kExpected[size]);
    Peek(size + 1, kind == 3);
  }

  bool IsBeyondLimit(size_t size) const {
    size_t capacity = options_.capacity > 0 ? options_.capacity : 16 * 1024;
    return size > std::max(capacity, OfReference(options_).line_limit + 2);
  }

  // Looks at bytes, and takes all but the last of them if it |consumes|; so a character may be cut.
  void Peek(size_t size, bool consumes) {
    ReferenceLineReader::Result bytes = model_.PeekBytes(size, false);
    BeginRead(IsBeyondLimit(size) ? 0 : bytes.needed, 0);
    weir_bytes out = weir_text("not touched");
    int result =
        consumes ? weir_read_span(reader_, size, &out) : weir_read_peek(reader_, size, &out);
    int expected = bytes.outcome == Outcome::kLine ? 0 : WEIR_E_END_OF_STREAM;
    if (IsBeyondLimit(size)) expected = -EMSGSIZE;
    bool done = Agree(consumes ? "span" : "peek", expected, result);
    std::string_view text(out.data, out.size);
    if (!done || expected == -EMSGSIZE) {
      if (!text.empty()) Fail("bytes behind a failure");
      return;
    }
    if (text.substr(0, size) != bytes.text) Fail("peek at %zu: other bytes", model_.position());
    if (!consumes || result < 0 || size == 1) return;
    if (weir_read_consume(reader_, size - 1) != 0) Fail("consume of %zu bytes", size - 1);
    model_.TakeBytes(size - 1);
  }

  void SkipIfFound(std::string_view wanted) {
    if (IsBeyondLimit(wanted.size())) return;
    ReferenceLineReader::Result next = model_.PeekBytes(wanted.size(), false);
    bool found = next.text == wanted;
    // The first byte that differs is enough.
    size_t same = 0;
    while (same < next.text.size() && next.text[same] == wanted[same]) same++;
    if (same < next.text.size()) next.needed = model_.PeekBytes(same + 1, false).needed;
    BeginRead(next.needed, 0);
    int result = weir_read_skip_if_found(reader_, weir_bytes_of(wanted.data(), wanted.size()));
    if (Agree("skip_if_found", found, result) && found) model_.TakeBytes(wanted.size());
  }

  // Up to a delimiter, as far as the line limit goes.
  void ReadUntil(std::string_view delimiter) {
    if (IsBeyondLimit(delimiter.size())) return;
    size_t capacity = options_.capacity > 0 ? options_.capacity : 16 * 1024;
    size_t limit = OfReference(options_).line_limit;
    size_t bound = std::min(limit, std::max(capacity, limit + 2) - delimiter.size());
    ReferenceLineReader::Result rest = model_.PeekBytes(SIZE_MAX, false);
    size_t at = rest.text.find(delimiter);
    bool found = at <= bound;
    int expected = found ? 0 : WEIR_E_END_OF_STREAM;
    // What is at the end may be the beginning of the delimiter.
    size_t before = std::min(at, rest.text.size());
    for (size_t part = delimiter.size() - 1; at > rest.text.size() && part > 0; part--) {
      if (part > rest.text.size() || before < rest.text.size()) continue;
      if (rest.text.substr(rest.text.size() - part) == delimiter.substr(0, part)) before -= part;
    }
    if (before > bound) expected = -EMSGSIZE;
    size_t needed = found ? model_.PeekBytes(at + delimiter.size(), false).needed : rest.needed;
    BeginRead(needed, 0);
    weir_bytes out = weir_text("not touched");
    int result =
        weir_read_until(reader_, weir_bytes_of(delimiter.data(), delimiter.size()), nullptr, &out);
    bool done = Agree("read_until", expected, result);
    std::string_view text(out.data, out.size);
    if (!done || !found ? !text.empty() : text != rest.text.substr(0, at)) {
      Fail("read_until at %zu: other bytes", model_.position());
    }
    if (done && found) model_.TakeBytes(at + delimiter.size());
  }

  // Memory of exactly |size| bytes, so that ASan sees what is written behind it.
  char *Out(size_t size) {
    out_.clear();
    out_.shrink_to_fit();
    out_.resize(size);
    return out_.data();
  }

  void CheckBytes(const char *name, std::string_view expected, size_t size) {
    if (std::string_view(out_.data(), size) != expected.substr(0, size)) {
      Fail("%s at %zu: %zu bytes are not those of the stream", name, model_.position(), size);
    }
  }

  void ReadAvailable(size_t size) {
    if (size == 0) {
      BeginRead(0, 0);
      if (!Agree("read_available", 0, weir_read_available(reader_, Out(0), 0))) Fail("a wait");
      return;
    }
    ReferenceLineReader::Result bytes = model_.PeekBytes(size, true);
    BeginRead(bytes.needed, size);
    int result = weir_read_available(reader_, Out(size), size);
    // As many as are there, of which there must be some.
    int expected = WEIR_E_END_OF_STREAM;
    if (bytes.outcome == Outcome::kLine) {
      size_t start = bytes.needed - 1;
      size_t there = std::max(transport_.delivered(), start) - start;
      expected = static_cast<int>(std::min(size, there));
    }
    if (!Agree("read_available", expected, result) || result < 0) return;
    if (result == 0) Fail("read_available returned 0");
    CheckBytes("read_available", bytes.text, static_cast<size_t>(result));
    model_.TakeBytes(static_cast<size_t>(result));
  }

  void ReadFully(size_t size) {
    size_t done = size + 1;
    if (size == 0) {
      BeginRead(0, 0);
      Agree("read_fully", 0, weir_read_fully(reader_, Out(0), 0, &done));
      if (done != 0) Fail("read_fully of nothing: %zu bytes", done);
      return;
    }
    ReferenceLineReader::Result bytes = model_.PeekBytes(size, false);
    BeginRead(bytes.needed, size);
    int result = weir_read_fully(reader_, Out(size), size, &done);
    int expected = bytes.outcome == Outcome::kLine ? 0 : WEIR_E_END_OF_STREAM;
    bool all = Agree("read_fully", expected, result);
    if (all ? done != bytes.text.size() : done > bytes.text.size()) {
      Fail("read_fully at %zu: %zu bytes done, expected %zu", model_.position(), done,
           bytes.text.size());
    }
    CheckBytes("read_fully", bytes.text, done);
    if (done > 0 || all) model_.TakeBytes(done);
  }

  // Other options take effect only between lines, while the channel is empty.
  void Configure(int choice) {
    static constexpr size_t kLimits[4] = {0, 1, 3, 40};
    weir_read_channel_options options = options_;
    options.line_ending = choice & 1 ? WEIR_LINE_ANY : WEIR_LINE_LF;
    options.resynchronise = (choice & 2) != 0;
    options.capacity = kLimits[choice >> 2];
    options.line_limit = kLimits[3 - (choice >> 2)];
    // How much of a line's rest is dropped early is the reader's choice.
    bool either = model_.skips_rest() && transport_.delivered() > model_.position();
    if (!either) model_.Drop(transport_.delivered());
    int expected = transport_.delivered() > model_.position() ? -EBUSY : 0;
    int result = weir_read_channel_configure(reader_, &options);
    if (result != expected && !(either && result == 0)) {
      Fail("configure at %zu: %s", model_.position(), weir_error_name(result));
    }
    if (result < 0) return;
    model_.Drop(transport_.delivered());
    if (transport_.delivered() > model_.position()) Fail("configured while bytes are held");
    options_ = options;
    model_.Configure(OfReference(options));
  }

  void Suspend() {
    int result = weir_delay(SplitTransport::kWait);
    if (result != 0 && result != -ETIMEDOUT) Fail("delay: %s", weir_error_name(result));
  }

  const Input &input_;
  weir_read_channel_options options_;
  ReferenceLineReader model_;
  SplitTransport transport_;
  weir_read_channel *reader_;
  weir_bytes line_ = {};
  std::string_view expected_line_;
  std::vector<char> out_;
  std::string appended_;
  int ends_ = 0;
};

// Made once: the loop and its only stack serve all inputs. Between inputs it keeps nothing but
// empty buffers.
weir_testing::VirtualLoop &Loop() {
  static weir_testing::VirtualLoop loop;
  if (loop.created() != 0) Fail("no loop: %s", weir_error_name(loop.created()));
  return loop;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Input input = Decode(data, size);
  Comparison comparison(input);
  int result = Loop().Run([&] { return comparison.Run(); });
  if (result != 0) Fail("the loop: %s", weir_error_name(result));
  return 0;
}
