// SPDX-License-Identifier: Apache-2.0
//
// What coroutines wait for among themselves, against all that interrupts them.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "testing/expect_coroutine.h"
#include "weir/coroutine.h"
#include "weir/diagnostics.h"
#include "weir/sync.h"

namespace {

using weir_testing::Ending;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchJob;
using weir_testing::PointName;
using weir_testing::Suspension;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;

int WaitUntilCancelled() { return weir_delay(WEIR_FOREVER); }

// An object with its close, which happens once.
template <typename Object>
struct Closing {
  Object *object = nullptr;
  void (*close)(Object *);
  void Close() {
    close(object);
    object = nullptr;
  }
};

// What holds for whatever has a close: it ends the wait, and takes things down.
template <typename Object>
Suspension WithClose(const std::shared_ptr<Closing<Object>> &closing) {
  Suspension suspension;
  suspension.endings.push_back({"close", [closing] { closing->Close(); }, WEIR_E_CLOSED});
  suspension.take_down = [closing] { closing->Close(); };
  return suspension;
}

Suspension Delay() {
  Suspension suspension;
  suspension.wait = [] { return weir_delay(WEIR_FOREVER); };
  suspension.go_on = [] { EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND)); };
  return suspension;
}

// Lasts until it is told that it ends: one alone is over with the next turn.
Suspension Yield() {
  Suspension suspension;
  suspension.wait = [] {
    int result = 0;
    while (result == 0) result = weir_yield();
    return result;
  };
  return suspension;
}

// Only the owner waits for his scope, and others end what is in it.
Suspension ScopeWait() {
  auto scope = std::make_shared<weir_scope *>(nullptr);
  Suspension suspension;
  suspension.wait = [scope] {
    EXPECT_EQ(0, weir_scope_open(scope.get(), nullptr));
    int ended = 0;
    for (int i = 0; i < 2; i++) {
      ExpectLaunch(*scope, [&ended] {
        int result = WaitUntilCancelled();
        EXPECT_TRUE(result == -ECANCELED || result == -ETIMEDOUT);  // which it has inherited
        ended++;
        return 0;
      });
    }
    int result = weir_scope_wait(*scope);
    EXPECT_EQ(0, weir_scope_close(*scope));
    EXPECT_EQ(2, ended);
    return result;
  };
  suspension.endings.push_back({"cancel", [scope] { weir_scope_cancel(*scope); }, 0});
  return suspension;
}

// Waits for a coroutine that ends its clean-up in its own time.
Suspension ScopeClose() {
  auto event = std::make_shared<weir_event *>(nullptr);
  EXPECT_EQ(0, weir_event_create(event.get()));
  Suspension suspension;
  suspension.wait = [event] {
    weir_scope *scope = nullptr;
    bool ended = false;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    ExpectLaunch(scope, [event, &ended] {
      weir_shield shield = weir_shield_begin();
      int result = weir_event_wait(*event);
      weir_shield_end(shield);
      EXPECT_TRUE(result == 0 || result == -ECANCELED);  // when the kernel refuses to wait
      ended = true;
      return 0;
    });
    int result = weir_scope_close(scope);
    EXPECT_TRUE(ended);
    return result;
  };
  suspension.finish = [event] { weir_event_set(*event); };
  suspension.take_down = [event] { weir_event_close(*event); };
  return suspension;
}

Suspension JobWait() {
  auto closing = std::make_shared<Closing<weir_job>>();
  closing->close = [](weir_job *job) {
    if (job != nullptr) weir_job_cancel(job);
    weir_job_close(job);
  };
  closing->object = LaunchJob([] { return WaitUntilCancelled() == -ECANCELED ? 42 : 0; });
  Suspension suspension = WithClose(closing);
  suspension.wait = [closing] {
    int result = 0;
    int waited = weir_job_wait(closing->object, &result);
    EXPECT_EQ(waited == 0 ? 42 : 0, result);
    return waited;
  };
  suspension.endings.push_back({"cancel", [closing] { weir_job_cancel(closing->object); }, 0});
  suspension.go_on = [closing] {
    weir_job_cancel(closing->object);
    EXPECT_EQ(42, EndOf(closing->object));
    closing->object = nullptr;
  };
  return suspension;
}

