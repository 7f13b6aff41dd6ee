// SPDX-License-Identifier: Apache-2.0
//
// Custom connections: their making, reading, and connections over memory.

#include <gtest/gtest.h>

#include <string>

#include "testing/custom_streams.h"
#include "weir/channel.h"

namespace {

using weir_testing::kStreamOperations;

class CustomConnection : public weir_testing::CustomTest {};

TEST_F(CustomConnection, ChecksWhereItIsMade) {
  EXPECT_EQ(-EINVAL, weir_custom_connection(&custom_, &kStreamOperations, nullptr, nullptr));
  EXPECT_EQ(nullptr, custom_);
  EXPECT_EQ(-EINVAL, weir_memory_connection(&custom_, weir_text(""), nullptr));
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(-EINVAL, weir_custom_connection(&custom_, nullptr, nullptr, nullptr));
              for (int nth = 1; nth <= 2; nth++) {
                allocator().FailNth(nth);
                EXPECT_EQ(-ENOMEM, weir_memory_connection(&custom_, weir_text(""), nullptr));
                EXPECT_EQ(nullptr, custom_);
              }
              allocator().FailNth(0);
              return 0;
            }));
}

TEST_F(CustomConnection, HasTheNamesItWasGiven) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_custom_operations none = {};
              weir_custom_options options = {};
              EXPECT_EQ(0, weir_custom_connection(&custom_, &none, nullptr, nullptr));
              EXPECT_STREQ("custom", weir_local_address(custom_));
              EXPECT_STREQ("custom", weir_remote_address(custom_));
              EXPECT_EQ(nullptr, weir_connection_host(custom_));
              EXPECT_EQ(0, Close());
              options.local_address = "here";
              options.remote_address = "there";
              options.host = "host";
              EXPECT_EQ(0, weir_custom_connection(&custom_, &none, nullptr, &options));
              EXPECT_STREQ("here", weir_local_address(custom_));
              EXPECT_STREQ("there", weir_remote_address(custom_));
              EXPECT_STREQ("host", weir_connection_host(custom_));
              return Close();
            }));
}

TEST_F(CustomConnection, WithoutOperationsItIsEmptyAndBroken) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_custom_operations none = {};
              EXPECT_EQ(0, weir_custom_connection(&custom_, &none, nullptr, nullptr));
              EXPECT_EQ(WEIR_E_END_OF_STREAM, Read());
              EXPECT_EQ(0, Write("x"));
              EXPECT_EQ(-EPIPE, weir_flush(Writer()));
              EXPECT_EQ(-EPIPE, Close());
              return 0;
            }));
}

TEST_F(CustomConnection, CarriesBothWays) {
  WithCustom([&] {
    streams_.input = "one\ntwo";
    streams_.ended = true;
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(Reader(), &line));
    EXPECT_EQ("one", Text(line));
    EXPECT_EQ(0, weir_read_line(Reader(), &line));
    EXPECT_EQ("two", Text(line));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(Reader(), &line));
    EXPECT_EQ(0, Write("out"));
    EXPECT_EQ(0, Close());
    EXPECT_EQ("out", streams_.output);
    EXPECT_EQ(1, streams_.finished);
    EXPECT_EQ(0, streams_.aborted);
    EXPECT_EQ(1, streams_.released);
  });
}

TEST_F(CustomConnection, ALargeReadGoesStraightToTheCallersMemory) {
  WithCustom([&] {
    streams_.input = std::string(100000, 'x');
    std::string out(100000, '\0');
    EXPECT_EQ(0, weir_read_fully(Reader(), &out[0], out.size(), nullptr));
    EXPECT_EQ(100000u, streams_.largest_read);
    EXPECT_EQ(nullptr, custom_->reader.buffer);
  });
}

TEST_F(CustomConnection, AReadThatWaitsHoldsNoBufferAndLosesNothing) {
  WithCustom([&] {
    std::string expected(1000, 'x');
    std::string out(1000, '\0');
    Start([&] { return weir_read_fully(Reader(), &out[0], out.size(), nullptr); });
    EXPECT_TRUE(streams_.inside);
    EXPECT_EQ(nullptr, custom_->reader.buffer);
    streams_.input = expected;
    streams_.Wake();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(expected, out);
  });
}

