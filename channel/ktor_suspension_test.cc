// SPDX-License-Identifier: Apache-2.0
//
// Who waits, until when, and who goes on first: Ktor's scenarios of that kind, written afresh.
// docs/ktor-parity.md says which is which.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/pipe_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using Notes = std::vector<std::string>;

class KtorSuspension : public weir_testing::PipeTest {
 protected:
  // Reads in another coroutine, with notes before and behind it.
  void StartReading(size_t size) {
    Start([this, size] {
      Note("reads");
      Note("read " + Read(size));
      return 0;
    });
  }

  // Fills a channel, whose peer takes nothing, with numbers of |size| bytes that fit exactly, and
  // looks when the next one is written.
  void FillsExactly(size_t size, std::function<int(weir_write_channel *)> write) {
    SCOPED_TRACE(size);
    WithScript([&](ScriptedTransport &script) {
      const size_t fitting = kCapacity / size;
      weir_write_channel_options options = {kCapacity};
      EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
      script.SetRoom(0);
      for (size_t i = 0; i < fitting; i++) {
        EXPECT_EQ(0, AtOnce([&] { return write(script.writer()); })) << i;
      }
      EXPECT_EQ(0u, weir_write_room(script.writer()));
      bool written = false;
      Start([&] {
        EXPECT_EQ(0, write(script.writer()));
        written = true;
        return 0;
      });
      for (size_t taken = 0; taken < size; taken++) {
        EXPECT_FALSE(written) << taken;
        script.AddRoom(1);
        EXPECT_EQ(0, weir_yield());
      }
      EXPECT_TRUE(written);
      EXPECT_EQ(0u, weir_write_room(script.writer()));
      EXPECT_EQ((fitting + 1) * size, weir_total_bytes_written(script.writer()));
      script.SetRoom(ScriptedTransport::kUnlimited);
    });
  }

  static constexpr size_t kCapacity = 24;
};

TEST_F(KtorSuspension, AReadBeforeTheWriteWaitsForTheFlush) {
  WithPipe({}, [this] {
    StartReading(10);
    Note("writes");
    EXPECT_EQ(0, Write("abc"));
    EXPECT_EQ(0, weir_yield());
    Note("flushes");
    EXPECT_EQ(0, weir_flush(writer()));
    Note("flushed");
    EXPECT_EQ(0, weir_yield());
    Note("goes on");
    EXPECT_EQ((Notes{"reads", "writes", "flushes", "flushed", "read abc", "goes on"}), notes());
  });
}

TEST_F(KtorSuspension, AReadBehindTheFlushDoesNotWait) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, Send("abc"));
    StartReading(10);
    Note("goes on");
    EXPECT_EQ((Notes{"reads", "read abc", "goes on"}), notes());
  });
}

TEST_F(KtorSuspension, AWriteOfTheWholeCapacityIsSeenWithoutAFlush) {
  WithPipe({0, 4, 0}, [this] {
    StartReading(10);
    EXPECT_EQ(0, Write("abc"));
    EXPECT_EQ(0, weir_yield());
    Note("one more");
    EXPECT_EQ(0, Write("d"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"reads", "one more", "read abcd"}), notes());
  });
}

TEST_F(KtorSuspension, ReadsOfNothingNeverWait) {
  // Of nothing, all there is to read is read, also where one byte could not be: unless this side
  // has said that it reads no more.
  enum State { kOpen, kEnded, kFailed, kCancelled };
  for (State state : {kOpen, kEnded, kFailed, kCancelled}) {
    WithPipe({}, [&] {
      if (state == kEnded) {
        EXPECT_EQ(0, weir_write_channel_close(writer()));
        EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Read(1));
      }
      if (state == kFailed) {
        weir_write_channel_cancel(writer(), -EPROTO);
        EXPECT_EQ("<EPROTO>", Read(1));
      }
      if (state == kCancelled) weir_read_channel_cancel(reader(), -EPROTO);
      int expected = state == kCancelled ? -EPROTO : 0;
      char byte;
      weir_bytes bytes;
      uint64_t done = 1;
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_available(reader(), &byte, 0); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_try(reader(), &byte, 0); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_fully(reader(), &byte, 0, nullptr); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_exactly(reader(), &byte, 0); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_packet(reader(), 0, &bytes); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_await(reader(), 0); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_peek(reader(), 0, &bytes); }));
      EXPECT_EQ(expected, AtOnce([&] { return weir_read_discard(reader(), 0, &done); }));
      EXPECT_EQ(0u, done);
    });
  }
}

