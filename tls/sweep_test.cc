// SPDX-License-Identifier: Apache-2.0
//
// A whole exchange, handshake, data both ways, two ends, under all that somebody on the line can
// do: its stream ends at every byte, a bit of every byte is changed, it comes in pieces of every
// size. What arrives is always a beginning of what was sent; and who is told that it ended in peace
// got all of it.

#include <memory>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/middle.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

const char kQuestion[] = "what is the answer?";
const char kAnswer[] = "forty-two, and more of the like";

// How one side fared.
struct Outcome {
  int handshake = 0;
  int read = 0;  // WEIR_E_END_OF_STREAM: in peace
  std::string received;
};

struct Exchange {
  Outcome client;
  Outcome server;
  Middle::Direction to_client;
  Middle::Direction to_server;
};

int ReadRest(weir_connection *connection, std::string *out) {
  char byte;
  int result;
  while ((result = weir_read_available(weir_open_read_channel(connection), &byte, 1)) > 0) {
    *out += byte;
  }
  return result;
}

// Sends |text| and the end of the stream, and receives all; writing may fail.
void Talk(weir_connection **connection, const char *text, Outcome *out) {
  if (out->handshake == 0) {
    int sent = Send(*connection, text);
    if (sent == 0) sent = weir_write_channel_close(weir_open_write_channel(*connection, false));
    out->read = ReadRest(*connection, &out->received);
    EXPECT_EQ(weir_tls_last_failure(*connection)->code,
              out->read == WEIR_E_END_OF_STREAM || out->read == -EPIPE ? 0 : out->read);
  }
  weir_connection_close(*connection);
}

Exchange RunExchange(const SecureWorld &world, const Middle::Direction &to_client,
                     const Middle::Direction &to_server) {
  Exchange exchange;
  VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    Middle middle(to_client, to_server);
    weir_job *server = LaunchJob([&] {
      weir_connection *connection = middle.server();
      exchange.server.handshake = weir_tls_server(&connection, world.context());
      Talk(&connection, kAnswer, &exchange.server);
      return 0;
    });
    weir_connection *connection = middle.client();
    exchange.client.handshake = weir_tls_client(&connection, world.options());
    Talk(&connection, kQuestion, &exchange.client);
    EXPECT_EQ(0, EndOf(server));
    exchange.to_client = middle.to_client();
    exchange.to_server = middle.to_server();
    return 0;
  });
  return exchange;
}

void ExpectPrefix(const Outcome &outcome, const std::string &sent) {
  // Whatever the peer sends, that is no fault of ours.
  EXPECT_NE(WEIR_E_TLS_LIBRARY, outcome.handshake);
  EXPECT_NE(WEIR_E_TLS_LIBRARY, outcome.read);
  EXPECT_EQ(sent.substr(0, outcome.received.size()), outcome.received);
  if (outcome.handshake == 0 && outcome.read == WEIR_E_END_OF_STREAM) {
    EXPECT_EQ(sent, outcome.received);
  }
}

void ExpectWhole(const Exchange &exchange) {
  EXPECT_EQ(0, exchange.client.handshake);
  EXPECT_EQ(0, exchange.server.handshake);
  EXPECT_EQ(kAnswer, exchange.client.received);
  EXPECT_EQ(kQuestion, exchange.server.received);
  EXPECT_EQ(WEIR_E_END_OF_STREAM, exchange.client.read);
  EXPECT_EQ(WEIR_E_END_OF_STREAM, exchange.server.read);
}

class Sweep : public LeakCheckedTest, public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  void TearDown() override {
    world_.reset();
    LeakCheckedTest::TearDown();
  }
  void SetUp() override {
    LeakCheckedTest::SetUp();
    weir_tls_terms terms = {};
    terms.min_version = terms.max_version = GetParam();
    weir_tls_options_builder builder = {};
    builder.no_resumption = true;
    world_ = std::make_unique<SecureWorld>(terms, terms, builder);
  }

  const SecureWorld &world() const { return *world_; }

 private:
  std::unique_ptr<SecureWorld> world_;
};

INSTANTIATE_TEST_SUITE_P(Versions, Sweep, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? std::string("Tls12") : "Tls13";
                         });

TEST_P(Sweep, EndOfWhatTheClientGetsAtEveryByte) {
  bool was_cut = true;
  for (size_t at = 0; was_cut; at++) {
    SCOPED_TRACE(at);
    Middle::Direction to_client;
    to_client.cut_after = at;
    Exchange exchange = RunExchange(world(), to_client, {});
    was_cut = exchange.to_client.was_cut;
    ExpectPrefix(exchange.client, kAnswer);
    ExpectPrefix(exchange.server, kQuestion);
    int end = exchange.client.handshake < 0 ? exchange.client.handshake : exchange.client.read;
    EXPECT_EQ(was_cut ? WEIR_E_TLS_TRUNCATED : WEIR_E_END_OF_STREAM, end) << weir_error_name(end);
    if (!was_cut) {
      EXPECT_LT(300u, at) << "this is no exchange";
    }
    if (HasFailure()) return;
  }
}

