// SPDX-License-Identifier: Apache-2.0
//
// How secure streams end: in peace, cut off, or broken; and what each end gets to know.

#include "testing/bare_tls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/middle.h"
#include "testing/secure_pair.h"
#include "testing/tcp_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

class Ending : public LeakCheckedTest, public ::testing::WithParamInterface<SecureKind> {
 protected:
  void WithPair(const std::function<void(SecurePair *)> &body) {
    SecureWorld world(GetParam().version);
    ExpectRun(clock_.options(), [&] {
      SecurePair pair = world.Connect(GetParam().wire);
      body(&pair);
      for (weir_connection *connection : {pair.near, pair.far}) {
        if (connection == nullptr) continue;
        weir_connection_abort(connection);
        weir_connection_close(connection);
      }
      return 0;
    });
  }

  int64_t now() const { return clock_.now(); }

  VirtualClock clock_;
};

class HalfClose : public LeakCheckedTest {
 protected:
  // Connects over a pipe that holds less than a record, and writes what does not leave at once.
  // |nested| makes the secure connection secure again.
  static SecurePair ConnectAndWrite(SecureWorld *world, const std::string &text,
                                    bool nested = false) {
    SecurePair pair = world->Connect(Wire::kNarrowPipe);
    if (nested) world->ShakeHands(&pair);
    weir_write_channel *output = weir_open_write_channel(pair.near, false);
    EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
    return pair;
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, Ending, testing::ValuesIn(AllSecureKinds()), SecureKindName);

TEST_P(Ending, AnAbortIsNoEndInPeace) {
  WithPair([](SecurePair *pair) {
    EXPECT_EQ(0, Send(pair->far, "half a senten"));
    EXPECT_EQ("half", Receive(pair->near, 4));
    weir_connection_abort(pair->far);
    EXPECT_EQ(-ECONNABORTED, Send(pair->far, "x"));
    std::string rest = ReadToEnd(pair->near);
    EXPECT_NE(std::string::npos, rest.find('<')) << rest;
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair->far));
    pair->far = nullptr;
  });
}

TEST_P(Ending, ACancelledStreamIsNoEndInPeace) {
  WithPair([](SecurePair *pair) {
    EXPECT_EQ(0, Send(pair->near, "half a senten"));
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    weir_write_channel_cancel(output, -EIO);
    EXPECT_EQ(-EIO, weir_write_string(output, "x"));
    std::string rest = ReadToEnd(pair->far);
    EXPECT_NE(std::string::npos, rest.find('<')) << rest;
  });
}

TEST_P(Ending, ACloseWaitsForThePeerNoLongerThanItsTimeout) {
  WithPair([this](SecurePair *pair) {
    int64_t begin = now();
    weir_connection_set_close_timeout(pair->near, 3 * WEIR_SECOND);
    EXPECT_EQ(0, weir_connection_close(pair->near));
    pair->near = nullptr;
    // Nobody waits for the other end of a pipe.
    EXPECT_EQ(GetParam().wire == Wire::kPipe ? 0 : 3 * WEIR_SECOND, now() - begin);
    EXPECT_EQ("", ReadToEnd(pair->far));
  });
}

// Also for what waits in the connection below, whose own timeout is another one.
TEST_P(Ending, ACloseTakesAsLongAsItMayToSendWhatWasWritten) {
  WithPair([](SecurePair *pair) {
    weir_connection *near = pair->near;
    pair->near = nullptr;
    weir_connection_set_close_timeout(near, 60 * WEIR_SECOND);
    // More than anything between the two holds.
    const std::string much(16 << 20, 'm');
    size_t done = 0;
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_write_fully(weir_open_write_channel(near, false), much.data(),
                                           much.size(), &done));
    weir_timeout_end(timeout);
    weir_job *closing = LaunchJob([near] { return weir_connection_close(near); });
    EXPECT_EQ(0, weir_delay(30 * WEIR_SECOND));
    EXPECT_EQ(done, ReadToEnd(pair->far).size());
    EXPECT_EQ(0, weir_connection_close(pair->far));
    pair->far = nullptr;
    EXPECT_EQ(0, EndOf(closing));
  });
}

TEST_P(Ending, ACloseThatCannotSendEverythingSaysSo) {
  WithPair([this](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, true);
    std::string much(64 * 1024, 'm');
    int result = 0;
    while (result == 0) {
      weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
      result = weir_write_fully(output, much.data(), much.size(), nullptr);
      weir_timeout_end(timeout);
    }
    EXPECT_EQ(-ETIMEDOUT, result);
    int64_t begin = now();
    EXPECT_EQ(-ETIMEDOUT, weir_connection_close(pair->near));
    EXPECT_EQ(5 * WEIR_SECOND, now() - begin);
    pair->near = nullptr;
    std::string rest = ReadToEnd(pair->far);
    EXPECT_NE(std::string::npos, rest.find('<')) << "does not look complete";
  });
}