Suspension MutexLock() {
  auto closing = std::make_shared<Closing<weir_mutex>>();
  closing->close = weir_mutex_close;
  EXPECT_EQ(0, weir_mutex_create(&closing->object));
  EXPECT_EQ(0, weir_mutex_lock(closing->object));
  Suspension suspension = WithClose(closing);
  suspension.wait = [closing] { return weir_mutex_lock(closing->object); };
  suspension.go_on = [closing] {
    EXPECT_EQ(0, weir_mutex_unlock(closing->object));
    EXPECT_EQ(0, weir_mutex_try_lock(closing->object)) << "who was interrupted did not get it";
    EXPECT_EQ(0, weir_mutex_unlock(closing->object));
  };
  return suspension;
}

Suspension EventWait() {
  auto closing = std::make_shared<Closing<weir_event>>();
  closing->close = weir_event_close;
  EXPECT_EQ(0, weir_event_create(&closing->object));
  Suspension suspension = WithClose(closing);
  suspension.wait = [closing] { return weir_event_wait(closing->object); };
  suspension.go_on = [closing] {
    EXPECT_FALSE(weir_event_is_set(closing->object));
    weir_event_set(closing->object);
    EXPECT_EQ(0, weir_event_wait(closing->object));
  };
  return suspension;
}

Suspension SemaphoreAcquire() {
  auto closing = std::make_shared<Closing<weir_semaphore>>();
  closing->close = weir_semaphore_close;
  EXPECT_EQ(0, weir_semaphore_create(&closing->object, 2));
  Suspension suspension = WithClose(closing);
  suspension.wait = [closing] { return weir_semaphore_acquire(closing->object, 3); };
  suspension.go_on = [closing] {
    EXPECT_EQ(2u, weir_semaphore_permits(closing->object)) << "it took none";
    EXPECT_EQ(0, weir_semaphore_try_acquire(closing->object, 2)) << "nobody stands before";
  };
  return suspension;
}

using ChannelClosing = Closing<weir_typed_channel>;

std::shared_ptr<ChannelClosing> MakeChannel(size_t capacity) {
  auto closing = std::make_shared<ChannelClosing>();
  closing->close = weir_typed_channel_close;
  EXPECT_EQ(0, weir_typed_channel_create(&closing->object, sizeof(int), capacity));
  return closing;
}

void ExpectReceive(weir_typed_channel *channel, int expected) {
  int got = 0;
  EXPECT_EQ(0, weir_typed_channel_try_receive(channel, &got));
  EXPECT_EQ(expected, got);
}

void ExpectEmpty(weir_typed_channel *channel) {
  int got = 0;
  EXPECT_EQ(-EAGAIN, weir_typed_channel_try_receive(channel, &got));
}

Ending Finish(const std::shared_ptr<ChannelClosing> &channel, int result) {
  return {"finish", [channel] { weir_typed_channel_finish(channel->object); }, result};
}

// With a capacity of 1 the channel is full, with 0 nobody receives.
Suspension Send(size_t capacity) {
  auto channel = MakeChannel(capacity);
  const int first = 1;
  EXPECT_EQ(capacity > 0 ? 0 : -EAGAIN, weir_typed_channel_try_send(channel->object, &first));
  Suspension suspension = WithClose(channel);
  suspension.wait = [channel] {
    const int second = 2;
    return weir_typed_channel_send(channel->object, &second);
  };
  suspension.endings.push_back(Finish(channel, -EPIPE));
  suspension.go_on = [channel, capacity] {
    if (capacity > 0) ExpectReceive(channel->object, 1);
    ExpectEmpty(channel->object);
  };
  return suspension;
}

Suspension Receive() {
  auto channel = MakeChannel(1);
  Suspension suspension = WithClose(channel);
  suspension.wait = [channel] {
    int got = 0;
    return weir_typed_channel_receive(channel->object, &got);
  };
  suspension.endings.push_back(Finish(channel, WEIR_E_END_OF_STREAM));
  suspension.go_on = [channel] {
    const int value = 3;
    EXPECT_EQ(0, weir_typed_channel_try_send(channel->object, &value));
    ExpectReceive(channel->object, 3);
  };
  return suspension;
}

