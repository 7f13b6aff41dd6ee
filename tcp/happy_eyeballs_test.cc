// SPDX-License-Identifier: Apache-2.0
//
// Connecting by name as RFC 8305 has it: each test is a script of what answers when, and the log of
// what was done, to the millisecond.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/scripted_network.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectRun;
using weir_testing::ScriptedNetwork;

using Log = std::vector<std::string>;

class HappyEyeballs : public weir_testing::LeakCheckedTest {
 protected:
  weir_tcp_builder Tcp() {
    weir_tcp_builder tcp = weir_tcp(weir_current_selector());
    tcp.options.connect = connect_;
    tcp.options.connect.resolver = network_.resolver();
    return tcp;
  }

  // Connects, expects that no socket is left but the connection's, and returns whom to or the
  // error. *at is the millisecond of the return.
  std::string Connect(const char *host = "weir.example") {
    weir_connection *connection = nullptr;
    const int result = weir_tcp_connect(Tcp(), &connection, host, 80);
    ended_ = network_.milliseconds();
    EXPECT_EQ(result == 0 ? 1 : 0, network_.open_sockets());
    if (result < 0) {
      EXPECT_EQ(nullptr, connection);
      return weir_error_name(result);
    }
    EXPECT_STREQ(host, weir_connection_host(connection));
    log_ = network_.log();
    const std::string peer = weir_remote_address(connection);
    weir_connection_abort(connection);
    weir_connection_close(connection);
    return peer;
  }

  // The same in a run of its own.
  std::string Run(const char *host = "weir.example") {
    std::string outcome;
    ExpectRun(network_.options(), [&] {
      outcome = Connect(host);
      return 0;
    });
    if (log_.empty()) log_ = network_.log();
    return outcome;
  }

  ScriptedNetwork network_;
  weir_tcp_connect_options connect_ = {};
  Log log_;  // up to the return
  int64_t ended_ = 0;
};

// Lookups (section 3)

TEST_F(HappyEyeballs, BothFamiliesAreAskedAtOnce) {
  network_.Answer(WEIR_IPV6, 10, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 10, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 5);
  EXPECT_EQ("[2001:db8::1]:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "10: connect 2001:db8::1"}), log_);
  EXPECT_EQ(15, ended_);
}

TEST_F(HappyEyeballs, Ipv6DoesNotWaitForIpv4) {
  network_.Answer(WEIR_IPV6, 10, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 3600000, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 5);
  EXPECT_EQ("[2001:db8::1]:80", Run());
  EXPECT_EQ(15, ended_);
}

TEST_F(HappyEyeballs, Ipv4WaitsForTheResolutionDelay) {
  network_.Answer(WEIR_IPV4, 10, {"192.0.2.1"});
  network_.Answer(WEIR_IPV6, 3600000, {"2001:db8::1"});
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "60: connect 192.0.2.1"}), log_);
  EXPECT_EQ(65, ended_);
}

TEST_F(HappyEyeballs, Ipv6WithinTheResolutionDelayComesFirst) {
  network_.Answer(WEIR_IPV4, 10, {"192.0.2.1"});
  network_.Answer(WEIR_IPV6, 59, {"2001:db8::1"});
  network_.Peer("2001:db8::1", 5);
  network_.Peer("192.0.2.1", 0);
  EXPECT_EQ("[2001:db8::1]:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "59: connect 2001:db8::1"}), log_);
}

TEST_F(HappyEyeballs, WithoutIpv6NothingIsWaitedFor) {
  for (int code : {static_cast<int>(WEIR_E_NAME_NOT_FOUND), static_cast<int>(WEIR_E_NAME_FAILED)}) {
    ScriptedNetwork network;
    network.Answer(WEIR_IPV4, 10, {"192.0.2.1"});
    network.Answer(WEIR_IPV6, 20, {}, code);
    network.Peer("192.0.2.1", 5);
    ExpectRun(network.options(), [&] {
      weir_tcp_builder tcp = weir_tcp(weir_current_selector());
      tcp.options.connect.resolver = network.resolver();
      weir_connection *connection = nullptr;
      EXPECT_EQ(0, weir_tcp_connect(tcp, &connection, "weir.example", 80));
      EXPECT_EQ(25, network.milliseconds());
      weir_connection_abort(connection);
      weir_connection_close(connection);
      return 0;
    });
  }
}

TEST_F(HappyEyeballs, Ipv6ThatComesLateIsStillTried) {
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1", "192.0.2.2"});
  network_.Answer(WEIR_IPV6, 100, {"2001:db8::1"});
  network_.Peer("2001:db8::1", 5);
  EXPECT_EQ("[2001:db8::1]:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "50: connect 192.0.2.1", "300: connect 2001:db8::1",
                 "305: close 192.0.2.1"}),
            log_);
}

