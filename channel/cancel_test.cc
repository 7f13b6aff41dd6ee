// SPDX-License-Identifier: Apache-2.0
//
// Channels that end with a cause.

#include <gtest/gtest.h>

#include <string>

#include "testing/channel_test.h"
#include "testing/read_operations.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"
#include "weir/custom_connection.h"

namespace {

using weir_testing::ScriptedTransport;

constexpr int kCause = -EPROTO;

class Cancel : public weir_testing::ChannelTest {
 protected:
  // Runs |body| with the two ends of a small pipe, and closes those that it left.
  void WithPipe(std::function<void()> body) {
    EXPECT_EQ(0, RunLoop([&] {
                weir_pipe_options options = {};
                options.capacity = 4;
                int result = weir_pipe(&near_, &far_, &options);
                if (result < 0) return result;
                body();
                weir_connection_close(near_);
                weir_connection_close(far_);
                return 0;
              }));
  }

  static weir_read_channel *Reader(weir_connection *end) { return weir_open_read_channel(end); }
  static weir_write_channel *Writer(weir_connection *end, bool auto_flush = false) {
    return weir_open_write_channel(end, auto_flush);
  }
  static int Read(weir_connection *end) {
    char byte;
    return weir_read_available(Reader(end), &byte, 1);
  }
  static int Write(weir_connection *end, const std::string &text) {
    return weir_write_fully(Writer(end), text.data(), text.size(), nullptr);
  }
  static int Close(weir_connection *&end) {
    weir_connection *closed = end;
    end = nullptr;
    int64_t before = weir_now();
    int result = weir_connection_close(closed);
    EXPECT_EQ(before, weir_now());
    return result;
  }

  weir_connection *near_ = nullptr;
  weir_connection *far_ = nullptr;
};

TEST_F(Cancel, TheReaderOfAPipeGetsTheCauseInsteadOfWhatItHasNotRead) {
  WithPipe([&] {
    EXPECT_EQ(0, Write(near_, "abc"));
    EXPECT_EQ(0, weir_flush(Writer(near_)));
    EXPECT_EQ(0, Write(near_, "pending"));
    weir_write_channel_cancel(Writer(near_), kCause);
    EXPECT_EQ(kCause, Read(far_));
    EXPECT_EQ(kCause, Read(far_));
    EXPECT_EQ(kCause, weir_read_channel_cause(Reader(far_)));
    EXPECT_EQ(kCause, Write(near_, "x"));
    EXPECT_EQ(kCause, weir_flush(Writer(near_)));
    EXPECT_EQ(kCause, weir_write_try(Writer(near_), "x", 1));
    EXPECT_EQ(kCause, weir_write_channel_close(Writer(near_)));
    EXPECT_EQ(kCause, weir_write_channel_cause(Writer(near_)));
    EXPECT_EQ(0u, weir_write_pending(Writer(near_)));
    // The other direction is sound.
    EXPECT_EQ(0, Write(far_, "ok"));
    EXPECT_EQ(0, weir_flush(Writer(far_)));
    EXPECT_EQ(1, Read(near_));
    EXPECT_EQ(kCause, Close(near_));
    EXPECT_EQ(kCause, Read(far_));
    EXPECT_EQ(0, Close(far_));
  });
}

TEST_F(Cancel, TheWriterOfAPipeGetsTheCauseOfTheReader) {
  WithPipe([&] {
    EXPECT_EQ(0, Write(near_, "abc"));
    EXPECT_EQ(0, weir_flush(Writer(near_)));
    weir_read_channel_cancel(Reader(far_), kCause);
    EXPECT_EQ(kCause, Read(far_));
    EXPECT_EQ(0u, weir_internal_reader_held(Reader(far_)));
    EXPECT_EQ(0, Write(near_, "x"));
    EXPECT_EQ(kCause, weir_flush(Writer(near_)));
    EXPECT_EQ(kCause, weir_write_channel_cause(Writer(near_)));
    // Writing goes on.
    EXPECT_EQ(0, Write(far_, "ok"));
    EXPECT_EQ(0, Close(far_));
    EXPECT_EQ(1, Read(near_));
    EXPECT_EQ(kCause, Close(near_));
  });
}

TEST_F(Cancel, TheFirstCauseStays) {
  WithPipe([&] {
    weir_read_channel_cancel(Reader(far_), 0);
    weir_read_channel_cancel(Reader(far_), kCause);
    EXPECT_EQ(-ECONNABORTED, Read(far_));
    weir_write_channel_cancel(Writer(near_), kCause);
    weir_write_channel_cancel(Writer(near_), -EIO);
    EXPECT_EQ(kCause, Write(near_, "x"));
    weir_connection_abort(near_);
    EXPECT_EQ(kCause, weir_write_channel_cause(Writer(near_)));
    EXPECT_EQ(-ECONNABORTED, weir_read_channel_cause(Reader(near_)));
    EXPECT_EQ(kCause, Close(near_));
  });
}

TEST_F(Cancel, AfterTheEndOfTheStreamNothingHappens) {
  WithPipe([&] {
    EXPECT_EQ(0, Write(near_, "a"));
    EXPECT_EQ(0, weir_write_channel_close(Writer(near_)));
    weir_write_channel_cancel(Writer(near_), kCause);
    EXPECT_EQ(0, weir_write_channel_cause(Writer(near_)));
    EXPECT_EQ(1, Read(far_));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, Read(far_));
    EXPECT_EQ(0, weir_read_channel_cause(Reader(far_)));
    EXPECT_EQ(0, Close(near_));
  });
}

