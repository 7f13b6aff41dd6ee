// SPDX-License-Identifier: Apache-2.0
//
// Who is let in: names, checks of the user's in addition to the built-in one and instead of it,
// resumed sessions too, and clients with and without certificates.

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include <string>
#include <vector>

#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr uint16_t kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

std::vector<std::string> TextsOf(const weir_bytes *all, size_t count) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; i++) texts.emplace_back(all[i].data, all[i].size);
  return texts;
}

// A check that suspends, notes whom it saw, and returns what it was told to.
struct Watcher {
  std::vector<size_t> chain_sizes;
  std::vector<bool> resumed;
  std::string server_name;
  std::vector<std::string> chain, verified;  // DER
  int answer = 0;

  // Makes it the check of options, or of a context.
  template <typename Builder>
  void Watch(Builder *builder) {
    builder->check = Check;
    builder->check_argument = this;
  }

  static int Check(void *argument, const weir_tls_peer *peer) {
    auto *self = static_cast<Watcher *>(argument);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    self->chain_sizes.push_back(peer->chain_size);
    self->resumed.push_back(peer->resumed);
    self->server_name = peer->server_name != nullptr ? peer->server_name : "(none)";
    self->chain = TextsOf(peer->chain, peer->chain_size);
    self->verified = TextsOf(peer->verified, peer->verified_size);
    return self->answer;
  }
};

class PeerCheckTest : public LeakCheckedTest {
 protected:
  static void SetUpTestSuite() {
    authority_ = new TestAuthority;
    server_ = new Credential(authority_->Make(Defect::kNone, Role::kServer));
    client_ = new Credential(authority_->Make(Defect::kNone, Role::kClient));
  }
  static void TearDownTestSuite() {
    delete client_;
    delete server_;
    delete authority_;
  }

  static weir_tls_options_builder Named(const char *name = kServerName) {
    weir_tls_options_builder builder = {};
    builder.server_name = name;
    return builder;
  }

  // A context that asks clients.
  static TlsContext Asking(weir_tls_client_authentication authentication,
                           weir_tls_context_builder builder = {}) {
    TlsTrust trust = MakeTlsTrust(authority_->root());
    builder.client_authentication = authentication;
    builder.client_trust = trust.get();
    return MakeTlsContext({*server_}, builder);
  }

  // What one shows, and that with the root.
  static std::vector<std::string> ChainOf(const Credential &credential) {
    return {credential.leaf.Der(), authority_->intermediate().Der()};
  }
  static std::vector<std::string> VerifiedChainOf(const Credential &credential) {
    return {credential.leaf.Der(), authority_->intermediate().Der(), authority_->root().Der()};
  }

  static TestAuthority *authority_;
  static Credential *server_;
  static Credential *client_;
};

TestAuthority *PeerCheckTest::authority_;
Credential *PeerCheckTest::server_;
Credential *PeerCheckTest::client_;

TEST_F(PeerCheckTest, NamesAndAddressesOfTheServer) {
  TlsContext context = MakeTlsContext({*server_});
  ExpectRun([&] {
    for (auto [name, sent] :
         {std::pair("server.test", "server.test"), std::pair("Server.TEST.", "server.test"),
          std::pair("localhost", "localhost"), std::pair("127.0.0.1", ""), std::pair("::1", "")}) {
      TlsOptions options = MakeTlsOptions(authority_->root(), Named(name));
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(0, meeting.client.handshake) << name << meeting.client.failure.text;
      EXPECT_EQ(0, meeting.client.talk);
      EXPECT_EQ(sent, meeting.server.server_name);
      EXPECT_EQ(2u, meeting.client.peer_chain.size());
    }
    return 0;
  });
}

TEST_F(PeerCheckTest, WildcardsStandForOneLabel) {
  TlsContext context = MakeTlsContext({authority_->MakeFor({"DNS:*.wild.test"})});
  ExpectRun([&] {
    for (auto [name, accepted] :
         {std::pair("a.wild.test", true), std::pair("A.Wild.Test", true),
          std::pair("a.b.wild.test", false), std::pair("wild.test", false)}) {
      TlsOptions options = MakeTlsOptions(authority_->root(), Named(name));
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(accepted ? 0 : WEIR_E_TLS_CERTIFICATE, meeting.client.handshake) << name;
    }
    return 0;
  });
}

TEST_F(PeerCheckTest, TheHostOfTheConnectionIsTheName) {
  TlsContext context = MakeTlsContext({*server_});
  TlsOptions options = MakeTlsOptions(authority_->root());
  ExpectRun([&] {
    EXPECT_EQ(0, Meet(options.get(), context.get(), "localhost").client.handshake);
    EXPECT_EQ(0, Meet(options.get(), context.get(), "::1").client.handshake);
    TlsMeeting meeting = Meet(options.get(), context.get(), "other.test");
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, meeting.client.handshake);
    EXPECT_EQ(WEIR_E_TLS_ALERT, meeting.server.handshake);
    return 0;
  });
}

