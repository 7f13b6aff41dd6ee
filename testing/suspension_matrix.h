// SPDX-License-Identifier: Apache-2.0
//
// The matrix of suspensions: every public function that suspends, against everything that can end
// the suspension from outside: a cancel, a deadline, a close or abort of what it waits for, the end
// of the selector's run. Each pair ends with the documented code, loses nothing that was not
// reported, and leaves nothing behind.
//
// A package has a suspension_matrix_test.cc with its table:
//
//   INSTANTIATE_TEST_SUITE_P(Tcp, SuspensionMatrix, testing::ValuesIn(Points()), PointName);
//
// and a test with ExpectComplete, so that a function that is added to a header cannot be forgotten.

#ifndef WEIR_TESTING_SUSPENSION_MATRIX_H
#define WEIR_TESTING_SUSPENSION_MATRIX_H

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "testing/leak_checked_test.h"
#include "weir/selector.h"

namespace weir_testing {

// What another coroutine does to the thing that is waited for, and what the wait then returns.
struct Ending {
  std::string name;
  std::function<void()> act;
  int result;
};

// One suspension, and all that it needs, made anew for each interruption in the coroutine that also
// calls everything here but |wait|.
struct Suspension {
  // Calls the function in a coroutine of its own, and suspends until it is interrupted.
  std::function<int()> wait;
  // Checks, after a wait that was interrupted, that nothing is lost and that what was waited for
  // can still be used.
  std::function<void()> go_on;
  std::vector<Ending> endings;
  // Returns when |wait| cannot be taken back any more; for what another thread does.
  std::function<void()> settle;
  // For a wait that neither a cancel nor a deadline cuts short: makes it end, with 0.
  std::function<void()> finish;
  // Frees what is left, also in a cancelled coroutine.
  std::function<void()> take_down;
};

struct SuspensionPoint {
  std::string function;
  std::string way;  // of using it, if there are several; letters and digits
  std::function<Suspension()> make;
  // Why there are no endings, in a word; empty if there are.
  std::string no_ending;
  // What it returns when it is interrupted.
  int cancelled = -ECANCELED;
  int expired = -ETIMEDOUT;
  // Options of the selector. With several loops time is real.
  int loops = 1;
  int blocking_threads = 0;
};

// The tests of each point, in suspension_matrix.cc.
class SuspensionMatrix : public LeakCheckedTest,
                         public ::testing::WithParamInterface<SuspensionPoint> {};

// How googletest names a point, and shows it.
inline std::string PointName(const ::testing::TestParamInfo<SuspensionPoint> &test) {
  const SuspensionPoint &point = test.param;
  return point.way.empty() ? point.function : point.function + "_" + point.way;
}
inline void PrintTo(const SuspensionPoint &point, std::ostream *out) {
  *out << point.function << " " << point.way;
}

// Expects that every function that |headers| declare is either in the table or among those that do
// not suspend, in accordance with what the headers say. The headers are data of the test, named
// from the root of the repository.
void ExpectComplete(const std::vector<std::string> &headers,
                    const std::vector<SuspensionPoint> &points,
                    const std::set<std::string> &not_suspending);

}  // namespace weir_testing

#endif  // WEIR_TESTING_SUSPENSION_MATRIX_H
