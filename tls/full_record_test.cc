// SPDX-License-Identifier: Apache-2.0
//
// A full record has nothing to wait for: it leaves at once, from where BoringSSL has put it. What
// the connection below does not take of it follows, in its place, and whole.

#include <cerrno>
#include <functional>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr size_t kRecord = 16 * 1024;

class FullRecord : public LeakCheckedTest, public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  // A secure pair over a pipe that holds |capacity| bytes each way, and the channel above it
  // |held|.
  void WithPair(size_t capacity, const std::function<void(SecurePair *)> &body, size_t held = 0) {
    SecureWorld world(GetParam());
    ExpectRun([&] {
      weir_pipe_options options = {};
      options.capacity = capacity;
      SecurePair pair;
      EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &options));
      weir_write_channel_options below = {};
      below.capacity = held;
      weir_write_channel *output = weir_open_write_channel(pair.near, true);
      EXPECT_EQ(0, weir_write_channel_configure(output, &below));
      world.ShakeHands(&pair);
      body(&pair);
      return 0;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, FullRecord, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? std::string("Tls12") : "Tls13";
                         });

std::string Letters(size_t size, size_t seed) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; i++) text[i] = static_cast<char>('a' + (i / 7 + i + seed) % 26);
  return text;
}

int Write(weir_connection *connection, const std::string &text) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  return weir_write_fully(output, text.data(), text.size(), nullptr);
}

// What has come, without waiting for more.
std::string ReadAtOnce(weir_connection *connection) {
  std::string all(4 * kRecord, '\0');
  size_t size = 0;
  int result;
  do {
    result = weir_read_try(weir_open_read_channel(connection), &all[size], all.size() - size);
    if (result > 0) size += static_cast<size_t>(result);
  } while (result > 0);
  EXPECT_EQ(-EAGAIN, result);
  return all.substr(0, size);
}

TEST_P(FullRecord, LeavesAtOnce) {
  WithPair(4 * kRecord, [](SecurePair *pair) {
    EXPECT_EQ(0, Write(pair->near, "short"));
    EXPECT_EQ(0, weir_flush(weir_open_write_channel(pair->near, false)));
    EXPECT_EQ("short", ReadAtOnce(pair->far));
    const std::string text = Letters(kRecord, 0);
    EXPECT_EQ(0, Write(pair->near, text));
    EXPECT_EQ(text, ReadAtOnce(pair->far)) << "nobody has waited or flushed";
    EXPECT_EQ(0, Write(pair->near, "short"));
    EXPECT_EQ("", ReadAtOnce(pair->far));
    CloseSecurePair(pair);
  });
}

TEST_P(FullRecord, IsWholeWhereItIsTakenInParts) {
  const size_t sealed = kRecord + 22;  // in TLS 1.3
  for (size_t capacity : {size_t{1}, size_t{100}, kRecord - 1, kRecord, sealed - 1, sealed,
                          sealed + 1, 2 * sealed - 1, 2 * sealed + 1, size_t{50000}}) {
    WithPair(capacity, [](SecurePair *pair) {
      std::string sent;
      weir_job *writer = LaunchJob([&] {
        int result = 0;
        for (size_t i = 0; i < 12 && result == 0; i++) {
          std::string text = Letters(i % 3 == 2 ? 100 * i : kRecord, i);
          sent += text;
          result = Write(pair->near, text);
        }
        return result < 0 ? result
                          : weir_write_channel_close(weir_open_write_channel(pair->near, false));
      });
      std::string received = ReadToEnd(pair->far);
      EXPECT_EQ(0, EndOf(writer));
      EXPECT_TRUE(sent == received) << sent.size() << " " << received.size();
      CloseSecurePair(pair);
    });
  }
}

TEST_P(FullRecord, StaysBehindAShortOneThatHasNotLeft) {
  WithPair(
      4 * kRecord,
      [](SecurePair *pair) {
        const std::string text = Letters(kRecord, 0);
        weir_write_channel *output = weir_open_write_channel(pair->near, true);
        EXPECT_EQ(0, weir_write_string(output, "short;"));
        EXPECT_EQ(0, Write(pair->near, text));
        EXPECT_EQ(0, weir_flush(output));
        EXPECT_EQ("short;" + text, Receive(pair->far, 6 + kRecord));
        CloseSecurePair(pair);
      },
      8 * kRecord);
}

