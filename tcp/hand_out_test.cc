// SPDX-License-Identifier: Apache-2.0
//
// Handing clients out to loops that are busy: nobody waits for a loop but its own clients, and
// whatever happens none of them is lost.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/raw_socket.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::LaunchCoroutineOn;
using weir_testing::LaunchJob;
using weir_testing::Output;
using weir_testing::RawSocket;

constexpr int kLoops = 3;

// A kernel that counts what it accepts, and whose time stands still but for what the test adds.
class CountingKernel {
 public:
  CountingKernel() : calls_(weir_internal_kernel) {
    calls_.context = this;
    calls_.now = [](void *self) { return Of(self)->now_.load(); };
    calls_.accept = [](void *self, int fd, sockaddr *address, socklen_t *size, int flags) {
      int result = weir_internal_kernel.accept(nullptr, fd, address, size, flags);
      if (result >= 0) Of(self)->accepted_++;
      return result;
    };
    calls_.epoll_wait = [](void *self, int epoll, epoll_event *events, int count, int64_t timeout) {
      if (Of(self)->failing_ == std::this_thread::get_id()) return -EBADF;
      return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, timeout);
    };
  }

  weir_selector_options options() const {
    weir_selector_options options = {};
    options.loops = kLoops;
    options.system_calls = &calls_;
    return options;
  }
  // Suspends until so many were accepted.
  void AwaitAccepted(size_t count) const {
    while (accepted_ < count) EXPECT_EQ(0, weir_yield());
  }
  void Pass(int64_t nanoseconds) { now_ += nanoseconds; }
  // The loop of this thread cannot wait any more.
  void FailHere() { failing_ = std::this_thread::get_id(); }

 private:
  static CountingKernel *Of(void *self) { return static_cast<CountingKernel *>(self); }

  weir_internal_system_calls calls_;
  std::atomic<int64_t> now_{1000 * WEIR_SECOND};
  std::atomic<size_t> accepted_{0};
  std::atomic<std::thread::id> failing_{};
};

// Keeps a loop busy, so that it reads no messages.
class Busy {
 public:
  explicit Busy(int loop) {
    EXPECT_EQ(0, LaunchCoroutineOn(loop, [this] {
                begun_.set_value();
                end_.get_future().wait();
                if (then_) then_();
                ended_ = true;
                return 0;
              }));
    begun_.get_future().wait();
  }
  ~Busy() {
    if (!told_) End();
    // Perhaps in a run that fails.
    while (!ended_ && weir_yield() <= 0) continue;
  }
  Busy(const Busy &) = delete;
  Busy &operator=(const Busy &) = delete;

  void End(std::function<void()> then = {}) {
    then_ = std::move(then);
    told_ = true;
    end_.set_value();
  }

 private:
  std::promise<void> begun_, end_;
  std::function<void()> then_;
  bool told_ = false;
  std::atomic<bool> ended_{false};
};

class HandOut : public weir_testing::LeakCheckedTest {
 protected:
  void TearDown() override {
    clients_.clear();
    LeakCheckedTest::TearDown();
  }

  // Begins to serve clients, each of whom stays until he goes or all are cancelled.
  void Begin(weir_tcp_placement placement, weir_tcp_handler handler = Handle,
             const std::function<void()> &first = {}) {
    options_.placement = placement;
    listener_ = weir_testing::Bind("127.0.0.1", 0);
    ended_ = false;
    job_ = LaunchJob([=] {
      if (first) first();
      int result = weir_tcp_serve(listener_, &options_, handler, this);
      ended_ = true;
      return result;
    });
    EXPECT_EQ(0, weir_yield());
  }

  void Connect(int count) {
    for (int i = 0; i < count; i++) {
      clients_.emplace_back();
      EXPECT_EQ(0, clients_.back().Connect(weir_listener_port(listener_)));
    }
    kernel_.AwaitAccepted(clients_.size());
  }

  // How many clients have a handler.
  int served() const { return served_[0] + served_[1] + served_[2]; }
  void AwaitServed(int count) const {
    while (served() < count) EXPECT_EQ(0, weir_yield());
  }

  // Waits until all that was served is over.
  int EndOfServing() {
    int result = EndOf(job_);
    if (listener_ != nullptr) {
      EXPECT_EQ(0, weir_listener_close(listener_));
    }
    return result;
  }

