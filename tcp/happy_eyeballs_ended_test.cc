// SPDX-License-Identifier: Apache-2.0
//
// Connecting by name that is ended from outside: nothing may be left, at whatever moment.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/scripted_network.h"
#include "weir/tcp.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::ScriptedNetwork;

using Log = std::vector<std::string>;

// Every moment of a race against a cancellation and a deadline in this very moment.
class Ended : public weir_testing::LeakCheckedTest {
 protected:
  // Two lookups that take a while, and attempts of which one fails, one waits and the last wins.
  static void Script(ScriptedNetwork *network) {
    network->Answer(WEIR_IPV4, 10, {"192.0.2.1", "192.0.2.2"});
    network->Answer(WEIR_IPV6, 65, {"2001:db8::1"});
    network->Peer("192.0.2.1", 40, -ECONNREFUSED);
    network->Peer("192.0.2.2", 20);
  }
  static constexpr int64_t kUntouched = 370;  // milliseconds

  // Connects in |network|; returns the error's name, or "0".
  static std::string ConnectIn(ScriptedNetwork *network) {
    weir_tcp_builder tcp = weir_tcp(weir_current_selector());
    tcp.options.connect.resolver = network->resolver();
    weir_connection *connection = nullptr;
    const int result = weir_tcp_connect(tcp, &connection, "weir.example", 80);
    EXPECT_EQ(result == 0, connection != nullptr);
    EXPECT_EQ(result == 0 ? 1 : 0, network->open_sockets());
    if (connection != nullptr) weir_connection_abort(connection);
    weir_connection_close(connection);
    return weir_error_name(result);
  }
};

TEST_F(Ended, TheScriptTakesItsTime) {
  ScriptedNetwork network;
  Script(&network);
  ExpectRun(network.options(), [&] {
    EXPECT_EQ("0", ConnectIn(&network));
    return 0;
  });
  EXPECT_EQ((Log{"0: ask IPv6", "0: ask IPv4", "60: connect 192.0.2.1", "100: close 192.0.2.1",
                 "100: connect 2001:db8::1", "350: connect 192.0.2.2", "370: close 2001:db8::1"}),
            Log(network.log().begin(), network.log().begin() + 7));
}

TEST_F(Ended, ByACancellationAtEachMillisecond) {
  for (int64_t at = 0; at < kUntouched; at++) {
    ScriptedNetwork network;
    Script(&network);
    ExpectRun(network.options(), [&] {
      weir_job *job = LaunchJob([&] {
        EXPECT_EQ("ECANCELED", ConnectIn(&network)) << at;
        EXPECT_EQ(at, network.milliseconds());
        return 0;
      });
      EXPECT_EQ(0, weir_delay(at * WEIR_MILLISECOND));
      weir_job_cancel(job);
      return EndOf(job);
    });
  }
}

TEST_F(Ended, ByADeadlineAtEachMillisecond) {
  for (int64_t at = 0; at < kUntouched; at++) {
    ScriptedNetwork network;
    Script(&network);
    ExpectRun(network.options(), [&] {
      weir_timeout timeout = weir_timeout_begin(at * WEIR_MILLISECOND);
      EXPECT_EQ("ETIMEDOUT", ConnectIn(&network)) << at;
      EXPECT_TRUE(weir_timeout_end(timeout)) << at;
      EXPECT_EQ(at, network.milliseconds());
      return 0;
    });
  }
}

// In the moment in which it ends by itself either may come first, but nothing is left.
TEST_F(Ended, InTheLastMoment) {
  for (bool by_deadline : {false, true}) {
    ScriptedNetwork network;
    Script(&network);
    ExpectRun(network.options(), [&] {
      weir_job *job = LaunchJob([&] {
        weir_timeout timeout =
            weir_timeout_begin(by_deadline ? kUntouched * WEIR_MILLISECOND : WEIR_FOREVER);
        ConnectIn(&network);
        weir_timeout_end(timeout);
        return 0;
      });
      EXPECT_EQ(0, weir_delay(kUntouched * WEIR_MILLISECOND));
      weir_job_cancel(job);
      return EndOf(job);
    });
    EXPECT_EQ(0, network.open_sockets());
  }
}

}  // namespace
