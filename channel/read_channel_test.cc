// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class ReadChannel : public weir_testing::ChannelTest {
 protected:
  // Reads what is available, up to |size| bytes; a failure reads as its name in brackets.
  static std::string Available(ScriptedTransport &script, size_t size) {
    std::string out(size, '?');
    int result = weir_read_available(script.reader(), out.data(), size);
    return result < 0 ? std::string("<") + weir_error_name(result) + ">"
                      : out.substr(0, static_cast<size_t>(result));
  }

  static std::string Fully(ScriptedTransport &script, size_t size) {
    std::string out(size, '?');
    size_t done = 12345;
    int result = weir_read_fully(script.reader(), out.data(), size, &done);
    out.resize(done);
    return result < 0 ? out + "<" + weir_error_name(result) + ">" : out;
  }

  static void Configure(ScriptedTransport &script, size_t capacity) {
    weir_read_channel_options options = {};
    options.capacity = capacity;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
  }

  static std::string Pattern(size_t size) {
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; i++) pattern[i] = static_cast<char>(i % 251);
    return pattern;
  }
};

TEST_F(ReadChannel, AvailableGivesWhatIsThere) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    script.Feed("defg");
    EXPECT_EQ("abc", Available(script, 10));
    EXPECT_EQ("de", Available(script, 2));
    EXPECT_EQ("fg", Available(script, 10));
    script.FeedEnd();
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Available(script, 10));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Available(script, 10));
  });
}

TEST_F(ReadChannel, AvailableOfNothingNeverWaits) {
  WithScript([](ScriptedTransport &script) {
    char byte;
    EXPECT_EQ(0, weir_read_available(script.reader(), &byte, 0));
    EXPECT_EQ(0, script.reads_tried());
  });
}

TEST_F(ReadChannel, AvailableWaitsForTheFirstByte) {
  WithScript([this](ScriptedTransport &script) {
    std::string got;
    Start([&] {
      got = Available(script, 10);
      return 0;
    });
    EXPECT_EQ("", got);
    script.Feed("late");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("late", got);
  });
}

TEST_F(ReadChannel, SmallReadsShareOneReadOfTheTransport) {
  WithScript([](ScriptedTransport &script) {
    script.Feed(Pattern(1000));
    for (size_t i = 0; i < 1000; i++) EXPECT_EQ(Pattern(1000).substr(i, 1), Available(script, 1));
    EXPECT_EQ(1, script.reads_tried());
  });
}

TEST_F(ReadChannel, ALargeAvailableGoesStraightToTheCallersMemory) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed(Pattern(100000));
    std::string out(65536, '?');
    long before = allocator().block_bytes();
    EXPECT_EQ(65536, weir_read_available(script.reader(), out.data(), out.size()));
    EXPECT_EQ(Pattern(65536), out);
    EXPECT_EQ(out.data(), script.lent_at());
    EXPECT_EQ(std::vector<size_t>{65536}, script.lent());
    // Only the loop's pool, made at the first operation, and none of its buffers.
    EXPECT_LT(allocator().block_bytes() - before, 2000);
    EXPECT_EQ(Pattern(100000).substr(65536), Available(script, 65536));
  });
}

TEST_F(ReadChannel, FullyCollectsPieces) {
  WithScript([](ScriptedTransport &script) {
    for (char byte : std::string("exactly ten!")) script.Feed(std::string(1, byte));
    EXPECT_EQ("exactly te", Fully(script, 10));
    EXPECT_EQ("n!", Fully(script, 2));
    EXPECT_EQ("", Fully(script, 0));
  });
}

TEST_F(ReadChannel, FullyTakesALargeBodyDirectlyAndReadsAheadBehindIt) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("header\n" + Pattern(1000));
    script.Feed(Pattern(101000).substr(1000) + "next\n");
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    std::string out(101000, '?');
    EXPECT_EQ(0, weir_read_fully(script.reader(), out.data(), out.size(), nullptr));
    EXPECT_EQ(Pattern(101000), out);
    EXPECT_EQ(out.data() + 1000, script.lent_at());
    EXPECT_EQ((std::vector<size_t>{100000, 16384}), script.lent());
    EXPECT_EQ(0, weir_read_line(script.reader(), &line));
    EXPECT_EQ("next", Text(line));
    EXPECT_EQ(2, script.reads_tried());
  });
}

