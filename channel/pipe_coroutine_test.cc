// SPDX-License-Identifier: Apache-2.0
//
// weir_writer and weir_reader.

#include "testing/pipe_coroutine_test.h"

#include <gtest/gtest.h>

#include <string>

#include "weir/channel.h"

namespace {

class PipeCoroutine : public weir_testing::PipeCoroutineTest {
 protected:
  static int WriteText(weir_connection *connection, const std::string &text) {
    weir_write_channel *channel = weir_open_write_channel(connection, false);
    int result = weir_write_fully(channel, text.data(), text.size(), nullptr);
    return result == 0 ? weir_flush(channel) : result;
  }
};

TEST_F(PipeCoroutine, AWritersOutputEndsBehindWhatItWrote) {
  for (size_t capacity : {0, 1, 3}) {
    for (bool auto_flush : {false, true}) {
      Write body = [](weir_write_channel *channel) {
        int result = 0;
        for (int i = 0; i < 100 && result == 0; i++) result = weir_write_format(channel, "%d,", i);
        return result;
      };
      EXPECT_EQ(0, RunLoop([&] {
                  weir_end_options options = {};
                  options.capacity = capacity;
                  options.auto_flush = auto_flush;
                  EXPECT_EQ(0, MakeWriter(&end_, body, options));
                  std::string expected;
                  for (int i = 0; i < 100; i++) expected += std::to_string(i) + ",";
                  EXPECT_EQ(expected + " WEIR_E_END_OF_STREAM",
                            ReadAll(weir_open_read_channel(end_)));
                  return weir_connection_close(end_);
                }));
    }
  }
}

TEST_F(PipeCoroutine, ASlowReaderLosesNothing) {
  Write body = [](weir_write_channel *channel) {
    return weir_write_string(channel, "more than the pipe holds");
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_end_options options = {};
              options.capacity = 2;
              EXPECT_EQ(0, MakeWriter(&end_, body, options));
              EXPECT_EQ(0, weir_delay(3600 * WEIR_SECOND));
              EXPECT_EQ("more than the pipe holds WEIR_E_END_OF_STREAM",
                        ReadAll(weir_open_read_channel(end_)));
              return weir_connection_close(end_);
            }));
}

TEST_F(PipeCoroutine, TheReaderGetsTheFailureOfTheWriter) {
  Write body = [](weir_write_channel *channel) {
    EXPECT_EQ(0, weir_write_string(channel, "unread"));
    EXPECT_EQ(0, weir_flush(channel));
    return -EPROTO;
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeWriter(&end_, body));
              EXPECT_EQ(" EPROTO", ReadAll(weir_open_read_channel(end_)));
              EXPECT_EQ(0, weir_connection_close(end_));
              EXPECT_EQ(-EPROTO, weir_scope_wait(nullptr));
              return 0;
            }));
}

TEST_F(PipeCoroutine, ClosingOrAbortingCancelsAWriter) {
  for (bool abort : {false, true}) {
    for (bool writes : {false, true}) {
      int result = 0, later = 0;
      bool cancelled = false;
      Write body = [&](weir_write_channel *channel) {
        std::string text(100000, 'x');
        result = writes ? weir_write_string(channel, text.c_str()) : weir_delay(WEIR_FOREVER);
        cancelled = weir_is_cancelled();
        weir_shield shield = weir_shield_begin();
        later = weir_write_string(channel, "x");
        EXPECT_EQ(0, weir_delay(WEIR_SECOND));  // the close waits for this, too
        weir_shield_end(shield);
        return 0;
      };
      EXPECT_EQ(0, RunLoop([&] {
                  EXPECT_EQ(0, MakeWriter(&end_, body));
                  EXPECT_EQ(0, weir_yield());
                  if (abort) weir_connection_abort(end_);
                  int64_t before = weir_now();
                  EXPECT_EQ(abort ? -ECONNABORTED : 0, weir_connection_close(end_));
                  EXPECT_EQ(WEIR_SECOND, weir_now() - before);
                  EXPECT_TRUE(cancelled);
                  int cause = abort ? -ECONNABORTED : WEIR_E_CLOSED;
                  EXPECT_EQ(writes ? cause : -ECANCELED, result);
                  EXPECT_EQ(cause, later);
                  return 0;
                }));
    }
  }
}

TEST_F(PipeCoroutine, NobodyReadsWhatIsWrittenTowardsAWriter) {
  Write body = [](weir_write_channel *) { return weir_delay(WEIR_FOREVER); };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeWriter(&end_, body));
              EXPECT_EQ(-EPIPE, WriteText(end_, "x"));
              int64_t before = weir_now();
              EXPECT_EQ(-EPIPE, weir_connection_close(end_));
              EXPECT_EQ(before, weir_now());
              return 0;
            }));
}

