// SPDX-License-Identifier: Apache-2.0
//
// Peers that send much and say nothing: the reader's deadline holds, others have their turns, and
// memory does not grow.

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/record_forger.h"
#include "testing/secure_pair.h"

namespace weir_testing {
namespace {

class Flood : public LeakCheckedTest, public ::testing::WithParamInterface<Wire> {};

INSTANTIATE_TEST_SUITE_P(Wires, Flood, testing::Values(Wire::kPipe, Wire::kTcp),
                         [](const auto &test) { return NameOf(test.param); });

// Returns what |result| is, as a text.
std::string Name(int result) { return weir_error_name(result); }

TEST_P(Flood, TicketsComeToAnEnd) {
  RunWithForgingServer(GetParam(), [this](ForgingServer *server, weir_connection *client) {
    std::string flood;
    for (int i = 0; i < 3000; i++) {
      flood += server->Seal(kHandshakeRecord, NewSessionTicket(static_cast<uint8_t>(i)));
    }
    flood += server->Seal(kDataRecord, "at last");
    allocator().ResetPeak();
    long before = allocator().block_bytes();
    weir_job *sender = LaunchJob([&] { return Send(server->connection(), flood); });
    EXPECT_EQ("at last", Receive(client, 7));
    EXPECT_EQ(0, EndOf(sender));
    // Buffers of both ends, and the sessions that are kept.
    EXPECT_LT(allocator().peak_block_bytes() - before, 512 * 1024);
  });
}

// A peer that never ends it.
TEST_P(Flood, AnEndlessOneEndsAtTheDeadline) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    bool stop = false;
    int turns = 0;
    weir_job *sender = LaunchJob([&] {
      int result = 0;
      for (int i = 0; !stop && result == 0; i++) {
        std::string record =
            server->Seal(kHandshakeRecord, NewSessionTicket(static_cast<uint8_t>(i)));
        result = Send(server->connection(), record);
      }
      return 0;
    });
    weir_job *other = LaunchJob([&] {
      while (!stop) {
        turns++;
        EXPECT_EQ(0, weir_yield());
      }
      return 0;
    });
    char byte;
    weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
    int64_t begin = weir_now();
    int result = weir_read_available(weir_open_read_channel(client), &byte, 1);
    EXPECT_EQ(-ETIMEDOUT, result) << Name(result);
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_LT(weir_now() - begin, 2 * WEIR_SECOND);
    stop = true;
    EXPECT_LT(10, turns);
    weir_connection_abort(client);
    EXPECT_EQ(0, EndOf(sender));
    EXPECT_EQ(0, EndOf(other));
  });
}

TEST_P(Flood, EmptyRecordsAreRefused) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    std::string flood;
    for (int i = 0; i < 100; i++) flood += server->Seal(kDataRecord, "");
    flood += server->Seal(kDataRecord, "too late");
    weir_job *sender = LaunchJob([&] { return Send(server->connection(), flood), 0; });
    EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 8));
    EXPECT_STREQ("TOO_MANY_EMPTY_FRAGMENTS", weir_tls_last_failure(client)->reason);
    EXPECT_EQ(0, EndOf(sender));
  });
}

TEST_P(Flood, WishesForNewKeysAreRefused) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    int result = 0;
    for (int i = 0; i < 40 && result == 0; i++) {
      EXPECT_EQ(1, SSL_key_update(server->bare()->ssl(), SSL_KEY_UPDATE_REQUESTED));
      char none = 0;
      // Sends nothing but the message.
      SSL_write(server->bare()->ssl(), &none, 0);
    }
    weir_job *sender = LaunchJob([&] { return server->bare()->Write("too late"), 0; });
    EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 8));
    EXPECT_STREQ("TOO_MANY_KEY_UPDATES", weir_tls_last_failure(client)->reason);
    EXPECT_EQ(0, EndOf(sender));
  });
}

// The alert goes out with whatever the client does next.
TEST_P(Flood, TheServerIsToldWhy) {
  RunWithForgingServer(GetParam(), [](ForgingServer *server, weir_connection *client) {
    EXPECT_EQ(0, Send(server->connection(), server->Seal(99, "what is this?")));
    EXPECT_EQ("<WEIR_E_TLS_PROTOCOL>", Receive(client, 1));
    std::string none;
    EXPECT_EQ(-1, server->bare()->Read(&none, 1));
    EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, server->bare()->alert());
    EXPECT_EQ(SSL_AD_UNEXPECTED_MESSAGE, weir_tls_last_failure(client)->alert);
  });
}

}  // namespace
}  // namespace weir_testing
