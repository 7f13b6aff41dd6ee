// SPDX-License-Identifier: Apache-2.0
//
// Tickets, wait queues, hooks, the inbox for other threads, loop waiters and locals.

#include "coroutine/internal/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "coroutine/internal/suspend.h"
#include "testing/virtual_loop.h"

namespace {

using Body = std::function<int()>;
using weir_testing::VirtualLoop;

int Launch(Body *body) { return weir_launch(nullptr, nullptr, nullptr, VirtualLoop::Call, body); }

class Loop : public ::testing::Test {
 protected:
  VirtualLoop loop_;
};

TEST_F(Loop, ATicketWakesOnceWithItsReason) {
  weir_internal_ticket ticket = {};
  int reason = 0;
  Body sleeper = [&] {
    ticket = weir_internal_ticket_take_for("test");
    reason = weir_internal_suspend(ticket, WEIR_FOREVER);
    return weir_delay(1);
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(&sleeper));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(weir_internal_wake(ticket, 17));
    EXPECT_FALSE(weir_internal_wake(ticket, 18));
    EXPECT_EQ(0, weir_yield());
    EXPECT_FALSE(weir_internal_wake(ticket, 19));  // its coroutine is parked anew
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_FALSE(weir_internal_wake(ticket, 20));  // and ended
    return 0;
  });
  EXPECT_EQ(17, reason);
}

TEST_F(Loop, AWakeBeforeTheSuspensionCounts) {
  loop_.Run([&] {
    weir_internal_ticket ticket = weir_internal_ticket_take_for("test");
    EXPECT_TRUE(weir_internal_wake(ticket, 3));
    EXPECT_EQ(3, weir_internal_suspend(ticket, WEIR_FOREVER));
    return 0;
  });
}

// One that was served already has its own result to tell.
TEST_F(Loop, AnInterruptionEndsEachSuspensionThatWasNotServed) {
  loop_.Run([&] {
    weir_internal_interruptible self, inner;
    weir_internal_interruptible_begin(&self);
    weir_internal_interruptible_begin(&inner);
    weir_internal_interruptible_interrupt(&self);
    weir_internal_ticket ticket = weir_internal_ticket_take_for("test");
    // As another thread does once the ticket lies in its queue.
    EXPECT_TRUE(weir_internal_wake(ticket, 7));
    EXPECT_EQ(7, weir_internal_suspend(ticket, WEIR_FOREVER));
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    weir_internal_interruptible_end(&inner);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    EXPECT_EQ(-ECANCELED, weir_yield());
    weir_internal_interruptible_end(&self);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    return 0;
  });
}

TEST_F(Loop, AnInterruptionEndsWithWhatItInterrupts) {
  loop_.Run([&] {
    weir_internal_interruptible self, inner;
    weir_internal_interruptible_begin(&self);
    weir_internal_interruptible_begin(&inner);
    weir_internal_interruptible_interrupt(&inner);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    weir_internal_interruptible_end(&inner);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_internal_interruptible_end(&self);
    return 0;
  });
}

// Those around it do not.
TEST_F(Loop, ShieldsInsideKeepAnInterruptionOff) {
  loop_.Run([&] {
    weir_internal_interruptible self, inner;
    weir_shield around = weir_shield_begin();
    weir_internal_interruptible_begin(&self);
    Body interrupt = [&] { return weir_internal_interruptible_interrupt(&self), 0; };
    EXPECT_EQ(0, Launch(&interrupt));
    weir_shield inside = weir_shield_begin();
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    EXPECT_TRUE(self.interrupted);
    weir_internal_interruptible_begin(&inner);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_internal_interruptible_end(&inner);
    weir_shield_end(inside);
    EXPECT_EQ(-ECANCELED, weir_delay(WEIR_SECOND));
    weir_internal_interruptible_end(&self);
    EXPECT_EQ(0, weir_delay(WEIR_SECOND));
    weir_shield_end(around);
    return 0;
  });
}

TEST_F(Loop, ALimitOfASuspensionIsNoDeadline) {
  loop_.Run([&] {
    weir_internal_ticket ticket = weir_internal_ticket_take_for("test");
    EXPECT_EQ(-ETIME, weir_internal_suspend(ticket, weir_now() + WEIR_SECOND));
    return weir_yield();
  });
}

