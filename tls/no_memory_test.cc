// SPDX-License-Identifier: Apache-2.0
//
// What happens when BoringSSL has no memory: whatever it was for, it is said, nothing leaks, and
// above all nobody is let in who would not be otherwise.

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "testing/bare_tls.h"
#include "testing/boringssl_memory.h"
#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "testing/virtual_clock.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr int kLastTried = 17;      // of BoringSSL's API versions
constexpr int64_t kLostAtMost = 4;  // blocks

weir_bytes BytesOf(const std::string &text) { return weir_bytes_of(text.data(), text.size()); }

class NoMemoryTest : public LeakCheckedTest {
 protected:
  static void SetUpTestSuite() { authority_ = new TestAuthority; }

  void SetUp() override {
    // Without memory BoringSSL of August 2026 crashes while it reads a certificate.
    if (BORINGSSL_API_VERSION > kLastTried) GTEST_SKIP() << "not with this BoringSSL";
    LeakCheckedTest::SetUp();
  }
  void TearDown() override {
    BoringSslMemory::SetFilter(nullptr);
    if (!IsSkipped()) LeakCheckedTest::TearDown();
  }
  static void TearDownTestSuite() { delete authority_; }

  // Calls |attempt| with each allocation failing in turn, until none does, and expects that it
  // leaves nothing behind. It returns a code.
  static void ForEachFailure(const std::function<int()> &attempt,
                             const std::function<void(int)> &judge, int stride = 1) {
    // What BoringSSL makes once and keeps.
    BoringSslMemory::Refuse(0);
    EXPECT_EQ(0, attempt());
    int64_t before = BoringSslMemory::outstanding();
    int runs = 0;
    for (int64_t nth = 1;; nth += stride, runs++) {
      BoringSslMemory::Refuse(nth);
      int result = attempt();
      bool refused = BoringSslMemory::HasRefused();
      BoringSslMemory::Refuse(0);
      SCOPED_TRACE("allocation " + std::to_string(nth) + ": " + weir_error_name(result) + ": " +
                   LastTlsFailure());
      // Freeing what belongs to an SSL or SSL_CTX takes memory in BoringSSL of 2022, and without it
      // that is not freed.
      EXPECT_GE(before + kLostAtMost, BoringSslMemory::outstanding());
      before = BoringSslMemory::outstanding();
      if (!refused) {
        EXPECT_EQ(0, result);
        break;
      }
      judge(result);
      if (HasFailure()) break;
    }
    EXPECT_LT(10, runs);
  }

  static TestAuthority *authority_;
};

TestAuthority *NoMemoryTest::authority_;

// A success although an allocation failed is fine. BoringSSL does not always tell that it had no
// memory to read something.
void ExpectNoMemory(int result) {
  EXPECT_TRUE(result == 0 || result == -ENOMEM || result == WEIR_E_TLS_CHAIN ||
              result == WEIR_E_TLS_KEY);
}