TEST_F(HappyEyeballs, AnAnswerThatComesWhenAllHaveFailedIsTriedAtOnce) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 1000, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 20, -ECONNREFUSED);
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "0: connect 2001:db8::1", "20: close 2001:db8::1",
                 "1000: connect 192.0.2.1"}),
            log_);
}

TEST_F(HappyEyeballs, TheDelaysAreOptions) {
  connect_.resolution_delay = 7 * WEIR_MILLISECOND;
  connect_.attempt_delay = 100 * WEIR_MILLISECOND;
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1", "192.0.2.2"});
  network_.Answer(WEIR_IPV6, 3600000, {});
  network_.Peer("192.0.2.2", 5);
  EXPECT_EQ("192.0.2.2:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "7: connect 192.0.2.1", "107: connect 192.0.2.2",
                 "112: close 192.0.2.1"}),
            log_);
}

TEST_F(HappyEyeballs, ANegativeResolutionDelayIsNone) {
  connect_.resolution_delay = -1;
  network_.Answer(WEIR_IPV4, 10, {"192.0.2.1"});
  network_.Answer(WEIR_IPV6, 20, {"2001:db8::1"});
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ(15, ended_);
}

// The order (section 4)

TEST_F(HappyEyeballs, TheFamiliesTakeTurns) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1", "2001:db8::2", "2001:db8::3"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1", "192.0.2.2"});
  EXPECT_EQ("ETIMEDOUT", Run());
  EXPECT_EQ(
      (Log{"0: ask IPv6", "0: ask IPv4", "0: connect 2001:db8::1", "250: connect 192.0.2.1",
           "500: connect 2001:db8::2", "750: connect 192.0.2.2", "1000: connect 2001:db8::3"}),
      Log(log_.begin(), log_.begin() + 7));
  EXPECT_EQ(30000, ended_);
}

TEST_F(HappyEyeballs, NoMoreAddressesThanWantedAreTried) {
  connect_.addresses = 2;
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1", "2001:db8::2", "2001:db8::3"});
  for (const char *peer : {"2001:db8::1", "2001:db8::2"}) network_.Peer(peer, 1, -ECONNREFUSED);
  EXPECT_EQ("ECONNREFUSED", Run());
  EXPECT_EQ(2, ended_);
}

TEST_F(HappyEyeballs, ByDefaultEightOfAFamilyAreTried) {
  std::vector<std::string> addresses;
  for (int i = 1; i <= 9; i++) {
    addresses.push_back("192.0.2." + std::to_string(i));
    network_.Peer(addresses.back(), 1, -ECONNREFUSED);
  }
  network_.Answer(WEIR_IPV4, 0, addresses);
  EXPECT_EQ("ECONNREFUSED", Run());
  EXPECT_EQ(8, ended_);
}

// Attempts (section 5)

TEST_F(HappyEyeballs, AFailureStartsTheNextAtOnce) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 20, -ECONNREFUSED);
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "0: connect 2001:db8::1", "20: close 2001:db8::1",
                 "20: connect 192.0.2.1"}),
            log_);
  EXPECT_EQ(25, ended_);
}

TEST_F(HappyEyeballs, AFailureOfConnectItselfDoesToo) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1", "2001:db8::2"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", -1, -ENETUNREACH);
  network_.Peer("2001:db8::2", -1, -ENETUNREACH);
  network_.Peer("192.0.2.1", -1);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ(0, ended_);
}

// The latest one has its delay; that an older one fails is no reason to hurry.
TEST_F(HappyEyeballs, AFailureOfAnOlderAttemptChangesNothing) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1", "2001:db8::2"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 300, -ECONNREFUSED);
  network_.Peer("2001:db8::2", 5);
  EXPECT_EQ("[2001:db8::2]:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "0: connect 2001:db8::1", "250: connect 192.0.2.1",
                 "300: close 2001:db8::1", "500: connect 2001:db8::2", "505: close 192.0.2.1"}),
            log_);
}

