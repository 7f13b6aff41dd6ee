// SPDX-License-Identifier: Apache-2.0
//
// Peers that do not go on, do not read, or send much of nothing while a handshake waits for them:
// it ends at its deadline or before, and holds little memory until then.

#include <malloc.h>

#include <memory>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/middle.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr size_t kMost = 64 * 1024;

// What is allocated by whomever, BoringSSL with its records too. A sanitizer does not tell.
size_t Allocated() {
  struct mallinfo2 information = mallinfo2();
  return information.uordblks + information.hblkhd;
}

class Stall : public LeakCheckedTest, public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  void SetUp() override {
    LeakCheckedTest::SetUp();
    weir_tls_terms terms = {};
    terms.min_version = terms.max_version = GetParam();
    weir_tls_options_builder builder = {};
    builder.no_resumption = true;
    world_ = std::make_unique<SecureWorld>(terms, terms, builder);
    // What is made once is not held by anybody.
    ExpectRun([this] {
      SecurePair pair = world().Connect(Wire::kPipe);
      CloseSecurePair(&pair);
      return 0;
    });
  }
  void TearDown() override {
    world_.reset();
    LeakCheckedTest::TearDown();
  }

  const SecureWorld &world() const { return *world_; }

  // What the client sends first.
  std::string ClientHello() {
    std::string hello;
    ExpectRun(clock_.options(), [&] {
      SecurePair pair = MakeWire(Wire::kPipe);
      weir_job *client = LaunchJob([&] { return weir_tls_client(&pair.near, world().options()); });
      EXPECT_EQ(0, weir_delay(WEIR_SECOND));
      char bytes[4096];
      int size = weir_read_try(weir_open_read_channel(pair.far), bytes, sizeof bytes);
      hello.assign(bytes, size > 0 ? static_cast<size_t>(size) : 0);
      weir_connection_abort(pair.far);
      weir_connection_close(pair.far);
      EXPECT_GT(0, EndOf(client));
      return 0;
    });
    EXPECT_LT(100u, hello.size());
    return hello;
  }

  VirtualClock clock_;

 private:
  std::unique_ptr<SecureWorld> world_;
};

INSTANTIATE_TEST_SUITE_P(Versions, Stall, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3),
                         [](const auto &test) {
                           return test.param == WEIR_TLS_1_2 ? std::string("Tls12") : "Tls13";
                         });

// One side gets some bytes of the other's, and no more. Returns whether it had to wait for them.
bool WaitsInVain(const SecureWorld &world, bool is_client, size_t bytes, VirtualClock *clock) {
  int result = 0;
  ExpectRun(clock->options(), [&] {
    const size_t before = Allocated();
    Middle::Direction stalled;
    stalled.stall_after = bytes;
    Middle middle(is_client ? stalled : Middle::Direction(),
                  is_client ? Middle::Direction() : stalled);
    weir_connection *near = middle.client(), *far = middle.server();
    const int64_t begin = clock->now();
    auto shake = [&](bool as_client) {
      int ended = as_client ? weir_tls_client(&near, world.options())
                            : weir_tls_server(&far, world.context());
      if (as_client == is_client) result = ended;
      if (ended < 0) {
        EXPECT_EQ(10 * WEIR_SECOND, clock->now() - begin);
      }
      return 0;
    };
    weir_job *client = LaunchJob([&] { return shake(true); });
    weir_job *server = LaunchJob([&] { return shake(false); });
    EXPECT_EQ(0, weir_delay(9 * WEIR_SECOND));
    const size_t after = Allocated();
    EXPECT_LT(after, before + kMost) << "held by both ends and the middle together";
    EXPECT_EQ(0, EndOf(client));
    EXPECT_EQ(0, EndOf(server));
    for (weir_connection *end : {near, far}) {
      if (end != nullptr) weir_connection_abort(end);
      weir_connection_close(end);
    }
    return 0;
  });
  EXPECT_TRUE(result == 0 || result == -ETIMEDOUT) << weir_error_name(result);
  return result < 0;
}

TEST_P(Stall, InTheMiddleOfAFlight) {
  for (bool is_client : {true, false}) {
    size_t bytes = 0;
    while (WaitsInVain(world(), is_client, bytes, &clock_) && !HasFailure()) bytes += 13;
    EXPECT_LT(100u, bytes);
  }
}

