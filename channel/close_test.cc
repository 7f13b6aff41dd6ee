// SPDX-License-Identifier: Apache-2.0
//
// A close that runs out of time, loses its coroutine, or fails.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using weir_testing::VirtualLoop;

int ReadLine(ScriptedTransport &script) {
  weir_bytes line;
  int result = weir_read_line(script.reader(), &line);
  EXPECT_EQ(0u, line.size);
  return result;
}

class EndingClose : public weir_testing::ChannelTest {
 protected:
  static int Line(ScriptedTransport &script, const char *line) {
    return weir_write_line(&script.connection()->writer, weir_text(line));
  }
  static int Close(ScriptedTransport &script) { return weir_connection_close(script.connection()); }
};

// The close timeout.

TEST_F(EndingClose, CloseGivesUpOutputWhenItsTimeIsOver) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(3);
    EXPECT_EQ(0, Line(script, "last words"));
    int64_t before = weir_now();
    EXPECT_EQ(-ETIMEDOUT, Close(script));
    EXPECT_EQ(5 * WEIR_SECOND, weir_now() - before);
    EXPECT_EQ("las", script.sent());
    // A stream that ended here would look complete.
    EXPECT_EQ(0, script.finished());
    EXPECT_EQ(1, script.aborted());
  });
}

TEST_F(EndingClose, CloseGivesUpLingeringWhenItsTimeIsOver) {
  WithScript([](ScriptedTransport &script) {
    script.LetLinger();
    weir_connection_set_close_timeout(script.connection(), 7 * WEIR_MILLISECOND);
    EXPECT_EQ(0, Line(script, "last words"));
    int64_t before = weir_now();
    EXPECT_EQ(0, Close(script));  // all output was sent
    EXPECT_EQ(7 * WEIR_MILLISECOND, weir_now() - before);
    EXPECT_EQ(0, script.aborted());
  });
}

TEST_F(EndingClose, ACloseTimeoutOfZeroDoesNotWait) {
  WithScript([](ScriptedTransport &script) {
    script.LetLinger();
    weir_connection_set_close_timeout(script.connection(), 0);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ("last words\r\n", script.sent());
    EXPECT_EQ(0, script.lingered());
  });
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(3);
    weir_connection_set_close_timeout(script.connection(), -1);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(-ETIMEDOUT, Close(script));
    EXPECT_EQ("las", script.sent());
    EXPECT_EQ(1, script.aborted());
  });
}

TEST_F(EndingClose, ACloseTimeoutOfZeroStillWaitsForWhatIsInFlight) {
  WithScript([this](ScriptedTransport &script) {
    weir_connection_set_close_timeout(script.connection(), 0);
    int result = 1;
    Start([&] {
      result = ReadLine(script);
      return 0;
    });
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ(WEIR_E_CLOSED, result);
  });
}

TEST_F(EndingClose, ACloseTimeoutMayBeForever) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    weir_connection_set_close_timeout(script.connection(), WEIR_FOREVER);
    EXPECT_EQ(0, Line(script, "last words"));
    Start([&] { return Close(script); });
    EXPECT_EQ(0, weir_delay(1000000 * WEIR_SECOND));
    EXPECT_FALSE(script.released());
    script.SetRoom(100);
    EXPECT_TRUE(script.released());
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

// The closer is cancelled.

TEST_F(EndingClose, ACancelledCloserLeavesTheRestToTheLoop) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    script.LetLinger();
    EXPECT_EQ(0, Line(script, "last words"));
    weir_job *job;
    int result = 1;
    Start([&] { return Close(script); }, &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, result);
    EXPECT_FALSE(script.released());
    script.SetRoom(100);
    EXPECT_EQ("last words\r\n", script.sent());
    EXPECT_EQ(1, script.lingered());
    script.EndLinger();
    EXPECT_TRUE(script.released());
  });
}

TEST_F(EndingClose, ADeadlineOfTheCloserDoesTheSame) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Close(script); }));
    EXPECT_FALSE(script.released());
    EXPECT_EQ(0, weir_delay(6 * WEIR_SECOND));
    EXPECT_TRUE(script.released());  // the close timeout still holds
    EXPECT_EQ(1, script.aborted());
  });
}

