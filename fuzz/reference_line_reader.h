// SPDX-License-Identifier: Apache-2.0
//
// What reading a stream of bytes, by lines and otherwise, must give: a model to compare a line
// reader with. It knows nothing of the reader and includes none of its headers; it has the whole
// stream from the start, so no byte is ever late and no line is ever cut in pieces.
//
// Besides what a read gives, the model tells how much of the stream has to be known before that is
// certain: the reader must not wait for more.

#ifndef WEIR_FUZZ_REFERENCE_LINE_READER_H
#define WEIR_FUZZ_REFERENCE_LINE_READER_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace weir_fuzz {

// Whether |text| is well-formed UTF-8 (RFC 3629), found by decoding each character and looking at
// the result.
inline bool IsUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    auto byte = [&](size_t offset) -> uint32_t { return static_cast<uint8_t>(text[at + offset]); };
    uint32_t lead = byte(0);
    size_t size = lead < 0x80 ? 1 : lead < 0xC0 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (size == 0 || lead >= 0xF8 || size > text.size() - at) return false;
    static constexpr uint32_t kLeadBits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    static constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t character = lead & kLeadBits[size];
    for (size_t i = 1; i < size; i++) {
      if (byte(i) < 0x80 || byte(i) > 0xBF) return false;
      character = character * 64 + (byte(i) - 0x80);
    }
    if (character < kSmallest[size] || character > 0x10FFFF) return false;
    if (character >= 0xD800 && character <= 0xDFFF) return false;
    at += size;
  }
  return true;
}

class ReferenceLineReader {
 public:
  struct Options {
    size_t line_limit = 0;
    bool cr_ends_line = false;
    bool resynchronise = false;
  };

  enum class Outcome { kLine, kTooLong, kEnd };

  // What a read gives. |text| holds its bytes.
  struct Result {
    Outcome outcome;
    std::string_view text;
    // The result is certain once that many bytes of the stream are known; size() + 1 if it takes
    // the knowledge that the stream ends there.
    size_t needed;
    // Whether something ends the line.
    bool terminated = true;
  };

  ReferenceLineReader(std::string stream, Options options)
      : stream_(std::move(stream)), options_(options) {}

  const std::string &stream() const { return stream_; }
  size_t size() const { return stream_.size(); }
  // Where the next read begins, but for what it drops first.
  size_t position() const { return position_; }
  // Whether the rest of a line that was too long has to be dropped first.
  bool skips_rest() const { return skips_rest_; }

  // What reading a line would give now.
  Result PeekLine() const {
    Start start = FindStart();
    if (start.position == size()) return {Outcome::kEnd, {}, size() + 1};
    size_t end = FindEnd(start.position);
    size_t content = end - start.position;
    if (IsCrLf(start.position, end)) content--;
    if (content > options_.line_limit) {
      return {Outcome::kTooLong, {}, std::max(start.needed, KnownAsTooLong(start.position))};
    }
    return {Outcome::kLine, std::string_view(stream_).substr(start.position, content), end + 1,
            end < size()};
  }

  // Reads the line that PeekLine has told.
  void TakeLine() {
    Result line = PeekLine();
    size_t start = FindStart().position;
    BeginAt(start);
    if (line.outcome == Outcome::kTooLong) {
      skips_rest_ = options_.resynchronise;
    } else if (line.outcome == Outcome::kLine) {
      size_t end = FindEnd(start);
      if (end == size()) {
        BeginAt(end);
      } else {
        BeginAt(end + 1);
        skips_lf_ = stream_[end] == '\r';
      }
    }
  }

  // What reading |count| bytes, more than none, would give: as many as are left, at most. With
  // |partly| one byte is enough to be certain.
  Result PeekBytes(size_t count, bool partly) const {
    Start start = FindStart();
    size_t left = size() - start.position;
    size_t wanted = partly ? 1 : count;
    return {left >= wanted ? Outcome::kLine : Outcome::kEnd,
            std::string_view(stream_).substr(start.position, count),
            left >= wanted ? start.position + wanted : size() + 1};
  }

  // Reads |count| bytes, more than none, which must be there.
  void TakeBytes(size_t count) { BeginAt(FindStart().position + count); }

  // Drops what is to be dropped, as far as the first |known| bytes of the stream tell.
  void Drop(size_t known) {
    if (skips_rest_) {
      size_t end = std::min(FindEnd(position_), known);
      bool found = end < known;
      skips_lf_ = found && stream_[end] == '\r';
      skips_rest_ = !found;
      position_ = found ? end + 1 : end;
    }
    if (skips_lf_ && position_ < known) {
      if (stream_[position_] == '\n') position_++;
      skips_lf_ = false;
    }
  }

  void Configure(Options options) { options_ = options; }

 private:
  struct Start {
    size_t position;
    size_t needed;  // as in Result
  };

  void BeginAt(size_t position) {
    position_ = position;
    skips_rest_ = false;
    skips_lf_ = false;
  }

  // Where the next read really begins.
  Start FindStart() const {
    Start start = {position_, position_};
    bool skips_lf = skips_lf_;
    if (skips_rest_) {
      size_t end = FindEnd(position_);
      if (end == size()) return {end, end + 1};
      start = {end + 1, end + 1};
      skips_lf = stream_[end] == '\r' && options_.cr_ends_line;
    }
    if (skips_lf) {
      start.needed = start.position + 1;
      if (start.position < size() && stream_[start.position] == '\n') start.position++;
    }
    return start;
  }

  // What a search for one byte has found last, for it is asked again and again.
  struct Search {
    size_t from = SIZE_MAX;
    size_t found = 0;
  };

  size_t Find(char byte, size_t from, Search *last) const {
    if (from < last->from || from > last->found) {
      *last = {from, std::min(stream_.find(byte, from), size())};
    }
    return last->found;
  }

  // Where the line that begins at |from| ends: at its LF or CR, or at the end of the stream.
  size_t FindEnd(size_t from) const {
    size_t lf = Find('\n', from, &lf_search_);
    return options_.cr_ends_line ? std::min(lf, Find('\r', from, &cr_search_)) : lf;
  }

  // Whether the LF at |end| has a CR that belongs to it, in the line that begins at |from|.
  bool IsCrLf(size_t from, size_t end) const {
    return !options_.cr_ends_line && end < size() && end > from && stream_[end - 1] == '\r';
  }

  // How much has to be known of a line that is too long, and begins at |from|, before it is.
  size_t KnownAsTooLong(size_t from) const {
    size_t beyond = from + options_.line_limit;  // the first byte too many
    bool may_be_cr_lf = !options_.cr_ends_line && stream_[beyond] == '\r';
    return may_be_cr_lf ? beyond + 2 : beyond + 1;
  }

  std::string stream_;
  Options options_;
  size_t position_ = 0;
  bool skips_rest_ = false;
  bool skips_lf_ = false;  // a CR has ended a line, and a LF directly behind it belongs to it
  mutable Search lf_search_;
  mutable Search cr_search_;
};

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_REFERENCE_LINE_READER_H
