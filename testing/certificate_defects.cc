// SPDX-License-Identifier: Apache-2.0

#include <cstdlib>

#include "testing/certificates.h"

namespace weir_testing {

namespace {

CertificateOptions AuthorityOptions(const char *name) {
  CertificateOptions options;
  options.common_name = name;
  options.authority = true;
  return options;
}

// A leaf as it should be.
CertificateOptions LeafOptions(Role role, KeyKind key) {
  CertificateOptions options;
  options.key = key;
  if (role == Role::kServer) {
    options.common_name = "weir test server";
    options.extended_key_usage = "serverAuth";
    options.alternative_names = {std::string("DNS:") + kServerName,
                                 std::string("DNS:") + kLocalhost, "IP:127.0.0.1", "IP:::1"};
  } else {
    options.common_name = "weir test client";
    options.extended_key_usage = "clientAuth";
    options.alternative_names = {std::string("DNS:") + kClientName};
  }
  return options;
}

// What of the defect lies in the leaf itself.
void Spoil(CertificateOptions *options, Defect defect, Role role) {
  switch (defect) {
    case Defect::kExpired:
      options->valid_from_days = -30;
      options->valid_until_days = -1;
      return;
    case Defect::kNotYetValid:
      options->valid_from_days = 1;
      return;
    case Defect::kWrongHost:
      options->alternative_names = {"DNS:other.test", "IP:127.0.0.1", "IP:::1"};
      return;
    case Defect::kWrongIp:
      options->alternative_names = {std::string("DNS:") + kServerName,
                                    std::string("DNS:") + kLocalhost, "IP:192.0.2.1"};
      return;
    case Defect::kCommonNameOnly:
      options->common_name = role == Role::kServer ? kServerName : kClientName;
      options->alternative_names.clear();
      return;
    case Defect::kWrongExtendedKeyUsage:
      options->extended_key_usage = role == Role::kServer ? "clientAuth" : "serverAuth";
      return;
    case Defect::kWeakKey:
      options->key = KeyKind::kRsa1024;
      return;
    case Defect::kSha1Signature:
      options->sha1_signature = true;
      return;
    default:
      return;
  }
}

}  // namespace

const std::vector<Defect> &AllDefects() {
  static const std::vector<Defect> all = {
      Defect::kExpired,
      Defect::kNotYetValid,
      Defect::kWrongHost,
      Defect::kWrongIp,
      Defect::kCommonNameOnly,
      Defect::kSelfSigned,
      Defect::kUnknownAuthority,
      Defect::kMissingIntermediate,
      Defect::kWrongExtendedKeyUsage,
      Defect::kNameConstraint,
      Defect::kWeakKey,
      Defect::kSha1Signature,
      Defect::kExpiredIntermediate,
      Defect::kIntermediateIsNoAuthority,
      Defect::kWeakIntermediateKey,
      Defect::kSha1SignedIntermediate,
  };
  return all;
}

const char *NameOf(Defect defect) {
  switch (defect) {
    case Defect::kNone:
      return "None";
    case Defect::kExpired:
      return "Expired";
    case Defect::kNotYetValid:
      return "NotYetValid";
    case Defect::kWrongHost:
      return "WrongHost";
    case Defect::kWrongIp:
      return "WrongIp";
    case Defect::kCommonNameOnly:
      return "CommonNameOnly";
    case Defect::kSelfSigned:
      return "SelfSigned";
    case Defect::kUnknownAuthority:
      return "UnknownAuthority";
    case Defect::kMissingIntermediate:
      return "MissingIntermediate";
    case Defect::kWrongExtendedKeyUsage:
      return "WrongExtendedKeyUsage";
    case Defect::kNameConstraint:
      return "NameConstraint";
    case Defect::kWeakKey:
      return "WeakKey";
    case Defect::kSha1Signature:
      return "Sha1Signature";
    case Defect::kExpiredIntermediate:
      return "ExpiredIntermediate";
    case Defect::kIntermediateIsNoAuthority:
      return "IntermediateIsNoAuthority";
    case Defect::kWeakIntermediateKey:
      return "WeakIntermediateKey";
    case Defect::kSha1SignedIntermediate:
      return "Sha1SignedIntermediate";
  }
  abort();
}

TestAuthority::TestAuthority()
    : root_(Certificate::SelfSigned(AuthorityOptions("weir test root"))),
      intermediate_(root_.Issue(AuthorityOptions("weir test intermediate"))) {}

Certificate TestAuthority::IntermediateFor(Defect defect) const {
  CertificateOptions options = AuthorityOptions("weir test odd intermediate");
  switch (defect) {
    case Defect::kUnknownAuthority:
      return Certificate::SelfSigned(AuthorityOptions("weir unknown root"))
          .Issue(AuthorityOptions("weir unknown intermediate"));
    case Defect::kNameConstraint:
      options.name_constraints = "permitted;DNS:elsewhere.test";
      return root_.Issue(options);
    case Defect::kExpiredIntermediate:
      options.valid_from_days = -30;
      options.valid_until_days = -1;
      return root_.Issue(options);
    case Defect::kIntermediateIsNoAuthority:
      options.authority = false;
      return root_.Issue(options);
    case Defect::kWeakIntermediateKey:
      options.key = KeyKind::kRsa1024;
      return root_.Issue(options);
    case Defect::kSha1SignedIntermediate:
      options.sha1_signature = true;
      return root_.Issue(options);
    default:
      return intermediate_;
  }
}

Credential TestAuthority::Make(Defect defect, Role role, KeyKind key) const {
  CertificateOptions options = LeafOptions(role, key);
  Spoil(&options, defect, role);
  Certificate leaf = defect == Defect::kSelfSigned ? Certificate::SelfSigned(options)
                                                   : IntermediateFor(defect).Issue(options);
  std::string chain = defect == Defect::kMissingIntermediate ? leaf.Pem() : leaf.ChainPem();
  return {chain, leaf.KeyPem(), leaf};
}

Credential TestAuthority::MakeFor(const std::vector<std::string> &alternative_names,
                                  KeyKind key) const {
  CertificateOptions options = LeafOptions(Role::kServer, key);
  options.alternative_names = alternative_names;
  Certificate leaf = intermediate_.Issue(options);
  return {leaf.ChainPem(), leaf.KeyPem(), leaf};
}

}  // namespace weir_testing
