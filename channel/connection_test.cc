// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using weir_testing::VirtualLoop;

// The operations that can be in flight when a connection ends.
struct Operation {
  const char *name;
  int (*run)(ScriptedTransport &script);
};

int ReadAvailable(ScriptedTransport &script) {
  char out[10];
  return weir_read_available(script.reader(), out, sizeof out);
}

int ReadFully(ScriptedTransport &script) {
  char out[10];
  return weir_read_fully(script.reader(), out, sizeof out, nullptr);
}

int ReadFullyDirectly(ScriptedTransport &script) {
  std::string out(100000, '?');
  return weir_read_fully(script.reader(), out.data(), out.size(), nullptr);
}

int ReadLine(ScriptedTransport &script) {
  weir_bytes line;
  int result = weir_read_line(script.reader(), &line);
  EXPECT_EQ(0u, line.size);
  return result;
}

int WriteLine(ScriptedTransport &script) {
  std::string line(20000, 'x');
  return weir_write_line(&script.connection()->writer, weir_bytes_of(line.data(), line.size()));
}

int Flush(ScriptedTransport &script) {
  int result = weir_write_string(&script.connection()->writer, "text");
  return result < 0 ? result : weir_flush(&script.connection()->writer);
}

int CloseWriter(ScriptedTransport &script) {
  int result = weir_write_string(&script.connection()->writer, "text");
  return result < 0 ? result : weir_write_channel_close(&script.connection()->writer);
}

const Operation kOperations[] = {
    {"ReadAvailable", ReadAvailable},
    {"ReadFully", ReadFully},
    {"ReadFullyDirectly", ReadFullyDirectly},
    {"ReadLine", ReadLine},
    {"WriteLine", WriteLine},
    {"Flush", Flush},
    {"CloseWriter", CloseWriter},
};

class Connection : public weir_testing::ChannelTest {
 protected:
  static int Line(ScriptedTransport &script, const char *line) {
    return weir_write_line(&script.connection()->writer, weir_text(line));
  }
  static int Close(ScriptedTransport &script) { return weir_connection_close(script.connection()); }
};

TEST_F(Connection, KnowsItsAddresses) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_STREQ("script", weir_local_address(script.connection()));
    EXPECT_STREQ("peer", weir_remote_address(script.connection()));
    EXPECT_EQ(nullptr, weir_connection_host(script.connection()));
    EXPECT_EQ(script.reader(), script.reader());
    EXPECT_EQ(script.writer(true), script.writer(false));
  });
}

TEST_F(Connection, IsSmall) { EXPECT_LE(sizeof(weir_connection), 400u); }

TEST_F(Connection, ClosingNullIsLegal) {
  EXPECT_EQ(0, weir_connection_close(nullptr));
  EXPECT_EQ(0, RunLoop([] { return weir_connection_close(nullptr); }));
}

TEST_F(Connection, CloseSendsTheOutputEndsTheStreamAndLingers) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ("last words\r\n", script.sent());
    EXPECT_EQ(1, script.finished());
    EXPECT_EQ(1, script.lingered());
    EXPECT_EQ(0, script.aborted());
    EXPECT_TRUE(script.released());
  });
}

TEST_F(Connection, CloseWithoutAutoFlushSendsTheOutputToo) {
  WithScript([](ScriptedTransport &script) {
    script.writer(false);
    EXPECT_EQ(0, Line(script, "last words"));
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ("last words\r\n", script.sent());
  });
}

TEST_F(Connection, CloseWaitsUntilTheOutputIsSent) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "last words"));
    int result = 1;
    Start([&] {
      result = Close(script);
      return 0;
    });
    EXPECT_EQ(1, result);
    script.SetRoom(4);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(1, result);
    EXPECT_EQ(0, script.finished());
    script.SetRoom(100);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, result);
    EXPECT_EQ("last words\r\n", script.sent());
    EXPECT_EQ(1, script.finished());
  });
}

