// SPDX-License-Identifier: Apache-2.0
//
// Which credential a server shows: by name, by the kind of key, by the user's choice; and how it is
// replaced while the server runs.

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/failing_calls.h"
#include "testing/leak_checked_test.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

constexpr uint16_t kVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

// A choice of the user's.
struct Chooser {
  std::function<int(const weir_tls_client_hello &, weir_tls_credential **)> choose;

  static int Choose(void *argument, const weir_tls_client_hello *hello, weir_tls_credential **out) {
    EXPECT_EQ(nullptr, *out);
    return static_cast<Chooser *>(argument)->choose(*hello, out);
  }
};

class ServerChoiceTest : public LeakCheckedTest {
 protected:
  static void SetUpTestSuite() {
    authority_ = new TestAuthority;
    rsa_ = new Credential(authority_->MakeFor({"DNS:a.test"}, KeyKind::kRsa2048));
  }
  static void TearDownTestSuite() {
    delete rsa_;
    delete authority_;
  }

  // What a bare client is shown that names |name|, "" for none.
  static std::string Shown(const weir_tls_context *context, const std::string &name,
                           BareTlsOptions client = {}) {
    client.tune = [&](SSL *ssl) {
      if (!name.empty()) SSL_set_tlsext_host_name(ssl, name.c_str());
    };
    BareEnd bare;
    TlsEnd server = MeetBareClient(client, context, &bare);
    EXPECT_EQ(0, server.handshake) << server.failure.text;
    return bare.peer_certificate;
  }

  static TlsOptions OptionsFor(const char *name, weir_tls_version version = WEIR_TLS_1_3) {
    weir_tls_options_builder builder = {};
    builder.server_name = name;
    builder.terms.max_version = version;
    return MakeTlsOptions(authority_->root(), builder);
  }

  static TestAuthority *authority_;
  static Credential *rsa_;
};

TestAuthority *ServerChoiceTest::authority_;
Credential *ServerChoiceTest::rsa_;

TEST_F(ServerChoiceTest, ByTheNameThatTheClientSent) {
  const Credential first = authority_->MakeFor({"DNS:first.test"});
  const Credential both = authority_->MakeFor({"DNS:a.test", "DNS:B.Test"});
  const Credential wild = authority_->MakeFor({"DNS:*.wild.test"});
  const Credential exact = authority_->MakeFor({"DNS:exact.wild.test"});
  TlsContext context = MakeTlsContext({first, both, wild, exact});
  ExpectRun([&] {
    EXPECT_EQ(first.leaf.Der(), Shown(context.get(), ""));
    EXPECT_EQ(first.leaf.Der(), Shown(context.get(), "first.test"));
    EXPECT_EQ(first.leaf.Der(), Shown(context.get(), "unknown.test"));
    EXPECT_EQ(both.leaf.Der(), Shown(context.get(), "a.test"));
    EXPECT_EQ(both.leaf.Der(), Shown(context.get(), "b.test"));
    EXPECT_EQ(both.leaf.Der(), Shown(context.get(), "A.TEST"));
    EXPECT_EQ(wild.leaf.Der(), Shown(context.get(), "any.wild.test"));
    EXPECT_EQ(first.leaf.Der(), Shown(context.get(), "a.b.wild.test"));
    EXPECT_EQ(first.leaf.Der(), Shown(context.get(), "wild.test"));
    // In the order of the list, whatever is more special.
    EXPECT_EQ(wild.leaf.Der(), Shown(context.get(), "exact.wild.test"));
    return 0;
  });
}

TEST_F(ServerChoiceTest, ByTheKindOfKey) {
  const Credential ecdsa = authority_->MakeFor({"DNS:a.test"});
  const Credential edwards = authority_->MakeFor({"DNS:a.test"}, KeyKind::kEd25519);
  const Credential p384 = authority_->MakeFor({"DNS:a.test"}, KeyKind::kP384);
  TlsContext context = MakeTlsContext({edwards, p384, ecdsa, *rsa_});
  auto shown_to = [&](uint16_t version, uint16_t algorithm) {
    BareTlsOptions client;
    client.max_version = version;
    client.tune_context = [=](SSL_CTX *tuned) {
      EXPECT_EQ(1, SSL_CTX_set_verify_algorithm_prefs(tuned, &algorithm, 1));
    };
    return Shown(context.get(), "a.test", client);
  };
  ExpectRun([&] {
    for (uint16_t version : kVersions) {
      EXPECT_EQ(edwards.leaf.Der(), shown_to(version, SSL_SIGN_ED25519));
      EXPECT_EQ(p384.leaf.Der(), shown_to(version, SSL_SIGN_ECDSA_SECP384R1_SHA384));
      EXPECT_EQ(rsa_->leaf.Der(), shown_to(version, SSL_SIGN_RSA_PSS_RSAE_SHA256));
    }
    // In TLS 1.2 the hash is not tied to the curve.
    EXPECT_EQ(ecdsa.leaf.Der(), shown_to(TLS1_3_VERSION, SSL_SIGN_ECDSA_SECP256R1_SHA256));
    EXPECT_EQ(p384.leaf.Der(), shown_to(TLS1_2_VERSION, SSL_SIGN_ECDSA_SECP256R1_SHA256));
    EXPECT_EQ(rsa_->leaf.Der(), shown_to(TLS1_2_VERSION, SSL_SIGN_RSA_PKCS1_SHA256));
    return 0;
  });
}

