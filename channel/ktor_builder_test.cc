// SPDX-License-Identifier: Apache-2.0
//
// Coroutines at the end of a channel: Ktor's scenarios of its builders `writer` and `reader`,
// written afresh. docs/ktor-parity.md says which is which.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "testing/pipe_coroutine_test.h"
#include "weir/channel.h"

namespace {

using Notes = std::vector<std::string>;

class KtorBuilder : public weir_testing::PipeCoroutineTest {
 protected:
  weir_read_channel *reader() const { return weir_open_read_channel(end_); }
  weir_write_channel *writer() const { return weir_open_write_channel(end_, false); }

  Notes notes_;
};

TEST_F(KtorBuilder, AWriterInACancelledScopeEndsCancelled) {
  int result = 1;
  Write body = [&](weir_write_channel *channel) {
    return result = weir_write_string(channel, "x");
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              weir_scope_cancel(scope);
              EXPECT_EQ(0, MakeWriter(&end_, body, {}, scope));
              EXPECT_EQ(" ECANCELED", ReadAll(reader()));
              EXPECT_EQ(-ECANCELED, result);
              EXPECT_EQ(0, weir_connection_close(end_));
              return weir_scope_close(scope);
            }));
}

TEST_F(KtorBuilder, AReaderInACancelledScopeEndsCancelled) {
  std::string result;
  Read body = [&](weir_read_channel *channel) {
    result = ReadAll(channel);
    return -ECANCELED;
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              weir_scope_cancel(scope);
              EXPECT_EQ(0, MakeReader(&end_, body, {}, scope));
              EXPECT_EQ(0, weir_yield());
              EXPECT_EQ(" ECANCELED", result);
              EXPECT_EQ(0, weir_write_string(writer(), "for nobody"));
              EXPECT_EQ(-ECANCELED, weir_flush(writer()));
              EXPECT_EQ(-ECANCELED, weir_connection_close(end_));
              return weir_scope_close(scope);
            }));
}

TEST_F(KtorBuilder, AWritersOutputEndsBehindThatOfItsNestedLaunches) {
  Write body = [&](weir_write_channel *channel) {
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([channel] {
                EXPECT_EQ(0, weir_delay(WEIR_SECOND));
                return weir_write_string(channel, ", nested");
              }));
    return weir_write_string(channel, "own");
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeWriter(&end_, body));
              EXPECT_EQ("own, nested WEIR_E_END_OF_STREAM", ReadAll(reader()));
              return weir_connection_close(end_);
            }));
}

TEST_F(KtorBuilder, AReadersNestedLaunchesReadOn) {
  std::string all;
  Read body = [&](weir_read_channel *channel) {
    return weir_testing::LaunchCoroutine([&all, channel] {
      all = ReadAll(channel);
      return 0;
    });
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeReader(&end_, body));
              EXPECT_EQ(0, weir_delay(WEIR_SECOND));
              EXPECT_EQ(0, weir_write_string(writer(), "for the nested one"));
              EXPECT_EQ(0, weir_connection_close(end_));
              EXPECT_EQ("for the nested one WEIR_E_END_OF_STREAM", all);
              return 0;
            }));
}

TEST_F(KtorBuilder, AFailureEndsTheNestedLaunchesFirst) {
  for (bool in_scope : {false, true}) {
    notes_.clear();
    Write body = [&](weir_write_channel *channel) {
      weir_scope *left_open = nullptr;
      if (in_scope) {
        EXPECT_EQ(0, weir_scope_open(&left_open, nullptr));
      }
      std::function<int()> nested = [this, channel] {
        int result = weir_delay(WEIR_FOREVER);
        weir_shield shield = weir_shield_begin();
        EXPECT_EQ(0, weir_delay(WEIR_SECOND));
        notes_.push_back(std::string("nested ") + weir_error_name(result));
        EXPECT_EQ(0, weir_write_string(channel, "too late"));
        weir_shield_end(shield);
        return 0;
      };
      EXPECT_EQ(0, weir_testing::LaunchCoroutine(nested, left_open));
      EXPECT_EQ(0, weir_yield());
      return -EPROTO;
    };
    EXPECT_EQ(0, RunLoop([&] {
                EXPECT_EQ(0, MakeWriter(&end_, body));
                notes_.push_back(ReadAll(reader()));
                EXPECT_EQ((Notes{"nested ECANCELED", " EPROTO"}), notes_);
                EXPECT_EQ(0, weir_connection_close(end_));
                EXPECT_EQ(-EPROTO, weir_scope_wait(nullptr));
                return 0;
              }));
  }
}