TEST_F(Loop, EnterRefusesTheWrongLoop) {
  VirtualLoop other;
  EXPECT_EQ(-EINVAL, weir_internal_enter(nullptr));
  loop_.Run([&] {
    EXPECT_EQ(0, weir_internal_enter(loop_.get()));
    EXPECT_EQ(-EXDEV, weir_internal_enter(other.get()));
    return 0;
  });
}

TEST_F(Loop, OperationsThatNeverWaitStillYieldNowAndThen) {
  bool ran = false;
  Body other = [&] { return ran = true, 0; };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(&other));
    int operations = 0;
    while (!ran) {
      EXPECT_EQ(0, weir_internal_enter(nullptr));
      if (++operations > 1000) break;
    }
    EXPECT_LT(operations, 1000);
    return 0;
  });
}

// Each turn takes time, and neither coroutine ever waits for anything else.
TEST_F(Loop, CoroutinesThatYieldToEachOtherKeepTimersWaitingOnlyShortly) {
  constexpr int64_t kTurn = 20 * WEIR_MICROSECOND;
  bool stop = false;
  Body yielder = [&] {
    int result = 0;
    while (!stop && result == 0) {
      loop_.Advance(kTurn);
      result = weir_yield();
    }
    return result;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(&yielder));
    EXPECT_EQ(0, Launch(&yielder));
    for (int i = 0; i < 100; i++) {
      int64_t due = weir_now() + WEIR_MILLISECOND;
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      EXPECT_GE(5 * WEIR_MILLISECOND, weir_now() - due);
    }
    stop = true;
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Loop, CoroutinesThatYieldToEachOtherHearOfOtherThreads) {
  struct Stopper {
    weir_internal_message message = {};
    bool stop = false;
  } stopper;
  stopper.message.run = [](weir_internal_message *message) {
    WEIR_INTERNAL_CONTAINER(message, Stopper, message)->stop = true;
  };
  Body yielder = [&] {
    int result = 0;
    while (!stopper.stop && result == 0) result = weir_yield();
    return result;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(&yielder));
    EXPECT_EQ(0, Launch(&yielder));
    std::thread other([&] { weir_internal_loop_post(loop_.get(), &stopper.message); });
    int result = weir_scope_wait(nullptr);
    other.join();
    return result;
  });
}

// Whoever runs next gives back the stack of one that has ended: one that waited, a new one, or
// none.
TEST_F(Loop, StacksOfThoseThatEndedAreUsedAgain) {
  std::vector<void *> places;
  Body child = [&] {
    char here;
    places.push_back(&here);
    return 0;
  };
  loop_.Run([&] {
    for (int i = 0; i < 10; i++) {
      EXPECT_EQ(0, Launch(&child));
      EXPECT_EQ(0, i % 2 == 0 ? weir_scope_wait(nullptr) : weir_delay(1));
    }
    EXPECT_EQ(0, Launch(&child));
    EXPECT_EQ(0, Launch(&child));
    return weir_scope_wait(nullptr);
  });
  ASSERT_EQ(12u, places.size());
  for (int i = 1; i < 11; i++) EXPECT_EQ(places[0], places[i]);
}

// A coroutine that runs on without suspending learns at its next operation what has changed since
// its last one.
TEST_F(Loop, EnterSeesAtOnceThatTheCoroutineWasCancelled) {
  weir_job *job = nullptr;
  Body body = [&] {
    EXPECT_EQ(0, weir_internal_enter(loop_.get()));
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, weir_internal_enter(loop_.get()));
    weir_shield shield = weir_shield_begin();
    EXPECT_EQ(0, weir_internal_enter(loop_.get()));
    weir_shield_end(shield);
    EXPECT_EQ(-ECANCELED, weir_internal_enter(loop_.get()));
    return 0;
  };
  loop_.Run([&] {
    EXPECT_EQ(0, weir_launch(nullptr, &job, nullptr, VirtualLoop::Call, &body));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    weir_job_close(job);
    return 0;
  });
}

TEST_F(Loop, EnterSeesAtOnceThatADeadlineHasPassed) {
  loop_.Run([&] {
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    EXPECT_EQ(0, weir_internal_enter(loop_.get()));
    loop_.Advance(2 * WEIR_SECOND);
    EXPECT_EQ(loop_.now(), weir_now());
    EXPECT_EQ(-ETIMEDOUT, weir_internal_enter(loop_.get()));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_EQ(0, weir_internal_enter(loop_.get()));
    return 0;
  });
}