TEST_F(Cancel, EveryReadReturnsTheCauseAlsoOfNothing) {
  using namespace weir_testing;
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    weir_bytes bytes;
    EXPECT_EQ(0, weir_read_peek(script.reader(), 2, &bytes));
    weir_read_channel_cancel(script.reader(), kCause);
    EXPECT_EQ("ab", Text(bytes));
    for (size_t size : {0, 1}) {
      std::string some(size, 'a');
      for (const ReadOperation &operation :
           {ExactlyOperation(size), PacketOperation(size), PeekOperation(size),
            SpanAndConsumeOperation(size), AwaitOperation(size), SkipIfFoundOperation(some),
            DiscardOperation(size, false), DiscardOperation(size, true), RemainingOperation(size),
            ExhaustedOperation()}) {
        EXPECT_EQ((ReadOutcome{kCause}), operation.read(script.reader(), {})) << operation.name;
      }
      char byte;
      size_t done = 1;
      EXPECT_EQ(kCause, weir_read_available(script.reader(), &byte, size));
      EXPECT_EQ(kCause, weir_read_try(script.reader(), &byte, size));
      EXPECT_EQ(kCause, weir_read_fully(script.reader(), &byte, size, &done));
      EXPECT_EQ(0u, done);
      EXPECT_EQ(kCause, weir_read_consume(script.reader(), size));
    }
  });
}

// What came before a failure of the transport can still be read, but not behind a cancel.
TEST_F(Cancel, BehindAFailureOfTheTransportItDropsWhatIsUnreadToo) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel *reader = script.reader();
    script.Feed("ab");
    script.FeedFailure(-ECONNRESET);
    weir_bytes bytes;
    EXPECT_EQ(-ECONNRESET, weir_read_peek(reader, 3, &bytes));
    EXPECT_EQ(0, weir_read_peek(reader, 2, &bytes));
    weir_read_channel_cancel(reader, kCause);
    EXPECT_EQ("ab", Text(bytes));
    EXPECT_EQ(0u, weir_read_buffered(reader));
    EXPECT_EQ(-ECONNRESET, weir_read_channel_cause(reader));
    char byte;
    for (size_t size : {0, 1}) {
      EXPECT_EQ(-ECONNRESET, weir_read_available(reader, &byte, size));
      EXPECT_EQ(-ECONNRESET, weir_read_try(reader, &byte, size));
      EXPECT_EQ(-ECONNRESET, weir_read_exactly(reader, &byte, size));
      EXPECT_EQ(-ECONNRESET, weir_read_consume(reader, size));
    }
    EXPECT_EQ(nullptr, reader->buffer);
  });
}

