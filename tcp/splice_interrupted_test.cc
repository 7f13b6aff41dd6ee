// SPDX-License-Identifier: Apache-2.0
//
// Copies from socket to socket that something cuts short: what the target did not take is still to
// be read from the source, in order, wherever it was.

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/relay.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::CloseRelay;
using weir_testing::EndOf;
using weir_testing::ExpectRelayRun;
using weir_testing::LaunchJob;
using weir_testing::LaunchSender;
using weir_testing::MakeRelay;
using weir_testing::Pattern;
using weir_testing::ReadAll;
using weir_testing::Relay;
using weir_testing::SpliceCounts;

class SpliceInterrupted : public weir_testing::LeakCheckedTest {};

const std::string &Data() {
  static const auto *data = new std::string(Pattern(4 << 20));
  return *data;
}

// Waits until the copy has bytes in its pipe and does not get on.
int WaitUntilStuck(const SpliceCounts &counts) {
  uint64_t out;
  do {
    out = counts.out;
    int result = weir_delay(10 * WEIR_MILLISECOND);
    if (result < 0) return result;
  } while (counts.in == counts.out || counts.out != out);
  return 0;
}

// A copy to a receiver that receives nothing until |interrupt| has come.
struct Stuck {
  SpliceCounts counts;
  Relay relay;
  weir_job *copy = nullptr;
  uint64_t count = 0;  // of the copy
  int result = 0;
};

// Lets |interrupt| cut a copy short, and |check| what is left.
void InterruptStuckCopy(const std::function<void(Stuck *)> &interrupt,
                        const std::function<void(Stuck *)> &check) {
  Stuck stuck;
  ExpectRelayRun(stuck.counts, [&] {
    Relay &relay = stuck.relay;
    relay = MakeRelay(true);
    weir_job *sender = LaunchSender(&relay, Data());
    stuck.copy = LaunchJob([&] {
      stuck.result = weir_copy(relay.from(), relay.to(), nullptr, &stuck.count);
      return 0;
    });
    EXPECT_EQ(0, WaitUntilStuck(stuck.counts));
    EXPECT_GT(stuck.counts.in, stuck.counts.out + 16384) << "more than the channel's capacity";
    EXPECT_LE(stuck.counts.in, stuck.counts.out + (1 << 20)) << "more than copy.h says";
    interrupt(&stuck);
    EXPECT_EQ(0, weir_job_wait(stuck.copy, nullptr));
    check(&stuck);
    weir_job_cancel(sender);
    static_cast<void>(EndOf(sender));
    weir_job_close(stuck.copy);
    CloseRelay(relay);
    return 0;
  });
}

// Expects that the receiver gets what the copy counted, and the source's reader the rest.
void ExpectNothingLost(Stuck *stuck) {
  Relay &relay = stuck->relay;
  std::string received, rest;
  EXPECT_EQ(stuck->count, weir_total_bytes_read(relay.from()));
  EXPECT_EQ(stuck->count, weir_total_bytes_written(relay.to()));
  weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
  EXPECT_EQ(0, weir_write_channel_close(relay.to()));
  EXPECT_EQ(0, ReadAll(relay.source, &rest));
  EXPECT_EQ(0, EndOf(receiver));
  EXPECT_EQ(stuck->count, received.size());
  EXPECT_TRUE(Data() == received + rest);
}

TEST_F(SpliceInterrupted, CancelledNothingIsLost) {
  InterruptStuckCopy([](Stuck *stuck) { weir_job_cancel(stuck->copy); },
                     [](Stuck *stuck) {
                       EXPECT_EQ(-ECANCELED, stuck->result);
                       ExpectNothingLost(stuck);
                     });
}

