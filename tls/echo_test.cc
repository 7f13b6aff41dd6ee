// SPDX-License-Identifier: Apache-2.0
//
// Secure connections do what connections do: both ways, in lines, in bulk, and to their ends.

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"

namespace weir_testing {
namespace {

class Echo : public LeakCheckedTest, public ::testing::WithParamInterface<SecureKind> {
 protected:
  // Runs |body| with a secure pair, and closes what it leaves.
  void WithPair(const std::function<void(SecurePair *)> &body) {
    SecureWorld world(GetParam().version);
    ExpectRun([&] {
      SecurePair pair = world.Connect(GetParam().wire);
      body(&pair);
      if (pair.near != nullptr) CloseSecurePair(&pair);
      return 0;
    });
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, Echo, testing::ValuesIn(AllSecureKinds()), SecureKindName);

TEST_P(Echo, LinesGoBothWays) {
  WithPair([](SecurePair *pair) {
    for (weir_connection *from : {pair->near, pair->far}) {
      weir_connection *to = from == pair->near ? pair->far : pair->near;
      EXPECT_EQ(0, Send(from, "hello\r\nsecret world\n"));
      weir_bytes line;
      EXPECT_EQ(0, weir_read_utf8_line(weir_open_read_channel(to), &line));
      EXPECT_EQ("hello", std::string(line.data, line.size));
      EXPECT_EQ(0, weir_read_utf8_line(weir_open_read_channel(to), &line));
      EXPECT_EQ("secret world", std::string(line.data, line.size));
    }
  });
}

TEST_P(Echo, AutoFlushSendsWhatIsWritten) {
  WithPair([](SecurePair *pair) {
    weir_write_channel *output = weir_open_write_channel(pair->near, true);
    EXPECT_EQ(0, weir_write_string(output, "a"));
    EXPECT_EQ(0, weir_write_string(output, "b"));
    EXPECT_EQ("ab", Receive(pair->far, 2));
  });
}

TEST_P(Echo, HalfCloseFromEitherSide) {
  for (bool client_first : {true, false}) {
    WithPair([client_first](SecurePair *pair) {
      weir_connection *first = client_first ? pair->near : pair->far;
      weir_connection *second = client_first ? pair->far : pair->near;
      EXPECT_EQ(0, Send(first, "request"));
      EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(first, false)));
      EXPECT_EQ("request", ReadToEnd(second));
      EXPECT_EQ(0, Send(second, "answer"));
      EXPECT_EQ("answer", Receive(first, 6));
      EXPECT_EQ(WEIR_E_CLOSED, Send(first, "more"));
      EXPECT_EQ(0, Send(second, "and more"));
      EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(second, false)));
      EXPECT_EQ("and more", ReadToEnd(first));
    });
  }
}

TEST_P(Echo, ACloseDeliversEverything) {
  WithPair([](SecurePair *pair) {
    std::string text(100000, 'x');
    weir_job *close = LaunchJob([pair, &text] {
      weir_write_channel *output = weir_open_write_channel(pair->near, false);
      EXPECT_EQ(0, weir_write_fully(output, text.data(), text.size(), nullptr));
      return weir_connection_close(pair->near);
    });
    EXPECT_EQ(text, ReadToEnd(pair->far));
    EXPECT_EQ(0, weir_connection_close(pair->far));
    EXPECT_EQ(0, EndOf(close));
    pair->near = nullptr;
  });
}

TEST_P(Echo, TheConnectionKeepsItsAddresses) {
  SecureWorld world(GetParam().version);
  ExpectRun([&] {
    SecurePair pair = MakeWire(GetParam().wire);
    std::string local = weir_local_address(pair.near), remote = weir_remote_address(pair.near);
    world.ShakeHands(&pair);
    EXPECT_EQ(local, weir_local_address(pair.near));
    EXPECT_EQ(remote, weir_remote_address(pair.near));
    CloseSecurePair(&pair);
    return 0;
  });
}

TEST_P(Echo, WhatTheSessionIs) {
  WithPair([](SecurePair *pair) {
    weir_tls_information near, far;
    EXPECT_EQ(0, weir_tls_get_information(pair->near, &near));
    EXPECT_EQ(0, weir_tls_get_information(pair->far, &far));
    EXPECT_EQ(GetParam().version, near.version);
    EXPECT_EQ(GetParam().version, far.version);
    EXPECT_STREQ(near.cipher_suite, far.cipher_suite);
    // With a newer BoringSSL and TLS 1.3 it is X25519MLKEM768.
    EXPECT_EQ("X25519", std::string(near.group).substr(0, 6));
    EXPECT_STREQ(near.group, far.group);
    EXPECT_STREQ(kServerName, near.server_name);
    EXPECT_STREQ(kServerName, far.server_name);
    EXPECT_FALSE(near.is_server);
    EXPECT_TRUE(far.is_server);
    EXPECT_EQ(nullptr, near.protocol);
    EXPECT_EQ(2u, near.peer_chain_size);
    EXPECT_EQ(0u, far.peer_chain_size);
    EXPECT_GT(weir_tls_peer_certificate(pair->near, 1).size, 100u);
    EXPECT_EQ(0u, weir_tls_peer_certificate(pair->near, 2).size);
    EXPECT_EQ(0, weir_tls_last_failure(pair->near)->code);
  });
}

}  // namespace
}  // namespace weir_testing