TEST_F(Cancel, BehindAnAbortItDropsWhatIsUnreadToo) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("ab");
    EXPECT_EQ(0, weir_read_await(script.reader(), 1));
    weir_connection_abort(script.connection());
    weir_read_channel_cancel(script.reader(), kCause);
    EXPECT_EQ(0u, weir_read_buffered(script.reader()));
    EXPECT_EQ(-ECONNABORTED, weir_read_channel_cause(script.reader()));
  });
}

TEST_F(Cancel, BehindTheCauseOfTheWriterNothingHappensToThePipe) {
  WithPipe([&] {
    weir_write_channel_cancel(Writer(near_), kCause);
    EXPECT_EQ(kCause, Read(far_));
    weir_read_channel_cancel(Reader(far_), -EIO);
    EXPECT_EQ(kCause, weir_read_channel_cause(Reader(far_)));
    EXPECT_EQ(kCause, weir_write_channel_cause(Writer(near_)));
    EXPECT_EQ(0, Write(far_, "ok"));
    EXPECT_EQ(0, weir_flush(Writer(far_)));
    EXPECT_EQ(1, Read(near_));
  });
}

// Of the search, whose deadline has passed, nothing is left, nor of what it was for.
TEST_F(Cancel, GivesUpTheMemoryOfAPastSearch) {
  for (bool broken : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      const std::string delimiter(3000, '-');
      script.Feed(std::string(10000, 'x'));
      EXPECT_EQ(0, weir_read_await(script.reader(), 1));
      long before = allocator().block_bytes();
      weir_bytes bytes;
      EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
        return weir_read_until(script.reader(), weir_text(delimiter.c_str()), nullptr, &bytes);
      }));
      EXPECT_LT(before, allocator().block_bytes());
      if (broken) {
        script.FeedFailure(-ECONNRESET);
        EXPECT_EQ(-ECONNRESET, weir_read_await(script.reader(), 10001));
      }
      weir_read_channel_cancel(script.reader(), kCause);
      EXPECT_EQ(before, allocator().block_bytes());
    });
  }
}

TEST_F(Cancel, EveryWriteReturnsTheCauseAlsoOfNothing) {
  WithScript([](ScriptedTransport &script) {
    weir_write_channel *writer = script.writer();
    weir_write_channel_cancel(writer, kCause);
    for (const char *text : {"", "a"}) {
      size_t size = strlen(text);
      weir_bytes part = weir_text(text);
      EXPECT_EQ(kCause, weir_write_fully(writer, text, size, nullptr));
      EXPECT_EQ(kCause, weir_write_available(writer, text, size));
      EXPECT_EQ(kCause, weir_write_try(writer, text, size));
      EXPECT_EQ(kCause, weir_write_gather(writer, &part, static_cast<int>(size), nullptr));
      EXPECT_EQ(kCause, weir_write_string(writer, text));
      EXPECT_EQ(kCause, weir_write_format(writer, "%s", text));
      EXPECT_EQ(kCause, weir_write_await_room(writer, size));
      EXPECT_EQ(kCause, weir_write_line(writer, part));
    }
    EXPECT_EQ(kCause, weir_flush(writer));
  });
}

TEST_F(Cancel, SuspendedReadersAtBothEndsReturnTheCause) {
  for (bool by_writer : {true, false}) {
    WithPipe([&] {
      int result = 1;
      Start([&] {
        result = Read(far_);
        return 0;
      });
      if (by_writer) weir_write_channel_cancel(Writer(near_), kCause);
      if (!by_writer) weir_read_channel_cancel(Reader(far_), kCause);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(kCause, result);
    });
  }
}

TEST_F(Cancel, SuspendedWritersAtBothEndsReturnTheCause) {
  for (bool by_writer : {true, false}) {
    for (size_t size : {5, 20000, 100000}) {
      WithPipe([&] {
        int result = 1;
        Start([&] {
          result = Write(near_, std::string(size, 'x'));
          if (result == 0) result = weir_flush(Writer(near_));
          return 0;
        });
        if (by_writer) weir_write_channel_cancel(Writer(near_), kCause);
        if (!by_writer) weir_read_channel_cancel(Reader(far_), kCause);
        EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(kCause, result);
        EXPECT_EQ(nullptr, near_->writer.buffer);
      });
    }
  }
}

