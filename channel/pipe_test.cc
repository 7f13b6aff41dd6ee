// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "channel/internal/connection.h"
#include "testing/channel_test.h"
#include "weir/channel.h"

namespace {

class Pipe : public weir_testing::ChannelTest {
 protected:
  struct Ends {
    weir_connection *near = nullptr;
    weir_connection *far = nullptr;
  };

  // Runs |body| with the two ends of a pipe, and closes those that it left.
  void WithPipe(size_t capacity, std::function<void(Ends &)> body) {
    EXPECT_EQ(0, RunLoop([&] {
                weir_pipe_options options = {};
                options.capacity = capacity;
                Ends ends;
                int result = weir_pipe(&ends.near, &ends.far, &options);
                if (result < 0) return result;
                body(ends);
                weir_connection_close(ends.near);
                weir_connection_close(ends.far);
                return 0;
              }));
  }

  static weir_read_channel *Reader(weir_connection *end) { return weir_open_read_channel(end); }
  static weir_write_channel *Writer(weir_connection *end) {
    return weir_open_write_channel(end, true);
  }

  static std::string ReadLine(weir_connection *end) {
    weir_bytes line;
    int result = weir_read_utf8_line(Reader(end), &line);
    return result < 0 ? weir_error_name(result) : Text(line);
  }

  static int WriteLine(weir_connection *end, const std::string &line) {
    return weir_write_line(Writer(end), weir_bytes_of(line.data(), line.size()));
  }

  static int Close(weir_connection *&end) {
    weir_connection *closed = end;
    end = nullptr;
    return weir_connection_close(closed);
  }

  static std::string Pattern(size_t size) {
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; i++) pattern[i] = static_cast<char>(i % 251);
    return pattern;
  }
};

TEST_F(Pipe, CarriesLinesBothWays) {
  WithPipe(0, [this](Ends &ends) {
    Start([&] {
      std::string line;
      while ((line = ReadLine(ends.far)) != "WEIR_E_END_OF_STREAM") {
        EXPECT_EQ(0, WriteLine(ends.far, "you said: " + line));
      }
      return 0;
    });
    EXPECT_EQ(0, WriteLine(ends.near, "hello"));
    EXPECT_EQ("you said: hello", ReadLine(ends.near));
    EXPECT_EQ(0, WriteLine(ends.near, "again"));
    EXPECT_EQ("you said: again", ReadLine(ends.near));
    EXPECT_EQ(0, weir_write_channel_close(Writer(ends.near)));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(Pipe, BothEndsAreCalledPipe) {
  WithPipe(0, [](Ends &ends) {
    EXPECT_STREQ("pipe", weir_local_address(ends.near));
    EXPECT_STREQ("pipe", weir_remote_address(ends.near));
    EXPECT_STREQ("pipe", weir_local_address(ends.far));
    EXPECT_STREQ("pipe", weir_remote_address(ends.far));
    EXPECT_EQ(nullptr, weir_connection_host(ends.near));
  });
}

TEST_F(Pipe, ChecksItsOptionsAndWhereItIsMade) {
  weir_connection *near = nullptr, *far = nullptr;
  EXPECT_EQ(-EINVAL, weir_pipe(&near, &far, nullptr));
  EXPECT_EQ(0, RunLoop([&] {
              weir_pipe_options options = {};
              options.capacity = (size_t{1} << 30) + 1;
              EXPECT_EQ(-EINVAL, weir_pipe(&near, &far, &options));
              EXPECT_EQ(nullptr, near);
              EXPECT_EQ(nullptr, far);
              return 0;
            }));
}

TEST_F(Pipe, EveryCapacityCarriesEverySizeInOrder) {
  const std::string all = Pattern(3000);
  for (size_t capacity : {1, 2, 3, 7, 64, 1000, 4096}) {
    for (size_t step : {1, 2, 5, 63, 64, 65, 999, 3000}) {
      WithPipe(capacity, [&](Ends &ends) {
        weir_write_channel_options options = {};
        options.capacity = 16;
        EXPECT_EQ(0, weir_write_channel_configure(Writer(ends.near), &options));
        Start([&] {
          for (size_t at = 0; at < all.size(); at += step) {
            std::string part = all.substr(at, step);
            EXPECT_EQ(0, weir_write_fully(Writer(ends.near), part.data(), part.size(), nullptr));
          }
          return weir_write_channel_close(Writer(ends.near));
        });
        std::string got(all.size(), '?');
        EXPECT_EQ(0, weir_read_fully(Reader(ends.far), got.data(), got.size(), nullptr));
        EXPECT_EQ(all, got) << capacity << " " << step;
        EXPECT_EQ("WEIR_E_END_OF_STREAM", ReadLine(ends.far));
        EXPECT_EQ(0, weir_scope_wait(nullptr));
      });
    }
  }
}

TEST_F(Pipe, MuchMoreThanItsCapacityGoesThroughWithoutGrowth) {
  WithPipe(0, [this](Ends &ends) {
    const size_t count = 200;
    const std::string block = Pattern(100000);
    Start([&] {
      for (size_t i = 0; i < count; i++) {
        EXPECT_EQ(0, weir_write_fully(Writer(ends.near), block.data(), block.size(), nullptr));
      }
      return weir_flush(Writer(ends.near));
    });
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    std::string got(block.size(), '?');
    for (size_t i = 0; i < count; i++) {
      EXPECT_EQ(0, weir_read_fully(Reader(ends.far), got.data(), got.size(), nullptr));
      EXPECT_EQ(block, got);
    }
    EXPECT_LE(allocator().peak_block_bytes() - before, 4 * 16384);
  });
}

TEST_F(Pipe, PushesBackWhenNobodyReads) {
  WithPipe(100, [](Ends &ends) {
    weir_write_channel_options options = {};
    options.capacity = 50;
    EXPECT_EQ(0, weir_write_channel_configure(Writer(ends.near), &options));
    int written = 0;
    while (AtOnce([&] { return weir_write_string(Writer(ends.near), "0123456789"); }) == 0) {
      written++;
    }
    EXPECT_EQ(15, written);
    std::string got(200, '?');
    size_t done = 0;
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      return weir_read_fully(Reader(ends.far), got.data(), got.size(), &done);
    }));
    EXPECT_EQ(150u, done);
  });
}