// In TLS 1.3 those are for certificates only (RFC 8446, 4.2.3).
TEST_F(ServerChoiceTest, AnRsaKeyIsNotForWhoKnowsOnlyTheOldSignatures) {
  const Credential ecdsa = authority_->MakeFor({"DNS:a.test"});
  TlsContext context = MakeTlsContext({*rsa_, ecdsa});
  BareTlsOptions client;
  client.tune_context = [](SSL_CTX *tuned) {
    const uint16_t known[] = {SSL_SIGN_RSA_PKCS1_SHA256, SSL_SIGN_RSA_PKCS1_SHA384,
                              SSL_SIGN_RSA_PKCS1_SHA512, SSL_SIGN_ECDSA_SECP256R1_SHA256};
    EXPECT_EQ(1, SSL_CTX_set_verify_algorithm_prefs(tuned, known, 4));
  };
  ExpectRun([&] {
    EXPECT_EQ(ecdsa.leaf.Der(), Shown(context.get(), "a.test", client));
    client.max_version = TLS1_2_VERSION;
    EXPECT_EQ(rsa_->leaf.Der(), Shown(context.get(), "a.test", client));
    return 0;
  });
}

TEST_F(ServerChoiceTest, ByTheSuitesAndGroupsOfTls12) {
  const Credential p384 = authority_->MakeFor({"DNS:a.test"}, KeyKind::kP384);
  TlsContext context = MakeTlsContext({p384, *rsa_});
  BareTlsOptions client;
  client.max_version = TLS1_2_VERSION;
  ExpectRun([&] {
    EXPECT_EQ(p384.leaf.Der(), Shown(context.get(), "a.test", client));
    client.tune_context = [](SSL_CTX *tuned) {
      EXPECT_EQ(1, SSL_CTX_set_strict_cipher_list(tuned, "ECDHE-RSA-AES128-GCM-SHA256"));
    };
    EXPECT_EQ(rsa_->leaf.Der(), Shown(context.get(), "a.test", client));
    client.tune_context = [](SSL_CTX *tuned) {
      EXPECT_EQ(1, SSL_CTX_set1_curves_list(tuned, "X25519:P-256"));
    };
    EXPECT_EQ(rsa_->leaf.Der(), Shown(context.get(), "a.test", client));
    return 0;
  });
}

TEST_F(ServerChoiceTest, NoKeyThatTheClientCanDealWith) {
  TlsContext context = MakeTlsContext({authority_->MakeFor({"DNS:a.test"}, KeyKind::kEd25519)});
  BareTlsOptions client;
  client.tune_context = [](SSL_CTX *tuned) {
    const uint16_t only[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256};
    EXPECT_EQ(1, SSL_CTX_set_verify_algorithm_prefs(tuned, only, 1));
  };
  ExpectRun([&] {
    BareEnd bare;
    TlsEnd server = MeetBareClient(client, context.get(), &bare);
    EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, server.handshake) << server.failure.text;
    EXPECT_EQ(SSL_AD_HANDSHAKE_FAILURE, bare.alert);
    return 0;
  });
}

TEST_F(ServerChoiceTest, ByTheUser) {
  const Credential one = authority_->MakeFor({"DNS:one.test"});
  const Credential two = authority_->MakeFor({"DNS:two.test"});
  TlsCredential first = MakeTlsCredential(one);
  std::string asked_for, offered;
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &hello, weir_tls_credential **out) {
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    asked_for = hello.server_name != nullptr ? hello.server_name : "(none)";
    offered.clear();
    for (size_t i = 0; i < hello.protocol_count; i++) {
      offered += std::string(hello.protocols[i].data, hello.protocols[i].size) + ";";
    }
    if (asked_for == "one.test") *out = first.get();
    return 0;
  };
  const char *const protocols[] = {"h2", "http/1.1", nullptr};
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({two}, builder);
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    weir_tls_options_builder client = {};
    client.terms.protocols = protocols;
    client.terms.max_version = version;
    client.server_name = "ONE.test";
    TlsOptions options = MakeTlsOptions(authority_->root(), client);
    ExpectRun([&] {
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
      EXPECT_EQ("one.test", asked_for);
      EXPECT_EQ("h2;http/1.1;", offered);
      // What is not chosen by the user is by the context.
      EXPECT_EQ(two.leaf.Der(), Shown(context.get(), "two.test"));
      EXPECT_EQ("", offered);
      EXPECT_EQ(two.leaf.Der(), Shown(context.get(), ""));
      EXPECT_EQ("(none)", asked_for);
      return 0;
    });
  }
}

