// SPDX-License-Identifier: Apache-2.0

#include "testing/copy_test.h"

#include <gtest/gtest.h>

#include <string>

#include "coroutine/internal/sanitizers.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

// Through a variable, since no constant of the enumeration has this value.
volatile int unknown_method = 3;

class Copy : public weir_testing::CopyTest {};

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
    EXPECT_LE(allocator().peak_block_bytes() - before, (16 + 64 + 1) * 1024);
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
