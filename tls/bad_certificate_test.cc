// SPDX-License-Identifier: Apache-2.0
//
// Every certificate that must not be believed, shown by a server and by a client, in both versions
// of the protocol: each is refused with its own error, and the peer gets the right alert.

#include <gtest/gtest.h>
#include <openssl/x509.h>

#include <string>
#include <tuple>
#include <vector>

#include "testing/bare_tls.h"
#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

struct Refusal {
  int verify_result;
  int depth;
  int alert;
};

Refusal RefusalOf(Defect defect) {
  switch (defect) {
    case Defect::kNone:
      break;
    case Defect::kExpired:
      return {X509_V_ERR_CERT_HAS_EXPIRED, 0, SSL_AD_CERTIFICATE_EXPIRED};
    case Defect::kNotYetValid:
      // "Has expired or is not currently valid" (RFC 8446, 6.2).
      return {X509_V_ERR_CERT_NOT_YET_VALID, 0, SSL_AD_CERTIFICATE_EXPIRED};
    case Defect::kWrongHost:
    case Defect::kCommonNameOnly:
      return {X509_V_ERR_HOSTNAME_MISMATCH, 0, SSL_AD_BAD_CERTIFICATE};
    case Defect::kWrongIp:
      return {X509_V_ERR_IP_ADDRESS_MISMATCH, 0, SSL_AD_BAD_CERTIFICATE};
    case Defect::kSelfSigned:
      return {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 0, SSL_AD_UNKNOWN_CA};
    case Defect::kUnknownAuthority:
      return {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 1, SSL_AD_UNKNOWN_CA};
    case Defect::kMissingIntermediate:
      return {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 0, SSL_AD_UNKNOWN_CA};
    case Defect::kWrongExtendedKeyUsage:
      return {X509_V_ERR_INVALID_PURPOSE, 0, SSL_AD_UNSUPPORTED_CERTIFICATE};
    case Defect::kNameConstraint:
      return {X509_V_ERR_PERMITTED_VIOLATION, 0, SSL_AD_CERTIFICATE_UNKNOWN};
    case Defect::kWeakKey:
      return {WEIR_TLS_VERIFY_WEAK_KEY, 0, SSL_AD_BAD_CERTIFICATE};
    case Defect::kSha1Signature:
      return {WEIR_TLS_VERIFY_WEAK_SIGNATURE, 0, SSL_AD_BAD_CERTIFICATE};
    case Defect::kExpiredIntermediate:
      return {X509_V_ERR_CERT_HAS_EXPIRED, 1, SSL_AD_CERTIFICATE_EXPIRED};
    case Defect::kIntermediateIsNoAuthority:
      return {X509_V_ERR_INVALID_CA, 1, SSL_AD_UNKNOWN_CA};
    case Defect::kWeakIntermediateKey:
      return {WEIR_TLS_VERIFY_WEAK_KEY, 1, SSL_AD_BAD_CERTIFICATE};
    case Defect::kSha1SignedIntermediate:
      return {WEIR_TLS_VERIFY_WEAK_SIGNATURE, 1, SSL_AD_BAD_CERTIFICATE};
  }
  return {0, -1, -1};
}

// Servers do not know what a client is called.
bool IsAboutTheName(Defect defect) {
  return defect == Defect::kWrongHost || defect == Defect::kWrongIp ||
         defect == Defect::kCommonNameOnly;
}

class BadCertificateTest : public LeakCheckedTest,
                           public ::testing::WithParamInterface<std::tuple<Defect, uint16_t>> {
 protected:
  static void SetUpTestSuite() { authority_ = new TestAuthority; }
  static void TearDownTestSuite() { delete authority_; }

  static Defect defect() { return std::get<0>(GetParam()); }

  static BareTlsOptions PeerOptions(bool is_server, const Credential &credential) {
    BareTlsOptions options;
    options.is_server = is_server;
    options.credential = &credential;
    options.max_version = std::get<1>(GetParam());
    return options;
  }

  static void ExpectRefusal(int result, const Refusal &expected) {
    const weir_tls_failure *failure = weir_tls_last_failure(nullptr);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, result) << failure->text;
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, failure->code) << failure->text;
    EXPECT_EQ(expected.verify_result, failure->verify_result) << failure->text;
    EXPECT_EQ(expected.depth, failure->depth) << failure->text;
    EXPECT_EQ(expected.alert, failure->alert) << failure->text;
    EXPECT_FALSE(failure->alert_received);
    EXPECT_NE(std::string::npos, LastTlsFailure().find("certificate was refused")) << failure->text;
  }

  static TestAuthority *authority_;
};

TestAuthority *BadCertificateTest::authority_;

TEST_P(BadCertificateTest, OfAServer) {
  const Credential bad = authority_->Make(defect(), Role::kServer);
  weir_tls_options_builder builder = {};
  builder.server_name = defect() == Defect::kWrongIp ? "127.0.0.1" : kServerName;
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  ExpectRun([&] {
    weir_connection *near = nullptr, *far = nullptr;
    EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
    int alert = -1;
    weir_job *job = LaunchJob([&, far] {
      BareTls server(far, PeerOptions(true, bad));
      EXPECT_NE(0, server.Handshake());
      alert = server.alert();
      return 0;
    });
    ExpectRefusal(weir_tls_client(&near, options.get()), RefusalOf(defect()));
    EXPECT_EQ(nullptr, near);
    EXPECT_EQ(0, EndOf(job));
    EXPECT_EQ(RefusalOf(defect()).alert, alert);
    return 0;
  });
}

