// SPDX-License-Identifier: Apache-2.0
//
// Writes of which something fails: the transport, or memory.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/scripted_transport.h"
#include "testing/write_test.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class WriteFailure : public weir_testing::WriteTest {};

TEST_F(WriteFailure, AFailureOfTheTransportStays) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "lost"));
    script.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, Flush(script));
    script.FailWrites(0);
    EXPECT_EQ(-EPIPE, Flush(script));
    EXPECT_EQ(-EPIPE, Line(script, "x"));
    EXPECT_EQ(-EPIPE, weir_write_format(script.writer(), "x"));
    EXPECT_EQ(-EPIPE, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-EPIPE, weir_connection_close(script.connection()));
    EXPECT_EQ("", script.sent());
  });
}

TEST_F(WriteFailure, ATimeoutOfTheTransportStaysToo) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "lost"));
    // What the kernel says of a peer that no longer acknowledges, no deadline of ours.
    script.FailWrites(-ETIMEDOUT);
    EXPECT_EQ(-ETIMEDOUT, Flush(script));
    script.FailWrites(0);
    EXPECT_EQ(-ETIMEDOUT, Flush(script));
  });
}

TEST_F(WriteFailure, NoMemoryInTheTransportDoesNotStay) {
  for (int failure : {-ENOMEM, -ENOBUFS}) {
    WithScript([failure](ScriptedTransport &script) {
      EXPECT_EQ(0, Line(script, "kept"));
      script.FailWrites(failure);
      EXPECT_EQ(failure, Flush(script));
      script.FailWrites(0);
      EXPECT_EQ(0, Flush(script));
      EXPECT_EQ("kept\r\n", script.sent());
      // Nor when it was met on the way, by a write that needed no room.
      Configure(script, 4);
      script.FailWrites(failure);
      EXPECT_EQ(0, Fully(script, "abcd"));
      EXPECT_EQ(failure, Fully(script, "e"));
      script.FailWrites(0);
      EXPECT_EQ(0, Fully(script, "e"));
      EXPECT_EQ("kept\r\nabcde", script.sent());
    });
  }
}

TEST_F(WriteFailure, NoMemoryForTheBufferTakesNothing) {
  WithScript([this](ScriptedTransport &script) {
    for (int what = 0; what < 4; what++) {
      // The first failing write finds the pool's allocation before its own.
      allocator().FailNth(what == 0 ? 2 : 1);
      if (what == 0) {
        EXPECT_EQ(-ENOMEM, Line(script, "x"));
      } else if (what == 1) {
        EXPECT_EQ(-ENOMEM, Fully(script, "x"));
      } else if (what == 2) {
        EXPECT_EQ(-ENOMEM, weir_write_format(script.writer(), "%d", 5));
      } else {
        EXPECT_EQ(-ENOMEM, weir_write_string(script.writer(), "x"));
      }
      EXPECT_TRUE(allocator().refused());
      allocator().FailNth(0);
    }
    EXPECT_EQ(0u, Pending(script));
    EXPECT_EQ(0, Line(script, "later"));
    EXPECT_EQ(0, Flush(script));
    EXPECT_EQ("later\r\n", script.sent());
  });
}

TEST_F(WriteFailure, ACloseWhoseFlushFailsMayBeCalledAgain) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(4);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_write_channel_close(script.writer()); }));
    EXPECT_EQ(0, script.finished());
    EXPECT_EQ(0, Line(script, "still open"));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ("last words\r\nstill open\r\n", script.sent());
    EXPECT_EQ(1, script.finished());
  });
}

TEST_F(WriteFailure, AFailureToEndTheStreamStays) {
  WithScript([](ScriptedTransport &script) {
    script.FailFinish(-ENOTCONN);
    EXPECT_EQ(-ENOTCONN, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-ENOTCONN, Line(script, "x"));
    EXPECT_EQ(-ENOTCONN, weir_connection_close(script.connection()));
  });
}

}  // namespace