TEST_F(Pipe, AnIdleOneHoldsNoBuffer) {
  WithPipe(0, [this](Ends &ends) {
    Start([&] {
      EXPECT_EQ("line", ReadLine(ends.far));
      return ReadLine(ends.far) == "WEIR_E_CLOSED" ? 0 : -1;
    });
    EXPECT_EQ(0, WriteLine(ends.near, "line"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(nullptr, ends.near->writer.buffer);
    EXPECT_EQ(nullptr, ends.far->reader.buffer);
    // The ring's is back, too. The reader took the one that the writer had just given back.
    weir_internal_buffer_pool *pool = weir_internal_buffer_pool_of(weir_internal_current_loop());
    EXPECT_EQ(2u, pool->count);
    EXPECT_EQ(0, Close(ends.far));
  });
}

TEST_F(Pipe, ClosingOneEndLetsTheOtherReadWhatIsQueuedThenTheEnd) {
  WithPipe(0, [](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, "queued"));
    EXPECT_EQ(0, weir_write_string(Writer(ends.near), "part"));
    EXPECT_EQ(0, Close(ends.near));
    EXPECT_EQ("queued", ReadLine(ends.far));
    EXPECT_EQ("part", ReadLine(ends.far));
    EXPECT_EQ("WEIR_E_END_OF_STREAM", ReadLine(ends.far));
    EXPECT_EQ("WEIR_E_END_OF_STREAM", ReadLine(ends.far));
    EXPECT_EQ(0, WriteLine(ends.far, "to nobody"));
    EXPECT_EQ(-EPIPE, weir_flush(Writer(ends.far)));
  });
}

TEST_F(Pipe, ClosingOneEndWakesAReaderAndAWriterAtTheOther) {
  WithPipe(10, [this](Ends &ends) {
    std::string read;
    int written = 1;
    Start([&] {
      read = ReadLine(ends.far);
      return 0;
    });
    Start([&] {
      written = WriteLine(ends.far, std::string(100000, 'x'));
      return 0;
    });
    EXPECT_EQ(0, Close(ends.near));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ("WEIR_E_END_OF_STREAM", read);
    EXPECT_EQ(-EPIPE, written);
  });
}

TEST_F(Pipe, ClosingOneEndFailsWhatTheOthersLoopStillHadToSend) {
  WithPipe(4, [](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.far, "too much for the pipe"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, Close(ends.near));
    EXPECT_EQ(-EPIPE, WriteLine(ends.far, "x"));
    EXPECT_EQ(-EPIPE, Close(ends.far));
  });
}

TEST_F(Pipe, CloseWaitsUntilTheOtherEndHasRoom) {
  WithPipe(4, [this](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, "a long farewell"));
    int result = 1;
    Start([&] {
      result = Close(ends.near);
      return 0;
    });
    EXPECT_EQ(1, result);
    EXPECT_EQ("a long farewell", ReadLine(ends.far));
    EXPECT_EQ("WEIR_E_END_OF_STREAM", ReadLine(ends.far));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, result);
  });
}

TEST_F(Pipe, BothEndsMayCloseAtOnceWithOutputThatNobodyReads) {
  WithPipe(4, [this](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, "a long farewell"));
    EXPECT_EQ(0, WriteLine(ends.far, "and another one"));
    int near = 1, far = 1;
    Start([&] {
      near = Close(ends.near);
      return 0;
    });
    Start([&] {
      far = Close(ends.far);
      return 0;
    });
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    // The first one to give up broke the pipe.
    EXPECT_EQ(-ETIMEDOUT, near);
    EXPECT_EQ(-ECONNRESET, far);
  });
}

