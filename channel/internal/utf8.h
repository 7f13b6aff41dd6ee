// SPDX-License-Identifier: Apache-2.0
//
// Whether bytes are text: well-formed UTF-8 as in RFC 3629, section 4, so no overlong forms, no
// surrogates, nothing above U+10FFFF, nothing cut off.

#ifndef WEIR_CHANNEL_INTERNAL_UTF8_H
#define WEIR_CHANNEL_INTERNAL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_utf8_prefix returns how many of the |size| bytes at |data| are well-formed: the
// size of the longest run of whole characters that they begin with. Reads nothing behind them.
size_t weir_internal_utf8_prefix(const char *data, size_t size);

// The ways in which it is done, one of which is chosen when it is called first.
//
// weir_internal_utf8_prefix_plain runs on every machine; it looks at eight bytes at a time where
// they are ASCII, and otherwise at one character.
size_t weir_internal_utf8_prefix_plain(const char *data, size_t size);

#if defined(__x86_64__)
// weir_internal_utf8_prefix_avx2 looks at 32 bytes at a time, whatever they are. Only for
// processors that have AVX2.
size_t weir_internal_utf8_prefix_avx2(const char *data, size_t size);
#endif

// weir_internal_utf8_is_valid tells whether all |size| bytes at |data| are well-formed.
static inline bool weir_internal_utf8_is_valid(const char *data, size_t size) {
  return weir_internal_utf8_prefix(data, size) == size;
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_UTF8_H
