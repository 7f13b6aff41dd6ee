// SPDX-License-Identifier: Apache-2.0
//
// Whether this build has a sanitizer that changes how much stack and memory everything takes, and
// whose malloc it is.

#ifndef WEIR_TESTING_SANITIZERS_H
#define WEIR_TESTING_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WEIR_HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WEIR_HAS_SANITIZER 1
#endif
#endif
#if !defined(WEIR_HAS_SANITIZER)
#define WEIR_HAS_SANITIZER 0
#endif

namespace weir_testing {

inline constexpr bool kHasSanitizer = WEIR_HAS_SANITIZER != 0;

}  // namespace weir_testing

#endif  // WEIR_TESTING_SANITIZERS_H
