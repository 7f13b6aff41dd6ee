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
using weir_testing::Defect;
using weir_testing::ExpectLaunch;
using weir_testing::MakeTlsCredential;
using weir_testing::MakeTlsTrust;
using weir_testing::MakeWire;
using weir_testing::PointName;
using weir_testing::Role;
using weir_testing::SecurePair;
using weir_testing::SecureWorld;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;
using weir_testing::TlsCredential;
using weir_testing::TlsTrust;
using weir_testing::Wire;

// Handshakes

// A check that waits for longer than anybody has.
int CheckForever(void *, const weir_tls_peer *) { return weir_delay(WEIR_FOREVER); }

int ChooseForever(void *, const weir_tls_client_hello *, weir_tls_credential **) {
  return weir_delay(WEIR_FOREVER);
}

// Both ends, of which one shakes hands, and what they need.
struct Hands {
  Hands(weir_tls_options_builder client, weir_tls_context_builder server)
      : world({}, {}, client, server) {
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
  SecurePair pair = MakeWire(Wire::kPipe);
  weir_scope *scope = nullptr;  // of the other end's coroutine, if that takes part
};

enum class Side { kClient, kServer };

Suspension ShakeHands(Side side, bool peer_answers, weir_tls_options_builder client = {},
                      weir_tls_context_builder server = {}) {
  auto hands = std::make_shared<std::unique_ptr<Hands>>(std::make_unique<Hands>(client, server));
  Hands *both = hands->get();
  bool is_client = side == Side::kClient;
  weir_connection **mine = is_client ? &both->pair.near : &both->pair.far;
  weir_connection **others = is_client ? &both->pair.far : &both->pair.near;
  auto shake = [both](bool as_client, weir_connection **connection) {
    return as_client ? weir_tls_client(connection, both->world.options())
                     : weir_tls_server(connection, both->world.context());
  };
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
    // Until it waits in the callback.
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

Suspension ClientInCheck() {
  weir_tls_options_builder client = {};
  client.check = CheckForever;
  return ShakeHands(Side::kClient, true, client);
}

Suspension ServerInChoice() {
  weir_tls_context_builder server = {};
  server.choose = ChooseForever;
  return ShakeHands(Side::kServer, true, {}, server);
}

Suspension ServerInCheck() {
  static TlsTrust trust;
  trust = MakeTlsTrust(SecureWorld::authority().root());
  weir_tls_context_builder server = {};
  server.client_authentication = WEIR_TLS_CLIENT_OPTIONAL;
  server.client_trust = trust.get();
  server.check = CheckForever;
  Suspension suspension = ShakeHands(Side::kServer, true, {}, server);
  trust.reset();
  return suspension;
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

// The signature waits for a thread.
Suspension ServerInSignature() {
  auto thread = BusyThread::Make();
  auto credential = std::make_shared<TlsCredential>(
      MakeTlsCredential(SecureWorld::authority().Make(Defect::kNone, Role::kServer), true));
  weir_tls_context_builder server = {};
  server.choose = ChooseArgument;
  server.choose_argument = credential->get();
  Suspension suspension = ShakeHands(Side::kServer, true, {}, server);
  auto take_down = suspension.take_down;
  suspension.take_down = [=] {
    thread->LetGo();
    take_down();
    credential->reset();
  };
  return suspension;
}

SuspensionPoint WithOneThread(SuspensionPoint point) {
  point.blocking_threads = 1;
  return point;
}

std::vector<SuspensionPoint> HandshakePoints() {
  return {
      {"weir_tls_client", "", [] { return ShakeHands(Side::kClient, false); }, ""},
      {"weir_tls_server", "", [] { return ShakeHands(Side::kServer, false); }, ""},
      {"weir_tls_client", "check", ClientInCheck, ""},
      {"weir_tls_server", "check", ServerInCheck, ""},
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
