// SPDX-License-Identifier: Apache-2.0
//
// A connection whose peer always has more for it, or takes whatever it gets, must not starve a
// timer, nor another connection; nor must clients who come without end.
//
// Time is accounted, not measured: each system call on a socket takes a certain time of a clock
// that nothing else moves. So a busy machine makes no difference.

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "testing/tcp_pair.h"
#include "weir/copy.h"
#include "weir/tcp.h"

namespace {

using weir_testing::AcceptRaw;
using weir_testing::Body;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::RawSocket;
using weir_testing::TcpPair;

constexpr int64_t kMost = 5 * WEIR_MILLISECOND;

// A clock that goes on with the work done: generous figures of a slow machine.
class WorkClock {
 public:
  WorkClock() : calls_(weir_internal_kernel) {
    calls_.context = this;
    calls_.now = [](void *self) { return static_cast<WorkClock *>(self)->now_; };
    calls_.receive = [](void *self, int fd, const iovec *buffers, int count) {
      ExpectNoMoreThanATurn(buffers, count);
      return Work(self, weir_internal_kernel.receive(nullptr, fd, buffers, count));
    };
    calls_.send = [](void *self, int fd, const iovec *buffers, int count) {
      ExpectNoMoreThanATurn(buffers, count);
      return Work(self, weir_internal_kernel.send(nullptr, fd, buffers, count));
    };
    calls_.splice_in = [](void *self, int socket, int pipe, size_t size) {
      return Work(self, weir_internal_kernel.splice_in(nullptr, socket, pipe, size));
    };
    calls_.splice_out = [](void *self, int pipe, int socket, size_t size) {
      return Work(self, weir_internal_kernel.splice_out(nullptr, pipe, socket, size));
    };
    calls_.accept = [](void *self, int fd, sockaddr *address, socklen_t *size, int flags) {
      return Work(self, weir_internal_kernel.accept(nullptr, fd, address, size, flags), 0);
    };
    calls_.close = [](void *self, int fd) {
      return Work(self, weir_internal_kernel.close(nullptr, fd));
    };
    calls_.epoll_wait = [](void *self, int epoll, epoll_event *events, int count, int64_t timeout) {
      return static_cast<WorkClock *>(self)->Wait(epoll, events, count, timeout);
    };
  }

  weir_selector_options options() const {
    weir_selector_options options = {};
    options.system_calls = &calls_;
    return options;
  }

 private:
  // How much of it the kernel takes at once is its own affair.
  static void ExpectNoMoreThanATurn(const iovec *buffers, int count) {
    size_t size = 0;
    for (int i = 0; i < count; i++) size += buffers[i].iov_len;
    EXPECT_GE(size_t{1} << 20, size);
  }
  // Accounts for a call that has moved |bytes|.
  static int Work(void *self, int result, int bytes) {
    constexpr int64_t kCall = 10 * WEIR_MICROSECOND;
    constexpr int kBytesInANanosecond = 2;
    static_cast<WorkClock *>(self)->now_ += kCall + std::max(bytes, 0) / kBytesInANanosecond;
    return result;
  }
  static int Work(void *self, int result) { return Work(self, result, result); }

  int Wait(int epoll, epoll_event *events, int count, int64_t timeout) {
    int result = weir_internal_kernel.epoll_wait(nullptr, epoll, events, count,
                                                 std::min(timeout, INT64_C(0)));
    if (result == 0 && timeout > 0) now_ += timeout;
    return result;
  }

  weir_internal_system_calls calls_;
  int64_t now_ = 1000 * WEIR_SECOND;
};

// On threads of their own: sends without end, and takes all that comes back.
class Flood {
 public:
  Flood(RawSocket socket, std::string part)
      : socket_(std::move(socket)),
        part_(std::move(part)),
        sender_([this] { Repeat(POLLOUT); }),
        taker_([this] { Repeat(POLLIN); }) {}
  ~Flood() {
    stop_ = true;
    sender_.join();
    taker_.join();
  }

