// SPDX-License-Identifier: Apache-2.0
//
// Copies to two targets.

#include <gtest/gtest.h>

#include <string>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class Tee : public weir_testing::CopyTest {};

TEST_F(Tee, DeliversToBoth) {
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

TEST_F(Tee, CancellingAnyOfTheThreeCancelsTheOthers) {
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

TEST_F(Tee, ToOneChannelTwiceIsRefused) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-EBUSY, weir_tee(source.reader(), target.writer(), target.writer(), nullptr));
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ(-EBUSY, weir_tee(source.reader(), target.writer(), target.writer(), nullptr));
    weir_timeout_end(timeout);
    EXPECT_EQ(0, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(0, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(0, weir_write_string(target.writer(), "free again"));
  });
}

}  // namespace
