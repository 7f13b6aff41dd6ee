// SPDX-License-Identifier: Apache-2.0
//
// Options and contexts: every mistake in a builder is found when it is built.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/certificates.h"
#include "testing/leak_checked_test.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

class OptionsTest : public LeakCheckedTest {
 protected:
  static int Build(const weir_tls_options_builder &builder) {
    weir_tls_options *made = nullptr;
    int result = weir_tls_options_build(&made, &builder);
    EXPECT_EQ(result == 0, made != nullptr);
    weir_tls_options_close(made);
    return result;
  }

  static void ExpectRefused(const std::string &said, const weir_tls_options_builder &builder) {
    EXPECT_EQ(-EINVAL, Build(builder)) << said;
    EXPECT_NE(std::string::npos, LastTlsFailure().find(said)) << LastTlsFailure();
    EXPECT_EQ(-EINVAL, weir_tls_last_failure(nullptr)->code);
  }

  // The terms are checked alike on both sides.
  static void ExpectTermsRefused(const std::string &said, const weir_tls_terms &terms) {
    weir_tls_options_builder client = {};
    client.terms = terms;
    ExpectRefused(said, client);
    weir_tls_context_builder server = {};
    server.terms = terms;
    server.choose = [](void *, const weir_tls_client_hello *, weir_tls_credential **) { return 0; };
    weir_tls_context *context = nullptr;
    EXPECT_EQ(-EINVAL, weir_tls_context_build(&context, &server)) << said;
    EXPECT_EQ(nullptr, context);
    EXPECT_NE(std::string::npos, LastTlsFailure().find(said)) << LastTlsFailure();
  }

  static std::string NameRefused(const char *name) {
    weir_tls_options_builder builder = {};
    builder.server_name = name;
    return Build(builder) == 0 ? "" : LastTlsFailure();
  }
};

TEST_F(OptionsTest, DefaultsAreFine) {
  weir_tls_options *options = nullptr;
  EXPECT_EQ(0, weir_tls_options_build(&options, nullptr)) << LastTlsFailure();
  weir_tls_options_close(options);
  EXPECT_EQ(0, Build({})) << LastTlsFailure();
  weir_tls_options_close(nullptr);
}

TEST_F(OptionsTest, WhatIsSaidIsOneLine) {
  const std::string said = NameRefused("a\nb\x1b[31m\x7f");
  EXPECT_EQ(0u, said.find("the server's name \"a?b?[31m?\": ")) << said;
}

TEST_F(OptionsTest, Versions) {
  weir_tls_terms terms = {};
  terms.min_version = WEIR_TLS_1_3;
  terms.max_version = WEIR_TLS_1_2;
  ExpectTermsRefused("the least version is above the greatest", terms);
  terms.min_version = static_cast<weir_tls_version>(0x0302);
  ExpectTermsRefused("the versions are", terms);
  terms.min_version = WEIR_TLS_1_2;
  terms.max_version = static_cast<weir_tls_version>(0x0305);
  ExpectTermsRefused("the versions are", terms);
}

TEST_F(OptionsTest, Protocols) {
  weir_tls_terms terms = {};
  const char *const empty[] = {"h2", "", nullptr};
  terms.protocols = empty;
  ExpectTermsRefused("application protocol 2 has 0 bytes", terms);
  const std::string long_name(256, 'x');
  const char *const too_long[] = {long_name.c_str(), nullptr};
  terms.protocols = too_long;
  ExpectTermsRefused("application protocol 1 has 256 bytes", terms);
  const std::string longest(255, 'x');
  std::vector<const char *> many(257, longest.c_str());
  many.back() = nullptr;
  terms.protocols = many.data();
  ExpectTermsRefused("too many application protocols", terms);

  weir_tls_options_builder builder = {};
  builder.require_protocol = true;
  ExpectRefused("a protocol is required, and none is offered", builder);
  const char *const good[] = {longest.c_str(), "h2", nullptr};
  builder.terms.protocols = good;
  EXPECT_EQ(0, Build(builder)) << LastTlsFailure();
}

TEST_F(OptionsTest, GroupsAndTimes) {
  weir_tls_terms terms = {};
  terms.groups = "X25519:no-such-group";
  ExpectTermsRefused("a group of \"X25519:no-such-group\"", terms);
  terms.groups = "";
  ExpectTermsRefused("a group of \"\"", terms);
  terms.groups = "P-256:X25519";
  terms.handshake_timeout = -1;
  ExpectTermsRefused("timeout is negative", terms);
  terms.handshake_timeout = WEIR_FOREVER;
  for (size_t limit : {(size_t{1} << 20) + 1, (size_t{1} << 14) - 1}) {
    terms.certificates_limit = limit;
    ExpectTermsRefused("limit for certificates", terms);
  }
  terms.certificates_limit = 1 << 20;
  weir_tls_options_builder builder = {};
  builder.terms = terms;
  EXPECT_EQ(0, Build(builder)) << LastTlsFailure();
}