TEST_F(CustomConnection, WithoutMemoryBehindAWaitNothingIsLost) {
  bool failed = false;
  for (int nth = 1; nth <= 5; nth++) {
    WithCustom([&] {
      weir_read_channel_options options = {};
      options.capacity = 100;
      EXPECT_EQ(0, weir_read_channel_configure(Reader(), &options));
      int result = 0;
      Start([&] {
        result = Read();
        return 0;
      });
      streams_.input = "abc";
      streams_.Wake();
      allocator().FailNth(nth);
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      allocator().FailNth(0);
      failed = failed || result == -ENOMEM;
      char bytes[3] = "";
      size_t rest = result == 1 ? 2 : 3;
      EXPECT_EQ(0, weir_read_fully(Reader(), bytes, rest, nullptr));
      EXPECT_EQ("c", std::string(bytes + rest - 1, 1));
    });
  }
  EXPECT_TRUE(failed);
}

// Other coroutines end it.

TEST_F(CustomConnection, ASuspendedReadIsInterrupted) {
  for (int how = 0; how < 3; how++) {
    WithCustom([&] {
      int result = 1;
      Start([&] {
        result = Read();
        return 0;
      });
      EXPECT_TRUE(streams_.inside);
      if (how == 0) (void)Close();
      if (how == 1) weir_connection_abort(custom_);
      if (how == 2) weir_read_channel_cancel(Reader(), -EPROTO);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(how == 0 ? WEIR_E_CLOSED : how == 1 ? -ECONNABORTED : -EPROTO, result);
      EXPECT_FALSE(streams_.inside);
      // What it waited in is unharmed.
      EXPECT_EQ(0, weir_read_channel_cause(weir_open_read_channel(streams_.far)));
    });
  }
}

TEST_F(CustomConnection, AnInterruptionThatComesTooEarlyIsRepeated) {
  WithCustom([&] {
    int result = 1;
    Start([&] {
      result = Read();
      return 0;
    });
    streams_.Wake();  // for nothing: it will suspend again
    EXPECT_EQ(0, weir_flush(weir_open_write_channel(streams_.near, true)));
    int64_t before = weir_now();
    EXPECT_EQ(0, Close());
    EXPECT_EQ(WEIR_E_CLOSED, result);
    EXPECT_LE(weir_now() - before, 10);
  });
}

TEST_F(CustomConnection, ContractsThatAreNotKeptDoNoHarm) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_custom_operations wrong = {};
              wrong.read = [](void *, void *, size_t size, bool wait) {
                return wait ? -EAGAIN : static_cast<int>(size) + 1;
              };
              wrong.write = [](void *, const void *, size_t, bool) { return 0; };
              EXPECT_EQ(0, weir_custom_connection(&custom_, &wrong, nullptr, nullptr));
              EXPECT_EQ(-EINVAL, Read());
              EXPECT_EQ(0, Write("x"));
              EXPECT_EQ(-EINVAL, weir_flush(Writer()));
              EXPECT_EQ(-EINVAL, Close());
              return 0;
            }));
}

// Memory

TEST_F(CustomConnection, MemoryIsReadAndWritten) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_buffer written = {};
              EXPECT_EQ(0, weir_memory_connection(&custom_, weir_text("in"), &written));
              EXPECT_STREQ("memory", weir_local_address(custom_));
              char bytes[10];
              EXPECT_EQ(2, weir_read_available(Reader(), bytes, sizeof bytes));
              EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_available(Reader(), bytes, 1));
              EXPECT_EQ(0, Write("out"));
              EXPECT_EQ(0u, written.size);
              EXPECT_EQ(0, weir_flush(Writer()));
              EXPECT_EQ(0, Write("put"));
              EXPECT_EQ(0, Close());
              EXPECT_EQ("output", Text(weir_buffer_bytes(&written)));
              weir_buffer_release(&written);
              EXPECT_EQ(0, weir_memory_connection(&custom_, weir_bytes_of(nullptr, 0), nullptr));
              EXPECT_EQ(WEIR_E_END_OF_STREAM, Read());
              EXPECT_EQ(0, Write("dropped"));
              return Close();
            }));
}

}  // namespace
