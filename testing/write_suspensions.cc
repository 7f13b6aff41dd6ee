// SPDX-License-Identifier: Apache-2.0
//
// Writes for the matrix of suspensions, and what ends a stream.

#include <cstdarg>
#include <memory>

#include "testing/channel_suspensions.h"
#include "testing/expect_coroutine.h"
#include "weir/custom_connection.h"

namespace weir_testing {

namespace {

// Writes; *out_part gets how much was taken, also on failure.
using Call = std::function<int(weir_write_channel *, size_t *out_part)>;

struct Write {
  std::string function;
  Call call;
};

template <typename Value>
Write Number(const std::string &function, int (*write)(weir_write_channel *, Value)) {
  return {function,
          [write](weir_write_channel *output, size_t *) { return write(output, Value{65}); }};
}

int WriteAvailable(weir_write_channel *output, size_t *) {
  int result = weir_write_available(output, "available", 9);
  return result < 0 ? result : 0;
}

int WriteGather(weir_write_channel *output, size_t *out_part) {
  const weir_bytes parts[] = {weir_text("ga"), weir_text("ther")};
  return weir_write_gather(output, parts, 2, out_part);
}

__attribute__((format(printf, 2, 3))) int WriteList(weir_write_channel *output, const char *format,
                                                    ...) {
  va_list arguments;
  va_start(arguments, format);
  int result = weir_write_format_list(output, format, arguments);
  va_end(arguments);
  return result;
}

#define WEIR_TESTING_NUMBER(type) Number("weir_write_" #type, weir_write_##type)
#define WEIR_TESTING_BOTH_ORDERS(type) \
  WEIR_TESTING_NUMBER(type##_be), WEIR_TESTING_NUMBER(type##_le)

std::vector<Write> Writes() {
  return {
      {"weir_write_fully",
       [](weir_write_channel *output, size_t *out_part) {
         return weir_write_fully(output, "fully", 5, out_part);
       }},
      {"weir_write_available", WriteAvailable},
      {"weir_write_gather", WriteGather},
      {"weir_write_string",
       [](weir_write_channel *output, size_t *) { return weir_write_string(output, "string"); }},
      {"weir_write_line", [](weir_write_channel *output,
                             size_t *) { return weir_write_line(output, weir_text("line")); }},
      {"weir_write_format",
       [](weir_write_channel *output, size_t *) { return weir_write_format(output, "%d", 1234); }},
      {"weir_write_format_list",
       [](weir_write_channel *output, size_t *) { return WriteList(output, "%d", 1234); }},
      {"weir_write_await_room",
       [](weir_write_channel *output, size_t *) { return weir_write_await_room(output, 4); }},
      {"weir_flush", [](weir_write_channel *output, size_t *) { return weir_flush(output); }},
      {"weir_write_channel_close",
       [](weir_write_channel *output, size_t *) { return weir_write_channel_close(output); }},
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

// What a write writes that nothing hinders.
std::string TextOf(const Write &write) {
  weir_connection *memory = nullptr;
  weir_buffer buffer = {};
  EXPECT_EQ(0, weir_memory_connection(&memory, weir_text(""), &buffer));
  size_t part = 0;
  EXPECT_EQ(0, write.call(weir_open_write_channel(memory, false), &part));
  EXPECT_EQ(0, weir_connection_close(memory));
  weir_bytes bytes = weir_buffer_bytes(&buffer);
  std::string text(bytes.size > 0 ? bytes.data : "", bytes.size);
  weir_buffer_release(&buffer);
  return text;
}

struct Full {
  explicit Full(const MakeCarrier &make) : line(make) { text = line.FillUp(); }
  Line line;
  std::string text;  // written before
  size_t part = 0;   // taken all the same by what was interrupted
};

// After an interruption: the peer gets what was reported as taken, and nothing else.
void ExpectNothingLost(const Write &write, Full *full) {
  const std::string text = TextOf(write);
  weir_write_channel *output = full->line.output();
  EXPECT_EQ(full->text.size() + full->part, weir_total_bytes_written(output));
  full->line.ReceiveInBackground();
  size_t part = 0;
  EXPECT_EQ(0, write.call(output, &part));
  EXPECT_EQ(0, weir_write_channel_close(output));
  EXPECT_TRUE(full->text + text.substr(0, full->part) + text == full->line.AwaitReceived());
}

Suspension Suspend(const Write &write, const MakeCarrier &make) {
  auto full = std::make_shared<std::unique_ptr<Full>>(std::make_unique<Full>(make));
  Suspension suspension;
  suspension.wait = [=] { return write.call((*full)->line.output(), &(*full)->part); };
  suspension.go_on = [=] { ExpectNothingLost(write, full->get()); };
  suspension.endings = {
      {"close", [=] { (*full)->line.CloseNear(); }, WEIR_E_CLOSED},
      {"abort", [=] { (*full)->line.AbortNear(); }, -ECONNABORTED},
      {"cancel", [=] { weir_write_channel_cancel((*full)->line.output(), -EPROTO); }, -EPROTO},
  };
  suspension.take_down = [=] { full->reset(); };
  return suspension;
}

// Cut short, it leaves the rest to the loop.
Suspension ConnectionClose(const MakeCarrier &make) {
  auto full = std::make_shared<std::unique_ptr<Full>>(std::make_unique<Full>(make));
  Suspension suspension;
  suspension.wait = [=] {
    weir_connection *connection = (*full)->line.near();
    (*full)->line.ForgetNear();
    return weir_connection_close(connection);
  };
  suspension.go_on = [=] {
    EXPECT_TRUE((*full)->text == (*full)->line.ReceiveAll());
    (*full)->line.EndSending();
  };
  weir_connection *connection = (*full)->line.near();
  suspension.endings.push_back(
      {"abort", [connection] { weir_connection_abort(connection); }, -ECONNABORTED});
  suspension.take_down = [=] { full->reset(); };
  return suspension;
}

}  // namespace

std::vector<SuspensionPoint> WritePoints(const MakeCarrier &make) {
  std::vector<SuspensionPoint> points;
  for (const Write &write : Writes()) {
    points.push_back({write.function, "", [=] { return Suspend(write, make); }, ""});
  }
  points.push_back({"weir_connection_close", "", [=] { return ConnectionClose(make); }, ""});
  return points;
}

}  // namespace weir_testing
