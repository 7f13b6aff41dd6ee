// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "testing/sync_test.h"

namespace {

using weir_testing::Settle;
using weir_testing::Task;
using weir_testing::Within;

// Two channels of ints.
class Select : public weir_testing::SyncTest {
 protected:
  void TearDown() override {
    for (weir_typed_channel *&channel : channels_) weir_typed_channel_close(channel);
    SyncTest::TearDown();
  }
  void Create(size_t first, size_t second) {
    ASSERT_EQ(0, weir_typed_channel_create(&channels_[0], sizeof(int), first));
    ASSERT_EQ(0, weir_typed_channel_create(&channels_[1], sizeof(int), second));
  }
  void Close(int channel) {
    weir_typed_channel_close(channels_[channel]);
    channels_[channel] = nullptr;
  }
  weir_select_case Send(int channel, const int *value) {
    return {channels_[channel], value, nullptr, 1};
  }
  weir_select_case Receive(int channel, int *value) {
    return {channels_[channel], nullptr, value, 1};
  }
  int TrySend(int channel, int value) {
    return weir_typed_channel_try_send(channels_[channel], &value);
  }
  // What was received, which is positive here, or a negative code.
  int TryReceive(int channel) {
    int value = 0;
    int result = weir_typed_channel_try_receive(channels_[channel], &value);
    return result < 0 ? result : value;
  }

  weir_typed_channel *channels_[2] = {};
};

TEST_F(Select, TellsMisuse) {
  Create(1, 1);
  int value = 1;
  weir_select_case cases[] = {Send(0, &value), Receive(0, nullptr)};
  EXPECT_EQ(-EINVAL, weir_select(cases, 1));  // not a coroutine
  Run([&] {
    EXPECT_EQ(-EINVAL, weir_select(cases, 0));
    EXPECT_EQ(-EINVAL, weir_select(nullptr, 1));
    EXPECT_EQ(-EINVAL, weir_select(cases, 2));
    EXPECT_EQ(-EINVAL, weir_try_select(cases, -1));
    cases[0].receive = &value;
    EXPECT_EQ(-EINVAL, weir_select(cases, 1));
    EXPECT_EQ(-EINVAL, weir_try_select(cases, 1));
    cases[0].receive = nullptr;
    cases[0].channel = nullptr;
    EXPECT_EQ(-EINVAL, weir_try_select(cases, 1));
    return 0;
  });
}

TEST_F(Select, DoesTheFirstThatCanGoOn) {
  Create(1, 1);
  int sent = 5, received = 0;
  weir_select_case cases[] = {Receive(0, &received), Send(1, &sent), Receive(1, &received)};
  EXPECT_EQ(1, weir_try_select(cases, 3));
  EXPECT_EQ(0, cases[1].result);
  EXPECT_EQ(2, weir_try_select(cases, 3));
  EXPECT_EQ(5, received);
  EXPECT_EQ(-EAGAIN, weir_try_select(cases, 1));
  EXPECT_EQ(0, TrySend(0, 6));
  Run([&] {
    EXPECT_EQ(0, weir_select(cases, 3));
    EXPECT_EQ(6, received);
    return 0;
  });
}

TEST_F(Select, WaitsForEach) {
  Create(0, 0);
  Run([&] {
    int received = 0, sent = 7;
    auto select = [&] {
      weir_select_case cases[] = {Receive(0, &received), Send(1, &sent)};
      int chosen = weir_select(cases, 2);
      EXPECT_EQ(0, cases[chosen].result);
      return chosen;
    };
    Task first(select);
    EXPECT_EQ(0, TrySend(0, 3));
    EXPECT_EQ(-EAGAIN, TryReceive(1));  // it is decided already
    EXPECT_EQ(0, first.Result());
    EXPECT_EQ(3, received);
    Task second(select);
    EXPECT_EQ(7, TryReceive(1));
    EXPECT_EQ(-EAGAIN, TrySend(0, 3));
    EXPECT_EQ(1, second.Result());
    return 0;
  });
}

TEST_F(Select, ChosenOrCancelledInBothOrders) {
  Create(0, 0);
  Run([&] {
    int received = 0;
    auto select = [&] {
      weir_select_case cases[] = {Receive(0, &received), Receive(1, &received)};
      return weir_select(cases, 2);
    };
    Task cancelled(select), next(select);
    cancelled.Cancel();
    EXPECT_EQ(0, TrySend(1, 1));
    EXPECT_EQ(-EAGAIN, TrySend(0, 2));
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    EXPECT_EQ(1, next.Result());
    Task chosen(select);
    EXPECT_EQ(0, TrySend(0, 2));
    chosen.Cancel();
    EXPECT_EQ(0, chosen.Result());
    EXPECT_EQ(2, received);
    EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, select));
    EXPECT_EQ(-EAGAIN, TrySend(0, 2));
    EXPECT_EQ(-EAGAIN, TrySend(1, 2));
    return 0;
  });
}

