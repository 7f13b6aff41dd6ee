// SPDX-License-Identifier: Apache-2.0
//
// What the two sides agree on, and that what is weak is never agreed on: versions, suites, groups,
// signatures and application protocols.

#include <gtest/gtest.h>

#include <string>

#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr uint16_t kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

class NegotiationTest : public LeakCheckedTest {
 protected:
  static void SetUpTestSuite() {
    authority_ = new TestAuthority;
    server_ = new Credential(authority_->Make(Defect::kNone, Role::kServer));
    rsa_ = new Credential(authority_->Make(Defect::kNone, Role::kServer, KeyKind::kRsa2048));
  }
  static void TearDownTestSuite() {
    delete rsa_;
    delete server_;
    delete authority_;
  }

  static TlsOptions OptionsWith(const weir_tls_terms &terms, bool require_protocol = false) {
    weir_tls_options_builder builder = {};
    builder.terms = terms;
    builder.server_name = kServerName;
    builder.require_protocol = require_protocol;
    return MakeTlsOptions(authority_->root(), builder);
  }

  static TlsContext ContextWith(const weir_tls_terms &terms, const Credential &credential) {
    weir_tls_context_builder builder = {};
    builder.terms = terms;
    return MakeTlsContext({credential}, builder);
  }

  // Expects that neither a bare server nor a bare client that |tune| has made comes together with
  // us.
  static void ExpectNoAgreement(const Credential &credential,
                                const std::function<void(SSL_CTX *)> &tune) {
    BareTlsOptions bare_options;
    bare_options.tune_context = tune;
    TlsOptions options = OptionsWith({});
    TlsContext context = ContextWith({}, credential);
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd server = MeetBareClient(bare_options, context.get(), &bare);
      EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, server.handshake) << server.failure.text;
      EXPECT_NE(0, bare.handshake);
      bare_options.credential = &credential;
      TlsEnd client = MeetBareServer(options.get(), bare_options, &bare);
      EXPECT_GT(0, client.handshake);
      EXPECT_NE(0, bare.handshake) << bare.cipher_suite;
      return 0;
    });
  }

  static TestAuthority *authority_;
  static Credential *server_;
  static Credential *rsa_;
};

TestAuthority *NegotiationTest::authority_;
Credential *NegotiationTest::server_;
Credential *NegotiationTest::rsa_;

TEST_F(NegotiationTest, NoOldVersions) {
  for (uint16_t version : {uint16_t{TLS1_VERSION}, uint16_t{TLS1_1_VERSION}}) {
    ExpectNoAgreement(*server_, [=](SSL_CTX *context) {
      SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
      SSL_CTX_set_max_proto_version(context, version);
    });
  }
}

TEST_F(NegotiationTest, NoWeakSuites) {
  // Without forward secrecy, without authenticated encryption, or without either.
  for (const char *suites : {"AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA", "AES128-SHA"}) {
    ExpectNoAgreement(*rsa_, [=](SSL_CTX *context) {
      SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
      EXPECT_EQ(1, SSL_CTX_set_strict_cipher_list(context, suites));
    });
  }
}

TEST_F(NegotiationTest, NoSha1InSignatures) {
  ExpectNoAgreement(*rsa_, [](SSL_CTX *context) {
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    const uint16_t only[] = {SSL_SIGN_RSA_PKCS1_SHA1};
    EXPECT_EQ(1, SSL_CTX_set_verify_algorithm_prefs(context, only, 1));
    EXPECT_EQ(1, SSL_CTX_set_signing_algorithm_prefs(context, only, 1));
  });
}

TEST_F(NegotiationTest, TheServersOrderOfGroupsCounts) {
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    weir_tls_terms ours = {}, theirs = {};
    ours.max_version = version;
    ours.groups = "P-384:P-256:X25519";
    theirs.groups = "X25519:P-256:P-384";
    TlsOptions options = OptionsWith(theirs);
    TlsContext context = ContextWith(ours, *rsa_);
    ExpectRun([&] {
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ("P-384", meeting.client.group);
      EXPECT_EQ("P-384", meeting.server.group);
      return 0;
    });
  }
}

