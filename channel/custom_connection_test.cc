// SPDX-License-Identifier: Apache-2.0

#include "weir/custom_connection.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "weir/channel.h"

namespace {

// A source and a sink of which a test says when they wait.
struct Streams {
  std::string input;
  bool ended = false;
  std::string output;
  size_t room = static_cast<size_t>(-1);
  int failure = 0;       // of every call
  int finish_waits = 0;  // finish() says -EAGAIN without |wait|
  int finished = 0, aborted = 0, released = 0;
  int cause = 0;
  size_t largest_read = 0;
  int waiting_calls = 0;
  bool inside = false;  // a call that waits

  // Waiting is reading from a pipe: each byte wakes once.
  weir_connection *near = nullptr, *far = nullptr;

  void Wake() { EXPECT_EQ(0, weir_write_string(weir_open_write_channel(near, true), ".")); }

  int Wait() {
    waiting_calls++;
    inside = true;
    char byte;
    int result = weir_read_available(weir_open_read_channel(far), &byte, 1);
    inside = false;
    return result < 0 ? result : 0;
  }

  int Read(char *out, size_t size, bool wait) {
    largest_read = std::max(largest_read, size);
    for (;;) {
      if (failure < 0) return failure;
      if (!input.empty()) {
        size = std::min(size, input.size());
        memcpy(out, input.data(), size);
        input.erase(0, size);
        return static_cast<int>(size);
      }
      if (ended) return 0;
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
    }
  }

  int Write(const char *data, size_t size, bool wait) {
    for (;;) {
      if (failure < 0) return failure;
      if (room > 0) {
        size = std::min(size, room);
        output.append(data, size);
        if (room != static_cast<size_t>(-1)) room -= size;
        return static_cast<int>(size);
      }
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
    }
  }

  int Finish(bool wait) {
    if (finish_waits > 0) {
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
      finish_waits = 0;
    }
    finished++;
    return failure;
  }
};

Streams &Of(void *context) { return *static_cast<Streams *>(context); }

constexpr weir_custom_operations kOperations = {
    [](void *context, void *out, size_t size, bool wait) {
      return Of(context).Read(static_cast<char *>(out), size, wait);
    },
    [](void *context, const void *data, size_t size, bool wait) {
      return Of(context).Write(static_cast<const char *>(data), size, wait);
    },
    [](void *context, bool wait) { return Of(context).Finish(wait); },
    [](void *context, int cause) {
      Of(context).aborted++;
      Of(context).cause = cause;
    },
    [](void *context) { Of(context).released++; },
};

class Custom : public weir_testing::ChannelTest {
 protected:
  void WithCustom(std::function<void()> body) {
    EXPECT_EQ(0, RunLoop([&] {
                streams_ = Streams();
                int result = weir_pipe(&streams_.near, &streams_.far, nullptr);
                if (result < 0) return result;
                result = weir_custom_connection(&custom_, &kOperations, &streams_, nullptr);
                if (result == 0) {
                  body();
                  (void)weir_connection_close(custom_);
                  EXPECT_EQ(1, streams_.released);
                }
                weir_connection_close(streams_.near);
                weir_connection_close(streams_.far);
                return result;
              }));
  }

  weir_read_channel *Reader() { return weir_open_read_channel(custom_); }
  weir_write_channel *Writer(bool auto_flush = false) {
    return weir_open_write_channel(custom_, auto_flush);
  }
  int Read() {
    char byte;
    return weir_read_available(Reader(), &byte, 1);
  }
  int Write(const std::string &text, bool auto_flush = false) {
    return weir_write_fully(Writer(auto_flush), text.data(), text.size(), nullptr);
  }
  int Close() {
    weir_connection *closed = custom_;
    custom_ = nullptr;
    return weir_connection_close(closed);
  }
  // Lets the loop take a few turns.
  static void Turns() {
    for (int i = 0; i < 5; i++) EXPECT_EQ(0, weir_delay(1));
  }