 private:
  void Repeat(short event) {
    std::vector<char> taken(1 << 20);
    size_t done = 0;
    while (!stop_) {
      pollfd ready = {socket_.fd(), event, 0};
      if (poll(&ready, 1, 10) <= 0) continue;
      if (event == POLLIN) {
        if (recv(socket_.fd(), taken.data(), taken.size(), 0) == 0) return;
        continue;
      }
      ssize_t count = send(socket_.fd(), part_.data() + done, part_.size() - done, MSG_NOSIGNAL);
      if (count > 0) done = (done + static_cast<size_t>(count)) % part_.size();
    }
  }

  RawSocket socket_;
  const std::string part_;
  std::atomic<bool> stop_{false};
  std::thread sender_;
  std::thread taker_;
};

int EchoBytes(weir_connection *connection, size_t size) {
  std::vector<char> buffer(size);
  for (;;) {
    int count = weir_read_available(Input(connection), buffer.data(), buffer.size());
    if (count < 0) return count;
    auto echoed = static_cast<size_t>(count);
    int result = weir_write_fully(Output(connection), buffer.data(), echoed, nullptr);
    if (result < 0) return result;
  }
}

int EchoLines(weir_connection *connection) {
  for (;;) {
    weir_bytes line;
    int result = weir_read_line(Input(connection), &line);
    if (result == 0) result = weir_write_line(Output(connection), line);
    if (result < 0) return result;
  }
}

int WriteOn(weir_connection *connection, size_t size) {
  const std::string part(size, 'x');
  int result;
  do result = weir_write_fully(Output(connection), part.data(), part.size(), nullptr);
  while (result == 0);
  return result;
}

int EchoByCopy(weir_connection *connection, weir_copy_method method) {
  weir_copy_options options = {};
  options.method = method;
  return weir_copy(Input(connection), Output(connection), &options, nullptr);
}

// Clients who come and go without end, on a thread of their own.
class Crowd {
 public:
  explicit Crowd(uint16_t port) : thread_([=] { Repeat(port); }) {}
  ~Crowd() {
    stop_ = true;
    thread_.join();
  }

 private:
  void Repeat(uint16_t port) {
    constexpr size_t kMostAtOnce = 200;
    std::vector<RawSocket> clients;
    while (!stop_) {
      clients.emplace_back();
      // Refused is who comes after the end.
      if (clients.back().Connect(port) < 0) return;
      if (clients.size() < kMostAtOnce) continue;
      for (RawSocket &client : clients) client.Reset();
      clients.clear();
    }
  }

  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// Sees each client off who comes.
int Receive(weir_listener *listener) {
  weir_connection *client = nullptr;
  int result;
  while ((result = weir_accept(listener, &client)) == 0) {
    ExpectLaunch([client] {
      weir_bytes line;
      int read = weir_read_line(Input(client), &line);
      weir_connection_close(client);
      return read;
    });
  }
  return result;
}

int Swallow(weir_connection *connection, size_t size) {
  std::vector<char> buffer(size);
  int count;
  while ((count = weir_read_available(Input(connection), buffer.data(), buffer.size())) >= 0) {
  }
  return count;
}

int64_t LatestTimer() {
  int64_t latest = 0;
  for (int i = 0; i < 300; i++) {
    int64_t due = weir_now() + WEIR_MILLISECOND;
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    latest = std::max(latest, weir_now() - due);
  }
  return latest;
}

// Of questions to another connection of the same loop; each waits for the greedy one twice.
int64_t LatestAnswer() {
  TcpPair pair = MakeTcpPair();
  weir_job *echo = LaunchJob([&] { return EchoLines(pair.near); });
  int64_t latest = 0;
  for (int i = 0; i < 300; i++) {
    int64_t asked = weir_now();
    weir_bytes answer;
    EXPECT_EQ(0, weir_write_line(Output(pair.far), weir_text("how are you?")));
    EXPECT_EQ(0, weir_read_line(Input(pair.far), &answer));
    latest = std::max(latest, weir_now() - asked);
  }
  weir_job_cancel(echo);
  EXPECT_EQ(-ECANCELED, EndOf(echo));
  weir_connection_abort(pair.near);
  weir_connection_abort(pair.far);
  weir_connection_close(pair.near);
  weir_connection_close(pair.far);
  return latest / 2;
}

using Handler = std::function<int(weir_connection *connection)>;

class Fairness : public weir_testing::LeakCheckedTest {
 protected:
  // Runs |greedy| on a connection whose peer repeats |part|.
  void Run(const std::string &part, const Handler &greedy) {
    WorkClock clock;
    ExpectRun(clock.options(), [&] {
      RawSocket peer;
      weir_connection *connection = AcceptRaw(&peer);
      auto flood = std::make_unique<Flood>(std::move(peer), part);
      weir_job *job = LaunchJob([&] { return greedy(connection); });
      ExpectFairUntilCancelled(job);
      weir_connection_abort(connection);
      weir_connection_close(connection);
      flood.reset();
      return 0;
    });
  }