TEST_F(OptionsTest, ServerNames) {
  for (const char *good :
       {"localhost", "example.test", "Example.TEST.", "a-b.c_d.test", "xn--mnchen-3ya.test",
        "1.example", "127.0.0.1", "::1", "fe80::1%eth0", "2001:DB8::1", "a"}) {
    EXPECT_EQ("", NameRefused(good)) << good;
  }
  const std::string long_label = std::string(64, 'a') + ".test";
  std::string long_name;
  for (int i = 0; i < 64; i++) long_name += "aaa.";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"", "it is empty"},
      {".", "it is empty"},
      {"a..b", "a part of it is empty"},
      {".a", "a part of it is empty"},
      {"a.test..", "a part of it is empty"},
      {"-a.test", "begins or ends with '-'"},
      {"a-.test", "begins or ends with '-'"},
      {"*.example.test", "letters, digits"},
      {"exa mple.test", "letters, digits"},
      {"example.test:443", "letters, digits"},
      {"[::1]", "letters, digits"},
      {"https://example.test/", "letters, digits"},
      {"m\xC3\xBCnchen.test", "ASCII form"},
      {"127.0.0.1.", "does not end with a number"},
      {"127.1", "does not end with a number"},
      {"1.2.3.4.5", "does not end with a number"},
      {"example.0x7f", "does not end with a number"},
      {long_label, "more than 63"},
      {long_name, "more than 253"},
  };
  for (const auto &[name, said] : bad) {
    EXPECT_NE(std::string::npos, NameRefused(name.c_str()).find(said))
        << name << ": " << NameRefused(name.c_str());
  }
}

TEST_F(OptionsTest, OneCheckAtMost) {
  weir_tls_options_builder builder = {};
  builder.check = weir_tls_dangerously_trust_anyone;
  EXPECT_EQ(0, Build(builder));
  builder.dangerous_check_instead = weir_tls_dangerously_trust_anyone;
  ExpectRefused("there are two checks", builder);
  builder.check = nullptr;
  EXPECT_EQ(0, Build(builder));
}

// Whoever names roots believes that they are looked at.
TEST_F(OptionsTest, NoRootsForWhoChecksHimself) {
  TestAuthority authority;
  TlsTrust trust = MakeTlsTrust(authority.root());
  weir_tls_options_builder builder = {};
  builder.trust = trust.get();
  EXPECT_EQ(0, Build(builder));
  builder.dangerous_check_instead = weir_tls_dangerously_trust_anyone;
  ExpectRefused("nobody would look at the roots", builder);
}

TEST_F(OptionsTest, HoldsWhatItUses) {
  TestAuthority authority;
  TlsTrust trust = MakeTlsTrust(authority.root());
  TlsCredential credential = MakeTlsCredential(authority.Make(Defect::kNone, Role::kClient));
  weir_tls_options_builder builder = {};
  builder.trust = trust.get();
  builder.credential = credential.get();
  weir_tls_options *options = nullptr;
  EXPECT_EQ(0, weir_tls_options_build(&options, &builder));
  trust.reset();
  credential.reset();
  weir_tls_options_close(options);
}

class ContextTest : public LeakCheckedTest {
 protected:
  ContextTest() : credential_(authority_.Make(Defect::kNone, Role::kServer)) {}

  void ExpectRefused(const std::string &said, const weir_tls_context_builder &builder) {
    weir_tls_context *made = nullptr;
    EXPECT_EQ(-EINVAL, weir_tls_context_build(&made, &builder)) << said;
    EXPECT_EQ(nullptr, made);
    EXPECT_NE(std::string::npos, LastTlsFailure().find(said)) << LastTlsFailure();
  }

  TestAuthority authority_;
  Credential credential_;
};

TEST_F(ContextTest, NeedsCredentials) {
  weir_tls_context *made = nullptr;
  EXPECT_EQ(-EINVAL, weir_tls_context_build(&made, nullptr));
  ExpectRefused("there are no credentials and no choose", {});
  weir_tls_context_builder builder = {};
  builder.credential_count = 1;
  ExpectRefused("there is a credential_count, but no credentials", builder);
  weir_tls_credential *const nothing[] = {nullptr};
  builder.credentials = nothing;
  ExpectRefused("credential 1 is NULL", builder);
  weir_tls_context_close(nullptr);
}

TEST_F(ContextTest, ClientsAreAskedByThoseWhoKnowWhomToTrust) {
  TlsCredential credential = MakeTlsCredential(credential_);
  TlsTrust trust = MakeTlsTrust(authority_.root());
  weir_tls_credential *const all[] = {credential.get()};
  weir_tls_context_builder builder = {};
  builder.credentials = all;
  builder.credential_count = 1;
  builder.client_trust = trust.get();
  ExpectRefused("no client is asked", builder);
  builder.client_trust = nullptr;
  builder.check = weir_tls_dangerously_trust_anyone;
  ExpectRefused("no client is asked", builder);
  builder.check = nullptr;
  builder.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  ExpectRefused("there is no client_trust", builder);
  builder.client_authentication = static_cast<weir_tls_client_authentication>(3);
  ExpectRefused("client_authentication is unknown", builder);
  builder.client_authentication = WEIR_TLS_CLIENT_OPTIONAL;
  builder.client_trust = trust.get();
  weir_tls_context *made = nullptr;
  EXPECT_EQ(0, weir_tls_context_build(&made, &builder)) << LastTlsFailure();
  weir_tls_context_close(made);
}

TEST_F(ContextTest, CredentialsAreReplacedAsAWhole) {
  TlsContext context = MakeTlsContext({credential_});
  TlsCredential next = MakeTlsCredential(authority_.Make(Defect::kNone, Role::kServer));
  weir_tls_credential *const all[] = {next.get(), next.get()};
  EXPECT_EQ(0, weir_tls_context_replace_credentials(context.get(), all, 2));
  EXPECT_EQ(-EINVAL, weir_tls_context_replace_credentials(context.get(), all, 0));
  EXPECT_EQ(-EINVAL, weir_tls_context_replace_credentials(context.get(), nullptr, 1));
  weir_tls_credential *const bad[] = {next.get(), nullptr};
  EXPECT_EQ(-EINVAL, weir_tls_context_replace_credentials(context.get(), bad, 2));
  EXPECT_EQ("credential 2 is NULL", LastTlsFailure());
}

}  // namespace
}  // namespace weir_testing
