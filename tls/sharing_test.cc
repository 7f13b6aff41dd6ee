// SPDX-License-Identifier: Apache-2.0
//
// What is shared: the system's roots and the default options by the whole process, and everything
// else by as many loops as there are, while credentials are replaced.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <string>

#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/temporary_folder.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/selector.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr int kLoops = 4;
constexpr int kCoroutines = 8;  // on each
constexpr int kRounds = 3;      // of each

class SharingTest : public LeakCheckedTest {
 protected:
  // The authority is one of the system's roots.
  static void SetUpTestSuite() {
    authority_ = new TestAuthority;
    TemporaryFolder folder;
    setenv("SSL_CERT_FILE", folder.Write("roots.pem", authority_->root().Pem()).c_str(), 1);
    // Many need them first, all at once.
    FirstHandshakes();
    unsetenv("SSL_CERT_FILE");
  }
  static void TearDownTestSuite() { delete authority_; }

  // Runs |body| often on several loops.
  static void OnAllLoops(const std::function<void()> &body) {
    weir_selector_options options = {};
    options.loops = kLoops;
    ExpectRun(options, [&] {
      for (int i = 0; i < kLoops * kCoroutines; i++) {
        EXPECT_EQ(0, LaunchCoroutineOn(i % kLoops, [&] {
                    for (int round = 0; round < kRounds; round++) body();
                    return 0;
                  }));
      }
      return weir_scope_wait(nullptr);
    });
  }

  static void FirstHandshakes() {
    TlsContext context = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)});
    OnAllLoops([&] {
      TlsMeeting meeting = Meet(nullptr, context.get(), kServerName);
      EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
      EXPECT_EQ(0, meeting.client.talk);
    });
  }

  static TestAuthority *authority_;
};

TestAuthority *SharingTest::authority_;

TEST_F(SharingTest, DefaultsCheckAgainstTheSystemsRoots) {
  TlsContext good = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)});
  TlsContext bad = MakeTlsContext({TestAuthority().Make(Defect::kNone, Role::kServer)});
  weir_tls_options_builder builder = {};
  builder.server_name = kServerName;
  weir_tls_options *made = nullptr;
  ASSERT_EQ(0, weir_tls_options_build(&made, &builder));
  TlsOptions without_trust(made);
  ExpectRun([&] {
    EXPECT_EQ(0, Meet(nullptr, good.get(), "localhost").client.handshake);
    EXPECT_EQ(0, Meet(without_trust.get(), good.get()).client.handshake);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, Meet(nullptr, bad.get(), "localhost").client.handshake);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, Meet(nullptr, good.get(), "other.test").client.handshake);
    return 0;
  });
}

TEST_F(SharingTest, DefaultsKeepNoSessions) {
  TlsContext context = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)});
  ExpectRun([&] {
    for (int i = 0; i < 2; i++) {
      TlsMeeting meeting = Meet(nullptr, context.get(), "localhost");
      EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
      EXPECT_FALSE(meeting.client.resumed);
    }
    return 0;
  });
}

TEST_F(SharingTest, OptionsAndContextsOnManyLoops) {
  TlsTrust trust = MakeTlsTrust(authority_->root());
  TlsCredential client =
      MakeTlsCredential(authority_->Make(Defect::kNone, Role::kClient), /*sign_on_pool=*/true);
  TlsCredential servers[] = {
      MakeTlsCredential(authority_->Make(Defect::kNone, Role::kServer)),
      MakeTlsCredential(authority_->Make(Defect::kNone, Role::kServer, KeyKind::kEd25519)),
  };
  weir_tls_context_builder builder = {};
  builder.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  builder.client_trust = trust.get();
  TlsContext context = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)}, builder);
  weir_tls_options_builder options_builder = {};
  options_builder.server_name = kServerName;
  options_builder.credential = client.get();
  options_builder.session_limit = 2;
  TlsOptions options = MakeTlsOptions(authority_->root(), options_builder);
  std::atomic<unsigned> rounds{0};
  OnAllLoops([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(0, meeting.server.handshake) << meeting.server.failure.text;
    EXPECT_EQ(0, meeting.client.talk);
    weir_tls_credential *const next[] = {servers[rounds++ % 2].get()};
    EXPECT_EQ(0, weir_tls_context_replace_credentials(context.get(), next, 1));
  });
}

}  // namespace
}  // namespace weir_testing