// Brackets must not begin a new turn.
TEST_F(Loop, BracketsDoNotKeepTheOthersWaiting) {
  bool ran = false;
  Body other = [&] { return ran = true, 0; };
  loop_.Run([&] {
    EXPECT_EQ(0, Launch(&other));
    for (int i = 0; i < 1000 && !ran; i++) {
      weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
      EXPECT_EQ(0, weir_internal_enter(loop_.get()));
      weir_timeout_end(timeout);
    }
    EXPECT_TRUE(ran);
    return 0;
  });
}

TEST_F(Loop, WaitQueueServesInOrderAndSkipsTheCancelled) {
  weir_internal_wait_queue queue;
  weir_internal_wait_queue_init(&queue);
  std::vector<int> trace;
  auto waiter = [&](int id) {
    return [&, id] {
      int reason = weir_internal_wait_queue_wait_for(&queue, WEIR_FOREVER, "test");
      trace.push_back(reason == 0 ? id : -id);
      return reason;
    };
  };
  Body first = waiter(1), second = waiter(2), third = waiter(3);
  loop_.Run([&] {
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_launch(nullptr, &job, nullptr, VirtualLoop::Call, &first));
    EXPECT_EQ(0, Launch(&second));
    EXPECT_EQ(0, Launch(&third));
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    weir_job_close(job);
    EXPECT_TRUE(
        weir_internal_wait_queue_wake_one(&queue, 0));  // the second: the first was cancelled
    EXPECT_EQ(0, weir_yield());
    EXPECT_FALSE(weir_internal_wait_queue_is_empty(&queue));
    weir_internal_wait_queue_wake_all(&queue, 0);
    EXPECT_FALSE(weir_internal_wait_queue_wake_one(&queue, 0));
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ((std::vector<int>{-1, 2, 3}), trace);
}

struct Hook {
  weir_internal_pre_suspend hook;
  int runs = 0;
};

void CountRun(weir_internal_pre_suspend *hook) {
  WEIR_INTERNAL_CONTAINER(hook, Hook, hook)->runs++;
}

TEST_F(Loop, PreSuspendHookRunsOnceBeforeASuspensionAYieldAndTheEnd) {
  Hook hook;
  weir_internal_pre_suspend_init(&hook.hook, CountRun);
  Body child = [&] {
    weir_internal_pre_suspend_add(&hook.hook);
    return 0;
  };
  loop_.Run([&] {
    weir_internal_pre_suspend_add(&hook.hook);
    weir_internal_pre_suspend_add(&hook.hook);
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_EQ(1, hook.runs);
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_EQ(1, hook.runs);
    weir_internal_pre_suspend_add(&hook.hook);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(2, hook.runs);
    EXPECT_EQ(0, Launch(&child));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(3, hook.runs);
    weir_internal_pre_suspend_add(&hook.hook);
    weir_internal_pre_suspend_remove(&hook.hook);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(3, hook.runs);
    return 0;
  });
}

TEST_F(Loop, ThreadsWakeCoroutinesThroughTheInbox) {
  constexpr int kRounds = 20000;
  std::atomic<bool> stop{false};
  struct Mailbox {
    std::atomic<weir_internal_coroutine *> coroutine{nullptr};
    std::atomic<uint64_t> generation{0};
  } mailbox;
  int woken = 0;
  std::thread waker([&] {
    while (!stop) {
      uint64_t generation = mailbox.generation.exchange(0);
      if (generation == 0) continue;
      weir_internal_ticket ticket = {mailbox.coroutine, generation};
      weir_internal_wake(ticket, 5);
    }
  });
  loop_.Run([&] {
    mailbox.coroutine = weir_internal_current_coroutine();
    for (int i = 0; i < kRounds; i++) {
      weir_internal_ticket ticket = weir_internal_ticket_take_for("test");
      mailbox.generation = ticket.generation;
      if (weir_internal_suspend(ticket, WEIR_FOREVER) == 5) woken++;
    }
    return 0;
  });
  stop = true;
  waker.join();
  EXPECT_EQ(kRounds, woken);
}

struct CountingMessage {
  weir_internal_message message;
  std::vector<int> *order;
  int id;
};

void RecordMessage(weir_internal_message *message) {
  auto *counting = WEIR_INTERNAL_CONTAINER(message, CountingMessage, message);
  counting->order->push_back(counting->id);
}

TEST_F(Loop, MessagesArriveInOrder) {
  std::vector<int> order;
  std::vector<CountingMessage> messages(100);
  loop_.Run([&] {
    std::thread sender([&] {
      for (int i = 0; i < 100; i++) {
        messages[i].message.run = RecordMessage;
        messages[i].order = &order;
        messages[i].id = i;
        weir_internal_loop_post(loop_.get(), &messages[i].message);
      }
    });
    sender.join();
    return weir_delay(1);
  });
  ASSERT_EQ(100u, order.size());
  for (int i = 0; i < 100; i++) EXPECT_EQ(i, order[i]);
}

struct TestWaiter {
  weir_internal_loop_waiter waiter;
  weir_internal_timer timer;
  bool abandoned = false;
  bool fired = false;
};

TEST_F(Loop, TheRunGoesOnForLoopWaiters) {
  TestWaiter self = {};
  self.waiter.abandon = [](weir_internal_loop_waiter *waiter) {
    WEIR_INTERNAL_CONTAINER(waiter, TestWaiter, waiter)->abandoned = true;
    weir_internal_loop_waiter_remove(waiter);
  };
  self.timer.fire = [](weir_internal_timer *timer) {
    auto *test = WEIR_INTERNAL_CONTAINER(timer, TestWaiter, timer);
    test->fired = true;
    weir_internal_loop_waiter_remove(&test->waiter);
  };
  loop_.Run([&] {
    weir_internal_loop_waiter_add(loop_.get(), &self.waiter);
    weir_internal_timer_arm(loop_.get(), &self.timer, loop_.now() + WEIR_SECOND / 2);
    return 0;
  });
  EXPECT_TRUE(self.fired);
  EXPECT_FALSE(self.abandoned);
}

TEST_F(Loop, PastTheDrainTimeoutLoopWaitersAreAbandoned) {
  TestWaiter self = {};
  self.waiter.abandon = [](weir_internal_loop_waiter *waiter) {
    WEIR_INTERNAL_CONTAINER(waiter, TestWaiter, waiter)->abandoned = true;
    weir_internal_loop_waiter_remove(waiter);
  };
  int64_t start = loop_.now();
  loop_.Run([&] {
    weir_internal_loop_waiter_add(loop_.get(), &self.waiter);
    return 0;
  });
  EXPECT_TRUE(self.abandoned);
  EXPECT_EQ(start + WEIR_SECOND, loop_.now());
}

struct Repeating {
  weir_internal_timer timer;
  weir_internal_loop *loop;
  int fired;
};

TEST_F(Loop, ATimerArmedInThePastByItselfDoesNotStarveTheOthers) {
  Repeating repeating = {};
  repeating.loop = loop_.get();
  repeating.timer.fire = [](weir_internal_timer *timer) {
    auto *self = WEIR_INTERNAL_CONTAINER(timer, Repeating, timer);
    if (++self->fired < 1000) weir_internal_timer_arm(self->loop, timer, 0);
  };
  loop_.Run([&] {
    weir_internal_timer_arm(loop_.get(), &repeating.timer, 0);
    EXPECT_EQ(0, weir_delay(1));
    EXPECT_LT(repeating.fired, 10);
    weir_internal_timer_cancel(loop_.get(), &repeating.timer);
    return 0;
  });
}

TEST(LoopLocals, AreFoundByKeyAndDestroyedInReverse) {
  static std::vector<int> destroyed;
  static int first = 1, second = 2;
  static const char first_key = 0, second_key = 0, third_key = 0;
  {
    VirtualLoop loop;
    auto destroy = [](void *value) { destroyed.push_back(*static_cast<int *>(value)); };
    EXPECT_EQ(0, weir_internal_loop_set_local(loop.get(), &first_key, &first, destroy));
    EXPECT_EQ(0, weir_internal_loop_set_local(loop.get(), &second_key, &second, destroy));
    EXPECT_EQ(&second, weir_internal_loop_local(loop.get(), &second_key));
    EXPECT_EQ(nullptr, weir_internal_loop_local(loop.get(), &third_key));
  }
  EXPECT_EQ((std::vector<int>{2, 1}), destroyed);
}

}  // namespace