// Neither the writer nor the peer finds out; a reader would wait for ever.
TEST_P(FullRecord, AReaderIsToldThatItCannotBeSent) {
  SecureWorld world(GetParam());
  weir_internal_system_calls calls = weir_internal_kernel;
  weir_selector_options options = {};
  options.system_calls = &calls;
  ExpectRun(options, [&] {
    SecurePair pair = world.Connect(Wire::kTcp);
    weir_job *reader = LaunchJob([&] { return Receive(pair.near, 1) == "<ECONNRESET>" ? 0 : -1; });
    EXPECT_EQ(0, weir_yield());
    calls.send = [](void *, int, const iovec *, int) { return -EPERM; };
    EXPECT_EQ(0, Write(pair.near, Letters(kRecord, 0)));
    weir_timeout timeout = weir_timeout_begin(5 * WEIR_SECOND);
    EXPECT_EQ(0, EndOf(reader));
    EXPECT_FALSE(weir_timeout_end(timeout));
    weir_connection_abort(pair.near);
    weir_connection_close(pair.near);
    weir_connection_close(pair.far);
    return 0;
  });
}

// Room for it comes when the time is over already; it is written all the same, so nothing was late.
void WriteBehindTheDeadline(VirtualClock *clock, const SecurePair &pair) {
  EXPECT_EQ(0, Write(pair.near, Letters(4 * kRecord, 0)));
  EXPECT_EQ(0, weir_yield());
  int result = -1;
  bool expired = true;
  weir_job *writer = LaunchJob([&] {
    weir_timeout timeout = weir_timeout_begin(5 * WEIR_MILLISECOND);
    result = Write(pair.near, Letters(kRecord + 1, 0));
    expired = weir_timeout_end(timeout);
    return 0;
  });
  EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
  EXPECT_EQ(-1, result) << "it waits";
  const int64_t begun = weir_now();
  clock->Advance(10 * WEIR_MILLISECOND);
  EXPECT_EQ(begun + 10 * WEIR_MILLISECOND, weir_now()) << "and the loop knows";
  EXPECT_LE(3 * kRecord, ReadAtOnce(pair.far).size());
  EXPECT_EQ(0, EndOf(writer));
  EXPECT_EQ(0, result) << weir_error_name(result);
  EXPECT_FALSE(expired);
}

TEST_P(FullRecord, ThatIsWrittenIsNotLate) {
  for (bool reads : {false, true}) {
    SecureWorld world(GetParam());
    VirtualClock clock;
    ExpectRun(clock.options(), [&] {
      weir_pipe_options options = {};
      options.capacity = 4 * kRecord;
      SecurePair pair;
      EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &options));
      world.ShakeHands(&pair);
      weir_job *reader = LaunchJob([&] { return !reads || Receive(pair.near, 1) == "!" ? 0 : -1; });
      EXPECT_EQ(0, weir_yield());
      WriteBehindTheDeadline(&clock, pair);
      EXPECT_EQ(0, reads ? Send(pair.far, "!") : 0);
      EXPECT_EQ(0, EndOf(reader));
      weir_connection_abort(pair.near);
      weir_connection_close(pair.near);
      weir_connection_close(pair.far);
      return 0;
    });
  }
}

TEST_P(FullRecord, ToAPeerThatIsGoneIsReportedByTheNextOperation) {
  WithPair(4 * kRecord, [](SecurePair *pair) {
    weir_connection_abort(pair->far);
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    EXPECT_EQ(0, Write(pair->near, Letters(kRecord, 0))) << "taken, and lost";
    int result = weir_flush(output);
    EXPECT_TRUE(result == -ECONNRESET || result == -EPIPE) << weir_error_name(result);
    EXPECT_EQ(result, weir_flush(output)) << "it stays";
    EXPECT_GT(0, weir_connection_close(pair->near));
    weir_connection_close(pair->far);
  });
}

}  // namespace
}  // namespace weir_testing
