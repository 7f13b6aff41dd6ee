// SPDX-License-Identifier: Apache-2.0
//
// Every point at which a coroutine can be suspended, against everything that can end the suspension
// from outside: cancellation, a deadline, and the close or abort of what it waits for. Each pair
// ends with the documented error, and leaves nothing behind.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "testing/virtual_clock.h"
#include "weir/tcp.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::LeakCheckedTest;
using weir_testing::RawSocket;
using weir_testing::RunCoroutine;

// What a suspension needs, made anew for each pair.
struct Scene {
  weir_listener *listener = nullptr;
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
  weir_job *sleeper = nullptr;
  int fds[2] = {-1, -1};
  std::vector<RawSocket> crowd;
  std::string block = std::string(64 * 1024, 'x');
};

using Step = std::function<int(Scene *)>;

struct Suspension {
  const char *name;
  Step prepare;
  Step wait;   // suspends until it is ended from outside
  Step close;  // closes what |wait| waits for; empty where there is nothing to close
  int closed;  // what |wait| then returns
  Step abort;  // aborts it
  int aborted;
  Step go_on;  // what |wait| waited for can still be used; returns 0
};

int Bind(Scene *scene) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  return weir_tcp_bind(tcp, &scene->listener, "127.0.0.1", 0);
}

int Connect(Scene *scene) {
  int result = Bind(scene);
  if (result < 0) return result;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.close_timeout = WEIR_SECOND;
  result = weir_tcp_connect(tcp, &scene->far, "127.0.0.1", weir_listener_port(scene->listener));
  if (result < 0) return result;
  return weir_accept(scene->listener, &scene->near);
}

// Writes until the peer's and our own buffers are full, so that the next write waits.
int FillUp(Scene *scene) {
  int result = Connect(scene);
  weir_write_channel *output = weir_open_write_channel(scene->far, false);
  while (result == 0) {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    result = weir_write_fully(output, scene->block.data(), scene->block.size(), nullptr);
    weir_timeout_end(timeout);
  }
  return result == -ETIMEDOUT ? 0 : result;
}

// The same, and something is left in the channel.
int FillUpAndMore(Scene *scene) {
  int result = FillUp(scene);
  if (result < 0) return result;
  return weir_write_string(weir_open_write_channel(scene->far, false), "more");
}

int Drain(Scene *scene) {
  std::string sink(1 << 20, '\0');
  return weir_read_available(weir_open_read_channel(scene->near), &sink[0], sink.size()) > 0 ? 0
                                                                                             : -1;
}

int CloseListener(Scene *scene) {
  weir_listener *listener = scene->listener;
  scene->listener = nullptr;
  return weir_listener_close(listener);
}

int CloseFar(Scene *scene) {
  weir_connection *connection = scene->far;
  scene->far = nullptr;
  return weir_connection_close(connection);
}

int AbortFar(Scene *scene) {
  weir_connection_abort(scene->far);
  return 0;
}

// A listener whose queue is full drops the handshakes of those who connect, so that they wait.
int FillTheQueue(Scene *scene) {
  scene->crowd.resize(4);
  int port = scene->crowd[0].Listen(0);
  if (port < 0) return port;
  for (size_t i = 1; i < scene->crowd.size(); i++) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    scene->crowd[i] = RawSocket(fd);
    sockaddr_storage address;
    socklen_t size = sizeof address;
    getsockname(scene->crowd[0].fd(), reinterpret_cast<sockaddr *>(&address), &size);
    static_cast<void>(connect(fd, reinterpret_cast<sockaddr *>(&address), size));
  }
  scene->fds[0] = port;
  return 0;
}

// Never answers.
weir_resolver SilentResolver() {
  return {[](void *, weir_address *, size_t, const char *, weir_family) {
            return weir_delay(WEIR_FOREVER);
          },
          nullptr};
}

// Knows every host as 127.0.0.1.
weir_resolver LoopbackResolver() {
  return {[](void *, weir_address *out, size_t, const char *, weir_family family) {
            if (family == WEIR_IPV6) return static_cast<int>(WEIR_E_NAME_NOT_FOUND);
            int result = weir_address_parse(out, "127.0.0.1", 0);
            return result < 0 ? result : 1;
          },
          nullptr};
}

int ConnectByName(const weir_resolver &resolver, uint16_t port) {
  weir_connection *connection = nullptr;
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  tcp.options.connect.resolver = &resolver;
  int result = weir_tcp_connect(tcp, &connection, "weir.example", port);
  EXPECT_EQ(nullptr, connection);
  return result;
}

