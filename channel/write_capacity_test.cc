// SPDX-License-Identifier: Apache-2.0
//
// What leaves because the capacity is reached.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/scripted_transport.h"
#include "testing/write_test.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using weir_testing::Writes;

class WriteCapacity : public weir_testing::WriteTest {};

TEST_F(WriteCapacity, ReachingItSendsAtOnceWithoutWaiting) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 8);
    EXPECT_EQ(0, Fully(script, "1234567"));
    EXPECT_EQ(Writes{}, script.writes());
    EXPECT_EQ(0, Fully(script, "8"));
    EXPECT_EQ(Writes{"12345678"}, script.writes());
    script.SetRoom(3);
    EXPECT_EQ(0, Fully(script, "abcdefgh"));  // does not wait, though not all of it left
    EXPECT_EQ("12345678abc", script.sent());
    EXPECT_EQ(5u, Pending(script));
    script.SetRoom(ScriptedTransport::kUnlimited);
  });
}

TEST_F(WriteCapacity, AfterReachingItTheLoopSendsWhatDidNotLeave) {
  for (const char *text : {"12345678", "1234"}) {
    for (size_t room : {0, 3}) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, 8);
        script.SetRoom(room);
        for (size_t size = 0; size < 8; size += strlen(text)) {
          EXPECT_EQ(0, Fully(script, text));
        }
        EXPECT_EQ(8 - room, Pending(script));
        EXPECT_TRUE(script.watched());
        script.AddRoom(2);
        EXPECT_EQ(room + 2, script.sent().size());
        script.SetRoom(ScriptedTransport::kUnlimited);
        EXPECT_EQ(8u, script.sent().size());
        EXPECT_FALSE(script.watched());
        EXPECT_EQ(0, Fully(script, "stays"));
        EXPECT_EQ(0, weir_delay(WEIR_SECOND));
        EXPECT_EQ(8u, script.sent().size());
      });
    }
  }
}

// What ends a channel ends that, too.
TEST_F(WriteCapacity, ReachingItAndThenAFlushACloseOrACancel) {
  for (int how = 0; how < 4; how++) {
    WithScript([&](ScriptedTransport &script) {
      Configure(script, 8);
      script.SetRoom(0);
      EXPECT_EQ(0, Fully(script, "12345678"));
      EXPECT_TRUE(script.watched());
      if (how == 0) {
        Start([&] { return Flush(script); });
      }
      if (how == 1) weir_connection_abort(script.connection());
      if (how == 2) weir_write_channel_cancel(script.writer(), -EIO);
      if (how == 3) {
        Start([&] {
          EXPECT_EQ(0, weir_connection_close(script.connection()));
          return 0;
        });
      }
      EXPECT_EQ(how == 3, script.watched());
      script.SetRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(how == 0 || how == 3 ? "12345678" : "", script.sent());
    });
  }
}

// The loop is a help only: without it all is as it would be a byte earlier.
TEST_F(WriteCapacity, ReachingItBreaksNothingWhenTheLoopCannotWatch) {
  WithScript([&](ScriptedTransport &script) {
    Configure(script, 8);
    script.SetRoom(0);
    script.FailWatch(-ENOSPC);
    EXPECT_EQ(0, Fully(script, "12345678"));
    EXPECT_EQ(0, weir_write_channel_cause(script.writer()));
    EXPECT_EQ(8u, Pending(script));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("12345678", script.sent());
  });
}

TEST_F(WriteCapacity, AFailureWhileItIsReachedIsToldToTheNextWrite) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4);
    script.FailWrites(-ECONNRESET);
    EXPECT_EQ(0, Fully(script, "abcd"));
    EXPECT_EQ(4u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(-ECONNRESET, Fully(script, "e"));
    EXPECT_EQ(4u, weir_total_bytes_written(script.writer()));
  });
}

// A text of just the capacity is sent from where it lies; nothing of it, if the rest had no place.
TEST_F(WriteCapacity, NoMemoryForTheRestOfATextOfItTakesNothing) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(1);
    allocator().FailNth(2);  // the first is the pool's
    EXPECT_EQ(-ENOMEM, Fully(script, "abcd"));
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_EQ("", script.sent());
    EXPECT_EQ(0u, Pending(script));
    EXPECT_EQ(0, Fully(script, "abcd"));
    EXPECT_EQ("a", script.sent());
  });
}

}  // namespace
