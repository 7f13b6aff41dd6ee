// SPDX-License-Identifier: Apache-2.0
//
// Stopping a server of several loops while a thousand clients keep it busy.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/sync.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::Output;
using weir_testing::Tcp;
using weir_testing::Write;

constexpr int kClients = 1000;
constexpr int kDeaf = 100;  // of these, who never read
constexpr int64_t kCloseTimeout = 500 * WEIR_MILLISECOND;

int Echo(weir_connection *client, void *) {
  weir_bytes line;
  int result;
  while ((result = weir_read_line(Input(client), &line)) == 0) {
    if ((result = weir_write_line(Output(client), line)) < 0) break;
  }
  int closed = weir_connection_close(client);
  return result == WEIR_E_END_OF_STREAM ? closed : result;
}

// The server's thread and the clients' tell each other by these.
class Meeting {
 public:
  Meeting() {
    EXPECT_EQ(0, weir_event_create(&listens));
    EXPECT_EQ(0, weir_event_create(&busy));
  }
  ~Meeting() {
    weir_event_close(listens);
    weir_event_close(busy);
  }
  Meeting(const Meeting &) = delete;
  Meeting &operator=(const Meeting &) = delete;

  void ClientIsBusy() {
    if (++busy_clients == kClients) weir_event_set(busy);
  }

  weir_event *listens = nullptr;
  weir_event *busy = nullptr;  // all clients are
  std::atomic<int> busy_clients{0};
  std::atomic<int> ended_clients{0};
  std::atomic<uint16_t> port{0};
};

class Stop : public weir_testing::LeakCheckedTest, public ::testing::WithParamInterface<bool> {
 protected:
  void SetUp() override {
    // Two descriptors for each client: many shells allow only 1,024.
    rlimit limit = {};
    ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
    limit.rlim_cur = limit.rlim_max;
    ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
    LeakCheckedTest::SetUp();
  }

  // Serves until all clients are busy, and returns how long the end took from then on.
  static int64_t Serve(Meeting *meeting) {
    weir_selector_options options = {};
    options.loops = 3;
    options.drain_timeout = kCloseTimeout;
    std::chrono::steady_clock::time_point stopped;
    ExpectRun(options, [&] {
      weir_tcp_builder tcp = Tcp();
      tcp.options.shards = GetParam();
      tcp.options.backlog = kClients;
      tcp.options.close_timeout = kCloseTimeout;
      weir_listener *listener = weir_testing::Bind("127.0.0.1", 0, tcp);
      meeting->port = weir_listener_port(listener);
      weir_job *job = LaunchJob([&] { return weir_tcp_serve(listener, nullptr, Echo, nullptr); });
      weir_event_set(meeting->listens);
      EXPECT_EQ(0, weir_event_wait(meeting->busy));
      stopped = std::chrono::steady_clock::now();
      weir_job_cancel(job);
      EXPECT_EQ(-ECANCELED, weir_testing::EndOf(job));
      return weir_listener_close(listener);
    });
    return std::chrono::nanoseconds(std::chrono::steady_clock::now() - stopped).count();
  }

  // Asks and listens, until the server ends.
  static int Talk(weir_connection *connection, Meeting *meeting) {
    weir_bytes line;
    int result = 0;
    for (int64_t lines = 0; result == 0; lines++) {
      if (lines == 3) meeting->ClientIsBusy();
      result = weir_write_line(Output(connection), weir_text("and another thing"));
      if (result == 0) result = weir_read_line(Input(connection), &line);
    }
    return result;
  }

  // Only talks, until nobody takes it any more, and holds the line until the server ends.
  static int TalkOnly(weir_connection *connection, Meeting *meeting) {
    const std::string lines = std::string(1022, 'x') + "\r\n";
    int result = 0;
    bool blocked = false;
    while (result >= 0) {
      // Nobody has taken anything for so long: the server waits for this client.
      weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
      result = Write(connection, lines);
      bool late = weir_timeout_end(timeout);
      if (!late) continue;
      if (!blocked) meeting->ClientIsBusy();
      blocked = true;
      result = 0;
    }
    return result;
  }

  static int Client(Meeting *meeting, bool deaf) {
    weir_connection *connection = nullptr;
    int result = weir_tcp_connect(Tcp(), &connection, "127.0.0.1", meeting->port);
    EXPECT_EQ(0, result);
    if (result == 0) {
      result = deaf ? TalkOnly(connection, meeting) : Talk(connection, meeting);
      EXPECT_GT(0, result);
    }
    weir_connection_close(connection);
    meeting->ended_clients++;
    return 0;
  }

  static void RunClients(Meeting *meeting) {
    ExpectRun([meeting] {
      EXPECT_EQ(0, weir_event_wait(meeting->listens));
      for (int i = 0; i < kClients; i++) {
        ExpectLaunch([meeting, i] { return Client(meeting, i < kDeaf); });
      }
      return weir_scope_wait(nullptr);
    });
  }
};

TEST_P(Stop, ACancelEndsAThousandBusyClientsWithinASecondOfTheCloseTimeout) {
  Meeting meeting;
  std::thread clients([&] { RunClients(&meeting); });
  int64_t took = Serve(&meeting);
  clients.join();
  EXPECT_EQ(kClients, meeting.ended_clients);
  EXPECT_GT(kCloseTimeout + WEIR_SECOND, took);
  RecordProperty("milliseconds", static_cast<int>(took / WEIR_MILLISECOND));
}

INSTANTIATE_TEST_SUITE_P(Tcp, Stop, ::testing::Bool(), [](const auto &test) {
  return std::string(test.param ? "Shards" : "OneListener");
});

}  // namespace
