// SPDX-License-Identifier: Apache-2.0
//
// When sessions are resumed, and when they must not be.

#include <gtest/gtest.h>
#include <sys/time.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/tls_meeting.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {
namespace {

// By which the clock of the world is ahead.
std::atomic<time_t> seconds_ahead{0};

class ResumptionTest : public LeakCheckedTest,
                       public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  ResumptionTest() : context_(MakeTlsContext({authority_.MakeFor({"DNS:a.test", "DNS:b.test"})})) {}

  TlsOptions OptionsWith(weir_tls_options_builder builder) {
    builder.terms.max_version = GetParam();
    return MakeTlsOptions(authority_.root(), builder);
  }

  static bool Resumes(const weir_tls_options *options, const weir_tls_context *context,
                      const char *host = "a.test") {
    TlsMeeting meeting = Meet(options, context, host);
    EXPECT_EQ(0, meeting.client.handshake) << meeting.client.failure.text;
    EXPECT_EQ(0, meeting.client.talk);
    EXPECT_EQ(meeting.client.resumed, meeting.server.resumed);
    EXPECT_FALSE(meeting.client.peer_chain.empty());
    return meeting.client.resumed;
  }

  TestAuthority authority_;
  TlsContext context_;
};

// Both ends after the handshake. The client has read nothing yet, and so no ticket of TLS 1.3.
class Conversation {
 public:
  Conversation(const weir_tls_options *options, const weir_tls_context *context) {
    EXPECT_EQ(0, weir_pipe(&near_, &far_, nullptr));
    weir_job *server = LaunchJob([&] { return weir_tls_server(&far_, context); });
    EXPECT_EQ(0, weir_tls_client(&near_, options));
    EXPECT_EQ(0, EndOf(server));
  }
  ~Conversation() {
    for (weir_connection *connection : {near_, far_}) {
      weir_connection_abort(connection);
      weir_connection_close(connection);
    }
  }
  Conversation(const Conversation &) = delete;
  Conversation &operator=(const Conversation &) = delete;

  bool resumed() const {
    weir_tls_information information;
    EXPECT_EQ(0, weir_tls_get_information(near_, &information));
    return information.resumed;
  }

  // Has the client read a byte, and with it what the server has sent before.
  void Talk() {
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(far_, true), "."));
    char byte;
    EXPECT_EQ(0, weir_read_exactly(weir_open_read_channel(near_), &byte, 1));
  }

 private:
  weir_connection *near_ = nullptr;
  weir_connection *far_ = nullptr;
};

TEST_P(ResumptionTest, TheSecondHandshakeIsShorter) {
  TlsOptions options = OptionsWith({});
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get()));
    for (int i = 0; i < 4; i++) EXPECT_TRUE(Resumes(options.get(), context_.get())) << i;
    return 0;
  });
}

TEST_P(ResumptionTest, NotUnderAnotherName) {
  TlsOptions options = OptionsWith({});
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get(), "a.test"));
    EXPECT_FALSE(Resumes(options.get(), context_.get(), "b.test"));
    EXPECT_TRUE(Resumes(options.get(), context_.get(), "a.test"));
    return 0;
  });
}

// A client that tries all the same does not get through.
TEST_P(ResumptionTest, TheServerDoesNotResumeUnderAnotherName) {
  bssl::UniquePtr<SSL_SESSION> session;
  static bssl::UniquePtr<SSL_SESSION> *kept;
  kept = &session;
  auto meet = [&](const char *name) {
    BareTlsOptions client;
    client.max_version = static_cast<uint16_t>(GetParam());
    client.tune_context = [](SSL_CTX *context) {
      SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT);
      SSL_CTX_sess_set_new_cb(context, [](SSL *, SSL_SESSION *fresh) {
        kept->reset(fresh);
        return 1;
      });
    };
    client.tune = [&](SSL *ssl) {
      SSL_set_tlsext_host_name(ssl, name);
      if (session) SSL_set_session(ssl, session.get());
    };
    BareEnd bare;
    return MeetBareClient(client, context_.get(), &bare);
  };
  ExpectRun([&] {
    TlsEnd first = meet("a.test");
    EXPECT_EQ(0, first.handshake) << first.failure.text;
    TlsEnd second = meet("b.test");
    EXPECT_EQ(0, second.handshake) << second.failure.text;
    EXPECT_FALSE(second.resumed);
    TlsEnd third = meet("b.test");
    EXPECT_EQ(0, third.handshake) << third.failure.text;
    EXPECT_TRUE(third.resumed);
    return 0;
  });
}

TEST_P(ResumptionTest, NotWithOtherOptions) {
  TlsOptions one = OptionsWith({});
  TlsOptions other = OptionsWith({});
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(one.get(), context_.get()));
    EXPECT_FALSE(Resumes(other.get(), context_.get()));
    return 0;
  });
}

TEST_P(ResumptionTest, NotWithAnotherContext) {
  TlsOptions options = OptionsWith({});
  TlsContext other = MakeTlsContext({authority_.MakeFor({"DNS:a.test"})});
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get()));
    EXPECT_FALSE(Resumes(options.get(), other.get()));
    return 0;
  });
}