// The user is shown the first of them; what is agreed on may be any.
TEST_F(ServerChoiceTest, OfManyProtocolsTheUserSeesTheFirst) {
  constexpr int kMany = WEIR_TLS_PROTOCOLS_SHOWN + 36;
  size_t shown = 0;
  std::string last_shown;
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &hello, weir_tls_credential **) {
    shown = hello.protocol_count;
    const weir_bytes &last = hello.protocols[hello.protocol_count - 1];
    last_shown.assign(last.data, last.size);
    return 0;
  };
  std::vector<std::string> names;
  for (int i = 0; i < kMany; i++) names.push_back(std::to_string(i));
  std::vector<const char *> offered;
  for (const std::string &name : names) offered.push_back(name.c_str());
  offered.push_back(nullptr);
  const char *const spoken[] = {offered[kMany - 1], nullptr};
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  builder.terms.protocols = spoken;
  TlsContext context = MakeTlsContext({authority_->MakeFor({"DNS:a.test"})}, builder);
  weir_tls_options_builder client = {};
  client.terms.protocols = offered.data();
  client.server_name = "a.test";
  TlsOptions options = MakeTlsOptions(authority_->root(), client);
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(size_t{WEIR_TLS_PROTOCOLS_SHOWN}, shown);
    EXPECT_EQ(std::to_string(WEIR_TLS_PROTOCOLS_SHOWN - 1), last_shown);
    EXPECT_EQ(names.back(), meeting.server.protocol);
    return 0;
  });
}

TEST_F(ServerChoiceTest, WhatTheUserChoseMayBeClosedAtOnce) {
  const Credential one = authority_->MakeFor({"DNS:one.test"});
  TlsCredential first = MakeTlsCredential(one);
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &, weir_tls_credential **out) {
    *out = first.get();
    // Runs as soon as this coroutine suspends.
    ExpectLaunch([&] {
      first.reset();
      return 0;
    });
    return 0;
  };
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({}, builder);
  TlsOptions options = OptionsFor("one.test");
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    return 0;
  });
}

// Names end up in logs, and in what the user makes of them.
TEST_F(ServerChoiceTest, ANameThatNobodyCanHave) {
  int asked = 0;
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &, weir_tls_credential **) {
    return ++asked, 0;
  };
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({*rsa_}, builder);
  for (const char *name : {"../../a.test", "a.test\n2026 root logged in", "a.test\x1b[31m", "a b",
                           "\xc3\xa4.test", "%s"}) {
    ExpectRun([&] {
      BareTlsOptions client;
      client.tune = [&](SSL *ssl) { SSL_set_tlsext_host_name(ssl, name); };
      BareEnd bare;
      TlsEnd server = MeetBareClient(client, context.get(), &bare);
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, server.handshake) << name;
      EXPECT_EQ(0u, std::string(server.failure.text).find("no server can have the name"))
          << server.failure.text;
      EXPECT_EQ(std::string::npos, std::string(server.failure.text).find(name));
      EXPECT_EQ(SSL_AD_UNRECOGNIZED_NAME, bare.alert) << name;
      return 0;
    });
  }
  EXPECT_EQ(0, asked);
  // An address must not be sent, but harms nobody.
  ExpectRun([&] {
    EXPECT_EQ(rsa_->leaf.Der(), Shown(context.get(), "127.0.0.1"));
    EXPECT_EQ(rsa_->leaf.Der(), Shown(context.get(), "::1"));
    return 0;
  });
  EXPECT_EQ(2, asked);
}

TEST_F(ServerChoiceTest, TheUserRefuses) {
  Chooser chooser;
  int answer = -ENOENT;
  chooser.choose = [&](const weir_tls_client_hello &, weir_tls_credential **) { return answer; };
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({}, builder);
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    TlsOptions options = OptionsFor("one.test", version);
    ExpectRun([&] {
      answer = -ENOENT;
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(-ENOENT, meeting.server.handshake);
      EXPECT_EQ(SSL_AD_UNRECOGNIZED_NAME, meeting.server.failure.alert);
      EXPECT_EQ(WEIR_E_TLS_ALERT, meeting.client.handshake);
      EXPECT_EQ(SSL_AD_UNRECOGNIZED_NAME, meeting.client.failure.alert);
      answer = -EAGAIN;  // which is nobody's to wait for
      EXPECT_EQ(-EAGAIN, Meet(options.get(), context.get()).server.handshake);
      answer = 0;  // and chooses nothing, nor has the context anything
      meeting = Meet(options.get(), context.get());
      EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, meeting.server.handshake);
      EXPECT_EQ(
          0u,
          std::string(meeting.server.failure.text).find("there is no credential for \"one.test\""));
      EXPECT_EQ(SSL_AD_UNRECOGNIZED_NAME, meeting.client.failure.alert);
      return 0;
    });
  }
}