TEST_P(Ending, ACloseInACancelledCoroutineReturnsAtOnce) {
  WithPair([](SecurePair *pair) {
    weir_job *closer = LaunchJob([pair] {
      EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
      weir_write_channel *output = weir_open_write_channel(pair->near, false);
      EXPECT_EQ(-ECANCELED, weir_write_string(output, "too late"));
      int result = weir_connection_close(pair->near);
      EXPECT_TRUE(result == -ECANCELED || result == 0) << weir_error_name(result);
      return 0;
    });
    weir_write_channel *output = weir_open_write_channel(pair->near, false);
    EXPECT_EQ(0, weir_write_string(output, "in time"));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(closer);
    EXPECT_EQ(0, EndOf(closer));
    pair->near = nullptr;
    EXPECT_EQ("in time", ReadToEnd(pair->far)) << "the loop has sent it, and close_notify";
  });
}

// Also when a reader has to leave first, so that the time of the connection above is up a moment
// before that of the one below.
TEST_F(HalfClose, ACloseWhoseTimeIsUpSaysSoWhereThereWasAReader) {
  VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    SecureWorld world;
    SecurePair pair = world.Connect(Wire::kNarrowPipe);
    weir_job *reader = LaunchJob([&pair] {
      char byte;
      return weir_read_available(weir_open_read_channel(pair.near), &byte, 1);
    });
    const std::string text(1000, 't');
    weir_write_channel *output = weir_open_write_channel(pair.near, true);
    EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    weir_job *tick = LaunchJob([&clock] {
      clock.Advance(1);
      return 0;
    });
    EXPECT_EQ(-ETIMEDOUT, weir_connection_close(pair.near));
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(reader));
    EXPECT_EQ(0, EndOf(tick));
    std::string rest = ReadToEnd(pair.far);
    EXPECT_NE(std::string::npos, rest.find('<')) << "does not look complete";
    weir_connection_close(pair.far);
    return 0;
  });
}

// Once close_notify is sealed it will be sent, whoever waits for it: the stream has ended.
TEST_F(HalfClose, ThatIsCancelledWhileItsEndIsOnItsWayHasHappened) {
  ExpectRun([&] {
    SecureWorld world;
    const std::string text(4000, 't');
    SecurePair pair = ConnectAndWrite(&world, text);
    weir_write_channel *output = weir_open_write_channel(pair.near, false);
    weir_job *closer = LaunchJob([output] { return weir_write_channel_close(output); });
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    weir_job_cancel(closer);
    EXPECT_EQ(0, EndOf(closer));
    EXPECT_EQ(WEIR_E_CLOSED, Send(pair.near, "more"));
    EXPECT_EQ(text, ReadToEnd(pair.far));
    weir_job *answer = LaunchJob([&pair] { return Send(pair.far, "answer"); });
    EXPECT_EQ("answer", Receive(pair.near, 6));
    EXPECT_EQ(0, EndOf(answer));
    CloseSecurePair(&pair);
    return 0;
  });
}

TEST_F(HalfClose, ThatRunsOutOfTimeWhileItsEndIsOnItsWayHasHappened) {
  ExpectRun([&] {
    SecureWorld world;
    SecurePair pair = world.Connect(Wire::kNarrowPipe);
    const std::string text(4000, 't');
    weir_write_channel *output = weir_open_write_channel(pair.near, false);
    EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(0, weir_write_channel_close(output));
    EXPECT_FALSE(weir_timeout_end(timeout)) << "nothing was ended by it";
    EXPECT_EQ(text, ReadToEnd(pair.far));
    CloseSecurePair(&pair);
    return 0;
  });
}

// That a peer is gone is forgiven only if it has got everything.
TEST_F(HalfClose, WhatWasLostIsNoSuccess) {
  for (auto [half, nested] : {std::pair(false, false), std::pair(true, false),
                              std::pair(false, true), std::pair(true, true)}) {
    SCOPED_TRACE(std::string(half ? "half" : "all") + (nested ? ", twice secure" : ""));
    ExpectRun([&, half = half, nested = nested] {
      SecureWorld world;
      SecurePair pair = ConnectAndWrite(&world, std::string(4000, 't'), nested);
      weir_write_channel *output = weir_open_write_channel(pair.near, false);
      weir_job *closer = LaunchJob([&] {
        return half ? weir_write_channel_close(output) : weir_connection_close(pair.near);
      });
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      weir_connection_abort(pair.far);
      int result = EndOf(closer);
      EXPECT_TRUE(result == -ECONNRESET || result == -EPIPE) << weir_error_name(result);
      if (half) weir_connection_close(pair.near);
      weir_connection_close(pair.far);
      return 0;
    });
  }
}

