// SPDX-License-Identifier: Apache-2.0
//
// Every suspension of TLS against all that interrupts it: the handshakes, and those in the channels
// of secure connections, over pipes and over sockets.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/channel_suspensions.h"
#include "testing/expect_coroutine.h"
#include "testing/secure_pair.h"
#include "testing/tls_suspensions.h"
#include "weir/blocking.h"

namespace {

using weir_testing::Carrier;
using weir_testing::CloseSecurePair;
using weir_testing::Credential;
using weir_testing::Defect;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::LaunchJob;
using weir_testing::MakeTlsCredential;
using weir_testing::MakeTlsTrust;
using weir_testing::MakeWire;
using weir_testing::PointName;
using weir_testing::Receive;
using weir_testing::Role;
using weir_testing::SecurePair;
using weir_testing::SecureWorld;
using weir_testing::Send;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;
using weir_testing::TlsCredential;
using weir_testing::TlsTrust;
using weir_testing::Wire;

// Handshakes

// Whether a callback that waits for longer than anybody has was called.
bool called = false;

int WaitForever() {
  called = true;
  return weir_delay(WEIR_FOREVER);
}

int CheckForever(void *, const weir_tls_peer *) { return WaitForever(); }

int ChooseForever(void *, const weir_tls_client_hello *, weir_tls_credential **) {
  return WaitForever();
}

// Both ends, of which one shakes hands, and what they need.
struct Hands {
  Hands(SecureWorld made, SecurePair wire) : world(std::move(made)), pair(wire) {
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
  }
  ~Hands() {
    for (weir_connection *connection : {pair.near, pair.far}) {
      if (connection != nullptr) weir_connection_abort(connection);
      weir_connection_close(connection);
    }
    EXPECT_EQ(0, weir_scope_close(scope));
  }
  Hands(const Hands &) = delete;
  Hands &operator=(const Hands &) = delete;

  SecureWorld world;
  SecurePair pair;
  weir_scope *scope = nullptr;  // of the other end's coroutine, if that takes part
};

enum class Side { kClient, kServer };

// Of a way on which hardly anything has room.
SecurePair MakeNarrowWire() {
  weir_pipe_options options = {};
  options.capacity = 16;
  SecurePair pair;
  EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &options));
  return pair;
}

// |side| of |world| shakes hands over |wire|, of which it says before what is written first.
Suspension ShakeHands(Side side, bool peer_answers, SecureWorld world,
                      SecurePair wire = MakeWire(Wire::kPipe), const std::string &before = "") {
  auto hands =
      std::make_shared<std::unique_ptr<Hands>>(std::make_unique<Hands>(std::move(world), wire));
  Hands *both = hands->get();
  bool is_client = side == Side::kClient;
  weir_connection **mine = is_client ? &both->pair.near : &both->pair.far;
  weir_connection **others = is_client ? &both->pair.far : &both->pair.near;
  auto shake = [both](bool as_client, weir_connection **connection) {
    return as_client ? weir_tls_client(connection, both->world.options())
                     : weir_tls_server(connection, both->world.context());
  };
  if (!before.empty()) {
    weir_write_channel *output = weir_open_write_channel(*mine, false);
    EXPECT_EQ(0, weir_write_string(output, before.c_str()));
  }
  Suspension suspension;
  suspension.wait = [=] {
    if (peer_answers) {
      ExpectLaunch(both->scope, [=] {
        int other = shake(!is_client, others);
        // In TLS 1.3 a client has done its part when it is checked.
        EXPECT_TRUE(other != 0 || !is_client);
        return 0;
      });
    }
    int result = shake(is_client, mine);
    EXPECT_EQ(nullptr, *mine);
    return result;
  };
  weir_connection *connection = *mine;
  if (peer_answers) {
    // Until it waits for what it is to wait for.
    suspension.settle = [] {
      for (int i = 0; i < 50; i++) EXPECT_EQ(0, weir_yield());
    };
  }
  suspension.endings = {
      {"close", [=] { weir_connection_close(connection); }, WEIR_E_CLOSED},
      {"abort", [=] { weir_connection_abort(connection); }, -ECONNABORTED},
  };
  suspension.take_down = [=] { hands->reset(); };
  return suspension;
}

// |suspension| is in a callback.
Suspension InCallback(Suspension suspension) {
  called = false;
  auto settle = suspension.settle;
  suspension.settle = [=] {
    settle();
    EXPECT_TRUE(called);
  };
  return suspension;
}

Suspension ClientAlone() { return ShakeHands(Side::kClient, false, SecureWorld()); }
Suspension ServerAlone() { return ShakeHands(Side::kServer, false, SecureWorld()); }

// The peer takes nothing of what is sent.
Suspension ClientInOutput() {
  return ShakeHands(Side::kClient, false, SecureWorld(), MakeNarrowWire());
}

Suspension ClientInFlushBefore() {
  return ShakeHands(Side::kClient, false, SecureWorld(), MakeNarrowWire(), std::string(1000, 'b'));
}

