// SPDX-License-Identifier: Apache-2.0
//
// Four loops hammer each other with all that may be shared between loops: coroutines launched,
// cancelled and joined across, mutexes, semaphores, events, typed channels, pipes. ThreadSanitizer
// looks for races, and the books are kept: nothing that was sent is lost or comes twice.
//
// It takes a second, or as many as you like: WEIR_HAMMER_SECONDS=30.

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <random>
#include <string>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/channel.h"
#include "weir/selector.h"
#include "weir/sync.h"

namespace {

using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

constexpr int kLoops = 4;
constexpr int kWorkersOfALoop = 6;

// Deadlines and cancels come when they like.
void Ignore(int) {}

// What all loops share. The counter is the mutex's.
struct Shared {
  weir_mutex *mutex = nullptr;
  weir_semaphore *semaphore = nullptr;
  weir_event *event = nullptr;
  weir_typed_channel *channel = nullptr;
  long counter = 0;
  std::atomic<long> counted{0};
  std::atomic<int> inside{0};
  std::atomic<long> sent{0}, received{0}, echoed{0}, launched{0}, ran{0};
  int64_t until = 0;
};

class Worker {
 public:
  Worker(Shared *shared, unsigned seed) : shared_(shared), random_(seed) {}

  int Run() {
    while (weir_now() < shared_->until) Act();
    return 0;
  }

 private:
  void Act() {
    // Whatever it waits for may come too late.
    weir_timeout timeout = weir_timeout_begin(Random(300) * WEIR_MICROSECOND);
    switch (Random(8)) {
      case 0:
        Count();
        break;
      case 1:
        Enter();
        break;
      case 2:
        Send();
        break;
      case 3:
        Receive();
        break;
      case 4:
        SendOrReceive();
        break;
      case 5:
        Await();
        break;
      case 6:
        LaunchAndJoin();
        break;
      default:
        Echo();
        break;
    }
    weir_timeout_end(timeout);
    // So that nobody who never waits keeps his loop.
    Ignore(weir_yield());
  }

  void Count() {
    if (weir_mutex_lock(shared_->mutex) < 0) return;
    shared_->counter++;
    if (Random(2) == 0) Ignore(weir_yield());
    EXPECT_EQ(0, weir_mutex_unlock(shared_->mutex));
    shared_->counted++;
  }

  void Enter() {
    if (weir_semaphore_acquire(shared_->semaphore, 1) < 0) return;
    EXPECT_GE(2, ++shared_->inside);
    Ignore(weir_yield());
    shared_->inside--;
    EXPECT_EQ(0, weir_semaphore_release(shared_->semaphore, 1));
  }

  void Send() {
    int value = Random(1000);
    if (weir_typed_channel_send(shared_->channel, &value) == 0) shared_->sent += value;
  }

  void Receive() {
    int value = 0;
    if (weir_typed_channel_receive(shared_->channel, &value) == 0) shared_->received += value;
  }

  void SendOrReceive() {
    int value = Random(1000), got = 0;
    weir_select_case cases[] = {{shared_->channel, nullptr, &got, 0},
                                {shared_->channel, &value, nullptr, 0}};
    int chosen = weir_select(cases, 2);
    if (chosen == 0) shared_->received += got;
    if (chosen == 1) shared_->sent += value;
  }

  void Await() {
    if (Random(2) == 0) weir_event_set(shared_->event);
    Ignore(weir_event_wait(shared_->event));
    if (Random(2) == 0) weir_event_reset(shared_->event);
  }

  void LaunchAndJoin() {
    weir_job *job = nullptr;
    auto body = [shared = shared_, delay = Random(100)] {
      shared->ran++;
      return weir_delay(delay * WEIR_MICROSECOND);
    };
    if (LaunchCoroutineOn(Random(kLoops), body, nullptr, &job) < 0) return;
    shared_->launched++;
    if (Random(2) == 0) weir_job_cancel(job);
    Ignore(weir_job_wait(job, nullptr));
    if (Random(2) == 0) weir_job_cancel(job);
    weir_job_close(job);
  }

  static int Repeat(weir_connection *connection) {
    weir_bytes line;
    int result;
    while ((result = weir_read_line(weir_open_read_channel(connection), &line)) == 0) {
      result = weir_write_line(weir_open_write_channel(connection, true), line);
      if (result < 0) break;
    }
    weir_connection_set_close_timeout(connection, 0);
    weir_connection_close(connection);
    return 0;
  }

  void Echo() {
    weir_connection *near = nullptr, *far = nullptr;
    weir_pipe_options options = {};
    options.across_loops = true;
    options.capacity = static_cast<size_t>(1 + Random(50));
    EXPECT_EQ(0, weir_pipe(&near, &far, &options));
    weir_job *job = nullptr;
    EXPECT_EQ(0, LaunchCoroutineOn(
                     Random(kLoops), [far] { return Repeat(far); }, nullptr, &job));
    int lines = Random(5);
    for (int i = 0; i < lines; i++) EchoOne(near);
    if (Random(3) == 0) weir_job_cancel(job);
    if (Random(3) == 0) weir_connection_abort(near);
    weir_connection_set_close_timeout(near, 0);
    weir_connection_close(near);
    weir_job_close(job);
  }

  void EchoOne(weir_connection *connection) {
    const std::string text(static_cast<size_t>(Random(100)), 'x');
    int result = weir_write_line(weir_open_write_channel(connection, true),
                                 weir_bytes_of(text.data(), text.size()));
    weir_bytes line;
    if (result == 0) result = weir_read_line(weir_open_read_channel(connection), &line);
    if (result < 0) return;
    shared_->echoed++;
  }

  int Random(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }

  Shared *shared_;
  std::minstd_rand random_;
};

class Hammer : public weir_testing::LeakCheckedTest {};

TEST_F(Hammer, OfFourLoops) {
  const char *seconds = getenv("WEIR_HAMMER_SECONDS");
  const int64_t duration = seconds == nullptr ? 1 : strtol(seconds, nullptr, 10);
  Shared shared;
  ASSERT_EQ(0, weir_mutex_create(&shared.mutex));
  ASSERT_EQ(0, weir_semaphore_create(&shared.semaphore, 2));
  ASSERT_EQ(0, weir_event_create(&shared.event));
  ASSERT_EQ(0, weir_typed_channel_create(&shared.channel, sizeof(int), 4));
  weir_selector_options options = {};
  options.loops = kLoops;
  EXPECT_EQ(0, RunCoroutine(
                   [&] {
                     shared.until = weir_now() + duration * WEIR_SECOND;
                     for (int i = 0; i < kLoops * kWorkersOfALoop; i++) {
                       auto work = [&shared, i] {
                         return Worker(&shared, static_cast<unsigned>(i) + 1).Run();
                       };
                       EXPECT_EQ(0, LaunchCoroutineOn(i % kLoops, work));
                     }
                     return weir_scope_wait(nullptr);
                   },
                   &options));
  int value = 0;
  while (weir_typed_channel_try_receive(shared.channel, &value) == 0) shared.received += value;
  EXPECT_EQ(shared.sent, shared.received);
  EXPECT_EQ(shared.counted, shared.counter);
  EXPECT_EQ(shared.launched, shared.ran);
  EXPECT_EQ(2u, weir_semaphore_permits(shared.semaphore));
  for (long done :
       {shared.counter, shared.received.load(), shared.echoed.load(), shared.launched.load()}) {
    EXPECT_LT(10, done);
  }
  weir_mutex_close(shared.mutex);
  weir_semaphore_close(shared.semaphore);
  weir_event_close(shared.event);
  weir_typed_channel_close(shared.channel);
}

}  // namespace
