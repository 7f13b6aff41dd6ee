// SPDX-License-Identifier: Apache-2.0
//
// Credentials: what is accepted, and every mistake in them that is found when they are made.

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <string>
#include <thread>

#include "testing/certificates.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/temporary_folder.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr int kSignsAnything = 17;  // of BoringSSL's API versions

std::string TextOf(const bssl::UniquePtr<BIO> &bio) {
  const uint8_t *data = nullptr;
  size_t size = 0;
  EXPECT_EQ(1, BIO_mem_contents(bio.get(), &data, &size));
  return std::string(reinterpret_cast<const char *>(data), size);
}

// |certificate| as it is, but for another signature. |pss| makes that one of RSA-PSS. Empty if this
// BoringSSL makes no such signatures.
std::string SignedAnew(const Certificate &certificate, EVP_PKEY *key, const EVP_MD *digest,
                       bool pss = false) {
  bssl::UniquePtr<X509> copy(X509_dup(certificate.x509()));
  bssl::ScopedEVP_MD_CTX context;
  EVP_PKEY_CTX *settings = nullptr;
  EXPECT_EQ(1, EVP_DigestSignInit(context.get(), &settings, digest, nullptr, key));
  if (pss) {
    EXPECT_EQ(1, EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING));
    EXPECT_EQ(1, EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, -1));
  }
  if (X509_sign_ctx(copy.get(), context.get()) <= 0) return "";
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(1, PEM_write_bio_X509(bio.get(), copy.get()));
  return TextOf(bio);
}

class CredentialTest : public LeakCheckedTest {
 protected:
  static void SetUpTestSuite() {
    authority_ = new TestAuthority;
    server_ = new Credential(authority_->Make(Defect::kNone, Role::kServer));
  }
  static void TearDownTestSuite() {
    delete server_;
    delete authority_;
  }

  // Makes a credential and returns the result.
  static int Create(const std::string &chain, const std::string &key) {
    weir_tls_credential *made = nullptr;
    int result = weir_tls_credential_create(&made, weir_bytes_of(chain.data(), chain.size()),
                                            weir_bytes_of(key.data(), key.size()), nullptr);
    EXPECT_EQ(result == 0, made != nullptr);
    if (result < 0) {
      EXPECT_EQ(result, weir_tls_last_failure(nullptr)->code);
    }
    weir_tls_credential_close(made);
    return result;
  }

  // Expects that it cannot be made, and what is said of the reason.
  static void ExpectRefused(int code, const std::string &said, const std::string &chain,
                            const std::string &key) {
    EXPECT_EQ(code, Create(chain, key)) << said;
    EXPECT_NE(std::string::npos, LastTlsFailure().find(said)) << LastTlsFailure();
  }

  static TestAuthority *authority_;
  static Credential *server_;
};

TestAuthority *CredentialTest::authority_;
Credential *CredentialTest::server_;

TEST_F(CredentialTest, TakesEachKindOfKey) {
  for (KeyKind kind : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    Credential made = authority_->Make(Defect::kNone, Role::kServer, kind);
    EXPECT_EQ(0, Create(made.chain_pem, made.key_pem)) << LastTlsFailure();
  }
}

