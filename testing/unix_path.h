// SPDX-License-Identifier: Apache-2.0
//
// Places for unix sockets of a test.

#ifndef WEIR_TESTING_UNIX_PATH_H
#define WEIR_TESTING_UNIX_PATH_H

#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>

namespace weir_testing {

// Abstract names are the machine's, and those of processes in sandboxes may have the same number.
inline std::string NextNumber() {
  static const std::string process = std::to_string(std::random_device()());
  static int last = 0;
  return process + "-" + std::to_string(++last);
}

// A path in the test's own folder; relative, for those of Bazel are too long.
inline std::string FreeUnixPath() {
  const char *folder = getenv("TEST_TMPDIR");
  if (folder != nullptr && chdir(folder) != 0) abort();
  return "socket-" + NextNumber();
}

// An abstract name.
inline std::string FreeUnixName() { return "@weir-test-" + NextNumber(); }

}  // namespace weir_testing

#endif  // WEIR_TESTING_UNIX_PATH_H
