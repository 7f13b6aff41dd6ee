// SPDX-License-Identifier: Apache-2.0
//
// Output for which the transport has no memory now, although nobody waits for it.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/custom_layer.h"
#include "testing/custom_streams.h"
#include "testing/pipe_test.h"
#include "testing/scripted_transport.h"
#include "testing/write_test.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using weir_testing::VirtualLoop;

constexpr int kShortages[] = {-ENOMEM, -ENOBUFS};
constexpr int64_t kLongestPause = 100 * WEIR_MILLISECOND;

class Shortage : public weir_testing::WriteTest {
 protected:
  // Writes |line|, which auto-flush shall send, and lets that fail with |failure|.
  static void WriteInVain(ScriptedTransport &script, const char *line, int failure) {
    script.writer(true);
    script.FailWrites(failure);
    EXPECT_EQ(0, Line(script, line));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("", script.sent());
  }

  // Expects that the next attempt to send comes after |pause|, and in vain.
  static void ExpectPause(ScriptedTransport &script, int64_t pause) {
    int tried = script.writes_tried();
    EXPECT_EQ(0, weir_delay(pause - 1));
    EXPECT_EQ(tried, script.writes_tried());
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_EQ(tried + 1, script.writes_tried());
  }
};

TEST_F(Shortage, OutputStaysAndIsSentLater) {
  for (int failure : kShortages) {
    WithScript([&](ScriptedTransport &script) {
      WriteInVain(script, "kept", failure);
      EXPECT_EQ(0, script.aborted());
      EXPECT_EQ(0, weir_write_channel_cause(&script.connection()->writer));
      EXPECT_EQ(6u, Pending(script));
      script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      EXPECT_EQ("kept\r\n", script.sent());
      EXPECT_EQ(nullptr, script.connection()->writer.buffer);
      int tried = script.writes_tried();
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      EXPECT_EQ(tried, script.writes_tried());
    });
  }
}

TEST_F(Shortage, ThePausesBecomeLongerUntilSomethingWasSent) {
  WithScript([](ScriptedTransport &script) {
    for (int round = 0; round < 3; round++) {
      WriteInVain(script, "line", -ENOBUFS);
      for (int64_t pause = WEIR_MILLISECOND; pause < kLongestPause; pause *= 2) {
        ExpectPause(script, pause);
      }
      for (int i = 0; i < 3; i++) ExpectPause(script, kLongestPause);
      if (round == 2) break;
      script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(kLongestPause));
      EXPECT_EQ(0u, Pending(script));
      script.ForgetWrites();
      // By whomever.
      if (round == 1) {
        EXPECT_EQ(0, Line(script, "flushed"));
        EXPECT_EQ(0, Flush(script));
        script.ForgetWrites();
      }
    }
    script.FailWrites(0);
  });
}

