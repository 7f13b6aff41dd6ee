// SPDX-License-Identifier: Apache-2.0
//
// Lines as values, so that tests can compare what reads of them gave.

#ifndef WEIR_TESTING_LINES_H
#define WEIR_TESTING_LINES_H

#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "weir/read_channel.h"

namespace weir_testing {

// What one call gave.
struct Line {
  int result;
  std::string text;
};

// For EXPECT_EQ.
inline bool operator==(const Line &one, const Line &other) {
  return one.result == other.result && one.text == other.text;
}
inline std::ostream &operator<<(std::ostream &out, const Line &line) {
  bool long_text = line.text.size() > 80;
  return out << weir_error_name(line.result) << ":\"" << line.text.substr(0, 80)
             << (long_text ? "..." : "\"") << " (" << line.text.size() << " bytes)";
}

inline const Line kEnd = {WEIR_E_END_OF_STREAM, ""};
inline const Line kTooLong = {WEIR_E_LINE_TOO_LONG, ""};

// What a call gives that succeeds, and one that finds a line that is not UTF-8.
inline Line Ok(std::string text) { return {0, std::move(text)}; }
inline Line Invalid(std::string text) { return {WEIR_E_INVALID_UTF8, std::move(text)}; }

// Reads one line.
inline Line ReadLine(weir_read_channel *reader, bool utf8 = true) {
  weir_bytes line = weir_text("not touched");
  int result = utf8 ? weir_read_utf8_line(reader, &line) : weir_read_line(reader, &line);
  return {result, std::string(line.data, line.size)};
}

// Reads to the end, or to a failure after which nothing changes any more.
inline std::vector<Line> ReadLines(weir_read_channel *reader, bool utf8, bool resynchronise) {
  std::vector<Line> lines;
  for (;;) {
    lines.push_back(ReadLine(reader, utf8));
    int result = lines.back().result;
    if (result == 0 || result == WEIR_E_INVALID_UTF8) continue;
    if (result != WEIR_E_LINE_TOO_LONG || !resynchronise) return lines;
  }
}

// Options of a channel whose lines end with |ending| and have at most |limit| bytes.
inline weir_read_channel_options Limit(size_t limit, weir_line_ending ending = WEIR_LINE_LF,
                                       bool resynchronise = false) {
  weir_read_channel_options options = {};
  options.line_limit = limit;
  options.line_ending = ending;
  options.resynchronise = resynchronise;
  return options;
}

inline const weir_read_channel_options kLf = {};
inline const weir_read_channel_options kAny = Limit(0, WEIR_LINE_ANY);

}  // namespace weir_testing

#endif  // WEIR_TESTING_LINES_H