std::vector<Suspension> Suspensions() {
  auto nothing = [](Scene *) { return 0; };
  std::vector<Suspension> all;
  all.push_back({"accept", Bind,
                 [](Scene *scene) {
                   weir_connection *client = nullptr;
                   int result = weir_accept(scene->listener, &client);
                   EXPECT_EQ(nullptr, client);
                   return result;
                 },
                 CloseListener, WEIR_E_CLOSED, nullptr, 0,
                 [](Scene *scene) {
                   RawSocket client;
                   EXPECT_EQ(0, client.Connect(weir_listener_port(scene->listener)));
                   return weir_accept(scene->listener, &scene->near);
                 }});
  all.push_back({"connect", FillTheQueue,
                 [](Scene *scene) {
                   weir_connection *connection = nullptr;
                   weir_tcp_builder tcp = weir_tcp(weir_current_selector());
                   int result = weir_tcp_connect(tcp, &connection, "127.0.0.1",
                                                 static_cast<uint16_t>(scene->fds[0]));
                   EXPECT_EQ(nullptr, connection);
                   return result;
                 },
                 nullptr, 0, nullptr, 0, nothing});
  all.push_back({"resolve", nothing,
                 [](Scene *) {
                   const weir_resolver silent = SilentResolver();
                   weir_resolve_options options = {};
                   options.resolver = &silent;
                   weir_address found;
                   return weir_resolve(&found, 1, &options, "weir.example", 80);
                 },
                 nullptr, 0, nullptr, 0, nothing});
  all.push_back({"connect while the name is looked up", nothing,
                 [](Scene *) { return ConnectByName(SilentResolver(), 80); }, nullptr, 0, nullptr,
                 0, nothing});
  all.push_back({"connect by name", FillTheQueue,
                 [](Scene *scene) {
                   return ConnectByName(LoopbackResolver(), static_cast<uint16_t>(scene->fds[0]));
                 },
                 nullptr, 0, nullptr, 0, nothing});
  all.push_back({"read", Connect,
                 [](Scene *scene) {
                   weir_bytes line;
                   return weir_read_utf8_line(weir_open_read_channel(scene->far), &line);
                 },
                 CloseFar, WEIR_E_CLOSED, AbortFar, -ECONNABORTED,
                 [](Scene *scene) {
                   weir_write_channel *output = weir_open_write_channel(scene->near, true);
                   EXPECT_EQ(0, weir_write_string(output, "still here\n"));
                   weir_bytes line;
                   int result = weir_read_utf8_line(weir_open_read_channel(scene->far), &line);
                   EXPECT_EQ("still here", std::string(line.data, line.size));
                   return result;
                 }});
  all.push_back({"write", FillUp,
                 [](Scene *scene) {
                   return weir_write_fully(weir_open_write_channel(scene->far, false),
                                           scene->block.data(), scene->block.size(), nullptr);
                 },
                 CloseFar, WEIR_E_CLOSED, AbortFar, -ECONNABORTED, Drain});
  all.push_back(
      {"flush", FillUpAndMore,
       [](Scene *scene) { return weir_flush(weir_open_write_channel(scene->far, false)); },
       CloseFar, WEIR_E_CLOSED, AbortFar, -ECONNABORTED, Drain});
  all.push_back({"delay", nothing, [](Scene *) { return weir_delay(WEIR_FOREVER); }, nullptr, 0,
                 nullptr, 0, [](Scene *) { return weir_delay(1); }});
  all.push_back({"join",
                 [](Scene *scene) {
                   return LaunchCoroutine([] { return weir_delay(WEIR_FOREVER); }, nullptr,
                                          &scene->sleeper);
                 },
                 [](Scene *scene) { return weir_job_wait(scene->sleeper, nullptr); },
                 [](Scene *scene) {
                   weir_job *job = scene->sleeper;
                   scene->sleeper = nullptr;
                   weir_job_cancel(job);
                   weir_job_close(job);
                   return 0;
                 },
                 WEIR_E_CLOSED, nullptr, 0,
                 [](Scene *scene) {
                   weir_job_cancel(scene->sleeper);
                   return weir_job_wait(scene->sleeper, nullptr);
                 }});
  all.push_back({"join of a scope", [](Scene *) { return 0; },
                 [](Scene *) {
                   EXPECT_EQ(0, LaunchCoroutine([] { return weir_delay(WEIR_FOREVER); }));
                   int result = weir_scope_wait(nullptr);
                   weir_scope_cancel(nullptr);
                   return result;
                 },
                 nullptr, 0, nullptr, 0, nothing});
  all.push_back(
      {"select",
       [](Scene *scene) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, scene->fds); },
       [](Scene *scene) { return weir_selector_select(scene->fds[0], WEIR_READABLE); },
       [](Scene *scene) { return weir_selector_forget(scene->fds[0]); }, WEIR_E_CLOSED, nullptr, 0,
       [](Scene *scene) {
         EXPECT_EQ(1, write(scene->fds[1], "x", 1));
         return weir_selector_select(scene->fds[0], WEIR_READABLE) == WEIR_READABLE ? 0 : -1;
       }});
  return all;
}