Suspension ServerInFlushBefore() {
  return ShakeHands(Side::kServer, false, SecureWorld(), MakeNarrowWire(), std::string(1000, 'b'));
}

// What a client says first.
std::string HelloOf(const SecureWorld &world) {
  SecurePair pair = MakeWire(Wire::kPipe);
  weir_job *client = LaunchJob([&] { return weir_tls_client(&pair.near, world.options()); });
  std::string hello(4096, '\0');
  int size = weir_read_available(weir_open_read_channel(pair.far), &hello[0], hello.size());
  EXPECT_LT(0, size) << weir_error_name(size);
  hello.resize(static_cast<size_t>(size));
  weir_connection_abort(pair.far);
  EXPECT_GT(0, EndOf(client));
  weir_connection_close(pair.far);
  return hello;
}

// The client has said hello and takes nothing of the answer.
Suspension ServerInOutput() {
  SecureWorld world;
  const std::string hello = HelloOf(world);
  SecurePair wire = MakeNarrowWire();
  weir_connection *client = wire.near;
  Suspension suspension = ShakeHands(Side::kServer, false, std::move(world), wire);
  suspension.settle = [=] {
    EXPECT_EQ(0, Send(client, hello));
    for (int i = 0; i < 50; i++) EXPECT_EQ(0, weir_yield());
    char first;
    EXPECT_EQ(1, weir_read_try(weir_open_read_channel(client), &first, sizeof first));
  };
  return suspension;
}

Suspension ClientInCheck() {
  weir_tls_options_builder client = {};
  client.check = CheckForever;
  return InCallback(ShakeHands(Side::kClient, true, SecureWorld({}, {}, client)));
}

Suspension ServerInChoice() {
  weir_tls_context_builder server = {};
  server.choose = ChooseForever;
  return InCallback(ShakeHands(Side::kServer, true, SecureWorld({}, {}, {}, server)));
}

// A world of |version| whose server checks clients by |check|. Those show a certificate, signed for
// on the pool or not, or show none.
SecureWorld Checking(weir_tls_version version, weir_tls_check check, bool shows,
                     bool sign_on_pool = false) {
  static const Credential credential = SecureWorld::authority().Make(Defect::kNone, Role::kClient);
  TlsTrust trust = MakeTlsTrust(SecureWorld::authority().root());
  weir_tls_context_builder server = {};
  server.client_authentication = WEIR_TLS_CLIENT_OPTIONAL;
  server.client_trust = trust.get();
  server.check = check;
  TlsCredential shown = MakeTlsCredential(credential, sign_on_pool);
  weir_tls_options_builder client = {};
  if (shows) client.credential = shown.get();
  weir_tls_terms terms = {};
  terms.max_version = version;
  return SecureWorld(terms, {}, client, server);
}

// Of a client without a certificate, behind BoringSSL's handshake.
Suspension ServerInCheckOfNothing() {
  return InCallback(ShakeHands(Side::kServer, true, Checking(WEIR_TLS_1_3, CheckForever, false)));
}

// Within it.
template <weir_tls_version version>
Suspension ServerInCheck() {
  return InCallback(ShakeHands(Side::kServer, true, Checking(version, CheckForever, true)));
}

// A session is there to be resumed.
int CheckResumedForever(void *, const weir_tls_peer *peer) {
  return peer->resumed ? WaitForever() : 0;
}

template <weir_tls_version version>
Suspension ServerInCheckOfResumed() {
  SecureWorld world = Checking(version, CheckResumedForever, true);
  SecurePair first = world.Connect(Wire::kPipe);
  weir_job *server = LaunchJob([&] { return Send(first.far, "ticket"); });
  EXPECT_EQ("ticket", Receive(first.near, 6));
  EXPECT_EQ(0, EndOf(server));
  CloseSecurePair(&first);
  return InCallback(ShakeHands(Side::kServer, true, std::move(world)));
}

// The only thread of the pool, on which nothing else happens before it is let go.
class BusyThread {
 public:
  static std::shared_ptr<BusyThread> Make() {
    auto made = std::make_shared<BusyThread>();
    ExpectLaunch([made] { return weir_blocking(Wait, made.get()); });
    EXPECT_EQ(0, weir_yield());
    made->begun_.get_future().wait();
    return made;
  }
  void LetGo() {
    if (!gone_) end_.set_value();
    gone_ = true;
  }

 private:
  static int Wait(void *argument) {
    auto *self = static_cast<BusyThread *>(argument);
    self->begun_.set_value();
    self->ending_.wait();
    return 0;
  }

  std::promise<void> begun_, end_;
  std::future<void> ending_ = end_.get_future();
  bool gone_ = false;
};

int ChooseArgument(void *argument, const weir_tls_client_hello *, weir_tls_credential **out) {
  *out = static_cast<weir_tls_credential *>(argument);
  return 0;
}

// What takes down |suspension| lets |thread| go before.
Suspension LettingGo(Suspension suspension, const std::shared_ptr<BusyThread> &thread) {
  auto take_down = suspension.take_down;
  suspension.take_down = [=] {
    thread->LetGo();
    take_down();
  };
  return suspension;
}

