// SPDX-License-Identifier: Apache-2.0
//
// What may happen to a channel while a write is suspended, or after one was cut short.

#include <gtest/gtest.h>

#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::ScriptedTransport;

class CutWrite : public weir_testing::ChannelTest {};

TEST_F(CutWrite, OpeningTheChannelAgainMeanwhileDisturbsNothing) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(10);
    std::string text(40000, 'a');
    weir_job *job = nullptr;
    Start(
        [&] {
          EXPECT_EQ(0, weir_write_string(script.writer(), "pending"));
          return weir_write_fully(script.writer(), text.data(), text.size(), nullptr);
        },
        &job);
    weir_open_write_channel(script.connection(), true);
    EXPECT_EQ(0, weir_delay(1));
    script.AddRoom(ScriptedTransport::kUnlimited);
    int result = -1;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    EXPECT_EQ(0, result);
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ("pending" + text, script.sent());
  });
}

TEST_F(CutWrite, OpeningTheChannelOfAPipeAgainMeanwhileDisturbsNothing) {
  EXPECT_EQ(0, RunLoop([this] {
              weir_connection *near = nullptr, *far = nullptr;
              EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
              std::string text(200000, 'a');
              weir_write_channel *output = weir_open_write_channel(near, false);
              Start([&] {
                EXPECT_EQ(0, weir_write_string(output, "pending"));
                EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
                return weir_write_channel_close(output);
              });
              weir_open_write_channel(near, true);
              EXPECT_EQ(0, weir_delay(1));
              std::string got(text.size() + 7, '\0');
              size_t done = 0;
              EXPECT_EQ(0,
                        weir_read_fully(weir_open_read_channel(far), &got[0], got.size(), &done));
              EXPECT_EQ("pending" + text, got);
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              weir_connection_abort(near);
              weir_connection_close(near);
              weir_connection_close(far);
              return 0;
            }));
}

// A failed flush or write must not leave a buffer of the old capacity behind.
TEST_F(CutWrite, ConfigureAfterAFlushThatTimedOutHoldsForTheNextWrite) {
  for (size_t capacity : {size_t{16}, size_t{4096}}) {
    WithScript([capacity](ScriptedTransport &script) {
      weir_write_channel_options options = {};
      options.capacity = 256;
      EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
      std::string text(300, 'a');
      script.SetRoom(256);
      size_t done = 0;
      EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
                              return weir_write_fully(script.writer(), text.data(), text.size(),
                                                      &done);
                            }) == 0
                                ? AtOnce([&] { return weir_flush(script.writer()); })
                                : -ETIMEDOUT);
      script.AddRoom(ScriptedTransport::kUnlimited);
      EXPECT_EQ(0, weir_flush(script.writer()));
      options.capacity = capacity;
      EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
      std::string more(500, 'b');
      size_t before = script.sent().size();
      EXPECT_EQ(0, weir_write_fully(script.writer(), more.data(), more.size(), nullptr));
      EXPECT_EQ(0, weir_write_format(script.writer(), "%s", more.c_str()));
      EXPECT_EQ(0, weir_flush(script.writer()));
      EXPECT_EQ(more + more, script.sent().substr(before));
    });
  }
}

TEST_F(CutWrite, AReopenedBudgetOfRoomThenACancelLeavesNoEmptyBuffer) {
  WithScript([this](ScriptedTransport &script) {
    weir_write_channel_options options = {};
    options.capacity = 16;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
    script.SetRoom(0);
    EXPECT_EQ(0, weir_write_string(script.writer(), "0123456789"));
    weir_job *job = nullptr;
    std::string text(1000, 'c');
    Start([&] { return weir_write_fully(script.writer(), text.data(), text.size(), nullptr); },
          &job);
    script.AddRoom(10);  // exactly what was pending
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    options.capacity = 4096;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
    script.AddRoom(ScriptedTransport::kUnlimited);
    size_t before = script.sent().size();
    EXPECT_EQ(0, weir_write_fully(script.writer(), text.data(), 500, nullptr));
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ(text.substr(0, 500), script.sent().substr(before));
  });
}

TEST_F(CutWrite, ACloseInTheMiddleOfAWriteDoesNotLookLikeACompleteStream) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(1000);
    std::string text(100000, 'a');
    int written = 0;
    Start([&] {
      return written = weir_write_fully(script.writer(), text.data(), text.size(), nullptr);
    });
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(script.connection()));
    EXPECT_EQ(WEIR_E_CLOSED, written);
    EXPECT_TRUE(script.aborted());
    EXPECT_FALSE(script.finished());
  });
}

TEST_F(CutWrite, ACloseBeforeTheFirstByteOfAWriteIsInPeace) {
  WithScript([this](ScriptedTransport &script) {
    script.SetRoom(0);
    std::string text(100000, 'a');
    int written = 0;
    Start([&] {
      return written = weir_write_fully(script.writer(), text.data(), text.size(), nullptr);
    });
    EXPECT_EQ(0, weir_connection_close(script.connection()));
    EXPECT_EQ(WEIR_E_CLOSED, written);
    EXPECT_FALSE(script.aborted());
    EXPECT_TRUE(script.finished());
  });
}

}  // namespace
