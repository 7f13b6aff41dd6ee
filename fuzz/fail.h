// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_FUZZ_FAIL_H
#define WEIR_FUZZ_FAIL_H

namespace weir_fuzz {

// Ends the process after a message, as a fuzzer expects it of a finding.
[[noreturn]] void Fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_FAIL_H