TEST_F(Shortage, WhatIsWrittenMeanwhileGoesBehind) {
  WithScript([](ScriptedTransport &script) {
    WriteInVain(script, "first", -ENOBUFS);
    int tried = script.writes_tried();
    EXPECT_EQ(0, Line(script, "second"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(tried, script.writes_tried());  // nothing is tried in vain
    script.FailWrites(0);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(weir_testing::Writes{"first\r\nsecond\r\n"}, script.writes());
  });
}

// Who waits is told, and what was taken stays with the loop.
TEST_F(Shortage, AFlushTakesOverAndGivesBack) {
  for (int failure : kShortages) {
    WithScript([&](ScriptedTransport &script) {
      WriteInVain(script, "kept", failure);
      ExpectPause(script, WEIR_MILLISECOND);
      EXPECT_EQ(failure, Flush(script));
      EXPECT_EQ(failure, Flush(script));
      EXPECT_EQ(0, weir_yield());
      script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(kLongestPause));
      EXPECT_EQ("kept\r\n", script.sent());
      script.FailWrites(failure);
      EXPECT_EQ(0, Line(script, "flushed"));
      EXPECT_EQ(0, weir_yield());
      script.FailWrites(0);
      EXPECT_EQ(0, Flush(script));
      EXPECT_EQ("kept\r\nflushed\r\n", script.sent());
      int tried = script.writes_tried();
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      EXPECT_EQ(tried, script.writes_tried());
    });
  }
}

TEST_F(Shortage, AFullBufferIsSentLaterWithoutAutoFlushToo) {
  for (size_t first : {0, 3}) {
    WithScript([&](ScriptedTransport &script) {
      Configure(script, 8);
      script.FailWrites(-ENOBUFS);
      EXPECT_EQ(0, Fully(script, std::string(first, 'a')));
      EXPECT_EQ(0, Fully(script, std::string(8 - first, 'b')));
      EXPECT_EQ(8u, Pending(script));
      EXPECT_EQ(-EAGAIN, weir_write_try(script.writer(), "c", 1));
      EXPECT_EQ(-ENOBUFS, Fully(script, "c"));
      script.FailWrites(0);
      EXPECT_EQ(0, Fully(script, "c"));
      EXPECT_EQ(std::string(first, 'a') + std::string(8 - first, 'b') + "c", script.sent());
    });
    WithScript([&](ScriptedTransport &script) {
      Configure(script, 8);
      script.FailWrites(-ENOBUFS);
      EXPECT_EQ(0, Fully(script, std::string(first, 'a')));
      EXPECT_EQ(0, Fully(script, std::string(8 - first, 'b')));
      script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      EXPECT_EQ(std::string(first, 'a') + std::string(8 - first, 'b'), script.sent());
    });
  }
}

TEST_F(Shortage, MayComeInTheMiddleAndTakeTurnsWithAFullTransport) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(2);
    EXPECT_EQ(0, Line(script, "abcdef"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("ab", script.sent());
    EXPECT_TRUE(script.watched());
    script.FailWrites(-ENOMEM);  // tells the watcher
    EXPECT_FALSE(script.watched());
    EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
    script.FailWrites(0);
    EXPECT_EQ(0, weir_delay(kLongestPause));
    EXPECT_TRUE(script.watched());
    script.SetRoom(1);
    EXPECT_EQ("abc", script.sent());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("abcdef\r\n", script.sent());
  });
}

TEST_F(Shortage, WithoutMemoryToWatchItTriesAgain) {
  for (int failure : kShortages) {
    WithScript([&](ScriptedTransport &script) {
      script.writer(true);
      script.SetRoom(0);
      script.FailWatch(failure);
      EXPECT_EQ(0, Line(script, "kept"));
      EXPECT_EQ(0, weir_yield());
      EXPECT_FALSE(script.watched());
      EXPECT_EQ(0, script.aborted());
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      EXPECT_TRUE(script.watched());
      script.SetRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ("kept\r\n", script.sent());
    });
  }
}

TEST_F(Shortage, AFailureThatStaysIsTold) {
  WithScript([](ScriptedTransport &script) {
    WriteInVain(script, "lost", -ENOMEM);
    script.FailWrites(-EIO);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(1, script.aborted());
    EXPECT_EQ(-EIO, Line(script, "x"));
    int tried = script.writes_tried();
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_EQ(tried, script.writes_tried());
  });
}

TEST_F(Shortage, ACancelAndAnAbortEndThePause) {
  for (bool abort : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      WriteInVain(script, "lost", -ENOMEM);
      script.FailWrites(0);
      if (abort) weir_connection_abort(script.connection());
      if (!abort) weir_write_channel_cancel(&script.connection()->writer, -EPROTO);
      int tried = script.writes_tried();
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      EXPECT_EQ(tried, script.writes_tried());
    });
  }
}

