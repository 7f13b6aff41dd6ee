// SPDX-License-Identifier: Apache-2.0
//
// How the output of a custom connection leaves, and how it ends.

#include <gtest/gtest.h>

#include <string>

#include "testing/custom_streams.h"
#include "weir/channel.h"

namespace {

using weir_testing::Streams;

class CustomOutput : public weir_testing::CustomTest {};

TEST_F(CustomOutput, AFlushWaitsInTheCoroutineThatCalls) {
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

TEST_F(CustomOutput, AutoFlushSendsWithoutAWaitWhenItCan) {
  WithCustom([&] {
    EXPECT_EQ(0, Write("abc", true));
    EXPECT_EQ("", streams_.output);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("abc", streams_.output);
    EXPECT_EQ(0, streams_.waiting_calls);
  });
}

TEST_F(CustomOutput, TheRestLeavesInACoroutineOfItsOwn) {
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

TEST_F(CustomOutput, AFlushWaitsForTheBackgroundAndGoesOn) {
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

TEST_F(CustomOutput, AFailureInTheBackgroundBreaksTheConnection) {
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

TEST_F(CustomOutput, WithoutMemoryForItsCoroutineItTriesAgain) {
  WithCustom([&] {
    streams_.room = 0;
    EXPECT_EQ(0, Write("kept", true));
    // Until no stack is left over.
    auto park = [](void *) { return weir_delay(WEIR_FOREVER); };
    int result = 0;
    while (result == 0) {
      allocator().FailNth(1);
      result = weir_launch(nullptr, nullptr, nullptr, park, nullptr);
    }
    allocator().FailNth(1);
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(allocator().refused());
    allocator().FailNth(0);
    EXPECT_FALSE(streams_.inside);
    EXPECT_EQ(0, weir_delay(2 * WEIR_MILLISECOND));
    EXPECT_TRUE(streams_.inside);
    streams_.room = 100;
    streams_.Wake();
    Turns();
    EXPECT_EQ("kept", streams_.output);
    EXPECT_EQ(0, streams_.aborted);
    weir_scope_cancel(nullptr);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(CustomOutput, WithoutMemoryForItsCopyItSendsAndTheNextOperationHasMemoryAgain) {
  int survived = 0;
  for (int nth = 1; nth <= 4; nth++) {
    WithCustom([&] {
      const std::string text(2000, 'x');
      streams_.room = 0;
      EXPECT_EQ(0, Write(text, true));
      EXPECT_EQ(0u, custom_->pool->count);
      allocator().FailNth(nth);
      Turns();
      bool refused = allocator().refused();
      allocator().FailNth(0);
      if (!streams_.inside) return;  // there was no memory for the coroutine
      survived += refused ? 1 : 0;
      streams_.room = 100000;
      streams_.Wake();
      Turns();
      EXPECT_EQ(text, streams_.output);
      EXPECT_EQ(0, Write("again", true));
      EXPECT_EQ(0, weir_flush(Writer(true)));
      EXPECT_EQ(text + "again", streams_.output);
    });
  }
  EXPECT_LT(0, survived);
}

TEST_F(CustomOutput, WhatDoesNotWaitKnowsNothingOfItsCoroutinesEnd) {
  // Each operation says what a channel below would say.
  weir_custom_operations operations = {};
  operations.read = [](void *, void *out, size_t, bool wait) {
    *static_cast<char *>(out) = 'r';
    int result = wait ? 0 : weir_internal_check(nullptr);
    return result < 0 ? result : 1;
  };
  operations.write = [](void *context, const void *, size_t size, bool wait) {
    int result = wait ? 0 : weir_internal_check(nullptr);
    if (result == 0 && !wait) ++*static_cast<int *>(context);
    return result < 0 ? result : static_cast<int>(size);
  };
  operations.finish = [](void *context, bool wait) {
    int result = wait ? 0 : weir_internal_check(nullptr);
    if (result == 0 && !wait) ++*static_cast<int *>(context);
    return result;
  };
  int calls = 0;
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, weir_custom_connection(&custom_, &operations, &calls, nullptr));
              weir_job *job;
              Start(
                  [&] {
                    EXPECT_EQ(0, Write("at the close"));
                    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
                    EXPECT_EQ(0, Close());
                    return 0;
                  },
                  &job);
              weir_job_cancel(job);
              EXPECT_EQ(0, weir_job_wait(job, nullptr));
              weir_job_close(job);
              return 0;
            }));
  EXPECT_EQ(2, calls);
}

TEST_F(CustomOutput, ACloseWaitsForTheBackgroundOutput) {
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

TEST_F(CustomOutput, ACloseThatRunsOutOfTimeInterruptsAndFreesBeforeItReturns) {
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

TEST_F(CustomOutput, AHalfCloseWaitsInTheCoroutineThatCalls) {
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

TEST_F(CustomOutput, ASuspendedWriteIsInterrupted) {
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

TEST_F(CustomOutput, TheRunEndsAlthoughOutputIsStuck) {
  Streams streams;
  // Stuck without a pipe, which the run could not close before its end, nor anybody behind it.
  weir_custom_operations operations = weir_testing::kStreamOperations;
  operations.write = [](void *, const void *, size_t, bool wait) {
    return wait ? weir_delay(WEIR_FOREVER) : -EAGAIN;
  };
  EXPECT_EQ(0, RunLoop([&] {
              EXPECT_EQ(0, weir_custom_connection(&custom_, &operations, &streams, nullptr));
              EXPECT_EQ(0, Write("stuck", true));
              weir_timeout timeout = weir_timeout_begin(0);
              EXPECT_EQ(-ETIMEDOUT, Close());
              weir_timeout_end(timeout);
              EXPECT_EQ(0, streams.released);
              return 0;
            }));
  EXPECT_EQ(1, streams.released);
  EXPECT_EQ(1, streams.aborted);
  EXPECT_EQ(0, streams.finished);
}

}  // namespace
