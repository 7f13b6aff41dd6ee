// SPDX-License-Identifier: Apache-2.0
//
// Handshakes that go wrong, or go on from somewhere: what they return, what they leave, and what
// the peer learns.

#include "testing/bare_tls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/sanitizers.h"
#include "testing/secure_pair.h"
#include "testing/tcp_pair.h"
#include "testing/virtual_clock.h"
#include "weir/custom_connection.h"

namespace weir_testing {
namespace {

class Handshake : public LeakCheckedTest {
 protected:
  // Runs |body| with time that does not pass by itself, under two minutes of it.
  void RunVirtually(const std::function<void()> &body) {
    ExpectRun(clock_.options(), [&] {
      weir_timeout timeout = weir_timeout_begin(120 * WEIR_SECOND);
      body();
      EXPECT_FALSE(weir_timeout_end(timeout));
      return 0;
    });
  }

  int64_t now() const { return clock_.now(); }

 private:
  VirtualClock clock_;
};

TEST_F(Handshake, NeedsAConnectionAndAContextAndACoroutine) {
  weir_connection *none = nullptr;
  EXPECT_EQ(-EINVAL, weir_tls_client(nullptr, nullptr));
  EXPECT_EQ(-EINVAL, weir_tls_client(&none, nullptr));
  SecureWorld world;
  weir_connection *outside = nullptr;
  RunVirtually([&] {
    EXPECT_EQ(-EINVAL, weir_tls_client(&none, world.options()));
    SecurePair pair = MakeWire(Wire::kPipe);
    outside = pair.near;
    weir_connection *same = pair.near;
    EXPECT_EQ(-EINVAL, weir_tls_server(&same, nullptr));
    EXPECT_STREQ("a server needs a context", weir_tls_last_failure(nullptr)->text);
    EXPECT_EQ(outside, same) << "nothing was done";
    EXPECT_EQ(0, weir_connection_close(pair.near));
    EXPECT_EQ(0, weir_connection_close(pair.far));
  });
}

TEST_F(Handshake, APeerThatIsSilentIsGivenTenSeconds) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    int64_t begin = now();
    EXPECT_EQ(-ETIMEDOUT, weir_tls_client(&pair.near, world.options()));
    EXPECT_EQ(nullptr, pair.near);
    EXPECT_EQ(10 * WEIR_SECOND, now() - begin);
    EXPECT_EQ(-ETIMEDOUT, weir_tls_last_failure(nullptr)->code);
    weir_connection_abort(pair.far);
    weir_connection_close(pair.far);
  });
}

TEST_F(Handshake, TheTimeIsAnOption) {
  weir_tls_terms terms = {};
  terms.handshake_timeout = WEIR_SECOND;
  SecureWorld world(terms, terms);
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    int64_t begin = now();
    EXPECT_EQ(-ETIMEDOUT, weir_tls_server(&pair.far, world.context()));
    EXPECT_EQ(nullptr, pair.far);
    EXPECT_EQ(WEIR_SECOND, now() - begin);
    weir_connection_close(pair.near);
  });
}

// One byte a second, as if there were no end of it.
TEST_F(Handshake, APeerThatTricklesGetsNoMoreTime) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    weir_job *trickle = LaunchJob([&] {
      const unsigned char header[] = {0x16, 3, 1, 0x3f, 0};
      int result = 0;
      for (int i = 0; result == 0; i++) {
        result = weir_write_uint8(weir_open_write_channel(pair.near, true), i < 5 ? header[i] : 1);
        if (result == 0) result = weir_delay(WEIR_SECOND);
      }
      weir_connection_close(pair.near);
      return 0;
    });
    int64_t begin = now();
    long before = allocator().block_bytes();
    allocator().ResetPeak();
    EXPECT_EQ(-ETIMEDOUT, weir_tls_server(&pair.far, world.context()));
    EXPECT_EQ(10 * WEIR_SECOND, now() - begin);
    EXPECT_LE(allocator().peak_block_bytes() - before, 64 * 1024);
    EXPECT_EQ(0, EndOf(trickle));
  });
}

TEST_F(Handshake, APeerThatSpeaksPlainText) {
  SecureWorld world;
  struct {
    bool to_server;
    const char *text;
  } cases[] = {{true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
               {true, "EHLO example.org\r\n"},
               {false, "HTTP/1.1 400 Bad Request\r\n\r\n"},
               {false, "220 mail.example.org ESMTP\r\n"}};
  for (const auto &each : cases) {
    SCOPED_TRACE(each.text);
    RunVirtually([&] {
      SecurePair pair = MakeWire(Wire::kTcp);
      weir_connection **secure = each.to_server ? &pair.far : &pair.near;
      weir_connection *plain = each.to_server ? pair.near : pair.far;
      EXPECT_EQ(0, Send(plain, each.text));
      weir_job *close = LaunchJob([plain] {
        ReadToEnd(plain);
        return weir_connection_close(plain);
      });
      int result = each.to_server ? weir_tls_server(secure, world.context())
                                  : weir_tls_client(secure, world.options());
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, result) << weir_error_name(result);
      const weir_tls_failure *failure = weir_tls_last_failure(nullptr);
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, failure->code);
      EXPECT_TRUE(failure->plain_text);
      EXPECT_NE(nullptr, strstr(failure->text, "plain text")) << failure->text;
      EXPECT_EQ(0, EndOf(close));
    });
  }
}

