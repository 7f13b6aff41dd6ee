// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "coroutine/internal/sanitizers.h"
#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

// Through a variable, since no constant of the enumeration has this value.
volatile int unknown_method = 3;

class Copy : public weir_testing::ChannelTest {
 protected:
  // Runs |body| over two scripted transports; the bytes go from the first to the second.
  void WithTwo(std::function<void(ScriptedTransport &, ScriptedTransport &)> body) {
    WithScript([&](ScriptedTransport &source) {
      ScriptedTransport target;
      body(source, target);
      if (!target.released()) weir_connection_close(target.connection());
    });
  }

  static void FeedAll(ScriptedTransport &script, const std::string &bytes, size_t step) {
    for (size_t at = 0; at < bytes.size(); at += step) script.Feed(bytes.substr(at, step));
    script.FeedEnd();
  }

  static std::string Pattern(size_t size) {
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; i++) pattern[i] = static_cast<char>(i * 7 % 251);
    return pattern;
  }

  static std::string Rest(ScriptedTransport &script) {
    std::string all;
    char bytes[100];
    int result;
    while ((result = weir_read_available(script.reader(), bytes, sizeof bytes)) > 0) {
      all.append(bytes, static_cast<size_t>(result));
    }
    return all;
  }
};

TEST_F(Copy, CopiesToTheEndHoweverItComesAndGoes) {
  const std::string all = Pattern(30000);
  for (size_t step : {1, 3, 1000, 5000, 16384, 30000}) {
    for (size_t most : {2, 100, 4096, 100000}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        FeedAll(source, all, step);
        target.LimitWrites(most);
        uint64_t count = 7;
        EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, &count));
        EXPECT_EQ(all.size(), count);
        EXPECT_TRUE(all == target.sent());
        EXPECT_EQ(0, target.finished());  // both stay open
        EXPECT_EQ(all.size(), weir_total_bytes_written(target.writer()));
      });
    }
  }
}

TEST_F(Copy, TheLimitIsExact) {
  for (uint64_t limit : {0, 1, 2, 9, 10, 11, 1000000}) {
    for (weir_copy_method method : {WEIR_COPY_ANY, WEIR_COPY_THROUGH_MEMORY}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        FeedAll(source, "0123456789", 4);
        weir_copy_options options = {};
        options.method = method;
        uint64_t count = 7;
        EXPECT_EQ(0, weir_copy_at_most(source.reader(), target.writer(), limit, &options, &count));
        size_t expected = std::min<size_t>(10, limit);
        EXPECT_EQ(expected, count);
        EXPECT_EQ(std::string("0123456789").substr(0, expected), target.sent());
        EXPECT_EQ(std::string("0123456789").substr(expected), Rest(source));
      });
    }
  }
}

// It waits for no byte, needs no end, and still flushes.
TEST_F(Copy, NothingCanBeCopied) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(0, weir_write_string(target.writer(), "unsent"));
    uint64_t count = 7;
    auto nothing = [&] {
      return weir_copy_at_most(source.reader(), target.writer(), 0, nullptr, &count);
    };
    EXPECT_EQ(0, AtOnce(nothing));
    EXPECT_EQ(0u, count);
    EXPECT_EQ("unsent", target.sent());
    EXPECT_EQ(0, source.reads_tried());
    weir_read_channel_cancel(source.reader(), -EPROTO);
    EXPECT_EQ(-EPROTO, nothing());
  });
}

TEST_F(Copy, ChecksItsOptions) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    weir_copy_options options = {};
    options.method = static_cast<weir_copy_method>(unknown_method);
    uint64_t count = 7;
    EXPECT_EQ(-EINVAL, weir_copy(source.reader(), target.writer(), &options, &count));
    EXPECT_EQ(0u, count);
    EXPECT_EQ(-EINVAL, weir_copy_at_most(source.reader(), target.writer(), 0, &options, &count));
    EXPECT_EQ(-EINVAL, weir_copy_and_close(source.reader(), target.writer(), &options, &count));
    EXPECT_EQ(0, weir_read_channel_cause(source.reader()));
  });
}