TEST_F(ReadChannel, FullyTellsHowMuchItGotBeforeTheEnd) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    script.FeedEnd();
    EXPECT_EQ("abc<WEIR_E_END_OF_STREAM>", Fully(script, 10));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Fully(script, 10));
  });
}

TEST_F(ReadChannel, FullyTellsHowMuchItGotBeforeAFailure) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    script.FeedFailure(-ECONNRESET);
    EXPECT_EQ("abc<ECONNRESET>", Fully(script, 10));
  });
}

TEST_F(ReadChannel, EverySplitOfEverySizeAndCapacityReadsTheSame) {
  const std::string all = Pattern(24);
  for (size_t capacity = 1; capacity <= 9; capacity++) {
    for (size_t at = 0; at <= all.size(); at++) {
      for (size_t size = 1; size <= all.size(); size++) {
        WithScript([&](ScriptedTransport &script) {
          Configure(script, capacity);
          script.Feed(all.substr(0, at));
          script.Feed(all.substr(at));
          script.FeedEnd();
          std::string got;
          while (got.size() + size <= all.size()) got += Fully(script, size);
          while (got.size() < all.size()) got += Available(script, size);
          EXPECT_EQ(all, got) << capacity << " " << at << " " << size;
          EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Available(script, size));
        });
      }
    }
  }
}

TEST_F(ReadChannel, ADeadlineLosesNothingThatWasNotReported) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    EXPECT_EQ(0, AtOnce([&] {
                EXPECT_EQ("abc<ETIMEDOUT>", Fully(script, 10));
                EXPECT_EQ("<ETIMEDOUT>", Available(script, 10));
                return 0;
              }));
    script.Feed("def");
    EXPECT_EQ("def", Available(script, 10));
  });
}

TEST_F(ReadChannel, CancellationEndsAReadAndTheNextReaderGoesOn) {
  WithScript([this](ScriptedTransport &script) {
    weir_job *job;
    int result = 1;
    Start(
        [&] {
          EXPECT_EQ("ab<ECANCELED>", Fully(script, 10));
          return 0;
        },
        &job);
    script.Feed("ab");
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    script.Feed("cd");
    EXPECT_EQ("cd", Available(script, 10));
  });
}

TEST_F(ReadChannel, ACancelledCoroutineReadsNothingThoughBytesAreThere) {
  WithScript([](ScriptedTransport &script) {
    script.Feed("abc");
    weir_job *job;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine(
                     [&] {
                       EXPECT_EQ("<ECANCELED>", Available(script, 10));
                       return 0;
                     },
                     nullptr, &job));
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ("abc", Available(script, 10));
  });
}

TEST_F(ReadChannel, ASecondReaderIsRefusedAndTheFirstUndisturbed) {
  WithScript([this](ScriptedTransport &script) {
    std::string got;
    Start([&] {
      got = Available(script, 10);
      return 0;
    });
    EXPECT_EQ("<EBUSY>", Available(script, 10));
    EXPECT_EQ("<EBUSY>", Fully(script, 10));
    weir_bytes line;
    EXPECT_EQ(-EBUSY, weir_read_line(script.reader(), &line));
    EXPECT_EQ(-EBUSY, weir_read_utf8_line(script.reader(), &line));
    EXPECT_EQ(-EBUSY, weir_read_channel_configure(script.reader(), nullptr));
    script.Feed("mine");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("mine", got);
  });
}

TEST_F(ReadChannel, OutsideACoroutineEveryReadIsRefused) {
  ScriptedTransport script;
  char byte;
  size_t done = 7;
  weir_bytes line;
  EXPECT_EQ(-EINVAL, weir_read_available(script.reader(), &byte, 1));
  EXPECT_EQ(-EINVAL, weir_read_fully(script.reader(), &byte, 1, &done));
  EXPECT_EQ(0u, done);
  EXPECT_EQ(-EINVAL, weir_read_line(script.reader(), &line));
  EXPECT_EQ(-EINVAL, weir_connection_close(script.connection()));
  EXPECT_EQ(0, RunLoop([&] { return weir_connection_close(script.connection()); }));
}

