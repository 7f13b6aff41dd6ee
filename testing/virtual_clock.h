// SPDX-License-Identifier: Apache-2.0
//
// A clock that moves only when nothing else can happen: a test that waits an hour ends at once, and
// what it sees of time is exact.

#ifndef WEIR_TESTING_VIRTUAL_CLOCK_H
#define WEIR_TESTING_VIRTUAL_CLOCK_H

#include "selector/internal/system_calls.h"
#include "weir/selector.h"

namespace weir_testing {

class VirtualClock {
 public:
  VirtualClock() : calls_(weir_internal_kernel) {
    calls_.context = this;
    calls_.now = [](void *self) { return static_cast<VirtualClock *>(self)->now_; };
    // The kernel's other calls ignore their context.
    calls_.epoll_wait = [](void *self, int epoll, struct epoll_event *events, int count,
                           int64_t timeout) {
      return static_cast<VirtualClock *>(self)->Wait(epoll, events, count, timeout);
    };
  }
  VirtualClock(const VirtualClock &) = delete;
  VirtualClock &operator=(const VirtualClock &) = delete;

  // Options for a selector that lives by this clock.
  weir_selector_options options() const {
    weir_selector_options options = {};
    options.system_calls = &calls_;
    return options;
  }

  int64_t now() const { return now_; }
  void Advance(int64_t nanoseconds) { now_ += nanoseconds; }

 private:
  int Wait(int epoll, struct epoll_event *events, int count, int64_t timeout) {
    int64_t first_look = timeout < 0 ? timeout : 0;
    int result = weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, first_look);
    if (result == 0 && timeout > 0) now_ += timeout;
    return result;
  }

  weir_internal_system_calls calls_;
  int64_t now_ = 1000 * WEIR_SECOND;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_VIRTUAL_CLOCK_H
