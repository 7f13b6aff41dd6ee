// SPDX-License-Identifier: Apache-2.0
//
// Scopes and jobs, the simple way: what the headers promise of one scope with two coroutines, as a
// list of who can run and a few flags. Knows nothing of the library.

#ifndef WEIR_TESTING_SCOPE_MODEL_H
#define WEIR_TESTING_SCOPE_MODEL_H

#include <array>
#include <cerrno>
#include <deque>
#include <vector>

namespace weir_testing::scope_model {

constexpr int kActors = 2;

enum class Order { kNone, kFinish, kFail, kJoin };

// A coroutine that waits for an order, and does it. Whatever interrupts it, it ends with that code.
struct Actor {
  enum class State { kNone, kReady, kWaiting, kJoining, kEnded };
  State state = State::kNone;
  bool shielded = false;
  bool begun = false;
  bool joining = false;  // what it was woken from
  int woken = 0;         // with which code
  Order order = Order::kNone;
  bool cancelled = false;
  int cause = 0;
  int result = 0;
  std::vector<int> joined;  // results that it has learnt

  bool IsLive() const { return state != State::kNone && state != State::kEnded; }
};

class Scope {
 public:
  Scope(bool fail_together, bool first_shielded) : fail_together_(fail_together) {
    actors_[0].shielded = first_shielded;
  }

  const Actor &actor(int index) const { return actors_[index]; }
  const std::vector<int> &ends() const { return ends_; }
  // The owner is as if cancelled until it has learnt of the failure.
  bool IsOwnerStopped() const { return fail_together_ && first_failure_ != 0 && !told_; }
  void TellOwner() { told_ = true; }
  int first_failure() const { return first_failure_; }

  void Launch(int index) {
    Actor &actor = actors_[index];
    actor.state = Actor::State::kReady;
    actor.cancelled = cancelled_;
    actor.cause = cause_;
    ready_.push_back(index);
    launched_.push_back(index);
  }

  void Give(int index, Order order) {
    actors_[index].order = order;
    if (actors_[index].state == Actor::State::kWaiting) Wake(index, 0);
  }

  void Cancel(int index, int cause) {
    Actor &actor = actors_[index];
    if (!actor.IsLive()) return;
    if (!actor.cancelled) actor.cause = cause;
    actor.cancelled = true;
    if (!actor.shielded) Wake(index, -ECANCELED);
  }

  void CancelAll(int cause) {
    if (!cancelled_) cause_ = cause;
    cancelled_ = true;
    for (int index : launched_) Cancel(index, cause);
  }

  // The deadline that they have inherited passes, after all who could run have run.
  void PassDeadline() {
    Run();
    expired_ = true;
    for (int index : launched_) {
      if (!actors_[index].shielded) Wake(index, -ETIMEDOUT);
    }
    Run();
  }

  // Lets all run until nobody can.
  void Run() {
    while (!ready_.empty()) {
      int index = ready_.front();
      ready_.pop_front();
      Resume(index);
    }
  }

 private:
  // Only the first wake counts.
  void Wake(int index, int code) {
    Actor &actor = actors_[index];
    if (actor.state != Actor::State::kWaiting && actor.state != Actor::State::kJoining) return;
    actor.joining = actor.state == Actor::State::kJoining;
    actor.state = Actor::State::kReady;
    actor.woken = code;
    ready_.push_back(index);
  }

  // What whoever is about to wait is told instead.
  int Check(const Actor &actor) const {
    if (actor.shielded) return 0;
    if (actor.cancelled) return -ECANCELED;
    return expired_ ? -ETIMEDOUT : 0;
  }

  void Resume(int index) {
    Actor &actor = actors_[index];
    if (actor.begun && actor.woken < 0) return End(index, actor.woken);
    if (actor.begun && actor.joining) {
      actor.joined.push_back(actors_[1 - index].result);
    } else if (actor.begun) {
      if (!Obey(index)) return;
    }
    actor.begun = true;
    do {
      int stop = Check(actor);
      if (stop < 0) return End(index, stop);
      if (actor.order == Order::kNone) {
        actor.state = Actor::State::kWaiting;
        return;
      }
    } while (Obey(index));
  }

  // Returns whether it waits for the next order.
  bool Obey(int index) {
    Actor &actor = actors_[index];
    const Actor &other = actors_[1 - index];
    Order order = actor.order;
    actor.order = Order::kNone;
    if (order == Order::kFinish) return End(index, 1 + index), false;
    if (order == Order::kFail) return End(index, index == 0 ? -EIO : -EPIPE), false;
    int stop = Check(actor);
    if (stop < 0) return End(index, stop), false;
    if (other.IsLive()) {
      actor.state = Actor::State::kJoining;
      return false;
    }
    actor.joined.push_back(other.result);
    return true;
  }

  // Who waits for the end learns of it before a failure takes him, too.
  void End(int index, int result) {
    Actor &actor = actors_[index];
    actor.state = Actor::State::kEnded;
    actor.result = result;
    ends_.push_back(index);
    int other = 1 - index;
    if (actors_[other].state == Actor::State::kJoining) Wake(other, 0);
    if (result >= 0 || result == -ECANCELED || first_failure_ != 0) return;
    first_failure_ = result;
    if (fail_together_) CancelAll(result);
  }

  std::array<Actor, kActors> actors_;
  std::deque<int> ready_;
  std::vector<int> launched_, ends_;
  bool fail_together_;
  bool cancelled_ = false;
  int cause_ = 0;
  bool expired_ = false;
  int first_failure_ = 0;
  bool told_ = false;
};

}  // namespace weir_testing::scope_model

#endif  // WEIR_TESTING_SCOPE_MODEL_H
