// SPDX-License-Identifier: Apache-2.0
//
// Conversations from bind to close.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "weir/tcp.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

// A name of this machine, for both families, that Resolve below knows. Lookups on the pool are left
// to //address:torture_test: threads that race would make other calls in each run.
const char kOwnResolver[] = "weir.example";

int Resolve(void *, weir_address *out, size_t, const char *, weir_family family) {
  int result = weir_yield();
  if (result == 0) result = weir_address_parse(out, family == WEIR_IPV6 ? "::1" : "127.0.0.1", 0);
  return result < 0 ? result : 1;
}

// What both sides do with their connection before they close it.
struct Conversation {
  const char *host;  // nullptr is the dual-stack listener, "@" and "/" are unix sockets
  int (*serve)(weir_connection *connection);
  int (*ask)(weir_connection *connection, bool *answered);  // rightly
  size_t capacity = 0;                                      // of the server's output
};

// A line there, and the same line back.

int AnswerALine(weir_connection *connection) {
  weir_bytes line;
  int result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) result = weir_write_line(weir_open_write_channel(connection, true), line);
  return result;
}

int SendALine(weir_connection *connection, const std::string &question, bool *answered) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  int result = weir_write_line(output, weir_text(question.c_str()));
  if (result == 0) result = weir_write_channel_close(output);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  if (result == 0) *answered = question == std::string(line.data, line.size);
  if (result == 0) {
    result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
    if (result == WEIR_E_END_OF_STREAM) result = 0;
  }
  return result;
}

int AskALine(weir_connection *connection, bool *answered) {
  return SendALine(connection, std::string(1000, 'q'), answered);
}

int AskAShortLine(weir_connection *connection, bool *answered) {
  return SendALine(connection, "short", answered);
}

// Megabytes to a slow reader.

const std::string &Megabytes() {
  static const auto *data = new std::string(weir_testing::Pattern(3 << 20));
  return *data;
}

// Writes with auto-flush, and returns when all is written, but not sent. With |turns| the hook
// sends a part again and again, and the loop another when the kernel takes more.
int WriteMegabytes(weir_connection *connection, bool turns) {
  weir_write_channel *output = weir_open_write_channel(connection, true);
  const std::string &data = Megabytes();
  const size_t piece = 256 << 10;
  for (size_t at = 0; at < data.size(); at += piece) {
    int result = weir_write_fully(output, data.data() + at, piece, nullptr);
    if (result == 0 && turns) result = weir_yield();
    if (result < 0) return result;
  }
  return 0;
}

// Goes elsewhere until the reader has read everything, while the loop sends.
int ServeMegabytes(weir_connection *connection) {
  int result = WriteMegabytes(connection, true);
  weir_bytes line;
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  return result;
}

// Leaves it all to the close.
int CloseWithMegabytes(weir_connection *connection) { return WriteMegabytes(connection, false); }

int ReadSlowly(weir_connection *connection, bool *answered) {
  const std::string &data = Megabytes();
  std::string received(data.size(), '\0');
  size_t done = 0;
  while (done < data.size()) {
    size_t piece = std::min<size_t>(128 << 10, data.size() - done);
    size_t count = 0;
    int result =
        weir_read_fully(weir_open_read_channel(connection), &received[done], piece, &count);
    if (result < 0) return result;
    done += count;
    for (int i = 0; i < 3 && result == 0; i++) result = weir_yield();
    if (result < 0) return result;
  }
  *answered = data == received;
  return 0;
}

int ThankForMegabytes(weir_connection *connection, bool *answered) {
  int result = ReadSlowly(connection, answered);
  if (result < 0) return result;
  return weir_write_line(weir_open_write_channel(connection, true), weir_text("thanks"));
}

// Answers with more than the server's close drops in one turn.
int ReadToTheEndAndFlood(weir_connection *connection, bool *answered) {
  int result = ReadSlowly(connection, answered);
  char more[1];
  if (result == 0) {
    result = weir_read_available(weir_open_read_channel(connection), more, sizeof more);
    if (result > 0) *answered = false;
    if (result == WEIR_E_END_OF_STREAM) result = 0;
  }
  if (result < 0) return result;
  const std::string &flood = Megabytes();
  return weir_write_fully(weir_open_write_channel(connection, true), flood.data(), 1 << 20,
                          nullptr);
}

// Megabytes there and back, by a copy.

int EchoByCopy(weir_connection *connection) {
  return weir_copy(weir_open_read_channel(connection), weir_open_write_channel(connection, false),
                   nullptr, nullptr);
}

int SendMegabytes(weir_connection *connection) {
  const std::string &data = Megabytes();
  weir_write_channel *output = weir_open_write_channel(connection, true);
  int result = weir_write_fully(output, data.data(), data.size(), nullptr);
  return result < 0 ? result : weir_write_channel_close(output);
}