TEST_F(SpliceInterrupted, WhatWasInThePipeCanBeReadInEveryWay) {
  InterruptStuckCopy([](Stuck *stuck) { weir_job_cancel(stuck->copy); },
                     [](Stuck *stuck) {
                       weir_read_channel *source = stuck->relay.from();
                       const std::string &data = Data();
                       size_t at = stuck->count;
                       char byte;
                       EXPECT_EQ(1, weir_read_try(source, &byte, 1));
                       EXPECT_EQ(data[at++], byte);
                       weir_bytes bytes;
                       EXPECT_EQ(0, weir_read_peek(source, 20000, &bytes));
                       EXPECT_TRUE(data.substr(at, 20000) == std::string(bytes.data, bytes.size));
                       std::string block(100000, '\0');
                       EXPECT_EQ(0, weir_read_fully(source, &block[0], block.size(), nullptr));
                       EXPECT_TRUE(data.substr(at, block.size()) == block);
                       at += block.size();
                       EXPECT_EQ(0, weir_read_discard_exactly(source, 50000, nullptr));
                       at += 50000;
                       EXPECT_EQ(at, weir_total_bytes_read(source));
                       std::string rest;
                       EXPECT_EQ(0, ReadAll(stuck->relay.source, &rest));
                       EXPECT_TRUE(data.substr(at) == rest);
                     });
}

TEST_F(SpliceInterrupted, AnotherCopyGoesOn) {
  for (weir_copy_method method : {WEIR_COPY_ANY, WEIR_COPY_THROUGH_MEMORY}) {
    InterruptStuckCopy(
        [](Stuck *stuck) { weir_job_cancel(stuck->copy); },
        [&](Stuck *stuck) {
          Relay &relay = stuck->relay;
          std::string received;
          weir_job *receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&received); });
          weir_copy_options options = {};
          options.method = method;
          uint64_t more = 0;
          EXPECT_EQ(0, weir_copy_and_close(relay.from(), relay.to(), &options, &more));
          EXPECT_EQ(Data().size(), stuck->count + more);
          EXPECT_EQ(0, EndOf(receiver));
          EXPECT_TRUE(Data() == received);
        });
  }
}

TEST_F(SpliceInterrupted, PastADeadlineNothingIsLost) {
  Stuck stuck;
  ExpectRelayRun(stuck.counts, [&] {
    stuck.relay = MakeRelay(true);
    weir_job *sender = LaunchSender(&stuck.relay, Data());
    weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
    int result = weir_copy(stuck.relay.from(), stuck.relay.to(), nullptr, &stuck.count);
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(-ETIMEDOUT, result);
    EXPECT_GT(stuck.counts.in, stuck.counts.out);
    ExpectNothingLost(&stuck);
    EXPECT_EQ(0, EndOf(sender));
    CloseRelay(stuck.relay);
    return 0;
  });
}

TEST_F(SpliceInterrupted, ACancelOfTheTargetLeavesTheSource) {
  InterruptStuckCopy([](Stuck *stuck) { weir_write_channel_cancel(stuck->relay.to(), -EPROTO); },
                     [](Stuck *stuck) {
                       EXPECT_EQ(-EPROTO, stuck->result);
                       std::string rest;
                       EXPECT_EQ(0, ReadAll(stuck->relay.source, &rest));
                       EXPECT_TRUE(Data().substr(stuck->count) == rest);
                     });
}

TEST_F(SpliceInterrupted, ACancelOfTheSourceDropsWhatIsInThePipe) {
  InterruptStuckCopy([](Stuck *stuck) { weir_read_channel_cancel(stuck->relay.from(), -EPROTO); },
                     [](Stuck *stuck) {
                       EXPECT_EQ(-EPROTO, stuck->result);
                       char byte;
                       EXPECT_EQ(-EPROTO, weir_read_try(stuck->relay.from(), &byte, 1));
                     });
}

TEST_F(SpliceInterrupted, AnAbortOfEitherSideEndsIt) {
  for (bool source : {true, false}) {
    InterruptStuckCopy(
        [&](Stuck *stuck) {
          weir_connection_abort(source ? stuck->relay.source : stuck->relay.target);
        },
        [&](Stuck *stuck) {
          EXPECT_EQ(-ECONNABORTED, stuck->result);
          std::string rest;
          EXPECT_EQ(source ? -ECONNABORTED : 0, ReadAll(stuck->relay.source, &rest));
          EXPECT_TRUE((source ? std::string() : Data().substr(stuck->count)) == rest);
        });
  }
}

// Whoever closes also frees, so what is left of the pipe goes with the source.
TEST_F(SpliceInterrupted, ACloseOfEitherSideEndsIt) {
  for (bool source : {true, false}) {
    InterruptStuckCopy(
        [&](Stuck *stuck) {
          weir_connection *&closed = source ? stuck->relay.source : stuck->relay.target;
          weir_connection_set_close_timeout(closed, WEIR_MILLISECOND);
          static_cast<void>(weir_connection_close(closed));
          closed = nullptr;
        },
        [&](Stuck *stuck) { EXPECT_EQ(WEIR_E_CLOSED, stuck->result); });
  }
}