TEST_F(Handshake, APeerThatSpeaksNonsense) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    EXPECT_EQ(0, Send(pair.near, std::string("\x16\x03\x01\x00\x04\xff\x00\x00\x00", 9)));
    weir_job *reader = LaunchJob([&] {
      // A fatal alert, and the end.
      std::string answer = ReadToEnd(pair.near);
      EXPECT_EQ(7u, answer.size());
      EXPECT_EQ('\x15', answer[0]);
      return weir_connection_close(pair.near);
    });
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_tls_server(&pair.far, world.context()));
    EXPECT_FALSE(weir_tls_last_failure(nullptr)->plain_text);
    EXPECT_LE(0, weir_tls_last_failure(nullptr)->alert);
    EXPECT_FALSE(weir_tls_last_failure(nullptr)->alert_received);
    EXPECT_STRNE("", weir_tls_last_failure(nullptr)->reason);
    EXPECT_EQ(0, EndOf(reader));
  });
}

// While the peer is given time to read the alert, nobody finds what will soon be gone.
TEST_F(Handshake, AFailureTakesThePointerAwayAtOnce) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    int64_t begin = now();
    weir_job *server = LaunchJob([&] { return weir_tls_server(&pair.far, world.context()); });
    EXPECT_EQ(0, Send(pair.near, std::string("\x16\x03\x01\x00\x04\xff\x00\x00\x00", 9)));
    EXPECT_EQ(0, weir_delay(WEIR_SECOND / 2));
    EXPECT_EQ(nullptr, pair.far);
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, EndOf(server));
    EXPECT_EQ(WEIR_SECOND, now() - begin);
    weir_connection_close(pair.near);
  });
}

// BoringSSL refuses such a hello without a word.
TEST_F(Handshake, AServerNameOfAnUnknownKind) {
  std::string hello("\x16\x03\x01\x00\x39\x01\x00\x00\x35\x03\x03", 11);
  hello += std::string(32, 'r');
  // No session, one suite, no compression, and one extension.
  hello += std::string("\x00\x00\x02\xc0\x2b\x01\x00\x00\x0a", 9);
  hello += std::string("\x00\x00\x00\x06\x00\x04\x01\x00\x01x", 10);
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    EXPECT_EQ(0, Send(pair.near, hello));
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_tls_server(&pair.far, world.context()));
    EXPECT_EQ(SSL_AD_UNRECOGNIZED_NAME, weir_tls_last_failure(nullptr)->alert);
    weir_connection_close(pair.near);
  });
}

TEST_F(Handshake, APeerThatIsGone) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(pair.far, false)));
    EXPECT_EQ(WEIR_E_TLS_TRUNCATED, weir_tls_client(&pair.near, world.options()));
    EXPECT_EQ(nullptr, pair.near);
    weir_connection_close(pair.far);
  });
}

// An alert that anybody can send, as long as there are no keys.
TEST_F(Handshake, APeerThatEndsTheStreamBeforeThereAreKeys) {
  const std::string close_notify("\x15\x03\x03\x00\x02\x01\x00", 7);
  SecureWorld world;
  for (bool of_client : {true, false}) {
    SCOPED_TRACE(of_client ? "a client" : "a server");
    RunVirtually([&] {
      SecurePair pair = MakeWire(Wire::kPipe);
      weir_connection **ours = of_client ? &pair.near : &pair.far;
      weir_connection *peer = of_client ? pair.far : pair.near;
      EXPECT_EQ(0, Send(peer, close_notify));
      int result = of_client ? weir_tls_client(ours, world.options())
                             : weir_tls_server(ours, world.context());
      EXPECT_EQ(WEIR_E_TLS_TRUNCATED, result) << weir_error_name(result);
      EXPECT_EQ(nullptr, *ours);
      EXPECT_EQ(WEIR_E_TLS_TRUNCATED, weir_tls_last_failure(nullptr)->code);
      weir_connection_close(peer);
    });
  }
}

