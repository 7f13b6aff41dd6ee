// SPDX-License-Identifier: Apache-2.0
//
// How much of its stack a coroutine needs for TLS: less than half of the default one, whatever the
// certificates are.

#include <cstdint>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/sanitizers.h"
#include "testing/secure_pair.h"

namespace weir_testing {
namespace {

constexpr size_t kStack = 64 * 1024;
constexpr size_t kMost = kStack / 2;
constexpr size_t kUntold = 4096;
constexpr unsigned char kPaint = 0xa5;

// Fills what is free of the stack, as far as kMost reaches and a little more. *out_end gets where
// that ends.
__attribute__((noinline)) void Paint(uintptr_t *out_end) {
  volatile unsigned char area[kMost + 4096];
  for (volatile unsigned char &byte : area) byte = kPaint;
  *out_end = reinterpret_cast<uintptr_t>(&area[0]);
}

// How many of the bytes below |top| were used, down to what Paint has filled.
__attribute__((noinline)) size_t UsedBelow(const unsigned char *bottom, const unsigned char *top) {
  volatile const unsigned char *at = bottom;
  while (at < top && *at == kPaint) at++;
  return static_cast<size_t>(top - const_cast<const unsigned char *>(at));
}

// Runs |body| and returns how much of the stack it took. A sanitizer has stacks of its own, of
// which nobody can tell; what is done on them is tested all the same.
__attribute__((noinline)) size_t Measure(const std::function<void()> &body) {
  if (kHasSanitizer) {
    body();
    return kUntold;
  }
  const auto *top = static_cast<const unsigned char *>(__builtin_frame_address(0));
  uintptr_t bottom = 0;
  Paint(&bottom);
  body();
  return UsedBelow(reinterpret_cast<const unsigned char *>(bottom), top);
}

struct Case {
  KeyKind key;
  weir_tls_version version;
  bool both_show;  // the client shows a certificate, too
};

class Stack : public LeakCheckedTest, public ::testing::WithParamInterface<Case> {};

std::string NameOf(const Case &each) {
  const char *key = each.key == KeyKind::kP256      ? "P256"
                    : each.key == KeyKind::kP384    ? "P384"
                    : each.key == KeyKind::kEd25519 ? "Ed25519"
                                                    : "Rsa";
  return std::string(key) + (each.version == WEIR_TLS_1_2 ? "Tls12" : "Tls13") +
         (each.both_show ? "Mutual" : "");
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (KeyKind key : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
      for (bool both_show : {false, true}) cases.push_back({key, version, both_show});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Kinds, Stack, testing::ValuesIn(Cases()),
                         [](const auto &test) { return NameOf(test.param); });

TEST_P(Stack, HalfOfItIsMoreThanEnough) {
  const TestAuthority &authority = SecureWorld::authority();
  TlsTrust trust = MakeTlsTrust(authority.root());
  weir_tls_options_builder client = {};
  client.terms.min_version = client.terms.max_version = GetParam().version;
  client.server_name = kServerName;
  weir_tls_context_builder server = {};
  TlsCredential shown;
  if (GetParam().both_show) {
    shown = MakeTlsCredential(authority.Make(Defect::kNone, Role::kClient, GetParam().key));
    client.credential = shown.get();
    server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
    server.client_trust = trust.get();
  }
  TlsOptions options = MakeTlsOptions(authority.root(), client);
  TlsContext context =
      MakeTlsContext({authority.Make(Defect::kNone, Role::kServer, GetParam().key)}, server);
  size_t near = 0, far = 0;
  ExpectRun([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    weir_job *job = LaunchJob([&] {
      far = Measure([&] {
        EXPECT_EQ(0, weir_tls_server(&pair.far, context.get())) << LastTlsFailure();
        EXPECT_EQ("question", Receive(pair.far, 8));
        EXPECT_EQ(0, Send(pair.far, std::string(100000, 'a')));
      });
      return 0;
    });
    near = Measure([&] {
      EXPECT_EQ(0, weir_tls_client(&pair.near, options.get())) << LastTlsFailure();
      EXPECT_EQ(0, Send(pair.near, "question"));
      EXPECT_EQ(100000u, Receive(pair.near, 100000).size());
    });
    EXPECT_EQ(0, EndOf(job));
    CloseSecurePair(&pair);
    return 0;
  });
  EXPECT_LT(near, kMost);
  EXPECT_LT(far, kMost);
  EXPECT_LT(1024u, near) << "this measures nothing";
  RecordProperty("client", static_cast<int>(near));
  RecordProperty("server", static_cast<int>(far));
}

class StackOfTheRest : public LeakCheckedTest {
 protected:
  // Has both ends of |pair| made secure, and expects that it takes no more than it may.
  static void ShakeHands(const SecureWorld &world, SecurePair *pair) {
    size_t far = 0;
    weir_job *job = LaunchJob([&] {
      far = Measure([&] { pair->far_result = weir_tls_server(&pair->far, world.context()); });
      return 0;
    });
    size_t near =
        Measure([&] { pair->near_result = weir_tls_client(&pair->near, world.options()); });
    EXPECT_EQ(0, EndOf(job));
    EXPECT_LT(near, kMost);
    EXPECT_LT(far, kMost);
  }
};

TEST_F(StackOfTheRest, ResumptionAndASecondLayer) {
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    SecureWorld world(version);
    ExpectRun([&] {
      for (int i = 0; i < 2; i++) {
        SecurePair pair = MakeWire(Wire::kPipe);
        for (int layer = 0; layer < 2; layer++) {
          ShakeHands(world, &pair);
          EXPECT_EQ(0, pair.near_result);
          EXPECT_EQ(0, pair.far_result);
          EXPECT_EQ(0, Send(pair.far, "ticket"));
          EXPECT_EQ("ticket", Receive(pair.near, 6));
        }
        CloseSecurePair(&pair);
      }
      return 0;
    });
  }
}

TEST_F(StackOfTheRest, ARefusal) {
  weir_tls_options_builder builder = {};
  builder.server_name = "another.test";
  SecureWorld world({}, {}, builder);
  ExpectRun([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    ShakeHands(world, &pair);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, pair.near_result);
    EXPECT_EQ(WEIR_E_TLS_ALERT, pair.far_result);
    return 0;
  });
}

// What tls_credential.h says, and is checked.
TEST_F(StackOfTheRest, ACredential) {
  const TestAuthority &authority = SecureWorld::authority();
  for (KeyKind key : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    const Credential credential = authority.Make(Defect::kNone, Role::kServer, key);
    ExpectRun([&] {
      size_t used = Measure([&] {
        weir_tls_credential *made = nullptr;
        EXPECT_EQ(0, weir_tls_credential_create(&made, weir_text(credential.chain_pem.c_str()),
                                                weir_text(credential.key_pem.c_str()), nullptr));
        weir_tls_credential_close(made);
      });
      EXPECT_LT(used, 12u * 1024);
      return 0;
    });
  }
}

TEST_F(StackOfTheRest, ACredentialOnASmallOne) {
  const Credential credential = SecureWorld::authority().Make(Defect::kNone, Role::kServer);
  auto make = [](void *argument) {
    volatile char taken[6 * 1024];
    for (volatile char &byte : taken) byte = 0;
    const auto *self = static_cast<const Credential *>(argument);
    weir_tls_credential *made = nullptr;
    int result = weir_tls_credential_create(&made, weir_text(self->chain_pem.c_str()),
                                            weir_text(self->key_pem.c_str()), nullptr);
    EXPECT_EQ(kHasSanitizer, made != nullptr);
    if (result < 0) {
      EXPECT_EQ("no stack for a credential", LastTlsFailure());
    }
    weir_tls_credential_close(made);
    return result;
  };
  ExpectRun([&] {
    weir_launch_options options = {};
    options.stack_size = 16 * 1024;
    weir_job *job = nullptr;
    EXPECT_EQ(0,
              weir_launch(nullptr, &job, &options, +make, const_cast<Credential *>(&credential)));
    // With a sanitizer it is four times as large.
    EXPECT_EQ(kHasSanitizer ? 0 : -ENOSPC, EndOf(job));
    return 0;
  });
}

TEST_F(StackOfTheRest, WhatIsMadeInACoroutine) {
  const TestAuthority &authority = SecureWorld::authority();
  for (KeyKind key : {KeyKind::kP256, KeyKind::kP384, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    const Credential credential = authority.Make(Defect::kNone, Role::kServer, key);
    ExpectRun([&] {
      EXPECT_LT(Measure([&] {
                  TlsOptions options = MakeTlsOptions(authority.root());
                  TlsContext context = MakeTlsContext({credential});
                }),
                kMost);
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