TEST_F(SpliceInterrupted, AResetOfTheTargetIsItsFailure) {
  InterruptStuckCopy([](Stuck *stuck) { stuck->relay.receiver.Reset(); },
                     [](Stuck *stuck) {
                       EXPECT_EQ(-ECONNRESET, stuck->result);
                       EXPECT_EQ(-ECONNRESET, weir_write_channel_cause(stuck->relay.to()));
                       EXPECT_EQ(0, weir_read_channel_cause(stuck->relay.from()));
                       std::string rest;
                       EXPECT_EQ(0, ReadAll(stuck->relay.source, &rest));
                       EXPECT_TRUE(Data().substr(stuck->count) == rest);
                     });
}

TEST_F(SpliceInterrupted, AResetOfTheSourceIsItsFailure) {
  for (weir_copy_method method : {WEIR_COPY_ANY, WEIR_COPY_THROUGH_MEMORY}) {
    SpliceCounts counts;
    ExpectRelayRun(counts, [&] {
      Relay relay = MakeRelay();
      weir_job *copy = LaunchJob([&] {
        weir_copy_options options = {};
        options.method = method;
        return weir_copy(relay.from(), relay.to(), &options, nullptr);
      });
      weir_job *sender = LaunchJob([&] { return relay.sender.Send(Data()); });
      std::string received;
      EXPECT_EQ(0, relay.receiver.Receive(&received, Data().size()));
      EXPECT_EQ(0, EndOf(sender));
      EXPECT_TRUE(Data() == received);
      relay.sender.Reset();
      EXPECT_EQ(-ECONNRESET, EndOf(copy));
      EXPECT_EQ(-ECONNRESET, weir_read_channel_cause(relay.from()));
      EXPECT_EQ(0, weir_write_channel_cause(relay.to()));
      CloseRelay(relay);
      return 0;
    });
  }
}

// Wherever a copy is when it is cancelled or its time is up.
TEST_F(SpliceInterrupted, AtNoPointAnythingIsLost) {
  for (int turns = 0; turns < 120; turns++) {
    const bool cancel = turns % 2 == 0;
    Stuck stuck;
    stuck.counts.piece = 40000;
    ExpectRelayRun(stuck.counts, [&] {
      Relay &relay = stuck.relay;
      relay = MakeRelay(turns % 4 < 2);
      weir_job *sender = LaunchSender(&relay, Data());
      std::string received;
      weir_job *receiver = LaunchJob([&] {
        for (int i = 0; i < turns; i++) {
          int result = relay.receiver.Receive(&received, 5000);
          if (result < 0) return result;
        }
        return 0;
      });
      stuck.copy = LaunchJob([&] {
        weir_timeout timeout = weir_timeout_begin(cancel ? WEIR_SECOND : turns * 50000);
        stuck.result = weir_copy(relay.from(), relay.to(), nullptr, &stuck.count);
        static_cast<void>(weir_timeout_end(timeout));
        return 0;
      });
      for (int i = 0; cancel && i < turns; i++) EXPECT_EQ(0, weir_yield());
      if (cancel) weir_job_cancel(stuck.copy);
      EXPECT_EQ(0, EndOf(stuck.copy));
      // Where the copy was over before, nothing was to be cut short.
      if (stuck.result != 0) {
        EXPECT_EQ(cancel ? -ECANCELED : -ETIMEDOUT, stuck.result);
      }
      weir_job_cancel(receiver);
      static_cast<void>(EndOf(receiver));
      std::string later, rest;
      receiver = LaunchJob([&] { return relay.receiver.ReceiveAll(&later); });
      EXPECT_EQ(0, weir_write_channel_close(relay.to()));
      EXPECT_EQ(0, ReadAll(relay.source, &rest));
      EXPECT_EQ(0, EndOf(receiver));
      EXPECT_EQ(0, EndOf(sender));
      EXPECT_EQ(stuck.count, received.size() + later.size());
      EXPECT_TRUE(Data() == received + later + rest) << turns;
      CloseRelay(relay);
      return 0;
    });
  }
}

}  // namespace
