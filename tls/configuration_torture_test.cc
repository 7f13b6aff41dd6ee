// SPDX-License-Identifier: Apache-2.0
//
// A handshake in which all that can be configured has a part, from the files to the session that is
// resumed.

#include <gtest/gtest.h>

#include <string>

#include "testing/certificates.h"
#include "testing/conversation.h"
#include "testing/lambda_coroutine.h"
#include "testing/temporary_folder.h"
#include "testing/torture.h"
#include "weir/tls.h"

namespace {

using weir_testing::CloseAfter;
using weir_testing::Credential;
using weir_testing::Defect;
using weir_testing::Role;
using weir_testing::RunTogether;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::TemporaryFolder;
using weir_testing::TestAuthority;
using weir_testing::Torture;

// Files with all that is needed, made once.
struct Files {
  Files() {
    TestAuthority authority;
    const Credential one = authority.Make(Defect::kNone, Role::kServer);
    const Credential other = authority.Make(Defect::kNone, Role::kClient);
    roots = folder.Write("roots.pem", authority.root().Pem());
    server = folder.Write("server.pem", one.chain_pem + one.key_pem);
    client = folder.Write("client.pem", other.chain_pem + other.key_pem);
  }
  TemporaryFolder folder;
  std::string roots, server, client;
};

const Files &TheFiles() {
  static const Files files;
  return files;
}

// What both sides are; owned.
struct Sides {
  weir_tls_trust *trust = nullptr;
  weir_tls_credential *server = nullptr;
  weir_tls_credential *client = nullptr;
  weir_tls_options *options = nullptr;
  weir_tls_context *context = nullptr;

  ~Sides() {
    weir_tls_options_close(options);
    weir_tls_context_close(context);
    weir_tls_trust_close(trust);
    weir_tls_credential_close(server);
    weir_tls_credential_close(client);
  }
};

int Check(void *, const weir_tls_peer *) { return weir_yield(); }

int Choose(void *, const weir_tls_client_hello *, weir_tls_credential **) { return weir_yield(); }

const char *const kProtocols[] = {"h2", "http/1.1", nullptr};

int Load(Sides *sides) {
  weir_tls_credential_options on_pool = {};
  on_pool.sign_on_pool = true;
  const Files &files = TheFiles();
  int result = weir_tls_trust_load(&sides->trust, files.roots.c_str());
  if (result == 0) {
    result = weir_tls_credential_load(&sides->server, files.server.c_str(), files.server.c_str(),
                                      &on_pool);
  }
  if (result == 0) {
    result = weir_tls_credential_load(&sides->client, files.client.c_str(), files.client.c_str(),
                                      &on_pool);
  }
  return result;
}

int Build(Sides *sides) {
  weir_tls_options_builder client = {};
  client.terms.protocols = kProtocols;
  client.server_name = weir_testing::kServerName;
  client.trust = sides->trust;
  client.credential = sides->client;
  client.check = Check;
  client.require_protocol = true;
  int result = weir_tls_options_build(&sides->options, &client);
  if (result < 0) return result;
  weir_tls_credential *const credentials[] = {sides->server};
  weir_tls_context_builder server = {};
  server.terms.protocols = kProtocols;
  server.credentials = credentials;
  server.credential_count = 1;
  server.choose = Choose;
  server.client_authentication = WEIR_TLS_CLIENT_REQUIRED;
  server.client_trust = sides->trust;
  server.check = Check;
  return weir_tls_context_build(&sides->context, &server);
}

int Greet(weir_connection *connection) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  int result = weir_write_line(output, weir_text("hello"));
  return result == 0 ? weir_flush(output) : result;
}

int Serve(const Sides *sides, weir_connection *connection) {
  int result = weir_tls_server(&connection, sides->context);
  if (result < 0) return result;
  return CloseAfter(Greet(connection), connection);
}

int Ask(const Sides *sides, weir_connection *connection, bool *answered) {
  int result = weir_tls_client(&connection, sides->options);
  if (result < 0) return result;
  weir_bytes line;
  result = weir_read_line(weir_open_read_channel(connection), &line);
  *answered = result == 0 && std::string(line.data, line.size) == "hello";
  return CloseAfter(result, connection);
}

int Meet(const Sides *sides, bool *answered) {
  weir_connection *near = nullptr, *far = nullptr;
  int result = weir_pipe(&near, &far, nullptr);
  if (result < 0) return result;
  size_t launched = 0;
  result = RunTogether(
      {[=] { return Serve(sides, far); }, [=] { return Ask(sides, near, answered); }}, &launched);
  if (launched < 1) weir_connection_close(far);
  if (launched < 2) weir_connection_close(near);
  return result;
}

std::vector<Scenario> Scenarios() {
  Scenario scenario;
  scenario.name = "Everything";
  scenario.least_allocations = 60;
  scenario.least_calls = 10;
  scenario.run = weir_testing::InCoroutine([](bool *happened) {
    Sides sides;
    int result = Load(&sides);
    if (result == 0) result = Build(&sides);
    bool first = false, second = false;
    if (result == 0) result = Meet(&sides, &first);
    if (result == 0) result = Meet(&sides, &second);
    *happened = first && second;
    return result;
  });
  return {scenario};
}

INSTANTIATE_TEST_SUITE_P(TlsConfiguration, Torture, testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