TEST_F(NoMemoryTest, Credentials) {
  for (KeyKind kind : {KeyKind::kP256, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    const Credential credential = authority_->Make(Defect::kNone, Role::kServer, kind);
    ForEachFailure(
        [&] {
          weir_tls_credential *made = nullptr;
          int result = weir_tls_credential_create(&made, BytesOf(credential.chain_pem),
                                                  BytesOf(credential.key_pem), nullptr);
          weir_tls_credential_close(made);
          return result;
        },
        ExpectNoMemory);
  }
}

TEST_F(NoMemoryTest, Trust) {
  const std::string roots = authority_->root().Pem() + authority_->intermediate().Pem();
  ForEachFailure(
      [&] {
        weir_tls_trust *made = nullptr;
        int result = weir_tls_trust_create(&made, BytesOf(roots));
        weir_tls_trust_close(made);
        return result;
      },
      ExpectNoMemory);
}

TEST_F(NoMemoryTest, OptionsAndContexts) {
  TlsTrust trust = MakeTlsTrust(authority_->root());
  TlsCredential credential = MakeTlsCredential(authority_->Make(Defect::kNone, Role::kServer));
  weir_tls_credential *const all[] = {credential.get()};
  const char *const protocols[] = {"h2", "http/1.1", nullptr};
  weir_tls_options_builder client = {};
  client.terms.protocols = protocols;
  client.trust = trust.get();
  client.credential = credential.get();
  weir_tls_context_builder server = {};
  server.terms.protocols = protocols;
  server.credentials = all;
  server.credential_count = 1;
  server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  server.client_trust = trust.get();
  ForEachFailure(
      [&] {
        weir_tls_options *options = nullptr;
        weir_tls_context *context = nullptr;
        int result = weir_tls_options_build(&options, &client);
        if (result == 0) result = weir_tls_context_build(&context, &server);
        weir_tls_options_close(options);
        weir_tls_context_close(context);
        return result;
      },
      ExpectNoMemory);
}

// A handshake in which everything has a part: both certificates, checks, a choice, the pool, a key
// for tickets, and a session to resume from the second one on.
TEST_F(NoMemoryTest, Handshakes) {
  TlsTrust trust = MakeTlsTrust(authority_->root());
  TlsCredential shown = MakeTlsCredential(authority_->Make(Defect::kNone, Role::kClient), true);
  weir_tls_context_builder server = {};
  server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  server.client_trust = trust.get();
  server.check = weir_tls_dangerously_trust_anyone;
  server.choose = [](void *, const weir_tls_client_hello *, weir_tls_credential **) { return 0; };
  const weir_tls_ticket_key key = {};
  server.ticket_keys = &key;
  server.ticket_key_count = 1;
  TlsContext context = MakeTlsContext({authority_->Make(Defect::kNone, Role::kServer)}, server);
  weir_tls_options_builder client = {};
  client.server_name = kServerName;
  client.credential = shown.get();
  client.check = weir_tls_dangerously_trust_anyone;
  client.trust = trust.get();
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    client.terms.max_version = version;
    auto attempt = [&] {
      weir_tls_options *options = nullptr;
      int result = weir_tls_options_build(&options, &client);
      TlsOptions owned(options);
      if (result < 0) return result;
      ExpectRun([&] {
        for (int i = 0; i < 2 && result == 0; i++) {
          TlsMeeting meeting = Meet(options, context.get());
          for (int end : {meeting.client.handshake, meeting.client.talk, meeting.server.handshake,
                          meeting.server.talk}) {
            if (result == 0) result = end;
          }
        }
        return 0;
      });
      return result;
    };
    // One end has no memory, and the other sees what that makes of the connection.
    ForEachFailure(
        attempt, [](int) {}, 5);
  }
}

// Memory of ours that is missing: for records as well, which BoringSSL does not know of.
TEST_F(NoMemoryTest, IsSaidOfOursToo) {
  const Credential shown = authority_->Make(Defect::kNone, Role::kServer);
  TlsContext context = MakeTlsContext({shown});
  weir_tls_options_builder builder = {};
  builder.server_name = kServerName;
  builder.no_resumption = true;
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  for (uint16_t version : {uint16_t{TLS1_2_VERSION}, uint16_t{TLS1_3_VERSION}}) {
    for (bool is_server : {true, false}) {
      int failures = 0;
      bool refused = true;
      for (int nth = 1; refused; nth++) {
        SCOPED_TRACE(std::string(is_server ? "a server" : "a client") + ", allocation " +
                     std::to_string(nth));
        VirtualClock clock;
        ExpectRun(clock.options(), [&] {
          weir_connection *near = nullptr, *far = nullptr;
          EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
          BareTlsOptions bare;
          bare.is_server = !is_server;
          if (!is_server) bare.credential = &shown;
          bare.min_version = bare.max_version = version;
          weir_job *peer = LaunchJob([&] { return BareTls(far, bare).Handshake(); });
          allocator().FailNth(nth);
          int result = is_server ? weir_tls_server(&near, context.get())
                                 : weir_tls_client(&near, options.get());
          refused = allocator().refused();
          allocator().FailNth(0);
          weir_tls_failure failure = *weir_tls_last_failure(nullptr);
          if (near != nullptr) weir_connection_abort(near);
          weir_connection_close(near);
          // A peer who has no memory says so, or else nothing more.
          bool is_ours = EndOf(peer) != -ENOMEM && result != -ETIMEDOUT;
          if (refused && is_ours && result < 0) {
            EXPECT_EQ(-ENOMEM, result) << weir_error_name(result) << ": " << failure.text;
            failures++;
          } else if (!refused) {
            EXPECT_EQ(0, result) << failure.text;
          }
          return 0;
        });
      }
      EXPECT_LT(3, failures);
    }
  }
}