TEST_F(HappyEyeballs, AnOlderAttemptMayStillWin) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 270);
  network_.Peer("192.0.2.1", 100);
  EXPECT_EQ("[2001:db8::1]:80", Run());
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "0: connect 2001:db8::1", "250: connect 192.0.2.1",
                 "270: close 192.0.2.1"}),
            log_);
}

TEST_F(HappyEyeballs, OfTwoAtTheSameMomentOneIsClosed) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 260);
  network_.Peer("192.0.2.1", 10);
  const std::string winner = Run();
  EXPECT_TRUE(winner == "[2001:db8::1]:80" || winner == "192.0.2.1:80") << winner;
  EXPECT_EQ(260, ended_);
}

TEST_F(HappyEyeballs, WithoutAnEndOfTheAttemptDelayOnlyAFailureStartsTheNext) {
  connect_.attempt_delay = WEIR_FOREVER;
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 5000, -ECONNRESET);
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  EXPECT_EQ(5005, ended_);
}

// All failing

TEST_F(HappyEyeballs, TheFirstFailureIsTold) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 20, -ECONNRESET);
  network_.Peer("192.0.2.1", 20, -ECONNREFUSED);
  EXPECT_EQ("ECONNRESET", Run());
  EXPECT_EQ(40, ended_);
}

TEST_F(HappyEyeballs, ThatThereIsNoWaySaysLess) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1", "2001:db8::2"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("192.0.2.1", 20, -ECONNREFUSED);
  for (int code : {-ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL, -EAFNOSUPPORT, -ENETDOWN}) {
    network_.Peer("2001:db8::1", 1, code);
    network_.Peer("2001:db8::2", 1, code);
    EXPECT_EQ("ECONNREFUSED", Run()) << weir_error_name(code);
  }
}

TEST_F(HappyEyeballs, ThatThereIsNoWayIsToldWhenItIsSoOfAll) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", -1, -ENETUNREACH);
  network_.Peer("192.0.2.1", -1, -EHOSTUNREACH);
  EXPECT_EQ("ENETUNREACH", Run());
}

TEST_F(HappyEyeballs, TheKernelsOwnTimeoutIsAFailureLikeOthers) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 20, -ETIMEDOUT);
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
}

TEST_F(HappyEyeballs, ANameThatNobodyKnows) {
  network_.Answer(WEIR_IPV6, 10, {}, WEIR_E_NAME_NOT_FOUND);
  network_.Answer(WEIR_IPV4, 20, {}, WEIR_E_NAME_NOT_FOUND);
  EXPECT_EQ("WEIR_E_NAME_NOT_FOUND", Run());
  EXPECT_EQ(20, ended_);
}

TEST_F(HappyEyeballs, WhyALookupFailedSaysMoreThanThatNothingWasFound) {
  network_.Answer(WEIR_IPV6, 10, {}, WEIR_E_NAME_NOT_FOUND);
  network_.Answer(WEIR_IPV4, 20, {}, WEIR_E_NAME_TRY_AGAIN);
  EXPECT_EQ("WEIR_E_NAME_TRY_AGAIN", Run());
}

TEST_F(HappyEyeballs, WhatAnAttemptSaysCountsMoreThanAFailedLookup) {
  network_.Answer(WEIR_IPV6, 0, {}, WEIR_E_NAME_TRY_AGAIN);
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("192.0.2.1", 5, -ECONNREFUSED);
  EXPECT_EQ("ECONNREFUSED", Run());
}

// TCP connects a socket to itself when it tries the very port that it was given. With Ktor on
// native targets that was a connection.
TEST_F(HappyEyeballs, AConnectionToItselfIsAFailureAndTheNextIsTried) {
  network_.Answer(WEIR_IPV6, 0, {"2001:db8::1"});
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Peer("2001:db8::1", 5);
  network_.Local("2001:db8::1", "[2001:db8::1]:80");
  network_.Peer("192.0.2.1", 5);
  EXPECT_EQ("192.0.2.1:80", Run());
  network_.Local("192.0.2.1", "192.0.2.1:80");
  EXPECT_EQ("ECONNREFUSED", Run());
}

// What needs no lookup

TEST_F(HappyEyeballs, LocalhostIsIpv4ThenIpv6) {
  network_.Peer("127.0.0.1", 1, -ECONNREFUSED);
  network_.Peer("::1", 1);
  EXPECT_EQ("[::1]:80", Run("a.localhost"));
  EXPECT_EQ((Log{"0: connect 127.0.0.1", "1: close 127.0.0.1", "1: connect ::1"}), log_);
}

