// SPDX-License-Identifier: Apache-2.0
//
// Pipes across loops.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/channel.h"
#include "weir/selector.h"

namespace {

using weir_testing::Body;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

struct Pipe {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
};

class SharedPipe : public weir_testing::LeakCheckedTest {
 protected:
  static int Run(const Body &body, int loops = 2) {
    weir_selector_options options = {};
    options.loops = loops;
    return RunCoroutine(body, &options);
  }
  static Pipe Make(size_t capacity = 0) {
    weir_pipe_options options = {};
    options.across_loops = true;
    options.capacity = capacity;
    Pipe made;
    EXPECT_EQ(0, weir_pipe(&made.near, &made.far, &options));
    return made;
  }
};

// Sends |count| lines and checks that all come back.
int PingPong(weir_connection *connection, int count) {
  for (int i = 0; i < count; i++) {
    std::string text = std::to_string(i) + std::string(static_cast<size_t>(i) % 300, 'x');
    int result = weir_write_line(weir_open_write_channel(connection, true),
                                 weir_bytes_of(text.data(), text.size()));
    weir_bytes line;
    if (result == 0) result = weir_read_line(weir_open_read_channel(connection), &line);
    if (result < 0) return result;
    if (text != std::string(line.data, line.size)) return -EIO;
  }
  return weir_connection_close(connection);
}

int Echo(weir_connection *connection) {
  weir_bytes line;
  int result;
  while ((result = weir_read_line(weir_open_read_channel(connection), &line)) == 0) {
    result = weir_write_line(weir_open_write_channel(connection, true), line);
    if (result < 0) break;
  }
  weir_connection_close(connection);
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

TEST_F(SharedPipe, LinesGoAcrossAndBack) {
  for (size_t capacity : {size_t{0}, size_t{1}, size_t{100}}) {
    EXPECT_EQ(0, Run([capacity] {
                Pipe made = Make(capacity);
                EXPECT_EQ(0, LaunchCoroutineOn(1, [made] { return Echo(made.far); }));
                EXPECT_EQ(0, PingPong(made.near, 400));
                return weir_scope_wait(nullptr);
              }));
  }
}

TEST_F(SharedPipe, AnEndBelongsToTheLoopOfItsFirstOperation) {
  EXPECT_EQ(0, Run([] {
              Pipe made = Make();
              EXPECT_EQ(0, weir_flush(weir_open_write_channel(made.near, false)));
              EXPECT_EQ(0, LaunchCoroutineOn(1, [made] {
                          weir_bytes line;
                          EXPECT_EQ(-EXDEV,
                                    weir_read_line(weir_open_read_channel(made.near), &line));
                          EXPECT_EQ(-EXDEV, weir_connection_close(made.near));
                          return weir_connection_close(made.far);
                        }));
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              return weir_connection_close(made.near);
            }));
}

TEST_F(SharedPipe, CausesAndAbortsCross) {
  EXPECT_EQ(
      0, Run([] {
        for (int way = 0; way < 3; way++) {
          Pipe made = Make();
          EXPECT_EQ(
              0, LaunchCoroutineOn(1, [made, way] {
                weir_bytes line;
                int result = weir_read_line(weir_open_read_channel(made.far), &line);
                EXPECT_EQ(way == 0 ? -EIO : way == 1 ? -ECONNRESET : WEIR_E_END_OF_STREAM, result);
                weir_connection_close(made.far);
                return 0;
              }));
          EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
          if (way == 0) weir_write_channel_cancel(weir_open_write_channel(made.near, false), -EIO);
          if (way == 1) weir_connection_abort(made.near);
          weir_connection_close(made.near);
          EXPECT_EQ(0, weir_scope_wait(nullptr));
        }
        return 0;
      }));
}

TEST_F(SharedPipe, ACancelEndsAWait) {
  EXPECT_EQ(0, Run([] {
              Pipe made = Make();
              weir_job *job = nullptr;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1,
                               [made] {
                                 weir_bytes line;
                                 int result =
                                     weir_read_line(weir_open_read_channel(made.far), &line);
                                 weir_connection_close(made.far);
                                 return result;
                               },
                               nullptr, &job));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              weir_job_cancel(job);
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(-ECANCELED, result);
              weir_job_close(job);
              return weir_connection_close(made.near);
            }));
}

// The message to the other end is on its way while the last coroutine ends.
TEST_F(SharedPipe, IsFreedWhenTheRunEndsAtOnce) {
  EXPECT_EQ(0, Run(
                   [] {
                     Pipe pipe = Make();
                     char byte = 0;
                     weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
                     weir_read_channel *input = weir_open_read_channel(pipe.far);
                     EXPECT_EQ(-ETIMEDOUT, weir_read_available(input, &byte, 1));
                     EXPECT_TRUE(weir_timeout_end(timeout));
                     weir_connection_set_close_timeout(pipe.near, 0);
                     EXPECT_EQ(0, weir_connection_close(pipe.near));
                     EXPECT_EQ(0, weir_connection_close(pipe.far));
                     return 0;
                   },
                   1));
}

