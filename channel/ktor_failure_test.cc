// SPDX-License-Identifier: Apache-2.0
//
// Failures, deadlines and ends that come at a bad time: Ktor's scenarios of that kind, written
// afresh. docs/ktor-parity.md says which is which.

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "testing/pipe_test.h"
#include "weir/channel.h"

namespace {

using Notes = std::vector<std::string>;

class KtorFailure : public weir_testing::PipeTest {
 protected:
  struct Operation {
    const char *name;
    std::function<int(weir_read_channel *)> read;
  };

  // Each waits for more than the ten bytes that a test sends at most.
  static std::vector<Operation> Reads() {
    static char out[100];
    static weir_bytes bytes;
    static uint32_t number;
    using From = weir_read_channel *;
    return {
        {"fully", [](From from) { return weir_read_fully(from, out, 11, nullptr); }},
        {"exactly", [](From from) { return weir_read_exactly(from, out, 11); }},
        {"packet", [](From from) { return weir_read_packet(from, 11, &bytes); }},
        {"peek", [](From from) { return weir_read_peek(from, 11, &bytes); }},
        {"await", [](From from) { return weir_read_await(from, 11); }},
        {"line", [](From from) { return weir_read_utf8_line(from, &bytes); }},
        {"discard", [](From from) { return weir_read_discard(from, 11, nullptr); }},
        {"until", [](From from) { return weir_read_until(from, weir_text(";"), nullptr, &bytes); }},
        {"numbers",
         [](From from) {
           int result;
           while ((result = weir_read_uint32_le(from, &number)) == 0) continue;
           return result;
         }},
        {"remaining",
         [](From from) {
           weir_buffer buffer = {};
           int result = weir_read_remaining(from, &buffer, SIZE_MAX);
           weir_buffer_release(&buffer);
           return result;
         }},
    };
  }

  // Starts to read, if |waits|, before |send| and the failure, and otherwise behind them.
  void ExpectCause(bool waits, std::function<void()> send) {
    for (const Operation &operation : Reads()) {
      SCOPED_TRACE(operation.name);
      WithPipe({}, [&] {
        int result = 12345;
        std::function<int()> read = [&] { return result = operation.read(reader()), 0; };
        if (waits) Start(read);
        send();
        if (waits) {
          EXPECT_EQ(12345, result);
        }
        weir_write_channel_cancel(writer(), -EPROTO);
        if (!waits) Start(read);
        EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(-EPROTO, result);
        EXPECT_EQ(-EPROTO, operation.read(reader()));
        EXPECT_EQ(-EPROTO, weir_read_channel_cause(reader()));
        EXPECT_EQ(-EPROTO, Write("more"));
      });
    }
  }

  // How many turns a coroutine of a race lets pass; always the same numbers.
  unsigned Random(unsigned below) {
    random_ = random_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<unsigned>(random_ >> 33) % below;
  }
  void PassTurns(unsigned below) {
    for (unsigned turns = Random(below); turns > 0; turns--) EXPECT_EQ(0, weir_yield());
  }

  // Repeats |operation| under short deadlines until it succeeds, and counts those that passed.
  void Insist(std::function<int()> operation, int *timeouts) {
    for (;; ++*timeouts) {
      weir_timeout timeout = weir_timeout_begin(1 + Random(3));
      int result = operation();
      weir_timeout_end(timeout);
      if (result == -ETIMEDOUT) continue;
      EXPECT_EQ(0, result);
      return;
    }
  }