TEST_F(KtorBuilder, AScopeLeftOpenEndsBeforeTheOutput) {
  Write body = [&](weir_write_channel *channel) {
    weir_scope *left_open = nullptr;
    EXPECT_EQ(0, weir_scope_open(&left_open, nullptr));
    EXPECT_EQ(0, weir_testing::LaunchCoroutine(
                     [channel] {
                       EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
                       weir_shield shield = weir_shield_begin();
                       EXPECT_EQ(0, weir_write_string(channel, "goodbye"));
                       weir_shield_end(shield);
                       return 0;
                     },
                     left_open));
    return weir_yield();
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeWriter(&end_, body));
              EXPECT_EQ("goodbye WEIR_E_END_OF_STREAM", ReadAll(reader()));
              return weir_connection_close(end_);
            }));
}

TEST_F(KtorBuilder, ClosingAWriterEndsItsNestedLaunches) {
  int result = 1;
  Write body = [&](weir_write_channel *channel) {
    return weir_testing::LaunchCoroutine([&result, channel] {
      const std::string much(100000, 'x');
      result = weir_write_string(channel, much.c_str());
      return 0;
    });
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, MakeWriter(&end_, body));
              EXPECT_EQ(0, weir_delay(WEIR_SECOND));
              EXPECT_EQ(1, result);
              EXPECT_EQ(0, weir_connection_close(end_));
              EXPECT_EQ(WEIR_E_CLOSED, result);
              return 0;
            }));
}

// Each of those concerned gets a failure once: the reader by its reads, the scope by its wait.
TEST_F(KtorBuilder, AFailureIsToldOnceToEachConcerned) {
  Write body = [&](weir_write_channel *channel) {
    EXPECT_EQ(0, weir_write_string(channel, "unread"));
    return -EPROTO;
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_scope *scope = nullptr;
              EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
              EXPECT_EQ(0, MakeWriter(&end_, body, {}, scope));
              EXPECT_EQ(" EPROTO", ReadAll(reader()));
              EXPECT_EQ(-EPROTO, weir_read_channel_cause(reader()));
              EXPECT_EQ(0, weir_connection_close(end_));
              EXPECT_EQ(-EPROTO, weir_scope_close(scope));
              return weir_scope_wait(nullptr);
            }));
}

// Ktor's builders forgot the argument for two years.
TEST_F(KtorBuilder, AutoFlushIsHonoured) {
  for (bool auto_flush : {false, true}) {
    Write body = [&](weir_write_channel *channel) {
      EXPECT_EQ(0, weir_write_string(channel, "line\n"));
      return weir_delay(WEIR_FOREVER);
    };
    EXPECT_EQ(0, RunLoop([&] {
                weir_end_options options = {};
                options.auto_flush = auto_flush;
                EXPECT_EQ(0, MakeWriter(&end_, body, options));
                weir_bytes line;
                EXPECT_EQ(auto_flush ? 0 : -ETIMEDOUT,
                          AtOnce([&] { return weir_read_line(reader(), &line); }));
                return weir_connection_close(end_);
              }));
  }
}

TEST_F(KtorBuilder, TheCloseWaitsForTheConsumer) {
  for (size_t size : {5, 100000}) {
    Read body = [&](weir_read_channel *channel) {
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      EXPECT_EQ(0, weir_read_discard_exactly(channel, size, nullptr));
      notes_.push_back("consumed");
      return 0;
    };
    notes_.clear();
    EXPECT_EQ(0, RunLoop([&] {
                EXPECT_EQ(0, MakeReader(&end_, body));
                EXPECT_EQ(0, weir_write_string(writer(), std::string(size, 'x').c_str()));
                int result = weir_connection_close(end_);
                notes_.push_back("closed");
                EXPECT_EQ((Notes{"consumed", "closed"}), notes_);
                return result;
              }));
  }
}

}  // namespace