// The signature waits for a thread.
Suspension ServerInSignature() {
  auto thread = BusyThread::Make();
  auto credential = std::make_shared<TlsCredential>(
      MakeTlsCredential(SecureWorld::authority().Make(Defect::kNone, Role::kServer), true));
  weir_tls_context_builder server = {};
  server.choose = ChooseArgument;
  server.choose_argument = credential->get();
  Suspension suspension =
      LettingGo(ShakeHands(Side::kServer, true, SecureWorld({}, {}, {}, server)), thread);
  auto take_down = suspension.take_down;
  suspension.take_down = [=] {
    take_down();
    credential->reset();
  };
  return suspension;
}

template <weir_tls_version version>
Suspension ClientInSignature() {
  auto thread = BusyThread::Make();
  return LettingGo(ShakeHands(Side::kClient, true, Checking(version, nullptr, true, true)), thread);
}

SuspensionPoint WithOneThread(SuspensionPoint point) {
  point.blocking_threads = 1;
  return point;
}

std::vector<SuspensionPoint> HandshakePoints() {
  constexpr weir_tls_version k12 = WEIR_TLS_1_2, k13 = WEIR_TLS_1_3;
  return {
      {"weir_tls_client", "", ClientAlone, ""},
      {"weir_tls_client", "flush", ClientInFlushBefore, ""},
      {"weir_tls_client", "output", ClientInOutput, ""},
      {"weir_tls_client", "check", ClientInCheck, ""},
      WithOneThread({"weir_tls_client", "signature12", ClientInSignature<k12>, ""}),
      WithOneThread({"weir_tls_client", "signature13", ClientInSignature<k13>, ""}),
      {"weir_tls_server", "", ServerAlone, ""},
      {"weir_tls_server", "flush", ServerInFlushBefore, ""},
      {"weir_tls_server", "output", ServerInOutput, ""},
      {"weir_tls_server", "check12", ServerInCheck<k12>, ""},
      {"weir_tls_server", "check13", ServerInCheck<k13>, ""},
      {"weir_tls_server", "checkOfNothing", ServerInCheckOfNothing, ""},
      {"weir_tls_server", "checkOfResumed12", ServerInCheckOfResumed<k12>, ""},
      {"weir_tls_server", "checkOfResumed13", ServerInCheckOfResumed<k13>, ""},
      {"weir_tls_server", "choose", ServerInChoice, ""},
      WithOneThread({"weir_tls_server", "signature", ServerInSignature, ""}),
  };
}

INSTANTIATE_TEST_SUITE_P(Handshake, SuspensionMatrix, testing::ValuesIn(HandshakePoints()),
                         PointName);

// Files

INSTANTIATE_TEST_SUITE_P(Files, SuspensionMatrix, testing::ValuesIn(weir_testing::TlsLoadPoints()),
                         PointName);

TEST(SuspensionTable, NamesEveryFunctionThatSuspends) {
  std::vector<SuspensionPoint> points = HandshakePoints();
  for (const SuspensionPoint &point : weir_testing::TlsLoadPoints()) points.push_back(point);
  weir_testing::ExpectComplete(
      {"tls/tls.h", "tls/tls_context.h", "tls/tls_credential.h", "tls/tls_options.h"}, points,
      {"weir_tls_context_build", "weir_tls_context_close", "weir_tls_context_replace_credentials",
       "weir_tls_context_replace_ticket_keys", "weir_tls_credential_close",
       "weir_tls_credential_create", "weir_tls_dangerously_trust_anyone",
       "weir_tls_get_information", "weir_tls_last_failure", "weir_tls_library",
       "weir_tls_options_build", "weir_tls_options_close", "weir_tls_peer_certificate",
       "weir_tls_trust_close", "weir_tls_trust_create"});
}

// Channels

Carrier MakeSecure(Wire wire, weir_tls_version version) {
  SecurePair pair = SecureWorld(version).Connect(wire);
  return {pair.near, pair.far};
}

Carrier OverPipe() { return MakeSecure(Wire::kPipe, WEIR_TLS_1_2); }
Carrier OverTcp() { return MakeSecure(Wire::kTcp, WEIR_TLS_1_3); }

std::vector<SuspensionPoint> ChannelPoints(const weir_testing::MakeCarrier &make) {
  std::vector<SuspensionPoint> points = weir_testing::ReadPoints(make);
  for (const SuspensionPoint &point : weir_testing::WritePoints(make)) points.push_back(point);
  for (const SuspensionPoint &point : weir_testing::CopyPoints(make)) points.push_back(point);
  return points;
}

INSTANTIATE_TEST_SUITE_P(Pipe, SuspensionMatrix, testing::ValuesIn(ChannelPoints(OverPipe)),
                         PointName);
INSTANTIATE_TEST_SUITE_P(Tcp, SuspensionMatrix, testing::ValuesIn(ChannelPoints(OverTcp)),
                         PointName);

}  // namespace
