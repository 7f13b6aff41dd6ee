// SPDX-License-Identifier: Apache-2.0
//
// Coroutines from lambdas for googletest: what starts them is expected to succeed, and is a
// statement, so that long bodies stay readable.

#ifndef WEIR_TESTING_EXPECT_COROUTINE_H
#define WEIR_TESTING_EXPECT_COROUTINE_H

#include <gtest/gtest.h>

#include <utility>

#include "testing/lambda_coroutine.h"

namespace weir_testing {

// Runs |body| as the first coroutine of a selector of its own, and expects a result of 0.
inline void ExpectRun(const weir_selector_options &options, Body body) {
  EXPECT_EQ(0, RunCoroutine(std::move(body), &options));
}
inline void ExpectRun(Body body) { EXPECT_EQ(0, RunCoroutine(std::move(body))); }

// Launches |body| in |scope|, or in the current coroutine's own.
inline void ExpectLaunch(weir_scope *scope, Body body) {
  EXPECT_EQ(0, LaunchCoroutine(std::move(body), scope));
}
inline void ExpectLaunch(Body body) { EXPECT_EQ(0, LaunchCoroutine(std::move(body))); }

// Launches |body| and returns its job, for EndOf.
inline weir_job *LaunchJob(Body body) {
  weir_job *job = nullptr;
  EXPECT_EQ(0, LaunchCoroutine(std::move(body), nullptr, &job));
  return job;
}

// Waits until |job| has ended, closes it and returns what its body returned.
inline int EndOf(weir_job *job) {
  int result = 0;
  EXPECT_EQ(0, weir_job_wait(job, &result));
  weir_job_close(job);
  return result;
}

}  // namespace weir_testing

#endif  // WEIR_TESTING_EXPECT_COROUTINE_H