TEST_P(ResumptionTest, EitherSideMayForbidIt) {
  weir_tls_options_builder builder = {};
  builder.no_resumption = true;
  TlsOptions forbidding = OptionsWith(builder);
  TlsOptions options = OptionsWith({});
  weir_tls_context_builder server = {};
  server.no_resumption = true;
  TlsContext context = MakeTlsContext({authority_.MakeFor({"DNS:a.test"})}, server);
  ExpectRun([&] {
    for (int i = 0; i < 2; i++) {
      EXPECT_FALSE(Resumes(forbidding.get(), context_.get()));
      EXPECT_FALSE(Resumes(options.get(), context.get()));
    }
    return 0;
  });
}

TEST_P(ResumptionTest, OnlySoManyAreKept) {
  weir_tls_options_builder builder = {};
  builder.session_limit = 1;
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get(), "a.test"));
    EXPECT_FALSE(Resumes(options.get(), context_.get(), "b.test"));
    EXPECT_FALSE(Resumes(options.get(), context_.get(), "a.test"));
    EXPECT_TRUE(Resumes(options.get(), context_.get(), "a.test"));
    return 0;
  });
}

TEST_P(ResumptionTest, ReplacedCredentialsKeepSessions) {
  TlsOptions options = OptionsWith({});
  TlsCredential next = MakeTlsCredential(authority_.MakeFor({"DNS:a.test"}));
  weir_tls_credential *const all[] = {next.get()};
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get()));
    EXPECT_EQ(0, weir_tls_context_replace_credentials(context_.get(), all, 1));
    EXPECT_TRUE(Resumes(options.get(), context_.get()));
    return 0;
  });
}

// Sessions of a server that is never asked again do not live as long as the options.
TEST_P(ResumptionTest, WhatHasTimedOutIsDropped) {
  TlsOptions options = OptionsWith({});
  // What is kept when |host| has been visited.
  auto visit = [&](const char *host) {
    EXPECT_FALSE(Resumes(options.get(), context_.get(), host));
    return allocator().block_bytes();
  };
  ExpectRun([&] {
    long one = visit("a.test");
    EXPECT_LT(one, visit("b.test"));
    seconds_ahead = 25 * 60 * 60;
    // If BoringSSL has another clock, of new ones, too, each one drops the last.
    EXPECT_GE(one, visit("b.test"));
    seconds_ahead = 0;
    return 0;
  });
}

// A chain that was good once need not be good now: what was kept with it fails one handshake at
// most.
TEST_P(ResumptionTest, WhatWasRefusedIsForgotten) {
  weir_tls_options_builder builder = {};
  builder.check = [](void *, const weir_tls_peer *peer) {
    return peer->resumed ? WEIR_E_TLS_CERTIFICATE : 0;
  };
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    for (int i = 0; i < 3; i++) {
      EXPECT_FALSE(Resumes(options.get(), context_.get())) << i;
      TlsMeeting meeting = Meet(options.get(), context_.get(), "a.test");
      EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, meeting.client.handshake) << i;
    }
    return 0;
  });
}

// Nothing speaks against the server whose handshake somebody has ended.
TEST_P(ResumptionTest, ACancelledHandshakeForgetsNothing) {
  weir_tls_options_builder builder = {};
  builder.server_name = "a.test";
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get(), nullptr));
    weir_connection *near = nullptr, *far = nullptr;
    EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
    weir_job *client = LaunchJob([&] { return weir_tls_client(&near, options.get()); });
    char byte;  // of its hello
    EXPECT_EQ(0, weir_read_exactly(weir_open_read_channel(far), &byte, 1));
    weir_job_cancel(client);
    EXPECT_EQ(-ECANCELED, EndOf(client));
    weir_connection_close(far);
    EXPECT_TRUE(Resumes(options.get(), context_.get(), nullptr));
    return 0;
  });
}

// In TLS 1.3 the client learns of it behind the handshake, after new tickets.
TEST_P(ResumptionTest, WhatTheServerRefusedIsForgotten) {
  static int answer;
  TlsTrust trust = MakeTlsTrust(authority_.root());
  weir_tls_context_builder server = {};
  server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  server.client_trust = trust.get();
  server.check = [](void *, const weir_tls_peer *peer) { return peer->resumed ? answer : 0; };
  TlsContext context = MakeTlsContext({authority_.MakeFor({"DNS:a.test"})}, server);
  TlsCredential credential = MakeTlsCredential(authority_.Make(Defect::kNone, Role::kClient));
  weir_tls_options_builder builder = {};
  builder.credential = credential.get();
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    // A check may have had a deadline of its own.
    for (int refusal : {int{WEIR_E_TLS_CERTIFICATE}, -ETIMEDOUT, -ECANCELED}) {
      answer = refusal;
      EXPECT_FALSE(Resumes(options.get(), context.get()));
      TlsMeeting meeting = Meet(options.get(), context.get(), "a.test");
      EXPECT_EQ(refusal, meeting.server.handshake);
      bool is_late = meeting.client.handshake == 0;
      EXPECT_EQ(WEIR_E_TLS_ALERT, is_late ? meeting.client.talk : meeting.client.handshake);
      EXPECT_EQ(SSL_AD_CERTIFICATE_UNKNOWN, meeting.server.failure.alert);
      EXPECT_FALSE(meeting.server.failure.alert_received);
    }
    return 0;
  });
}

