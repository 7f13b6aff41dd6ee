// SPDX-License-Identifier: Apache-2.0
//
// Coroutines from C++ lambdas, so that a test reads from the top to the bottom.
//
// Use EXPECT_ inside, not ASSERT_, which returns from a void function.

#ifndef WEIR_TESTING_LAMBDA_COROUTINE_H
#define WEIR_TESTING_LAMBDA_COROUTINE_H

#include <cstddef>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "weir/coroutine.h"
#include "weir/selector.h"

namespace weir_testing {

using Body = std::function<int()>;

// Runs |body| as the first coroutine of a selector of its own, like weir_run.
inline int RunCoroutine(Body body, const weir_selector_options *options = nullptr) {
  auto call = [](void *argument) { return (*static_cast<Body *>(argument))(); };
  return weir_run(options, call, &body);
}

// Launches |body|, which is moved into the coroutine, by |launch|, which is called as weir_launch
// is.
template <typename Launch>
int LaunchCoroutineBy(Launch launch, Body body, weir_scope *scope, weir_job **job) {
  auto owned = std::make_unique<Body>(std::move(body));
  auto call = [](void *argument) {
    std::unique_ptr<Body> mine(static_cast<Body *>(argument));
    return (*mine)();
  };
  int result = launch(scope, job, nullptr, +call, owned.get());
  // From a launch that succeeded on, the coroutine owns it.
  if (result == 0) static_cast<void>(owned.release());
  return result;
}

// Launches |body|, which is moved into the coroutine, like weir_launch.
inline int LaunchCoroutine(Body body, weir_scope *scope = nullptr, weir_job **job = nullptr) {
  return LaunchCoroutineBy(weir_launch, std::move(body), scope, job);
}

// The same on |loop|, like weir_launch_on.
inline int LaunchCoroutineOn(int loop, Body body, weir_scope *scope = nullptr,
                             weir_job **job = nullptr) {
  auto launch = [loop](auto... arguments) { return weir_launch_on(loop, arguments...); };
  return LaunchCoroutineBy(launch, std::move(body), scope, job);
}

// Runs |bodies| side by side until all have ended. They fail together, so that none waits for one
// that is gone. Returns 0 or the first failure; |out_launched| tells how many, from the first one
// on, were launched.
inline int RunTogether(const std::vector<Body> &bodies, size_t *out_launched = nullptr) {
  size_t launched = 0;
  weir_scope *scope = nullptr;
  weir_scope_options together = {};
  together.fail_together = true;
  int result = weir_scope_open(&scope, &together);
  while (result == 0 && launched < bodies.size()) {
    result = LaunchCoroutine(bodies[launched], scope);
    if (result == 0) launched++;
  }
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  if (out_launched != nullptr) *out_launched = launched;
  return result < 0 ? result : closed;
}

}  // namespace weir_testing

#endif  // WEIR_TESTING_LAMBDA_COROUTINE_H
