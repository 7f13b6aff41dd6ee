// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class ReadBulk : public weir_testing::ChannelTest {
 protected:
  void TearDown() override {
    weir_buffer_release(&buffer_);
    ChannelTest::TearDown();
  }

  std::string Appended() { return Text(weir_buffer_bytes(&buffer_)); }

  weir_buffer buffer_ = {};
};

TEST_F(ReadBulk, RemainingGoesToTheEnd) {
  WithScript([this](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("before ")));
    script.Feed("abc");
    script.Feed("def");
    script.FeedEnd();
    EXPECT_EQ(0, weir_read_remaining(script.reader(), &buffer_, SIZE_MAX));
    EXPECT_EQ("before abcdef", Appended());
    EXPECT_EQ(0, weir_read_remaining(script.reader(), &buffer_, SIZE_MAX));
    EXPECT_EQ("before abcdef", Appended());
  });
}

TEST_F(ReadBulk, RemainingKeepsToItsLimit) {
  for (size_t limit : {0, 1, 3, 4, 6}) {
    weir_buffer_release(&buffer_);
    WithScript([&](ScriptedTransport &script) {
      script.Feed("abc");
      script.Feed("def");
      script.FeedEnd();
      int expected = limit < 6 ? -EMSGSIZE : 0;
      EXPECT_EQ(expected, weir_read_remaining(script.reader(), &buffer_, limit));
      EXPECT_EQ(std::string("abcdef").substr(0, limit), Appended());
      EXPECT_EQ(limit, weir_total_bytes_read(script.reader()));
      EXPECT_EQ(0, weir_read_remaining(script.reader(), &buffer_, SIZE_MAX));
      EXPECT_EQ("abcdef", Appended());
    });
  }
}

TEST_F(ReadBulk, RemainingKeepsWhatItGotBeforeAFailure) {
  WithScript([this](ScriptedTransport &script) {
    script.Feed("abc");
    EXPECT_EQ(-ETIMEDOUT,
              AtOnce([&] { return weir_read_remaining(script.reader(), &buffer_, SIZE_MAX); }));
    EXPECT_EQ("abc", Appended());
    script.Feed("def");
    script.FeedFailure(-ECONNRESET);
    EXPECT_EQ(-ECONNRESET, weir_read_remaining(script.reader(), &buffer_, SIZE_MAX));
    EXPECT_EQ("abcdef", Appended());
  });
}

TEST_F(ReadBulk, RemainingWithoutMemoryLosesNothing) {
  const std::string all(100000, 'x');
  for (int nth = 1;; nth++) {
    bool refused = false;
    weir_buffer_release(&buffer_);
    WithScript([&](ScriptedTransport &script) {
      for (int i = 0; i < 100; i++) script.Feed(all.substr(0, 1000));
      script.FeedEnd();
      allocator().FailNth(nth);
      int result = weir_read_remaining(script.reader(), &buffer_, SIZE_MAX);
      refused = allocator().refused();
      allocator().FailNth(0);
      // Without the first, the pool of buffers, one does very well.
      EXPECT_EQ(refused && nth > 1 ? -ENOMEM : 0, result);
      EXPECT_EQ(buffer_.size, weir_total_bytes_read(script.reader()));
      EXPECT_EQ(0, weir_read_remaining(script.reader(), &buffer_, SIZE_MAX));
      EXPECT_EQ(all, Appended());
    });
    if (!refused) break;
  }
}

TEST_F(ReadBulk, DiscardDropsWhatItIsTold) {
  WithScript([](ScriptedTransport &script) {
    uint64_t done = 12345;
    char out[2];
    EXPECT_EQ(0, weir_read_discard(script.reader(), 0, &done));
    EXPECT_EQ(0u, done);
    script.Feed("abcdef");
    script.Feed("ghi");
    EXPECT_EQ(0, weir_read_discard(script.reader(), 2, &done));
    EXPECT_EQ(2u, done);
    EXPECT_EQ(0, weir_read_discard_exactly(script.reader(), 5, &done));
    EXPECT_EQ(5u, done);
    EXPECT_EQ(0, weir_read_exactly(script.reader(), out, 1));
    EXPECT_EQ('h', out[0]);
    EXPECT_EQ(-ETIMEDOUT,
              AtOnce([&] { return weir_read_discard(script.reader(), UINT64_MAX, &done); }));
    EXPECT_EQ(1u, done);
  });
}

TEST_F(ReadBulk, DiscardAtTheEnd) {
  for (bool exactly : {false, true}) {
    WithScript([&](ScriptedTransport &script) {
      auto *discard = exactly ? weir_read_discard_exactly : weir_read_discard;
      int short_of = exactly ? WEIR_E_END_OF_STREAM : 0;
      uint64_t done = 12345;
      script.Feed("abcdef");
      script.FeedEnd();
      EXPECT_EQ(0, discard(script.reader(), 2, nullptr));
      EXPECT_EQ(short_of, discard(script.reader(), 5, &done));
      EXPECT_EQ(4u, done);
      EXPECT_EQ(short_of, discard(script.reader(), UINT64_MAX, &done));
      EXPECT_EQ(0u, done);
      EXPECT_EQ(0, discard(script.reader(), 0, &done));
      EXPECT_EQ(6u, weir_total_bytes_read(script.reader()));
    });
  }
}

TEST_F(ReadBulk, DiscardHoldsOnePieceAtMost) {
  WithScript([this](ScriptedTransport &script) {
    long before = allocator().block_bytes();
    allocator().ResetPeak();
    for (int i = 0; i < 100; i++) script.Feed(std::string(100000, 'x'));
    script.FeedEnd();
    uint64_t done;
    EXPECT_EQ(0, weir_read_discard(script.reader(), UINT64_MAX, &done));
    EXPECT_EQ(10000000u, done);
    EXPECT_LT(allocator().peak_block_bytes() - before, 20000);
    EXPECT_EQ(nullptr, script.connection()->reader.buffer);
  });
}

}  // namespace