TEST_F(ServerChoiceTest, CredentialsAreReplacedWhileInUse) {
  const Credential old = authority_->MakeFor({"DNS:a.test"});
  const Credential fresh = authority_->MakeFor({"DNS:a.test"});
  TlsCredential next = MakeTlsCredential(fresh);
  weir_tls_context *replaced = nullptr;
  weir_tls_credential *all[] = {next.get()};
  // Replaces them in the middle of a handshake, which goes on with what it began with.
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &, weir_tls_credential **) {
    return weir_tls_context_replace_credentials(replaced, all, 1);
  };
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({old}, builder);
  replaced = context.get();
  TlsOptions options = OptionsFor("a.test");
  ExpectRun([&] {
    TlsMeeting meeting = Meet(options.get(), context.get());
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(old.leaf.Der(), meeting.client.peer_chain.at(0));
    EXPECT_EQ(fresh.leaf.Der(), Shown(context.get(), "a.test"));
    return 0;
  });
}

TEST_F(ServerChoiceTest, ContextsAndOptionsMayBeClosedWhileInUse) {
  TlsContext context = MakeTlsContext({authority_->MakeFor({"DNS:a.test"})});
  TlsOptions options = OptionsFor("a.test");
  ExpectRun([&] {
    weir_connection *near = nullptr, *far = nullptr;
    EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
    weir_job *job = LaunchJob([&] { return weir_tls_server(&far, context.get()); });
    EXPECT_EQ(0, weir_tls_client(&near, options.get())) << LastTlsFailure();
    EXPECT_EQ(0, EndOf(job));
    context.reset();
    options.reset();
    EXPECT_EQ(0, weir_write_line(weir_open_write_channel(near, true), weir_text("still here")));
    weir_bytes line = {};
    EXPECT_EQ(0, weir_read_line(weir_open_read_channel(far), &line));
    EXPECT_EQ("still here", std::string(line.data, line.size));
    weir_job *closing = LaunchJob([&] { return weir_connection_close(far); });
    EXPECT_EQ(0, weir_connection_close(near));
    return EndOf(closing);
  });
}

TEST_F(ServerChoiceTest, SignaturesOnThePool) {
  for (KeyKind kind : {KeyKind::kP256, KeyKind::kEd25519, KeyKind::kRsa2048}) {
    TlsCredential credential =
        MakeTlsCredential(authority_->MakeFor({"DNS:a.test"}, kind), /*sign_on_pool=*/true);
    weir_tls_credential *const all[] = {credential.get()};
    weir_tls_context_builder builder = {};
    builder.credentials = all;
    builder.credential_count = 1;
    weir_tls_context *made = nullptr;
    ASSERT_EQ(0, weir_tls_context_build(&made, &builder));
    TlsContext context(made);
    for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
      TlsOptions options = OptionsFor("a.test", version);
      ExpectRun([&] {
        TlsMeeting meeting = Meet(options.get(), context.get());
        EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
        EXPECT_EQ(0, meeting.client.talk);
        return 0;
      });
    }
  }
}

TEST_F(ServerChoiceTest, SignaturesWithoutAThreadToMakeThem) {
  TlsCredential credential =
      MakeTlsCredential(authority_->MakeFor({"DNS:a.test"}), /*sign_on_pool=*/true);
  Chooser chooser;
  chooser.choose = [&](const weir_tls_client_hello &, weir_tls_credential **out) {
    *out = credential.get();
    return 0;
  };
  weir_tls_context_builder builder = {};
  builder.choose = Chooser::Choose;
  builder.choose_argument = &chooser;
  TlsContext context = MakeTlsContext({}, builder);
  for (weir_tls_version version : {WEIR_TLS_1_2, WEIR_TLS_1_3}) {
    TlsOptions options = OptionsFor("a.test", version);
    FailingCalls calls;
    calls.FailNthOnly(1, Call::kThreadCreate, 0);
    weir_selector_options selector = {};
    selector.system_calls = calls.table();
    ExpectRun(selector, [&] {
      TlsMeeting meeting = Meet(options.get(), context.get());
      EXPECT_EQ(0, meeting.server.handshake) << meeting.server.failure.text;
      EXPECT_EQ(0, meeting.client.talk);
      return 0;
    });
    EXPECT_TRUE(calls.failed());
  }
}

}  // namespace
}  // namespace weir_testing