// Takes all buffers that the loop keeps to use them again.
class HeldBuffers {
 public:
  HeldBuffers() {
    for (Ends &ends : all_) {
      EXPECT_EQ(0, weir_pipe(&ends.near, &ends.far, nullptr));
      EXPECT_EQ(0, weir_write_uint8(weir_open_write_channel(ends.near, false), 1));
    }
  }
  ~HeldBuffers() {
    for (Ends &ends : all_) {
      for (weir_connection *end : {ends.near, ends.far}) {
        weir_connection_abort(end);
        weir_connection_close(end);
      }
    }
  }
  HeldBuffers(const HeldBuffers &) = delete;
  HeldBuffers &operator=(const HeldBuffers &) = delete;

 private:
  struct Ends {
    weir_connection *near = nullptr, *far = nullptr;
  };
  Ends all_[8];
};

// The last that a server of TLS 1.3 says in its handshake.
TEST_F(NoMemoryTest, ForTicketsOfASession) {
  const Credential shown = authority_->Make(Defect::kNone, Role::kServer);
  TlsContext context = MakeTlsContext({shown});
  for (int nth = 1, result = -1; result != 0 && nth < 10; nth++) {
    VirtualClock clock;
    ExpectRun(clock.options(), [&] {
      SecurePair pair = MakeWire(Wire::kTcp);
      BareTlsOptions bare;
      bare.min_version = TLS1_3_VERSION;
      weir_job *peer = LaunchJob([&] {
        BareTls client(pair.far, bare);
        EXPECT_EQ(0, client.Handshake());
        EXPECT_EQ(0, client.Write("so that its buffer is not free when all of this has come"));
        HeldBuffers held;
        allocator().FailNth(nth);
        EXPECT_EQ(0, weir_delay(WEIR_SECOND));
        allocator().FailNth(0);
        return 0;
      });
      result = weir_tls_server(&pair.near, context.get());
      EXPECT_TRUE(result == 0 || result == -ENOMEM)
          << nth << ": " << weir_error_name(result) << ": " << LastTlsFailure();
      EXPECT_EQ(0, EndOf(peer));
      if (pair.near != nullptr) weir_connection_abort(pair.near);
      weir_connection_close(pair.near);
      return 0;
    });
  }
}

// Set in a coroutine in which allocations may fail.
const weir_local may_fail = {};

// Whoever is refused otherwise is so whatever allocation of ours fails.
TEST_F(NoMemoryTest, NobodyIsLetInForLackOfMemory) {
  BoringSslMemory::SetFilter([] { return weir_local_get(&may_fail) != nullptr; });
  TlsTrust trust = MakeTlsTrust(authority_->root());
  const Credential good = authority_->Make(Defect::kNone, Role::kServer);
  weir_tls_context_builder asking = {};
  asking.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  asking.client_trust = trust.get();
  TlsContext context = MakeTlsContext({good}, asking);
  weir_tls_options_builder builder = {};
  builder.server_name = kServerName;
  TlsOptions options = MakeTlsOptions(authority_->root(), builder);
  for (Defect defect : AllDefects()) {
    if (defect == Defect::kWrongIp) continue;  // these go by the name
    SCOPED_TRACE(NameOf(defect));
    const Credential bad_server = authority_->Make(defect, Role::kServer);
    const Credential bad_client = authority_->Make(defect, Role::kClient);
    BareTlsOptions server_options, client_options;
    server_options.credential = &bad_server;
    client_options.credential = &bad_client;
    bool about_name = defect == Defect::kWrongHost || defect == Defect::kCommonNameOnly;
    auto attempt = [&] {
      ExpectRun([&] {
        EXPECT_EQ(0, weir_local_set(&may_fail, authority_));
        BareEnd bare;
        EXPECT_GT(0, MeetBareServer(options.get(), server_options, &bare).handshake);
        if (!about_name) {
          EXPECT_GT(0, MeetBareClient(client_options, context.get(), &bare).handshake);
        }
        return 0;
      });
      return 0;
    };
    ForEachFailure(
        attempt, [](int) {}, 11);
  }
}

}  // namespace
}  // namespace weir_testing
