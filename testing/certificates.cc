// SPDX-License-Identifier: Apache-2.0

#include "testing/certificates.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/bytestring.h>
#include <openssl/curve25519.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace weir_testing {

namespace {

constexpr long kSecondsPerDay = 86400;

void Check(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "certificates: %s\n", what);
  ERR_print_errors_fp(stderr);
  abort();
}

bssl::UniquePtr<EVP_PKEY> MakeEcKey(int curve) {
  bssl::UniquePtr<EC_KEY> key(EC_KEY_new_by_curve_name(curve));
  Check(key && EC_KEY_generate_key(key.get()) == 1, "an EC key");
  bssl::UniquePtr<EVP_PKEY> result(EVP_PKEY_new());
  Check(result && EVP_PKEY_set1_EC_KEY(result.get(), key.get()) == 1, "an EC key");
  return result;
}

bssl::UniquePtr<EVP_PKEY> MakeRsaKey(int bits) {
  bssl::UniquePtr<BIGNUM> exponent(BN_new());
  Check(exponent && BN_set_word(exponent.get(), RSA_F4) == 1, "an RSA exponent");
  bssl::UniquePtr<RSA> key(RSA_new());
  Check(key && RSA_generate_key_ex(key.get(), bits, exponent.get(), nullptr) == 1, "an RSA key");
  bssl::UniquePtr<EVP_PKEY> result(EVP_PKEY_new());
  Check(result && EVP_PKEY_set1_RSA(result.get(), key.get()) == 1, "an RSA key");
  return result;
}

bssl::UniquePtr<EVP_PKEY> MakeEd25519Key() {
  uint8_t public_key[ED25519_PUBLIC_KEY_LEN];
  uint8_t private_key[ED25519_PRIVATE_KEY_LEN];
  ED25519_keypair(public_key, private_key);
  // The first half of the private key is the seed, which is what the interface wants.
  bssl::UniquePtr<EVP_PKEY> result(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, private_key, 32));
  Check(static_cast<bool>(result), "an Ed25519 key");
  return result;
}

bssl::UniquePtr<EVP_PKEY> MakeKey(KeyKind kind) {
  switch (kind) {
    case KeyKind::kP256:
      return MakeEcKey(NID_X9_62_prime256v1);
    case KeyKind::kP384:
      return MakeEcKey(NID_secp384r1);
    case KeyKind::kEd25519:
      return MakeEd25519Key();
    case KeyKind::kRsa2048:
      return MakeRsaKey(2048);
    case KeyKind::kRsa1024:
      return MakeRsaKey(1024);
  }
  abort();
}

void SetSerialNumber(X509 *certificate) {
  static std::atomic<long> last{0};
  bssl::UniquePtr<ASN1_INTEGER> serial(ASN1_INTEGER_new());
  Check(serial && ASN1_INTEGER_set(serial.get(), ++last) == 1 &&
            X509_set_serialNumber(certificate, serial.get()) == 1,
        "a serial number");
}

void SetCommonName(X509 *certificate, const std::string &name) {
  bssl::UniquePtr<X509_NAME> subject(X509_NAME_new());
  Check(subject &&
            X509_NAME_add_entry_by_txt(subject.get(), "CN", MBSTRING_UTF8,
                                       reinterpret_cast<const unsigned char *>(name.c_str()), -1,
                                       -1, 0) == 1 &&
            X509_set_subject_name(certificate, subject.get()) == 1,
        "a subject");
}