TEST_F(PeerCheckTest, WithoutANameThereIsNoHandshake) {
  TlsContext context = MakeTlsContext({*server_});
  TlsOptions options = MakeTlsOptions(authority_->root());
  ExpectRun([&] {
    for (const char *host : {static_cast<const char *>(nullptr), "", "bad host", "127.1"}) {
      weir_connection *near = nullptr, *far = nullptr;
      EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
      near = NameHost(near, host);
      EXPECT_EQ(-EINVAL, weir_tls_client(&near, options.get()));
      EXPECT_NE(std::string::npos, LastTlsFailure().find("the server's name")) << LastTlsFailure();
      // There is nothing to clean up, as after every failure, and nothing was sent.
      EXPECT_EQ(nullptr, near);
      EXPECT_EQ("", ReadToEnd(far));
      weir_connection_close(far);
    }
    return 0;
  });
}

TEST_F(PeerCheckTest, ACheckInAdditionComesBehindTheBuiltInOne) {
  TlsContext context = MakeTlsContext({*server_});
  Watcher watcher;
  weir_tls_options_builder builder = Named("Server.Test.");
  watcher.Watch(&builder);
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  builder.server_name = "other.test";
  TlsOptions misnamed = MakeTlsOptions(authority_->root(), builder);
  ExpectRun([&] {
    EXPECT_EQ(0, Meet(options.get(), context.get()).client.handshake);
    EXPECT_EQ(std::vector<size_t>{2}, watcher.chain_sizes);
    EXPECT_EQ("server.test", watcher.server_name);
    EXPECT_EQ(ChainOf(*server_), watcher.chain);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, Meet(misnamed.get(), context.get()).client.handshake);
    EXPECT_EQ(1u, watcher.chain_sizes.size());  // it was not asked
    return 0;
  });
}

// Whoever has a certificate of anybody's can append to it what nobody has signed it with.
TEST_F(PeerCheckTest, WhatAPeerAppendsIsNotVerified) {
  const TestAuthority stranger;
  Credential boaster = *server_;
  boaster.chain_pem += stranger.root().Pem();
  Watcher watcher;
  weir_tls_options_builder builder = Named();
  watcher.Watch(&builder);
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  for (uint16_t version : kVersions) {
    BareTlsOptions server;
    server.credential = &boaster;
    server.max_version = version;
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd client = MeetBareServer(options.get(), server, &bare);
      EXPECT_EQ(0, client.handshake) << client.failure.text;
      EXPECT_EQ(3u, watcher.chain.size());
      EXPECT_EQ(stranger.root().Der(), watcher.chain.back());
      EXPECT_EQ(VerifiedChainOf(*server_), watcher.verified);
      return 0;
    });
  }
}

// Also where that is not a root, and where the peer has sent more than is needed.
TEST_F(PeerCheckTest, WhatIsTrustedEndsTheVerifiedChain) {
  TlsContext context = MakeTlsContext({*server_});
  Watcher watcher;
  weir_tls_options_builder builder = Named();
  watcher.Watch(&builder);
  TlsOptions intermediate = MakeTlsOptions(authority_->intermediate(), builder);
  TlsOptions leaf = MakeTlsOptions(server_->leaf, builder);
  ExpectRun([&] {
    EXPECT_EQ(0, Meet(intermediate.get(), context.get()).client.handshake);
    EXPECT_EQ(ChainOf(*server_), watcher.verified);
    EXPECT_EQ(0, Meet(leaf.get(), context.get()).client.handshake);
    EXPECT_EQ(std::vector<std::string>{server_->leaf.Der()}, watcher.verified);
    EXPECT_EQ(ChainOf(*server_), watcher.chain);
    return 0;
  });
}