  static void ExpectFairUntilCancelled(weir_job *greedy) {
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    EXPECT_GE(kMost, LatestTimer());
    EXPECT_GE(kMost, LatestAnswer());
    weir_job_cancel(greedy);
    EXPECT_EQ(-ECANCELED, EndOf(greedy));
  }
};

TEST_F(Fairness, OfBytesEchoed) {
  Run(std::string(1 << 20, 'x'), [](auto *connection) { return EchoBytes(connection, 64 * 1024); });
}

TEST_F(Fairness, OfManyBytesAtOnceEchoed) {
  Run(std::string(1 << 20, 'x'), [](auto *connection) { return EchoBytes(connection, 4 << 20); });
}

TEST_F(Fairness, OfManyBytesSwallowed) {
  Run(std::string(1 << 20, 'x'), [](auto *connection) { return Swallow(connection, 4 << 20); });
}

TEST_F(Fairness, OfShortLinesEchoed) {
  std::string lines;
  for (int i = 0; i < 10000; i++) lines += "a line that is short\n";
  Run(lines, EchoLines);
}

TEST_F(Fairness, OfLongLinesEchoed) {
  std::string lines;
  for (int i = 0; i < 16; i++) lines += std::string(60000, 'x') + "\n";
  Run(lines, EchoLines);
}

TEST_F(Fairness, OfBytesWritten) {
  Run("x", [](auto *connection) { return WriteOn(connection, 1024); });
}

TEST_F(Fairness, OfManyBytesWrittenAtOnce) {
  Run("x", [](auto *connection) { return WriteOn(connection, 4 << 20); });
}

// What it holds leaves in several calls, and whole.
TEST_F(Fairness, OfAChannelThatHoldsManyBytes) {
  WorkClock clock;
  const std::string text = weir_testing::Pattern(7 << 20);
  ExpectRun(clock.options(), [&] {
    TcpPair pair = MakeTcpPair();
    weir_write_channel_options wide = {};
    wide.capacity = 8 << 20;
    EXPECT_EQ(0, weir_write_channel_configure(Output(pair.near), &wide));
    weir_job *writer = LaunchJob([&] {
      int result = weir_write_fully(Output(pair.near), text.data(), text.size(), nullptr);
      return result < 0 ? result : weir_write_channel_close(Output(pair.near));
    });
    std::string received;
    EXPECT_EQ(0, weir_testing::ReadAll(pair.far, &received));
    EXPECT_TRUE(text == received) << received.size();
    EXPECT_EQ(0, EndOf(writer));
    weir_connection_close(pair.near);
    weir_connection_close(pair.far);
    return 0;
  });
}

TEST_F(Fairness, OfCopies) {
  for (weir_copy_method method : {WEIR_COPY_ANY, WEIR_COPY_THROUGH_MEMORY}) {
    Run(std::string(1 << 20, 'x'),
        [=](auto *connection) { return EchoByCopy(connection, method); });
  }
}

TEST_F(Fairness, OfClientsWhoComeAndGo) {
  WorkClock clock;
  ExpectRun(clock.options(), [&] {
    weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
    auto crowd = std::make_unique<Crowd>(weir_listener_port(listener));
    ExpectFairUntilCancelled(LaunchJob([=] { return Receive(listener); }));
    crowd.reset();
    return weir_listener_close(listener);
  });
}

}  // namespace