TEST_F(ReadChannel, ConfigureChecksItsOptions) {
  WithScript([](ScriptedTransport &script) {
    weir_read_channel_options options = {};
    options.capacity = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_read_channel_configure(script.reader(), &options));
    options.capacity = size_t{1} << 30;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
    options.line_limit = (size_t{1} << 30) + 1;
    EXPECT_EQ(-EINVAL, weir_read_channel_configure(script.reader(), &options));
    // C++ has no way to write another value; C has.
    int unknown = 2;
    options = {};
    memcpy(&options.line_ending, &unknown, sizeof unknown);
    EXPECT_EQ(-EINVAL, weir_read_channel_configure(script.reader(), &options));
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), nullptr));
    script.Feed("ab");
    EXPECT_EQ("a", Available(script, 1));
    EXPECT_EQ(-EBUSY, weir_read_channel_configure(script.reader(), nullptr));
    EXPECT_EQ("b", Available(script, 1));
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), nullptr));
  });
}

TEST_F(ReadChannel, AChannelThatWaitsHoldsNoBuffer) {
  WithScript([this](ScriptedTransport &script) {
    Start([&] {
      weir_bytes line;
      EXPECT_EQ(0, weir_read_line(script.reader(), &line));
      EXPECT_EQ("one", Text(line));
      EXPECT_EQ(0, weir_read_line(script.reader(), &line));
      EXPECT_EQ("two", Text(line));
      return weir_read_line(script.reader(), &line) == WEIR_E_END_OF_STREAM ? 0 : -1;
    });
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
    script.Feed("one\n");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
    script.FeedNothing();  // lent in vain
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
    script.Feed("two\n");
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
    EXPECT_EQ(1u, script.connection()->pool->count);
    script.FeedEnd();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
  });
}

TEST_F(ReadChannel, ThePoolKeepsABoundedNumberOfBuffers) {
  EXPECT_EQ(0, RunLoop([this] {
              weir_internal_buffer_pool *pool =
                  weir_internal_buffer_pool_of(weir_internal_current_loop());
              EXPECT_EQ(pool, weir_internal_buffer_pool_of(weir_internal_current_loop()));
              std::vector<char *> buffers;
              for (int i = 0; i < WEIR_INTERNAL_POOLED_BUFFERS + 10; i++) {
                buffers.push_back(weir_internal_buffer_take(pool, WEIR_INTERNAL_POOLED_SIZE));
              }
              long before = allocator().outstanding();
              for (char *buffer : buffers) {
                weir_internal_buffer_give(pool, buffer, WEIR_INTERNAL_POOLED_SIZE);
              }
              EXPECT_EQ(size_t{WEIR_INTERNAL_POOLED_BUFFERS}, pool->count);
              EXPECT_EQ(before - 10, allocator().outstanding());
              // Other sizes pass it by.
              weir_internal_buffer_give(pool, weir_internal_buffer_take(pool, 100), 100);
              EXPECT_EQ(before - 10, allocator().outstanding());
              return 0;
            }));
}

TEST_F(ReadChannel, AReadDirectlyIntoTheCallersMemoryWorksWithoutABuffer) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed(Pattern(20000) + "rest");
    std::string out(20000, '?');
    allocator().FailNth(2);  // the first is the pool
    EXPECT_EQ(0, weir_read_fully(script.reader(), out.data(), out.size(), nullptr));
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_EQ(Pattern(20000), out);
    EXPECT_EQ("rest", Available(script, 10));
  });
}

TEST_F(ReadChannel, NoMemoryLosesNothing) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("abc");
    allocator().FailNth(2);  // the first is the pool
    EXPECT_EQ("<ENOMEM>", Available(script, 10));
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_EQ("abc", Available(script, 10));
  });
}

TEST_F(ReadChannel, ALongReadThatNeverWaitsLetsOthersRun) {
  for (bool line : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      weir_read_channel_options options = {};
      options.capacity = 16;
      options.line_limit = 16;
      options.resynchronise = true;
      EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
      for (int i = 0; i < 1000; i++) script.Feed(std::string(16, 'x'));
      script.Feed("\nnext\n");
      bool done = false;
      int others = 0;
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                  while (!done) {
                    EXPECT_EQ(0, weir_yield());
                    others++;
                  }
                  return 0;
                }));
      if (line) {
        weir_bytes next;
        EXPECT_EQ(WEIR_E_LINE_TOO_LONG, weir_read_line(script.reader(), &next));
        EXPECT_EQ(0, weir_read_line(script.reader(), &next));
        EXPECT_EQ("next", Text(next));
      } else {
        EXPECT_EQ(std::string(16000, 'x'), Fully(script, 16000));
      }
      EXPECT_GE(others, 10);
      done = true;
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    });
  }
}

}  // namespace
