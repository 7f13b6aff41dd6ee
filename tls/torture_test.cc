// SPDX-License-Identifier: Apache-2.0
//
// Secure conversations from the credentials to the close.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include <string>

#include "testing/conversation.h"
#include "testing/lambda_coroutine.h"
#include "testing/secure_pair.h"
#include "weir/tcp.h"
#include "weir/tls.h"

namespace {

using weir_testing::AnswerALine;
using weir_testing::AskALine;
using weir_testing::CloseAfter;
using weir_testing::Credential;
using weir_testing::Defect;
using weir_testing::Role;
using weir_testing::RunTogether;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::SecureWorld;
using weir_testing::Torture;

// What both sides are; owned.
struct Sides {
  weir_tls_options *options = nullptr;
  weir_tls_context *context = nullptr;

  ~Sides() {
    weir_tls_options_close(options);
    weir_tls_context_close(context);
  }
};

weir_bytes BytesOf(const std::string &text) { return weir_bytes_of(text.data(), text.size()); }

int MakeContext(weir_tls_context **out) {
  static const Credential shown = SecureWorld::authority().Make(Defect::kNone, Role::kServer);
  weir_tls_credential *credential = nullptr;
  int result = weir_tls_credential_create(&credential, BytesOf(shown.chain_pem),
                                          BytesOf(shown.key_pem), nullptr);
  if (result < 0) return result;
  weir_tls_credential *const credentials[] = {credential};
  weir_tls_context_builder builder = {};
  builder.credentials = credentials;
  builder.credential_count = 1;
  result = weir_tls_context_build(out, &builder);
  weir_tls_credential_close(credential);
  return result;
}

int MakeOptions(weir_tls_options **out) {
  weir_tls_trust *trust = nullptr;
  static const std::string root = SecureWorld::authority().root().Pem();
  int result = weir_tls_trust_create(&trust, BytesOf(root));
  if (result < 0) return result;
  weir_tls_options_builder builder = {};
  builder.trust = trust;
  builder.server_name = weir_testing::kServerName;
  result = weir_tls_options_build(out, &builder);
  weir_tls_trust_close(trust);
  return result;
}

int Serve(const Sides *sides, weir_connection *connection) {
  int result = weir_tls_server(&connection, sides->context);
  if (result < 0) return result;
  return CloseAfter(AnswerALine(connection), connection);
}

int Ask(const Sides *sides, weir_connection *connection, bool *answered) {
  int result = weir_tls_client(&connection, sides->options);
  if (result < 0) return result;
  return CloseAfter(AskALine(connection, std::string(20000, 'q'), answered), connection);
}

// Takes the connections.
int Talk(const Sides *sides, weir_connection *near, weir_connection *far, bool *answered) {
  size_t launched = 0;
  int result = RunTogether(
      {[=] { return Serve(sides, far); }, [=] { return Ask(sides, near, answered); }}, &launched);
  if (launched < 1) weir_connection_close(far);
  if (launched < 2) weir_connection_close(near);
  return result;
}

int TalkOverPipe(const Sides *sides, bool *answered) {
  weir_connection *near = nullptr, *far = nullptr;
  int result = weir_pipe(&near, &far, nullptr);
  return result < 0 ? result : Talk(sides, near, far, answered);
}

int TalkOverTcp(const Sides *sides, bool *answered) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  weir_listener *listener = nullptr;
  int result = weir_tcp_bind(tcp, &listener, "127.0.0.1", 0);
  if (result < 0) return result;
  weir_connection *near = nullptr, *far = nullptr;
  result = weir_tcp_connect(tcp, &near, "127.0.0.1", weir_listener_port(listener));
  if (result == 0) result = weir_accept(listener, &far);
  int closed = weir_listener_close(listener);
  if (result == 0) return Talk(sides, near, far, answered);
  weir_connection_close(near);
  return result < 0 ? result : closed;
}

Scenario Of(const char *name, int least_calls, int (*talk)(const Sides *sides, bool *answered)) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = weir_testing::InCoroutine([talk](bool *answered) {
    Sides sides;
    int result = MakeContext(&sides.context);
    if (result == 0) result = MakeOptions(&sides.options);
    return result < 0 ? result : talk(&sides, answered);
  });
  scenario.least_calls = least_calls;
  return scenario;
}

INSTANTIATE_TEST_SUITE_P(Tls, Torture,
                         ::testing::Values(Of("Pipe", 10, TalkOverPipe),
                                           Of("Tcp", 150, TalkOverTcp)),
                         ScenarioName);

}  // namespace
