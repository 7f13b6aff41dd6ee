// SPDX-License-Identifier: Apache-2.0

#include "testing/leak_checked_test.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdlib>

namespace weir_testing {

namespace {

unsigned SecondsAtMost() {
  // What Bazel tells a test; one minute is its least.
  const char *timeout = getenv("TEST_TIMEOUT");
  long seconds = timeout == nullptr ? 0 : strtol(timeout, nullptr, 10);
  return static_cast<unsigned>(seconds > 10 ? seconds - 5 : 55);
}

}  // namespace

int OpenDescriptorCount() {
  DIR *directory = opendir("/proc/self/fd");
  if (directory == nullptr) return -1;
  int count = 0;
  while (const dirent *entry = readdir(directory)) count += entry->d_name[0] != '.';
  closedir(directory);
  return count - 1;  // the directory itself
}

void LeakCheckedTest::SetUp() {
  alarm(SecondsAtMost());
  descriptors_before_ = OpenDescriptorCount();
  allocator_ = std::make_unique<CountingAllocator>();
}

void LeakCheckedTest::TearDown() {
  EXPECT_EQ(0, allocator_->outstanding()) << "blocks or mapped areas leaked";
  EXPECT_EQ(0, allocator_->block_bytes()) << "bytes leaked, or released with another size";
  allocator_.reset();
  EXPECT_EQ(descriptors_before_, OpenDescriptorCount()) << "file descriptors leaked";
  alarm(0);
}

}  // namespace weir_testing