TEST_P(BadCertificateTest, OfAClient) {
  const Credential bad = authority_->Make(defect(), Role::kClient);
  TlsTrust trust = MakeTlsTrust(authority_->root());
  weir_tls_context_builder builder = {};
  builder.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  builder.client_trust = trust.get();
  TlsContext context = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)}, builder);
  const bool is_refused = !IsAboutTheName(defect());
  ExpectRun([&] {
    weir_connection *near = nullptr, *far = nullptr;
    EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
    int alert = -1;
    weir_job *job = LaunchJob([&, far] {
      BareTls client(far, PeerOptions(false, bad));
      // In TLS 1.3 the client learns of it when it reads.
      std::string got;
      int result = client.Handshake();
      if (result == 0) result = client.Read(&got, 2);
      EXPECT_EQ(is_refused, result != 0);
      alert = client.alert();
      return 0;
    });
    int result = weir_tls_server(&near, context.get());
    if (is_refused) {
      ExpectRefusal(result, RefusalOf(defect()));
      EXPECT_EQ(nullptr, near);
    } else {
      EXPECT_EQ(0, result) << LastTlsFailure();
      EXPECT_EQ(0, weir_write_string(weir_open_write_channel(near, true), "ok"));
      EXPECT_EQ(0, weir_flush(weir_open_write_channel(near, true)));
    }
    weir_connection_close(near);
    EXPECT_EQ(0, EndOf(job));
    EXPECT_EQ(is_refused ? RefusalOf(defect()).alert : -1, alert);
    return 0;
  });
}

INSTANTIATE_TEST_SUITE_P(All, BadCertificateTest,
                         ::testing::Combine(::testing::ValuesIn(AllDefects()),
                                            ::testing::Values(uint16_t{TLS1_2_VERSION},
                                                              uint16_t{TLS1_3_VERSION})),
                         [](const auto &test) {
                           return std::string(NameOf(std::get<0>(test.param))) +
                                  (std::get<1>(test.param) == TLS1_2_VERSION ? "In12" : "In13");
                         });

// What is no certificate at all, though BoringSSL finds a key in the first one.
class UnreadableTest : public LeakCheckedTest, public ::testing::WithParamInterface<uint16_t> {
 protected:
  // DER of |good|, in which the first date is none.
  static std::string SpoilDate(const Certificate &good) {
    std::string der = good.Der();
    size_t validity = der.find("\x30\x1e\x17\x0d");
    EXPECT_NE(std::string::npos, validity);
    der[validity + 2] = '\x04';
    return der;
  }

  // Has a bare peer show |chain|.
  static BareTlsOptions Showing(const std::vector<std::string> &chain, const Certificate &leaf) {
    BareTlsOptions options;
    options.max_version = GetParam();
    options.tune_context = [chain, leaf](SSL_CTX *context) {
      std::vector<bssl::UniquePtr<CRYPTO_BUFFER>> owned;
      std::vector<CRYPTO_BUFFER *> all;
      for (const std::string &der : chain) {
        const auto *data = reinterpret_cast<const uint8_t *>(der.data());
        owned.emplace_back(CRYPTO_BUFFER_new(data, der.size(), nullptr));
        all.push_back(owned.back().get());
      }
      EXPECT_EQ(1, SSL_CTX_set_chain_and_key(context, all.data(), all.size(), leaf.key(), nullptr));
    };
    return options;
  }

  static void ExpectRefusal(const TlsEnd &end, const BareEnd &bare, int number) {
    const std::string text = end.failure.text;
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, end.handshake) << text;
    EXPECT_EQ(WEIR_TLS_VERIFY_UNREADABLE, end.failure.verify_result);
    EXPECT_EQ(number, end.failure.depth);
    EXPECT_EQ(SSL_AD_BAD_CERTIFICATE, end.failure.alert);
    EXPECT_EQ(SSL_AD_BAD_CERTIFICATE, bare.alert);
    EXPECT_EQ("the peer's certificate was refused: it cannot be read (number " +
                  std::to_string(number) + " of the chain); alert sent: bad certificate",
              text);
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, UnreadableTest,
                         ::testing::Values(uint16_t{TLS1_2_VERSION}, uint16_t{TLS1_3_VERSION}),
                         [](const auto &test) {
                           return std::string(test.param == TLS1_2_VERSION ? "Tls12" : "Tls13");
                         });

TEST_P(UnreadableTest, OfEitherSide) {
  TestAuthority authority;
  const Credential server = authority.Make(Defect::kNone, Role::kServer);
  const Credential client = authority.Make(Defect::kNone, Role::kClient);
  weir_tls_options_builder builder = {};
  builder.server_name = kServerName;
  TlsOptions options = MakeTlsOptions(authority.root(), builder);
  TlsTrust trust = MakeTlsTrust(authority.root());
  weir_tls_context_builder asking = {};
  asking.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  asking.client_trust = trust.get();
  TlsContext context = MakeTlsContext({server}, asking);
  for (int number : {0, 1}) {
    auto chain = [number](const Certificate &leaf) {
      if (number == 0) return std::vector<std::string>{SpoilDate(leaf)};
      return std::vector<std::string>{leaf.Der(), "no certificate"};
    };
    ExpectRun([&] {
      BareEnd bare;
      TlsEnd end = MeetBareServer(options.get(), Showing(chain(server.leaf), server.leaf), &bare);
      ExpectRefusal(end, bare, number);
      end = MeetBareClient(Showing(chain(client.leaf), client.leaf), context.get(), &bare);
      ExpectRefusal(end, bare, number);
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