// Clients that resume are asked about last. Where the connection ends meanwhile no alert is sent.
TEST_P(ResumptionTest, TheConnectionEndsDuringACheck) {
  struct Interruption {
    weir_connection *connection = nullptr;
    bool closes = false;
  };
  static Interruption interruption;
  TlsTrust trust = MakeTlsTrust(authority_.root());
  weir_tls_context_builder server = {};
  server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  server.client_trust = trust.get();
  server.check = [](void *, const weir_tls_peer *peer) {
    if (!peer->resumed) return 0;
    ExpectLaunch([] {
      if (interruption.closes) weir_connection_close(interruption.connection);
      if (!interruption.closes) weir_connection_abort(interruption.connection);
      return 0;
    });
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
    return 0;
  };
  TlsContext context = MakeTlsContext({authority_.MakeFor({"DNS:a.test"})}, server);
  TlsCredential credential = MakeTlsCredential(authority_.Make(Defect::kNone, Role::kClient));
  weir_tls_options_builder builder = {};
  builder.credential = credential.get();
  builder.server_name = "a.test";
  for (bool closes : {false, true}) {
    TlsOptions options = OptionsWith(builder);
    ExpectRun([&] {
      EXPECT_FALSE(Resumes(options.get(), context.get(), nullptr));
      weir_connection *near = nullptr, *far = nullptr;
      EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
      interruption = {far, closes};
      weir_job *client = LaunchJob([&] {
        EXPECT_EQ(0, weir_tls_client(&near, options.get()));
        ReadToEnd(near);
        weir_connection_abort(near);
        weir_connection_close(near);
        return 0;
      });
      int result = weir_tls_server(&far, context.get());
      EXPECT_EQ(closes ? WEIR_E_CLOSED : -ECONNABORTED, result) << weir_error_name(result);
      EXPECT_EQ(nullptr, far);
      EXPECT_EQ(-1, weir_tls_last_failure(nullptr)->alert) << LastTlsFailure();
      EXPECT_EQ(0, EndOf(client));
      return 0;
    });
  }
}

TEST_P(ResumptionTest, AnOldKeyExchangeHasNoGroup) {
  TlsOptions options = OptionsWith({});
  ExpectRun([&] {
    EXPECT_FALSE(Resumes(options.get(), context_.get()));
    TlsMeeting meeting = Meet(options.get(), context_.get(), "a.test");
    EXPECT_TRUE(meeting.client.resumed);
    EXPECT_EQ(meeting.client.group, meeting.server.group);
    EXPECT_EQ(GetParam() == WEIR_TLS_1_2, meeting.client.group.empty()) << meeting.client.group;
    return 0;
  });
}

// Whoever saw a ticket twice would know that it is the same client (RFC 8446, appendix C.4).
TEST_P(ResumptionTest, HowOftenASessionIsUsed) {
  weir_tls_options_builder builder = {};
  builder.server_name = "a.test";
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    Conversation first(options.get(), context_.get());
    EXPECT_FALSE(first.resumed());
    first.Talk();
    // The server has sent two tickets of TLS 1.3. New ones would come with what is read.
    for (int i = 0; i < 4; i++) {
      Conversation next(options.get(), context_.get());
      EXPECT_EQ(GetParam() == WEIR_TLS_1_2 || i < 2, next.resumed()) << i;
    }
    return 0;
  });
}

TEST_P(ResumptionTest, OnlySoManyAreKeptOfOneServer) {
  // In TLS 1.2 the newest is used, as often as one likes.
  const bool once = GetParam() == WEIR_TLS_1_3;
  weir_tls_options_builder builder = {};
  builder.server_name = "a.test";
  TlsOptions options = OptionsWith(builder);
  ExpectRun([&] {
    std::vector<std::unique_ptr<Conversation>> all;
    for (int i = 0; i < 4; i++) {
      all.push_back(std::make_unique<Conversation>(options.get(), context_.get()));
      EXPECT_EQ(!once && i > 0, all.back()->resumed());
    }
    for (auto &each : all) each->Talk();
    all.clear();
    for (int i = 0; i < 6; i++) {
      Conversation next(options.get(), context_.get());
      EXPECT_EQ(!once || i < 4, next.resumed()) << i;
    }
    return 0;
  });
}

INSTANTIATE_TEST_SUITE_P(Both, ResumptionTest, ::testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? "Tls12" : "Tls13";
                         });

}  // namespace
}  // namespace weir_testing

// Instead of the C library's.
extern "C" int gettimeofday(struct timeval *out, void *) noexcept {
  struct timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  out->tv_sec = now.tv_sec + weir_testing::seconds_ahead;
  out->tv_usec = now.tv_nsec / 1000;
  return 0;
}
