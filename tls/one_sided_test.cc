// SPDX-License-Identifier: Apache-2.0
//
// Those who only write see what their peer has to say of the connection, and those who only read
// send what they have to; keys are replaced in time.

#include "testing/bare_tls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"

namespace weir_testing {
namespace {

constexpr uint16_t kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// A client of ours and a server of bare BoringSSL.
class OneSided : public LeakCheckedTest {
 protected:
  void WithBareServer(const SecureWorld &world, uint16_t version,
                      const std::function<void(weir_connection *, BareTls *)> &body) {
    static const Credential credential =
        SecureWorld::authority().Make(Defect::kNone, Role::kServer);
    ExpectRun([&] {
      SecurePair pair = MakeWire(Wire::kTcp);
      BareTlsOptions options;
      options.is_server = true;
      options.credential = &credential;
      options.min_version = options.max_version = version;
      {
        BareTls server(pair.far, options);
        weir_job *job = LaunchJob([&] { return server.Handshake(); });
        EXPECT_EQ(0, weir_tls_client(&pair.near, world.options())) << LastTlsFailure();
        EXPECT_EQ(0, EndOf(job));
        body(pair.near, &server);
        weir_connection_abort(pair.near);
      }
      weir_connection_close(pair.near);
      return 0;
    });
  }
};

std::string ReadBare(BareTls *peer, size_t size) {
  std::string out;
  EXPECT_EQ(0, peer->Read(&out, size)) << peer->reason();
  return out;
}

// Waits until what the peer has sent is there, without reading it.
void AwaitDelivery() { EXPECT_EQ(0, weir_delay(2 * WEIR_MILLISECOND)); }

TEST_F(OneSided, AWriterAnswersAWishForNewKeys) {
  SecureWorld world;
  WithBareServer(world, TLS1_3_VERSION, [](weir_connection *client, BareTls *server) {
    for (int i = 0; i < 10; i++) EXPECT_EQ(0, Send(client, "x"));
    EXPECT_EQ("xxxxxxxxxx", ReadBare(server, 10));
    EXPECT_EQ(10u, SSL_get_read_sequence(server->ssl()));
    EXPECT_EQ(1, SSL_key_update(server->ssl(), SSL_KEY_UPDATE_REQUESTED));
    EXPECT_EQ(0, server->Write("and this"));
    AwaitDelivery();
    EXPECT_EQ(0, Send(client, "y"));
    EXPECT_EQ("y", ReadBare(server, 1));
    EXPECT_EQ(1u, SSL_get_read_sequence(server->ssl())) << "under new keys";
    EXPECT_EQ("and this", Receive(client, 8)) << "is still to be read";
  });
}

TEST_F(OneSided, AWriterLearnsOfAnAlert) {
  SecureWorld world;
  for (uint16_t version : kVersions) {
    WithBareServer(world, version, [](weir_connection *client, BareTls *server) {
      EXPECT_EQ(0, Send(client, "x"));
      EXPECT_EQ(1, SSL_send_fatal_alert(server->ssl(), SSL_AD_ACCESS_DENIED));
      EXPECT_EQ(-1, server->Write("delivers the alert, and fails"));
      AwaitDelivery();
      EXPECT_EQ(WEIR_E_TLS_ALERT, Send(client, "y"));
      EXPECT_EQ(SSL_AD_ACCESS_DENIED, weir_tls_last_failure(client)->alert);
      EXPECT_EQ("<WEIR_E_TLS_ALERT>", Receive(client, 1));
    });
  }
}

// In a handshake this alert says that there is no version in common; now it says nothing of ours.
TEST_F(OneSided, AnAlertAfterTheHandshakeIsJustAnAlert) {
  SecureWorld world;
  for (int alert :
       {SSL_AD_PROTOCOL_VERSION, SSL_AD_INSUFFICIENT_SECURITY, SSL_AD_NO_APPLICATION_PROTOCOL}) {
    for (uint16_t version : kVersions) {
      WithBareServer(world, version, [alert](weir_connection *client, BareTls *server) {
        EXPECT_EQ(1, SSL_send_fatal_alert(server->ssl(), static_cast<uint8_t>(alert)));
        EXPECT_EQ(-1, server->Write("delivers the alert, and fails"));
        EXPECT_EQ("<WEIR_E_TLS_ALERT>", Receive(client, 1));
        EXPECT_EQ(alert, weir_tls_last_failure(client)->alert);
        EXPECT_TRUE(weir_tls_last_failure(client)->alert_received);
      });
    }
  }
}

TEST_F(OneSided, AWriterGoesOnAfterThePeersEnd) {
  SecureWorld world;
  for (uint16_t version : kVersions) {
    WithBareServer(world, version, [](weir_connection *client, BareTls *server) {
      EXPECT_EQ(0, server->Write("last words"));
      EXPECT_EQ(0, server->Shutdown());
      AwaitDelivery();
      EXPECT_EQ(0, Send(client, "on and on"));
      EXPECT_EQ("on and on", ReadBare(server, 9));
      EXPECT_EQ("last words", ReadToEnd(client));
      EXPECT_EQ(0, Send(client, "still"));
      EXPECT_EQ("still", ReadBare(server, 5));
    });
  }
}

TEST_F(OneSided, SmallWritesShareARecordUpToTheFlush) {
  SecureWorld world;
  for (bool auto_flush : {false, true}) {
    WithBareServer(world, TLS1_3_VERSION, [=](weir_connection *client, BareTls *server) {
      weir_write_channel *output = weir_open_write_channel(client, auto_flush);
      for (int i = 0; i < 10; i++) EXPECT_EQ(0, weir_write_string(output, "x"));
      if (!auto_flush) {
        EXPECT_EQ(0, weir_flush(output));
      }
      EXPECT_EQ("xxxxxxxxxx", ReadBare(server, 10));
      EXPECT_EQ(1u, SSL_get_read_sequence(server->ssl()));
      // More than fits into one.
      const std::string much(20000, 'm');
      EXPECT_EQ(0, Send(client, much));
      EXPECT_EQ(much, ReadBare(server, much.size()));
      EXPECT_EQ(3u, SSL_get_read_sequence(server->ssl()));
    });
  }
}

TEST_F(OneSided, KeysAreReplacedInTime) {
  weir_tls_terms terms = {};
  terms.rekey_after = 4;
  SecureWorld world(terms);
  WithBareServer(world, TLS1_3_VERSION, [](weir_connection *client, BareTls *server) {
    for (int i = 0; i < 30; i++) {
      EXPECT_EQ(0, Send(client, "z"));
      EXPECT_EQ("z", ReadBare(server, 1));
      // The message that announces the new keys is the fifth under the old ones.
      EXPECT_GE(5u, SSL_get_read_sequence(server->ssl()));
    }
    EXPECT_EQ(0, server->Write("heard"));
    EXPECT_EQ("heard", Receive(client, 5));
  });
}

TEST_F(OneSided, KeysAreReplacedInBulk) {
  weir_tls_terms terms = {};
  terms.rekey_after = 3;
  SecureWorld world(terms, terms);
  ExpectRun([&] {
    SecurePair pair = world.Connect(Wire::kPipe);
    std::string much(1 << 20, 'm');
    weir_job *near = LaunchJob([&] { return Send(pair.near, much); });
    weir_job *far = LaunchJob([&] { return Send(pair.far, much); });
    weir_job *reader =
        LaunchJob([&] { return Receive(pair.near, much.size()) == much ? 0 : -EIO; });
    EXPECT_TRUE(Receive(pair.far, much.size()) == much);
    for (weir_job *job : {near, far, reader}) EXPECT_EQ(0, EndOf(job));
    CloseSecurePair(&pair);
    return 0;
  });
}

// Neither does the server write nor the client read, and tickets get through all the same.
TEST_F(OneSided, AServerThatOnlyReadsSendsItsTickets) {
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    SecureWorld world(version);
    ExpectRun([&] {
      for (bool resumes : {false, true}) {
        SecurePair pair = world.Connect(Wire::kTcp);
        weir_tls_information information;
        EXPECT_EQ(0, weir_tls_get_information(pair.near, &information));
        EXPECT_EQ(resumes, information.resumed) << information.version;
        EXPECT_EQ(2u, information.peer_chain_size);
        EXPECT_EQ(0, Send(pair.near, "question"));
        EXPECT_EQ("question", Receive(pair.far, 8));
        AwaitDelivery();
        EXPECT_EQ(0, Send(pair.near, "and the next"));
        CloseSecurePair(&pair);
      }
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
