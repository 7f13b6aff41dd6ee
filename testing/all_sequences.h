// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen in a few steps, in every order: a world is made for each sequence of
// steps, which are taken in it, and checked.

#ifndef WEIR_TESTING_ALL_SEQUENCES_H
#define WEIR_TESTING_ALL_SEQUENCES_H

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace weir_testing {

template <typename World>
struct Step {
  std::string name;
  // Takes it, or returns false when it makes no sense now.
  std::function<bool(World *)> run;
};

// Runs every sequence of |depth| of |steps|, each in a new world, and returns their number. The
// world's Check is told the names of the steps.
template <typename World>
int RunAll(const std::vector<Step<World>> &steps, int depth,
           const std::function<std::unique_ptr<World>()> &create) {
  int runs = 0;
  std::vector<size_t> sequence(depth);
  for (;;) {
    std::unique_ptr<World> world = create();
    std::string trace;
    int done = 0;
    for (; done < depth; done++) {
      trace += steps[sequence[done]].name + " ";
      if (!steps[sequence[done]].run(world.get())) break;
    }
    if (done == depth) world->Check(trace);
    if (::testing::Test::HasFailure()) ADD_FAILURE() << trace;
    if (::testing::Test::HasFailure()) return runs;
    runs++;
    // The next sequence; one that broke off is like all that begin so.
    int at = done < depth ? done : depth - 1;
    for (int i = at + 1; i < depth; i++) sequence[i] = 0;
    while (at >= 0 && ++sequence[at] == steps.size()) sequence[at--] = 0;
    if (at < 0) return runs;
  }
}

}  // namespace weir_testing

#endif  // WEIR_TESTING_ALL_SEQUENCES_H
