// SPDX-License-Identifier: Apache-2.0
//
// The certificates that tests make, judged by somebody else: the openssl command line.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "testing/certificates.h"
#include "testing/temporary_folder.h"

namespace weir_testing {
namespace {

bool HasOpenssl() { return system("openssl version > /dev/null 2>&1") == 0; }

// Runs a command and returns what it printed, with "ok" or "failed" before it.
std::string RunProgram(const std::string &command) {
  FILE *pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return "no pipe";
  std::string output;
  char buffer[512];
  size_t count;
  while ((count = fread(buffer, 1, sizeof buffer, pipe)) > 0) output.append(buffer, count);
  int status = pclose(pipe);
  return (WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "ok: " : "failed: ") + output;
}

class CertificatesTest : public ::testing::Test {
 protected:
  // What openssl verify says about a chain shown by |role|.
  std::string Verify(const Credential &credential, Role role, const std::string &name = "") {
    std::string command = "openssl verify -no-CApath -no-CAstore -auth_level 2 -CAfile " +
                          folder_.Write("root.pem", authority_.root().Pem()) + " -untrusted " +
                          folder_.Write("chain.pem", credential.chain_pem);
    command += role == Role::kServer ? " -purpose sslserver" : " -purpose sslclient";
    if (!name.empty()) command += name;
    return RunProgram(command + " " + folder_.Write("leaf.pem", credential.leaf.Pem()));
  }

  TestAuthority authority_;
  TemporaryFolder folder_;
};

#define NEEDS_OPENSSL() \
  if (!HasOpenssl()) GTEST_SKIP() << "the openssl command is not installed"

TEST_F(CertificatesTest, OpensslTrustsThoseWithoutADefect) {
  NEEDS_OPENSSL();
  for (KeyKind key : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    Credential server = authority_.Make(Defect::kNone, Role::kServer, key);
    for (const char *name : {" -verify_hostname server.test", " -verify_hostname localhost",
                             " -verify_ip 127.0.0.1", " -verify_ip ::1"}) {
      EXPECT_EQ(0u, Verify(server, Role::kServer, name).find("ok")) << name;
    }
    Credential client = authority_.Make(Defect::kNone, Role::kClient, key);
    EXPECT_EQ(0u, Verify(client, Role::kClient).find("ok"));
    EXPECT_EQ(
        0u, RunProgram("openssl pkey -noout -check -in " + folder_.Write("key.pem", client.key_pem))
                .find("ok"));
  }
}

// The number of the error that openssl finds for a defect (X509_V_ERR_ in its documentation).
int OpensslErrorOf(Defect defect) {
  switch (defect) {
    case Defect::kNone:
      return 0;
    case Defect::kExpired:
    case Defect::kExpiredIntermediate:
      return 10;  // CERT_HAS_EXPIRED
    case Defect::kNotYetValid:
      return 9;  // CERT_NOT_YET_VALID
    case Defect::kWrongHost:
      return 62;  // HOSTNAME_MISMATCH
    case Defect::kWrongIp:
      return 64;  // IP_ADDRESS_MISMATCH
    case Defect::kCommonNameOnly:
      return 0;  // this program has no way to ignore the common name
    case Defect::kSelfSigned:
      return 18;  // DEPTH_ZERO_SELF_SIGNED_CERT
    case Defect::kUnknownAuthority:
    case Defect::kMissingIntermediate:
      return 20;  // UNABLE_TO_GET_ISSUER_CERT_LOCALLY
    case Defect::kWrongExtendedKeyUsage:
      return 26;  // INVALID_PURPOSE
    case Defect::kNameConstraint:
      return 47;  // PERMITTED_VIOLATION
    case Defect::kWeakKey:
      return 66;  // EE_KEY_TOO_SMALL
    case Defect::kSha1Signature:
    case Defect::kSha1SignedIntermediate:
      return 68;  // CA_MD_TOO_WEAK
    case Defect::kIntermediateIsNoAuthority:
      return 79;  // INVALID_CA, 24 before OpenSSL 3
    case Defect::kWeakIntermediateKey:
      return 67;  // CA_KEY_TOO_SMALL
  }
  return -1;
}

TEST_F(CertificatesTest, OpensslFindsEachDefect) {
  NEEDS_OPENSSL();
  for (Defect defect : AllDefects()) {
    const int error = OpensslErrorOf(defect);
    const char *name =
        defect == Defect::kWrongIp ? " -verify_ip 127.0.0.1" : " -verify_hostname server.test";
    std::string said = Verify(authority_.Make(defect, Role::kServer), Role::kServer, name);
    if (error == 0) {
      EXPECT_EQ(0u, said.find("ok")) << NameOf(defect) << ": " << said;
    } else {
      EXPECT_NE(std::string::npos, said.find("error " + std::to_string(error) + " at"))
          << NameOf(defect) << ": " << said;
    }
  }
}

TEST_F(CertificatesTest, OpensslFindsAClientsWrongUsage) {
  NEEDS_OPENSSL();
  Credential client = authority_.Make(Defect::kWrongExtendedKeyUsage, Role::kClient);
  EXPECT_NE(std::string::npos, Verify(client, Role::kClient).find("error 26 at"));
}

TEST_F(CertificatesTest, OpensslReadsDer) {
  NEEDS_OPENSSL();
  Credential server = authority_.Make(Defect::kNone, Role::kServer);
  EXPECT_EQ("ok: " + server.leaf.Pem(), RunProgram("openssl x509 -inform DER -in " +
                                                   folder_.Write("leaf.der", server.leaf.Der())));
  EXPECT_EQ("ok: " + server.key_pem, RunProgram("openssl pkey -inform DER -in " +
                                                folder_.Write("key.der", server.leaf.KeyDer())));
}

TEST_F(CertificatesTest, AChainHasNoRoot) {
  Credential server = authority_.Make(Defect::kNone, Role::kServer);
  EXPECT_EQ(server.leaf.Pem() + authority_.intermediate().Pem(), server.chain_pem);
  Credential alone = authority_.Make(Defect::kMissingIntermediate, Role::kServer);
  EXPECT_EQ(alone.leaf.Pem(), alone.chain_pem);
}

}  // namespace
}  // namespace weir_testing
