// SPDX-License-Identifier: Apache-2.0
//
// Places for unix sockets of a test.

#ifndef WEIR_TESTING_UNIX_PATH_H
#define WEIR_TESTING_UNIX_PATH_H

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>
#include <string>

#include "weir/address.h"

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

// The address of either.
inline weir_address UnixAddress(const std::string &path) {
  weir_address address = {};
  EXPECT_EQ(0, weir_address_unix(&address, path.c_str()));
  return address;
}

inline bool Exists(const std::string &path) {
  struct stat status;
  return lstat(path.c_str(), &status) == 0;
}

// Makes the file of a socket of |type|, as a process that was killed leaves one.
inline void LeaveBehind(const std::string &path, int type) {
  int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
  weir_address address = UnixAddress(path);
  EXPECT_EQ(0, bind(fd, &address.socket.any, address.size));
  close(fd);
}

}  // namespace weir_testing

#endif  // WEIR_TESTING_UNIX_PATH_H