// As servers do for old clients, sometimes for too long: another root has signed the one that is
// trusted, and what it has signed is out of date.
TEST_F(PeerCheckTest, ATrustedRootComesBeforeWhatAnotherHasMadeOfIt) {
  CertificateOptions named;
  named.common_name = "the other root";
  named.authority = true;
  const Certificate other = Certificate::SelfSigned(named);
  bssl::UniquePtr<X509> crossed(X509_dup(authority_->root().x509()));
  EXPECT_EQ(1, X509_set_issuer_name(crossed.get(), X509_get_subject_name(other.x509())));
  EXPECT_NE(nullptr, X509_gmtime_adj(X509_getm_notAfter(crossed.get()), -60));
  EXPECT_LT(0, X509_sign(crossed.get(), other.key(), EVP_sha256()));
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(1, PEM_write_bio_X509(bio.get(), crossed.get()));
  const uint8_t *data = nullptr;
  size_t size = 0;
  EXPECT_EQ(1, BIO_mem_contents(bio.get(), &data, &size));
  Credential shown = *server_;
  shown.chain_pem.append(reinterpret_cast<const char *>(data), size);
  TlsContext context = MakeTlsContext({shown});

  const std::string roots = other.Pem() + authority_->root().Pem();
  weir_tls_trust *trust = nullptr;
  EXPECT_EQ(0, weir_tls_trust_create(&trust, weir_bytes_of(roots.data(), roots.size())));
  weir_tls_options_builder builder = Named();
  builder.trust = trust;
  Watcher watcher;
  watcher.Watch(&builder);
  weir_tls_options *made = nullptr;
  EXPECT_EQ(0, weir_tls_options_build(&made, &builder));
  TlsOptions options(made);
  weir_tls_trust_close(trust);
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(3u, watcher.chain.size());
    EXPECT_EQ(VerifiedChainOf(*server_), watcher.verified);
    return 0;
  });
}

TEST_F(PeerCheckTest, ACheckRefuses) {
  TlsContext context = MakeTlsContext({*server_});
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    Watcher watcher;
    watcher.answer = -EPERM;
    weir_tls_options_builder builder = Named();
    builder.terms.max_version = version;
    watcher.Watch(&builder);
    TlsOptions options = MakeTlsOptions(authority_->root(), builder);
    ExpectRun([&] {
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(-EPERM, meeting.client.handshake);
      EXPECT_EQ(-EPERM, meeting.client.failure.code);
      EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, meeting.client.failure.alert);
      EXPECT_EQ(WEIR_E_TLS_ALERT, meeting.server.handshake);
      EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, meeting.server.failure.alert);
      EXPECT_TRUE(meeting.server.failure.alert_received);
      return 0;
    });
  }
}

// Those with which the handshake itself says that it has to wait mean nothing here.
TEST_F(PeerCheckTest, ACheckMayReturnAnyCode) {
  TlsContext context = MakeTlsContext({*server_});
  for (int code : {-EAGAIN, -EINPROGRESS, -EINVAL, -EXDEV, -ENOMEM, -1}) {
    Watcher watcher;
    watcher.answer = code;
    weir_tls_options_builder builder = Named();
    watcher.Watch(&builder);
    for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
      builder.terms.max_version = version;
      TlsOptions options = MakeTlsOptions(authority_->root(), builder);
      ExpectRun([&] {
        TlsMeeting meeting = Meet(options.get(), context.get());
        EXPECT_EQ(code, meeting.client.handshake);
        EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, meeting.client.failure.alert);
        return 0;
      });
    }
  }
}

TEST_F(PeerCheckTest, ACheckInsteadIsAllThereIs) {
  TlsContext context = MakeTlsContext({authority_->Make(Defect::kSelfSigned, Role::kServer)});
  Watcher watcher;
  weir_tls_options_builder builder = {};
  builder.dangerous_check_instead = Watcher::Check;
  builder.check_argument = &watcher;
  weir_tls_options *made = nullptr;
  ASSERT_EQ(0, weir_tls_options_build(&made, &builder));
  TlsOptions options(made);
  ExpectRun([&] {
    // It needs no name either.
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ("(none)", watcher.server_name);
    EXPECT_EQ(1u, watcher.chain.size());
    EXPECT_TRUE(watcher.verified.empty()) << "nothing was";
    EXPECT_EQ("", meeting.server.server_name);
    meeting = Meet(options.get(), context.get(), "other.test");
    EXPECT_EQ(0, meeting.client.handshake);
    EXPECT_EQ("other.test", watcher.server_name);
    watcher.answer = WEIR_E_TLS_CERTIFICATE;
    meeting = Meet(options.get(), context.get());
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, meeting.client.handshake);
    return 0;
  });
}