TEST_F(Copy, WhatHasComeIsFlushedBeforeTheWait) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(0, weir_write_string(target.writer(), "before "));
    source.Feed("some");
    source.Feed("thing");
    uint64_t count = 0;
    Start([&] { return weir_copy(source.reader(), target.writer(), nullptr, &count); });
    // What was there together leaves together.
    EXPECT_EQ(std::vector<std::string>{"before something"}, target.writes());
    char byte;
    EXPECT_EQ(-EBUSY, weir_read_available(source.reader(), &byte, 1));
    EXPECT_EQ(-EBUSY, weir_write_string(target.writer(), "x"));
    source.FeedEnd();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(9u, count);
  });
}

TEST_F(Copy, ALargePieceIsNotCopiedIntoTheTargetsBuffer) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, Pattern(1000000), 16384);
    EXPECT_EQ(0, weir_write_string(target.writer(), "x"));
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_LE(allocator().peak_block_bytes() - before, 2 * 16384);
  });
}

// A deadline at every byte: what the target has not taken is unread, and the copy goes on.
TEST_F(Copy, ADeadlineLosesNothing) {
  const std::string all = Pattern(9000);
  for (size_t room : {0, 1, 10, 4999, 5000, 5001, 8999}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      FeedAll(source, all, 5000);
      target.SetRoom(room);
      uint64_t count = 0, more = 0;
      int result =
          AtOnce([&] { return weir_copy(source.reader(), target.writer(), nullptr, &count); });
      EXPECT_EQ(-ETIMEDOUT, result);
      EXPECT_EQ(0, weir_read_channel_cause(source.reader()));
      target.SetRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, &more));
      EXPECT_EQ(all.size(), count + more);
      EXPECT_TRUE(all == target.sent()) << room;
    });
  }
}

TEST_F(Copy, ACancellationWhileItWaitsForTheSourceLosesNothing) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("one ");
    weir_job *job;
    int result = 1;
    Start([&] { return weir_copy(source.reader(), target.writer(), nullptr, nullptr); }, &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, result);
    FeedAll(source, "two", 3);
    EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ("one two", target.sent());
  });
}

TEST_F(Copy, AFailingSourceFailsTheCopyBehindWhatCameBefore) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("partial");
    source.FeedFailure(-ECONNRESET);
    uint64_t count = 0;
    EXPECT_EQ(-ECONNRESET, weir_copy(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(7u, count);
    EXPECT_EQ(-ECONNRESET, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(0, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(0, weir_flush(target.writer()));
    EXPECT_EQ("partial", target.sent());
  });
}

TEST_F(Copy, WhatWasHeldWhenTheSourceFailedIsCopiedOnce) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("abc");
    source.FeedFailure(-EIO);
    EXPECT_EQ(-EIO, weir_read_await(source.reader(), 10));
    uint64_t count = 7;
    EXPECT_EQ(0, weir_copy_at_most(source.reader(), target.writer(), 2, nullptr, &count));
    EXPECT_EQ(2u, count);
    EXPECT_EQ(2u, weir_total_bytes_read(source.reader()));
    EXPECT_EQ(-EIO, weir_copy(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(1u, count);
    EXPECT_EQ(0, weir_flush(target.writer()));
    EXPECT_EQ("abc", target.sent());
  });
}

TEST_F(Copy, ATargetThatFailsAtEachByteLeavesTheRestUnread) {
  const std::string all = Pattern(5000);
  for (size_t taken = 0; taken <= 5000; taken += 500) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      FeedAll(source, all, 5000);
      target.SetRoom(taken);
      int result = 0;
      uint64_t count = 0;
      Start([&] {
        result = weir_copy(source.reader(), target.writer(), nullptr, &count);
        return 0;
      });
      target.FailWrites(-EPIPE);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(taken < 5000 ? -EPIPE : 0, result);
      EXPECT_EQ(taken, count);
      EXPECT_TRUE(all.substr(taken) == Rest(source));
    });
  }
}

TEST_F(Copy, AClosedTargetTakesNothing) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, "x", 1);
    EXPECT_EQ(0, weir_write_channel_close(target.writer()));
    EXPECT_EQ(WEIR_E_CLOSED, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ("x", Rest(source));
  });
}

// Another coroutine ends one of the channels, in both places where a copy may wait.

