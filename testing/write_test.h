// SPDX-License-Identifier: Apache-2.0
//
// What tests of writes have in common.

#ifndef WEIR_TESTING_WRITE_TEST_H
#define WEIR_TESTING_WRITE_TEST_H

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace weir_testing {

using Writes = std::vector<std::string>;

class WriteTest : public ChannelTest {
 protected:
  static int Fully(ScriptedTransport &script, const std::string &data, size_t *done = nullptr) {
    return weir_write_fully(&script.connection()->writer, data.data(), data.size(), done);
  }

  static int Line(ScriptedTransport &script, const std::string &line) {
    return weir_write_line(&script.connection()->writer, weir_bytes_of(line.data(), line.size()));
  }

  static int Flush(ScriptedTransport &script) { return weir_flush(&script.connection()->writer); }

  static void Configure(ScriptedTransport &script, size_t capacity) {
    weir_write_channel_options options = {};
    options.capacity = capacity;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
  }

  static size_t Pending(ScriptedTransport &script) {
    return weir_internal_writer_pending(&script.connection()->writer);
  }
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_WRITE_TEST_H