TEST_F(NegotiationTest, Versions) {
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    weir_tls_terms terms = {};
    terms.min_version = version;
    terms.max_version = version;
    TlsOptions exact = OptionsWith(terms);
    TlsOptions any = OptionsWith({});
    TlsContext exact_context = ContextWith(terms, *server_);
    TlsContext any_context = ContextWith({}, *server_);
    ExpectRun([&] {
      EXPECT_EQ(version, Meet(exact.get(), any_context.get()).client.version);
      EXPECT_EQ(version, Meet(any.get(), exact_context.get()).server.version);
      EXPECT_EQ(WEIR_TLS_1_3, Meet(any.get(), any_context.get()).client.version);
      return 0;
    });
  }
  weir_tls_terms old = {};
  old.max_version = WEIR_TLS_1_2;
  weir_tls_terms current = {};
  current.min_version = WEIR_TLS_1_3;
  TlsOptions options = OptionsWith(old);
  TlsContext context = ContextWith(current, *server_);
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.server.handshake) << meeting.server.failure.text;
    EXPECT_EQ(SSL_AD_PROTOCOL_VERSION, meeting.server.failure.alert);
    // The alert tells the client just that.
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.client.handshake);
    EXPECT_TRUE(meeting.client.failure.alert_received);
    return 0;
  });
}

TEST_F(NegotiationTest, EachKindOfKeyInEachVersion) {
  for (KeyKind kind : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    TlsContext context = ContextWith({}, authority_->Make(Defect::kNone, Role::kServer, kind));
    for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
      weir_tls_terms terms = {};
      terms.max_version = version;
      TlsOptions options = OptionsWith(terms);
      ExpectRun([&] {
        TlsMeeting meeting = Meet(options.get(), context.get());
        EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
        EXPECT_EQ(0, meeting.server.handshake) << meeting.server.failure.text;
        EXPECT_EQ(0, meeting.client.talk);
        EXPECT_EQ(version, meeting.client.version);
        return 0;
      });
    }
  }
}

TEST_F(NegotiationTest, Groups) {
  TlsOptions options = OptionsWith({});
  TlsContext context = ContextWith({}, *server_);
  weir_tls_terms terms = {};
  terms.groups = "P-384:P-256";
  TlsOptions others = OptionsWith(terms);
  terms.groups = "X25519";
  TlsContext only = ContextWith(terms, *server_);
  ExpectRun([&] {
#ifdef SSL_GROUP_X25519_MLKEM768
    EXPECT_EQ("X25519MLKEM768", Meet(options.get(), context.get()).client.group);
#else
    EXPECT_EQ("X25519", Meet(options.get(), context.get()).client.group);
#endif
    EXPECT_EQ("P-384", Meet(others.get(), context.get()).server.group);
    EXPECT_EQ("X25519", Meet(options.get(), only.get()).client.group);
    TlsMeeting meeting = Meet(others.get(), only.get());
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.server.handshake) << meeting.server.failure.text;
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.client.handshake) << meeting.client.failure.text;
    return 0;
  });
}

TEST_F(NegotiationTest, TheServersOrderOfProtocolsDecides) {
  const char *const theirs[] = {"http/1.1", "h2", "odd", nullptr};
  const char *const ours[] = {"h3", "h2", "http/1.1", nullptr};
  weir_tls_terms client_terms = {}, server_terms = {};
  client_terms.protocols = theirs;
  server_terms.protocols = ours;
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    client_terms.max_version = version;
    TlsOptions options = OptionsWith(client_terms, true);
    TlsContext context = ContextWith(server_terms, *server_);
    ExpectRun([&] {
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ("h2", meeting.client.protocol);
      EXPECT_EQ("h2", meeting.server.protocol);
      return 0;
    });
  }
}