// Both ends on one loop: in the order of their messages, and without a race.
class OneLoop : public SharedPipe {
 protected:
  // Runs |meanwhile| in a coroutine that a message wakes just before another one wakes the reader
  // of |pipe|, which |tell| causes. Returns the result of that read.
  static int ReadAfter(const Pipe &pipe, const Body &tell, const Body &meanwhile) {
    Pipe other = Make();
    int read = 1;
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutine(
                     [&] {
                       char byte;
                       weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
                       read = weir_read_available(weir_open_read_channel(pipe.far), &byte, 1);
                       if (weir_timeout_end(timeout)) read = -ETIMEDOUT;
                       return 0;
                     },
                     scope));
    EXPECT_EQ(0, LaunchCoroutine(
                     [&] {
                       char byte;
                       EXPECT_EQ(1,
                                 weir_read_available(weir_open_read_channel(other.far), &byte, 1));
                       return meanwhile();
                     },
                     scope));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, Send(other.near));
    EXPECT_EQ(0, tell());
    EXPECT_EQ(0, weir_scope_wait(scope));
    EXPECT_EQ(0, weir_scope_close(scope));
    weir_connection_close(other.near);
    weir_connection_close(other.far);
    return read;
  }
  static int Send(weir_connection *connection) {
    weir_write_channel *output = weir_open_write_channel(connection, false);
    int result = weir_write_string(output, "x");
    return result < 0 ? result : weir_flush(output);
  }
};

// What the reader was woken for is dropped before it runs.
TEST_F(OneLoop, ACancelBehindAWakeIsNoticed) {
  EXPECT_EQ(0, Run(
                   [] {
                     Pipe pipe = Make();
                     EXPECT_EQ(-EPROTO, ReadAfter(
                                            pipe, [&] { return Send(pipe.near); },
                                            [&] {
                                              weir_read_channel_cancel(
                                                  weir_open_read_channel(pipe.far), -EPROTO);
                                              return 0;
                                            }));
                     weir_connection_close(pipe.near);
                     weir_connection_close(pipe.far);
                     return 0;
                   },
                   1));
}

// The reader was woken, but what has happened does not concern it.
TEST_F(OneLoop, ACloseBehindAWakeIsNoticed) {
  EXPECT_EQ(0, Run(
                   [] {
                     Pipe pipe = Make();
                     EXPECT_EQ(0, Send(pipe.far));
                     EXPECT_EQ(WEIR_E_CLOSED, ReadAfter(
                                                  pipe,
                                                  [&] {
                                                    char byte;
                                                    int result = weir_read_available(
                                                        weir_open_read_channel(pipe.near), &byte,
                                                        1);
                                                    return result == 1 ? 0 : -EIO;
                                                  },
                                                  [&] { return weir_connection_close(pipe.far); }));
                     weir_connection_close(pipe.near);
                     return 0;
                   },
                   1));
}

// Both ends on one loop, which the loop of the first operation permits.
TEST_F(OneLoop, IsFreedWithAMessageUnread) {
  EXPECT_EQ(0, Run(
                   [] {
                     Pipe pipe = Make();
                     char byte;
                     weir_read_channel *input = weir_open_read_channel(pipe.far);
                     EXPECT_EQ(-EAGAIN, weir_read_try(input, &byte, 1));
                     EXPECT_EQ(0, weir_connection_close(pipe.near));
                     EXPECT_EQ(0, weir_connection_close(pipe.far));
                     return 0;
                   },
                   1));
}

TEST_F(SharedPipe, WithoutMemoryThereIsNone) {
  EXPECT_EQ(0, Run([this] {
              for (int nth = 1; nth <= 3; nth++) {
                allocator().FailNth(nth);
                weir_pipe_options options = {};
                options.across_loops = true;
                Pipe made;
                EXPECT_EQ(-ENOMEM, weir_pipe(&made.near, &made.far, &options));
                EXPECT_EQ(nullptr, made.near);
              }
              allocator().FailNth(0);
              return 0;
            }));
}

// Both ends of many pipes write and read at the same time. WEIR_HAMMER_SECONDS makes it longer.
TEST_F(SharedPipe, FourLoopsUnderLoad) {
  const char *seconds = getenv("WEIR_HAMMER_SECONDS");
  long rounds = seconds == nullptr ? 1 : 10 * strtol(seconds, nullptr, 10);
  if (rounds > 1) alarm(0);
  for (long round = 0; round < rounds; round++) {
    EXPECT_EQ(0, Run(
                     [] {
                       for (int i = 0; i < 24; i++) {
                         Pipe made = Make(i % 3 == 0 ? 7 : 0);
                         EXPECT_EQ(0, LaunchCoroutineOn(i % 4, [made] { return Echo(made.far); }));
                         EXPECT_EQ(0, LaunchCoroutineOn((i + 1 + i / 4) % 4, [made] {
                                     return PingPong(made.near, 200);
                                   }));
                       }
                       return weir_scope_wait(nullptr);
                     },
                     4));
  }
}

}  // namespace