int AskForMegabytesBack(weir_connection *connection, bool *answered) {
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  if (result < 0) return result;
  result = LaunchCoroutine([=] { return SendMegabytes(connection); }, scope);
  if (result == 0) {
    result = LaunchCoroutine([=] { return ReadSlowly(connection, answered); }, scope);
  }
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

int Serve(const Conversation &talk, weir_listener *listener) {
  weir_connection *connection = nullptr;
  int result = weir_accept(listener, &connection);
  if (result < 0) return result;
  result = talk.serve(connection);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

const char *ListenersHost(const char *host) { return host == kOwnResolver ? "127.0.0.1" : host; }

bool IsUnix(const Conversation &talk) {
  return talk.host != nullptr && strchr("@/", talk.host[0]) != nullptr;
}

int Bind(const Conversation &talk, weir_tcp_builder tcp, weir_listener **out) {
  if (!IsUnix(talk)) return weir_tcp_bind(tcp, out, ListenersHost(talk.host), 0);
  weir_address place = {};
  const std::string path =
      talk.host[0] == '@' ? weir_testing::FreeUnixName() : weir_testing::FreeUnixPath();
  int result = weir_address_unix(&place, path.c_str());
  return result < 0 ? result : weir_tcp_bind_address(tcp, out, &place);
}

int Connect(const Conversation &talk, weir_connection **out, const weir_listener *listener) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  if (!IsUnix(talk)) {
    const char *host = talk.host == nullptr ? "::1" : talk.host;
    const weir_resolver own = {Resolve, nullptr};
    if (host == kOwnResolver) tcp.options.connect.resolver = &own;
    return weir_tcp_connect(tcp, out, host, weir_listener_port(listener));
  }
  weir_address place = {};
  int result = weir_address_from_text(&place, weir_listener_address(listener));
  return result < 0 ? result : weir_tcp_connect_address(tcp, out, &place);
}

int Ask(const Conversation &talk, const weir_listener *listener, bool *answered) {
  weir_connection *connection = nullptr;
  int result = Connect(talk, &connection, listener);
  if (result < 0) return result;
  result = talk.ask(connection, answered);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

// Server and client fail together, so that neither waits for one that is gone.
int TalkTogether(const Conversation &talk, weir_listener *listener, bool *answered) {
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  if (result < 0) return result;
  result = LaunchCoroutine([=] { return Serve(talk, listener); }, scope);
  if (result == 0) result = LaunchCoroutine([=] { return Ask(talk, listener, answered); }, scope);
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

int BindAndTalk(const Conversation &talk, bool *answered) {
  weir_listener *listener = nullptr;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.write.capacity = talk.capacity;
  int result = Bind(talk, tcp, &listener);
  if (result < 0) return result;
  result = TalkTogether(talk, listener, answered);
  int closed = weir_listener_close(listener);
  return result < 0 ? result : closed;
}

Scenario Of(const char *name, int least_calls, const Conversation &talk,
            size_t transfer_limit = 0) {
  Scenario scenario;
  scenario.name = name;
  scenario.run =
      weir_testing::InCoroutine([=](bool *answered) { return BindAndTalk(talk, answered); });
  scenario.transfer_limit = transfer_limit;
  scenario.least_calls = least_calls;
  scenario.stride = 7;  // more than the first calls are the same megabytes over and over
  return scenario;
}

const char kLocal[] = "127.0.0.1";
const size_t kRoom = 4 << 20;

// At least so many calls fail: most of those that did when this was written; where megabytes flow,
// the number differs a little from run to run.
std::vector<Scenario> Scenarios() {
  return {
      Of("Line", 195, {kLocal, AnswerALine, AskALine}),
      Of("LineByName", 195, {"localhost", AnswerALine, AskALine}),
      Of("LineByOwnResolver", 205, {kOwnResolver, AnswerALine, AskALine}),
      Of("LineOnBothStacks", 200, {nullptr, AnswerALine, AskALine}),
      Of("LineByOneByte", 530, {kLocal, AnswerALine, AskAShortLine}, 1),
      Of("LineByTwoBytes", 365, {kLocal, AnswerALine, AskAShortLine}, 2),
      Of("LineByThreeBytes", 305, {kLocal, AnswerALine, AskAShortLine}, 3),
      Of("LineByAPath", 150, {"/", AnswerALine, AskALine}),
      Of("LineByAName", 150, {"@", AnswerALine, AskALine}),
      Of("CopyMegabytesByAName", 300, {"@", EchoByCopy, AskForMegabytesBack}),
      Of("Megabytes", 530, {kLocal, ServeMegabytes, ThankForMegabytes, kRoom}),
      Of("MegabytesWithLittleRoom", 540, {kLocal, ServeMegabytes, ThankForMegabytes}),
      Of("CopyMegabytes", 370, {kLocal, EchoByCopy, AskForMegabytesBack}),
      Of("CopyMegabytesInParts", 400, {kLocal, EchoByCopy, AskForMegabytesBack}, 48 << 10),
      Of("CloseWithMegabytes", 560, {kLocal, CloseWithMegabytes, ReadToTheEndAndFlood, kRoom}),
  };
}

INSTANTIATE_TEST_SUITE_P(Tcp, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
