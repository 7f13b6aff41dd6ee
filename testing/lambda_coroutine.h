// SPDX-License-Identifier: Apache-2.0
//
// Coroutines from C++ lambdas, so that a test reads from the top to the bottom.
//
// Use EXPECT_ inside, not ASSERT_, which returns from a void function.

#ifndef WEIR_TESTING_LAMBDA_COROUTINE_H
#define WEIR_TESTING_LAMBDA_COROUTINE_H

#include <functional>
#include <memory>
#include <utility>

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

}  // namespace weir_testing

#endif  // WEIR_TESTING_LAMBDA_COROUTINE_H