TEST_F(NegotiationTest, NoProtocolInCommon) {
  const char *const theirs[] = {"http/1.1", "h", "h22", nullptr};
  const char *const ours[] = {"h2", nullptr};
  weir_tls_terms client_terms = {}, server_terms = {};
  client_terms.protocols = theirs;
  server_terms.protocols = ours;
  TlsOptions options = OptionsWith(client_terms);
  TlsContext context = ContextWith(server_terms, *server_);
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.server.handshake) << meeting.server.failure.text;
    EXPECT_EQ(SSL_AD_NO_APPLICATION_PROTOCOL, meeting.server.failure.alert);
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.client.handshake);
    EXPECT_EQ(SSL_AD_NO_APPLICATION_PROTOCOL, meeting.client.failure.alert);
    return 0;
  });
}

TEST_F(NegotiationTest, WhoOffersNoProtocolGetsNone) {
  const char *const ours[] = {"h2", nullptr};
  weir_tls_terms terms = {};
  terms.protocols = ours;
  TlsOptions without = OptionsWith({});
  TlsOptions with = OptionsWith(terms);
  TlsContext context = ContextWith(terms, *server_);
  TlsContext without_list = ContextWith({}, *server_);
  ExpectRun([&] {
    TlsMeeting meeting = Meet(without.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake);
    EXPECT_EQ("", meeting.client.protocol);
    meeting = Meet(with.get(), without_list.get());
    EXPECT_EQ(0, meeting.client.handshake);
    EXPECT_EQ("", meeting.server.protocol);
    return 0;
  });
}

TEST_F(NegotiationTest, AClientMayRequireAProtocol) {
  const char *const ours[] = {"h2", nullptr};
  for (uint16_t version : kVersions) {
    weir_tls_terms terms = {};
    terms.protocols = ours;
    TlsOptions options = OptionsWith(terms, true);
    BareTlsOptions server;
    server.max_version = version;
    server.credential = server_;
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd client = MeetBareServer(options.get(), server, &bare);
      EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, client.handshake) << client.failure.text;
      EXPECT_EQ(SSL_AD_NO_APPLICATION_PROTOCOL, client.failure.alert);
      EXPECT_EQ(SSL_AD_NO_APPLICATION_PROTOCOL, bare.alert);
      return 0;
    });
  }
}

TEST_F(NegotiationTest, BothSidesWriteKeyLogs) {
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    std::string client_log, server_log;
    weir_tls_terms terms = {};
    terms.max_version = version;
    terms.key_log = [](void *argument, const char *line) {
      *static_cast<std::string *>(argument) += std::string(line) + "\n";
    };
    terms.key_log_argument = &client_log;
    TlsOptions options = OptionsWith(terms);
    terms.key_log_argument = &server_log;
    TlsContext context = ContextWith(terms, *server_);
    ExpectRun([&] {
      EXPECT_EQ(0, Meet(options.get(), context.get()).client.handshake);
      return 0;
    });
    EXPECT_NE(
        std::string::npos,
        client_log.find(version == WEIR_TLS_1_2 ? "CLIENT_RANDOM " : "CLIENT_TRAFFIC_SECRET_0"))
        << client_log;
    EXPECT_EQ(client_log.size(), server_log.size());
  }
}

// A server whose certificate says that its key is for encryption only proves nothing by signing.
TEST_F(NegotiationTest, AServersKeyThatMayNotSignIsRefused) {
  CertificateOptions leaf;
  leaf.key = KeyKind::kRsa2048;
  leaf.alternative_names = {std::string("DNS:") + kServerName};
  leaf.key_usage = "critical,keyEncipherment";
  const Certificate certificate = authority_->root().Issue(leaf);
  const Credential credential = {certificate.Pem(), certificate.KeyPem(), certificate};
  TlsOptions options = MakeTlsOptions(authority_->root(), {});
  for (uint16_t version : {uint16_t{TLS1_2_VERSION}, uint16_t{TLS1_3_VERSION}}) {
    BareTlsOptions server;
    server.is_server = true;
    server.credential = &credential;
    server.min_version = server.max_version = version;
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd client = MeetBareServer(options.get(), server, &bare, kServerName);
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, client.handshake) << client.failure.text;
      EXPECT_STREQ("KEY_USAGE_BIT_INCORRECT", client.failure.reason) << version;
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