TEST_F(Handshake, NoVersionInCommon) {
  weir_tls_terms old = {}, modern = {};
  old.max_version = WEIR_TLS_1_2;
  modern.min_version = WEIR_TLS_1_3;
  for (bool old_client : {true, false}) {
    SecureWorld world(old_client ? old : modern, old_client ? modern : old);
    RunVirtually([&] {
      SecurePair pair = MakeWire(Wire::kTcp);
      world.ShakeHands(&pair);
      EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, pair.near_result) << weir_error_name(pair.near_result);
      EXPECT_EQ(WEIR_E_TLS_NO_AGREEMENT, pair.far_result) << weir_error_name(pair.far_result);
    });
  }
}

TEST_F(Handshake, AnotherCoroutineReads) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    weir_connection *near = pair.near;
    weir_job *reader = LaunchJob([near] {
      char byte;
      return weir_read_available(weir_open_read_channel(near), &byte, 1);
    });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(-EBUSY, weir_tls_client(&pair.near, world.options()));
    EXPECT_EQ(nullptr, pair.near);
    EXPECT_EQ(WEIR_E_CLOSED, EndOf(reader));
    weir_connection_close(pair.far);
  });
}

TEST_F(Handshake, NeedsStack) {
  SecureWorld world;
  RunVirtually([&] {
    struct Small {
      const SecureWorld *world;
      SecurePair pair;
      int result;
    } small = {&world, MakeWire(Wire::kPipe), 0};
    weir_launch_options options = {};
    options.stack_size = 16 * 1024;
    weir_job *job;
    auto shake = [](void *argument) {
      Small *self = static_cast<Small *>(argument);
      self->result = weir_tls_client(&self->pair.near, self->world->options());
      return 0;
    };
    EXPECT_EQ(0, weir_launch(nullptr, &job, &options, +shake, &small));
    EXPECT_EQ(0, EndOf(job));
    if (kHasSanitizer) {
      EXPECT_EQ(-ETIMEDOUT, small.result) << "stacks are four times as large, which is enough";
    } else {
      EXPECT_EQ(-ENOSPC, small.result);
      EXPECT_EQ(nullptr, small.pair.near);
      EXPECT_EQ("", ReadToEnd(small.pair.far)) << "nothing was sent";
    }
    weir_connection_close(small.pair.far);
    if (small.pair.near != nullptr) weir_connection_close(small.pair.near);
  });
}

// What was written before leaves before, and what came before belongs to the handshake.
TEST_F(Handshake, InTheMiddleOfAConversation) {
  for (Wire wire : {Wire::kPipe, Wire::kTcp}) {
    SecureWorld world;
    RunVirtually([&] {
      SecurePair pair = MakeWire(wire);
      weir_job *server = LaunchJob([&] {
        weir_bytes line;
        EXPECT_EQ(0, weir_read_line(weir_open_read_channel(pair.far), &line));
        EXPECT_EQ("STARTTLS", std::string(line.data, line.size));
        EXPECT_EQ(0, weir_write_line(weir_open_write_channel(pair.far, false),
                                     weir_text("220 go ahead")));
        // Everything that the client sends is there already.
        for (int i = 0; i < 20; i++) EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(0, weir_tls_server(&pair.far, world.context())) << LastTlsFailure();
        return 0;
      });
      // A client that does not wait for the answer; what it sends shares a buffer with the line.
      weir_write_channel *output = weir_open_write_channel(pair.near, true);
      EXPECT_EQ(0, weir_write_line(output, weir_text("STARTTLS")));
      weir_bytes line;
      ExpectLaunch([] { return 0; });
      EXPECT_EQ(0, weir_read_line(weir_open_read_channel(pair.near), &line));
      EXPECT_EQ("220 go ahead", std::string(line.data, line.size));
      EXPECT_EQ(0, weir_tls_client(&pair.near, world.options()));
      EXPECT_EQ(0, EndOf(server));
      EXPECT_EQ(0, Send(pair.near, "secret"));
      EXPECT_EQ("secret", Receive(pair.far, 6));
      CloseSecurePair(&pair);
    });
  }
}

// A ClientHello that has been read together with the line before it.
TEST_F(Handshake, BytesThatWereReadAheadBelongToIt) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    weir_job *client = LaunchJob([&] {
      // Does not leave before the handshake sends something.
      EXPECT_EQ(0, weir_write_line(weir_open_write_channel(pair.near, false), weir_text("TLS")));
      return weir_tls_client(&pair.near, world.options());
    });
    for (int i = 0; i < 5; i++) EXPECT_EQ(0, weir_yield());
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(weir_open_read_channel(pair.far), &line));
    EXPECT_EQ(0, weir_tls_server(&pair.far, world.context()));
    EXPECT_EQ(0, EndOf(client));
    CloseSecurePair(&pair);
  });
}

