// SPDX-License-Identifier: Apache-2.0
//
// A flush waits until the connection below has sent everything, also what was sealed before; and
// what it could not wait for leaves all the same.

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr char kText[] = "twenty-one bytes long";

class Flush : public LeakCheckedTest, public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  // A secure pair over a wire that takes less than a record before the far end reads.
  void WithNarrowPair(const std::function<void(SecurePair *)> &body) {
    SecureWorld world(GetParam());
    ExpectRun(clock_.options(), [&] {
      weir_pipe_options narrow = {};
      narrow.capacity = 16;
      SecurePair pair;
      EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &narrow));
      world.ShakeHands(&pair);
      body(&pair);
      for (weir_connection *connection : {pair.near, pair.far}) {
        if (connection != nullptr) weir_connection_abort(connection);
        weir_connection_close(connection);
      }
      return 0;
    });
  }

  VirtualClock clock_;
};

INSTANTIATE_TEST_SUITE_P(Versions, Flush, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? std::string("Tls12") : "Tls13";
                         });

int FlushFor(weir_write_channel *output, int64_t time) {
  weir_timeout timeout = weir_timeout_begin(time);
  int result = weir_flush(output);
  EXPECT_EQ(result == -ETIMEDOUT, weir_timeout_end(timeout));
  return result;
}

TEST_P(Flush, WaitsForTheConnectionBelow) {
  WithNarrowPair([](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    EXPECT_EQ(0, weir_write_string(output, kText));
    EXPECT_EQ(21u, weir_write_pending(output));
    EXPECT_EQ(-ETIMEDOUT, FlushFor(output, WEIR_SECOND));
    EXPECT_EQ(kText, Receive(pair->far, 21)) << "it leaves all the same";
    EXPECT_EQ(0, FlushFor(output, WEIR_SECOND));
  });
}

TEST_P(Flush, WaitsForWhatAutoFlushHasSealed) {
  WithNarrowPair([](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, true);
    EXPECT_EQ(0, weir_write_string(output, kText));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0u, weir_write_pending(output)) << "it belongs to the connection below";
    EXPECT_EQ(-ETIMEDOUT, FlushFor(output, WEIR_SECOND));
    weir_job *flush = LaunchJob([output] { return weir_flush(output); });
    EXPECT_EQ(kText, Receive(pair->far, 21));
    EXPECT_EQ(0, EndOf(flush));
  });
}

TEST_P(Flush, IsCancelledAndLosesNothing) {
  WithNarrowPair([](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    EXPECT_EQ(0, weir_write_string(output, kText));
    weir_job *flush = LaunchJob([output] { return weir_flush(output); });
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_job_cancel(flush);
    EXPECT_EQ(-ECANCELED, EndOf(flush));
    EXPECT_EQ(0, weir_write_string(output, "; and more"));
    weir_job *close = LaunchJob([output] { return weir_write_channel_close(output); });
    EXPECT_EQ(std::string(kText) + "; and more", ReadToEnd(pair->far));
    EXPECT_EQ(0, EndOf(close));
  });
}

TEST_P(Flush, LearnsThatThePeerIsGone) {
  WithNarrowPair([](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    EXPECT_EQ(0, weir_write_string(output, kText));
    weir_job *flush = LaunchJob([output] { return weir_flush(output); });
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_connection_abort(pair->far);
    int result = EndOf(flush);
    EXPECT_TRUE(result == -ECONNRESET || result == -EPIPE) << weir_error_name(result);
    EXPECT_EQ(result, weir_flush(output)) << "it stays";
  });
}

TEST_P(Flush, EndsWithItsConnection) {
  for (bool abort : {false, true}) {
    WithNarrowPair([abort](SecurePair *pair) {
      weir_write_channel *output = weir_open_write_channel(pair->near, false);
      EXPECT_EQ(0, weir_write_string(output, kText));
      weir_job *flush = LaunchJob([output] { return weir_flush(output); });
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      weir_job *reader = LaunchJob([=] {
        std::string read = ReadToEnd(pair->far);
        EXPECT_EQ(!abort, read == kText) << read;
        return 0;
      });
      if (abort) weir_connection_abort(pair->near);
      EXPECT_EQ(abort ? -ECONNABORTED : 0, weir_connection_close(pair->near));
      EXPECT_EQ(abort ? -ECONNABORTED : WEIR_E_CLOSED, EndOf(flush));
      EXPECT_EQ(0, EndOf(reader));
      pair->near = nullptr;
    });
  }
}