TEST_F(KtorSuspension, AWriterWaitsExactlyWhenTheCapacityIsReached) {
  using Channel = weir_write_channel *;
  FillsExactly(1, [](Channel to) { return weir_write_uint8(to, 0xa5); });
  FillsExactly(1, [](Channel to) { return weir_write_int8(to, -1); });
  FillsExactly(2, [](Channel to) { return weir_write_uint16_be(to, 0x0102); });
  FillsExactly(2, [](Channel to) { return weir_write_int16_le(to, -2); });
  FillsExactly(4, [](Channel to) { return weir_write_uint32_be(to, 0x01020304); });
  FillsExactly(4, [](Channel to) { return weir_write_int32_le(to, -2); });
  FillsExactly(4, [](Channel to) { return weir_write_float_be(to, 1.5f); });
  FillsExactly(8, [](Channel to) { return weir_write_uint64_be(to, 0x0102030405060708); });
  FillsExactly(8, [](Channel to) { return weir_write_int64_le(to, -2); });
  FillsExactly(8, [](Channel to) { return weir_write_double_le(to, 1.5); });
  FillsExactly(8, [](Channel to) { return weir_write_fully(to, "8 bytes!", 8, nullptr); });
  FillsExactly(8, [](Channel to) { return weir_write_string(to, "8 bytes!"); });
  FillsExactly(8, [](Channel to) { return weir_write_line(to, weir_text("6 char")); });
  FillsExactly(4, [](Channel to) { return weir_write_format(to, "%04d", 7); });
}

TEST_F(KtorSuspension, AMebibyteWaitsUntilSomethingIsRead) {
  constexpr size_t kMebibyte = 1 << 20;
  WithPipe({kMebibyte - 16384, 16384, 1}, [&] {
    const std::string all = Pattern(kMebibyte);
    EXPECT_EQ(0, AtOnce([&] { return Write(all.substr(1)); }));
    EXPECT_EQ(1u, weir_write_room(writer()));
    EXPECT_EQ(0, AtOnce([&] { return Write("x"); }));
    EXPECT_EQ(0u, weir_write_room(writer()));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Write("y"); }));
    Start([&] {
      EXPECT_EQ(0, Write("y"));
      Note("written");
      return weir_flush(writer());
    });
    EXPECT_EQ(Notes{}, notes());
    EXPECT_EQ(all.substr(1, 1), Read(1));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Notes{"written"}, notes());
    EXPECT_TRUE(all.substr(2) + "xy" == ReadFully(kMebibyte));
  });
}

TEST_F(KtorSuspension, AWriterThatWaitsFailsWhenTheReaderCancels) {
  WithPipe({4, 4, 0}, [this] {
    EXPECT_EQ(0, Write("12345678"));
    Start([this] {
      Note("write " + Name(Write("9")));
      return 0;
    });
    EXPECT_EQ(Notes{}, notes());
    weir_read_channel_cancel(reader(), -EPROTO);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Notes{"write <EPROTO>"}, notes());
    EXPECT_EQ(-EPROTO, Write("10"));
    EXPECT_EQ("<EPROTO>", Read(1));  // though bytes are there
  });
}

TEST_F(KtorSuspension, DiscardTakesWhatIsThereThenWaitsForTheRest) {
  WithPipe({}, [this] {
    uint64_t done = 0;
    EXPECT_EQ(0, Send("abcdef"));
    EXPECT_EQ(0, AtOnce([&] { return weir_read_discard(reader(), 4, &done); }));
    EXPECT_EQ(4u, done);
    EXPECT_EQ("ef", Read(10));
    Start([&] {
      EXPECT_EQ(0, weir_read_discard(reader(), 5, &done));
      Note("discarded " + std::to_string(done));
      return 0;
    });
    EXPECT_EQ(0, Send("abc"));
    EXPECT_EQ(0, weir_yield());
    Note("three there");
    EXPECT_EQ(0, Send("defg"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"three there", "discarded 5"}), notes());
    EXPECT_EQ("fg", Read(10));
  });
}

TEST_F(KtorSuspension, DiscardOfEverythingWaitsForTheEnd) {
  WithPipe({}, [this] {
    uint64_t done = 0;
    Start([&] {
      EXPECT_EQ(0, weir_read_discard(reader(), UINT64_MAX, &done));
      Note("discarded " + std::to_string(done));
      return 0;
    });
    for (int i = 0; i < 3; i++) {
      EXPECT_EQ(0, Send("abc"));
      EXPECT_EQ(0, weir_yield());
    }
    Note("closes");
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"closes", "discarded 9"}), notes());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_discard_exactly(reader(), 1, &done));
    EXPECT_EQ(0u, done);
  });
}