TEST_F(Pipe, AbortOfOneEndResetsTheOther) {
  WithPipe(0, [](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, "dropped"));
    EXPECT_EQ(0, weir_flush(Writer(ends.near)));
    weir_connection_abort(ends.near);
    EXPECT_EQ("ECONNRESET", ReadLine(ends.far));
    EXPECT_EQ(0, WriteLine(ends.far, "x"));
    EXPECT_EQ(-ECONNRESET, weir_flush(Writer(ends.far)));
    EXPECT_EQ("ECONNABORTED", ReadLine(ends.near));
    EXPECT_EQ(-ECONNABORTED, Close(ends.near));
    EXPECT_EQ("ECONNRESET", ReadLine(ends.far));
    EXPECT_EQ(-ECONNRESET, Close(ends.far));
  });
}

TEST_F(Pipe, AnAbortedEndReleasesWhatWaitsAtTheOther) {
  WithPipe(10, [this](Ends &ends) {
    std::string read;
    int written = 1;
    Start([&] {
      read = ReadLine(ends.far);
      return 0;
    });
    Start([&] {
      written = WriteLine(ends.far, std::string(100000, 'x'));
      return 0;
    });
    weir_connection_abort(ends.near);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ("ECONNRESET", read);
    EXPECT_EQ(-ECONNRESET, written);
  });
}

TEST_F(Pipe, HalfCloseLeavesTheOtherDirectionOpen) {
  WithPipe(0, [](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, "question"));
    EXPECT_EQ(0, weir_write_channel_close(Writer(ends.near)));
    EXPECT_EQ("question", ReadLine(ends.far));
    EXPECT_EQ("WEIR_E_END_OF_STREAM", ReadLine(ends.far));
    EXPECT_EQ(0, WriteLine(ends.far, "answer"));
    EXPECT_EQ("answer", ReadLine(ends.near));
  });
}

TEST_F(Pipe, CancellationLosesNoByte) {
  WithPipe(8, [this](Ends &ends) {
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      weir_bytes line;
      return weir_read_line(Reader(ends.far), &line);
    }));
    EXPECT_EQ(0, WriteLine(ends.near, "first line"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_flush(Writer(ends.near)); }));
    Start([&] { return WriteLine(ends.near, "second line"); });
    EXPECT_EQ("first line", ReadLine(ends.far));
    EXPECT_EQ("second line", ReadLine(ends.far));
  });
}

TEST_F(Pipe, EveryAllocationMayFail) {
  bool refused = true;
  for (int nth = 1; refused; nth++) {
    EXPECT_EQ(0, RunLoop([&] {
                refused = false;
                allocator().FailNth(nth);
                weir_connection *near = nullptr, *far = nullptr;
                int result = weir_pipe(&near, &far, nullptr);
                if (result < 0) {
                  EXPECT_EQ(-ENOMEM, result);
                  refused = allocator().refused();
                  allocator().FailNth(0);
                  return 0;
                }
                // Whatever fails reports it and takes nothing, and works when it is tried again.
                const std::string line(40000, 'x');
                do {
                  result = WriteLine(near, "short");
                } while (result == -ENOMEM);
                EXPECT_EQ(0, result);
                result = weir_testing::LaunchCoroutine([near, &line] {
                  int written = WriteLine(near, line);
                  return written == 0 ? weir_flush(Writer(near)) : written;
                });
                bool launched = result == 0;
                EXPECT_TRUE(launched || result == -ENOMEM);
                std::string read;
                while ((read = ReadLine(far)) == "ENOMEM") continue;
                EXPECT_EQ("short", read);
                while (launched && (read = ReadLine(far)) == "ENOMEM") continue;
                EXPECT_TRUE(!launched || read == line);
                refused = allocator().refused();
                allocator().FailNth(0);
                EXPECT_EQ(0, weir_connection_close(near));
                EXPECT_EQ(0, weir_connection_close(far));
                return 0;
              }));
  }
}

TEST_F(Pipe, OutputNeverSticksForWantOfMemory) {
  WithPipe(0, [this](Ends &ends) {
    EXPECT_EQ(0, WriteLine(ends.near, std::string(1000, 'x')));
    // The ring finds no memory, neither now nor later: the pipe has only its reserve.
    weir_internal_buffer_pool *pool = weir_internal_buffer_pool_of(weir_internal_current_loop());
    EXPECT_EQ(0u, pool->count);
    allocator().FailNth(1);
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_EQ(std::string(1000, 'x'), ReadLine(ends.far));
  });
}

}  // namespace
