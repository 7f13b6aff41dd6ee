// SPDX-License-Identifier: Apache-2.0
//
// Copies of much: how much they read at once, and what they hold of it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

constexpr size_t kCapacity = 16 << 10;
constexpr size_t kBulk = 64 << 10;

class CopyBulk : public weir_testing::CopyTest {
 protected:
  static void Configure(ScriptedTransport &script, size_t capacity, size_t line_limit) {
    weir_read_channel_options options = {};
    options.capacity = capacity;
    options.line_limit = line_limit;
    EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
  }

  static std::vector<size_t> WriteSizes(ScriptedTransport &script) {
    std::vector<size_t> sizes;
    for (const std::string &write : script.writes()) sizes.push_back(write.size());
    return sizes;
  }
};

// One read that fills the buffer tells that there may be more. What it takes leaves as it is.
TEST_F(CopyBulk, BehindAFullBufferItReadsAndWritesMoreAtOnce) {
  const std::string all = Pattern(kCapacity + 3 * kBulk + 5000);
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, all, all.size());
    uint64_t count = 0;
    EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(all.size(), count);
    EXPECT_EQ((std::vector<size_t>{kCapacity, kBulk, kBulk, kBulk, 5000}), WriteSizes(target));
    EXPECT_TRUE(all == target.sent());
    EXPECT_EQ(nullptr, source.reader()->buffer);
  });
}

TEST_F(CopyBulk, WhatComesInSmallPiecesNeedsNoLargeBuffer) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed(Pattern(2 * kCapacity));  // one read leaves a part that is there at once
    for (int i = 0; i < 5; i++) source.Feed(Pattern(kCapacity - 1));
    source.FeedEnd();
    EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(kCapacity, source.lent()[0]);
    EXPECT_EQ(2 * kCapacity + 5 * (kCapacity - 1), target.sent().size());
  });
}

// Not more than can be handed out as one span.
TEST_F(CopyBulk, TheLimitOfTheChannelIsKept) {
  struct Case {
    size_t capacity, line_limit, most;
  };
  for (const Case &one :
       {Case{100, 20, 100}, Case{100, 298, 300}, Case{0, 1, kCapacity}, Case{0, 30000, 30002},
        Case{1 << 20, 0, 1 << 20}, Case{0, 1 << 20, kBulk}}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      Configure(source, one.capacity, one.line_limit);
      const std::string all = Pattern(4 * one.most + kCapacity);
      FeedAll(source, all, all.size());
      EXPECT_EQ(0, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
      EXPECT_LE(source.lent()[0], one.most);
      size_t largest = 0;
      for (size_t size : WriteSizes(target)) largest = std::max(largest, size);
      // What is small is gathered.
      if (one.most >= 4096) {
        EXPECT_EQ(one.most, largest);
      }
      EXPECT_TRUE(all == target.sent());
    });
  }
}

// It is read ahead of a limit no further than other reads do.
TEST_F(CopyBulk, TheLastBytesOfALimitAreNotReadInBulk) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed(Pattern(4 * kBulk));
    uint64_t size = kCapacity + kBulk + 10;
    EXPECT_EQ(0, weir_copy_exactly(source.reader(), target.writer(), size, nullptr, nullptr));
    EXPECT_EQ(kCapacity - 10, weir_read_buffered(source.reader()));
    EXPECT_EQ(size, target.sent().size());
  });
}

// Nor does it read ahead further when the rest is more than the capacity.
TEST_F(CopyBulk, OfALimitBeyondTheCapacityNothingIsReadAhead) {
  for (uint64_t rest : {kCapacity + 1, kCapacity + 5, kBulk - 1, kBulk}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(4 * kBulk));
      EXPECT_EQ(0, weir_copy_exactly(source.reader(), target.writer(), kCapacity + rest, nullptr,
                                     nullptr));
      EXPECT_LT(weir_read_buffered(source.reader()), kCapacity);
      EXPECT_EQ(kCapacity + rest, target.sent().size());
    });
  }
}

// A large buffer that a copy has left does not let others read ahead further.
TEST_F(CopyBulk, WhatReadsOnReadsAheadNoFurtherThanTheCapacity) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed(Pattern(16 * kBulk));
    target.SetRoom(kCapacity + 1);
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      return weir_copy(source.reader(), target.writer(), nullptr, nullptr);
    }));
    EXPECT_EQ(kBulk - 1, weir_read_buffered(source.reader()));
    target.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_read_discard_exactly(source.reader(), kBulk - kCapacity, nullptr));
    for (int i = 0; i < 100; i++) {
      size_t held = weir_read_buffered(source.reader());
      EXPECT_EQ(0, weir_read_await(source.reader(), held + 1));
      EXPECT_LE(weir_read_buffered(source.reader()), kCapacity);
      EXPECT_EQ(0, weir_read_discard_exactly(source.reader(), 6000, nullptr));
    }
  });
}

// All that is held when the target takes no more is there, to be read in any way.
TEST_F(CopyBulk, WhatIsCutShortIsUnread) {
  const std::string all = Pattern(kCapacity + 2 * kBulk);
  for (size_t room : {kCapacity, kCapacity + 1, kCapacity + kBulk - 1, kCapacity + kBulk + 100}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      FeedAll(source, all, all.size());
      target.SetRoom(room);
      uint64_t count = 0;
      EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
        return weir_copy(source.reader(), target.writer(), nullptr, &count);
      }));
      EXPECT_EQ(room, count);
      size_t held = weir_read_buffered(source.reader());
      EXPECT_GT(held, 0u);
      EXPECT_LE(held, kBulk);
      weir_bytes span;
      EXPECT_EQ(0, weir_read_peek(source.reader(), held, &span));
      EXPECT_TRUE(all.substr(room, held) == Text(span));
      EXPECT_TRUE(all.substr(room) == Rest(source));
      EXPECT_EQ(nullptr, source.reader()->buffer);
      target.SetRoom(ScriptedTransport::kUnlimited);
    });
  }
}

TEST_F(CopyBulk, WithoutMemoryForALargeBufferTheUsualOneDoes) {
  const std::string all = Pattern(4 * kBulk);
  for (int failing = 1; failing < 8; failing++) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      FeedAll(source, all, all.size());
      allocator().FailNth(failing);
      uint64_t count = 0, more = 0;
      int result = weir_copy(source.reader(), target.writer(), nullptr, &count);
      if (result == -ENOMEM) {
        result = weir_copy(source.reader(), target.writer(), nullptr, &more);
      }
      EXPECT_EQ(0, result);
      EXPECT_EQ(all.size(), count + more);
      EXPECT_TRUE(all == target.sent());
      allocator().FailNth(0);
    });
  }
}

TEST_F(CopyBulk, ATeeDoesItToo) {
  const std::string all = Pattern(kCapacity + kBulk);
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
    ScriptedTransport second;
    FeedAll(source, all, all.size());
    second.LimitWrites(1000);
    EXPECT_EQ(0, weir_tee(source.reader(), first.writer(), second.writer(), nullptr));
    EXPECT_EQ((std::vector<size_t>{kCapacity, kBulk}), WriteSizes(first));
    EXPECT_TRUE(all == first.sent());
    EXPECT_TRUE(all == second.sent());
    weir_connection_close(second.connection());
  });
}

}  // namespace
