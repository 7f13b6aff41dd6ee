// SPDX-License-Identifier: Apache-2.0
//
// What one direction of a connection must do, as plainly as it can be said: a queue of bytes. It
// knows nothing of channels and includes none of their headers.
//
// A read is judged when it has returned. What it said must follow from the bytes that are in the
// stream by then; bytes that came later than those it has seen change nothing, since a read tells
// nothing that more bytes could refute.

#ifndef WEIR_FUZZ_STREAM_MODEL_H
#define WEIR_FUZZ_STREAM_MODEL_H

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "fuzz/reference_line_reader.h"

namespace weir_fuzz {

class StreamModel {
 public:
  struct Options {
    size_t capacity = 0;
    size_t line_limit = 0;
    bool cr_ends_line = false;
    bool resynchronise = false;
  };

  enum class Outcome { kDone, kWait, kEnd, kTooLarge, kLineTooLong, kUnterminated, kInvalidUtf8 };

  struct Result {
    Outcome outcome = Outcome::kWait;
    std::string text = {};  // what the read stores
    size_t count = 0;       // what it counts or returns
    // What it does to the stream.
    size_t used = 0;
    bool changes_line = false;
    bool drops_lf = false;
    bool drops_rest = false;
  };

  struct Until {
    std::string delimiter;
    size_t limit = 0;
    bool keep = false;
    bool allow_missing = false;
  };

  explicit StreamModel(Options options) : options_(options) {}

  // Writing

  // A write begins; from now on the reader may get all of |bytes|, unless the stream has ended.
  void Offer(std::string_view bytes) {
    offered_ = written();
    if (ended_) return;
    unread_.insert(unread_.end(), bytes.begin(), bytes.end());
  }
  // It has ended, and the channel has taken |taken| of them. Tells whether the reader got no more.
  bool Keep(size_t taken) {
    if (read_ > offered_ + taken) return false;
    unread_.resize(static_cast<size_t>(offered_ + taken - read_));
    return true;
  }
  void End(bool ended = true) { ended_ = ended; }
  // Forgets the last |size| bytes, for a look at what the reader can see.
  void Hide(size_t size) {
    unread_.resize(unread_.size() - std::min(size, unread_.size()));
    ended_ = ended_ && size == 0;
  }

  // Reading

  bool ended() const { return ended_; }
  uint64_t written() const { return read_ + unread_.size(); }
  uint64_t read() const { return read_; }
  // How many bytes may be counted as read, because they only have to be dropped.
  uint64_t read_at_most() const { return read_ + FindStart().at; }
  size_t limit() const { return std::max(options_.capacity, options_.line_limit + 2); }
  const Options &options() const { return options_; }

  // Does to the stream what |result| tells.
  void Accept(const Result &result) {
    unread_.erase(unread_.begin(), At(result.used));
    read_ += result.used;
    if (result.used == 0 && !result.changes_line) return;
    drops_lf_ = result.drops_lf;
    drops_rest_ = result.drops_rest;
  }

  // The next |size| bytes, which a read has reported although it failed; kWait if there are fewer.
  Result Some(size_t size) const {
    if (size == 0) return {Outcome::kDone};
    Start start = FindStart();
    if (!start.known || Left(start) < size) return {};
    return {Outcome::kDone, Text(start.at, size), size, start.at + size};
  }

  // 1 to |size| bytes; the text is as many as there may be.
  Result Available(size_t size) const {
    if (size == 0) return {Outcome::kDone};
    Start start = FindStart();
    if (!start.known) return {};
    size_t there = std::min(size, Left(start));
    if (there == 0) return {ended_ ? Outcome::kEnd : Outcome::kWait};
    return {Outcome::kDone, Text(start.at, there), there, start.at + there};
  }

  Result Fully(size_t size) const {
    if (size == 0) return {Outcome::kDone};
    Start start = FindStart();
    size_t there = std::min(size, Left(start));
    if (!start.known || (there < size && !ended_)) return {};
    Outcome outcome = there < size ? Outcome::kEnd : Outcome::kDone;
    return {outcome, Text(start.at, there), there, there > 0 ? start.at + there : 0};
  }

  Result Exactly(size_t size) const {
    if (size > limit()) return {Outcome::kTooLarge};
    Result result = Fully(size);
    return result.outcome == Outcome::kEnd ? Result{Outcome::kEnd} : result;
  }

  Result Peek(size_t size) const {
    if (size > limit()) return {Outcome::kTooLarge};
    Result result = Fully(size);
    return {result.outcome, result.text};
  }

  Result Exhausted() const {
    Result result = Peek(1);
    if (result.outcome == Outcome::kWait) return {};
    return {Outcome::kDone, "", result.outcome == Outcome::kEnd};
  }

  Result SkipIfFound(const std::string &expected) const {
    if (expected.size() > limit()) return {Outcome::kTooLarge};
    if (expected.empty()) return {Outcome::kDone, "", 1};
    Start start = FindStart();
    if (!start.known) return {};
    std::string next = Text(start.at, expected.size());
    if (next == expected) return {Outcome::kDone, "", 1, start.at + next.size()};
    bool differs = expected.compare(0, next.size(), next) != 0;
    return {differs || ended_ ? Outcome::kDone : Outcome::kWait};
  }

  Result Discard(size_t size, bool exactly) const {
    Result result = Fully(size);
    result.text.clear();
    if (result.outcome == Outcome::kEnd && !exactly) result.outcome = Outcome::kDone;
    return result;
  }

  Result Remaining(size_t most) const {
    Start start = FindStart();
    if (!start.known) return {};
    size_t left = Left(start);
    if (left <= most && !ended_) return {};
    size_t taken = std::min(left, most);
    Outcome outcome = left > most ? Outcome::kTooLarge : Outcome::kDone;
    return {outcome, Text(start.at, taken), taken, taken > 0 ? start.at + taken : 0};
  }