TEST_F(CredentialTest, TakesKeysInTheirOlderForms) {
  bssl::UniquePtr<BIO> ec(BIO_new(BIO_s_mem()));
  EXPECT_EQ(1, PEM_write_bio_ECPrivateKey(ec.get(), EVP_PKEY_get0_EC_KEY(server_->leaf.key()),
                                          nullptr, nullptr, 0, nullptr, nullptr));
  EXPECT_NE(std::string::npos, TextOf(ec).find("BEGIN EC PRIVATE KEY"));
  EXPECT_EQ(0, Create(server_->chain_pem, TextOf(ec))) << LastTlsFailure();
  const std::string parameters =
      "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  EXPECT_EQ(0, Create(server_->chain_pem, parameters + TextOf(ec))) << LastTlsFailure();

  Credential with_rsa = authority_->Make(Defect::kNone, Role::kServer, KeyKind::kRsa2048);
  bssl::UniquePtr<BIO> rsa(BIO_new(BIO_s_mem()));
  EXPECT_EQ(1, PEM_write_bio_RSAPrivateKey(rsa.get(), EVP_PKEY_get0_RSA(with_rsa.leaf.key()),
                                           nullptr, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(0, Create(with_rsa.chain_pem, TextOf(rsa))) << LastTlsFailure();
}

TEST_F(CredentialTest, BothMayBeTheSameText) {
  EXPECT_EQ(0, Create(server_->key_pem + server_->chain_pem, server_->key_pem + server_->chain_pem))
      << LastTlsFailure();
}

TEST_F(CredentialTest, TheRootMayBeInTheChain) {
  EXPECT_EQ(0, Create(server_->chain_pem + authority_->root().Pem(), server_->key_pem))
      << LastTlsFailure();
}

TEST_F(CredentialTest, TextAroundTheBlocksIsPassedOver) {
  std::string chain = "subject: somebody\r\n";
  for (char c : server_->chain_pem) chain += c == '\n' ? std::string("  \r\n") : std::string(1, c);
  EXPECT_EQ(0, Create("\xEF\xBB\xBF" + server_->chain_pem, server_->key_pem)) << LastTlsFailure();
  EXPECT_EQ(0, Create(chain + "the end", server_->key_pem)) << LastTlsFailure();
}

// As in YAML and mail. Passed over, a part of the chain would be missing without a word.
TEST_F(CredentialTest, ABlockThatIsIndented) {
  std::string indented = server_->chain_pem;
  for (size_t at = indented.find('\n'); at + 1 < indented.size();
       at = indented.find('\n', at + 1)) {
    indented.insert(at + 1, "  ");
  }
  ExpectRefused(WEIR_E_TLS_PEM, "the text ends within a block", indented, server_->key_pem);
  ExpectRefused(WEIR_E_TLS_PEM, "does not begin its line", "  " + indented, server_->key_pem);
  ExpectRefused(WEIR_E_TLS_PEM, "does not begin its line", "  " + server_->chain_pem,
                server_->key_pem);
}

TEST_F(CredentialTest, JunkInThePem) {
  const std::string &chain = server_->chain_pem;
  const std::string &key = server_->key_pem;
  const std::string begin = "-----BEGIN CERTIFICATE-----\n";
  const std::string end = "-----END CERTIFICATE-----\n";
  ExpectRefused(WEIR_E_TLS_PEM, "ends within a block", chain.substr(0, chain.size() / 2), key);
  ExpectRefused(WEIR_E_TLS_PEM, "line 2 of the PEM text: the block is not base64", begin + end,
                key);
  ExpectRefused(WEIR_E_TLS_PEM, "line 3 of the PEM text: the block is not base64",
                begin + "!!!!\n" + end, key);
  ExpectRefused(WEIR_E_TLS_PEM, "not base64", begin + "AAA\n" + end, key);
  ExpectRefused(WEIR_E_TLS_PEM, "end of another block", begin + "AAAA\n-----END PRIVATE KEY-----\n",
                key);
  ExpectRefused(WEIR_E_TLS_PEM, "no beginning of a block", "-----BEGIN CERTIFICATE----\n" + chain,
                key);
  ExpectRefused(WEIR_E_TLS_PEM, "no beginning of a block", chain + end, key);
  ExpectRefused(WEIR_E_TLS_PEM, "no end of a block", begin + chain, key);
  // A label may have 64 characters.
  auto labelled = [](size_t size) {
    const std::string label(size, 'L');
    return "-----BEGIN " + label + "-----\nAAAA\n-----END " + label + "-----\n";
  };
  ExpectRefused(WEIR_E_TLS_PEM, "LLL\" and no certificate", labelled(64) + chain, key);
  ExpectRefused(WEIR_E_TLS_PEM, "no beginning of a block", labelled(65) + chain, key);
  ExpectRefused(WEIR_E_TLS_PEM, "is \"X509 CRL\" and no certificate",
                chain + "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", key);
  ExpectRefused(WEIR_E_TLS_PEM, "is \"X509 CRL\" and no key", chain,
                "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
}

TEST_F(CredentialTest, NoCertificate) {
  ExpectRefused(WEIR_E_TLS_CHAIN, "no certificate in the chain", "", server_->key_pem);
  ExpectRefused(WEIR_E_TLS_CHAIN, "no certificate in the chain", server_->key_pem,
                server_->key_pem);
  ExpectRefused(WEIR_E_TLS_CHAIN, "no certificate in the chain", server_->leaf.Der(),
                server_->key_pem);
  ExpectRefused(WEIR_E_TLS_CHAIN, "block 1 of the chain, in line 1, is no certificate",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", server_->key_pem);
}

TEST_F(CredentialTest, NoChain) {
  const std::string leaf = server_->leaf.Pem();
  const std::string intermediate = authority_->intermediate().Pem();
  ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 2 has not signed the one before",
                leaf + authority_->root().Pem(), server_->key_pem);
  ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 2 has not signed the one before",
                intermediate + leaf, server_->key_pem);
  // One with the same name and another key.
  TestAuthority other;
  ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 2 has not signed the one before",
                leaf + other.intermediate().Pem(), server_->key_pem);
  CertificateOptions options;
  options.authority = true;
  Certificate last = authority_->root();
  for (int i = 0; i < 16; i++) last = last.Issue(options);
  last = last.Issue({});
  ExpectRefused(WEIR_E_TLS_CHAIN, "more than 16 certificates", last.ChainPem(), last.KeyPem());
}

// Names and key identifiers are just what somebody has written.
TEST_F(CredentialTest, AChainThatOnlyLooksLikeOne) {
  const std::string intermediate = authority_->intermediate().Pem();
  EXPECT_EQ(0, Create(SignedAnew(server_->leaf, authority_->intermediate().key(), EVP_sha256()) +
                          intermediate,
                      server_->key_pem))
      << LastTlsFailure();
  ExpectRefused(
      WEIR_E_TLS_CHAIN, "certificate 2 has not signed the one before",
      SignedAnew(server_->leaf, TestAuthority().root().key(), EVP_sha256()) + intermediate,
      server_->key_pem);
}

// Of RSA-PSS the parameters say with which.
TEST_F(CredentialTest, SignedWithAHashThatNobodyUses) {
  CertificateOptions options;
  options.key = KeyKind::kRsa2048;
  const Certificate authority = Certificate::SelfSigned(options);
  const Certificate leaf = authority.Issue({});
  EXPECT_EQ(0, Create(SignedAnew(leaf, authority.key(), EVP_sha384(), true), leaf.KeyPem()))
      << LastTlsFailure();
  for (bool pss : {false, true}) {
    const std::string chain = SignedAnew(leaf, authority.key(), EVP_sha224(), pss);
    if (pss && chain.empty() && BORINGSSL_API_VERSION > kSignsAnything) continue;
    ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 1: it is signed with an unknown algorithm", chain,
                  leaf.KeyPem());
  }
}