  Streams streams_;
  weir_connection *custom_ = nullptr;
};

TEST_F(Custom, ChecksWhereItIsMade) {
  EXPECT_EQ(-EINVAL, weir_custom_connection(&custom_, &kOperations, nullptr, nullptr));
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

TEST_F(Custom, HasTheNamesItWasGiven) {
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

TEST_F(Custom, WithoutOperationsItIsEmptyAndBroken) {
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

TEST_F(Custom, CarriesBothWays) {
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

TEST_F(Custom, ALargeReadGoesStraightToTheCallersMemory) {
  WithCustom([&] {
    streams_.input = std::string(100000, 'x');
    std::string out(100000, '\0');
    EXPECT_EQ(0, weir_read_fully(Reader(), &out[0], out.size(), nullptr));
    EXPECT_EQ(100000u, streams_.largest_read);
    EXPECT_EQ(nullptr, custom_->reader.buffer);
  });
}

TEST_F(Custom, AReadThatWaitsHoldsNoBufferAndLosesNothing) {
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

TEST_F(Custom, WithoutMemoryBehindAWaitNothingIsLost) {
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

TEST_F(Custom, AFlushWaitsInTheCoroutineThatCalls) {
  WithCustom([&] {
    streams_.room = 2;
    EXPECT_EQ(0, Write("abcd"));
    bool flushed = false;
    Start([&] {
      EXPECT_EQ(0, weir_flush(Writer()));
      flushed = true;
      return 0;
    });
    EXPECT_TRUE(streams_.inside);
    EXPECT_FALSE(flushed);
    streams_.room = 100;
    streams_.Wake();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_TRUE(flushed);
    EXPECT_EQ("abcd", streams_.output);
  });
}

// What nobody waits for.

TEST_F(Custom, AutoFlushSendsWithoutAWaitWhenItCan) {
  WithCustom([&] {
    EXPECT_EQ(0, Write("abc", true));
    EXPECT_EQ("", streams_.output);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("abc", streams_.output);
    EXPECT_EQ(0, streams_.waiting_calls);
  });
}

TEST_F(Custom, TheRestLeavesInACoroutineOfItsOwn) {
  WithCustom([&] {
    streams_.room = 1;
    EXPECT_EQ(0, Write("abcd", true));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(streams_.inside);
    EXPECT_EQ("a", streams_.output);
    EXPECT_EQ(3u, weir_write_pending(Writer(true)));
    EXPECT_EQ(0, weir_scope_wait(nullptr));  // it is not ours
    EXPECT_EQ(0, Write("ef", true));
    streams_.room = 1;
    streams_.Wake();
    Turns();
    EXPECT_TRUE(streams_.inside);
    EXPECT_EQ("ab", streams_.output);
    streams_.room = 100;
    streams_.Wake();
    Turns();
    EXPECT_EQ("abcdef", streams_.output);
    EXPECT_EQ(0u, weir_write_pending(Writer(true)));
  });
}

TEST_F(Custom, AFlushWaitsForTheBackgroundAndGoesOn) {
  for (bool cancel : {false, true}) {
    WithCustom([&] {
      streams_.room = 0;
      EXPECT_EQ(0, Write("abcd", true));
      Turns();
      EXPECT_TRUE(streams_.inside);
      EXPECT_EQ(0, Write("ef", true));
      weir_job *job;
      int result = 1;
      Start([&] { return weir_flush(Writer(true)); }, &job);
      if (cancel) {
        weir_job_cancel(job);
      } else {
        streams_.room = 3;
        streams_.Wake();
        Turns();
        EXPECT_EQ("abc", streams_.output);
        streams_.room = 100;
        streams_.Wake();
      }
      EXPECT_EQ(0, weir_job_wait(job, &result));
      weir_job_close(job);
      EXPECT_EQ(cancel ? -ECANCELED : 0, result);
      streams_.room = 100;
      if (cancel) streams_.Wake();
      EXPECT_EQ(0, weir_flush(Writer(true)));
      EXPECT_EQ("abcdef", streams_.output);
    });
  }
}

TEST_F(Custom, AFailureInTheBackgroundBreaksTheConnection) {
  WithCustom([&] {
    streams_.room = 0;
    EXPECT_EQ(0, Write("lost", true));
    Turns();
    streams_.failure = -EIO;
    streams_.Wake();
    Turns();
    EXPECT_EQ(1, streams_.aborted);
    EXPECT_EQ(-EIO, streams_.cause);
    EXPECT_EQ(-EIO, Write("x", true));
    EXPECT_EQ(-EIO, Close());
  });
}

TEST_F(Custom, WithoutMemoryForItsCoroutineTheConnectionBreaks) {
  WithCustom([&] {
    streams_.room = 0;
    // No stack is left over from another coroutine.
    std::vector<weir_job *> jobs;
    EXPECT_EQ(0, Write("lost", true));
    allocator().FailNth(1);
    EXPECT_EQ(0, weir_delay(1));
    bool refused = allocator().refused();
    allocator().FailNth(0);
    if (refused) {
      EXPECT_EQ(-ENOMEM, weir_write_channel_cause(Writer(true)));
      EXPECT_EQ(1, streams_.aborted);
    }
  });
}

TEST_F(Custom, ACloseWaitsForTheBackgroundOutput) {
  WithCustom([&] {
    streams_.room = 0;
    streams_.finish_waits = 1;
    EXPECT_EQ(0, Write("abcd"));
    int result = 1;
    weir_connection *closed = custom_;
    Start([&] {
      result = weir_connection_close(closed);
      return 0;
    });
    custom_ = nullptr;
    Turns();
    EXPECT_TRUE(streams_.inside);
    streams_.room = 100;
    streams_.Wake();
    Turns();
    EXPECT_EQ("abcd", streams_.output);
    EXPECT_TRUE(streams_.inside);  // finish
    EXPECT_EQ(0, streams_.finished);
    streams_.Wake();
    Turns();
    EXPECT_EQ(0, result);
    EXPECT_EQ(1, streams_.finished);
    EXPECT_EQ(1, streams_.released);
  });
}

TEST_F(Custom, ACloseThatRunsOutOfTimeInterruptsAndFreesBeforeItReturns) {
  for (bool in_finish : {false, true}) {
    WithCustom([&] {
      if (in_finish) streams_.finish_waits = 1;
      if (!in_finish) streams_.room = 0;
      EXPECT_EQ(0, Write("abcd"));
      EXPECT_EQ(-ETIMEDOUT, Close());
      EXPECT_EQ(1, streams_.aborted);
      EXPECT_FALSE(streams_.inside);
      EXPECT_EQ(1, streams_.released);
      EXPECT_EQ(0, streams_.finished);
    });
  }
}

TEST_F(Custom, AHalfCloseWaitsInTheCoroutineThatCalls) {
  WithCustom([&] {
    streams_.finish_waits = 1;
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_write_channel_close(Writer()); }));
    EXPECT_EQ(0, weir_write_channel_cause(Writer()));
    streams_.Wake();
    EXPECT_EQ(0, weir_write_channel_close(Writer()));
    EXPECT_EQ(1, streams_.finished);
    EXPECT_EQ(0, Close());
    EXPECT_EQ(1, streams_.finished);
  });
}

// Other coroutines end it.

TEST_F(Custom, ASuspendedReadIsInterrupted) {
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

TEST_F(Custom, ASuspendedWriteIsInterrupted) {
  for (int how = 0; how < 3; how++) {
    for (bool background : {false, true}) {
      WithCustom([&] {
        streams_.room = 0;
        int result = 1;
        EXPECT_EQ(0, Write("lost", background));
        if (background) Turns();
        Start([&] {
          result = weir_flush(Writer(background));
          return 0;
        });
        EXPECT_TRUE(streams_.inside);
        weir_connection *custom = custom_;
        if (how == 0) {
          weir_connection_set_close_timeout(custom, 0);
          EXPECT_EQ(-ETIMEDOUT, Close());
        }
        if (how == 1) weir_connection_abort(custom);
        if (how == 2) weir_write_channel_cancel(&custom->writer, -EPROTO);
        Turns();
        EXPECT_EQ(how == 0 ? WEIR_E_CLOSED : how == 1 ? -ECONNABORTED : -EPROTO, result);
        EXPECT_FALSE(streams_.inside);
        EXPECT_EQ(1, streams_.aborted);
        EXPECT_EQ(how == 2 ? -EPROTO : -ECONNABORTED, streams_.cause);
      });
    }
  }
}

TEST_F(Custom, AnInterruptionThatComesTooEarlyIsRepeated) {
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

TEST_F(Custom, TheRunEndsAlthoughOutputIsStuck) {
  Streams streams;
  streams.room = 0;
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, weir_pipe(&streams.near, &streams.far, nullptr));
              EXPECT_EQ(0, weir_custom_connection(&custom_, &kOperations, &streams, nullptr));
              EXPECT_EQ(0, Write("stuck", true));
              weir_timeout timeout = weir_timeout_begin(0);
              EXPECT_EQ(-ETIMEDOUT, Close());
              weir_timeout_end(timeout);
              EXPECT_EQ(0, streams.released);
              return 0;
            }));
  EXPECT_EQ(1, streams.released);
  EXPECT_EQ(0, streams.finished);
  RunLoop([&] {
    weir_connection_close(streams.near);
    weir_connection_close(streams.far);
    return 0;
  });
}

TEST_F(Custom, ContractsThatAreNotKeptDoNoHarm) {
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

TEST_F(Custom, MemoryIsReadAndWritten) {
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
