// SPDX-License-Identifier: Apache-2.0
//
// Listeners and connections of a selector with several loops.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "testing/tcp_pair.h"
#include "weir/sync.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Body;
using weir_testing::Input;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::RawSocket;
using weir_testing::RunCoroutine;
using weir_testing::Tcp;
using weir_testing::TcpPair;

class Loops : public weir_testing::LeakCheckedTest {
 protected:
  static int Run(int loops, const Body &body) {
    weir_selector_options options = {};
    options.loops = loops;
    return RunCoroutine(body, &options);
  }
  // Runs |body| on |loop| and waits for it.
  static void On(int loop, const Body &body) {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutineOn(loop, body, scope));
    EXPECT_EQ(0, weir_scope_wait(scope));
    weir_scope_close(scope);
  }
};

int Echo(weir_connection *client, void *served) {
  weir_bytes line;
  int result;
  while ((result = weir_read_line(Input(client), &line)) == 0) {
    if ((result = weir_write_line(Output(client), line)) < 0) break;
  }
  auto *count = static_cast<std::atomic<int> *>(served);
  if (result == WEIR_E_END_OF_STREAM) count[weir_current_loop()]++;
  return weir_connection_close(client);
}

// Those who wait until all of them have come, on whatever loop.
class Crowd {
 public:
  explicit Crowd(int count) : missing_(count) { EXPECT_EQ(0, weir_event_create(&complete_)); }
  ~Crowd() { weir_event_close(complete_); }
  Crowd(const Crowd &) = delete;
  Crowd &operator=(const Crowd &) = delete;

  int Join() {
    if (--missing_ == 0) weir_event_set(complete_);
    return weir_event_wait(complete_);
  }

 private:
  std::atomic<int> missing_;
  weir_event *complete_ = nullptr;
};

// Sends |lines| lines to |port| and expects each back. Stays until all of |crowd|, if there is one,
// have come so far.
int Client(uint16_t port, int lines, Crowd *crowd = nullptr) {
  weir_connection *connection = nullptr;
  int result = weir_tcp_connect(Tcp(), &connection, "127.0.0.1", port);
  for (int i = 0; i < lines && result == 0; i++) {
    weir_bytes line;
    const std::string text = "line " + std::to_string(i);
    result = weir_write_line(Output(connection), weir_bytes_of(text.data(), text.size()));
    if (result == 0) result = weir_read_line(Input(connection), &line);
    if (result == 0) {
      EXPECT_EQ(text, std::string(line.data, line.size));
    }
  }
  int joined = crowd != nullptr ? crowd->Join() : 0;
  if (result == 0) result = joined;
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

TEST_F(Loops, AnAcceptedConnectionIsUsedElsewhere) {
  EXPECT_EQ(0, Run(3, [] {
              TcpPair pair = MakeTcpPair();
              EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                          EXPECT_EQ(0, weir_write_line(Output(pair.near), weir_text("hello")));
                          return weir_connection_close(pair.near);
                        }));
              weir_bytes line;
              EXPECT_EQ(0, weir_read_line(Input(pair.far), &line));
              EXPECT_EQ(0, weir_connection_close(pair.far));
              return weir_scope_wait(nullptr);
            }));
}

TEST_F(Loops, OneThatWasNeverUsedIsClosedOrAbortedAnywhere) {
  EXPECT_EQ(0, Run(2, [] {
              TcpPair pair = MakeTcpPair();
              EXPECT_EQ(0, LaunchCoroutineOn(1, [&] { return weir_connection_close(pair.near); }));
              EXPECT_EQ(0, weir_connection_close(pair.far));
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              pair = MakeTcpPair();
              On(1, [&] {
                EXPECT_EQ(-EXDEV, weir_connection_close(pair.far));  // connecting was an operation
                weir_connection_abort(pair.near);
                return 0;
              });
              weir_bytes line;
              EXPECT_EQ(-ECONNRESET, weir_read_line(Input(pair.far), &line));
              EXPECT_EQ(-ECONNABORTED, weir_read_line(Input(pair.near), &line));
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair.near));
              weir_connection_close(pair.far);
              return 0;
            }));
}