class SuspensionMatrix : public LeakCheckedTest {
 protected:
  // Runs |body| for each suspension with its scene, and takes the scene down.
  void ForEach(const std::function<void(const Suspension &, Scene *)> &body) {
    for (const Suspension &suspension : Suspensions()) {
      SCOPED_TRACE(suspension.name);
      weir_testing::VirtualClock clock;
      weir_selector_options options = clock.options();
      EXPECT_EQ(0, RunCoroutine(
                       [&] {
                         Scene scene;
                         int result = suspension.prepare(&scene);
                         EXPECT_EQ(0, result) << weir_error_name(result);
                         if (result == 0) body(suspension, &scene);
                         TakeDown(suspension, &scene);
                         return 0;
                       },
                       &options));
    }
  }

  static void TakeDown(const Suspension &suspension, Scene *scene) {
    if (scene->far != nullptr) weir_connection_abort(scene->far);
    weir_connection_close(scene->far);
    weir_connection_close(scene->near);
    weir_listener_close(scene->listener);
    if (scene->sleeper != nullptr) weir_job_cancel(scene->sleeper);
    weir_job_close(scene->sleeper);
    if (std::string(suspension.name) != "select") return;
    weir_selector_forget(scene->fds[0]);
    close(scene->fds[0]);
    close(scene->fds[1]);
  }

  // Starts the wait in a coroutine of its own and lets it suspend.
  static weir_job *Start(const Suspension &suspension, Scene *scene, int *seen) {
    weir_job *job = nullptr;
    *seen = 1;
    int result = LaunchCoroutine(
        [&suspension, scene, seen] { return *seen = suspension.wait(scene); }, nullptr, &job);
    EXPECT_EQ(0, result);
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_EQ(1, *seen) << "did not suspend: " << weir_error_name(*seen);
    return job;
  }
};

TEST_F(SuspensionMatrix, Cancel) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    int seen = 0;
    weir_job *job = Start(suspension, scene, &seen);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, seen) << weir_error_name(seen);
    EXPECT_EQ(0, suspension.go_on(scene));
  });
}

TEST_F(SuspensionMatrix, CancelledBefore) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    int seen = 1;
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutine([&] { return seen = suspension.wait(scene); }, nullptr, &job));
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, seen) << weir_error_name(seen);
    EXPECT_EQ(0, suspension.go_on(scene));
  });
}

TEST_F(SuspensionMatrix, Deadline) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    int64_t start = weir_now();
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    int seen = suspension.wait(scene);
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(-ETIMEDOUT, seen) << weir_error_name(seen);
    EXPECT_EQ(start + WEIR_SECOND, weir_now());
    EXPECT_EQ(0, suspension.go_on(scene));
  });
}

TEST_F(SuspensionMatrix, DeadlinePassedBefore) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    weir_timeout timeout = weir_timeout_begin(0);
    int seen = suspension.wait(scene);
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(-ETIMEDOUT, seen) << weir_error_name(seen);
    EXPECT_EQ(0, suspension.go_on(scene));
  });
}

TEST_F(SuspensionMatrix, CloseOfWhatIsAwaited) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    if (!suspension.close) return;
    int seen = 0;
    weir_job *job = Start(suspension, scene, &seen);
    suspension.close(scene);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(suspension.closed, seen) << weir_error_name(seen);
  });
}

TEST_F(SuspensionMatrix, AbortOfWhatIsAwaited) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    if (!suspension.abort) return;
    int seen = 0;
    weir_job *job = Start(suspension, scene, &seen);
    suspension.abort(scene);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_EQ(suspension.aborted, seen) << weir_error_name(seen);
    EXPECT_EQ(suspension.aborted, suspension.wait(scene));  // and it stays
  });
}

TEST_F(SuspensionMatrix, CancelAndCloseInTheSameTurn) {
  ForEach([](const Suspension &suspension, Scene *scene) {
    if (!suspension.close) return;
    int seen = 0;
    weir_job *job = Start(suspension, scene, &seen);
    weir_job_cancel(job);
    suspension.close(scene);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    EXPECT_TRUE(seen == -ECANCELED || seen == suspension.closed) << weir_error_name(seen);
  });
}

}  // namespace