 private:
  uint64_t random_ = 1;
};

TEST_F(KtorFailure, ComesAtOnce) {
  ExpectCause(false, [] {});
}

TEST_F(KtorFailure, ComesToAReaderThatWaits) {
  ExpectCause(true, [] {});
}

TEST_F(KtorFailure, ComesInsteadOfFlushedBytes) {
  ExpectCause(false, [this] { EXPECT_EQ(0, Send("flushed")); });
}

TEST_F(KtorFailure, ComesBehindFlushedBytesThatWereSeen) {
  ExpectCause(true, [this] {
    EXPECT_EQ(0, Send("flushed"));
    EXPECT_EQ(0, weir_yield());
  });
}

TEST_F(KtorFailure, ComesInsteadOfBytesThatWereNotFlushed) {
  for (bool waits : {false, true}) {
    ExpectCause(waits, [this] { EXPECT_EQ(0, Write("unflushed")); });
  }
}

// What was read ahead before the failure is still there to be read by whom it was read for: a
// transport that fails, in contrast to a writer that gives up, fails behind what it brought.
TEST_F(KtorFailure, OfATransportComesBehindWhatItBrought) {
  WithScript([](weir_testing::ScriptedTransport &script) {
    script.Feed("one\ntwo\nthr");
    script.FeedFailure(-ECONNRESET);
    weir_bytes line;
    for (const char *expected : {"one", "two"}) {
      EXPECT_EQ(0, weir_read_line(script.reader(), &line));
      EXPECT_EQ(expected, Text(line));
    }
    EXPECT_EQ(-ECONNRESET, weir_read_line(script.reader(), &line));
    char out[4] = "???";
    EXPECT_EQ(3, weir_read_available(script.reader(), out, 3));
    EXPECT_STREQ("thr", out);
    EXPECT_EQ(-ECONNRESET, weir_read_available(script.reader(), out, 3));
  });
}

TEST_F(KtorFailure, ATimedOutReadLeavesTheChannelUsableAndLosesNothing) {
  WithPipe({}, [this] {
    for (const Operation &operation : Reads()) {
      if (operation.name == std::string("fully")) continue;  // it tells what it got
      if (operation.name == std::string("remaining")) continue;
      if (operation.name == std::string("discard")) continue;
      if (operation.name == std::string("numbers")) continue;
      SCOPED_TRACE(operation.name);
      EXPECT_EQ(0, Send("ten bytes."));
      for (int i = 0; i < 2; i++) {
        EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return operation.read(reader()); }));
      }
      EXPECT_EQ("ten bytes.", ReadFully(10));
    }
    EXPECT_EQ(0, weir_read_channel_cause(reader()));
  });
}

TEST_F(KtorFailure, NumbersUnderDeadlinesThatPassArriveAll) {
  WithPipe({3, 5, 0}, [this] {
    constexpr uint32_t kCount = 500;
    int timeouts = 0;
    Start([&] {
      for (uint32_t i = 0; i < kCount; i++) {
        Insist([&] { return weir_write_uint32_be(writer(), i * 0x01010101u); }, &timeouts);
        if (i % 3 == 0) Insist([&] { return weir_flush(writer()); }, &timeouts);
        EXPECT_EQ(0, weir_delay(Random(4)));
      }
      EXPECT_GT(timeouts, 100);
      return weir_write_channel_close(writer());
    });
    for (uint32_t i = 0; i < kCount; i++) {
      uint32_t value = 0;
      Insist([&] { return weir_read_uint32_be(reader(), &value); }, &timeouts);
      EXPECT_EQ(i * 0x01010101u, value);
      EXPECT_EQ(0, weir_delay(Random(8) == 0 ? 20 : 0));
    }
    EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Read(1));
  });
}

TEST_F(KtorFailure, ATimedOutWriteLeavesTheChannelUsableAndLosesNothing) {
  WithPipe({4, 8, 1}, [this] {
    EXPECT_EQ(0, Write("0123"));
    EXPECT_EQ(0, Write("456789ab"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([this] { return Write("lost"); }));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([this] { return weir_flush(writer()); }));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([this] { return weir_write_uint32_be(writer(), 0); }));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([this] { return weir_write_line(writer(), weir_text("")); }));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([this] { return weir_write_format(writer(), "%d", 1); }));
    Start([this] { return Send("kept"); });
    EXPECT_EQ("0123456789abkept", ReadFully(16));
    EXPECT_EQ(0, weir_write_channel_cause(writer()));
  });
}

TEST_F(KtorFailure, AnEarlyEndIsNeverMissed) {
  for (int round = 0; round < 20000; round++) {
    WithPipe({1 + Random(8), 1 + Random(8), 1 + Random(8)}, [&] {
      const std::string sent = Pattern(Random(20));
      Start([&] {
        PassTurns(3);
        for (char byte : sent) {
          EXPECT_EQ(0, Write(std::string(1, byte)));
          if (Random(4) == 0) {
            EXPECT_EQ(0, weir_flush(writer()));
          }
          PassTurns(2);
        }
        return weir_write_channel_close(writer());
      });
      PassTurns(4);
      EXPECT_EQ(sent + "<WEIR_E_END_OF_STREAM>", ReadFully(sent.size() + 1));
    });
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

TEST_F(KtorFailure, AnEarlyEndBehindALineIsNeverMissed) {
  for (int round = 0; round < 5000; round++) {
    WithPipe({1 + Random(8), 0, 0}, [&] {
      Start([&] {
        for (const char *part : {"a line", "\r", "\n", "the re", "st"}) {
          EXPECT_EQ(0, Send(part));
          PassTurns(3);
        }
        CloseNear();
        return 0;
      });
      PassTurns(8);
      for (const char *expected : {"a line", "the rest", "<WEIR_E_END_OF_STREAM>"}) {
        EXPECT_EQ(expected, ReadLine());
      }
    });
    if (HasFailure()) FAIL() << "in round " << round;
  }
}

}  // namespace
