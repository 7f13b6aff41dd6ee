// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "testing/sync_test.h"

namespace {

using weir_testing::Settle;
using weir_testing::Task;
using weir_testing::Within;

class TypedChannel : public weir_testing::SyncTest {
 protected:
  void TearDown() override {
    weir_typed_channel_close(channel_);
    SyncTest::TearDown();
  }
  void Create(size_t capacity) {
    ASSERT_EQ(0, weir_typed_channel_create(&channel_, sizeof(int), capacity));
  }
  int Send(int value) { return weir_typed_channel_send(channel_, &value); }
  int TrySend(int value) { return weir_typed_channel_try_send(channel_, &value); }
  // What was received, which is positive here, or a negative code.
  int Receive() {
    int value = 0;
    int result = weir_typed_channel_receive(channel_, &value);
    return result < 0 ? result : value;
  }
  int TryReceive() {
    int value = 0;
    int result = weir_typed_channel_try_receive(channel_, &value);
    return result < 0 ? result : value;
  }
  void Close() {
    weir_typed_channel_close(channel_);
    channel_ = nullptr;
  }

  weir_typed_channel *channel_ = nullptr;
};

TEST_F(TypedChannel, CreateTellsWhatIsWrong) {
  EXPECT_EQ(-EINVAL, weir_typed_channel_create(&channel_, 0, 1));
  EXPECT_EQ(-ENOMEM, weir_typed_channel_create(&channel_, 8, SIZE_MAX / 8));
  EXPECT_EQ(-ENOMEM, weir_typed_channel_create(&channel_, SIZE_MAX, 1));
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_typed_channel_create(&channel_, 8, 1));
  EXPECT_EQ(nullptr, channel_);
}

TEST_F(TypedChannel, HoldsAsManyAsItsCapacityInOrder) {
  Create(3);
  EXPECT_EQ(-EINVAL, Send(1));  // not a coroutine
  EXPECT_EQ(-EINVAL, Receive());
  for (int round = 0; round < 5; round++) {
    EXPECT_EQ(-EAGAIN, TryReceive());
    EXPECT_EQ(0, TrySend(1));
    EXPECT_EQ(0, TrySend(2));
    EXPECT_EQ(1, TryReceive());
    EXPECT_EQ(0, TrySend(3));
    EXPECT_EQ(0, TrySend(4));
    EXPECT_EQ(-EAGAIN, TrySend(5));
    for (int value = 2; value <= 4; value++) EXPECT_EQ(value, TryReceive());
  }
}

TEST_F(TypedChannel, WithoutCapacityBothMustBeThere) {
  Create(0);
  Run([&] {
    EXPECT_EQ(-EAGAIN, TrySend(1));
    Task sender([&] { return Send(1); });
    EXPECT_FALSE(sender.ended());
    EXPECT_EQ(1, TryReceive());
    EXPECT_EQ(-EAGAIN, TryReceive());
    EXPECT_EQ(0, sender.Result());
    Task receiver([&] { return Receive(); });
    EXPECT_EQ(0, TrySend(2));
    EXPECT_EQ(-EAGAIN, TrySend(3));
    EXPECT_EQ(2, receiver.Result());
    return 0;
  });
}

TEST_F(TypedChannel, SendersAndReceiversAreServedInOrder) {
  Create(1);
  Run([&] {
    EXPECT_EQ(0, TrySend(1));
    Task first([&] { return Send(2); }), second([&] { return Send(3); });
    EXPECT_EQ(-EAGAIN, TrySend(4));
    for (int value = 1; value <= 3; value++) EXPECT_EQ(value, TryReceive());
    EXPECT_EQ(-EAGAIN, TryReceive());
    Task third([&] { return Receive(); }), fourth([&] { return Receive(); });
    EXPECT_EQ(0, TrySend(5));
    EXPECT_EQ(0, TrySend(6));
    EXPECT_EQ(5, third.Result());
    EXPECT_EQ(6, fourth.Result());
    return 0;
  });
}

TEST_F(TypedChannel, AnElementIsOfAnySize) {
  for (size_t size : {1u, 7u, 8u, 1000u}) {
    for (size_t capacity : {0u, 2u}) {
      ASSERT_EQ(0, weir_typed_channel_create(&channel_, size, capacity));
      Run([&] {
        std::string sent(size, 'a'), received(size + 1, 'z');
        Task sender([&] { return weir_typed_channel_send(channel_, sent.data()); });
        EXPECT_EQ(0, weir_typed_channel_receive(channel_, &received[0]));
        EXPECT_EQ(sent + 'z', received);
        return sender.Result();
      });
      Close();
    }
  }
}

