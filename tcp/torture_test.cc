// SPDX-License-Identifier: Apache-2.0
//
// Conversations from bind to close.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "testing/conversation.h"
#include "testing/lambda_coroutine.h"
#include "testing/tcp_pair.h"
#include "testing/unix_path.h"
#include "weir/tcp.h"

namespace {

using weir_testing::AnswerALine;
using weir_testing::AskALine;
using weir_testing::CloseAfter;
using weir_testing::RunTogether;
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

// A line there, and the same line back by AnswerALine.

int AskALongLine(weir_connection *connection, bool *answered) {
  return AskALine(connection, std::string(1000, 'q'), answered);
}

int AskAShortLine(weir_connection *connection, bool *answered) {
  return AskALine(connection, "short", answered);
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
  return RunTogether({[=] { return SendMegabytes(connection); },
                      [=] { return ReadSlowly(connection, answered); }});
}

int Serve(const Conversation &talk, weir_listener *listener) {
  weir_connection *connection = nullptr;
  int result = weir_accept(listener, &connection);
  if (result < 0) return result;
  return CloseAfter(talk.serve(connection), connection);
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
  return CloseAfter(talk.ask(connection, answered), connection);
}

int BindAndTalk(const Conversation &talk, bool *answered) {
  weir_listener *listener = nullptr;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.write.capacity = talk.capacity;
  int result = Bind(talk, tcp, &listener);
  if (result < 0) return result;
  result = RunTogether(
      {[=] { return Serve(talk, listener); }, [=] { return Ask(talk, listener, answered); }});
  int closed = weir_listener_close(listener);
  return result < 0 ? result : closed;
}

// A server on three loops, to which |placement| brings its clients, or shards.

int ServeLines(weir_listener *listener, weir_tcp_placement placement) {
  weir_tcp_serve_options options = {};
  options.placement = placement;
  auto handle = [](weir_connection *client, void *) {
    return CloseAfter(AnswerALine(client), client);
  };
  int result = weir_tcp_serve(listener, &options, handle, nullptr);
  return result == WEIR_E_CLOSED ? 0 : result;
}

// Some clients, one after the other, which then end the server.
int AskThreeTimes(weir_listener *listener, bool *answered) {
  int result = 0;
  int answers = 0;
  for (int i = 0; i < 3 && result == 0; i++) {
    bool one = false;
    result = Ask({"127.0.0.1", nullptr, AskAShortLine}, listener, &one);
    answers += one;
  }
  *answered = answers == 3;
  int closed = weir_listener_close(listener);
  return result < 0 ? result : closed;
}

int ServeThree(weir_tcp_placement placement, bool shards, bool *answered) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.shards = shards;
  weir_listener *listener = nullptr;
  int result = weir_tcp_bind(tcp, &listener, "127.0.0.1", 0);
  if (result < 0) return result;
  size_t launched = 0;
  result = RunTogether({[=] { return ServeLines(listener, placement); },
                        [=] { return AskThreeTimes(listener, answered); }},
                       &launched);
  int closed = launched == 2 ? 0 : weir_listener_close(listener);  // the second one closes it
  return result < 0 ? result : closed;
}

Scenario OfServer(const char *name, weir_tcp_placement placement, bool shards) {
  Scenario scenario;
  scenario.name = name;
  auto body = [=](bool *answered) { return ServeThree(placement, shards, answered); };
  scenario.run = weir_testing::InCoroutine(body, 3);
  scenario.least_calls = 220;
  scenario.runs_per_skipped = 15;
  scenario.stride = 7;
  return scenario;
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
      Of("Line", 195, {kLocal, AnswerALine, AskALongLine}),
      Of("LineByName", 195, {"localhost", AnswerALine, AskALongLine}),
      Of("LineByOwnResolver", 205, {kOwnResolver, AnswerALine, AskALongLine}),
      Of("LineOnBothStacks", 200, {nullptr, AnswerALine, AskALongLine}),
      Of("LineByOneByte", 530, {kLocal, AnswerALine, AskAShortLine}, 1),
      Of("LineByTwoBytes", 365, {kLocal, AnswerALine, AskAShortLine}, 2),
      Of("LineByThreeBytes", 305, {kLocal, AnswerALine, AskAShortLine}, 3),
      Of("LineByAPath", 150, {"/", AnswerALine, AskALongLine}),
      Of("LineByAName", 150, {"@", AnswerALine, AskALongLine}),
      Of("CopyMegabytesByAName", 300, {"@", EchoByCopy, AskForMegabytesBack}),
      Of("Megabytes", 530, {kLocal, ServeMegabytes, ThankForMegabytes, kRoom}),
      Of("MegabytesWithLittleRoom", 540, {kLocal, ServeMegabytes, ThankForMegabytes}),
      Of("CopyMegabytes", 370, {kLocal, EchoByCopy, AskForMegabytesBack}),
      Of("CopyMegabytesInParts", 400, {kLocal, EchoByCopy, AskForMegabytesBack}, 48 << 10),
      Of("CloseWithMegabytes", 560, {kLocal, CloseWithMegabytes, ReadToTheEndAndFlood, kRoom}),
      OfServer("ServeLeastLoaded", WEIR_TCP_LEAST_LOADED, false),
      OfServer("ServeRoundRobin", WEIR_TCP_ROUND_ROBIN, false),
      OfServer("ServeShards", WEIR_TCP_SAME_LOOP, true),
  };
}

INSTANTIATE_TEST_SUITE_P(Tcp, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