TEST_F(Copy, ClosingOrAbortingEitherConnectionEndsIt) {
  for (bool waits_for_source : {true, false}) {
    for (bool end_source : {true, false}) {
      for (bool abort : {true, false}) {
        WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
          if (!waits_for_source) {
            source.Feed("stuck");
            target.SetRoom(0);
          }
          int result = 0;
          Start([&] {
            result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
            return 0;
          });
          weir_connection *ended = end_source ? source.connection() : target.connection();
          int64_t before = weir_now();
          if (abort) {
            weir_connection_abort(ended);
            EXPECT_EQ(0, weir_yield());
          } else {
            weir_connection_set_close_timeout(ended, 1);
            (void)weir_connection_close(ended);
            EXPECT_LE(weir_now(), before + 1);
          }
          EXPECT_EQ(abort ? -ECONNABORTED : WEIR_E_CLOSED, result);
          target.SetRoom(ScriptedTransport::kUnlimited);
        });
      }
    }
  }
}

TEST_F(Copy, CancellingEitherChannelEndsItWithTheCause) {
  for (bool waits_for_source : {true, false}) {
    for (bool end_source : {true, false}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        if (!waits_for_source) {
          source.Feed("stuck");
          target.SetRoom(0);
        }
        int result = 0;
        Start([&] {
          result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
          return 0;
        });
        if (end_source) weir_read_channel_cancel(source.reader(), -EPROTO);
        if (!end_source) weir_write_channel_cancel(target.writer(), -EPROTO);
        EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(-EPROTO, result);
        target.SetRoom(ScriptedTransport::kUnlimited);
      });
    }
  }
}

// The copy is about to run when another coroutine ends one of its channels: it must not wait again.

enum class Ending { kAbort, kCancel, kClose };

static void EndSource(ScriptedTransport &script, Ending how) {
  if (how == Ending::kAbort) weir_connection_abort(script.connection());
  if (how == Ending::kCancel) weir_read_channel_cancel(script.reader(), -EPROTO);
  if (how == Ending::kClose) (void)weir_connection_close(script.connection());
}

static void EndTarget(ScriptedTransport &script, Ending how) {
  if (how == Ending::kAbort) weir_connection_abort(script.connection());
  if (how == Ending::kCancel) weir_write_channel_cancel(script.writer(), -EPROTO);
  if (how == Ending::kClose) (void)weir_connection_close(script.connection());
}

static int CodeOf(Ending how) {
  if (how == Ending::kAbort) return -ECONNABORTED;
  return how == Ending::kCancel ? -EPROTO : WEIR_E_CLOSED;
}

constexpr Ending kEndings[] = {Ending::kAbort, Ending::kCancel, Ending::kClose};

TEST_F(Copy, TheEndOfTheSourceIsNotMissedByACopyThatWasJustWoken) {
  for (Ending how : kEndings) {
    for (size_t size : {100, 9000}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        source.Feed(Pattern(size));
        target.SetRoom(0);
        int result = 0;
        Start([&] {
          result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
          return 0;
        });
        target.AddRoom(10);
        weir_connection_set_close_timeout(source.connection(), 0);
        int64_t before = weir_now();
        EndSource(source, how);
        for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(CodeOf(how), result);
        EXPECT_LT(weir_now() - before, WEIR_SECOND);
        target.SetRoom(ScriptedTransport::kUnlimited);
      });
    }
  }
}

TEST_F(Copy, TheEndOfTheTargetIsNotMissedByACopyThatHasJustFlushed) {
  for (Ending how : kEndings) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed("flushed");
      target.SetRoom(0);
      int result = 0;
      Start([&] {
        result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
        return 0;
      });
      target.SetRoom(ScriptedTransport::kUnlimited);
      int64_t before = weir_now();
      EndTarget(target, how);
      for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(CodeOf(how), result);
      EXPECT_LT(weir_now() - before, WEIR_SECOND);
    });
  }
}

TEST_F(Copy, TheEndOfOneTargetIsNotMissedByATeeThatWasJustWokenByTheOther) {
  for (Ending how : kEndings) {
    for (size_t size : {100, 9000}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
        ScriptedTransport second;
        source.Feed(Pattern(size));
        first.SetRoom(0);
        int result = 0;
        Start([&] {
          result = weir_tee(source.reader(), first.writer(), second.writer(), nullptr);
          return 0;
        });
        first.AddRoom(10);
        int64_t before = weir_now();
        EndTarget(second, how);
        for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(CodeOf(how), result);
        EXPECT_LT(weir_now() - before, WEIR_SECOND);
        first.SetRoom(ScriptedTransport::kUnlimited);
        if (!second.released()) (void)weir_connection_close(second.connection());
      });
    }
  }
}

