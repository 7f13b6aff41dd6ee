// SPDX-License-Identifier: Apache-2.0
//
// A loop without a world: its time jumps to whatever is awaited next, and only other threads can
// wake it. Enough to run coroutines that do no input or output.

#ifndef WEIR_TESTING_VIRTUAL_LOOP_H
#define WEIR_TESTING_VIRTUAL_LOOP_H

#include <condition_variable>
#include <functional>
#include <mutex>

#include "coroutine/internal/loop.h"

namespace weir_testing {

class VirtualLoop {
 public:
  explicit VirtualLoop(size_t stack_size = 256 * 1024) {
    weir_internal_loop_options options = {};
    options.stack_size = stack_size;
    options.drain_timeout = WEIR_SECOND;
    created_ = weir_internal_loop_create(&loop_, &kOperations, this, &options);
  }
  ~VirtualLoop() { weir_internal_loop_close(loop_); }
  VirtualLoop(const VirtualLoop &) = delete;
  VirtualLoop &operator=(const VirtualLoop &) = delete;

  int created() const { return created_; }
  weir_internal_loop *get() { return loop_; }
  int64_t now() const { return now_; }
  void Advance(int64_t nanoseconds) { now_ += nanoseconds; }

  // Runs |body| as the root coroutine and returns its result.
  int Run(std::function<int()> body) { return weir_internal_loop_run(loop_, Call, &body); }

  // For weir_launch with a std::function as argument, which must outlive the coroutine.
  static int Call(void *function) { return (*static_cast<std::function<int()> *>(function))(); }

 private:
  static int64_t Now(void *self) { return static_cast<VirtualLoop *>(self)->now_; }

  static int Wait(void *self, int64_t until) {
    return static_cast<VirtualLoop *>(self)->WaitUntil(until);
  }

  static void Wake(void *self) {
    auto *loop = static_cast<VirtualLoop *>(self);
    std::lock_guard<std::mutex> lock(loop->mutex_);
    loop->woken_ = true;
    loop->condition_.notify_one();
  }

  int WaitUntil(int64_t until) {
    std::unique_lock<std::mutex> lock(mutex_);
    if (until == WEIR_FOREVER) {
      condition_.wait(lock, [this] { return woken_; });
    } else if (!woken_ && until > now_) {
      now_ = until;
    }
    woken_ = false;
    return 0;
  }

  static constexpr weir_internal_loop_operations kOperations = {Now, Wait, Wake};

  weir_internal_loop *loop_ = nullptr;
  int created_ = 0;
  int64_t now_ = 1000 * WEIR_SECOND;
  std::mutex mutex_;
  std::condition_variable condition_;
  bool woken_ = false;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_VIRTUAL_LOOP_H
