// SPDX-License-Identifier: Apache-2.0
//
// Whether this build has a sanitizer that changes how much stack and memory everything takes.

#ifndef WEIR_TESTING_SANITIZERS_H
#define WEIR_TESTING_SANITIZERS_H

namespace weir_testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kHasSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kHasSanitizer = true;
#else
inline constexpr bool kHasSanitizer = false;
#endif
#else
inline constexpr bool kHasSanitizer = false;
#endif

}  // namespace weir_testing

#endif  // WEIR_TESTING_SANITIZERS_H
