// SPDX-License-Identifier: Apache-2.0

#include "weir/selector.h"

#include <gtest/gtest.h>

namespace {

int Child(void *argument) {
  int result = weir_delay(WEIR_MILLISECOND);
  *static_cast<int *>(argument) = 42;
  return result;
}

int Parent(void *argument) {
  int result = weir_launch(nullptr, nullptr, nullptr, Child, argument);
  if (result < 0) return result;
  result = weir_scope_wait(nullptr);
  return result < 0 ? result : 7;
}

TEST(Run, ReturnsTheResultAfterTheChildren) {
  int answer = 0;
  EXPECT_EQ(7, weir_run(nullptr, Parent, &answer));
  EXPECT_EQ(42, answer);
}

}  // namespace