  Result ReadUntil(const Until &until) const {
    size_t size = until.delimiter.size();
    size_t most = limit() < size ? 0 : limit() - size;
    if (size > limit() || until.limit > most) return {Outcome::kTooLarge};
    size_t bound = until.limit > 0 ? until.limit : std::min(options_.line_limit, most);
    Result result = FindUntil(until, bound);
    bool done = result.outcome == Outcome::kDone;
    return done ? result : Result{result.outcome};
  }

  Result AppendUntil(const Until &until) const {
    if (until.delimiter.size() > limit()) return {Outcome::kTooLarge};
    return FindUntil(until, AppendBound(until));
  }
  size_t AppendBound(const Until &until) const {
    return until.limit > 0 ? until.limit : options_.line_limit;
  }

  Result CopyUntil(const Until &until) const {
    if (until.delimiter.size() > limit()) return {Outcome::kTooLarge};
    return FindUntil(until, until.limit > 0 ? until.limit : SIZE_MAX);
  }

  // How many bytes come before |delimiter|, so that none behind them may be reported as before it.
  size_t LeftBefore(const std::string &delimiter) const {
    Start start = FindStart();
    auto from = At(start.at);
    auto at = std::search(from, unread_.end(), delimiter.begin(), delimiter.end());
    return static_cast<size_t>(at - from);
  }

  Result Line(bool utf8, bool strict) const {
    Start start = FindStart();
    if (!start.known) return {};
    size_t left = Left(start);
    if (left == 0) return {ended_ ? Outcome::kEnd : Outcome::kWait};
    size_t end = FindLineEnd(start.at);
    bool missing = end == unread_.size();
    size_t content = end - start.at;
    bool last_is_cr = content > 0 && unread_[end - 1] == '\r' && !options_.cr_ends_line;
    // A CR may belong to what ends the line, or may still come to.
    if (last_is_cr && (!missing || !ended_)) content--;
    if (content > options_.line_limit) {
      return {Outcome::kLineTooLong, "", 0, start.at, true, false, options_.resynchronise};
    }
    if (missing && !ended_) return {};
    std::string text = Text(start.at, content);
    Outcome outcome = utf8 && !IsUtf8(text) ? Outcome::kInvalidUtf8 : Outcome::kDone;
    if (missing) return {strict ? Outcome::kUnterminated : outcome, text, 0, end};
    return {outcome, text, 0, end + 1, true, unread_[end] == '\r'};
  }

 private:
  struct Start {
    size_t at;
    bool known;
  };

  std::deque<char>::const_iterator At(size_t at) const {
    return unread_.begin() + static_cast<std::ptrdiff_t>(at);
  }
  std::string Text(size_t from, size_t size) const {
    size = std::min(size, unread_.size() - from);
    return std::string(At(from), At(from + size));
  }
  size_t Left(Start start) const { return unread_.size() - start.at; }

  size_t FindLineEnd(size_t from) const {
    auto ends = [this](char byte) {
      return byte == '\n' || (byte == '\r' && options_.cr_ends_line);
    };
    return static_cast<size_t>(std::find_if(At(from), unread_.end(), ends) - unread_.begin());
  }

  // Where the next read really begins, behind what is to be dropped.
  Start FindStart() const {
    size_t at = 0;
    bool drops_lf = drops_lf_;
    if (drops_rest_) {
      at = FindLineEnd(0);
      if (at == unread_.size()) return {at, ended_};
      drops_lf = unread_[at++] == '\r';
    }
    if (!drops_lf) return {at, true};
    if (at == unread_.size()) return {at, ended_};
    return {unread_[at] == '\n' ? at + 1 : at, true};
  }

  // The size of the longest beginning of |delimiter| with which the stream ends so far.
  size_t BeginningAtTheEnd(size_t from, const std::string &delimiter) const {
    size_t size = std::min(delimiter.size() - 1, unread_.size() - from);
    while (!std::equal(At(unread_.size() - size), unread_.end(), delimiter.begin())) size--;
    return size;
  }

  // With every outcome but kWait, the text is what comes before, as far as |bound| permits.
  Result FindUntil(const Until &until, size_t bound) const {
    Start start = FindStart();
    if (!start.known) return {};
    auto found =
        std::search(At(start.at), unread_.end(), until.delimiter.begin(), until.delimiter.end());
    bool missing = found == unread_.end();
    size_t before = static_cast<size_t>(found - At(start.at));
    bool all = missing && ended_ && until.allow_missing;
    if (missing && !all) before -= BeginningAtTheEnd(start.at, until.delimiter);
    Outcome outcome = Outcome::kDone;
    if (before > bound) outcome = Outcome::kTooLarge;
    if (before <= bound && missing && !ended_) return {};
    if (before <= bound && missing && (!all || Left(start) == 0)) outcome = Outcome::kEnd;
    size_t taken = std::min(before, bound);
    size_t used = taken > 0 ? start.at + taken : 0;
    bool takes_delimiter = outcome == Outcome::kDone && !missing && !until.keep;
    if (takes_delimiter) used = start.at + taken + until.delimiter.size();
    return {outcome, Text(start.at, taken), taken, used};
  }

  Options options_;
  std::deque<char> unread_;
  uint64_t read_ = 0;
  uint64_t offered_ = 0;
  bool ended_ = false;
  bool drops_rest_ = false;  // the rest of a line that was too long
  bool drops_lf_ = false;    // a LF directly behind a CR that has ended a line
};

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_STREAM_MODEL_H