// The writer has been woken already, so that the interruption comes too late for its suspension.
TEST_F(Cancel, ACancelBehindAWakeIsNoticed) {
  for (bool writer : {true, false}) {
    WithScript([&](ScriptedTransport &script) {
      script.SetRoom(0);
      int result = 1;
      Start([&] {
        char byte;
        if (!writer) return result = weir_read_available(script.reader(), &byte, 1), 0;
        result = weir_write_string(script.writer(), std::string(20000, 'x').c_str());
        return 0;
      });
      if (writer) {
        script.SetRoom(ScriptedTransport::kUnlimited);
        weir_write_channel_cancel(script.writer(), kCause);
      } else {
        script.Feed("x");
        weir_read_channel_cancel(script.reader(), kCause);
      }
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(kCause, result);
    });
  }
}

TEST_F(Cancel, ACancelBehindAWakeIsNoticedAlthoughItTookTheBytes) {
  WithPipe([&] {
    int result = 1;
    Start([&] { return result = Read(far_), 0; });
    EXPECT_EQ(0, Write(near_, "x"));
    EXPECT_EQ(0, weir_flush(Writer(near_)));
    weir_read_channel_cancel(Reader(far_), kCause);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(kCause, result);
  });
}

TEST_F(Cancel, ACancelBehindTheEndOfTheStreamIsNoticed) {
  WithScript([&](ScriptedTransport &script) {
    int result = 1;
    Start([&] {
      char byte;
      return result = weir_read_available(script.reader(), &byte, 1), 0;
    });
    script.FeedEnd();
    weir_read_channel_cancel(script.reader(), kCause);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(kCause, result);
  });
}

// A write that others were let run before, one of which ends the connection, is the last to touch
// it.
TEST_F(Cancel, AWriteMayBeTheLastToLeaveAnAbortedConnection) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *memory;
              int result = weir_memory_connection(&memory, weir_text(""), nullptr);
              if (result < 0) return result;
              weir_write_channel *writer = Writer(memory);
              Start([&] {
                while (result == 0) result = weir_write_await_room(writer, 1);
                return 0;
              });
              weir_connection_abort(memory);
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(memory));
              EXPECT_EQ(-ECONNABORTED, result);
              return 0;
            }));
}

// What was held and searched is dropped while the read lets others run.
TEST_F(Cancel, ASearchThatLetsOthersRunNoticesACancel) {
  for (bool append : {true, false}) {
    WithScript([&](ScriptedTransport &script) {
      for (int i = 0; i < 5000; i++) script.Feed("-");
      int result = 1;
      Start([&] {
        weir_bytes bytes;
        weir_buffer buffer = {};
        weir_bytes delimiter = weir_text("-x");
        result = append ? weir_append_until(script.reader(), delimiter, nullptr, &buffer)
                        : weir_read_until(script.reader(), delimiter, nullptr, &bytes);
        weir_buffer_release(&buffer);
        return 0;
      });
      EXPECT_EQ(1, result);
      weir_read_channel_cancel(script.reader(), kCause);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(kCause, result);
    });
  }
}

