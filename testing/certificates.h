// SPDX-License-Identifier: Apache-2.0
//
// Certificates made by the test that needs them: authorities, chains, and every defect for which a
// peer must refuse one. Keys and serial numbers are new each time, the shape is always the same.
//
// Example: a server that any client trusts who trusts authority.root().
//   TestAuthority authority;
//   Credential server = authority.Make(Defect::kNone, Role::kServer);
//   UseCertificate(server.chain_pem, server.key_pem);
//
// All of it expects success, and aborts the test otherwise.

#ifndef WEIR_TESTING_CERTIFICATES_H
#define WEIR_TESTING_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

namespace weir_testing {

enum class KeyKind { kP256, kP384, kEd25519, kRsa2048, kRsa1024 };

struct CertificateOptions {
  std::string common_name = "weir test";
  // As "DNS:name" or "IP:address".
  std::vector<std::string> alternative_names;
  KeyKind key = KeyKind::kP256;
  // From now.
  int valid_from_days = -1;
  int valid_until_days = 30;
  bool authority = false;
  // "serverAuth", "clientAuth" or both, with a comma; none allows everything (RFC 5280, 4.2.1.12).
  std::string extended_key_usage;
  // As "permitted;DNS:example.test" (RFC 5280, 4.2.1.10).
  std::string name_constraints;
  // As "critical,keyAgreement" (RFC 5280, 4.2.1.3); by default what it is for.
  std::string key_usage;
  bool sha1_signature = false;
};

// A certificate with its key and those who signed it; a value, cheap to copy.
class Certificate {
 public:
  // Signs itself: a root, if the options say that it is an authority.
  static Certificate SelfSigned(const CertificateOptions &options);

  // Signed by this one, which need not be an authority.
  Certificate Issue(const CertificateOptions &options) const;

  X509 *x509() const { return certificate_.get(); }
  EVP_PKEY *key() const { return key_.get(); }

  std::string Pem() const;
  std::string Der() const;
  // Without a passphrase, as PKCS #8.
  std::string KeyPem() const;
  std::string KeyDer() const;
  // This one and the authorities above it up to, but without, one that signed itself.
  std::string ChainPem() const;

 private:
  Certificate() = default;
  static Certificate Make(const CertificateOptions &options, const Certificate *issuer);

  std::shared_ptr<X509> certificate_;
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<const Certificate> issuer_;  // NULL if it signed itself
};

// What is wrong with a certificate.
enum class Defect {
  kNone,
  kExpired,
  kNotYetValid,
  kWrongHost,       // only for another name; the addresses are right
  kWrongIp,         // only for another address; the name is right
  kCommonNameOnly,  // the name is right, but stands where it has not counted since RFC 6125
  kSelfSigned,
  kUnknownAuthority,
  kMissingIntermediate,
  kWrongExtendedKeyUsage,  // a server's for a client, and the other way round
  kNameConstraint,         // the intermediate may not sign for this name
  kWeakKey,                // RSA with 1024 bits
  kSha1Signature,
  // The same of the intermediate.
  kExpiredIntermediate,
  kIntermediateIsNoAuthority,
  kWeakIntermediateKey,
  kSha1SignedIntermediate,
};

// All of them, without kNone.
const std::vector<Defect> &AllDefects();

// As the enumerator is spelt, without the k.
const char *NameOf(Defect defect);

enum class Role { kServer, kClient };

// What one side shows to the other.
struct Credential {
  std::string chain_pem;
  std::string key_pem;
  Certificate leaf;
};

// The names of each server certificate without a defect in them. 127.0.0.1 and ::1 are more.
inline constexpr char kServerName[] = "server.test";
inline constexpr char kLocalhost[] = "localhost";
// And that of each client certificate, as a DNS name.
inline constexpr char kClientName[] = "client.test";

// A root, an intermediate below it, and what they sign.
class TestAuthority {
 public:
  TestAuthority();

  const Certificate &root() const { return root_; }
  const Certificate &intermediate() const { return intermediate_; }

  // A leaf below the intermediate, or what the |defect| makes of it. |key| is the leaf's.
  Credential Make(Defect defect, Role role, KeyKind key = KeyKind::kP256) const;

  // The same without a defect, with other |alternative_names|.
  Credential MakeFor(const std::vector<std::string> &alternative_names,
                     KeyKind key = KeyKind::kP256) const;

 private:
  Certificate IntermediateFor(Defect defect) const;

  Certificate root_;
  Certificate intermediate_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_CERTIFICATES_H