TEST_F(Select, TwoSelectsMeet) {
  Create(0, 0);
  Run([&] {
    int received = 0, sent = 4;
    Task receiver([&] {
      weir_select_case cases[] = {Receive(0, &received), Receive(1, &received)};
      return weir_select(cases, 2);
    });
    weir_select_case cases[] = {Send(1, &sent), Send(0, &sent)};
    EXPECT_EQ(0, weir_select(cases, 2));
    EXPECT_EQ(1, receiver.Result());
    EXPECT_EQ(4, received);
    return 0;
  });
}

TEST_F(Select, DoesNotSendToItself) {
  Create(0, 0);
  Run([&] {
    int received = 0, sent = 4;
    auto both = [&] {
      weir_select_case cases[] = {Send(0, &sent), Receive(0, &received)};
      return weir_select(cases, 2);
    };
    EXPECT_EQ(-ETIMEDOUT, Within(WEIR_SECOND, both));
    Task first(both);
    EXPECT_FALSE(first.ended());
    EXPECT_EQ(0, both());  // it sends, since that comes first
    EXPECT_EQ(1, first.Result());
    EXPECT_EQ(4, received);
    return 0;
  });
}

TEST_F(Select, OneChannelMoreThanOnce) {
  Create(0, 0);
  Run([&] {
    int first = 0, second = 0;
    Task task([&] {
      weir_select_case cases[] = {Receive(0, &first), Receive(0, &second), Receive(0, &first)};
      return weir_select(cases, 3);
    });
    EXPECT_EQ(0, TrySend(0, 1));
    EXPECT_EQ(-EAGAIN, TrySend(0, 2));
    EXPECT_EQ(0, task.Result());
    EXPECT_EQ(1, first);
    EXPECT_EQ(0, second);
    return 0;
  });
}

TEST_F(Select, FinishIsAnOutcomeOfItsCase) {
  Create(0, 0);
  Run([&] {
    int received = 0, sent = 1;
    weir_select_case cases[] = {Send(0, &sent), Receive(1, &received)};
    Task receiving([&] { return weir_select(cases, 2); });
    weir_typed_channel_finish(channels_[1]);
    EXPECT_EQ(1, receiving.Result());
    EXPECT_EQ(WEIR_E_END_OF_STREAM, cases[1].result);
    weir_typed_channel_finish(channels_[0]);
    EXPECT_EQ(0, weir_select(cases, 2));
    EXPECT_EQ(-EPIPE, cases[0].result);
    return 0;
  });
}

TEST_F(Select, CloseIsAnOutcomeOfItsCaseToo) {
  Create(0, 0);
  Run([&] {
    int received = 0, sent = 1;
    weir_select_case cases[] = {Send(0, &sent), Receive(1, &received), Receive(1, &received)};
    Task task([&] { return weir_select(cases, 3); });
    Close(1);
    EXPECT_EQ(1, task.Result());
    EXPECT_EQ(WEIR_E_CLOSED, cases[1].result);
    return 0;
  });
}

TEST_F(Select, BothChannelsAreClosedAtOnce) {
  Create(0, 0);
  Run([&] {
    int received = 0;
    auto select = [&] {
      weir_select_case cases[] = {Receive(0, &received), Receive(1, &received),
                                  Receive(1, &received)};
      int chosen = weir_select(cases, 3);
      return chosen < 0 ? chosen : cases[chosen].result;
    };
    Task closed(select), cancelled(select);
    cancelled.Cancel();
    Close(1);
    Close(0);
    EXPECT_EQ(WEIR_E_CLOSED, closed.Result());
    EXPECT_EQ(-ECANCELED, cancelled.Result());
    return 0;
  });
}

