// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to a semaphore and a mutex in a few steps, in every
// order, compared with models so simple that they are plainly right.
//
// What is started waits for others or ends. Steps that do not suspend follow each other without
// anybody running between: so what is handed over meets a cancellation in both orders.

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "testing/all_sequences.h"
#include "testing/sync_test.h"

namespace {

using weir_testing::Step;
using weir_testing::Task;
using weir_testing::Within;

constexpr int kActors = 3;
constexpr int kPatience = 1000;
constexpr int kPending = 1000000;  // as a result: none yet

class LockInterleavings : public weir_testing::SyncTest {};

// Semaphores

class SemaphoreWorld {
 public:
  SemaphoreWorld() { EXPECT_EQ(0, weir_semaphore_create(&real_, 1)); }
  ~SemaphoreWorld() {
    for (auto &actor : actors_) actor.task.reset();
    weir_semaphore_close(real_);
  }

  bool Acquire(uint64_t count) {
    if (real_ == nullptr) return false;
    for (Waiter &actor : actors_) {
      if (actor.task != nullptr) continue;
      actor.count = count;
      actor.expected = ModelTryAcquire(count) == 0 ? 0 : kPending;
      if (actor.expected == kPending) queue_.push_back(&actor);
      actor.task = std::make_unique<Task>([this, count] {
        return Within(kPatience, [&] { return weir_semaphore_acquire(real_, count); });
      });
      return true;
    }
    return false;
  }

  bool TryAcquire(uint64_t count) {
    if (real_ == nullptr) return false;
    EXPECT_EQ(ModelTryAcquire(count), weir_semaphore_try_acquire(real_, count));
    return true;
  }

  bool Release() {
    if (real_ == nullptr) return false;
    EXPECT_EQ(0, weir_semaphore_release(real_, 1));
    permits_++;
    HandOut();
    return true;
  }

  bool Close() {
    if (real_ == nullptr) return false;
    weir_semaphore_close(real_);
    real_ = nullptr;
    for (Waiter *waiter : queue_) waiter->expected = WEIR_E_CLOSED;
    queue_.clear();
    return true;
  }

  // The one who gives up lets the others go on when it runs.
  bool Cancel(int actor) {
    if (actors_[actor].task == nullptr) return false;
    actors_[actor].task->Cancel();
    GiveUp(&actors_[actor], -ECANCELED);
    weir_testing::Settle();
    HandOut();
    return true;
  }

  bool LetTimePass() {
    EXPECT_EQ(0, weir_delay(2 * kPatience));
    for (Waiter &actor : actors_) GiveUp(&actor, -ETIMEDOUT);
    HandOut();
    return true;
  }

  void Check(const std::string &trace) {
    weir_testing::Settle();
    if (real_ != nullptr) {
      EXPECT_EQ(permits_, weir_semaphore_permits(real_)) << trace;
    }
    for (Waiter &actor : actors_) {
      if (actor.task == nullptr) continue;
      EXPECT_EQ(actor.expected, actor.task->ended() ? actor.task->Result() : kPending) << trace;
    }
  }

 private:
  struct Waiter {
    uint64_t count = 0;
    int expected = 0;
    std::unique_ptr<Task> task;
  };

  int ModelTryAcquire(uint64_t count) {
    if (!queue_.empty() || permits_ < count) return -EAGAIN;
    permits_ -= count;
    return 0;
  }

  void HandOut() {
    while (!queue_.empty() && queue_.front()->count <= permits_) {
      permits_ -= queue_.front()->count;
      queue_.front()->expected = 0;
      queue_.pop_front();
    }
  }

  void GiveUp(Waiter *waiter, int result) {
    if (waiter->expected != kPending) return;
    waiter->expected = result;
    for (auto at = queue_.begin(); at != queue_.end(); ++at) {
      if (*at != waiter) continue;
      queue_.erase(at);
      return;
    }
  }

  weir_semaphore *real_ = nullptr;
  uint64_t permits_ = 1;
  std::array<Waiter, kActors> actors_;
  std::deque<Waiter *> queue_;
};

TEST_F(LockInterleavings, OfASemaphore) {
  std::vector<Step<SemaphoreWorld>> steps = {
      {"acquire1", [](auto *world) { return world->Acquire(1); }},
      {"acquire2", [](auto *world) { return world->Acquire(2); }},
      {"try_acquire1", [](auto *world) { return world->TryAcquire(1); }},
      {"release", [](auto *world) { return world->Release(); }},
      {"close", [](auto *world) { return world->Close(); }},
      {"cancel0", [](auto *world) { return world->Cancel(0); }},
      {"cancel1", [](auto *world) { return world->Cancel(1); }},
      {"cancel2", [](auto *world) { return world->Cancel(2); }},
      {"late", [](auto *world) { return world->LetTimePass(); }},
  };
  Run([&] {
    auto create = [] { return std::make_unique<SemaphoreWorld>(); };
    EXPECT_LT(4000, weir_testing::RunAll<SemaphoreWorld>(steps, 5, create));
    return 0;
  });
}

// Mutexes

class MutexWorld {
 public:
  MutexWorld() { EXPECT_EQ(0, weir_mutex_create(&real_)); }
  ~MutexWorld() {
    for (Locker &actor : actors_) {
      actor.task.reset();
      weir_event_close(actor.unlock);
    }
    weir_mutex_close(real_);
  }