TEST_F(HappyEyeballs, ANumericHostIsTriedAlone) {
  network_.Peer("192.0.2.1", 1, -ENETUNREACH);
  EXPECT_EQ("ENETUNREACH", Run("192.0.2.1"));
  EXPECT_EQ((Log{"0: connect 192.0.2.1", "1: close 192.0.2.1"}), log_);
}

// Time and cancellation

TEST_F(HappyEyeballs, TheTimeoutHoldsForLookups) {
  connect_.timeout = 2 * WEIR_SECOND;
  network_.Answer(WEIR_IPV6, 3600000, {});
  network_.Answer(WEIR_IPV4, 3600000, {});
  EXPECT_EQ("ETIMEDOUT", Run());
  EXPECT_EQ(2000, ended_);
}

TEST_F(HappyEyeballs, TheTimeoutHoldsForNumericHosts) {
  connect_.timeout = 2 * WEIR_SECOND;
  EXPECT_EQ("ETIMEDOUT", Run("192.0.2.1"));
  EXPECT_EQ(2000, ended_);
}

TEST_F(HappyEyeballs, TheTimeoutIsThirtySecondsUnlessSaidOtherwise) {
  EXPECT_EQ("ETIMEDOUT", Run("192.0.2.1"));
  EXPECT_EQ(30000, ended_);
  connect_.timeout = WEIR_FOREVER;
  network_.Peer("192.0.2.1", 3600000);
  EXPECT_EQ("192.0.2.1:80", Run("192.0.2.1"));
}

// The other family never answers, which says less than a refusal.
TEST_F(HappyEyeballs, WhenTheTimeoutPassesARefusalIsTold) {
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1", "192.0.2.2"});
  network_.Answer(WEIR_IPV6, 3600000, {});
  network_.Peer("192.0.2.1", 20, -ECONNREFUSED);
  network_.Peer("192.0.2.2", 20, -ECONNRESET);
  EXPECT_EQ("ECONNREFUSED", Run());
  EXPECT_EQ(30000, ended_);
  // Nor does an address.
  network_.Peer("192.0.2.1", 3600000);
  EXPECT_EQ("ECONNRESET", Run());
}

TEST_F(HappyEyeballs, WhenTheTimeoutPassesThatThereIsNoWayIsToldIfItIsSoOfAll) {
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1", "192.0.2.2"});
  network_.Answer(WEIR_IPV6, 3600000, {});
  network_.Peer("192.0.2.1", 20, -ENETUNREACH);
  network_.Peer("192.0.2.2", 20, -EHOSTUNREACH);
  EXPECT_EQ("ENETUNREACH", Run());
  network_.Peer("192.0.2.2", 3600000);
  EXPECT_EQ("ETIMEDOUT", Run());
}

TEST_F(HappyEyeballs, ADeadlineOfTheCallerIsToldWhateverFailed) {
  network_.Answer(WEIR_IPV4, 0, {"192.0.2.1"});
  network_.Answer(WEIR_IPV6, 3600000, {});
  network_.Peer("192.0.2.1", 20, -ECONNREFUSED);
  ExpectRun(network_.options(), [this] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ("ETIMEDOUT", Connect());
    EXPECT_TRUE(weir_timeout_end(timeout));
    return 0;
  });
}

TEST_F(HappyEyeballs, TheTimeoutIsNobodyElsesDeadline) {
  connect_.timeout = WEIR_SECOND;
  ExpectRun(network_.options(), [this] {
    weir_timeout timeout = weir_timeout_begin(3600 * WEIR_SECOND);
    EXPECT_EQ("ETIMEDOUT", Connect("192.0.2.1"));
    EXPECT_FALSE(weir_timeout_end(timeout));
    return weir_delay(1);
  });
}

TEST_F(HappyEyeballs, OptionsOutOfRangeAreRefused) {
  weir_tcp_connect_options wrong[4] = {};
  wrong[0].timeout = -1;
  wrong[1].attempt_delay = 10 * WEIR_MILLISECOND - 1;
  wrong[2].attempt_delay = -1;
  wrong[3].addresses = 65;
  for (const weir_tcp_connect_options &options : wrong) {
    connect_ = options;
    EXPECT_EQ("EINVAL", Run());
  }
  EXPECT_EQ(0u, network_.log().size());
}

}  // namespace