  // For those who wait until a pause is over.
  void LetPass() {
    kernel_.Pass(WEIR_MILLISECOND);
    EXPECT_EQ(0, weir_yield());
  }

  int CancelServing() {
    weir_job_cancel(job_);
    return EndOfServing();
  }

  // Each got what his handler says, and then the end; or a reset, if nobody has served him.
  void ExpectClientsWereServed(size_t count) {
    size_t greeted = 0;
    for (RawSocket &client : clients_) {
      char text[16];
      ssize_t size;
      do size = recv(client.fd(), text, sizeof text, 0);
      while (size > 0 && ++greeted > 0);
    }
    EXPECT_EQ(count, greeted);
  }

  static int Handle(weir_connection *client, void *self) {
    static_cast<HandOut *>(self)->served_[weir_current_loop()]++;
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_write_line(Output(client), weir_text("hello")));
    EXPECT_EQ(0, weir_flush(Output(client)));
    weir_shield_end(shield);
    weir_bytes line;
    int result = weir_read_line(weir_open_read_channel(client), &line);
    weir_connection_set_close_timeout(client, 0);
    weir_connection_close(client);
    return result;
  }

  // Whatever fails.
  static int HandleAnyhow(weir_connection *client, void *self) {
    static_cast<HandOut *>(self)->served_[weir_current_loop()]++;
    int result = weir_write_line(Output(client), weir_text("hello"));
    weir_connection_set_close_timeout(client, 0);
    weir_connection_close(client);
    return result;
  }

  // Tells whether something has come for |client|, be it the end.
  static bool HasHeard(const RawSocket &client) {
    char byte;
    return recv(client.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
  }

  CountingKernel kernel_;
  weir_tcp_serve_options options_ = {};
  weir_listener *listener_ = nullptr;
  weir_job *job_ = nullptr;
  std::vector<RawSocket> clients_;
  std::atomic<int> served_[kLoops] = {};
  bool ended_ = false;
};

TEST_F(HandOut, ABusyLoopDelaysOnlyItsOwnClients) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    Busy busy(1);
    Begin(WEIR_TCP_ROUND_ROBIN);
    Connect(12);
    AwaitServed(8);
    EXPECT_EQ(0, served_[1]);
    busy.End();
    AwaitServed(12);
    for (int count : served_) EXPECT_EQ(4, count);
    EXPECT_EQ(-ECANCELED, CancelServing());
    ExpectClientsWereServed(12);
    return 0;
  });
}

// Two loops take nothing up for as long as no time passes.
TEST_F(HandOut, WhatIsOnItsWayIsALoad) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    Busy first(1), second(2);
    Begin(WEIR_TCP_LEAST_LOADED);
    Connect(60);
    first.End();
    second.End();
    AwaitServed(60);
    for (int count : served_) EXPECT_NEAR(20, count, 5);
    EXPECT_EQ(-ECANCELED, CancelServing());
    return 0;
  });
}

TEST_F(HandOut, ALoopThatDoesNotAnswerIsPassedOver) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    {
      Busy busy(1);
      Begin(WEIR_TCP_LEAST_LOADED);
      Connect(30);
      kernel_.Pass(20 * WEIR_MILLISECOND);
      EXPECT_LT(0, weir_now());  // the loop looks at the clock
      Connect(60);
      AwaitServed(75);
      EXPECT_EQ(0, served_[1]);
    }
    AwaitServed(90);
    // It answers again, and has fewer than one of the others at least: that may have been too slow
    // for the clock of this test, too.
    int before = served_[1];
    Connect(30);
    AwaitServed(120);
    EXPECT_LT(before + 10, served_[1]);
    EXPECT_EQ(-ECANCELED, CancelServing());
    return 0;
  });
}

TEST_F(HandOut, ClientsOnTheirWayFindACancelledHandler) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    {
      Busy first(1), second(2);
      Begin(WEIR_TCP_ROUND_ROBIN);
      Connect(12);
      weir_job_cancel(job_);
      for (int i = 0; i < 10; i++) EXPECT_EQ(0, weir_yield());
    }
    EXPECT_EQ(-ECANCELED, EndOfServing());
    EXPECT_EQ(12, served());
    ExpectClientsWereServed(12);
    return 0;
  });
}