// The loop waits for it, but not for ever.
TEST_F(Shortage, BehindTheLastCoroutineTheLoopGivesUp) {
  VirtualLoop loop;
  ScriptedTransport script;
  script.FailWrites(-ENOMEM);
  int64_t before = loop.now();
  EXPECT_EQ(0, loop.Run([&] { return weir_write_line(script.writer(true), weir_text("line")); }));
  EXPECT_EQ(before + WEIR_SECOND, loop.now());
  script.FailWrites(0);
  EXPECT_EQ(0, loop.Run([&] { return weir_connection_close(script.connection()); }));
  EXPECT_EQ("line\r\n", script.sent());
}

// The close

TEST_F(Shortage, ACloseTriesAgainUntilItsTimeIsOver) {
  for (int failure : kShortages) {
    WithScript([&](ScriptedTransport &script) {
      WriteInVain(script, "lost", failure);
      int64_t before = weir_now();
      EXPECT_EQ(failure, weir_connection_close(script.connection()));
      EXPECT_EQ(before + 5 * WEIR_SECOND, weir_now());
      EXPECT_LT(50, script.writes_tried());
      EXPECT_EQ(1, script.aborted());
      EXPECT_EQ(0, script.finished());
    });
    WithScript([&](ScriptedTransport &script) {
      weir_connection_set_close_timeout(script.connection(), 0);
      WriteInVain(script, "lost", failure);
      EXPECT_EQ(failure, weir_connection_close(script.connection()));
      EXPECT_EQ(1, script.aborted());
    });
  }
}

TEST_F(Shortage, ACloseSendsEverythingOnceItCan) {
  for (int64_t timeout : {5 * WEIR_SECOND, WEIR_FOREVER}) {
    WithScript([&](ScriptedTransport &script) {
      script.LetLinger();
      weir_connection_set_close_timeout(script.connection(), timeout);
      WriteInVain(script, "last words", -ENOBUFS);
      int result = 1;
      Start([&] { return result = weir_connection_close(script.connection()), 0; });
      EXPECT_EQ(0, weir_delay(3 * WEIR_SECOND));
      script.FailFinish(-ENOBUFS);
      script.FailWrites(0);
      while (script.finished() == 0) EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND / 3));
      EXPECT_EQ("last words\r\n", script.sent());
      EXPECT_EQ(1, script.finished());
      EXPECT_EQ(0, script.lingered());
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));  // a pause of its own
      EXPECT_EQ(2, script.finished());
      EXPECT_EQ(1, script.lingered());
      EXPECT_EQ(1, result);
      script.EndLinger();
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(0, result);
      EXPECT_EQ(0, script.aborted());
    });
  }
}

// A pause does not replace the deadline.
TEST_F(Shortage, ACloseThatGoesOnBehindAPauseKeepsItsTime) {
  for (bool lingers : {true, false}) {
    WithScript([&](ScriptedTransport &script) {
      script.LetLinger();
      if (!lingers) script.SetRoom(0);
      WriteInVain(script, "last words", -ENOBUFS);
      int result = 1;
      int64_t before = weir_now();
      Start([&] { return result = weir_connection_close(script.connection()), 0; });
      script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(kLongestPause));
      EXPECT_EQ(!lingers, script.watched());
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(before + 5 * WEIR_SECOND, weir_now());
      EXPECT_EQ(lingers ? 0 : -ETIMEDOUT, result);
    });
  }
}

TEST_F(Shortage, WithoutItsCoroutineTheCloseGoesOnInTheLoop) {
  for (bool sent : {true, false}) {
    WithScript([&](ScriptedTransport &script) {
      WriteInVain(script, "last words", -ENOMEM);
      EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_connection_close(script.connection()); }));
      EXPECT_FALSE(script.released());
      if (sent) script.FailWrites(0);
      EXPECT_EQ(0, weir_delay(5 * WEIR_SECOND));
      EXPECT_TRUE(script.released());
      EXPECT_EQ(sent ? "last words\r\n" : "", script.sent());
      EXPECT_EQ(sent ? 0 : 1, script.aborted());
    });
  }
}