// Receives from one, or sends to another that is full.
Suspension Select() {
  auto empty = MakeChannel(1);
  auto full = MakeChannel(1);
  const int first = 1;
  EXPECT_EQ(0, weir_typed_channel_try_send(full->object, &first));
  Suspension suspension = WithClose(empty);
  suspension.wait = [empty, full] {
    const int second = 2;
    int got = 0;
    weir_select_case cases[] = {{empty->object, nullptr, &got, 0},
                                {full->object, &second, nullptr, 0}};
    int chosen = weir_select(cases, 2);
    return chosen < 0 ? chosen : cases[chosen].result;
  };
  suspension.endings.push_back(Finish(empty, WEIR_E_END_OF_STREAM));
  suspension.endings.push_back({"close of the other", [full] { full->Close(); }, WEIR_E_CLOSED});
  suspension.endings.push_back(Finish(full, -EPIPE));
  suspension.go_on = [empty, full] {
    ExpectReceive(full->object, 1);
    ExpectEmpty(full->object);
    const int value = 3;
    EXPECT_EQ(0, weir_typed_channel_try_send(empty->object, &value));
    ExpectReceive(empty->object, 3);
  };
  suspension.take_down = [empty, full] {
    empty->Close();
    full->Close();
  };
  return suspension;
}

std::vector<SuspensionPoint> Points() {
  return {
      {"weir_delay", "", Delay, "nothing to close"},
      {"weir_yield", "", Yield, "nothing to close"},
      {"weir_scope_wait", "", ScopeWait, ""},
      {"weir_scope_close", "", ScopeClose, "is the close itself"},
      {"weir_job_wait", "", JobWait, ""},
      {"weir_mutex_lock", "", MutexLock, ""},
      {"weir_event_wait", "", EventWait, ""},
      {"weir_semaphore_acquire", "", SemaphoreAcquire, ""},
      {"weir_typed_channel_send", "full", [] { return Send(1); }, ""},
      {"weir_typed_channel_send", "unbuffered", [] { return Send(0); }, ""},
      {"weir_typed_channel_receive", "", Receive, ""},
      {"weir_select", "", Select, ""},
  };
}

INSTANTIATE_TEST_SUITE_P(Coroutine, SuspensionMatrix, testing::ValuesIn(Points()), PointName);

TEST(SuspensionPoints, AreAllThere) {
  const std::set<std::string> not_suspending = {
      "weir_cancellation_cause",
      "weir_dump",
      "weir_event_close",
      "weir_event_create",
      "weir_event_is_set",
      "weir_event_reset",
      "weir_event_set",
      "weir_install_dump",
      "weir_install_overflow_report",
      "weir_is_cancelled",
      "weir_job_cancel",
      "weir_job_cancel_with_cause",
      "weir_job_close",
      "weir_launch",
      "weir_local_get",
      "weir_local_set",
      "weir_mutex_close",
      "weir_mutex_create",
      "weir_mutex_try_lock",
      "weir_mutex_unlock",
      "weir_now",
      "weir_scope_cancel",
      "weir_scope_cancel_with_cause",
      "weir_scope_open",
      "weir_semaphore_close",
      "weir_semaphore_create",
      "weir_semaphore_permits",
      "weir_semaphore_release",
      "weir_semaphore_try_acquire",
      "weir_shield_begin",
      "weir_shield_end",
      "weir_timeout_begin",
      "weir_timeout_end",
      "weir_try_select",
      "weir_typed_channel_close",
      "weir_typed_channel_create",
      "weir_typed_channel_finish",
      "weir_typed_channel_try_receive",
      "weir_typed_channel_try_send",
  };
  weir_testing::ExpectComplete(
      {"coroutine/coroutine.h", "coroutine/diagnostics.h", "coroutine/sync.h"}, Points(),
      not_suspending);
}

}  // namespace