TEST_F(Connection, CloseWaitsUntilThePeerHasEnded) {
  WithScript([this](ScriptedTransport &script) {
    script.LetLinger();
    int result = 1;
    Start([&] {
      result = Close(script);
      return 0;
    });
    EXPECT_EQ(1, script.finished());
    EXPECT_EQ(1, result);
    script.EndLinger();
    EXPECT_TRUE(script.released());
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, result);
  });
}

TEST_F(Connection, CloseDoesNotEndTheStreamTwice) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ(1, script.finished());
    EXPECT_EQ(1, script.lingered());
  });
}

TEST_F(Connection, ASecondCloseIsRefused) {
  WithScript([this](ScriptedTransport &script) {
    script.LetLinger();
    Start([&] { return Close(script); });
    EXPECT_EQ(-EALREADY, Close(script));
    script.EndLinger();
  });
}

TEST_F(Connection, OperationsAfterTheCloseBeganAreRefused) {
  WithScript([this](ScriptedTransport &script) {
    script.LetLinger();
    Start([&] { return Close(script); });
    for (const Operation &operation : kOperations) {
      EXPECT_EQ(WEIR_E_CLOSED, operation.run(script)) << operation.name;
    }
    script.EndLinger();
  });
}

// Operations in flight × close or abort.

TEST_F(Connection, CloseInterruptsWhatIsInFlightFirst) {
  for (const Operation &operation : kOperations) {
    WithScript([&](ScriptedTransport &script) {
      script.SetRoom(0);
      int result = 1;
      Start([&] {
        result = operation.run(script);
        return 0;
      });
      EXPECT_EQ(1, result);
      // What is sent fits nowhere, so the close ends by its timeout.
      Close(script);
      EXPECT_EQ(WEIR_E_CLOSED, result) << operation.name;
      EXPECT_TRUE(script.released());
    });
  }
}

TEST_F(Connection, CloseInterruptsReaderAndWriterTogether) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    int read = 1, written = 1;
    Start([&] {
      read = ReadLine(script);
      return 0;
    });
    Start([&] {
      written = WriteLine(script);
      return 0;
    });
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ(WEIR_E_CLOSED, read);
    EXPECT_EQ(WEIR_E_CLOSED, written);
  });
}

TEST_F(Connection, AbortEndsWhatIsInFlightAndAllThatFollows) {
  for (const Operation &operation : kOperations) {
    WithScript([&](ScriptedTransport &script) {
      script.SetRoom(0);
      int result = 1;
      Start([&] {
        result = operation.run(script);
        return 0;
      });
      weir_connection_abort(script.connection());
      weir_connection_abort(script.connection());
      EXPECT_EQ(1, script.aborted());
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(-ECONNABORTED, result) << operation.name;
      for (const Operation &next : kOperations) {
        EXPECT_EQ(-ECONNABORTED, next.run(script)) << next.name;
      }
      EXPECT_EQ(-ECONNABORTED, Close(script));
      EXPECT_EQ(0, script.finished());
    });
  }
}

TEST_F(Connection, AbortDropsBytesThatWereReadAhead) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("one\ntwo\n");
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    weir_connection_abort(script.connection());
    EXPECT_EQ(-ECONNABORTED, ReadLine(script));
  });
}

TEST_F(Connection, AbortForgetsOutputThatTheCoroutineWasToSend) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    EXPECT_EQ(0, Line(script, "never sent"));
    weir_connection_abort(script.connection());
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("", script.sent());
  });
}

TEST_F(Connection, AbortForgetsOutputThatTheLoopWasToSend) {
  WithScript([](ScriptedTransport &script) {
    script.writer(true);
    script.SetRoom(0);
    EXPECT_EQ(0, Line(script, "never sent"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    weir_connection_abort(script.connection());
    EXPECT_FALSE(script.watched());
  });
}

TEST_F(Connection, AbortBeforeTheFirstOperation) {
  WithScript([](ScriptedTransport &script) {
    weir_connection_abort(script.connection());
    EXPECT_EQ(-ECONNABORTED, ReadLine(script));
    EXPECT_EQ(-ECONNABORTED, Close(script));
  });
}

TEST_F(Connection, AbortCutsACloseShort) {
  for (bool lingers : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      if (lingers) script.LetLinger();
      if (!lingers) script.SetRoom(0);
      EXPECT_EQ(0, Line(script, "last words"));
      int result = 1;
      Start([&] {
        result = Close(script);
        return 0;
      });
      EXPECT_EQ(1, result);
      weir_connection_abort(script.connection());
      EXPECT_TRUE(script.released());
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(-ECONNABORTED, result);
    });
  }
}