TEST_F(TypedChannel, FinishLetsWhatWasSentOutAndNothingIn) {
  Create(1);
  Run([&] {
    EXPECT_EQ(0, TrySend(1));
    Task sender([&] { return Send(2); });
    weir_typed_channel_finish(channel_);
    weir_typed_channel_finish(channel_);
    EXPECT_EQ(-EPIPE, sender.Result());
    EXPECT_EQ(-EPIPE, Send(3));
    EXPECT_EQ(-EPIPE, TrySend(3));
    EXPECT_EQ(1, Receive());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, Receive());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, TryReceive());
    return 0;
  });
}

TEST_F(TypedChannel, FinishEndsWaitingForMore) {
  Create(0);
  Run([&] {
    Task first([&] { return Receive(); }), second([&] { return Receive(); });
    weir_typed_channel_finish(channel_);
    EXPECT_EQ(WEIR_E_END_OF_STREAM, first.Result());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, second.Result());
    return 0;
  });
}

TEST_F(TypedChannel, CancellationAndHandOverInBothOrders) {
  Create(0);
  Run([&] {
    int untouched = 7;
    Task cancelled([&] { return weir_typed_channel_receive(channel_, &untouched); });
    Task next([&] { return Receive(); });
    cancelled.Cancel();
    EXPECT_EQ(0, TrySend(1));
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    EXPECT_EQ(7, untouched);
    EXPECT_EQ(1, next.Result());
    Task served([&] { return Receive(); });
    EXPECT_EQ(0, TrySend(2));
    served.Cancel();
    EXPECT_EQ(2, served.Result());  // it had it before
    Task sender([&] { return Send(3); }), behind([&] { return Send(4); });
    sender.Cancel();
    EXPECT_EQ(4, TryReceive());
    EXPECT_EQ(-ECANCELED, sender.Result());
    EXPECT_EQ(0, behind.Result());
    Task taken([&] { return Send(5); });
    EXPECT_EQ(5, TryReceive());
    taken.Cancel();
    EXPECT_EQ(0, taken.Result());
    return 0;
  });
}

TEST_F(TypedChannel, WaitingEndsAtADeadline) {
  Create(0);
  Run([&] {
    EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, [&] { return Send(1); }));
    EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, [&] { return Receive(); }));
    EXPECT_EQ(-EAGAIN, TryReceive());
    EXPECT_EQ(-EAGAIN, TrySend(1));
    return 0;
  });
}

// Fires between a deadline and the coroutine that it wakes.
struct SendingTimer {
  weir_internal_timer timer = {};
  weir_typed_channel *channel = nullptr;
  int result = 0;
};

TEST_F(TypedChannel, AnElementThatComesRightAfterADeadlineIsNotLost) {
  Create(0);
  weir_testing::VirtualLoop loop;
  SendingTimer sending;
  sending.channel = channel_;
  sending.timer.fire = [](weir_internal_timer *timer) {
    auto *self = WEIR_INTERNAL_CONTAINER(timer, SendingTimer, timer);
    int value = 1;
    self->result = weir_typed_channel_try_send(self->channel, &value);
  };
  EXPECT_EQ(0, loop.Run([&] {
    auto receive = [&] { return Receive(); };
    Task late([&] { return Within(10, receive); });
    weir_internal_timer_arm(loop.get(), &sending.timer, weir_now() + 11);
    loop.Advance(20);
    EXPECT_EQ(-ETIMEDOUT, late.Result());
    EXPECT_EQ(-EAGAIN, sending.result);
    Task late_too([&] { return Within(10, receive); });
    Task patient(receive);
    weir_internal_timer_arm(loop.get(), &sending.timer, weir_now() + 11);
    loop.Advance(20);
    EXPECT_EQ(1, patient.Result());
    EXPECT_EQ(-ETIMEDOUT, late_too.Result());
    Task in_time([&] { return Within(12, receive); });
    weir_internal_timer_arm(loop.get(), &sending.timer, weir_now() + 11);
    loop.Advance(20);
    EXPECT_EQ(1, in_time.Result());
    return sending.result;
  }));
}

TEST_F(TypedChannel, CloseEndsTheWaiting) {
  for (size_t capacity : {0u, 1u}) {
    Create(capacity);
    Run([&] {
      if (capacity > 0) {
        EXPECT_EQ(0, TrySend(1));
      }
      Task first([&] { return Send(2); }), cancelled([&] { return Send(3); });
      cancelled.Cancel();
      Close();
      EXPECT_EQ(WEIR_E_CLOSED, first.Result());
      EXPECT_EQ(-ECANCELED, cancelled.Result());
      Create(capacity);
      Task receiver([&] { return Receive(); });
      Close();
      EXPECT_EQ(WEIR_E_CLOSED, receiver.Result());
      return 0;
    });
  }
}

