// SPDX-License-Identifier: Apache-2.0
//
// Copies from socket to socket that come to their end: exact, spliced where that is worth it, and
// the same as those through memory.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/relay.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::CloseRelay;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRelayRun;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::LaunchSender;
using weir_testing::MakeRelay;
using weir_testing::MakeTcpPair;
using weir_testing::OpenDescriptorCount;
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::ReadAll;
using weir_testing::Relay;
using weir_testing::SpliceCounts;
using weir_testing::TcpPair;
using weir_testing::Write;

class Splice : public weir_testing::LeakCheckedTest {};

weir_copy_options Method(weir_copy_method method) {
  weir_copy_options options = {};
  options.method = method;
  return options;
}

// Copies all of |data| and expects it at the other end.
void ExpectExactCopy(const SpliceCounts &counts, const std::string &data,
                     const weir_copy_options &options = {}) {
  std::string received;
  ExpectRelayRun(counts, [&] {
    Relay relay = MakeRelay();
    weir_job *sender = LaunchSender(&relay, data);
    weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
    uint64_t count = 0;
    EXPECT_EQ(0, weir_copy_and_close(relay.from(), relay.to(), &options, &count));
    EXPECT_EQ(data.size(), count);
    EXPECT_EQ(data.size(), weir_total_bytes_read(relay.from()));
    EXPECT_EQ(data.size(), weir_total_bytes_written(relay.to()));
    EXPECT_EQ(0, EndOf(sender));
    EXPECT_EQ(0, EndOf(receiver));
    CloseRelay(relay);
    return 0;
  });
  EXPECT_TRUE(data == received);
}

TEST_F(Splice, MegabytesAreExactAndMostlySpliced) {
  const std::string data = Pattern(8 << 20);
  SpliceCounts counts;
  ExpectExactCopy(counts, data);
  EXPECT_GT(counts.in, data.size() / 2);
  EXPECT_EQ(counts.in, counts.out);
  EXPECT_EQ(1, counts.pipes);
}

TEST_F(Splice, ThroughMemoryNothingIsSpliced) {
  SpliceCounts counts;
  ExpectExactCopy(counts, Pattern(3 << 20), Method(WEIR_COPY_THROUGH_MEMORY));
  EXPECT_EQ(0U, counts.in);
  EXPECT_EQ(0, counts.pipes);
}

TEST_F(Splice, EverySizeOfASpliceIsExact) {
  for (size_t piece : {1000, 4096, 32767, 32768, 65537}) {
    SpliceCounts counts;
    counts.piece = piece;
    ExpectExactCopy(counts, Pattern(1 << 20));
    EXPECT_EQ(counts.in, counts.out) << piece;
  }
}

// Sends pieces of random sizes, and lets others run between them.
int SendInPieces(Relay *relay, const std::string &data, std::minstd_rand *random) {
  for (size_t at = 0; at < data.size();) {
    size_t size = std::min<size_t>(data.size() - at, 1 + (*random)() % (200 << 10));
    int result = relay->sender.Send(std::string_view(data).substr(at, size));
    if (result == 0) result = weir_yield();
    if (result < 0) return result;
    at += size;
  }
  return relay->sender.FinishWriting();
}

int ReceiveInPieces(Relay *relay, std::string *out, std::minstd_rand *random) {
  size_t before;
  do {
    before = out->size();
    int result = relay->receiver.Receive(out, 1 + (*random)() % (100 << 10));
    for (int i = 0; i < 3 && result == 0; i++) result = weir_yield();
    if (result < 0) return result;
  } while (out->size() > before);
  return 0;
}

TEST_F(Splice, RandomPiecesAndLimitsGiveWhatMemoryGives) {
  const std::string data = Pattern(2 << 20);
  for (unsigned seed = 1; seed <= 6; seed++) {
    for (weir_copy_method method : {WEIR_COPY_ANY, WEIR_COPY_THROUGH_MEMORY}) {
      std::minstd_rand random(seed);
      std::string received;
      SpliceCounts counts;
      ExpectRelayRun(counts, [&] {
        Relay relay = MakeRelay(seed % 2 == 0);
        weir_job *sender = LaunchJob([&] { return SendInPieces(&relay, data, &random); });
        weir_job *receiver = LaunchJob([&] { return ReceiveInPieces(&relay, &received, &random); });
        uint64_t total = 0;
        for (uint64_t count = 1; count > 0; total += count) {
          weir_copy_options options = Method(method);
          uint64_t limit = 1 + random() % (600 << 10);
          EXPECT_EQ(0, weir_copy_at_most(relay.from(), relay.to(), limit, &options, &count));
        }
        EXPECT_EQ(data.size(), total);
        EXPECT_EQ(0, weir_write_channel_close(relay.to()));
        EXPECT_EQ(0, EndOf(sender));
        EXPECT_EQ(0, EndOf(receiver));
        CloseRelay(relay);
        return 0;
      });
      EXPECT_TRUE(data == received) << seed;
    }
  }
}