TEST_F(Select, ClosedWhileACoroutineLetsOthersRun) {
  Create(1000, 1000);
  Run([&] {
    int value = 1;
    weir_select_case cases[] = {Receive(0, &value), Send(1, &value)};
    Task busy([&] {
      int chosen = 0;
      do {
        chosen = weir_select(cases, 2);
      } while (chosen >= 0 && cases[chosen].result == 0);
      return chosen;
    });
    EXPECT_FALSE(busy.ended());
    Close(1);
    EXPECT_EQ(1, busy.Result());
    EXPECT_EQ(WEIR_E_CLOSED, cases[1].result);
    return 0;
  });
}

TEST_F(Select, ManyCasesTakeMemory) {
  constexpr int kCount = 100;
  Create(0, 0);
  std::vector<weir_typed_channel *> channels(kCount);
  std::vector<weir_select_case> cases(kCount);
  int received = 0;
  for (int i = 0; i < kCount; i++) {
    ASSERT_EQ(0, weir_typed_channel_create(&channels[i], sizeof(int), 0));
    cases[i] = {channels[i], nullptr, &received, 1};
  }
  Run([&] {
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, weir_select(cases.data(), kCount));
    allocator().FailNth(1);
    EXPECT_EQ(-ETIMEDOUT, Within(1, [&] { return weir_select(cases.data(), 16); }));
    EXPECT_FALSE(allocator().refused());
    allocator().FailNth(0);
    for (int chosen = 0; chosen < kCount; chosen += 9) {
      Task task([&] { return weir_select(cases.data(), kCount); });
      int value = chosen + 1;
      EXPECT_EQ(0, weir_typed_channel_try_send(channels[chosen], &value));
      EXPECT_EQ(chosen, task.Result());
      EXPECT_EQ(value, received);
    }
    return 0;
  });
  for (weir_typed_channel *channel : channels) weir_typed_channel_close(channel);
}

// All threads select on both channels, in both orders, to send and to receive, some of them
// impatient: what was sent was received.
TEST_F(Select, AcrossThreads) {
  constexpr int kRounds = 300;
  Create(0, 1);
  std::atomic<long> sent{0}, received{0};
  RunOnThreads(3, [&](int thread) {
    for (int i = 0; i < 4; i++) {
      EXPECT_EQ(0, weir_testing::LaunchCoroutine([&, i] {
                  for (int round = 1; round <= kRounds; round++) {
                    int out = round * 8 + thread, in = 0, first = i % 2;
                    weir_select_case cases[] = {Send(first, &out), Receive(1 - first, &in),
                                                Receive(first, &in), Send(1 - first, &out)};
                    int chosen = Within(1 + i, [&] { return weir_select(cases + i / 2, 3); });
                    if (chosen == -ETIMEDOUT) {
                      std::this_thread::yield();
                      continue;
                    }
                    const weir_select_case &done = cases[i / 2 + chosen];
                    EXPECT_EQ(0, done.result);
                    if (done.send != nullptr) {
                      sent += out;
                    } else {
                      received += in;
                    }
                  }
                  return 0;
                }));
    }
    return weir_scope_wait(nullptr);
  });
  int left = TryReceive(1);
  if (left > 0) received += left;
  EXPECT_EQ(-EAGAIN, TryReceive(0));
  EXPECT_EQ(-EAGAIN, TryReceive(1));
  EXPECT_EQ(sent, received);
  EXPECT_GT(sent, 0);
}

// Nobody waits for whom he keeps waiting, whatever the order of the cases.
TEST_F(Select, OppositeOrdersAcrossThreadsGoOn) {
  constexpr int kRounds = 2000;
  Create(0, 0);
  RunOnThreads(2, [&](int thread) {
    int sum = 0;
    for (int round = 1; round <= kRounds; round++) {
      int value = round;
      weir_select_case sends[] = {Send(0, &value), Send(1, &value)};
      weir_select_case receives[] = {Receive(1, &value), Receive(0, &value)};
      EXPECT_LE(0, weir_select(thread == 0 ? sends : receives, 2));
      sum += value;
    }
    EXPECT_EQ(kRounds * (kRounds + 1) / 2, sum);
    return 0;
  });
}

}  // namespace