// The interruption is over with the copy: what its coroutine does next may wait.
TEST_F(Copy, ItsCoroutineGoesOnAfterAnEnd) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("some");
    target.SetRoom(0);
    int delayed = -1;
    Start([&] {
      EXPECT_EQ(-EPROTO, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
      delayed = weir_delay(WEIR_MILLISECOND);
      return 0;
    });
    target.AddRoom(1);
    weir_read_channel_cancel(source.reader(), -EPROTO);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, delayed);
  });
}

TEST_F(Copy, AConnectionEchoesItself) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *near = nullptr, *far = nullptr;
              EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
              Start([&] {
                EXPECT_EQ(
                    0, weir_copy_and_close(weir_open_read_channel(far),
                                           weir_open_write_channel(far, false), nullptr, nullptr));
                return weir_connection_close(far);
              });
              weir_write_channel *output = weir_open_write_channel(near, true);
              weir_bytes line;
              for (int i = 0; i < 10; i++) {
                EXPECT_EQ(0, weir_write_line(output, weir_text("hello")));
                EXPECT_EQ(0, weir_read_line(weir_open_read_channel(near), &line));
                EXPECT_EQ("hello", Text(line));
              }
              EXPECT_EQ(0, weir_write_channel_close(output));
              EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(weir_open_read_channel(near), &line));
              EXPECT_EQ(0, weir_connection_close(near));
              return weir_scope_wait(nullptr);
            }));
}

TEST_F(Copy, AndCloseEndsTheTarget) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, "all of it", 2);
    uint64_t count = 0;
    EXPECT_EQ(0, weir_copy_and_close(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(9u, count);
    EXPECT_EQ("all of it", target.sent());
    EXPECT_EQ(1, target.finished());
  });
}

TEST_F(Copy, AndCloseCancelsBothWhenItFails) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("partial");
    source.FeedFailure(-ECONNRESET);
    EXPECT_EQ(-ECONNRESET, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(-ECONNRESET, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(1, target.aborted());
    EXPECT_EQ(0, target.finished());
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("lost");
    target.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      return weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
    }));
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    weir_timeout timeout = weir_timeout_begin(0);  // before it begins
    EXPECT_EQ(-ETIMEDOUT, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    weir_timeout_end(timeout);
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
}

// Whoever closes the target of a copy that has not come to the end breaks the stream off.
TEST_F(Copy, AndCloseDoesNotLetAClosedTargetLookComplete) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      int result = 0;
      Start([&] {
        result = weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
        return 0;
      });
      EXPECT_EQ(-ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(WEIR_E_CLOSED, result);
      EXPECT_EQ(1, target.aborted());
      EXPECT_EQ(0, target.finished());
    });
  }
}

TEST_F(Copy, AClosedTargetEndsBetweenPiecesOnly) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      Start([&] {
        EXPECT_EQ(WEIR_E_CLOSED, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
        return 0;
      });
      EXPECT_EQ(waits_for_source ? 0 : -ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(waits_for_source ? 0 : 1, target.aborted());
      EXPECT_EQ(waits_for_source ? 1 : 0, target.finished());
    });
  }
}

TEST_F(Copy, ThePeerOfAClosedTargetSeesThatItWasCutShort) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *from[2], *to[2];
              EXPECT_EQ(0, weir_pipe(&from[0], &from[1], nullptr));
              EXPECT_EQ(0, weir_pipe(&to[0], &to[1], nullptr));
              Start([&] {
                EXPECT_EQ(WEIR_E_CLOSED, weir_copy_and_close(weir_open_read_channel(from[1]),
                                                             weir_open_write_channel(to[0], false),
                                                             nullptr, nullptr));
                return 0;
              });
              EXPECT_EQ(0, weir_write_string(weir_open_write_channel(from[0], true), "a part"));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(to[0]));
              uint64_t count = 0;
              EXPECT_EQ(-ECONNRESET, weir_read_discard_exactly(weir_open_read_channel(to[1]),
                                                               UINT64_MAX, &count));
              for (weir_connection *each : {from[0], from[1], to[1]}) {
                weir_connection_abort(each);
                (void)weir_connection_close(each);
              }
              return 0;
            }));
}

TEST_F(Copy, TeeDeliversToBoth) {
  const std::string all = Pattern(20000);
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
    ScriptedTransport second;
    FeedAll(source, all, 3000);
    first.LimitWrites(100);
    uint64_t count = 0;
    EXPECT_EQ(0, weir_tee(source.reader(), first.writer(), second.writer(), &count));
    EXPECT_EQ(all.size(), count);
    EXPECT_TRUE(all == first.sent());
    EXPECT_TRUE(all == second.sent());
    EXPECT_EQ(1, first.finished());
    EXPECT_EQ(1, second.finished());
    weir_connection_close(second.connection());
  });
}

