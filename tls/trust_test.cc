// SPDX-License-Identifier: Apache-2.0
//
// Sets of roots: what is accepted, what is refused, and those of the system.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "testing/certificates.h"
#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/temporary_folder.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

class TrustTest : public LeakCheckedTest {
 protected:
  static int Create(const std::string &roots) {
    weir_tls_trust *made = nullptr;
    int result = weir_tls_trust_create(&made, weir_bytes_of(roots.data(), roots.size()));
    EXPECT_EQ(result == 0, made != nullptr);
    weir_tls_trust_close(made);
    return result;
  }

  static void ExpectRefused(int code, const std::string &said, const std::string &roots) {
    EXPECT_EQ(code, Create(roots)) << said;
    EXPECT_NE(std::string::npos, LastTlsFailure().find(said)) << LastTlsFailure();
  }

  TestAuthority authority_;
};

TEST_F(TrustTest, TakesABundle) {
  EXPECT_EQ(0, Create(authority_.root().Pem()));
  EXPECT_EQ(0, Create("one:\n" + authority_.root().Pem() + "two:\n" + TestAuthority().root().Pem() +
                      "the first again:\n" + authority_.root().Pem()))
      << LastTlsFailure();
}

TEST_F(TrustTest, EmptyRoots) {
  ExpectRefused(WEIR_E_TLS_NO_ROOTS, "no certificate in the roots", "");
  ExpectRefused(WEIR_E_TLS_NO_ROOTS, "no certificate in the roots", "# nobody\n");
}

TEST_F(TrustTest, JunkInTheRoots) {
  const std::string root = authority_.root().Pem();
  ExpectRefused(WEIR_E_TLS_PEM, "ends within a block", root + "-----BEGIN CERTIFICATE-----\n");
  ExpectRefused(WEIR_E_TLS_PEM, "block 2 of the roots, in line", root + authority_.root().KeyPem());
  ExpectRefused(WEIR_E_TLS_CHAIN, "block 2 of the roots, in line",
                root + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
}

TEST_F(TrustTest, LoadsAFile) {
  TemporaryFolder folder;
  const std::string path = folder.Write("roots.pem", authority_.root().Pem());
  auto load = [&] {
    weir_tls_trust *trust = nullptr;
    EXPECT_EQ(0, weir_tls_trust_load(&trust, path.c_str())) << LastTlsFailure();
    weir_tls_trust_close(trust);
    EXPECT_EQ(-ENOENT, weir_tls_trust_load(&trust, "/nowhere"));
    EXPECT_EQ(nullptr, trust);
    EXPECT_EQ("cannot read /nowhere: No such file or directory", LastTlsFailure());
    return 0;
  };
  load();
  EXPECT_EQ(0, RunCoroutine(load));
}

TEST_F(TrustTest, TheSystemsRootsAreLoadedOnce) {
  TemporaryFolder folder;
  weir_tls_trust *first = nullptr;
  // One that is not there, then one that is empty, then one with something strange in it.
  setenv("SSL_CERT_FILE", folder.PathOf("roots.pem").c_str(), 1);
  EXPECT_EQ(WEIR_E_TLS_NO_ROOTS, weir_tls_trust_system(&first));
  EXPECT_NE(std::string::npos, LastTlsFailure().find("roots.pem")) << LastTlsFailure();
  folder.Write("roots.pem", "");
  EXPECT_EQ(WEIR_E_TLS_NO_ROOTS, weir_tls_trust_system(&first));
  folder.Write("roots.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" +
                                authority_.root().Pem());
  EXPECT_EQ(0, RunCoroutine([&] {
              int result = weir_tls_trust_system(&first);
              EXPECT_EQ(0, result) << LastTlsFailure();
              return result;
            }));
  // It is not read again.
  setenv("SSL_CERT_FILE", "/nowhere", 1);
  weir_tls_trust *second = nullptr;
  EXPECT_EQ(0, weir_tls_trust_system(&second));
  EXPECT_EQ(first, second);
  weir_tls_trust_close(first);
  weir_tls_trust_close(second);
  EXPECT_EQ(0, weir_tls_trust_system(&second));
  EXPECT_EQ(first, second);
  weir_tls_trust_close(second);
  unsetenv("SSL_CERT_FILE");
}

TEST_F(TrustTest, ClosingNothing) { weir_tls_trust_close(nullptr); }

}  // namespace
}  // namespace weir_testing