TEST_F(PipeCoroutine, AWriterBelongsToItsScope) {
  Write body = [](weir_write_channel *channel) {
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    EXPECT_EQ(-ECANCELED, weir_write_string(channel, "x"));
    return -ECANCELED;
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              EXPECT_EQ(0, MakeWriter(&end_, body, {}, scope));
              EXPECT_EQ(0, weir_yield());
              weir_scope_close(scope);
              EXPECT_EQ(" ECANCELED", ReadAll(weir_open_read_channel(end_)));
              return weir_connection_close(end_);
            }));
}

TEST_F(PipeCoroutine, TheCloseWaitsUntilAReaderHasReadAll) {
  for (size_t capacity : {0, 1}) {
    std::string all;
    Read body = [&](weir_read_channel *channel) {
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      all = ReadAll(channel);
      return 0;
    };
    EXPECT_EQ(0, RunLoop([&] {
                weir_end_options options = {};
                options.capacity = capacity;
                EXPECT_EQ(0, MakeReader(&end_, body, options));
                weir_write_channel *output = weir_open_write_channel(end_, false);
                EXPECT_EQ(0, weir_write_string(output, "all of it"));
                EXPECT_EQ(0, weir_connection_close(end_));
                EXPECT_EQ("all of it WEIR_E_END_OF_STREAM", all);
                return 0;
              }));
  }
}

TEST_F(PipeCoroutine, AHalfCloseEndsTheInputOfAReader) {
  std::string all;
  Read body = [&](weir_read_channel *channel) { return all = ReadAll(channel), 0; };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeReader(&end_, body));
              EXPECT_EQ(0, WriteText(end_, "abc"));
              EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(end_, false)));
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              EXPECT_EQ("abc WEIR_E_END_OF_STREAM", all);
              return weir_connection_close(end_);
            }));
}

TEST_F(PipeCoroutine, WritesFailWithTheFailureOfAReader) {
  for (int failure : {0, -EPROTO}) {
    Read body = [&](weir_read_channel *channel) {
      char byte;
      EXPECT_EQ(1, weir_read_available(channel, &byte, 1));
      return failure;
    };
    EXPECT_EQ(0, RunLoop([&] {
                int expected = failure < 0 ? failure : -EPIPE;
                EXPECT_EQ(0, MakeReader(&end_, body));
                EXPECT_EQ(0, WriteText(end_, "some"));
                EXPECT_EQ(failure, weir_scope_wait(nullptr));
                EXPECT_EQ(expected, WriteText(end_, "more"));
                EXPECT_EQ(expected, weir_write_channel_cause(weir_open_write_channel(end_, false)));
                EXPECT_EQ(expected, weir_connection_close(end_));
                return 0;
              }));
  }
}

TEST_F(PipeCoroutine, TheCloseReturnsTheFailureOfAReader) {
  Read body = [&](weir_read_channel *channel) {
    EXPECT_EQ("x WEIR_E_END_OF_STREAM", ReadAll(channel));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    return -EPROTO;
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeReader(&end_, body));
              EXPECT_EQ(0, WriteText(end_, "x"));
              EXPECT_EQ(-EPROTO, weir_connection_close(end_));
              return 0;
            }));
}

TEST_F(PipeCoroutine, TheCloseCancelsAReaderWhenItsTimeIsOver) {
  Read body = [&](weir_read_channel *) { return weir_delay(WEIR_FOREVER); };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeReader(&end_, body));
              EXPECT_EQ(0, WriteText(end_, "x"));
              int64_t before = weir_now();
              EXPECT_EQ(-ECANCELED, weir_connection_close(end_));
              EXPECT_EQ(5 * WEIR_SECOND, weir_now() - before);
              return 0;
            }));
}

TEST_F(PipeCoroutine, AnAbortEndsAReader) {
  Read body = [&](weir_read_channel *channel) {
    char byte;
    return weir_read_available(channel, &byte, 1);
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeReader(&end_, body));
              EXPECT_EQ(0, weir_yield());
              weir_connection_abort(end_);
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(end_));
              return 0;
            }));
}

TEST_F(PipeCoroutine, WithoutMemoryTheFunctionIsNeverCalled) {
  EXPECT_EQ(0, RunLoop([&] {
              int calls = 0;
              Write write = [&](weir_write_channel *) { return calls++, 0; };
              Read read = [&](weir_read_channel *) { return calls++, 0; };
              for (bool writer : {false, true}) {
                int result = -ENOMEM;
                for (int nth = 1; result == -ENOMEM; nth++) {
                  calls = 0;
                  allocator().FailNth(nth);
                  result = writer ? MakeWriter(&end_, write) : MakeReader(&end_, read);
                  allocator().FailNth(0);
                  if (result == 0) (void)weir_connection_close(end_);
                  EXPECT_EQ(0, weir_delay(1));
                  EXPECT_EQ(result == 0 ? 1 : 0, calls);
                }
                EXPECT_EQ(0, result);
              }
              return 0;
            }));
  EXPECT_EQ(-EINVAL, weir_writer(&end_, nullptr, nullptr, nullptr, nullptr));
  EXPECT_EQ(-EINVAL, weir_reader(&end_, nullptr, nullptr, nullptr, nullptr));
  EXPECT_EQ(nullptr, end_);
}

}  // namespace