// A reader that was woken with bytes, or yields on entry, is neither in the transport nor gone.
TEST_F(Connection, CloseWaitsForAReaderThatIsAboutToRun) {
  WithScript([this](ScriptedTransport &script) {
    int result = 1;
    Start([&] {
      result = ReadLine(script);
      return 0;
    });
    script.Feed("line\n");
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ(WEIR_E_CLOSED, result);
  });
}

TEST_F(Connection, CloseWaitsForAReaderThatFoundNothing) {
  WithScript([this](ScriptedTransport &script) {
    int result = 1;
    Start([&] {
      result = ReadLine(script);
      return 0;
    });
    script.FeedNothing();
    EXPECT_EQ(0, Close(script));
    EXPECT_EQ(WEIR_E_CLOSED, result);
  });
}

TEST_F(Connection, CloseWaitsForAReaderThatYieldsOnEntry) {
  for (int operations = 0; operations < 70; operations++) {
    WithScript([&](ScriptedTransport &script) {
      script.Feed(std::string(100, '\n'));
      int result = 0;
      bool left = false;
      weir_scope *scope;
      EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
      EXPECT_EQ(0, weir_testing::LaunchCoroutine(
                       [&] {
                         for (int i = 0; i <= operations && result == 0; i++) {
                           result = ReadLine(script);
                         }
                         left = true;
                         return 0;
                       },
                       scope));
      EXPECT_EQ(0, weir_yield());
      // It has read all that it wanted, or it was made to yield in the midst of an operation.
      EXPECT_EQ(0, Close(script));
      EXPECT_TRUE(left);
      EXPECT_TRUE(result == 0 || result == WEIR_E_CLOSED);
      EXPECT_EQ(0, weir_scope_close(scope));
    });
  }
}

TEST_F(Connection, AWriteThatWasPartlyTakenIsNotRepeatedByTheClose) {
  WithScript([this](ScriptedTransport &script) {
    weir_write_channel_options options = {};
    options.capacity = 8;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
    script.SetRoom(0);
    EXPECT_EQ(0, weir_write_string(script.writer(), "1234567"));
    int result = 1;
    Start([&] {
      result = weir_write_string(&script.connection()->writer, "abcdef");
      return 0;
    });
    script.AddRoom(9);  // the writer is woken, and takes them when it runs
    EXPECT_EQ(0, Close(script) == -ETIMEDOUT ? 0 : 1);
    EXPECT_EQ(WEIR_E_CLOSED, result);
    EXPECT_EQ("1234567ab", script.sent());
  });
}

TEST_F(Connection, BelongsToTheLoopOfItsFirstOperation) {
  VirtualLoop first, second;
  ScriptedTransport script;
  EXPECT_EQ(0, first.Run([&] {
    script.Feed("line\n");
    weir_bytes line;
    return weir_read_line(script.reader(), &line);
  }));
  EXPECT_EQ(0, second.Run([&] {
    weir_bytes line;
    char out[1];
    EXPECT_EQ(-EXDEV, weir_read_line(script.reader(), &line));
    EXPECT_EQ(-EXDEV, weir_read_fully(script.reader(), out, 1, nullptr));
    EXPECT_EQ(-EXDEV, Line(script, "x"));
    EXPECT_EQ(-EXDEV, weir_flush(script.writer()));
    EXPECT_EQ(-EXDEV, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-EXDEV, Close(script));
    return 0;
  }));
  EXPECT_EQ(0, first.Run([&] { return Close(script); }));
}

}  // namespace
