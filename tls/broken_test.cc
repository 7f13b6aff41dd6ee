// SPDX-License-Identifier: Apache-2.0
//
// What broke a session is told to those who read and to those who write, whoever of them, or of the
// loop's own, has come across it.

#include <algorithm>
#include <functional>

#include "testing/bare_tls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/record_forger.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

// A record that no key opens.
const std::string &BadRecord() {
  static const std::string record = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'b');
  return record;
}

void ExpectBroken(weir_connection *client, int code) {
  const std::string name = weir_error_name(code);
  for (int i = 0; i < 2; i++) {
    EXPECT_EQ("<" + name + ">", Receive(client, 1));
    int result = Send(client, "more");
    EXPECT_EQ(code, result) << weir_error_name(result);
    EXPECT_EQ(code, weir_tls_last_failure(client)->code);
  }
}

// Writes until nothing between the two takes any more.
void Fill(weir_connection *connection) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  const std::string bytes(1000, 'f');
  int result = 1;
  for (int idle = 0; idle < 3; idle++) {
    while ((result = weir_write_try(output, bytes.data(), bytes.size())) > 0) idle = 0;
    EXPECT_EQ(-EAGAIN, result) << weir_error_name(result);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
  }
}

class Broken : public LeakCheckedTest, public ::testing::WithParamInterface<Wire> {};

INSTANTIATE_TEST_SUITE_P(Wires, Broken, testing::Values(Wire::kPipe, Wire::kTcp),
                         [](const auto &test) { return NameOf(test.param); });

TEST_P(Broken, FoundByAReader) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
  });
}

TEST_P(Broken, ByAWishToBeginAnew) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    const std::string hello_request(4, '\0');
    EXPECT_EQ(0, Send(server->connection(), server->Seal(kHandshakeRecord, hello_request)));
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
    EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, weir_tls_last_failure(client)->alert);
  });
}

TEST_P(Broken, FoundByAWriter) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, Send(client, "x"));
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
  });
}

// Whoever comes across it, and however long the connection stays open.
TEST_P(Broken, ThePeerIsToldByAWriter) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, Send(client, "x"));
    std::string byte;
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(-1, server->bare()->Read(&byte, 1));
    EXPECT_FALSE(weir_timeout_end(timeout));
    EXPECT_EQ(SSL_AD_BAD_RECORD_MAC, server->bare()->alert());
  });
}

// The one warning of TLS 1.3 that there is beside close_notify.
TEST_P(Broken, NotByAWarning) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    const std::string warning = {1, SSL_AD_USER_CANCELLED};
    weir_write_channel *output = weir_open_write_channel(server->connection(), false);
    EXPECT_EQ(0, Send(server->connection(), server->Seal(kAlertRecord, warning)));
    EXPECT_EQ(0, Send(server->connection(), server->Seal(kDataRecord, "and on")));
    EXPECT_EQ("and on", Receive(client, 6));
    EXPECT_EQ(0, weir_write_channel_close(output));
    EXPECT_EQ("<WEIR_E_TLS_TRUNCATED>", Receive(client, 1));
    EXPECT_EQ(-1, weir_tls_last_failure(client)->alert) << weir_tls_last_failure(client)->text;
  });
}

TEST_P(Broken, FoundByAutoFlush) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(client, true), "x"));
    EXPECT_EQ(0, weir_yield());
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
  });
}

TEST_P(Broken, FoundByTheLoopThatSends) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    Fill(client);
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    // Room for the loop to go on, which looks at what came first.
    weir_read_channel *input = weir_open_read_channel(server->connection());
    weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
    int result = weir_read_discard(input, UINT64_MAX, nullptr);
    EXPECT_EQ(-ETIMEDOUT, result) << weir_error_name(result);
    weir_timeout_end(timeout);
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
  });
}

TEST_P(Broken, AnAlertThatTheLoopCameAcross) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(1, SSL_send_fatal_alert(server->bare()->ssl(), SSL_AD_ACCESS_DENIED));
    EXPECT_EQ(-1, server->bare()->Write("delivers the alert, and fails"));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(client, true), "x"));
    EXPECT_EQ(0, weir_yield());
    ExpectBroken(client, WEIR_E_TLS_ALERT);
    EXPECT_EQ(SSL_AD_ACCESS_DENIED, weir_tls_last_failure(client)->alert);
  });
}

// The end is told only to those who read, and only behind what came before it.
TEST_P(Broken, WhatCameBeforeIsReadFirst) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), server->Seal(kDataRecord, "before") + BadRecord()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(client, true), "x"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("before", Receive(client, 6));
    ExpectBroken(client, WEIR_E_TLS_PROTOCOL);
  });
}

