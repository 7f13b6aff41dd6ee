// SPDX-License-Identifier: Apache-2.0
//
// Copies inside copies: the source of one is a connection of one's own, whose |read| copies as
// well. Whoever ends a channel of one of them interrupts that one, and no other.

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"
#include "weir/custom_connection.h"

namespace {

using weir_testing::ScriptedTransport;

constexpr int kCause = -EPROTO;

// A source that copies one byte of |lower| to a target of its own, and then waits for a while.
struct Layer {
  weir_read_channel *lower = nullptr;
  weir_connection *connection = nullptr;
  weir_connection *memory = nullptr;
  weir_buffer copied = {};
  int copy_result = 1;
  int delay_result = 1;

  int Open(weir_read_channel *reader) {
    static constexpr weir_custom_operations kOperations = {
        [](void *context, void *out, size_t size, bool wait) {
          return static_cast<Layer *>(context)->Read(static_cast<char *>(out), size, wait);
        },
        nullptr, nullptr, nullptr, nullptr};
    lower = reader;
    int result = weir_memory_connection(&memory, weir_text(""), &copied);
    return result < 0 ? result : weir_custom_connection(&connection, &kOperations, this, nullptr);
  }

  int Read(char *out, size_t size, bool wait) {
    if (!wait) return -EAGAIN;
    EXPECT_GE(size, 1u);
    copy_result = weir_copy_at_most(lower, Target(), 1, nullptr, nullptr);
    if (copy_result == -ECANCELED) return copy_result;
    delay_result = weir_delay(WEIR_SECOND);
    if (delay_result < 0) return delay_result;
    *out = copy_result < 0 ? '!' : '.';
    return 1;
  }

  weir_read_channel *Reader() { return weir_open_read_channel(connection); }
  weir_write_channel *Target() { return weir_open_write_channel(memory, false); }

  void Close() {
    (void)weir_connection_close(connection);
    (void)weir_connection_close(memory);
    weir_buffer_release(&copied);
  }
};

class NestedCopy : public weir_testing::ChannelTest {
 protected:
  // Runs |body| while a copy waits inside |depth| others for a byte of |source|.
  void WithNested(size_t depth, std::function<void()> body) {
    WithScript([&](ScriptedTransport &source) {
      ScriptedTransport target;
      source_ = &source;
      target_ = &target;
      layers_.clear();
      result_ = 1;
      weir_read_channel *lower = source.reader();
      for (size_t i = 0; i < depth; i++) {
        EXPECT_EQ(0, layers_.emplace_back().Open(lower));
        lower = layers_.back().Reader();
      }
      Start([&, lower] {
        result_ = weir_copy(lower, target.writer(), nullptr, nullptr);
        return 0;
      });
      EXPECT_EQ(1, result_);
      body();
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      while (!layers_.empty()) {
        layers_.back().Close();
        layers_.pop_back();
      }
      if (!target.released()) (void)weir_connection_close(target.connection());
    });
  }

  ScriptedTransport *source_ = nullptr;
  ScriptedTransport *target_ = nullptr;
  std::deque<Layer> layers_;  // the innermost first
  int result_ = 1;
};

// The copies have been woken already. The inner one is not meant, comes to its end, and leaves the
// interruption to the others.
TEST_F(NestedCopy, TheEndOfAnOuterChannelIsNotForgottenByAnInnerCopyThatEnds) {
  for (size_t depth : {1, 2, 3}) {
    for (int which = 0; which < 6; which++) {
      SCOPED_TRACE(std::to_string(depth) + " " + std::to_string(which));
      WithNested(depth, [&] {
        // One has something to write, for the other that is all.
        if (which < 3) source_->Feed("x");
        if (which >= 3) source_->FeedEnd();
        int how = which % 3;
        int64_t before = weir_now();
        if (how == 0) weir_write_channel_cancel(target_->writer(), kCause);
        if (how == 1) weir_connection_abort(target_->connection());
        if (how == 2) {
          EXPECT_EQ(0, weir_connection_close(target_->connection()));
        }
        EXPECT_EQ(0, weir_scope_wait(nullptr));
        EXPECT_EQ(before, weir_now());
        EXPECT_EQ(how == 0 ? kCause : how == 1 ? -ECONNABORTED : WEIR_E_CLOSED, result_);
        EXPECT_EQ(0, layers_[0].copy_result);
        EXPECT_EQ(-ECANCELED, layers_[0].delay_result);
      });
    }
  }
}

TEST_F(NestedCopy, TheEndOfAnOuterChannelEndsAnInnerCopyThatWaits) {
  for (size_t depth : {1, 2, 3}) {
    WithNested(depth, [&] {
      int64_t before = weir_now();
      weir_write_channel_cancel(target_->writer(), kCause);
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(before, weir_now());
      EXPECT_EQ(kCause, result_);
      EXPECT_EQ(-ECANCELED, layers_[0].copy_result);
    });
  }
}

// With the inner copy its interruption is over: the outer ones go on, and may wait.
TEST_F(NestedCopy, TheEndOfAnInnerChannelIsNoneOfTheOuterOnes) {
  for (size_t depth : {1, 2, 3}) {
    for (bool woken : {true, false}) {
      WithNested(depth, [&] {
        if (woken) source_->Feed("x");
        weir_write_channel_cancel(layers_[0].Target(), kCause);
        EXPECT_EQ(0, weir_delay(WEIR_SECOND * static_cast<int64_t>(depth) + 1));
        EXPECT_EQ(kCause, layers_[0].copy_result);
        for (const Layer &layer : layers_) EXPECT_EQ(0, layer.delay_result);
        EXPECT_EQ(depth > 1 ? "." : "!", target_->sent().substr(0, 1));
        weir_read_channel_cancel(layers_.back().Reader(), -EIO);
        EXPECT_EQ(0, weir_scope_wait(nullptr));
        EXPECT_EQ(-EIO, result_);
      });
    }
  }
}

// Both at once.
TEST_F(NestedCopy, EachOfTwoEndsFindsItsCopy) {
  WithNested(1, [&] {
    source_->Feed("x");
    int64_t before = weir_now();
    weir_write_channel_cancel(layers_[0].Target(), -EIO);
    weir_write_channel_cancel(target_->writer(), kCause);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(before, weir_now());
    EXPECT_EQ(-EIO, layers_[0].copy_result);
    EXPECT_EQ(-ECANCELED, layers_[0].delay_result);
    EXPECT_EQ(kCause, result_);
  });
}

}  // namespace
