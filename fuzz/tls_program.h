// SPDX-License-Identifier: Apache-2.0
//
// An input of the fuzzer of TLS records, taken apart. fuzz/README.md has its format.

#ifndef WEIR_FUZZ_TLS_PROGRAM_H
#define WEIR_FUZZ_TLS_PROGRAM_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir_fuzz {

enum class TlsStepKind : uint8_t {
  // On the way to the side.
  kDeliver,
  kDeliverAll,
  kFlipBit,
  kDrop,
  kDuplicate,
  kInject,
  kReflect,  // what the side itself has sent
  kCutOff,
  kReset,
  kRoom,
  // What the side does.
  kRead,
  kReadFully,
  kReadTry,
  kReadAwait,
  kWrite,
  kWriteTry,
  kFlush,
  kShutdown,
  kCancelReader,
  kCancelWriter,
  kCancelHandshake,
  kAbort,
  kClose,
  kAdvance,
  kCount,
};

struct TlsStep {
  TlsStepKind kind = TlsStepKind::kDeliverAll;
  int side = 0;          // 0: the client
  bool at_once = false;  // the next step follows before anybody else runs
  uint8_t argument = 0;
  size_t size() const {
    static constexpr size_t kSizes[16] = {1,   2,    5,    6,     21,    31,    64,    100,
                                          255, 1000, 4000, 16383, 16384, 16385, 40000, 70000};
    return kSizes[argument & 15];
  }
};

struct TlsProgram {
  bool tls_1_2 = false;
  bool handshake_too = false;  // steps may disturb the handshake
  bool auto_flush[2] = {};
  bool new_keys_often = false;
  bool allow_truncation = false;
  bool small_room = false;
  int failing_allocation = 0;
  std::vector<TlsStep> steps;
};

// What |data| means: every input is a program, and where it ends early the rest is zeros.
inline TlsProgram DecodeTlsProgram(const uint8_t *data, size_t size) {
  constexpr size_t kMostSteps = 80;
  size_t at = 0;
  auto next = [&]() -> uint8_t { return at < size ? data[at++] : 0; };
  TlsProgram program;
  uint8_t flags = next();
  program.tls_1_2 = (flags & 1) != 0;
  program.handshake_too = (flags & 2) != 0;
  program.auto_flush[0] = (flags & 4) != 0;
  program.auto_flush[1] = (flags & 8) != 0;
  program.new_keys_often = (flags & 16) != 0;
  program.allow_truncation = (flags & 32) != 0;
  program.small_room = (flags & 64) != 0;
  if ((flags & 128) != 0) program.failing_allocation = 1 + next();
  while (at < size && program.steps.size() < kMostSteps) {
    uint8_t first = next();
    TlsStep step;
    int kind = (first & 31) % static_cast<int>(TlsStepKind::kCount);
    step.kind = static_cast<TlsStepKind>(kind);
    step.side = (first >> 5) & 1;
    step.at_once = (first & 64) != 0;
    step.argument = next();
    program.steps.push_back(step);
  }
  return program;
}

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_TLS_PROGRAM_H