TEST_F(Splice, ALimitIsExactAndTheRestStaysUnread) {
  const std::string data = Pattern(3 << 20);
  for (size_t limit : {1, 16383, 16384, 16385, 65535, 65536, 65537, (1 << 20) - 1, 1 << 20,
                       (1 << 20) + 1, (1 << 20) + 16384, 3 << 20}) {
    SpliceCounts counts;
    std::string received, rest;
    ExpectRelayRun(counts, [&] {
      Relay relay = MakeRelay();
      weir_job *sender = LaunchSender(&relay, data);
      weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
      uint64_t count = 0;
      EXPECT_EQ(0, weir_copy_at_most(relay.from(), relay.to(), limit, nullptr, &count));
      EXPECT_EQ(limit, count);
      EXPECT_EQ(limit, weir_total_bytes_read(relay.from()));
      EXPECT_EQ(limit, weir_total_bytes_written(relay.to()));
      EXPECT_EQ(0, weir_write_channel_close(relay.to()));
      EXPECT_EQ(0, ReadAll(relay.source, &rest));
      EXPECT_EQ(0, EndOf(sender));
      EXPECT_EQ(0, EndOf(receiver));
      CloseRelay(relay);
      return 0;
    });
    EXPECT_EQ(limit, received.size());
    EXPECT_TRUE(data == received + rest) << limit;
  }
}

TEST_F(Splice, WhatIsHeldOrUnsentGoesFirst) {
  const std::string data = "a line\n" + Pattern(1 << 20);
  SpliceCounts counts;
  std::string received;
  ExpectRelayRun(counts, [&] {
    Relay relay = MakeRelay();
    weir_job *sender = LaunchSender(&relay, data);
    weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(relay.from(), &line));
    // An auto-flush is pending, too.
    weir_write_channel *output = weir_open_write_channel(relay.target, true);
    EXPECT_EQ(0, weir_write_string(output, "first: "));
    EXPECT_EQ(0, weir_copy(relay.from(), output, nullptr, nullptr));
    EXPECT_EQ(0, weir_write_string(output, " last"));
    EXPECT_EQ(0, weir_write_channel_close(output));
    EXPECT_EQ(0, EndOf(sender));
    EXPECT_EQ(0, EndOf(receiver));
    CloseRelay(relay);
    return 0;
  });
  EXPECT_TRUE("first: " + data.substr(7) + " last" == received);
  EXPECT_GT(counts.in, 0U);
}

TEST_F(Splice, SmallTrafficGoesThroughMemory) {
  SpliceCounts counts;
  ExpectRelayRun(counts, [&] {
    Relay relay = MakeRelay();
    weir_job *copy =
        LaunchJob([&] { return weir_copy_and_close(relay.from(), relay.to(), nullptr, nullptr); });
    for (int i = 0; i < 20; i++) {
      std::string received;
      EXPECT_EQ(0, relay.sender.Send(std::string(1000, 'x')));
      EXPECT_EQ(0, relay.receiver.Receive(&received, 1000));
    }
    EXPECT_EQ(0, relay.sender.FinishWriting());
    EXPECT_EQ(0, EndOf(copy));
    CloseRelay(relay);
    return 0;
  });
  EXPECT_EQ(0, counts.pipes);
}

TEST_F(Splice, IdleCopiesHoldNoDescriptors) {
  const std::string data = Pattern(1 << 20);
  SpliceCounts counts;
  ExpectRelayRun(counts, [&] {
    std::vector<Relay> relays;
    std::vector<weir_job *> copies;
    for (int i = 0; i < 5; i++) relays.push_back(MakeRelay());
    const int before = OpenDescriptorCount();
    for (Relay &relay : relays) {
      copies.push_back(LaunchJob(
          [&] { return weir_copy_and_close(relay.from(), relay.to(), nullptr, nullptr); }));
      weir_job *sender = LaunchJob([&] { return relay.sender.Send(data); });
      std::string received;
      EXPECT_EQ(0, relay.receiver.Receive(&received, data.size()));
      EXPECT_TRUE(data == received);
      EXPECT_EQ(0, EndOf(sender));
    }
    EXPECT_EQ(0, weir_yield());
    // One pipe, which waits for its next use.
    EXPECT_EQ(before + 2, OpenDescriptorCount());
    for (size_t i = 0; i < relays.size(); i++) {
      EXPECT_EQ(0, relays[i].sender.FinishWriting());
      EXPECT_EQ(0, EndOf(copies[i]));
      CloseRelay(relays[i]);
    }
    return 0;
  });
  EXPECT_EQ(1, counts.pipes);
}

