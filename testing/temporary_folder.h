// SPDX-License-Identifier: Apache-2.0
//
// A folder for one test, gone with all that is in it when this is.

#ifndef WEIR_TESTING_TEMPORARY_FOLDER_H
#define WEIR_TESTING_TEMPORARY_FOLDER_H

#include <filesystem>
#include <string>
#include <string_view>

namespace weir_testing {

class TemporaryFolder {
 public:
  // Where Bazel wants it, or in /tmp. Aborts if it cannot be made.
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string path() const { return path_.string(); }

  // The path of |name| in the folder, whether it exists or not.
  std::string PathOf(std::string_view name) const { return (path_ / name).string(); }

  // Writes a file, which only this user may read, and returns its path. Aborts if it cannot.
  std::string Write(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_TEMPORARY_FOLDER_H