// The reason of a refusal waits a second for somebody who reads it, although there is no room for
// it before.
TEST_F(Handshake, TheAlertIsReadLate) {
  const std::string nonsense("\x16\x03\x01\x00\x04\xff\x00\x00\x00", 9);
  SecureWorld world;
  for (int64_t delay : {900 * WEIR_MILLISECOND, 1100 * WEIR_MILLISECOND}) {
    RunVirtually([&] {
      weir_pipe_options narrow = {};
      narrow.capacity = 4;
      SecurePair pair;
      EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &narrow));
      weir_job *reader = LaunchJob([&] {
        EXPECT_EQ(0, Send(pair.near, nonsense));
        EXPECT_EQ(0, weir_delay(delay));
        std::string answer = ReadToEnd(pair.near);
        bool is_alert = answer.size() == 7 && answer[0] == '\x15';
        EXPECT_EQ(delay < WEIR_SECOND, is_alert) << answer.size();
        weir_connection_close(pair.near);
        return 0;
      });
      int64_t begin = now();
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_tls_server(&pair.far, world.context()));
      EXPECT_EQ(delay < WEIR_SECOND ? delay : WEIR_SECOND, now() - begin);
      EXPECT_EQ(0, EndOf(reader));
    });
  }
}

TEST_F(Handshake, TheAlertArrives) {
  SecureWorld world;
  weir_tls_options_builder builder = {};
  builder.server_name = "another.test";
  TlsOptions options = MakeTlsOptions(SecureWorld::authority().root(), builder);
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    weir_job *server = LaunchJob([&] {
      int result = weir_tls_server(&pair.far, world.context());
      EXPECT_TRUE(weir_tls_last_failure(nullptr)->alert_received);
      EXPECT_EQ(SSL_AD_BAD_CERTIFICATE, weir_tls_last_failure(nullptr)->alert);
      return result;
    });
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, weir_tls_client(&pair.near, options.get()));
    EXPECT_FALSE(weir_tls_last_failure(nullptr)->alert_received);
    EXPECT_EQ(SSL_AD_BAD_CERTIFICATE, weir_tls_last_failure(nullptr)->alert);
    EXPECT_EQ(0, weir_tls_last_failure(nullptr)->depth);
    EXPECT_EQ(WEIR_E_TLS_ALERT, EndOf(server));
  });
}

// In TLS 1.3 the client has done its part when the server refuses it.
TEST_F(Handshake, ALateRefusalComesWithTheFirstRead) {
  TlsTrust trust = MakeTlsTrust(SecureWorld::authority().root());
  weir_tls_context_builder builder = {};
  builder.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  builder.client_trust = trust.get();
  SecureWorld world({}, {}, {}, builder);
  trust.reset();
  RunVirtually([&] {
    SecurePair pair = MakeWire(Wire::kTcp);
    world.ShakeHands(&pair);
    EXPECT_EQ(0, pair.near_result);
    EXPECT_EQ(WEIR_E_TLS_CERTIFICATE, pair.far_result);
    EXPECT_EQ("<WEIR_E_TLS_ALERT>", ReadToEnd(pair.near));
    EXPECT_TRUE(weir_tls_last_failure(pair.near)->alert_received);
    EXPECT_EQ(SSL_AD_CERTIFICATE_REQUIRED, weir_tls_last_failure(pair.near)->alert);
    EXPECT_EQ(WEIR_E_TLS_ALERT, Send(pair.near, "more"));
    weir_connection_close(pair.near);
  });
}

TEST_F(Handshake, OverASecureConnection) {
  SecureWorld world;
  RunVirtually([&] {
    SecurePair pair = world.Connect(Wire::kTcp);
    world.ShakeHands(&pair);
    EXPECT_EQ(0, pair.near_result);
    EXPECT_EQ(0, pair.far_result);
    EXPECT_EQ(0, Send(pair.near, "doubly secret"));
    EXPECT_EQ("doubly secret", Receive(pair.far, 13));
    CloseSecurePair(&pair);
  });
}

TEST_F(Handshake, NothingIsKnownOfAConnectionThatIsNotSecure) {
  RunVirtually([&] {
    weir_connection *plain;
    EXPECT_EQ(0, weir_memory_connection(&plain, weir_text("x"), nullptr));
    weir_tls_information information;
    EXPECT_EQ(-EINVAL, weir_tls_get_information(plain, &information));
    EXPECT_EQ(0u, weir_tls_peer_certificate(plain, 0).size);
    EXPECT_EQ(0, weir_tls_last_failure(plain)->code);
    weir_connection_close(plain);
    // What a failed handshake leaves behind.
    EXPECT_EQ(-EINVAL, weir_tls_get_information(nullptr, &information));
    EXPECT_EQ(0u, weir_tls_peer_certificate(nullptr, 0).size);
  });
}

}  // namespace
}  // namespace weir_testing
