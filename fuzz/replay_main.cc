// SPDX-License-Identifier: Apache-2.0
//
// Stands in for libFuzzer where that is not wanted: runs a fuzz target on each file that is named,
// or lies in a folder that is named. Works with any compiler.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" __attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

namespace {

namespace fs = std::filesystem;

// Adds the files at |path|. Returns false if there is nothing.
bool Collect(const fs::path &path, std::vector<fs::path> *files) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    for (const auto &entry : fs::recursive_directory_iterator(path, error)) {
      if (entry.is_regular_file()) files->push_back(entry.path());
    }
    return !error;
  }
  files->push_back(path);
  return fs::exists(path, error);
}

bool RunOn(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.is_open() || file.bad()) return false;
  // Copied into memory of just its size, so that ASan sees a read behind it.
  auto copy = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
  return true;
}

int Refuse(const char *name, const char *why) {
  fprintf(stderr, "replay: %s: %s\n", name, why);
  return 1;
}

}  // namespace

int main(int argc, char **argv) {
  if (LLVMFuzzerInitialize != nullptr) LLVMFuzzerInitialize(&argc, &argv);
  std::vector<fs::path> files;
  for (int i = 1; i < argc; i++) {
    if (argv[i][0] == '-') return Refuse(argv[i], "no options here; build with --config=fuzz");
    if (!Collect(argv[i], &files)) return Refuse(argv[i], "cannot be read");
  }
  if (files.empty()) return Refuse("no input", "name files or folders");
  for (const fs::path &path : files) {
    // Named first, so that a crash tells where it was.
    fprintf(stderr, "replay: %s\n", path.c_str());
    if (!RunOn(path)) return Refuse(path.c_str(), "cannot be read");
  }
  fprintf(stderr, "replay: %zu inputs passed\n", files.size());
  return 0;
}