TEST_F(HandOut, ClientsOnTheirWayAreServedAfterAClose) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    {
      Busy first(1), second(2);
      Begin(WEIR_TCP_ROUND_ROBIN);
      Connect(12);
      // It does not wait for those loops.
      EXPECT_EQ(0, weir_listener_close(listener_));
      listener_ = nullptr;
    }
    AwaitServed(12);
    ExpectLaunch([this] { return clients_.clear(), 0; });
    EXPECT_EQ(WEIR_E_CLOSED, EndOfServing());
    return 0;
  });
}

TEST_F(HandOut, ADeadlineCoversClientsOnTheirWay) {
  weir_testing::ExpectRun(kernel_.options(), [this] {
    listener_ = weir_testing::Bind("127.0.0.1", 0);
    {
      Busy first(1), second(2);
      options_.placement = WEIR_TCP_ROUND_ROBIN;
      job_ = LaunchJob([this] {
        weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
        int result = weir_tcp_serve(listener_, &options_, Handle, this);
        EXPECT_TRUE(weir_timeout_end(timeout));
        return result;
      });
      EXPECT_EQ(0, weir_yield());
      Connect(12);
      kernel_.Pass(2 * WEIR_SECOND);
      for (int i = 0; i < 1000; i++) EXPECT_EQ(0, weir_yield());  // it looks at timers now and then
    }
    EXPECT_EQ(-ETIMEDOUT, EndOfServing());
    EXPECT_EQ(12, served());
    return 0;
  });
}

TEST_F(HandOut, NobodyIsLostWithALoopThatFails) {
  const weir_selector_options options = kernel_.options();
  auto run = [this] {
    Begin(WEIR_TCP_ROUND_ROBIN, HandleAnyhow);
    {
      Busy first(1), second(2);
      Connect(12);
      first.End([this] { kernel_.FailHere(); });
    }
    int result = 0;
    // Not even a shield helps, and so each wait may be cut short.
    weir_shield shield = weir_shield_begin();
    while (weir_job_wait(job_, &result) < 0) continue;
    weir_job_close(job_);
    weir_shield_end(shield);
    EXPECT_EQ(12, served());
    EXPECT_EQ(0, weir_listener_close(listener_));
    return result;
  };
  EXPECT_EQ(-EBADF, weir_testing::RunCoroutine(run, &options));
}

// Its handler cannot be launched. The next one is served.
TEST_F(HandOut, AClientWithoutAHandlerIsReset) {
  for (weir_tcp_placement placement : {WEIR_TCP_ROUND_ROBIN, WEIR_TCP_SAME_LOOP}) {
    weir_testing::ExpectRun(kernel_.options(), [this, placement] {
      options_.launch.stack_size = 1;
      Begin(placement);
      for (int i = 0; i < 2 * kLoops; i++) {
        RawSocket client;
        EXPECT_EQ(0, client.Connect(weir_listener_port(listener_)));
        while (client.PendingError() == 0) LetPass();
      }
      EXPECT_EQ(0, served());
      EXPECT_EQ(-ECANCELED, CancelServing());
      return 0;
    });
  }
}

// Each request for memory fails in turn.
TEST_F(HandOut, WithoutMemoryNobodyIsLostAndNothingLeaks) {
  bool refused = true;
  for (int nth = 1; refused; nth++) {
    weir_testing::ExpectRun(kernel_.options(), [&] {
      allocator().FailNth(0);
      Begin(WEIR_TCP_ROUND_ROBIN, HandleAnyhow, [&] { allocator().FailNth(nth); });
      std::vector<RawSocket> clients(2 * kLoops);
      for (RawSocket &client : clients) {
        EXPECT_EQ(0, client.Connect(weir_listener_port(listener_)));
      }
      for (const RawSocket &client : clients) {
        while (!ended_ && !HasHeard(client)) LetPass();
      }
      refused = allocator().refused();
      allocator().FailNth(0);
      int result = CancelServing();
      EXPECT_TRUE(result == -ECANCELED || (refused && result == -ENOMEM)) << result;
      for (const RawSocket &client : clients) EXPECT_TRUE(HasHeard(client));
      return 0;
    });
  }
}

}  // namespace
