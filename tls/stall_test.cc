// SPDX-License-Identifier: Apache-2.0
//
// Peers that do not go on, do not read, or send much of nothing while a handshake waits for them:
// it ends at its deadline or before, and holds little memory until then.

#include <malloc.h>
#include <openssl/base.h>

#include <memory>
#include <string>

#include "testing/bare_tls.h"
#include "testing/certificates.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/middle.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr size_t kMost = 64 * 1024;
// For both ends and the middle. Newer releases of BoringSSL, with ML-KEM, take more than older
// ones.
constexpr size_t kMostOfAll = BORINGSSL_API_VERSION < 30 ? kMost : 2 * kMost;

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
bool WaitsInVain(const SecureWorld &world, bool is_client, size_t bytes, VirtualClock *clock,
                 size_t most = kMostOfAll) {
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
    EXPECT_LT(after, before + most) << "held by both ends and the middle together";
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

// A client with so many certificates that they have some |bytes|, and one server that is asked what
// it makes of them.
class LongChain {
 public:
  LongChain(size_t bytes, size_t limit)
      : credential_(SecureWorld::authority().Make(Defect::kNone, Role::kClient)) {
    const TestAuthority &authority = SecureWorld::authority();
    const size_t each = authority.intermediate().Der().size() + 3;
    for (size_t i = 2; i * each < bytes; i++)
      credential_.chain_pem += authority.intermediate().Pem();
    trust_ = MakeTlsTrust(authority.root());
    weir_tls_context_builder builder = {};
    builder.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
    builder.client_trust = trust_.get();
    builder.terms.certificates_limit = limit;
    context_ = MakeTlsContext({authority.Make(Defect::kNone, Role::kServer)}, builder);
  }

  // The server's result. |*out_sent| gets what the client sends.
  int Shake(std::string *out_sent) {
    int result = 0;
    ExpectRun([&] {
      Middle middle({}, {});
      weir_job *client = LaunchJob([&] {
        BareTlsOptions options;
        options.credential = &credential_;
        options.max_version = TLS1_2_VERSION;
        BareTls bare(middle.client(), options);
        std::string byte;
        if (bare.Handshake() == 0) {
          EXPECT_NE(0, bare.Read(&byte, 1));
        }
        return 0;
      });
      weir_connection *server = middle.server();
      result = weir_tls_server(&server, context_.get());
      weir_connection_close(server);
      EXPECT_EQ(0, EndOf(client));
      *out_sent = middle.to_server().seen;
      return 0;
    });
    return result;
  }

  // What such a client reads of a server that greets it.
  std::string Greet(uint16_t version) {
    std::string greeting;
    ExpectRun([&] {
      weir_connection *near = nullptr, *far = nullptr;
      EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
      weir_job *client = LaunchJob([&] {
        BareTlsOptions options;
        options.credential = &credential_;
        options.min_version = options.max_version = version;
        BareTls bare(near, options);
        EXPECT_EQ(0, bare.Handshake());
        if (bare.Read(&greeting, 5) < 0) greeting = bare.reason();
        return 0;
      });
      EXPECT_EQ(0, weir_tls_server(&far, context_.get()));
      int result = Send(far, "hello");
      EXPECT_EQ(0, result) << weir_error_name(result);
      weir_connection_close(far);
      EXPECT_EQ(0, EndOf(client));
      return 0;
    });
    return greeting;
  }

  // How much is held for a client that has sent |bytes|, and stalls.
  size_t HeldFor(const std::string &bytes) {
    size_t held = 0;
    VirtualClock clock;
    ExpectRun(clock.options(), [&] {
      weir_connection *near = nullptr, *far = nullptr;
      EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
      weir_job *client = LaunchJob([&] { return Send(near, bytes); });
      weir_job *drain = LaunchJob([near] { return ReadToEnd(near), 0; });
      const size_t before = Allocated();
      weir_job *watcher = LaunchJob([&] {
        EXPECT_EQ(0, weir_delay(9 * WEIR_SECOND));
        held = Allocated() - before;
        return 0;
      });
      EXPECT_EQ(-ETIMEDOUT, weir_tls_server(&far, context_.get()));
      for (weir_job *job : {client, drain, watcher}) EXPECT_EQ(0, EndOf(job));
      weir_connection_close(near);
      return 0;
    });
    return held;
  }

 private:
  Credential credential_;
  TlsTrust trust_;
  TlsContext context_;
};

// A stranger may send so much before anybody knows who he is.
TEST(LongChainStall, HoldsLittle) {
  LongChain chain(22000, 0);
  std::string sent;
  EXPECT_EQ(0, chain.Shake(&sent));
  ASSERT_LT(22000u, sent.size());
  sent.resize(20000);
  for (int i = 0; i < 2; i++) {
    // With the pipe, and what the client's end holds.
    EXPECT_GT(kMost + 32 * 1024, chain.HeldFor(sent));
  }
}

TEST(LongChainStall, IsRefusedAboveTheLimit) {
  std::string sent;
  EXPECT_EQ(WEIR_E_TLS_PROTOCOL, LongChain(25000, 0).Shake(&sent));
  EXPECT_EQ(0, LongChain(25000, 32 * 1024).Shake(&sent));
  EXPECT_EQ(WEIR_E_TLS_PROTOCOL, LongChain(33000, 32 * 1024).Shake(&sent));
}

// A session ticket has the client's chain in it, and a message of more than 16 KiB is refused.
TEST(LongChainStall, IsGivenNoTicketThatNobodyTakes) {
  for (uint16_t version : {uint16_t{TLS1_2_VERSION}, uint16_t{TLS1_3_VERSION}}) {
    EXPECT_EQ("hello", LongChain(15000, 0).Greet(version)) << version;
    EXPECT_EQ("hello", LongChain(20000, 0).Greet(version)) << version;
    EXPECT_EQ("hello", LongChain(60000, 128 * 1024).Greet(version)) << version;
  }
}

std::string Number(size_t number, int bytes) {
  std::string out;
  while (bytes-- > 0) out += static_cast<char>(number >> (8 * bytes));
  return out;
}

// The beginning of what a server of TLS 1.2 says, up to its certificate, in a record.
std::string BeginningOfAServer() {
  const std::string der =
      SecureWorld::authority().root().Issue({"a server", {"DNS:server.test"}}).Der();
  std::string hello = "\x03\x03" + std::string(32, 'r');
  // No session, a suite, no compression, no extensions.
  hello += std::string("\x00\xc0\x2b\x00", 4);
  const std::string chain = Number(der.size(), 3) + der;
  const std::string certificate = Number(chain.size(), 3) + chain;
  const std::string messages = "\x02" + Number(hello.size(), 3) + hello + "\x0b" +
                               Number(certificate.size(), 3) + certificate;
  return "\x16\x03\x03" + Number(messages.size(), 2) + messages;
}

// Of a server that does not wait for our hello, which has been read ahead. A check may take long.
TEST(EarlyServer, IsToldWhatWeSayBeforeACheckSuspends) {
  weir_tls_options_builder builder = {};
  builder.check = [](void *, const weir_tls_peer *) {
    int result = weir_delay(WEIR_SECOND);
    return result < 0 ? result : -EPERM;
  };
  SecureWorld world({}, {}, builder);
  VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    SecurePair pair = MakeWire(Wire::kPipe);
    EXPECT_EQ(0, Send(pair.far, "220 go ahead\r\n" + BeginningOfAServer()));
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(weir_open_read_channel(pair.near), &line));
    int64_t told_at = 0;
    weir_job *server = LaunchJob([&] {
      EXPECT_EQ("\x16", Receive(pair.far, 1));
      told_at = clock.now();
      ReadToEnd(pair.far);
      return weir_connection_close(pair.far);
    });
    static_cast<void>(weir_open_write_channel(pair.near, false));
    const int64_t begin = clock.now();
    EXPECT_EQ(-EPERM, weir_tls_client(&pair.near, world.options())) << LastTlsFailure();
    EXPECT_EQ(begin + WEIR_SECOND, clock.now());
    EXPECT_EQ(0, EndOf(server));
    EXPECT_EQ(begin, told_at);
    return 0;
  });
}

// Of TLS 1.2, and no reason for anything.
TEST(EarlyServer, AWarningOfWhichIsNoReason) {
  SecureWorld world;
  for (char level : {'\1', '\2'}) {
    ExpectRun([&] {
      SecurePair pair = MakeWire(Wire::kPipe);
      const std::string alert = {0x15, 3, 3, 0, 2, level, SSL_AD_UNRECOGNIZED_NAME};
      EXPECT_EQ(0, Send(pair.far, BeginningOfAServer() + alert));
      weir_job *server = LaunchJob([&] {
        EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(pair.far, false)));
        ReadToEnd(pair.far);
        return weir_connection_close(pair.far);
      });
      const bool is_fatal = level == '\2';
      EXPECT_EQ(is_fatal ? WEIR_E_TLS_ALERT : WEIR_E_TLS_TRUNCATED,
                weir_tls_client(&pair.near, world.options()));
      EXPECT_EQ(is_fatal ? SSL_AD_UNRECOGNIZED_NAME : -1, weir_tls_last_failure(nullptr)->alert);
      EXPECT_EQ(0, EndOf(server));
      return 0;
    });
  }
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