TEST_F(PeerCheckTest, ACheckIsCancelled) {
  TlsContext context = MakeTlsContext({*server_});
  weir_tls_options_builder builder = Named();
  builder.check = [](void *, const weir_tls_peer *) { return weir_delay(WEIR_FOREVER); };
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  ExpectRun([&] {
    weir_timeout timeout = weir_timeout_begin(20 * WEIR_MILLISECOND);
    weir_connection *near = nullptr, *far = nullptr;
    EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
    ExpectLaunch([&, far]() mutable {
      EXPECT_GT(0, weir_tls_server(&far, context.get()));
      return 0;
    });
    EXPECT_EQ(-ETIMEDOUT, weir_tls_client(&near, options.get()));
    EXPECT_TRUE(weir_timeout_end(timeout));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(PeerCheckTest, ResumedServersAreCheckedAgain) {
  TlsContext context = MakeTlsContext({*server_});
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    Watcher watcher;
    weir_tls_options_builder builder = Named();
    builder.terms.max_version = version;
    watcher.Watch(&builder);
    TlsOptions options = MakeTlsOptions(authority_->root(), builder);
    ExpectRun([&] {
      EXPECT_FALSE(Meet(options.get(), context.get()).client.resumed);
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_TRUE(meeting.client.resumed);
      EXPECT_TRUE(meeting.server.resumed);
      EXPECT_EQ((std::vector<bool>{false, true}), watcher.resumed);
      EXPECT_EQ((std::vector<size_t>{2, 2}), watcher.chain_sizes);
      EXPECT_EQ(VerifiedChainOf(*server_), watcher.verified);
      watcher.answer = -EPERM;
      meeting = Meet(options.get(), context.get());
      EXPECT_EQ(-EPERM, meeting.client.handshake);
      EXPECT_TRUE(watcher.resumed.back());
      return 0;
    });
  }
}

TEST_F(PeerCheckTest, ClientsWithEachKindOfKey) {
  TlsContext context = Asking(WEIR_TLS_CLIENT_REQUIRED);
  for (KeyKind kind : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    const Credential credential = authority_->Make(Defect::kNone, Role::kClient, kind);
    for (bool on_pool : {false, true}) {
      TlsCredential shown = MakeTlsCredential(credential, on_pool);
      for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
        weir_tls_options_builder builder = Named();
        builder.terms.max_version = version;
        builder.credential = shown.get();
        TlsOptions options = MakeTlsOptions(authority_->root(), builder);
        ExpectRun([&] {
          TlsMeeting meeting = Meet(options.get(), context.get());
          EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
          EXPECT_EQ(0, meeting.server.handshake) << meeting.server.failure.text;
          EXPECT_EQ(0, meeting.client.talk);
          EXPECT_EQ(2u, meeting.server.peer_chain.size());
          if (!meeting.server.peer_chain.empty()) {
            EXPECT_EQ(credential.leaf.Der(), meeting.server.peer_chain[0]);
          }
          return 0;
        });
      }
    }
  }
}

TEST_F(PeerCheckTest, AClientWithoutACertificate) {
  Watcher watcher;
  weir_tls_context_builder builder = {};
  watcher.Watch(&builder);
  TlsContext optional = Asking(WEIR_TLS_CLIENT_OPTIONAL, builder);
  TlsContext required = Asking(WEIR_TLS_CLIENT_REQUIRED);
  for (uint16_t version : kVersions) {
    BareTlsOptions client;
    client.max_version = version;
    watcher = {};
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd server = MeetBareClient(client, required.get(), &bare);
      EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, server.handshake) << server.failure.text;
      // There was no alert for this before TLS 1.3.
      EXPECT_EQ(version == TLS1_3_VERSION ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE,
                bare.alert);
      server = MeetBareClient(client, optional.get(), &bare);
      EXPECT_EQ(0, server.handshake) << server.failure.text;
      EXPECT_EQ(0, bare.talk);
      EXPECT_EQ(std::vector<size_t>{0}, watcher.chain_sizes);
      EXPECT_TRUE(watcher.verified.empty());
      watcher.answer = -EPERM;
      server = MeetBareClient(client, optional.get(), &bare);
      EXPECT_EQ(-EPERM, server.handshake);
      EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, bare.alert);
      return 0;
    });
  }
}

TEST_F(PeerCheckTest, ResumedClientsAreCheckedAgain) {
  Watcher watcher;
  weir_tls_context_builder builder = {};
  watcher.Watch(&builder);
  TlsContext context = Asking(WEIR_TLS_CLIENT_REQUIRED, builder);
  TlsCredential shown = MakeTlsCredential(*client_);
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    weir_tls_options_builder client = Named();
    client.terms.max_version = version;
    client.credential = shown.get();
    TlsOptions options = MakeTlsOptions(authority_->root(), client);
    watcher = {};
    ExpectRun([&] {
      EXPECT_FALSE(Meet(options.get(), context.get()).server.resumed);
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_TRUE(meeting.server.resumed);
      EXPECT_EQ((std::vector<bool>{false, true}), watcher.resumed);
      EXPECT_EQ((std::vector<size_t>{2, 2}), watcher.chain_sizes);
      EXPECT_EQ(ChainOf(*client_), watcher.chain);
      EXPECT_EQ(VerifiedChainOf(*client_), watcher.verified);
      watcher.answer = -EPERM;
      meeting = Meet(options.get(), context.get());
      EXPECT_EQ(-EPERM, meeting.server.handshake);
      EXPECT_TRUE(watcher.resumed.back());
      // The client has done its part by then, and hears of it when it reads.
      EXPECT_EQ(WEIR_E_TLS_ALERT,
                meeting.client.handshake < 0 ? meeting.client.handshake : meeting.client.talk);
      EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, meeting.client.failure.alert);
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
