// SPDX-License-Identifier: Apache-2.0
//
// An input of the channel fuzzer, taken apart. fuzz/README.md has its format.

#ifndef WEIR_FUZZ_CHANNEL_PROGRAM_H
#define WEIR_FUZZ_CHANNEL_PROGRAM_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace weir_fuzz {

// Who does a step: the coroutine that writes, or reads, at one of the ends.
constexpr int kActors = 4;
inline bool IsReader(int actor) { return (actor & 1) != 0; }
inline int EndOf(int actor) { return actor >> 1; }

constexpr size_t kSizes[16] = {0, 1, 2, 3, 4, 5, 7, 8, 12, 16, 31, 64, 100, 255, 1000, 5000};
constexpr int64_t kTimes[8] = {-1, 0, 100, 200, 1000, 2000, 10000, 100000};  // -1: none

struct Step {
  uint8_t kind = 0;
  uint8_t argument = 0;
  int64_t deadline = -1;  // nanoseconds, or none
  bool in_job = false;    // in a coroutine of its own, which may be cancelled
  size_t size() const { return kSizes[argument & 15]; }
  uint8_t high() const { return argument >> 4; }
};

struct Program {
  bool custom = false;
  bool across_loops = false;  // the pipe could be, though both ends are on one
  bool cr_ends_line = false;
  bool resynchronise = false;
  bool auto_flush[2] = {};
  size_t pipe_capacity = 0;
  size_t write_capacity = 0;
  size_t read_capacity = 0;
  size_t line_limit = 0;
  int failing_allocation = 0;
  // For so many writes of each custom connection there is no memory, from the first of these on.
  int first_refused = 0, refused = 0;
  std::vector<Step> steps[kActors];
  std::string material;  // of which all that is written consists, over and over
};

// What |data| means: every input is a program, and where it ends early the rest is zeros.
inline Program DecodeProgram(const uint8_t *data, size_t size) {
  constexpr size_t kMostSteps = 96;
  size_t at = 0;
  auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
  auto capacity = [](int nibble) { return nibble == 0 ? 0 : kSizes[nibble]; };
  Program program;
  uint8_t flags = next();
  program.custom = (flags & 1) != 0;
  program.cr_ends_line = (flags & 2) != 0;
  program.resynchronise = (flags & 4) != 0;
  program.auto_flush[0] = (flags & 8) != 0;
  program.auto_flush[1] = (flags & 16) != 0;
  uint8_t writing = next(), reading = next(), failing = next();
  program.pipe_capacity = capacity(writing & 15);
  program.write_capacity = capacity(writing >> 4);
  program.read_capacity = capacity(reading & 15);
  program.line_limit = capacity(reading >> 4);
  if ((flags & 32) != 0) program.failing_allocation = 1 + failing;
  program.first_refused = 1 + (failing & 31);
  if ((flags & 64) != 0 && program.custom) program.refused = 1 + (failing >> 5);
  program.across_loops = (flags & 128) != 0;
  for (size_t count = 0; at < size && count < kMostSteps; count++) {
    uint8_t first = next();
    if (first == 0xFF) break;
    Step step;
    step.deadline = kTimes[(first >> 2) & 7];
    step.in_job = (first & 32) != 0;
    step.kind = next();
    step.argument = next();
    program.steps[first & 3].push_back(step);
  }
  program.material.assign(reinterpret_cast<const char *>(data) + at, size - at);
  if (program.material.empty()) program.material = "ab-a\r\n--a-\xC3\xA9\n";
  return program;
}

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_CHANNEL_PROGRAM_H
