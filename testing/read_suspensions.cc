// SPDX-License-Identifier: Apache-2.0
//
// Reads for the matrix of suspensions.

#include <memory>

#include "testing/channel_suspensions.h"

namespace weir_testing {

namespace {

// What a call gave, beside its result.
struct Taken {
  std::string bytes;       // as the user got them
  bool is_a_part = false;  // also on failure: these count as read
};

using Call = std::function<int(weir_read_channel *, Taken *)>;

struct Read {
  std::string function;
  std::string there;  // what is there already, and not enough
  std::string rest;   // what is enough with it
  Call call;
};

// A call with a span.
template <typename Function>
Call Span(Function function) {
  return [function](weir_read_channel *input, Taken *) {
    weir_bytes bytes;
    return function(input, &bytes);
  };
}

template <typename Function>
Call Appending(Function function) {
  return [function](weir_read_channel *input, Taken *taken) {
    weir_buffer buffer = {};
    int result = function(input, &buffer);
    weir_bytes bytes = weir_buffer_bytes(&buffer);
    *taken = {std::string(bytes.size > 0 ? bytes.data : "", bytes.size), true};
    weir_buffer_release(&buffer);
    return result;
  };
}

// Of what is dropped only the number is known.
template <typename Function>
Call Discarding(Function function) {
  return [function](weir_read_channel *input, Taken *taken) {
    uint64_t done = 0;
    int result = function(input, 5, &done);
    *taken = {std::string("parti").substr(0, done), true};
    return result;
  };
}

template <typename Value>
Read Number(const std::string &function, int (*read)(weir_read_channel *, Value *)) {
  return {function, std::string(sizeof(Value) - 1, '1'), "2",
          [read](weir_read_channel *input, Taken *) {
            Value value;
            return read(input, &value);
          }};
}

int ReadAvailable(weir_read_channel *input, Taken *) {
  char bytes[3];
  int result = weir_read_available(input, bytes, sizeof bytes);
  return result < 0 ? result : 0;
}

int ReadFully(weir_read_channel *input, Taken *taken) {
  char bytes[5];
  size_t done = 0;
  int result = weir_read_fully(input, bytes, sizeof bytes, &done);
  *taken = {std::string(bytes, done), true};
  return result;
}

int ReadExactly(weir_read_channel *input, Taken *) {
  char bytes[5];
  return weir_read_exactly(input, bytes, sizeof bytes);
}

#define WEIR_TESTING_NUMBER(type) Number("weir_read_" #type, weir_read_##type)
#define WEIR_TESTING_BOTH_ORDERS(type) \
  WEIR_TESTING_NUMBER(type##_be), WEIR_TESTING_NUMBER(type##_le)

std::vector<Read> Reads() {
  const weir_bytes newline = weir_text("\n");
  auto until = [=](weir_read_channel *input, weir_bytes *out) {
    return weir_read_until(input, newline, nullptr, out);
  };
  auto append_until = [=](weir_read_channel *input, weir_buffer *out) {
    return weir_append_until(input, newline, nullptr, out);
  };
  auto remaining = [](weir_read_channel *input, weir_buffer *out) {
    return weir_read_remaining(input, out, SIZE_MAX);
  };
  auto packet = [](auto... all) { return weir_read_packet(all...); };
  auto of_five = [](auto function) {
    return Span(
        [function](weir_read_channel *input, weir_bytes *out) { return function(input, 5, out); });
  };
  return {
      {"weir_read_available", "", "part", ReadAvailable},
      {"weir_read_fully", "par", "tial", ReadFully},
      {"weir_read_exactly", "par", "tial", ReadExactly},
      {"weir_read_packet", "par", "tial", of_five(packet)},
      {"weir_read_remaining", "par", "tial", Appending(remaining)},
      {"weir_read_discard", "par", "tial", Discarding(weir_read_discard)},
      {"weir_read_discard_exactly", "par", "tial", Discarding(weir_read_discard_exactly)},
      {"weir_read_line", "par", "tial\n", Span(weir_read_line)},
      {"weir_read_line_strict", "par", "tial\n", Span(weir_read_line_strict)},
      {"weir_read_utf8_line", "par", "tial\n", Span(weir_read_utf8_line)},
      {"weir_read_utf8_line_strict", "par", "tial\n", Span(weir_read_utf8_line_strict)},
      {"weir_append_line", "par", "tial\n", Appending(weir_append_line)},
      {"weir_append_utf8_line", "par", "tial\n", Appending(weir_append_utf8_line)},
      {"weir_read_until", "par", "tial\n", Span(until)},
      {"weir_append_until", "par", "tial\n", Appending(append_until)},
      {"weir_read_skip_if_found", "par", "tial",
       [](weir_read_channel *input, Taken *) {
         int result = weir_read_skip_if_found(input, weir_text("parti"));
         return result == 1 ? 0 : result;
       }},
      {"weir_read_peek", "par", "tial", of_five(weir_read_peek)},
      {"weir_read_span", "par", "tial", of_five(weir_read_span)},
      {"weir_read_await", "par", "tial",
       [](weir_read_channel *input, Taken *) { return weir_read_await(input, 5); }},
      {"weir_read_exhausted", "", "partial",
       [](weir_read_channel *input, Taken *) { return weir_read_exhausted(input); }},
      WEIR_TESTING_NUMBER(uint8),
      WEIR_TESTING_NUMBER(int8),
      WEIR_TESTING_BOTH_ORDERS(uint16),
      WEIR_TESTING_BOTH_ORDERS(int16),
      WEIR_TESTING_BOTH_ORDERS(uint32),
      WEIR_TESTING_BOTH_ORDERS(int32),
      WEIR_TESTING_BOTH_ORDERS(uint64),
      WEIR_TESTING_BOTH_ORDERS(int64),
      WEIR_TESTING_BOTH_ORDERS(float),
      WEIR_TESTING_BOTH_ORDERS(double),
  };
}

// After an interruption: what was not reported is read by the next call, or by one after that.
void ExpectNothingLost(const Read &read, Line *line, const Taken &reported) {
  const std::string all = read.there + read.rest + "more";
  const std::string taken = reported.is_a_part ? reported.bytes : "";
  EXPECT_EQ(taken.size(), weir_total_bytes_read(line->input()));
  EXPECT_EQ(all.substr(0, taken.size()), taken);
  line->Send(read.rest + "more");
  line->EndSending();
  Taken ignored;
  EXPECT_EQ(0, read.call(line->input(), &ignored));
  const uint64_t behind = weir_total_bytes_read(line->input());
  Taken last;
  EXPECT_EQ(0, Appending([](weir_read_channel *input, weir_buffer *out) {
              return weir_read_remaining(input, out, SIZE_MAX);
            })(line->input(), &last));
  EXPECT_EQ(all.substr(behind), last.bytes);
}

Suspension Suspend(const Read &read, const MakeCarrier &make) {
  auto line = std::make_shared<std::unique_ptr<Line>>(std::make_unique<Line>(make));
  auto reported = std::make_shared<Taken>();
  if (!read.there.empty()) (*line)->Send(read.there);
  Suspension suspension;
  suspension.wait = [=] { return read.call((*line)->input(), reported.get()); };
  suspension.go_on = [=] { ExpectNothingLost(read, line->get(), *reported); };
  suspension.endings = {
      {"close", [=] { (*line)->CloseNear(); }, WEIR_E_CLOSED},
      {"abort", [=] { (*line)->AbortNear(); }, -ECONNABORTED},
      {"cancel", [=] { weir_read_channel_cancel((*line)->input(), -EPROTO); }, -EPROTO},
  };
  suspension.take_down = [=] { line->reset(); };
  return suspension;
}

}  // namespace

std::vector<SuspensionPoint> ReadPoints(const MakeCarrier &make) {
  std::vector<SuspensionPoint> points;
  for (const Read &read : Reads()) {
    points.push_back({read.function, "", [=] { return Suspend(read, make); }, ""});
  }
  return points;
}

}  // namespace weir_testing