TEST_F(Loops, OperationsElsewhereAreRefused) {
  EXPECT_EQ(0, Run(2, [] {
              TcpPair pair = MakeTcpPair();
              EXPECT_EQ(0, weir_write_line(Output(pair.near), weir_text("mine")));
              EXPECT_EQ(0, weir_flush(Output(pair.near)));
              On(1, [&] {
                weir_read_channel *input = weir_open_read_channel(pair.near);
                weir_write_channel *output = weir_open_write_channel(pair.near, false);
                weir_bytes bytes;
                char byte = 0;
                size_t done = 0;
                EXPECT_EQ(-EXDEV, weir_read_line(input, &bytes));
                EXPECT_EQ(-EXDEV, weir_read_utf8_line(input, &bytes));
                EXPECT_EQ(-EXDEV, weir_read_available(input, &byte, 1));
                EXPECT_EQ(-EXDEV, weir_read_fully(input, &byte, 1, &done));
                EXPECT_EQ(-EXDEV, weir_write_line(output, weir_text("x")));
                EXPECT_EQ(-EXDEV, weir_write_fully(output, &byte, 1, &done));
                EXPECT_EQ(-EXDEV, weir_flush(output));
                EXPECT_EQ(-EXDEV, weir_connection_close(pair.near));
                return 0;
              });
              EXPECT_EQ(0, LaunchCoroutine([&] { return weir_connection_close(pair.near); }));
              EXPECT_EQ(0, weir_connection_close(pair.far));
              return 0;
            }));
}

TEST_F(Loops, AnAbortFromElsewhereEndsWhatWaits) {
  EXPECT_EQ(0, Run(2, [] {
              TcpPair pair = MakeTcpPair();
              weir_job *job = nullptr;
              EXPECT_EQ(0, LaunchCoroutineOn(
                               1,
                               [&] {
                                 weir_bytes line;
                                 int result = weir_read_line(Input(pair.near), &line);
                                 EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair.near));
                                 return result;
                               },
                               nullptr, &job));
              // Whether it waits already or not.
              weir_connection_abort(pair.near);
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(-ECONNABORTED, result);
              weir_job_close(job);
              weir_connection_close(pair.far);
              return 0;
            }));
}

// The message is on its way while the close happens.
TEST_F(Loops, ACloseWaitsForAnAbortFromElsewhere) {
  for (int i = 0; i < 50; i++) {
    EXPECT_EQ(0, Run(2, [] {
                TcpPair pair = MakeTcpPair();
                std::atomic<bool> bound{false}, aborted{false};
                EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                            weir_connection_set_close_timeout(pair.near, 0);
                            EXPECT_EQ(0, weir_flush(Output(pair.near)));
                            bound = true;
                            while (!aborted) continue;  // it reads no message meanwhile
                            weir_connection_close(pair.near);
                            return 0;
                          }));
                while (!bound) EXPECT_EQ(0, weir_yield());
                weir_connection_abort(pair.near);
                weir_connection_abort(pair.near);
                aborted = true;
                EXPECT_EQ(0, weir_scope_wait(nullptr));
                weir_connection_close(pair.far);
                return 0;
              }));
  }
}

TEST_F(Loops, AListenerBelongsToTheLoopOfItsFirstAccept) {
  EXPECT_EQ(0, Run(2, [] {
              weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
              weir_connection *client = nullptr;
              EXPECT_EQ(0, LaunchCoroutineOn(1, [&] {
                          EXPECT_EQ(WEIR_E_CLOSED, weir_accept(listener, &client));
                          return 0;
                        }));
              weir_connection *other = nullptr;
              // It was launched there first, so it waits by then.
              On(1, [&] {
                EXPECT_EQ(-EBUSY, weir_accept(listener, &other));
                return 0;
              });
              EXPECT_EQ(-EXDEV, weir_accept(listener, &other));
              EXPECT_EQ(0, weir_listener_close(listener));
              return 0;
            }));
}

// The one who accepts waits for a busy loop, and not for the listener.
TEST_F(Loops, AListenerIsClosedWhileAClientIsHandedOut) {
  EXPECT_EQ(0, Run(2, [] {
              std::promise<void> go;
              EXPECT_EQ(0, LaunchCoroutineOn(1, [&] { return go.get_future().wait(), 0; }));
              weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
              RawSocket clients[2];
              for (RawSocket &client : clients) {
                EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
              }
              std::atomic<int> served[2] = {};
              weir_job *job = nullptr;
              auto serve = [&] {
                weir_tcp_serve_options options = {};
                options.placement = WEIR_TCP_ROUND_ROBIN;
                return weir_tcp_serve(listener, &options, Echo, served);
              };
              EXPECT_EQ(0, LaunchCoroutine(serve, nullptr, &job));
              EXPECT_EQ(0, weir_delay(5 * WEIR_MILLISECOND));
              EXPECT_EQ(0, LaunchCoroutine([&] { return weir_listener_close(listener); }));
              EXPECT_EQ(0, weir_yield());
              go.set_value();
              for (RawSocket &client : clients) client.Close();
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(WEIR_E_CLOSED, result);
              EXPECT_EQ(2, served[0] + served[1]);
              weir_job_close(job);
              EXPECT_EQ(WEIR_E_CLOSED, weir_scope_wait(nullptr));
              return 0;
            }));
}

class Serving : public Loops, public ::testing::WithParamInterface<int> {
 protected:
  static constexpr int kShards = 3;  // and the placements below