TEST_F(Copy, CancellingAnyOfTheThreeOfATeeCancelsTheOthers) {
  for (int which = 0; which < 3; which++) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
      ScriptedTransport second;
      int result = 0;
      Start([&] {
        result = weir_tee(source.reader(), first.writer(), second.writer(), nullptr);
        return 0;
      });
      if (which == 0) weir_read_channel_cancel(source.reader(), -EPROTO);
      if (which == 1) weir_write_channel_cancel(first.writer(), -EPROTO);
      if (which == 2) weir_write_channel_cancel(second.writer(), -EPROTO);
      EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(-EPROTO, result);
      EXPECT_EQ(-EPROTO, weir_read_channel_cause(source.reader()));
      EXPECT_EQ(-EPROTO, weir_write_channel_cause(first.writer()));
      EXPECT_EQ(-EPROTO, weir_write_channel_cause(second.writer()));
      (void)weir_connection_close(second.connection());
    });
  }
}

// What another coroutine uses does not suffer from the end of the one that would copy.
TEST_F(Copy, AndCloseAndTeeLeaveWhatOthersUse) {
  for (bool source_busy : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
      ScriptedTransport second;
      first.SetRoom(0);
      Start([&] {
        char byte;
        if (source_busy) return weir_read_exactly(source.reader(), &byte, 1);
        EXPECT_EQ(0, weir_write_string(first.writer(), "x"));
        return weir_flush(first.writer());
      });
      weir_timeout timeout = weir_timeout_begin(0);
      EXPECT_EQ(-EBUSY, weir_copy_and_close(source.reader(), first.writer(), nullptr, nullptr));
      EXPECT_EQ(-EBUSY, weir_tee(source.reader(), second.writer(), first.writer(), nullptr));
      EXPECT_EQ(-EBUSY, weir_tee(source.reader(), second.writer(), second.writer(), nullptr));
      weir_timeout_end(timeout);
      EXPECT_EQ(0, weir_read_channel_cause(source.reader()));
      EXPECT_EQ(0, weir_write_channel_cause(first.writer()));
      EXPECT_EQ(0, weir_write_channel_cause(second.writer()));
      first.SetRoom(ScriptedTransport::kUnlimited);
      source.Feed("x");
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      (void)weir_connection_close(second.connection());
    });
  }
}

TEST_F(Copy, ATeeToOneChannelTwiceIsRefused) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-EBUSY, weir_tee(source.reader(), target.writer(), target.writer(), nullptr));
    EXPECT_EQ(0, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(0, weir_write_string(target.writer(), "free again"));
  });
}

// Ktor's ByteWriteLargeTransfersTest: a channel does not grow, however much passes through it.
TEST_F(Copy, MuchPassesThroughAPipeWithoutGrowth) {
  // A gibibyte, where that takes less than a second.
  constexpr uint64_t kSize = uint64_t{WEIR_INTERNAL_ASAN || WEIR_INTERNAL_TSAN ? 64 : 1024} << 20;
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *near = nullptr, *far = nullptr;
              EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
              allocator().ResetPeak();
              long before = allocator().block_bytes();
              Start([&] {
                std::string piece(100000, 'x');
                weir_write_channel *output = weir_open_write_channel(near, false);
                for (uint64_t left = kSize; left > 0;) {
                  size_t size = std::min<uint64_t>(left, piece.size());
                  EXPECT_EQ(0, weir_write_fully(output, piece.data(), size, nullptr));
                  left -= size;
                }
                return weir_write_channel_close(output);
              });
              char scratch[16384];
              uint64_t total = 0;
              int result;
              while ((result = weir_read_available(weir_open_read_channel(far), scratch,
                                                   sizeof scratch)) > 0) {
                total += static_cast<uint64_t>(result);
              }
              EXPECT_EQ(WEIR_E_END_OF_STREAM, result);
              EXPECT_EQ(kSize, total);
              EXPECT_LE(allocator().peak_block_bytes() - before, 64 * 1024);
              weir_connection_close(near);
              weir_connection_close(far);
              return weir_scope_wait(nullptr);
            }));
}

}  // namespace