  // Starts a coroutine that locks, holds the mutex until it is told to unlock, and unlocks.
  bool Lock() {
    for (Locker &actor : actors_) {
      if (actor.task != nullptr) continue;
      EXPECT_EQ(0, weir_event_create(&actor.unlock));
      actor.expected = kPending;
      queue_.push_back(&actor);
      HandOver();
      actor.task = std::make_unique<Task>([this, self = &actor] { return LockAndUnlock(self); });
      return true;
    }
    return false;
  }

  bool Unlock() {
    if (holder_ == nullptr) return false;
    weir_event_set(holder_->unlock);
    End(holder_, 0);
    weir_testing::Settle();
    return true;
  }

  // The holder that is cancelled unlocks when it runs: until then the next one may be cancelled.
  bool Cancel(int actor) {
    if (actors_[actor].task == nullptr) return false;
    actors_[actor].task->Cancel();
    End(&actors_[actor], -ECANCELED);
    return true;
  }

  bool TryLock() {
    weir_testing::Settle();
    int expected = holder_ == nullptr ? 0 : -EAGAIN;
    EXPECT_EQ(expected, weir_mutex_try_lock(real_));
    EXPECT_EQ(expected == 0 ? 0 : -EPERM, weir_mutex_unlock(real_));
    return true;
  }

  // Who holds the mutex has all the time.
  bool LetTimePass() {
    EXPECT_EQ(0, weir_delay(2 * kPatience));
    while (!queue_.empty()) End(queue_.front(), -ETIMEDOUT);
    return true;
  }

  void Check(const std::string &trace) {
    weir_testing::Settle();
    for (Locker &actor : actors_) {
      if (actor.task == nullptr) continue;
      EXPECT_EQ(actor.expected, actor.task->ended() ? actor.task->Result() : kPending) << trace;
      EXPECT_EQ(&actor == holder_, actor.holds) << trace;
    }
  }

 private:
  struct Locker {
    weir_event *unlock = nullptr;
    int expected = 0;
    bool holds = false;
    std::unique_ptr<Task> task;
  };

  int LockAndUnlock(Locker *self) {
    int result = Within(kPatience, [&] { return weir_mutex_lock(real_); });
    if (result < 0) return result;
    self->holds = true;
    result = weir_event_wait(self->unlock);
    self->holds = false;
    EXPECT_EQ(0, weir_mutex_unlock(real_));
    return result;
  }

  void End(Locker *locker, int result) {
    if (locker->expected != kPending) return;
    locker->expected = result;
    if (holder_ == locker) holder_ = nullptr;
    for (auto at = queue_.begin(); at != queue_.end(); ++at) {
      if (*at != locker) continue;
      queue_.erase(at);
      break;
    }
    HandOver();
  }

  void HandOver() {
    if (holder_ != nullptr || queue_.empty()) return;
    holder_ = queue_.front();
    queue_.pop_front();
  }

  weir_mutex *real_ = nullptr;
  std::array<Locker, kActors> actors_;
  Locker *holder_ = nullptr;
  std::deque<Locker *> queue_;
};

TEST_F(LockInterleavings, OfAMutex) {
  std::vector<Step<MutexWorld>> steps = {
      {"lock", [](auto *world) { return world->Lock(); }},
      {"unlock", [](auto *world) { return world->Unlock(); }},
      {"try_lock", [](auto *world) { return world->TryLock(); }},
      {"cancel0", [](auto *world) { return world->Cancel(0); }},
      {"cancel1", [](auto *world) { return world->Cancel(1); }},
      {"cancel2", [](auto *world) { return world->Cancel(2); }},
      {"late", [](auto *world) { return world->LetTimePass(); }},
  };
  Run([&] {
    auto create = [] { return std::make_unique<MutexWorld>(); };
    EXPECT_LT(4000, weir_testing::RunAll<MutexWorld>(steps, 6, create));
    return 0;
  });
}

}  // namespace
