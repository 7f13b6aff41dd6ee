// SPDX-License-Identifier: Apache-2.0

#include "testing/secure_pair.h"

#include <unistd.h>

#include "testing/expect_coroutine.h"
#include "testing/tcp_pair.h"

namespace weir_testing {

namespace {

constexpr size_t kNarrowCapacity = 64;

Credential ServerCredential() {
  // Keys take time to make.
  static const Credential credential = SecureWorld::authority().Make(Defect::kNone, Role::kServer);
  return credential;
}

weir_tls_terms TermsOf(weir_tls_version version) {
  weir_tls_terms terms = {};
  terms.min_version = terms.max_version = version;
  return terms;
}

// Over an abstract name, so that there is no file to remove.
void ConnectUnix(SecurePair *pair) {
  const std::string name = "@weir-secure-pair-" + std::to_string(getpid());
  weir_address address;
  EXPECT_EQ(0, weir_address_unix(&address, name.c_str()));
  weir_listener *listener = nullptr;
  EXPECT_EQ(0, weir_tcp_bind_address(Tcp(), &listener, &address));
  EXPECT_EQ(0, weir_tcp_connect_address(Tcp(), &pair->near, &address));
  EXPECT_EQ(0, weir_accept(listener, &pair->far));
  weir_listener_close(listener);
}

std::string ErrorIn(int result) { return std::string("<") + weir_error_name(result) + ">"; }

}  // namespace

std::string NameOf(Wire wire) {
  switch (wire) {
    case Wire::kPipe:
      return "Pipe";
    case Wire::kNarrowPipe:
      return "NarrowPipe";
    case Wire::kTcp:
      return "Tcp";
    default:
      return "Unix";
  }
}

std::string NameOf(const SecureKind &kind) {
  return NameOf(kind.wire) + (kind.version == WEIR_TLS_1_2 ? "12" : "13");
}

void PrintTo(const SecureKind &kind, std::ostream *out) { *out << NameOf(kind); }

std::vector<SecureKind> AllSecureKinds() {
  return {{Wire::kPipe, WEIR_TLS_1_2}, {Wire::kPipe, WEIR_TLS_1_3}, {Wire::kTcp, WEIR_TLS_1_2},
          {Wire::kTcp, WEIR_TLS_1_3},  {Wire::kUnix, WEIR_TLS_1_2}, {Wire::kUnix, WEIR_TLS_1_3}};
}

SecurePair MakeWire(Wire wire) {
  SecurePair pair;
  if (wire == Wire::kPipe) {
    EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, nullptr));
  } else if (wire == Wire::kNarrowPipe) {
    const weir_pipe_options narrow = {kNarrowCapacity};
    EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &narrow));
  } else if (wire == Wire::kUnix) {
    ConnectUnix(&pair);
  } else {
    TcpPair tcp = MakeTcpPair();
    pair.near = tcp.far;
    pair.far = tcp.near;
  }
  return pair;
}

SecureWorld::SecureWorld(weir_tls_terms client_terms, weir_tls_terms server_terms,
                         weir_tls_options_builder client, weir_tls_context_builder server) {
  client.terms = client_terms;
  if (client.server_name == nullptr) client.server_name = kServerName;
  server.terms = server_terms;
  options_ = MakeTlsOptions(authority().root(), client);
  context_ = MakeTlsContext({ServerCredential()}, server);
}

SecureWorld::SecureWorld(weir_tls_version version)
    : SecureWorld(TermsOf(version), TermsOf(version)) {}

const TestAuthority &SecureWorld::authority() {
  static const TestAuthority authority;
  return authority;
}

void SecureWorld::ShakeHands(SecurePair *pair) const {
  weir_job *server = LaunchJob([this, pair] {
    pair->far_result = weir_tls_server(&pair->far, context());
    return 0;
  });
  pair->near_result = weir_tls_client(&pair->near, options());
  EXPECT_EQ(0, EndOf(server));
}

SecurePair SecureWorld::Connect(Wire wire) const {
  SecurePair pair = MakeWire(wire);
  ShakeHands(&pair);
  EXPECT_EQ(0, pair.near_result) << weir_error_name(pair.near_result) << LastTlsFailure();
  EXPECT_EQ(0, pair.far_result) << weir_error_name(pair.far_result);
  return pair;
}

void CloseSecurePair(SecurePair *pair) {
  weir_job *far = LaunchJob([pair] { return weir_connection_close(pair->far); });
  EXPECT_EQ(0, weir_connection_close(pair->near));
  EXPECT_EQ(0, EndOf(far));
  pair->near = pair->far = nullptr;
}

std::string ReadToEnd(weir_connection *connection) {
  std::string out;
  char piece[4096];
  int result;
  while ((result = weir_read_available(weir_open_read_channel(connection), piece, sizeof piece)) >
         0) {
    out.append(piece, static_cast<size_t>(result));
  }
  return result == WEIR_E_END_OF_STREAM ? out : out + ErrorIn(result);
}

int Send(weir_connection *connection, const std::string &bytes) {
  weir_write_channel *output = weir_open_write_channel(connection, true);
  int result = weir_write_fully(output, bytes.data(), bytes.size(), nullptr);
  return result < 0 ? result : weir_flush(output);
}

std::string Receive(weir_connection *connection, size_t size) {
  std::string out(size, '?');
  size_t done = 0;
  int result = weir_read_fully(weir_open_read_channel(connection), out.data(), size, &done);
  out.resize(done);
  return result < 0 ? out + ErrorIn(result) : out;
}

}  // namespace weir_testing
