// SPDX-License-Identifier: Apache-2.0
//
// Conversations by datagrams, from bind to close.

#include "testing/torture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/unix_path.h"
#include "weir/udp.h"

namespace {

using weir_testing::RunTogether;
using weir_testing::Scenario;
using weir_testing::ScenarioName;
using weir_testing::Torture;

struct Talk {
  const char *host;  // or "@": an abstract name; or "/": a path
  int (*answer)(weir_udp_socket *server);
  int (*ask)(weir_udp_socket *client, bool *answered);
};

// One datagram there, and the same one back.

int AnswerOne(weir_udp_socket *server) {
  char memory[64];
  weir_datagram datagram = {};
  datagram.data = memory;
  datagram.capacity = sizeof memory;
  int result = weir_udp_receive(server, &datagram);
  if (result < 0) return result;
  return weir_udp_send(server, weir_bytes_of(memory, datagram.size), &datagram.address);
}

int AskOne(weir_udp_socket *client, bool *answered) {
  char memory[64];
  weir_datagram datagram = {};
  datagram.data = memory;
  datagram.capacity = sizeof memory;
  int result = weir_udp_send(client, weir_text("hello"), nullptr);
  if (result == 0) result = weir_udp_receive(client, &datagram);
  *answered = result == 0 && std::string(memory, datagram.size) == "hello";
  return result;
}

// Several together.

const int kBatch = 5;

struct Batch {
  Batch() {
    for (int i = 0; i < kBatch; i++) {
      datagrams[i].data = memory[i];
      datagrams[i].capacity = sizeof memory[i];
      datagrams[i].size = static_cast<size_t>(i);
      memset(memory[i], 'a' + i, sizeof memory[i]);
    }
  }
  char memory[kBatch][8];
  weir_datagram datagrams[kBatch] = {};
};

int SendAll(weir_udp_socket *socket, const weir_datagram *datagrams, int count) {
  int done = 0;
  while (done < count) {
    int result = weir_udp_send_batch(socket, datagrams + done, static_cast<size_t>(count - done));
    if (result < 0) return result;
    done += result;
  }
  return 0;
}

int ReceiveAll(weir_udp_socket *socket, weir_datagram *datagrams) {
  int done = 0;
  while (done < kBatch) {
    int result =
        weir_udp_receive_batch(socket, datagrams + done, static_cast<size_t>(kBatch - done));
    if (result < 0) return result;
    done += result;
  }
  return 0;
}

int AnswerBatch(weir_udp_socket *server) {
  Batch batch;
  int result = ReceiveAll(server, batch.datagrams);
  return result < 0 ? result : SendAll(server, batch.datagrams, kBatch);
}

int AskBatch(weir_udp_socket *client, bool *answered) {
  Batch asked;
  Batch told;
  memset(told.memory, 0, sizeof told.memory);
  int result = SendAll(client, asked.datagrams, kBatch);
  if (result == 0) result = ReceiveAll(client, told.datagrams);
  if (result < 0) return result;
  *answered = true;
  for (int i = 0; i < kBatch; i++) {
    size_t size = told.datagrams[i].size;
    *answered &=
        size == asked.datagrams[i].size && memcmp(told.memory[i], asked.memory[i], size) == 0;
  }
  return 0;
}

// More than a queue holds, so that the sender waits.

const int kMany = 40;

int AnswerMany(weir_udp_socket *server) {
  Batch batch;
  for (int done = 0; done < kMany; done += kBatch) {
    int result = ReceiveAll(server, batch.datagrams);
    if (result < 0) return result;
  }
  return SendAll(server, batch.datagrams, 1);
}

int AskMany(weir_udp_socket *client, bool *answered) {
  Batch asked;
  asked.datagrams[0].size = 1;
  for (int done = 0; done < kMany; done += kBatch) {
    int result = SendAll(client, asked.datagrams, kBatch);
    if (result < 0) return result;
  }
  char memory[8];
  weir_datagram datagram = {};
  datagram.data = memory;
  datagram.capacity = sizeof memory;
  int result = weir_udp_receive(client, &datagram);
  *answered = result == 0 && std::string(memory, datagram.size) == "a";
  return result;
}

bool IsUnix(const Talk &talk) {
  return talk.host != nullptr && strchr("@/", talk.host[0]) != nullptr;
}

int Bind(const Talk &talk, weir_udp_builder udp, weir_udp_socket **out) {
  if (!IsUnix(talk)) return weir_udp_bind(udp, out, talk.host, 0);
  weir_address place = {};
  const std::string path =
      talk.host[0] == '@' ? weir_testing::FreeUnixName() : weir_testing::FreeUnixPath();
  int result = weir_address_unix(&place, path.c_str());
  return result < 0 ? result : weir_udp_bind_address(udp, out, &place);
}

int Connect(const Talk &talk, weir_udp_builder udp, weir_udp_socket **out,
            const weir_udp_socket *server) {
  if (!IsUnix(talk)) {
    const char *host = talk.host == nullptr ? "127.0.0.1" : talk.host;
    return weir_udp_connect(udp, out, host, weir_udp_port(server));
  }
  weir_address place = {};
  int result = weir_address_from_text(&place, weir_udp_local_address(server));
  return result < 0 ? result : weir_udp_connect_address(udp, out, &place);
}

int TalkTo(const Talk &talk, weir_udp_socket *server, bool *answered) {
  weir_udp_socket *client = nullptr;
  weir_udp_builder udp = weir_udp(weir_current_selector());
  udp.options.receive_buffer = 100000;
  int result = Connect(talk, udp, &client, server);
  if (result < 0) return result;
  result = RunTogether(
      {[=] { return talk.answer(server); }, [=] { return talk.ask(client, answered); }});
  int closed = weir_udp_close(client);
  return result < 0 ? result : closed;
}

int BindAndTalk(const Talk &talk, bool *answered) {
  weir_udp_socket *server = nullptr;
  weir_udp_builder udp = weir_udp(weir_current_selector());
  udp.options.reuse_address = true;
  udp.options.type_of_service = 0x10;
  int result = Bind(talk, udp, &server);
  if (result < 0) return result;
  result = TalkTo(talk, server, answered);
  int closed = weir_udp_close(server);
  return result < 0 ? result : closed;
}

Scenario Of(const char *name, int least_calls, const Talk &talk) {
  Scenario scenario;
  scenario.name = name;
  scenario.run =
      weir_testing::InCoroutine([=](bool *answered) { return BindAndTalk(talk, answered); });
  scenario.least_calls = least_calls;
  return scenario;
}

std::vector<Scenario> Scenarios() {
  return {
      Of("One", 135, {"127.0.0.1", AnswerOne, AskOne}),
      Of("OneByIpv6", 145, {"::1", AnswerOne, AskOne}),
      Of("Batch", 135, {"127.0.0.1", AnswerBatch, AskBatch}),
      Of("OneByAPath", 100, {"/", AnswerOne, AskOne}),
      Of("BatchByAName", 100, {"@", AnswerBatch, AskBatch}),
      Of("FullQueue", 150, {"@", AnswerMany, AskMany}),
      Of("BatchOnBothStacks", 140, {nullptr, AnswerBatch, AskBatch}),
  };
}

INSTANTIATE_TEST_SUITE_P(Udp, Torture, ::testing::ValuesIn(Scenarios()), ScenarioName);

}  // namespace
