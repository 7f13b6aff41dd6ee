// SPDX-License-Identifier: Apache-2.0
//
// Which sanitizers this build has, and the words to tell them and valgrind about our stacks.

#ifndef WEIR_COROUTINE_INTERNAL_SANITIZERS_H
#define WEIR_COROUTINE_INTERNAL_SANITIZERS_H

#if defined(__SANITIZE_ADDRESS__)
#define WEIR_INTERNAL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_INTERNAL_ASAN 1
#endif
#endif
#ifndef WEIR_INTERNAL_ASAN
#define WEIR_INTERNAL_ASAN 0
#endif

#if defined(__SANITIZE_THREAD__)
#define WEIR_INTERNAL_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_INTERNAL_TSAN 1
#endif
#endif
#ifndef WEIR_INTERNAL_TSAN
#define WEIR_INTERNAL_TSAN 0
#endif

#if WEIR_INTERNAL_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if WEIR_INTERNAL_TSAN
#include <sanitizer/tsan_interface.h>
#endif

// Requests to valgrind are a few instructions without effect when it is absent.
#ifdef __has_include
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#define WEIR_INTERNAL_VALGRIND 1
#endif
#endif
#ifndef WEIR_INTERNAL_VALGRIND
#define WEIR_INTERNAL_VALGRIND 0
#endif

#endif  // WEIR_COROUTINE_INTERNAL_SANITIZERS_H
