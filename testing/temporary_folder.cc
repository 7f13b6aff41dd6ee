// SPDX-License-Identifier: Apache-2.0

#include "testing/temporary_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace weir_testing {

namespace {

[[noreturn]] void Fail(const std::string &path) {
  perror(path.c_str());
  abort();
}

}  // namespace

TemporaryFolder::TemporaryFolder() {
  const char *parent = getenv("TEST_TMPDIR");
  std::string path = std::string(parent != nullptr ? parent : "/tmp") + "/weir_XXXXXX";
  if (mkdtemp(path.data()) == nullptr) Fail(path);
  path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::Write(std::string_view name, std::string_view content) const {
  const std::string path = PathOf(name);
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (fd < 0) Fail(path);
  while (!content.empty()) {
    ssize_t count = write(fd, content.data(), content.size());
    if (count < 0) Fail(path);
    content.remove_prefix(static_cast<size_t>(count));
  }
  if (close(fd) != 0) Fail(path);
  return path;
}

}  // namespace weir_testing