// A peer that leaves does so behind what was flushed before, and without what was not.
TEST_F(HalfClose, WhatWasFlushedWasNotLost) {
  for (bool flushed : {false, true}) {
    SCOPED_TRACE(flushed ? "flushed" : "written");
    ExpectRun([&] {
      SecureWorld world;
      SecurePair pair = world.Connect(Wire::kPipe);
      weir_write_channel *output = weir_open_write_channel(pair.near, false);
      if (!flushed) weir_connection_abort(pair.far);
      EXPECT_EQ(0, weir_write_string(output, "lost"));
      if (flushed) {
        EXPECT_EQ(0, weir_flush(output));
        weir_connection_abort(pair.far);
      }
      int result = weir_connection_close(pair.near);
      bool is_gone = result == -ECONNRESET || result == -EPIPE;
      EXPECT_TRUE(flushed ? result == 0 : is_gone) << weir_error_name(result);
      weir_connection_close(pair.far);
      return 0;
    });
  }
}

TEST_P(Ending, BothCloseAtOnce) {
  WithPair([](SecurePair *pair) {
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(pair->near, false), "never read"));
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(pair->far, false), "nor this"));
    weir_job *far = LaunchJob([pair] { return weir_connection_close(pair->far); });
    int near = weir_connection_close(pair->near);
    EXPECT_TRUE(near == 0 || near == -EPIPE) << weir_error_name(near);
    int result = EndOf(far);
    EXPECT_TRUE(result == 0 || result == -EPIPE) << weir_error_name(result);
    pair->near = pair->far = nullptr;
  });
}

TEST_P(Ending, ReadingCanBeGivenUp) {
  WithPair([](SecurePair *pair) {
    weir_read_channel *input = weir_open_read_channel(pair->near);
    EXPECT_EQ(0, Send(pair->far, "unread"));
    weir_read_channel_cancel(input, -EIO);
    char byte;
    EXPECT_EQ(-EIO, weir_read_available(input, &byte, 1));
    EXPECT_EQ(0, Send(pair->near, "writing goes on"));
    EXPECT_EQ("writing goes on", Receive(pair->far, 15));
  });
}

// Truncation: the line ends, and nobody has said so.
class Truncation : public LeakCheckedTest, public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  // What a client reads of |text| when the server's stream ends behind it without close_notify.
  std::string ReadCutOff(const std::string &text, bool allow_truncation) {
    weir_tls_terms terms = {};
    terms.min_version = terms.max_version = GetParam();
    terms.allow_truncation = allow_truncation;
    SecureWorld world(terms, terms);
    std::string received;
    ExpectRun([&] {
      SecurePair pair = MakeWire(Wire::kPipe);
      BareTlsOptions options;
      Credential credential = SecureWorld::authority().Make(Defect::kNone, Role::kServer);
      options.is_server = true;
      options.credential = &credential;
      BareTls server(pair.far, options);
      weir_job *job = LaunchJob([&] {
        EXPECT_EQ(0, server.Handshake());
        EXPECT_EQ(0, server.Write(text));
        return weir_write_channel_close(weir_open_write_channel(pair.far, false));
      });
      EXPECT_EQ(0, weir_tls_client(&pair.near, world.options()));
      received = ReadToEnd(pair.near);
      EXPECT_EQ(0, EndOf(job));
      code_ = weir_tls_last_failure(pair.near)->code;
      EXPECT_EQ(received, text + ReadToEnd(pair.near)) << "the same again";
      EXPECT_EQ(0, Send(pair.near, "writing goes on"));
      weir_connection_close(pair.near);
      return 0;
    });
    return received;
  }

  int code_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Versions, Truncation, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? std::string("Tls12") : "Tls13";
                         });

TEST_P(Truncation, IsAnErrorBehindAllThatCame) {
  EXPECT_EQ("some<WEIR_E_TLS_TRUNCATED>", ReadCutOff("some", false));
  EXPECT_EQ(WEIR_E_TLS_TRUNCATED, code_);
  EXPECT_EQ(std::string(100000, 'x') + "<WEIR_E_TLS_TRUNCATED>",
            ReadCutOff(std::string(100000, 'x'), false));
}

TEST_P(Truncation, IsAnEndInPeaceIfAllowed) { EXPECT_EQ("some", ReadCutOff("some", true)); }

}  // namespace
}  // namespace weir_testing
