// SPDX-License-Identifier: Apache-2.0
//
// What the reads of a channel must give: a model that has the whole stream from the start, so that
// nothing is ever late or cut in pieces. It is written for being obviously right, and knows nothing
// of the code that it judges but the codes of its errors.

#ifndef WEIR_TESTING_READER_MODEL_H
#define WEIR_TESTING_READER_MODEL_H

#include <algorithm>
#include <ostream>
#include <string>
#include <utility>

#include "weir/read_channel.h"

namespace weir_testing {

// What one read gave.
struct ReadOutcome {
  int result = 0;
  std::string text;    // the bytes that it stored
  uint64_t count = 0;  // the number that it stored
};

// For EXPECT_EQ.
inline bool operator==(const ReadOutcome &one, const ReadOutcome &other) {
  return one.result == other.result && one.text == other.text && one.count == other.count;
}
inline std::ostream &operator<<(std::ostream &out, const ReadOutcome &outcome) {
  out << (outcome.result > 0 ? "1" : weir_error_name(outcome.result)) << " \"";
  for (char byte : outcome.text) {
    if (byte == '\r') {
      out << "\\r";
    } else if (byte == '\n') {
      out << "\\n";
    } else {
      out << byte;
    }
  }
  return out << "\" " << outcome.count;
}

class ReaderModel {
 public:
  ReaderModel(std::string stream, const weir_read_channel_options &options)
      : unread_(std::move(stream)), options_(options) {}

  // What nobody has read; something may still have to be dropped from its beginning.
  const std::string &unread() const { return unread_; }
  size_t limit() const { return std::max(options_.capacity, options_.line_limit + 2); }

  ReadOutcome Exactly(size_t size) {
    ReadOutcome outcome = Peek(size);
    if (outcome.result < 0) return {outcome.result};
    Take(size);
    return outcome;
  }

  ReadOutcome Peek(size_t size) {
    if (size > limit()) return {-EMSGSIZE};
    if (size == 0) return {};
    Settle();
    return {unread_.size() < size ? WEIR_E_END_OF_STREAM : 0, unread_.substr(0, size)};
  }

  ReadOutcome Await(size_t size) { return {Peek(size).result}; }

  ReadOutcome Exhausted() {
    Settle();
    return {unread_.empty()};
  }

  ReadOutcome SkipIfFound(const std::string &expected) {
    if (expected.size() > limit()) return {-EMSGSIZE};
    if (expected.empty()) return {1};
    Settle();
    if (unread_.compare(0, expected.size(), expected) != 0) return {0};
    Take(expected.size());
    return {1};
  }

  ReadOutcome Discard(size_t size, bool exactly) {
    if (size == 0) return {};
    Settle();
    size_t done = Take(size).size();
    return {exactly && done < size ? WEIR_E_END_OF_STREAM : 0, "", done};
  }

  ReadOutcome Remaining(size_t limit) {
    Settle();
    bool more = unread_.size() > limit;
    return {more ? -EMSGSIZE : 0, Take(limit)};
  }

  ReadOutcome Until(const std::string &delimiter, const weir_read_until_options &options) {
    size_t most = limit() < delimiter.size() ? 0 : limit() - delimiter.size();
    if (delimiter.size() > limit() || options.limit > most) return {-EMSGSIZE};
    size_t bound = options.limit > 0 ? options.limit : std::min(options_.line_limit, most);
    Settle();
    size_t at = unread_.find(delimiter);
    if (IsBeyond(at, delimiter, bound, options)) return {-EMSGSIZE};
    if (at == std::string::npos && (!options.allow_missing || unread_.empty())) {
      return {WEIR_E_END_OF_STREAM};
    }
    return {0, TakeUntil(at, delimiter, options)};
  }

  ReadOutcome AppendUntil(const std::string &delimiter, const weir_read_until_options &options) {
    if (delimiter.size() > limit()) return {-EMSGSIZE};
    size_t bound = options.limit > 0 ? options.limit : options_.line_limit;
    Settle();
    size_t at = unread_.find(delimiter);
    if (IsBeyond(at, delimiter, bound, options)) return {-EMSGSIZE, Take(bound)};
    if (at == std::string::npos && (!options.allow_missing || unread_.empty())) {
      size_t possible = BeginningAtTheEnd(delimiter);
      return {WEIR_E_END_OF_STREAM, Take(unread_.size() - possible)};
    }
    return {0, TakeUntil(at, delimiter, options)};
  }

  ReadOutcome Line(bool strict) {
    Settle();
    if (unread_.empty()) return {WEIR_E_END_OF_STREAM};
    bool any = options_.line_ending == WEIR_LINE_ANY;
    size_t end = unread_.find_first_of(any ? "\r\n" : "\n");
    bool missing = end == std::string::npos;
    size_t content = missing ? unread_.size() : end;
    if (!any && !missing && end > 0 && unread_[end - 1] == '\r') content--;
    if (content > options_.line_limit) return {LineTooLong()};
    if (missing) return {strict ? WEIR_E_LINE_UNTERMINATED : 0, Take(content)};
    std::string line = unread_.substr(0, content);
    EndLine(end);
    return {0, line};
  }

 private:
  std::string Take(size_t size) {
    std::string taken = unread_.substr(0, size);
    unread_.erase(0, size);
    return taken;
  }

  // Drops a line's end, which is at |end|, and what is before it.
  void EndLine(size_t end) {
    drops_lf_ = unread_[end] == '\r';
    Take(end + 1);
  }

  int LineTooLong() {
    drops_rest_ = options_.resynchronise;
    return WEIR_E_LINE_TOO_LONG;
  }

  void Settle() {
    if (std::exchange(drops_rest_, false)) {
      size_t end = unread_.find_first_of(options_.line_ending == WEIR_LINE_ANY ? "\r\n" : "\n");
      if (end == std::string::npos) {
        unread_.clear();
      } else {
        EndLine(end);
      }
    }
    if (std::exchange(drops_lf_, false) && !unread_.empty() && unread_[0] == '\n') Take(1);
  }

  // The size of the longest beginning of |delimiter| with which the stream ends.
  size_t BeginningAtTheEnd(const std::string &delimiter) const {
    size_t size = std::min(delimiter.size() - 1, unread_.size());
    while (unread_.compare(unread_.size() - size, size, delimiter, 0, size) != 0) size--;
    return size;
  }

  // Tells whether more than |bound| bytes come before a delimiter at |at|, or before where one
  // might still begin.
  bool IsBeyond(size_t at, const std::string &delimiter, size_t bound,
                const weir_read_until_options &options) const {
    if (at != std::string::npos) return at > bound;
    size_t before = unread_.size() - (options.allow_missing ? 0 : BeginningAtTheEnd(delimiter));
    return before > bound;
  }

  std::string TakeUntil(size_t at, const std::string &delimiter,
                        const weir_read_until_options &options) {
    std::string before = Take(at);
    if (at != std::string::npos && !options.keep) Take(delimiter.size());
    return before;
  }

  std::string unread_;
  weir_read_channel_options options_;
  bool drops_rest_ = false;
  bool drops_lf_ = false;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_READER_MODEL_H