// What the peer has given as its cause is none of ours, and does not pass.

class PeersShortage : public weir_testing::PipeTest {};

TEST_F(PeersShortage, IsAFailureThatStays) {
  for (int cause : kShortages) {
    for (size_t size : {1, 8, 100}) {
      WithPipe({4, 8, 0}, [&] {
        weir_read_channel_cancel(reader(), cause);
        int result = Write(std::string(size, 'x'));
        if (result == 0) result = weir_flush(writer());
        EXPECT_EQ(cause, result);
        EXPECT_EQ(cause, weir_write_channel_cause(writer()));
        EXPECT_EQ(0u, weir_write_pending(writer()));
        int64_t before = weir_now();
        CloseNear();
        EXPECT_EQ(before, weir_now());
      });
    }
  }
}

TEST_F(PeersShortage, StaysInTheBackgroundAndAtTheCloseToo) {
  for (bool closes : {false, true}) {
    WithPipe({4, 100, 0}, [&] {
      weir_read_channel_cancel(reader(), -ENOMEM);
      EXPECT_EQ(0, Write("lost"));
      AutoFlush();
      int64_t before = weir_now();
      if (!closes) {
        EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(-ENOMEM, weir_write_channel_cause(writer()));
      }
      CloseNear();
      EXPECT_EQ(before, weir_now());
    });
  }
}

// Over operations of the user's.

class CustomShortage : public weir_testing::CustomTest {};

TEST_F(CustomShortage, OutputStaysAndIsSentLater) {
  for (bool waits : {false, true}) {
    WithCustom([&] {
      streams_.room = waits ? 0 : 100;
      if (!waits) streams_.failure = -ENOBUFS;
      EXPECT_EQ(0, Write("kept", true));
      Turns();
      EXPECT_EQ(waits, streams_.inside);
      streams_.failure = -ENOBUFS;
      if (waits) streams_.Wake();
      Turns();
      EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
      streams_.failure = 0;
      streams_.room = 100;
      EXPECT_EQ(0, weir_delay(kLongestPause));
      EXPECT_EQ("kept", streams_.output);
      EXPECT_EQ(0, streams_.aborted);
    });
  }
}

TEST_F(CustomShortage, ACloseFinishesOnceItCan) {
  for (bool waits : {false, true}) {
    WithCustom([&] {
      EXPECT_EQ(0, Write("kept", true));
      EXPECT_EQ(0, weir_yield());
      streams_.failure = -ENOMEM;
      streams_.finish_waits = waits ? 1 : 0;
      int result = 1;
      Start([&] { return result = Close(), 0; });
      Turns();
      if (waits) streams_.Wake();
      EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
      EXPECT_EQ(1, result);
      streams_.failure = 0;
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(0, result);
      EXPECT_LT(1, streams_.finished);
      EXPECT_EQ(0, streams_.aborted);
    });
  }
}

// Where only a call that waits tells of the shortage, which takes a coroutine each time.
TEST_F(CustomShortage, BetweenTheAttemptsOfACloseTimePasses) {
  EXPECT_EQ(0, RunLoop([] {
              weir_connection *upper, *peer;
              weir_testing::CustomLayer layer;
              layer.first_refused = 1;
              layer.last_refused = 5;
              EXPECT_EQ(0, weir_pipe(&layer.lower, &peer, nullptr));
              EXPECT_EQ(0, weir_custom_connection(&upper, &weir_testing::kCustomLayerOperations,
                                                  &layer, nullptr));
              int64_t before = weir_now();
              EXPECT_EQ(0, weir_connection_close(upper));
              EXPECT_EQ(before + 31 * WEIR_MILLISECOND, weir_now());
              EXPECT_EQ(6, layer.tried);
              weir_connection_close(layer.lower);
              return weir_connection_close(peer);
            }));
}

}  // namespace
