// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to a typed channel, or to two with selects, in a few steps, in every
// order, compared with a model so simple that it is plainly right.
//
// What is started waits for others or ends. Steps that do not suspend follow each other without
// anybody running between: so what is handed over meets a cancellation in both orders.

#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
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

// Channels, the simple way

struct ModelCase {
  int channel;
  bool send;
};

struct ModelOperation {
  std::vector<ModelCase> cases;
  int value;  // to send
  int chosen = kPending;
  int result = 0;  // of the chosen case
  int received = 0;

  void End(int new_chosen, int new_result) {
    chosen = new_chosen;
    result = new_result;
  }
};

struct ModelWaiter {
  std::shared_ptr<ModelOperation> operation;
  int index;
};

struct ModelChannel {
  size_t capacity = 0;
  std::deque<int> elements;
  bool finished = false;
  std::deque<ModelWaiter> senders, receivers;

  // The first of |queue| that has no result yet.
  static std::optional<ModelWaiter> Next(std::deque<ModelWaiter> *queue) {
    while (!queue->empty()) {
      ModelWaiter first = queue->front();
      queue->pop_front();
      if (first.operation->chosen == kPending) return first;
    }
    return std::nullopt;
  }

  static void EndAll(std::deque<ModelWaiter> *queue, int result) {
    while (auto waiter = Next(queue)) waiter->operation->End(waiter->index, result);
  }

  int Send(int value) {
    if (finished) return -EPIPE;
    if (auto receiver = Next(&receivers)) {
      receiver->operation->received = value;
      receiver->operation->End(receiver->index, 0);
      return 0;
    }
    if (elements.size() == capacity) return -EAGAIN;
    elements.push_back(value);
    return 0;
  }

  int Receive(int *out) {
    if (auto sender = Next(&senders)) {
      elements.push_back(sender->operation->value);
      sender->operation->End(sender->index, 0);
    }
    if (elements.empty()) return finished ? WEIR_E_END_OF_STREAM : -EAGAIN;
    *out = elements.front();
    elements.pop_front();
    return 0;
  }

  void End(int sender_result, int receiver_result) {
    EndAll(&senders, sender_result);
    EndAll(&receivers, receiver_result);
  }
};

void Start(std::vector<ModelChannel> *channels, const std::shared_ptr<ModelOperation> &operation) {
  for (size_t i = 0; i < operation->cases.size(); i++) {
    ModelChannel &channel = (*channels)[operation->cases[i].channel];
    int result = operation->cases[i].send ? channel.Send(operation->value)
                                          : channel.Receive(&operation->received);
    if (result != -EAGAIN) return operation->End(static_cast<int>(i), result);
  }
  for (size_t i = 0; i < operation->cases.size(); i++) {
    ModelChannel &channel = (*channels)[operation->cases[i].channel];
    auto &queue = operation->cases[i].send ? channel.senders : channel.receivers;
    queue.push_back({operation, static_cast<int>(i)});
  }
}

// The real channels beside their models

// An operation under test, in a coroutine of its own.
struct Actor {
  std::shared_ptr<ModelOperation> expected;
  ModelOperation actual;
  std::unique_ptr<Task> task;

  void Compare(const std::string &trace) {
    if (task->ended()) {
      EXPECT_EQ(expected->chosen, actual.chosen) << trace;
      if (expected->chosen >= 0) {
        EXPECT_EQ(expected->result, actual.result) << trace;
      }
      EXPECT_EQ(expected->received, actual.received) << trace;
    } else {
      EXPECT_EQ(kPending, expected->chosen) << trace;
    }
  }
};

class ChannelWorld {
 public:
  explicit ChannelWorld(const std::vector<size_t> &capacities) {
    for (size_t capacity : capacities) {
      real_.emplace_back();
      EXPECT_EQ(0, weir_typed_channel_create(&real_.back(), sizeof(int), capacity));
      models_.emplace_back();
      models_.back().capacity = capacity;
    }
  }
  ~ChannelWorld() {
    for (auto &actor : actors_) {
      if (actor != nullptr) actor->task.reset();
    }
    for (weir_typed_channel *channel : real_) weir_typed_channel_close(channel);
  }

  // The steps tell whether they make sense now.

  bool StartOperation(std::vector<ModelCase> cases) {
    for (const ModelCase &one : cases) {
      if (real_[one.channel] == nullptr) return false;
    }
    for (auto &actor : actors_) {
      if (actor != nullptr) continue;
      actor = std::make_unique<Actor>();
      actor->actual.cases = std::move(cases);
      actor->actual.value = ++last_value_;
      actor->expected = std::make_shared<ModelOperation>(actor->actual);
      Start(&models_, actor->expected);
      actor->task = std::make_unique<Task>([this, self = &actor->actual] { return Perform(self); });
      return true;
    }
    return false;
  }

  bool TrySend(int channel) {
    if (real_[channel] == nullptr) return false;
    int value = ++last_value_;
    EXPECT_EQ(models_[channel].Send(value), weir_typed_channel_try_send(real_[channel], &value));
    return true;
  }

  bool TryReceive(int channel) {
    if (real_[channel] == nullptr) return false;
    int expected = 0, actual = 0;
    EXPECT_EQ(models_[channel].Receive(&expected),
              weir_typed_channel_try_receive(real_[channel], &actual));
    EXPECT_EQ(expected, actual);
    return true;
  }