// Breaks the session while |operation| waits, however long the peer keeps the connection open.
void ExpectTold(ForgingServer *server, weir_connection *client,
                const std::function<int()> &operation) {
  int result = 0;
  weir_job *job = LaunchJob([&] {
    result = operation();
    return 0;
  });
  EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
  EXPECT_EQ(0, Send(server->connection(), BadRecord()));
  EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 1));
  EXPECT_EQ(0, EndOf(job));
  EXPECT_EQ(WEIR_E_TLS_PROTOCOL, result) << weir_error_name(result);
}

// Of the stream, which nobody lets end.
void ExpectCloseIsTold(ForgingServer *server, weir_connection *client) {
  ExpectTold(server, client,
             [&] { return weir_write_channel_close(weir_open_write_channel(client, true)); });
}

TEST_P(Broken, AWriterThatWaitsForRoomIsTold) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    Fill(client);
    ExpectTold(server, client, [&] { return Send(client, std::string(100000, 'w')); });
  });
}

TEST_P(Broken, ACloseOfTheStreamThatWaitsToWriteIsTold) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    Fill(client);
    ExpectCloseIsTold(server, client);
  });
}

// Of the record's length, too little room is left below for close_notify.
TEST(BrokenAndNarrow, ACloseOfTheStreamThatWaitsForRoomIsTold) {
  RunWithForgingServer(Wire::kNarrowPipe, [](ForgingServer *server, weir_connection *client) {
    const std::string record(16 * 1024, 'r');
    EXPECT_EQ(0, weir_write_fully(weir_open_write_channel(client, true), record.data(),
                                  record.size(), nullptr));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    ExpectCloseIsTold(server, client);
  });
}

TEST(BrokenAndNarrow, ACloseOfTheStreamThatWaitsForTheEndToLeaveIsTold) {
  RunWithForgingServer(Wire::kNarrowPipe, [](ForgingServer *server, weir_connection *client) {
    const std::string line(100, 'l');
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(client, true), line.c_str()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    ExpectCloseIsTold(server, client);
  });
}

// What is written before the alert leaves before it, however much of it waits.
TEST_P(Broken, ThePeerIsToldAlthoughThereWasNoRoom) {
  SecureWorld world;
  VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    weir_connection *client = nullptr;
    ForgingServer server(world, GetParam(), &client);
    Fill(client);
    weir_job *writer = LaunchJob([client] {
      EXPECT_GT(0, Send(client, std::string(100000, 'w')));
      return 0;
    });
    EXPECT_EQ(0, Send(server.connection(), BadRecord()));
    EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 1));
    weir_job *reader = LaunchJob([&server] {
      std::string byte;
      while (server.bare()->Read(&byte, 1) == 0) byte.clear();
      EXPECT_EQ(SSL_AD_BAD_RECORD_MAC, server.bare()->alert()) << server.bare()->reason();
      return 0;
    });
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_connection_close(client));
    EXPECT_EQ(0, EndOf(writer));
    EXPECT_EQ(0, EndOf(reader));
    return 0;
  });
}

// Nobody waits for a peer to read the alert any more.
TEST(BrokenAndAborted, IsClosedAtOnce) {
  VirtualClock clock;
  SecureWorld world;
  ExpectRun(clock.options(), [&] {
    weir_connection *client = nullptr;
    ForgingServer server(world, Wire::kTcp, &client);
    EXPECT_EQ(0, Send(server.connection(), BadRecord()));
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(client, true), "x"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 1));
    weir_connection_abort(client);
    int64_t begin = clock.now();
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(client));
    EXPECT_EQ(begin, clock.now());
    return 0;
  });
}

// Who was told why has a second to read it, and no longer than a close may take.
TEST(BrokenAndTold, IsClosedWithinASecond) {
  for (int64_t timeout : {5 * WEIR_SECOND, 100 * WEIR_MILLISECOND, int64_t{0}}) {
    SCOPED_TRACE(timeout);
    VirtualClock clock;
    SecureWorld world;
    ExpectRun(clock.options(), [&] {
      weir_connection *client = nullptr;
      ForgingServer server(world, Wire::kTcp, &client);
      EXPECT_EQ(0, Send(server.connection(), BadRecord()));
      EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 1));
      weir_connection_set_close_timeout(client, timeout);
      int64_t begin = clock.now();
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_connection_close(client));
      EXPECT_EQ(std::min<int64_t>(timeout, WEIR_SECOND), clock.now() - begin);
      return 0;
    });
  }
}

TEST_P(Broken, AnAbortStaysAnAbort) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), BadRecord()));
    weir_connection_abort(client);
    EXPECT_EQ("<ECONNABORTED>", Receive(client, 1));
    EXPECT_EQ(-ECONNABORTED, Send(client, "more"));
  });
}

}  // namespace
}  // namespace weir_testing
