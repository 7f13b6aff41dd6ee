// SPDX-License-Identifier: Apache-2.0
//
// The loop's waits that go on until something happens. Each lets one blocking call return, so that
// all calls come in the same order in every run, however long a thread takes. They are counted by
// the kernel's table, below whatever numbers the calls: else the thread could overtake the wait.

#ifndef WEIR_TESTING_COUNTED_WAITS_H
#define WEIR_TESTING_COUNTED_WAITS_H

#include <atomic>
#include <thread>

#include "selector/internal/system_calls.h"

namespace weir_testing {

class CountedWaits {
 public:
  // The kernel's table, which counts the waits.
  static const weir_internal_system_calls &Kernel() {
    static const weir_internal_system_calls counting = [] {
      weir_internal_system_calls table = weir_internal_kernel;
      table.epoll_wait = [](void *context, int epoll, epoll_event *events, int count,
                            int64_t timeout) {
        if (timeout != 0) begun_++;
        return weir_internal_kernel.epoll_wait(context, epoll, events, count, timeout);
      };
      return table;
    }();
    return counting;
  }

  // Begins a run over |calls|, a table over Kernel, and returns a copy of it.
  static weir_internal_system_calls Count(const weir_internal_system_calls *calls) {
    below_ = calls;
    begun_ = 0;
    used_ = 0;
    return *calls;
  }

  // On another thread: blocks until the loop waits once more. It must be sure to do so, which it is
  // not for a call that was abandoned.
  static void Use() {
    int used = used_;
    do {
      while (begun_ == used) std::this_thread::yield();
    } while (!used_.compare_exchange_weak(used, used + 1));
  }

  // The table that |Count| was given.
  static const weir_internal_system_calls *below() { return below_; }

 private:
  static inline const weir_internal_system_calls *below_;
  static inline std::atomic<int> begun_;
  static inline std::atomic<int> used_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_COUNTED_WAITS_H