// The longest message that a stranger may send.
TEST_P(Stall, InTheMiddleOfALongChain) {
  CertificateOptions authority;
  authority.authority = true;
  authority.key = KeyKind::kRsa2048;
  Certificate last = SecureWorld::authority().root();
  for (int i = 0; i < 15; i++) last = last.Issue(authority);
  CertificateOptions client;
  client.key = KeyKind::kRsa2048;
  last = last.Issue(client);
  TlsCredential credential = MakeTlsCredential(Credential{last.ChainPem(), last.KeyPem(), last});
  TlsTrust trust = MakeTlsTrust(SecureWorld::authority().root());
  weir_tls_terms terms = {};
  terms.min_version = terms.max_version = GetParam();
  weir_tls_options_builder near = {};
  near.credential = credential.get();
  weir_tls_context_builder far = {};
  far.client_trust = trust.get();
  far.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  SecureWorld world(terms, terms, near, far);
  size_t bytes = 0;
  while (WaitsInVain(world, false, bytes, &clock_) && !HasFailure()) bytes += 1013;
  EXPECT_LT(12000u, bytes);
  // And what is above the limit.
  terms.certificates_limit = 12000;
  SecureWorld strict({}, terms, near, far);
  ExpectRun([&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    strict.ShakeHands(&pair);
    EXPECT_EQ(WEIR_E_TLS_PROTOCOL, pair.far_result);
    weir_connection_close(pair.near);
    return 0;
  });
}

TEST_P(Stall, APeerThatDoesNotReadTheFlight) {
  const std::string hello = ClientHello();
  ExpectRun(clock_.options(), [&] {
    weir_pipe_options narrow = {};
    narrow.capacity = 32;
    SecurePair pair;
    EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &narrow));
    weir_job *peer = LaunchJob([&] { return Send(pair.near, hello); });
    const int64_t begin = clock_.now();
    EXPECT_EQ(-ETIMEDOUT, weir_tls_server(&pair.far, world().context()));
    EXPECT_EQ(10 * WEIR_SECOND, clock_.now() - begin);
    EXPECT_EQ(0, EndOf(peer));
    weir_connection_close(pair.near);
    return 0;
  });
}

// Later on it is up to the writer how long he waits.
TEST_P(Stall, APeerThatNeverReads) {
  ExpectRun(clock_.options(), [&] {
    SecurePair pair = world().Connect(Wire::kPipe);
    const std::string much(1 << 20, 'm');
    const size_t before = Allocated();
    weir_timeout timeout = weir_timeout_begin(3 * WEIR_SECOND);
    EXPECT_EQ(-ETIMEDOUT, Send(pair.far, much));
    EXPECT_TRUE(weir_timeout_end(timeout));
    // The channel's buffer, that of the one below, and the pipe's.
    EXPECT_LT(Allocated(), before + kMost);
    const int64_t begin = clock_.now();
    EXPECT_EQ(-ETIMEDOUT, weir_connection_close(pair.far));
    EXPECT_EQ(5 * WEIR_SECOND, clock_.now() - begin);
    weir_connection_abort(pair.near);
    weir_connection_close(pair.near);
    return 0;
  });
}

struct Nonsense {
  const char *what;
  std::string record;
  const char *reason;
};

TEST_P(Stall, APeerThatSendsMuchOfNothing) {
  const Nonsense all[] = {
      {"empty records", std::string("\x16\x03\x01\x00\x00", 5), "TOO_MANY_EMPTY_FRAGMENTS"},
      {"warnings", std::string("\x15\x03\x01\x00\x02\x01\x5a", 7), "TOO_MANY_WARNING_ALERTS"},
      {"changes of the cipher", std::string("\x14\x03\x01\x00\x01\x01", 6), "UNEXPECTED_RECORD"},
      {"a message of 16 MiB", std::string("\x16\x03\x01\x00\x04\x01\xff\xff\xff", 9),
       "EXCESSIVE_MESSAGE_SIZE"},
  };
  for (const Nonsense &each : all) {
    SCOPED_TRACE(each.what);
    ExpectRun(clock_.options(), [&] {
      SecurePair pair = MakeWire(Wire::kPipe);
      weir_connection *peer = pair.near;
      weir_job *sender = LaunchJob([peer, &each] {
        int result = 0;
        while (result == 0) result = Send(peer, each.record);
        return 0;
      });
      const size_t before = Allocated();
      EXPECT_EQ(WEIR_E_TLS_PROTOCOL, weir_tls_server(&pair.far, world().context()));
      EXPECT_STREQ(each.reason, weir_tls_last_failure(nullptr)->reason);
      // With the peer's, and buffers that the loop keeps to use them again.
      EXPECT_LT(Allocated(), before + 2 * kMost);
      EXPECT_EQ(0, EndOf(sender));
      weir_connection_close(peer);
      return 0;
    });
  }
}

}  // namespace
}  // namespace weir_testing
