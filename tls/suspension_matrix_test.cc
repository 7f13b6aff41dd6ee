// SPDX-License-Identifier: Apache-2.0
//
// Every suspension of TLS against all that interrupts it: the handshakes, and those in the channels
// of secure connections, over pipes and over sockets.

#include "testing/suspension_matrix.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/channel_suspensions.h"
#include "testing/expect_coroutine.h"
#include "testing/secure_pair.h"
#include "testing/temporary_folder.h"

namespace {

using weir_testing::Carrier;
using weir_testing::Credential;
using weir_testing::ExpectLaunch;
using weir_testing::MakeWire;
using weir_testing::PointName;
using weir_testing::SecurePair;
using weir_testing::SecureWorld;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;
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
        EXPECT_NE(0, shake(!is_client, others));
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

std::vector<SuspensionPoint> HandshakePoints() {
  return {
      {"weir_tls_client", "", [] { return ShakeHands(Side::kClient, false); }, ""},
      {"weir_tls_server", "", [] { return ShakeHands(Side::kServer, false); }, ""},
      {"weir_tls_client", "check", ClientInCheck, ""},
      {"weir_tls_server", "choose", ServerInChoice, ""},
  };
}

// Files

// A file that is there, and has nothing in it before we say so; and one with the key.
class SlowFile {
 public:
  SlowFile() { EXPECT_EQ(0, mkfifo(path().c_str(), 0600)); }
  ~SlowFile() { Close(); }
  SlowFile(const SlowFile &) = delete;
  SlowFile &operator=(const SlowFile &) = delete;

  std::string path() const { return folder_.PathOf("slow.pem"); }
  std::string key_path() const { return key_path_; }

  // Returns when somebody else has opened it.
  void AwaitReader() {
    while (fd_ < 0) fd_ = open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  }
  void Finish() {
    const std::string &text = Shown().chain_pem;
    EXPECT_EQ(static_cast<ssize_t>(text.size()), write(fd_, text.data(), text.size()));
    Close();
  }

 private:
  static const Credential &Shown() {
    static const Credential shown =
        SecureWorld::authority().Make(weir_testing::Defect::kNone, weir_testing::Role::kServer);
    return shown;
  }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

  weir_testing::TemporaryFolder folder_;
  std::string key_path_ = folder_.Write("key.pem", Shown().key_pem);
  int fd_ = -1;
};

Suspension Load(int (*load)(const SlowFile &file)) {
  auto file = std::make_shared<SlowFile>();
  Suspension suspension;
  suspension.wait = [=] { return load(*file); };
  suspension.settle = [=] { file->AwaitReader(); };
  suspension.finish = [=] { file->Finish(); };
  return suspension;
}

int LoadTrust(const SlowFile &file) {
  weir_tls_trust *trust = nullptr;
  int result = weir_tls_trust_load(&trust, file.path().c_str());
  weir_tls_trust_close(trust);
  return result;
}

int LoadCredential(const SlowFile &file) {
  weir_tls_credential *credential = nullptr;
  int result =
      weir_tls_credential_load(&credential, file.path().c_str(), file.key_path().c_str(), nullptr);
  weir_tls_credential_close(credential);
  return result;
}

std::vector<SuspensionPoint> FilePoints() {
  const char why[] = "nobody can close a file that is being read";
  return {
      {"weir_tls_trust_load", "", [] { return Load(LoadTrust); }, why},
      {"weir_tls_credential_load", "", [] { return Load(LoadCredential); }, why},
  };
}

INSTANTIATE_TEST_SUITE_P(File, SuspensionMatrix, testing::ValuesIn(FilePoints()), PointName);

INSTANTIATE_TEST_SUITE_P(Handshake, SuspensionMatrix, testing::ValuesIn(HandshakePoints()),
                         PointName);

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

TEST(SuspensionPoints, AreAllThere) {
  const std::set<std::string> not_suspending = {
      "weir_tls_context_build",
      "weir_tls_context_close",
      "weir_tls_context_replace_credentials",
      "weir_tls_credential_close",
      "weir_tls_credential_create",
      "weir_tls_dangerously_trust_anyone",
      "weir_tls_get_information",
      "weir_tls_last_failure",
      "weir_tls_library",
      "weir_tls_options_build",
      "weir_tls_options_close",
      "weir_tls_peer_certificate",
      "weir_tls_trust_close",
      "weir_tls_trust_create",
      "weir_tls_trust_system",  // as weir_tls_trust_load, once in the process
  };
  std::vector<SuspensionPoint> points = HandshakePoints();
  for (const SuspensionPoint &point : FilePoints()) points.push_back(point);
  weir_testing::ExpectComplete(
      {"tls/tls.h", "tls/tls_context.h", "tls/tls_credential.h", "tls/tls_options.h"}, points,
      not_suspending);
}

}  // namespace
