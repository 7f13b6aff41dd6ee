// SPDX-License-Identifier: Apache-2.0
//
// The end of a connection meets an operation of the user's in a wait that nothing cuts short. Then
// the next wait that can be cut is.

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "weir/blocking.h"
#include "weir/channel.h"
#include "weir/custom_connection.h"
#include "weir/sync.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::RunCoroutine;

// The waits to be met.
enum First { kBlocking, kScopeClose, kLaunchOn, kShield, kFirstCount };

// How the connection ends.
enum How { kClose, kAbort, kCancel, kHowCount };

// Only if what should come never does.
constexpr int64_t kPatience = 20 * WEIR_SECOND;

class Interruption : public weir_testing::LeakCheckedTest {
 protected:
  // Blocks its thread until Release.
  int Block() {
    blocked_ = true;
    held_.get_future().wait();
    return 0;
  }
  void Release() { held_.set_value(); }

  int WaitUncut() {
    weir_scope *scope = nullptr;
    int result = 0;
    switch (first_) {
      case kBlocking:
        return weir_blocking([](void *self) { return static_cast<Interruption *>(self)->Block(); },
                             this);
      case kScopeClose:
        result = weir_scope_open(&scope, nullptr);
        if (result == 0) result = LaunchCoroutine([&] { return WaitShielded(); }, scope);
        if (result == 0) result = weir_yield();  // it must be behind its shield
        return weir_scope_close(scope) < 0 ? -EIO : result;
      case kLaunchOn:
        return LaunchCoroutineOn(1, [] { return 0; });
      default:
        return WaitShielded();
    }
  }

  int WaitShielded() {
    weir_shield shield = weir_shield_begin();
    int result = weir_event_wait(released_);
    weir_shield_end(shield);
    return result;
  }

  int Read() {
    first_result_ = WaitUncut();
    weir_timeout timeout = weir_timeout_begin(kPatience);
    second_result_ = weir_event_wait(never_);
    third_result_ = weir_delay(1);
    (void)weir_timeout_end(timeout);
    return second_result_;
  }

  int End(How how) {
    if (how == kClose) return weir_connection_close(connection_);
    if (how == kAbort) weir_connection_abort(connection_);
    if (how == kCancel) weir_read_channel_cancel(weir_open_read_channel(connection_), -EPROTO);
    return 0;
  }

  void Open() {
    static constexpr weir_custom_operations kOperations = {
        [](void *self, void *, size_t, bool wait) {
          return wait ? static_cast<Interruption *>(self)->Read() : -EAGAIN;
        },
        nullptr, nullptr, nullptr, nullptr};
    held_ = std::promise<void>();
    blocked_ = false;
    EXPECT_EQ(0, weir_event_create(&released_));
    EXPECT_EQ(0, weir_event_create(&never_));
    EXPECT_EQ(0, weir_custom_connection(&connection_, &kOperations, this, nullptr));
    weir_connection_set_close_timeout(connection_, WEIR_FOREVER);
  }

  void Meet(First first, How how) {
    first_ = first;
    Open();
    int read = 0;
    auto reader = [&] {
      weir_bytes line;
      read = weir_read_line(weir_open_read_channel(connection_), &line);
      return 0;
    };
    // So that the other loop does not answer before.
    if (first == kLaunchOn) {
      EXPECT_EQ(0, LaunchCoroutineOn(1, [&] { return Block(); }));
    }
    EXPECT_EQ(0, LaunchCoroutine(reader));
    for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
    bool blocks = first == kBlocking || first == kLaunchOn;
    while (blocks && !blocked_) EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, LaunchCoroutine([=] { return End(how); }));
    for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(1, first_result_);  // it is in there yet
    weir_event_set(released_);
    Release();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, first_result_);
    EXPECT_EQ(-ECANCELED, second_result_);
    EXPECT_EQ(-ECANCELED, third_result_);
    EXPECT_EQ(how == kClose ? WEIR_E_CLOSED : how == kAbort ? -ECONNABORTED : -EPROTO, read);
    if (how != kClose) (void)weir_connection_close(connection_);
    weir_event_close(never_);
    weir_event_close(released_);
  }

  First first_ = kBlocking;
  std::promise<void> held_;
  std::atomic<bool> blocked_{false};
  weir_event *released_ = nullptr;
  weir_event *never_ = nullptr;
  weir_connection *connection_ = nullptr;
  int first_result_ = 1;
  int second_result_ = 1;
  int third_result_ = 1;
};

TEST_F(Interruption, WaitsForAWaitThatCanBeCut) {
  weir_selector_options options = {};
  options.loops = 2;
  for (int first = 0; first < kFirstCount; first++) {
    for (int how = 0; how < kHowCount; how++) {
      SCOPED_TRACE(std::to_string(first) + " " + std::to_string(how));
      first_result_ = 1;
      EXPECT_EQ(0, RunCoroutine(
                       [&] {
                         Meet(static_cast<First>(first), static_cast<How>(how));
                         return 0;
                       },
                       &options));
    }
  }
}

}  // namespace