// Also if there is room just when a writer is cancelled: what was sealed is on its way.
TEST_P(Flush, IsNotNeededForWhatWasSealedInACancelledCoroutine) {
  SecureWorld world(GetParam());
  for (int reads = 1; reads < 8; reads++) {
    SCOPED_TRACE(reads);
    VirtualClock clock;
    ExpectRun(clock.options(), [&] {
      weir_pipe_options narrow = {};
      narrow.capacity = 4000;
      SecurePair pair;
      EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &narrow));
      world.ShakeHands(&pair);
      const std::string text(64 * 1024, 't');
      size_t done = 0;
      weir_job *writer = LaunchJob([&] {
        return weir_write_fully(weir_open_write_channel(pair.near, false), text.data(), text.size(),
                                &done);
      });
      weir_read_channel *input = weir_open_read_channel(pair.far);
      std::string piece(text.size(), '?');
      size_t received = 0;
      for (int i = 0; i < reads; i++) {
        EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
        int result = weir_read_try(input, piece.data(), piece.size());
        if (result > 0) received += static_cast<size_t>(result);
      }
      // What the last read has woken has not run yet.
      weir_job_cancel(writer);
      EXPECT_EQ(-ECANCELED, EndOf(writer));
      weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
      int result;
      while ((result = weir_read_available(input, piece.data(), piece.size())) > 0) {
        received += static_cast<size_t>(result);
      }
      EXPECT_EQ(-ETIMEDOUT, result);
      EXPECT_TRUE(weir_timeout_end(timeout));
      EXPECT_EQ(done, received);
      for (weir_connection *connection : {pair.near, pair.far}) {
        weir_connection_abort(connection);
        weir_connection_close(connection);
      }
      return 0;
    });
  }
}

// A record that was left to auto-flush makes room for the next as soon as there is need of it.
TEST_P(Flush, IsNotNeededToWriteMuchWithoutWaiting) {
  SecureWorld world(GetParam());
  ExpectRun([&] {
    SecurePair pair = world.Connect(Wire::kTcp);
    weir_write_channel *output = weir_open_write_channel(pair.near, false);
    // The kernel has room for much more.
    const std::string text(64 * 1024, 't');
    size_t done = 0;
    int result = 1;
    while (result > 0 && done < text.size()) {
      result = weir_write_try(output, text.data() + done, text.size() - done);
      if (result > 0) done += static_cast<size_t>(result);
    }
    EXPECT_EQ(text.size(), done) << weir_error_name(result);
    weir_job *flush = LaunchJob([output] { return weir_flush(output); });
    EXPECT_EQ(std::string(done, 't'), Receive(pair.far, done));
    EXPECT_EQ(0, EndOf(flush));
    CloseSecurePair(&pair);
    return 0;
  });
}

// Where the connection below has room for several records, each has its place behind the last.
TEST_P(Flush, OfSeveralRecordsThatWaitTogether) {
  SecureWorld world(GetParam());
  ExpectRun([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    weir_write_channel_options options = {};
    options.capacity = 100000;
    EXPECT_EQ(0, weir_write_channel_configure(weir_open_write_channel(pair.near, true), &options));
    world.ShakeHands(&pair);
    std::string text;
    for (int i = 0; text.size() < 70000; i++) text += std::to_string(i) + ",";
    weir_write_channel *output = weir_open_write_channel(pair.near, true);
    EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
    weir_job *flush = LaunchJob([output] { return weir_flush(output); });
    EXPECT_EQ(text, Receive(pair.far, text.size()));
    EXPECT_EQ(0, EndOf(flush));
    CloseSecurePair(&pair);
    return 0;
  });
}

// Which has taken what it has sealed, and not what it holds.
TEST_P(Flush, WaitsForASecureConnectionBelow) {
  SecureWorld world(GetParam());
  for (bool auto_flush : {false, true}) {
    SCOPED_TRACE(auto_flush);
    WithNarrowPair([&](SecurePair *pair) {
      world.ShakeHands(pair);
      weir_write_channel *output = weir_open_write_channel(pair->near, auto_flush);
      EXPECT_EQ(0, weir_write_string(output, kText));
      EXPECT_EQ(0, weir_yield());
      weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
      EXPECT_EQ(-ETIMEDOUT, weir_flush(output));
      EXPECT_TRUE(weir_timeout_end(timeout));
      weir_job *flush = LaunchJob([output] { return weir_flush(output); });
      EXPECT_EQ(kText, Receive(pair->far, 21));
      EXPECT_EQ(0, EndOf(flush));
    });
  }
}

TEST_P(Flush, OfNothingIsDoneAtOnce) {
  WithNarrowPair([](SecurePair *pair) {
    for (weir_connection *connection : {pair->near, pair->far}) {
      EXPECT_EQ(0, FlushFor(weir_open_write_channel(connection, false), WEIR_SECOND));
    }
  });
}

}  // namespace
}  // namespace weir_testing