  // Serves |clients| on |loops| loops, and returns how many each loop has served.
  static std::vector<int> Serve(int loops, int clients, int lines) {
    std::vector<std::atomic<int>> served(static_cast<size_t>(loops));
    EXPECT_EQ(0, Run(loops, [&] {
                weir_tcp_builder tcp = Tcp();
                tcp.options.shards = GetParam() == kShards;
                weir_tcp_serve_options options = {};
                if (GetParam() < kShards)
                  options.placement = static_cast<weir_tcp_placement>(GetParam());
                weir_listener *listener = weir_testing::Bind("127.0.0.1", 0, tcp);
                if (listener == nullptr) return -EIO;
                weir_job *job = nullptr;
                EXPECT_EQ(
                    0, LaunchCoroutine(
                           [&] { return weir_tcp_serve(listener, &options, Echo, served.data()); },
                           nullptr, &job));
                weir_scope *scope = nullptr;
                EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
                uint16_t port = weir_listener_port(listener);
                // While all are there, none of the loops has the fewest for long.
                Crowd crowd(clients);
                for (int i = 0; i < clients; i++) {
                  auto client = [&crowd, port, lines] { return Client(port, lines, &crowd); };
                  EXPECT_EQ(0, LaunchCoroutineOn(WEIR_ROUND_ROBIN, client, scope));
                }
                EXPECT_EQ(0, weir_scope_wait(scope));
                EXPECT_EQ(0, weir_scope_close(scope));
                EXPECT_EQ(0, weir_listener_close(listener));
                int result = 0;
                EXPECT_EQ(0, weir_job_wait(job, &result));
                EXPECT_EQ(WEIR_E_CLOSED, result);
                weir_job_close(job);
                return 0;
              }));
    return std::vector<int>(served.begin(), served.end());
  }
};

TEST_P(Serving, EveryClientIsServed) {
  for (int loops : {1, 3}) {
    std::vector<int> served = Serve(loops, 60, 5);
    int all = 0;
    for (int count : served) {
      all += count;
      // The loop that accepts may have more to do than the others all the time.
      bool may_have_none = GetParam() == WEIR_TCP_SAME_LOOP || GetParam() == WEIR_TCP_LEAST_LOADED;
      EXPECT_TRUE(may_have_none || count > 0);
    }
    EXPECT_EQ(60, all);
    EXPECT_TRUE(GetParam() != WEIR_TCP_SAME_LOOP || served[0] == 60);
  }
}

// Run it for 30 seconds, or as long as you like: WEIR_HAMMER_SECONDS=30.
TEST_P(Serving, FourLoopsUnderLoad) {
  const char *seconds = getenv("WEIR_HAMMER_SECONDS");
  long rounds = seconds == nullptr ? 1 : strtol(seconds, nullptr, 10);
  if (rounds > 1) alarm(0);
  for (long i = 0; i < rounds; i++) Serve(4, 100, 100);
}

TEST_P(Serving, ACancelEndsHandlersOnAllLoopsAtOnce) {
  EXPECT_EQ(0, Run(3, [] {
              weir_tcp_builder tcp = Tcp();
              tcp.options.shards = GetParam() == kShards;
              weir_listener *listener = weir_testing::Bind("127.0.0.1", 0, tcp);
              std::atomic<int> served[3] = {};
              weir_job *job = nullptr;
              EXPECT_EQ(0, LaunchCoroutine(
                               [&] { return weir_tcp_serve(listener, nullptr, Echo, served); },
                               nullptr, &job));
              weir_scope *clients = nullptr;
              EXPECT_EQ(0, weir_scope_open(&clients, nullptr));
              for (int i = 0; i < 100; i++) {
                uint16_t port = weir_listener_port(listener);
                EXPECT_EQ(0, LaunchCoroutine([port] { return Client(port, 1000000), 0; }, clients));
              }
              EXPECT_EQ(0, weir_delay(20 * WEIR_MILLISECOND));
              int64_t start = weir_now();
              weir_job_cancel(job);
              int result = 0;
              EXPECT_EQ(0, weir_job_wait(job, &result));
              EXPECT_EQ(-ECANCELED, result);
              EXPECT_EQ(0, weir_listener_close(listener));
              EXPECT_EQ(0, weir_scope_close(clients));
              EXPECT_LT(weir_now() - start, 6 * WEIR_SECOND);
              weir_job_close(job);
              return 0;
            }));
}

INSTANTIATE_TEST_SUITE_P(Loops, Serving, ::testing::Values(0, 1, 2, 3));

TEST_F(Loops, ServingNeedsAListenerAndAHandler) {
  EXPECT_EQ(-EINVAL, weir_tcp_serve(nullptr, nullptr, Echo, nullptr));
  EXPECT_EQ(0, Run(1, [] {
              weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
              EXPECT_EQ(-EINVAL, weir_tcp_serve(listener, nullptr, nullptr, nullptr));
              return weir_listener_close(listener);
            }));
}

}  // namespace