TEST_F(KtorSuspension, SpansAreReadWhereTheyLieInWhatStepsTheReaderLikes) {
  WithPipe({}, [this] {
    Start([this] {
      weir_bytes bytes;
      EXPECT_EQ(0, weir_read_span(reader(), 4, &bytes));
      Note("found " + Text(bytes));
      EXPECT_EQ(0, weir_read_consume(reader(), 3));
      EXPECT_EQ(0, weir_read_span(reader(), 1, &bytes));
      Note("left " + Text(bytes));
      return weir_read_consume(reader(), bytes.size);
    });
    EXPECT_EQ(0, Send("ab"));
    EXPECT_EQ(0, weir_yield());
    Note("two there");
    EXPECT_EQ(0, Send("cde"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"two there", "found abcde", "left de"}), notes());
    EXPECT_EQ(5u, weir_total_bytes_read(reader()));
  });
}

TEST_F(KtorSuspension, AWriterThatAwaitsRoomFindsIt) {
  WithPipe({8, 8, 1}, [this] {
    EXPECT_EQ(0, Write("0123456789abcdef"));
    Start([this] {
      EXPECT_EQ(0, weir_write_await_room(writer(), 4));
      Note("room");
      EXPECT_EQ(4, weir_write_try(writer(), "WXYZ", 4));
      return weir_flush(writer());
    });
    EXPECT_EQ("01", ReadFully(2));  // and one more is read ahead
    EXPECT_EQ(0, weir_yield());
    Note("goes on");
    EXPECT_EQ("23", ReadFully(2));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"goes on", "room"}), notes());
    EXPECT_EQ("456789abcdefWXYZ", ReadFully(16));
  });
}

TEST_F(KtorSuspension, AnEndWakesAReaderThatAwaitsContent) {
  WithPipe({}, [this] {
    Start([this] {
      Note("await " + Name(weir_read_await(reader(), 1)));
      return 0;
    });
    EXPECT_EQ(Notes{}, notes());
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Notes{"await <WEIR_E_END_OF_STREAM>"}, notes());
    // Not only the first time, and not "there is something".
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_await(reader(), 1));
    EXPECT_EQ(1, weir_read_exhausted(reader()));
  });
}

TEST_F(KtorSuspension, CloseThenDrainThenTheEnd) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, weir_write_uint32_be(writer(), 0x01020304));
    EXPECT_EQ(0, Write("line\nrest"));
    EXPECT_EQ(0, weir_write_channel_close(writer()));
    EXPECT_EQ(WEIR_E_CLOSED, Write("more"));
    uint32_t number = 0;
    EXPECT_EQ(0, weir_read_uint32_be(reader(), &number));
    EXPECT_EQ(0x01020304u, number);
    EXPECT_EQ("line", ReadLine());
    EXPECT_EQ("rest<WEIR_E_END_OF_STREAM>", ReadFully(5));
    for (int i = 0; i < 3; i++) EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Read(5));
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", ReadLine());
    EXPECT_EQ(0, weir_read_channel_cause(reader()));
  });
}

TEST_F(KtorSuspension, ASecondFlusherIsRefusedAndTheFirstUndisturbed) {
  WithPipe({2, 8, 1}, [this] {
    EXPECT_EQ(0, Write("abcd"));
    Start([this] {
      Note("flush " + Name(weir_flush(writer())));
      return 0;
    });
    EXPECT_EQ(-EBUSY, weir_flush(writer()));
    EXPECT_EQ(-EBUSY, Write("x"));
    EXPECT_EQ(-EBUSY, weir_write_channel_close(writer()));
    EXPECT_EQ(Notes{}, notes());
    EXPECT_EQ("abcd", ReadFully(4));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(Notes{"flush <0>"}, notes());
    EXPECT_EQ(0, Send("e"));
    EXPECT_EQ("e", Read(10));
  });
}

TEST_F(KtorSuspension, ASecondReaderIsRefusedAndTheFirstUndisturbed) {
  WithPipe({}, [this] {
    StartReading(10);
    EXPECT_EQ("<EBUSY>", Read(10));
    EXPECT_EQ("<EBUSY>", ReadLine());
    EXPECT_EQ(0, Send("mine"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ((Notes{"reads", "read mine"}), notes());
  });
}

}  // namespace