TEST_F(TypedChannel, ClosedWhileACoroutineLetsOthersRun) {
  Create(1000);
  Run([&] {
    Task busy([&] {
      int result = 0;
      while (result == 0) result = Send(1);
      return result;
    });
    EXPECT_FALSE(busy.ended());
    Close();
    EXPECT_EQ(WEIR_E_CLOSED, busy.Result());
    return 0;
  });
}

TEST_F(TypedChannel, WaitingTakesNoMemory) {
  Create(0);
  Run([&] {
    Task sender([&] { return Send(1) + Send(2); });
    allocator().FailNth(1);
    EXPECT_EQ(1, Receive());
    EXPECT_EQ(2, Receive());
    EXPECT_FALSE(allocator().refused());
    allocator().FailNth(0);
    return 0;
  });
}

// Elements that tell who sent them, so that order and number can be checked.
struct Numbered {
  int sender;
  int number;
};

// Senders and receivers on several threads, some of them impatient. What was sent is received,
// once, and in the order of each sender.
class TypedChannelThreads : public TypedChannel, public ::testing::WithParamInterface<size_t> {
 protected:
  static constexpr int kThreads = 3, kSenders = 3, kNumbers = 400;

  void SendAll(int sender) {
    for (int number = 0; number < kNumbers;) {
      Numbered element = {sender, number};
      int64_t patience = sender % 3 == 0 ? 1 : WEIR_FOREVER;
      int result = Within(patience, [&] { return weir_typed_channel_send(channel_, &element); });
      if (result == 0) number++;
      if (result == 0) continue;
      EXPECT_EQ(-ETIMEDOUT, result);
      std::this_thread::yield();
    }
  }

  void ReceiveAll(bool impatient, std::vector<int> *counts) {
    std::vector<int> last(kThreads * kSenders, -1);
    for (;;) {
      Numbered element = {};
      int result = Within(impatient ? 1 : WEIR_FOREVER,
                          [&] { return weir_typed_channel_receive(channel_, &element); });
      if (result == WEIR_E_END_OF_STREAM) return;
      if (result == -ETIMEDOUT) {
        std::this_thread::yield();
        continue;
      }
      EXPECT_EQ(0, result);
      EXPECT_LT(last[element.sender], element.number);
      last[element.sender] = element.number;
      (*counts)[element.sender]++;
    }
  }

  // One thread: its senders and two receivers.
  int RunThread(int thread, std::atomic<int> *senders_left, std::vector<int> *counts) {
    for (int i = 0; i < kSenders; i++) {
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([=] {
                  SendAll(thread * kSenders + i);
                  if (--*senders_left == 0) weir_typed_channel_finish(channel_);
                  return 0;
                }));
    }
    for (int i = 0; i < 2; i++) {
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([=] {
                  ReceiveAll(i == 0, counts);
                  return 0;
                }));
    }
    return weir_scope_wait(nullptr);
  }
};

TEST_P(TypedChannelThreads, NothingIsLostOrTwice) {
  ASSERT_EQ(0, weir_typed_channel_create(&channel_, sizeof(Numbered), GetParam()));
  std::atomic<int> senders_left{kThreads * kSenders};
  std::vector<std::vector<int>> counts(kThreads, std::vector<int>(kThreads * kSenders));
  RunOnThreads(kThreads,
               [&](int thread) { return RunThread(thread, &senders_left, &counts[thread]); });
  for (int sender = 0; sender < kThreads * kSenders; sender++) {
    int sum = 0;
    for (const std::vector<int> &of_thread : counts) sum += of_thread[sender];
    EXPECT_EQ(kNumbers, sum) << sender;
  }
}

INSTANTIATE_TEST_SUITE_P(Capacity, TypedChannelThreads, ::testing::Values(0, 1, 16));

TEST_F(TypedChannel, AThreadWithoutALoopFeedsACoroutine) {
  constexpr int kCount = 5000;
  Create(8);
  std::thread feeder([&] {
    for (int i = 1; i <= kCount;) {
      if (TrySend(i) == 0) {
        i++;
      } else {
        std::this_thread::yield();
      }
    }
    weir_typed_channel_finish(channel_);
  });
  Run([&] {
    for (int i = 1; i <= kCount; i++) EXPECT_EQ(i, Receive());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, Receive());
    Close();  // perhaps before the feeder has left
    return 0;
  });
  feeder.join();
}

}  // namespace