void AddExtension(X509 *certificate, X509 *issuer, int nid, const std::string &value) {
  if (value.empty()) return;
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_nconf(&context, nullptr);
  bssl::UniquePtr<X509_EXTENSION> extension(
      X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
  Check(extension && X509_add_ext(certificate, extension.get(), -1) == 1, value.c_str());
}

std::string Joined(const std::vector<std::string> &parts) {
  std::string result;
  for (const std::string &part : parts) result += (result.empty() ? "" : ",") + part;
  return result;
}

void AddExtensions(X509 *certificate, X509 *issuer, const CertificateOptions &options) {
  auto add = [&](int nid, const std::string &value) {
    AddExtension(certificate, issuer, nid, value);
  };
  add(NID_basic_constraints, options.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  const char *usual =
      options.authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature";
  add(NID_key_usage, options.key_usage.empty() ? usual : options.key_usage);
  add(NID_ext_key_usage, options.extended_key_usage);
  add(NID_subject_alt_name, Joined(options.alternative_names));
  add(NID_name_constraints,
      options.name_constraints.empty() ? "" : "critical," + options.name_constraints);
  add(NID_subject_key_identifier, "hash");
  if (issuer != certificate) add(NID_authority_key_identifier, "keyid");
}

std::string TextOf(BIO *bio) {
  const uint8_t *data = nullptr;
  size_t size = 0;
  Check(BIO_mem_contents(bio, &data, &size) == 1, "a memory BIO");
  return std::string(reinterpret_cast<const char *>(data), size);
}

}  // namespace

Certificate Certificate::Make(const CertificateOptions &options, const Certificate *issuer) {
  Certificate result;
  result.key_ = MakeKey(options.key);
  result.certificate_ = std::shared_ptr<X509>(X509_new(), X509_free);
  if (issuer != nullptr) result.issuer_ = std::make_shared<const Certificate>(*issuer);

  X509 *certificate = result.x509();
  X509 *issuer_certificate = issuer != nullptr ? issuer->x509() : certificate;
  EVP_PKEY *issuer_key = issuer != nullptr ? issuer->key() : result.key();
  Check(certificate != nullptr && X509_set_version(certificate, 2) == 1, "a certificate");
  SetSerialNumber(certificate);
  SetCommonName(certificate, options.common_name);
  Check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer_certificate)) == 1 &&
            X509_set_pubkey(certificate, result.key()) == 1 &&
            X509_gmtime_adj(X509_getm_notBefore(certificate),
                            options.valid_from_days * kSecondsPerDay) != nullptr &&
            X509_gmtime_adj(X509_getm_notAfter(certificate),
                            options.valid_until_days * kSecondsPerDay) != nullptr,
        "a certificate");
  AddExtensions(certificate, issuer_certificate, options);
  const EVP_MD *digest = options.sha1_signature ? EVP_sha1() : EVP_sha256();
  if (EVP_PKEY_id(issuer_key) == EVP_PKEY_ED25519) digest = nullptr;  // it has its own
  Check(X509_sign(certificate, issuer_key, digest) > 0, "a signature");
  return result;
}

Certificate Certificate::SelfSigned(const CertificateOptions &options) {
  return Make(options, nullptr);
}

Certificate Certificate::Issue(const CertificateOptions &options) const {
  return Make(options, this);
}

std::string Certificate::Pem() const {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  Check(bio && PEM_write_bio_X509(bio.get(), x509()) == 1, "a certificate as PEM");
  return TextOf(bio.get());
}

std::string Certificate::Der() const {
  uint8_t *data = nullptr;
  int size = i2d_X509(x509(), &data);
  bssl::UniquePtr<uint8_t> owned(data);
  Check(size > 0, "a certificate as DER");
  return std::string(reinterpret_cast<const char *>(data), static_cast<size_t>(size));
}

std::string Certificate::KeyPem() const {
  bssl::UniquePtr<BIO> bio(BIO_new(BIO_s_mem()));
  Check(
      bio && PEM_write_bio_PrivateKey(bio.get(), key(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "a key as PEM");
  return TextOf(bio.get());
}

std::string Certificate::KeyDer() const {
  bssl::ScopedCBB builder;
  uint8_t *data = nullptr;
  size_t size = 0;
  Check(CBB_init(builder.get(), 0) == 1 && EVP_marshal_private_key(builder.get(), key()) == 1 &&
            CBB_finish(builder.get(), &data, &size) == 1,
        "a key as DER");
  bssl::UniquePtr<uint8_t> owned(data);
  return std::string(reinterpret_cast<const char *>(data), size);
}

std::string Certificate::ChainPem() const {
  std::string result = Pem();
  for (const Certificate *next = issuer_.get(); next != nullptr && next->issuer_ != nullptr;
       next = next->issuer_.get()) {
    result += next->Pem();
  }
  return result;
}

}  // namespace weir_testing