TEST_F(CredentialTest, TooWeakForAnybody) {
  for (auto [defect, said] : {std::pair(Defect::kWeakKey, "certificate 1: its RSA key"),
                              std::pair(Defect::kSha1Signature, "certificate 1: it is signed"),
                              std::pair(Defect::kWeakIntermediateKey, "certificate 2: its RSA"),
                              std::pair(Defect::kSha1SignedIntermediate, "certificate 2: it is")}) {
    Credential weak = authority_->Make(defect, Role::kServer);
    ExpectRefused(WEIR_E_TLS_CHAIN, said, weak.chain_pem, weak.key_pem);
  }
}

// Which a server would find out at its first client, and TLS 1.3 peers of an RSA key then.
TEST_F(CredentialTest, AKeyThatMayNotSign) {
  CertificateOptions options;
  options.key_usage = "critical,keyAgreement";
  Certificate exchange = authority_->root().Issue(options);
  ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 1: its key may not sign", exchange.Pem(),
                exchange.KeyPem());
  options.key = KeyKind::kRsa2048;
  options.key_usage = "critical,keyEncipherment";
  Certificate encryption = authority_->root().Issue(options);
  ExpectRefused(WEIR_E_TLS_CHAIN, "certificate 1: its key may not sign", encryption.Pem(),
                encryption.KeyPem());
  options.key_usage = "critical,keyEncipherment,digitalSignature";
  Certificate both = authority_->root().Issue(options);
  EXPECT_EQ(0, Create(both.Pem(), both.KeyPem()));
}