TEST_F(Splice, AnIdleCopyHoldsNoBuffer) {
  const std::string data = Pattern(40000);
  SpliceCounts counts;
  ExpectRelayRun(counts, [&] {
    Relay relay = MakeRelay();
    // No size that a loop keeps for others.
    weir_read_channel_options options = {};
    options.capacity = data.size();
    EXPECT_EQ(0, weir_read_channel_configure(relay.from(), &options));
    EXPECT_EQ(0, relay.sender.Send(data));
    const long before = allocator().block_bytes();
    weir_job *copy =
        LaunchJob([&] { return weir_copy_and_close(relay.from(), relay.to(), nullptr, nullptr); });
    std::string received;
    EXPECT_EQ(0, relay.receiver.Receive(&received, data.size()));
    EXPECT_TRUE(data == received);
    EXPECT_EQ(0, weir_yield());
    // The next bytes may be spliced: now it waits for these.
    EXPECT_LT(allocator().block_bytes(), before + static_cast<long>(data.size()) / 2);
    EXPECT_EQ(0, relay.sender.FinishWriting());
    EXPECT_EQ(0, EndOf(copy));
    CloseRelay(relay);
    return 0;
  });
}

TEST_F(Splice, WithoutPipesItGoesThroughMemory) {
  for (int error : {EMFILE, ENFILE, ENOMEM}) {
    SpliceCounts counts;
    counts.pipe_error = error;
    ExpectExactCopy(counts, Pattern(1 << 20));
  }
}

TEST_F(Splice, SocketsThatCannotSpliceGoThroughMemory) {
  SpliceCounts in, out;
  in.in_error = EINVAL;
  ExpectExactCopy(in, Pattern(1 << 20));
  EXPECT_EQ(1, in.pipes);
  // What is in the pipe by then comes out of it again.
  out.out_error = EINVAL;
  ExpectExactCopy(out, Pattern(1 << 20));
  EXPECT_GT(out.in, 0U);
  EXPECT_EQ(0U, out.out);
}

// An urgent byte stops a splice, which then says 0, as it does at the end of the stream.
TEST_F(Splice, UrgentDataIsCopiedInItsPlace) {
  const std::string data = Pattern(1 << 20);
  SpliceCounts counts;
  std::string received;
  ExpectRelayRun(counts, [&] {
    Relay relay = MakeRelay();
    weir_job *sender = LaunchJob([&] {
      int result = relay.sender.Send(data);
      for (int i = 0; i < 5 && result == 0; i++) {
        result = relay.sender.Send("!", MSG_OOB);
        if (result == 0) result = relay.sender.Send(data);
      }
      if (result == 0) result = relay.sender.Send("?", MSG_OOB);
      return result == 0 ? relay.sender.FinishWriting() : result;
    });
    weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
    EXPECT_EQ(0, weir_copy_and_close(relay.from(), relay.to(), nullptr, nullptr));
    EXPECT_EQ(0, EndOf(sender));
    EXPECT_EQ(0, EndOf(receiver));
    CloseRelay(relay);
    return 0;
  });
  std::string sent = data;
  for (int i = 0; i < 5; i++) sent += "!" + data;
  EXPECT_TRUE(sent + "?" == received);
  EXPECT_GT(counts.in, 0U);
}

TEST_F(Splice, AnEchoIsSpliced) {
  const std::string data = Pattern(3 << 20);
  SpliceCounts counts;
  std::string received;
  ExpectRelayRun(counts, [&] {
    TcpPair pair = MakeTcpPair();
    weir_job *echo = LaunchJob([&] {
      EXPECT_EQ(0, weir_copy_and_close(Input(pair.near), Output(pair.near), nullptr, nullptr));
      return weir_connection_close(pair.near);
    });
    ExpectLaunch([&] {
      EXPECT_EQ(0, Write(pair.far, data));
      return weir_write_channel_close(Output(pair.far));
    });
    EXPECT_EQ(0, ReadAll(pair.far, &received));
    EXPECT_EQ(0, weir_connection_close(pair.far));
    return EndOf(echo);
  });
  EXPECT_TRUE(data == received);
  EXPECT_GT(counts.in, 0U);
}

}  // namespace