TEST_F(EndingClose, AnAlreadyCancelledCloserDoesAllThatCanBeDoneAtOnce) {
  for (bool room : {true, false}) {
    WithScript([&](ScriptedTransport &script) {
      if (!room) script.SetRoom(0);
      script.writer(true);
      weir_job *job;
      int result = 1;
      Start(
          [&] {
            EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
            return Close(script);
          },
          &job);
      EXPECT_EQ(0, Line(script, "last words"));
      weir_job_cancel(job);
      EXPECT_EQ(0, weir_job_wait(job, &result));
      weir_job_close(job);
      EXPECT_EQ(room ? 0 : -ECANCELED, result);
      EXPECT_EQ(room, script.released());
      script.SetRoom(100);
      EXPECT_TRUE(script.released());
      EXPECT_EQ("last words\r\n", script.sent());
    });
  }
}

TEST_F(EndingClose, ACancelledCloserLeavesAnotherReaderToTheLoopToo) {
  WithScript([this](ScriptedTransport &script) {
    int read = 1;
    Start([&] {
      read = ReadLine(script);
      return 0;
    });
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ(-ETIMEDOUT, Close(script));
    weir_timeout_end(timeout);
    EXPECT_FALSE(script.released());
    EXPECT_EQ(1, read);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(WEIR_E_CLOSED, read);
    EXPECT_TRUE(script.released());
  });
}

TEST_F(EndingClose, ACloserBehindAShieldWaitsThoughCancelled) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "last words"));
    weir_job *job;
    int result = 1;
    Start(
        [&] {
          weir_shield shield = weir_shield_begin();
          int closed = Close(script);
          weir_shield_end(shield);
          return closed;
        },
        &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_yield());
    script.SetRoom(100);
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    EXPECT_EQ(0, result);
  });
}

TEST_F(EndingClose, TheLoopFinishesAbandonedClosesBeforeItEnds) {
  VirtualLoop loop;
  ScriptedTransport lingering, stuck;
  int64_t before = loop.now();
  EXPECT_EQ(0, loop.Run([&] {
    lingering.LetLinger();
    stuck.SetRoom(0);
    EXPECT_EQ(0, Line(lingering, "sent"));
    EXPECT_EQ(0, Line(stuck, "not sent"));
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ(-ETIMEDOUT, Close(lingering));
    EXPECT_EQ(-ETIMEDOUT, Close(stuck));
    weir_timeout_end(timeout);
    return 0;
  }));
  // The loop's drain time is shorter than the close timeout.
  EXPECT_EQ(before + WEIR_SECOND, loop.now());
  EXPECT_TRUE(lingering.released());
  EXPECT_EQ(0, lingering.aborted());
  EXPECT_TRUE(stuck.released());
  EXPECT_EQ(1, stuck.aborted());
}

// Failures.

TEST_F(EndingClose, CloseReportsWhyTheOutputWasLost) {
  for (bool waits : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      EXPECT_EQ(0, Line(script, "lost"));
      script.SetRoom(0);
      if (!waits) script.FailWrites(-ECONNRESET);
      int result = 1;
      Start([&] {
        result = Close(script);
        return 0;
      });
      script.FailWrites(-ECONNRESET);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(-ECONNRESET, result);
      EXPECT_EQ(0, script.finished());
    });
  }
}

TEST_F(EndingClose, CloseReportsThatTheStreamCouldNotBeEnded) {
  WithScript([](ScriptedTransport &script) {
    script.FailFinish(-ENOTCONN);
    EXPECT_EQ(-ENOTCONN, Close(script));
    EXPECT_EQ(0, script.lingered());
  });
}

TEST_F(EndingClose, CloseReportsThatItCouldNotWaitForRoom) {
  WithScript([](ScriptedTransport &script) {
    script.SetRoom(0);
    script.FailWatch(-ENOSPC);
    EXPECT_EQ(0, Line(script, "lost"));
    EXPECT_EQ(-ENOSPC, Close(script));
    EXPECT_EQ(1, script.aborted());
  });
}

TEST_F(EndingClose, CloseNeedsNoMemory) {
  WithScript([this](ScriptedTransport &script) {
    EXPECT_EQ(0, Line(script, "last words"));
    script.SetRoom(0);
    script.LetLinger();
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    Start([&] {
      allocator().FailNth(1);
      return Close(script);
    });
    script.SetRoom(100);
    script.EndLinger();
    EXPECT_FALSE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_TRUE(script.released());
    EXPECT_EQ("last words\r\n", script.sent());
  });
}

// The close of a connection on which nothing was done is the first to look for the loop's pool.
TEST_F(EndingClose, CloseOfAnUnusedConnectionNeedsNoMemoryEither) {
  WithScript([this](ScriptedTransport &script) {
    allocator().FailNth(1);
    EXPECT_EQ(0, Close(script));
    allocator().FailNth(0);
  });
}

}  // namespace