TEST_F(CredentialTest, WrongKey) {
  Credential other = authority_->Make(Defect::kNone, Role::kServer);
  ExpectRefused(WEIR_E_TLS_KEY, "does not belong to the first certificate", server_->chain_pem,
                other.key_pem);
  Credential with_rsa = authority_->Make(Defect::kNone, Role::kServer, KeyKind::kRsa2048);
  ExpectRefused(WEIR_E_TLS_KEY, "does not belong to the first certificate", server_->chain_pem,
                with_rsa.key_pem);
  ExpectRefused(WEIR_E_TLS_KEY, "no private key", server_->chain_pem, "");
  ExpectRefused(WEIR_E_TLS_KEY, "no private key", server_->chain_pem, server_->chain_pem);
  ExpectRefused(WEIR_E_TLS_KEY, "more than one private key", server_->chain_pem,
                server_->key_pem + server_->key_pem);
  ExpectRefused(WEIR_E_TLS_KEY, "cannot be read", server_->chain_pem,
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
}

TEST_F(CredentialTest, EncryptedKey) {
  ExpectRefused(WEIR_E_TLS_KEY, "is encrypted", server_->chain_pem,
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE "
                "KEY-----\n");
  ExpectRefused(WEIR_E_TLS_KEY, "is encrypted", server_->chain_pem,
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: "
                "AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
}

TEST_F(CredentialTest, KeyOfAnotherKind) {
  for (auto [curve, said] :
       {std::pair(NID_secp521r1, "P-521"), std::pair(NID_secp224r1, "curve")}) {
    bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(curve));
    EXPECT_EQ(1, EC_KEY_generate_key(key.get()));
    bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
    EXPECT_EQ(
        1, PEM_write_bio_ECPrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr));
    ExpectRefused(WEIR_E_TLS_KEY, said, server_->chain_pem, TextOf(bio));
  }
  CertificateOptions weak;
  weak.key = KeyKind::kRsa1024;
  ExpectRefused(WEIR_E_TLS_KEY, "2048 bits", server_->chain_pem,
                Certificate::SelfSigned(weak).KeyPem());
}

TEST_F(CredentialTest, LoadsFiles) {
  TemporaryFolder folder;
  const std::string chain = folder.Write("chain.pem", server_->chain_pem);
  const std::string key = folder.Write("key.pem", server_->key_pem);
  const std::string both = folder.Write("both.pem", server_->chain_pem + server_->key_pem);
  auto load = [&] {
    weir_tls_credential *made = nullptr;
    EXPECT_EQ(0, weir_tls_credential_load(&made, chain.c_str(), key.c_str(), nullptr))
        << LastTlsFailure();
    weir_tls_credential_close(made);
    EXPECT_EQ(0, weir_tls_credential_load(&made, both.c_str(), both.c_str(), nullptr))
        << LastTlsFailure();
    weir_tls_credential_close(made);
    EXPECT_EQ(-ENOENT, weir_tls_credential_load(&made, chain.c_str(), "/nowhere", nullptr));
    EXPECT_EQ(nullptr, made);
    EXPECT_EQ("cannot read /nowhere: No such file or directory", LastTlsFailure());
    EXPECT_EQ(-EISDIR,
              weir_tls_credential_load(&made, folder.path().c_str(), key.c_str(), nullptr));
    EXPECT_EQ(WEIR_E_TLS_KEY,
              weir_tls_credential_load(&made, chain.c_str(), chain.c_str(), nullptr));
    EXPECT_NE(std::string::npos, LastTlsFailure().find("no private key"));
    EXPECT_EQ(-EINVAL, weir_tls_credential_load(&made, nullptr, key.c_str(), nullptr));
    const std::string large = folder.Write("large.pem", std::string(1024 * 1024 + 1, '\n'));
    EXPECT_EQ(-EFBIG, weir_tls_credential_load(&made, large.c_str(), key.c_str(), nullptr));
    EXPECT_EQ(-EFBIG, weir_tls_credential_load(&made, "/dev/zero", key.c_str(), nullptr));
    return 0;
  };
  load();                            // blocks
  EXPECT_EQ(0, RunCoroutine(load));  // on the pool
}

// Outside of coroutines each thread has its own.
TEST_F(CredentialTest, AThreadWhereNothingHasFailed) {
  EXPECT_EQ(WEIR_E_TLS_CHAIN, Create("", ""));
  std::thread([] {
    const weir_tls_failure *failure = weir_tls_last_failure(nullptr);
    EXPECT_EQ(0, failure->code);
    EXPECT_EQ(-1, failure->alert);
    EXPECT_EQ(-1, failure->depth);
    EXPECT_STREQ("", failure->text);
  }).join();
  EXPECT_EQ(WEIR_E_TLS_CHAIN, weir_tls_last_failure(nullptr)->code);
}

TEST_F(CredentialTest, ClosingNothing) { weir_tls_credential_close(nullptr); }

}  // namespace
}  // namespace weir_testing
