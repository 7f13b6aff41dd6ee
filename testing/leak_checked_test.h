// SPDX-License-Identifier: Apache-2.0
//
// A test that must leave the process as it found it: no memory of Weir, no file descriptor more,
// and that must end.

#ifndef WEIR_TESTING_LEAK_CHECKED_TEST_H
#define WEIR_TESTING_LEAK_CHECKED_TEST_H

#include <gtest/gtest.h>

#include <memory>

#include "testing/counting_allocator.h"

namespace weir_testing {

// Returns how many file descriptors the process has open.
int OpenDescriptorCount();

class LeakCheckedTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  CountingAllocator &allocator() { return *allocator_; }

 private:
  std::unique_ptr<CountingAllocator> allocator_;
  int descriptors_before_ = 0;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_LEAK_CHECKED_TEST_H
