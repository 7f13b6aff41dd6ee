// SPDX-License-Identifier: Apache-2.0
//
// Conversations through pipes, and custom connections over pipes, which make no system calls of
// their own: those that fail are the loop's.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/custom_layer.h"
#include "testing/lambda_coroutine.h"
#include "weir/channel.h"
#include "weir/coroutine.h"

namespace {

using weir_testing::CustomLayer;
using weir_testing::kCustomLayerOperations;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

// What both sides do with their end of the pipe before they close it.
struct Conversation {
  size_t capacity;
  int (*serve)(weir_connection *connection);
  int (*ask)(weir_connection *connection, bool *answered);  // rightly
  bool through_layers = false;
  int last_refused = 0;  // of the writes of each layer, from the second one on
};

// Long and short ones in turn, so that buffers grow, move and are lent again.
std::string Question(int i, size_t longest) {
  return std::string(i % 2 == 0 ? longest : 3, 'q') + "?";
}
const int kQuestions = 4;

// Answers each line in a coroutine of its own, one after the other.
int AnswerLines(weir_connection *connection) {
  for (;;) {
    weir_bytes line;
    int result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
    if (result == WEIR_E_END_OF_STREAM) return 0;
    if (result < 0) return result;
    weir_scope *scope = nullptr;
    auto answer = [=] { return weir_write_line(weir_open_write_channel(connection, true), line); };
    result = weir_scope_open(&scope, nullptr);
    if (result == 0) result = LaunchCoroutine(answer, scope);
    if (result == 0) result = weir_scope_wait(scope);
    weir_scope_close(scope);
    if (result < 0) return result;
  }
}

template <size_t longest>
int AskLines(weir_connection *connection, bool *answered) {
  weir_write_channel *output = weir_open_write_channel(connection, true);
  int result = 0;
  bool right = true;
  for (int i = 0; i < kQuestions && result == 0; i++) {
    const std::string question = Question(i, longest);
    result = weir_write_line(output, weir_text(question.c_str()));
    weir_bytes line;
    if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
    if (result == 0) right = right && question == std::string(line.data, line.size);
  }
  *answered = right;
  return result < 0 ? result : weir_write_channel_close(output);
}

// Writes without a flush and leaves it all to the close; the other end reads until it ends.
const size_t kMuch = 100000;

int WriteAndLeave(weir_connection *connection) {
  const std::string data(kMuch, 'x');
  weir_write_channel *output = weir_open_write_channel(connection, true);
  weir_write_channel_options options = {};
  options.capacity = kMuch;
  int result = weir_write_channel_configure(output, &options);
  if (result < 0) return result;
  return weir_write_fully(output, data.data(), data.size(), nullptr);
}

int ReadToTheEnd(weir_connection *connection, bool *answered) {
  weir_read_channel *input = weir_open_read_channel(connection);
  char part[7000];
  size_t received = 0;
  int result;
  while ((result = weir_read_available(input, part, sizeof part)) > 0) {
    received += static_cast<size_t>(result);
    int yielded = weir_yield();
    if (yielded < 0) return yielded;
  }
  *answered = received == kMuch;
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

// A length and as many bytes, which come back by a copy; then the end, in the middle of a number.

int EchoExactly(weir_connection *connection) {
  weir_read_channel *input = weir_open_read_channel(connection);
  weir_write_channel *output = weir_open_write_channel(connection, false);
  uint32_t size;
  int result = weir_read_uint32_be(input, &size);
  uint64_t count = 0;
  if (result == 0) result = weir_copy_exactly(input, output, size, nullptr, &count);
  if (result == 0 && count != size) result = -EIO;
  if (result == 0) result = weir_copy_exactly(input, output, 4, nullptr, &count);
  if (result == 0) return -EIO;
  return result == WEIR_E_END_OF_STREAM && count == 3 ? 0 : result;
}

int AskForAnExactEcho(weir_connection *connection, bool *answered) {
  const std::string data(10000, 'y');
  weir_write_channel *output = weir_open_write_channel(connection, true);
  weir_write_channel_options options = {};
  options.capacity = 2 * data.size();
  int result = weir_write_channel_configure(output, &options);
  if (result == 0) result = weir_write_uint32_be(output, static_cast<uint32_t>(data.size()));
  if (result == 0) result = weir_write_string(output, data.c_str());
  if (result == 0) result = weir_write_string(output, "end");
  std::string back(data.size(), '?');
  weir_read_channel *input = weir_open_read_channel(connection);
  if (result == 0) result = weir_read_fully(input, back.data(), back.size(), nullptr);
  *answered = back == data;
  return result < 0 ? result : weir_write_channel_close(output);
}

// One end breaks off in the middle of a line. The other one is told, and does not take it for one.
int BreakOff(weir_connection *connection) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  int result = weir_write_string(output, "half a li");
  if (result == 0) result = weir_flush(output);
  if (result == 0) result = weir_delay(WEIR_SECOND);
  weir_connection_abort(connection);
  return result;
}

int ReadHalf(weir_connection *connection, bool *answered) {
  weir_bytes line;
  int result = weir_read_utf8_line(weir_open_read_channel(connection), &line);
  *answered = result == -ECONNRESET;
  return *answered ? 0 : result;
}

int Serve(const Conversation &talk, weir_connection *connection) {
  int result = talk.serve(connection);
  int closed = weir_connection_close(connection);
  if (closed == -ECONNABORTED) closed = 0;  // as BreakOff wants it
  return result < 0 ? result : closed;
}

int Ask(const Conversation &talk, weir_connection *connection, bool *answered) {
  int result = talk.ask(connection, answered);
  int closed = weir_connection_close(connection);
  if (closed == -ECONNRESET) closed = 0;
  return result < 0 ? result : closed;
}

// Both end their connections in any case. |launch| begins the server's coroutine.
template <typename Launch>
int TalkBy(Launch launch, const Conversation &talk, weir_connection *near, weir_connection *far,
           bool *answered) {
  weir_job *server = nullptr;
  int result = launch([=] { return Serve(talk, far); }, &server);
  if (result < 0) weir_connection_close(far);
  int asked = result < 0 ? result : Ask(talk, near, answered);
  if (result < 0) weir_connection_close(near);
  int served = 0;
  if (result == 0) result = weir_job_wait(server, &served);
  weir_job_close(server);
  // Who failed first cannot be told from here, and the other one has only seen the end.
  if (served < 0 && served != -EPIPE) return served;
  return result < 0 ? result : asked;
}

int TalkOver(const Conversation &talk, weir_connection *near, weir_connection *far,
             bool *answered) {
  auto here = [](auto body, weir_job **job) { return LaunchCoroutine(body, nullptr, job); };
  return TalkBy(here, talk, near, far, answered);
}

// What a close has left to the loop needs the layers still.
void AwaitReleased(const CustomLayer *layers, int count) {
  weir_shield shield = weir_shield_begin();
  int result = 0;
  while (result == 0 && layers[0].released + layers[1].released < count) {
    result = weir_delay(WEIR_MILLISECOND);
  }
  weir_shield_end(shield);
}

int TalkThroughLayers(const Conversation &talk, weir_connection *near, weir_connection *far,
                      bool *answered) {
  CustomLayer layers[2];
  weir_connection *ends[2] = {};
  int result = 0;
  int made = 0;
  for (weir_connection *lower : {near, far}) {
    layers[made].lower = lower;
    layers[made].first_refused = 2;
    layers[made].last_refused = talk.last_refused;
    result = weir_custom_connection(&ends[made], &kCustomLayerOperations, &layers[made], nullptr);
    if (result < 0) break;
    made++;
  }
  if (made == 2) result = TalkOver(talk, ends[0], ends[1], answered);
  if (made == 1) weir_connection_close(ends[0]);
  AwaitReleased(layers, made);
  weir_connection_close(near);
  weir_connection_close(far);
  return result;
}

int Talk(const Conversation &talk, bool *answered) {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
  weir_pipe_options options = {};
  options.capacity = talk.capacity;
  int result = weir_pipe(&near, &far, &options);
  if (result < 0) return result;
  return (talk.through_layers ? TalkThroughLayers : TalkOver)(talk, near, far, answered);
}

Scenario Of(const char *name, const Conversation &talk) {
  Scenario scenario;
  scenario.name = name;
  scenario.run = weir_testing::InCoroutine([=](bool *answered) { return Talk(talk, answered); });
  scenario.virtual_time = true;
  scenario.stride = 7;
  scenario.least_calls = 17;  // to set up
  return scenario;
}

// A pipe between two loops.
int TalkAcrossLoops(const Conversation &talk, bool *answered) {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
  weir_pipe_options options = {};
  options.capacity = talk.capacity;
  options.across_loops = true;
  int result = weir_pipe(&near, &far, &options);
  if (result < 0) return result;
  auto there = [](auto body, weir_job **job) { return LaunchCoroutineOn(1, body, nullptr, job); };
  return TalkBy(there, talk, near, far, answered);
}

Scenario OfLoops(const char *name, const Conversation &talk) {
  Scenario scenario = Of(name, talk);
  auto body = [=](bool *answered) { return TalkAcrossLoops(talk, answered); };
  scenario.run = weir_testing::InCoroutine(body, 2);
  scenario.virtual_time = false;
  scenario.least_calls = 25;
  return scenario;
}

std::vector<Scenario> Scenarios() {
  return {
      OfLoops("LinesAcrossLoops", {1000, AnswerLines, AskLines<200>}),
      Of("Lines", {0, AnswerLines, AskLines<30000>}),
      Of("LinesThroughOneByte", {1, AnswerLines, AskLines<50>}),
      Of("LinesThroughLayers", {1000, AnswerLines, AskLines<30000>, true}),
      Of("LinesInAShortage", {1000, AnswerLines, AskLines<50>, true, 4}),
      Of("CloseWithOutput", {1000, WriteAndLeave, ReadToTheEnd}),
      Of("CloseLayersWithOutput", {1000, WriteAndLeave, ReadToTheEnd, true}),
      Of("CloseInAShortage", {1000, WriteAndLeave, ReadToTheEnd, true, 9}),
      Of("EchoExactly", {1000, EchoExactly, AskForAnExactEcho}),
      Of("BreakOff", {0, BreakOff, ReadHalf}),
  };
}

INSTANTIATE_TEST_SUITE_P(Pipe, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