// Tells whether |stream| ends behind a record.
bool EndsBehindARecord(const std::string &stream) {
  size_t at = 0;
  while (at + 5 <= stream.size()) {
    at += 5 + 256 * static_cast<uint8_t>(stream[at + 3]) + static_cast<uint8_t>(stream[at + 4]);
  }
  return at == stream.size();
}

// Where that is allowed, it is so between records only.
TEST_P(Sweep, EndThatIsAllowedAtEveryByte) {
  weir_tls_terms terms = {};
  terms.min_version = terms.max_version = GetParam();
  terms.allow_truncation = true;
  weir_tls_options_builder builder = {};
  builder.no_resumption = true;
  SecureWorld lenient(terms, terms, builder);
  bool was_cut = true;
  for (size_t at = 0; was_cut; at++) {
    SCOPED_TRACE(at);
    Middle::Direction to_client;
    to_client.cut_after = at;
    Exchange exchange = RunExchange(lenient, to_client, {});
    was_cut = exchange.to_client.was_cut;
    bool has_begun = exchange.client.handshake == 0;
    bool is_peace = has_begun && EndsBehindARecord(exchange.to_client.seen);
    int end = has_begun ? exchange.client.read : exchange.client.handshake;
    EXPECT_EQ(is_peace ? WEIR_E_END_OF_STREAM : WEIR_E_TLS_TRUNCATED, end) << weir_error_name(end);
    if (HasFailure()) return;
  }
}

TEST_P(Sweep, EndOfWhatTheServerGetsAtEveryByte) {
  bool was_cut = true;
  for (size_t at = 0; was_cut; at++) {
    SCOPED_TRACE(at);
    Middle::Direction to_server;
    to_server.cut_after = at;
    Exchange exchange = RunExchange(world(), {}, to_server);
    was_cut = exchange.to_server.was_cut;
    ExpectPrefix(exchange.client, kAnswer);
    ExpectPrefix(exchange.server, kQuestion);
    int end = exchange.server.handshake < 0 ? exchange.server.handshake : exchange.server.read;
    EXPECT_EQ(was_cut ? WEIR_E_TLS_TRUNCATED : WEIR_E_END_OF_STREAM, end) << weir_error_name(end);
    if (!was_cut) {
      EXPECT_LT(300u, at) << "this is no exchange";
    }
    if (HasFailure()) return;
  }
}

TEST_P(Sweep, AChangeOfEveryByte) {
  for (bool of_client : {true, false}) {
    bool was_flipped = true;
    for (size_t at = 0; was_flipped; at++) {
      SCOPED_TRACE(at);
      Middle::Direction to_client, to_server;
      (of_client ? to_client : to_server).flip_at = at;
      (of_client ? to_client : to_server).flip_mask = static_cast<uint8_t>(1 << at % 8);
      Exchange exchange = RunExchange(world(), to_client, to_server);
      was_flipped = of_client ? exchange.to_client.was_flipped : exchange.to_server.was_flipped;
      ExpectPrefix(exchange.client, kAnswer);
      ExpectPrefix(exchange.server, kQuestion);
      if (HasFailure()) return;
    }
  }
}

// Any two parts of what is sent arrive apart, both of every flight among them.
TEST_P(Sweep, EverySplitInTwo) {
  for (bool of_client : {true, false}) {
    bool was_split = true;
    for (size_t at = 1; was_split; at++) {
      SCOPED_TRACE(at);
      Middle::Direction to_client, to_server;
      (of_client ? to_client : to_server).split_at = at;
      Exchange exchange = RunExchange(world(), to_client, to_server);
      was_split = of_client ? exchange.to_client.was_split : exchange.to_server.was_split;
      ExpectWhole(exchange);
      if (!was_split) {
        EXPECT_LT(300u, at) << "this is no exchange";
      }
      if (HasFailure()) return;
    }
  }
}

TEST_P(Sweep, PiecesOfEverySize) {
  for (size_t piece : {1, 2, 3, 4, 5, 6, 7, 11, 64, 255, 1000}) {
    SCOPED_TRACE(piece);
    Middle::Direction pieces;
    pieces.piece = piece;
    ExpectWhole(RunExchange(world(), pieces, pieces));
  }
}

}  // namespace
}  // namespace weir_testing