  bool Finish(int channel) {
    if (real_[channel] == nullptr) return false;
    weir_typed_channel_finish(real_[channel]);
    models_[channel].finished = true;
    models_[channel].End(-EPIPE, WEIR_E_END_OF_STREAM);
    return true;
  }

  bool Close(int channel) {
    if (real_[channel] == nullptr) return false;
    weir_typed_channel_close(real_[channel]);
    real_[channel] = nullptr;
    models_[channel].End(WEIR_E_CLOSED, WEIR_E_CLOSED);
    return true;
  }

  bool Cancel(int actor) {
    if (actors_[actor] == nullptr) return false;
    actors_[actor]->task->Cancel();
    ModelOperation &expected = *actors_[actor]->expected;
    if (expected.chosen == kPending) expected.End(-ECANCELED, 0);
    return true;
  }

  bool LetTimePass() {
    EXPECT_EQ(0, weir_delay(2 * kPatience));
    for (auto &actor : actors_) {
      if (actor != nullptr && actor->expected->chosen == kPending) {
        actor->expected->End(-ETIMEDOUT, 0);
      }
    }
    return true;
  }

  void Check(const std::string &trace) {
    weir_testing::Settle();
    for (auto &actor : actors_) {
      if (actor != nullptr) actor->Compare(trace);
    }
  }

 private:
  int Perform(ModelOperation *self) {
    std::vector<weir_select_case> cases;
    for (const ModelCase &one : self->cases) {
      cases.push_back({real_[one.channel], one.send ? &self->value : nullptr,
                       one.send ? nullptr : &self->received, 0});
    }
    int chosen = Within(kPatience, [&] { return PerformCases(&cases); });
    self->End(chosen, chosen >= 0 ? cases[chosen].result : 0);
    return 0;
  }

  // One case goes the way of those who do not select.
  static int PerformCases(std::vector<weir_select_case> *cases) {
    weir_select_case &only = cases->front();
    if (cases->size() > 1) return weir_select(cases->data(), static_cast<int>(cases->size()));
    only.result = only.send != nullptr ? weir_typed_channel_send(only.channel, only.send)
                                       : weir_typed_channel_receive(only.channel, only.receive);
    return only.result == -ECANCELED || only.result == -ETIMEDOUT ? only.result : 0;
  }

  std::vector<weir_typed_channel *> real_;
  std::vector<ModelChannel> models_;
  std::array<std::unique_ptr<Actor>, kActors> actors_;
  int last_value_ = 0;
};

using ChannelStep = Step<ChannelWorld>;

void AddCancellations(std::vector<ChannelStep> *steps) {
  for (int i = 0; i < kActors; i++) {
    steps->push_back({"cancel" + std::to_string(i), [i](auto *world) { return world->Cancel(i); }});
  }
  steps->push_back({"late", [](auto *world) { return world->LetTimePass(); }});
}

class TypedChannelInterleavings : public weir_testing::SyncTest,
                                  public ::testing::WithParamInterface<size_t> {};

TEST_P(TypedChannelInterleavings, OfOneChannel) {
  std::vector<ChannelStep> steps = {
      {"send",
       [](auto *world) {
         return world->StartOperation({{0, true}});
       }},
      {"receive",
       [](auto *world) {
         return world->StartOperation({{0, false}});
       }},
      {"try_send", [](auto *world) { return world->TrySend(0); }},
      {"try_receive", [](auto *world) { return world->TryReceive(0); }},
      {"finish", [](auto *world) { return world->Finish(0); }},
      {"close", [](auto *world) { return world->Close(0); }},
  };
  AddCancellations(&steps);
  Run([&] {
    auto create = [] { return std::make_unique<ChannelWorld>(std::vector<size_t>{GetParam()}); };
    EXPECT_LT(4000, weir_testing::RunAll<ChannelWorld>(steps, 5, create));
    return 0;
  });
}

TEST_P(TypedChannelInterleavings, OfSelectsOverTwoChannels) {
  auto select = [](ModelCase first, ModelCase second) {
    return [=](ChannelWorld *world) { return world->StartOperation({first, second}); };
  };
  std::vector<ChannelStep> steps = {
      {"receive0_or_1", select({0, false}, {1, false})},
      {"send1_or_0", select({1, true}, {0, true})},
      {"send0_or_receive0", select({0, true}, {0, false})},
      {"receive1_or_send0", select({1, false}, {0, true})},
      {"try_send0", [](auto *world) { return world->TrySend(0); }},
      {"try_receive1", [](auto *world) { return world->TryReceive(1); }},
      {"finish0", [](auto *world) { return world->Finish(0); }},
      {"close1", [](auto *world) { return world->Close(1); }},
  };
  AddCancellations(&steps);
  Run([&] {
    auto create = [] {
      return std::make_unique<ChannelWorld>(std::vector<size_t>{GetParam(), GetParam() / 2});
    };
    EXPECT_LT(4000, weir_testing::RunAll<ChannelWorld>(steps, 4, create));
    return 0;
  });
}

INSTANTIATE_TEST_SUITE_P(Capacity, TypedChannelInterleavings, ::testing::Values(0, 1, 2));

}  // namespace
