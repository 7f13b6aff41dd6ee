// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys of the user's: who has them resumes sessions that others began, for as long as they
// are accepted.

#include <gtest/gtest.h>
#include <openssl/rand.h>

#include <string>
#include <thread>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

using Keys = std::vector<weir_tls_ticket_key>;

weir_tls_ticket_key RandomKey() {
  weir_tls_ticket_key key;
  RAND_bytes(key.bytes, sizeof key.bytes);
  return key;
}

class TicketKeysTest : public LeakCheckedTest,
                       public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  TlsContext ContextWith(const Keys &keys, weir_tls_context_builder builder = {}) {
    builder.ticket_keys = keys.data();
    builder.ticket_key_count = keys.size();
    return MakeTlsContext({server_}, builder);
  }

  TlsOptions Options(weir_tls_options_builder builder = {}) {
    builder.terms.max_version = GetParam();
    return MakeTlsOptions(authority_.root(), builder);
  }

  static int Replace(const TlsContext &context, const Keys &keys) {
    return weir_tls_context_replace_ticket_keys(context.get(), keys.data(), keys.size());
  }

  static bool Resumes(const TlsOptions &options, const TlsContext &context) {
    TlsMeeting meeting = Meet(options.get(), context.get(), kServerName);
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(0, meeting.server.handshake) << meeting.server.failure.text;
    EXPECT_EQ(meeting.client.resumed, meeting.server.resumed);
    return meeting.client.resumed;
  }

  const TestAuthority authority_;
  const Credential server_ = authority_.Make(Defect::kNone, Role::kServer);
  const weir_tls_ticket_key one_ = RandomKey(), two_ = RandomKey();
};

INSTANTIATE_TEST_SUITE_P(Versions, TicketKeysTest, ::testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return std::string(test.param == WEIR_TLS_1_2 ? "Tls12" : "Tls13");
                         });

TEST_P(TicketKeysTest, ServersThatShareThemResumeEachOthersSessions) {
  TlsContext first = ContextWith({one_}), second = ContextWith({one_}), other = ContextWith({two_});
  TlsOptions options = Options();
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options, first));
    EXPECT_TRUE(Resumes(options, second));
    EXPECT_TRUE(Resumes(options, first));
    EXPECT_FALSE(Resumes(options, other));
    return 0;
  });
}

// Who was not asked who he is would pass for one who has nothing to show.
TEST_P(TicketKeysTest, ServersThatAskOtherwiseDoNotResumeEachOthersSessions) {
  TlsTrust trust = MakeTlsTrust(authority_.root());
  weir_tls_context_builder asking = {};
  asking.client_authentication = WEIR_TLS_CLIENT_OPTIONAL;
  asking.client_trust = trust.get();
  TlsContext silent = ContextWith({one_}), curious = ContextWith({one_}, asking);
  asking.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  TlsContext strict = ContextWith({one_}, asking);
  TlsCredential credential = MakeTlsCredential(authority_.Make(Defect::kNone, Role::kClient));
  weir_tls_options_builder builder = {};
  builder.credential = credential.get();
  TlsOptions options = Options(builder);
  ExpectRun([&] {
    for (const TlsContext *next : {&silent, &curious, &strict, &silent}) {
      EXPECT_FALSE(Resumes(options, *next));
      EXPECT_TRUE(Resumes(options, *next));
    }
    return 0;
  });
}

TEST_P(TicketKeysTest, AreReplaced) {
  TlsContext context = ContextWith({one_});
  ExpectRun([&] {
    TlsOptions options = Options();
    EXPECT_FALSE(Resumes(options, context));
    EXPECT_EQ(0, Replace(context, {two_, one_}));
    EXPECT_TRUE(Resumes(options, context)) << "the former one is still good";
    EXPECT_EQ(0, Replace(context, {two_}));
    EXPECT_TRUE(Resumes(options, context)) << "and there was a new ticket under the next one";
    EXPECT_EQ(0, Replace(context, {one_}));
    EXPECT_FALSE(Resumes(options, context));
    return 0;
  });
}

// A session without a certificate is none for a server that requires one.
TEST_P(TicketKeysTest, DoNotCarrySessionsToThoseWhoAskForMore) {
  TlsTrust trust = MakeTlsTrust(authority_.root());
  weir_tls_context_builder asking = {};
  asking.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  asking.client_trust = trust.get();
  TlsContext open = ContextWith({one_}), closed = ContextWith({one_}, asking);
  TlsOptions options = Options();
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options, open));
    TlsMeeting meeting = Meet(options.get(), closed.get(), kServerName);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, meeting.server.handshake) << meeting.server.failure.text;
    // What was refused once is not offered again.
    EXPECT_FALSE(Resumes(options, open));
    EXPECT_TRUE(Resumes(options, open));
    return 0;
  });
}

TEST_P(TicketKeysTest, AreReplacedWhileInUse) {
  TlsContext context = ContextWith({one_, two_});
  TlsOptions options = Options();
  std::thread replacer([&] {
    for (int i = 0; i < 100; i++) {
      EXPECT_EQ(0, Replace(context, i % 2 == 0 ? Keys{two_, one_} : Keys{one_, two_}));
    }
  });
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options, context));
    for (int i = 0; i < 10; i++) EXPECT_TRUE(Resumes(options, context));
    return 0;
  });
  replacer.join();
}

TEST_P(TicketKeysTest, Mistakes) {
  TlsContext context = ContextWith({one_});
  EXPECT_EQ(-EINVAL, Replace(context, {}));
  EXPECT_EQ("there are no ticket keys", LastTlsFailure());
  EXPECT_EQ(-EINVAL, Replace(context, {one_, two_, one_}));
  EXPECT_EQ("ticket keys 1 and 3 have the same name", LastTlsFailure());
  EXPECT_EQ(-EINVAL, Replace(context, Keys(WEIR_TLS_TICKET_KEYS_AT_MOST + 1, one_)));
  EXPECT_EQ("there are 17 ticket keys, more than 16", LastTlsFailure());
  TlsContext without = MakeTlsContext({server_});
  EXPECT_EQ(-EINVAL, Replace(without, {one_}));
  EXPECT_EQ("the context was built without ticket keys", LastTlsFailure());

  weir_tls_context_builder builder = {};
  TlsCredential credential = MakeTlsCredential(server_);
  weir_tls_credential *const credentials[] = {credential.get()};
  builder.credentials = credentials;
  builder.credential_count = 1;
  builder.ticket_keys = &one_;
  weir_tls_context *made = nullptr;
  EXPECT_EQ(-EINVAL, weir_tls_context_build(&made, &builder));
  EXPECT_EQ("there are no ticket keys", LastTlsFailure());
  builder.ticket_key_count = 1;
  builder.no_resumption = true;
  EXPECT_EQ(-EINVAL, weir_tls_context_build(&made, &builder));
  EXPECT_EQ("there are ticket keys, but no resumption", LastTlsFailure());
  EXPECT_EQ(nullptr, made);
}

}  // namespace
}  // namespace weir_testing