TEST_F(Cancel, OutputInTheBackgroundIsDropped) {
  WithPipe([&] {
    Writer(near_, true);
    EXPECT_EQ(0, weir_write_string(Writer(near_, true), "more than fits"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(near_->writer.watching);
    weir_write_channel_cancel(&near_->writer, kCause);
    EXPECT_FALSE(near_->writer.watching);
    EXPECT_EQ(nullptr, near_->writer.buffer);
    EXPECT_EQ(kCause, Read(far_));
  });
}

TEST_F(Cancel, OutputInTheBackgroundFailsWithTheCauseOfTheReaderAndBreaksNothingElse) {
  WithPipe([&] {
    EXPECT_EQ(0, weir_write_string(Writer(near_, true), "more than fits"));
    EXPECT_EQ(0, weir_yield());
    weir_read_channel_cancel(Reader(far_), kCause);
    EXPECT_EQ(kCause, weir_write_channel_cause(&near_->writer));
    EXPECT_EQ(0, Write(far_, "ok"));
    EXPECT_EQ(0, weir_flush(Writer(far_)));
    EXPECT_EQ(1, Read(near_));
  });
}

TEST_F(Cancel, OutputThatTheHookWouldSendIsDropped) {
  WithPipe([&] {
    EXPECT_EQ(0, weir_write_string(Writer(near_, true), "x"));
    weir_write_channel_cancel(&near_->writer, kCause);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(kCause, Read(far_));
  });
}

TEST_F(Cancel, CancelledChannelsMayBeConfigured) {
  WithPipe([&] {
    EXPECT_EQ(0, Write(near_, "x"));
    weir_write_channel_cancel(Writer(near_), kCause);
    weir_read_channel_cancel(Reader(near_), kCause);
    EXPECT_EQ(0, weir_write_channel_configure(Writer(near_), nullptr));
    EXPECT_EQ(0, weir_read_channel_configure(Reader(near_), nullptr));
    EXPECT_EQ(kCause, Write(near_, "x"));
    EXPECT_EQ(kCause, Read(near_));
  });
}

TEST_F(Cancel, ALineThatWasHandedOutStaysUntilTheNextRead) {
  WithPipe([&] {
    EXPECT_EQ(0, Write(far_, "a\nb"));
    EXPECT_EQ(0, weir_flush(Writer(far_)));
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(Reader(near_), &line));
    weir_read_channel_cancel(Reader(near_), kCause);
    EXPECT_EQ("a", Text(line));
    EXPECT_EQ(kCause, weir_read_line(Reader(near_), &line));
  });
}

TEST_F(Cancel, ATransportThatCarriesNoCauseIsAborted) {
  WithScript([this](ScriptedTransport &script) {
    script.LetLinger();
    script.SetRoom(0);
    int read = 1;
    Start([&] {
      char byte;
      read = weir_read_available(script.reader(), &byte, 1);
      return 0;
    });
    EXPECT_EQ(0, weir_write_string(script.writer(), "lost"));
    weir_write_channel_cancel(script.writer(), kCause);
    EXPECT_EQ(1, script.aborted());
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(-ECONNABORTED, read);
    EXPECT_EQ(kCause, weir_write_string(script.writer(), "x"));
    EXPECT_EQ(kCause, weir_write_try(script.writer(), "x", 1));
    EXPECT_EQ(kCause, weir_write_channel_close(script.writer()));
    EXPECT_EQ(-ECONNABORTED, weir_read_channel_cause(script.reader()));
    EXPECT_EQ(kCause, weir_connection_close(script.connection()));
    EXPECT_EQ(0, script.finished());
  });
}

TEST_F(Cancel, ACancelledReadSideLeavesOutputAlone) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("unread");
    weir_read_channel_cancel(script.reader(), kCause);
    EXPECT_EQ(0, weir_write_string(script.writer(), "sent"));
    EXPECT_EQ(0, weir_connection_close(script.connection()));
    EXPECT_EQ("sent", script.sent());
    EXPECT_EQ(0, script.aborted());
  });
}

TEST_F(Cancel, WhatBrokeTheStreamIsTheCause) {
  WithScript([](ScriptedTransport &script) {
    script.FeedFailure(-ECONNRESET);
    char byte;
    EXPECT_EQ(0, weir_read_channel_cause(script.reader()));
    EXPECT_EQ(-ECONNRESET, weir_read_available(script.reader(), &byte, 1));
    EXPECT_EQ(-ECONNRESET, weir_read_channel_cause(script.reader()));
    EXPECT_EQ(-ECONNRESET, weir_read_available(script.reader(), &byte, 1));
  });
}

TEST_F(Cancel, WhatEndsOneReadAloneIsNoCause) {
  WithScript([](ScriptedTransport &script) {
    char byte;
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_read_available(script.reader(), &byte, 1); }));
    EXPECT_EQ(0, weir_read_channel_cause(script.reader()));
    script.FeedFailure(-ETIMEDOUT);  // the kernel's
    EXPECT_EQ(-ETIMEDOUT, weir_read_available(script.reader(), &byte, 1));
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(script.reader()));
  });
}

}  // namespace
