// SPDX-License-Identifier: Apache-2.0
//
// What weir_write_format prints.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/scripted_transport.h"
#include "testing/write_test.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class WriteFormat : public weir_testing::WriteTest {};

TEST_F(WriteFormat, PrintsIntoTheChannel) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_format(script.writer(), "%s=%d;", "answer", 42));
    EXPECT_EQ(0, weir_write_format(script.writer(), "%5.2f|", 3.14159));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("answer=42; 3.14|", script.sent());
  });
}

TEST_F(WriteFormat, OfEverySizeAroundTheCapacity) {
  for (int size = 0; size <= 40; size++) {
    for (int before = 0; before <= 16; before++) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, 16);
        std::string expected(static_cast<size_t>(before), 'b');
        EXPECT_EQ(0, Fully(script, expected));
        EXPECT_EQ(0, weir_write_format(script.writer(), "%*d", size, 7));
        expected += std::string(static_cast<size_t>(size < 1 ? 0 : size - 1), ' ') + "7";
        EXPECT_EQ(0, Flush(script));
        EXPECT_EQ(expected, script.sent()) << size << " " << before;
      });
    }
  }
}

TEST_F(WriteFormat, ThatDoesNotFitAndFindsNoMemoryTakesNothing) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 16);
    EXPECT_EQ(0, Fully(script, "before"));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_write_format(script.writer(), "%100d", 1));
    allocator().FailNth(0);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("before", script.sent());
  });
}

TEST_F(WriteFormat, ReportsWhatPrintfRefuses) {
  WithScript([](ScriptedTransport &script) {
    // Through a pointer, because compilers refuse it as well.
    int (*volatile write_format)(weir_write_channel *, const char *, ...) = weir_write_format;
    EXPECT_EQ(-EOVERFLOW, write_format(script.writer(), "%2147483648d", 1));
    const wchar_t no_character[] = {static_cast<wchar_t>(0x7FFFFFFF), 0};
    EXPECT_EQ(-EINVAL, weir_write_format(script.writer(), "%ls", no_character));
    EXPECT_EQ(0u, Pending(script));
  });
}

}  // namespace
