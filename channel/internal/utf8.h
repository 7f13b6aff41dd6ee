// SPDX-License-Identifier: Apache-2.0
//
// Whether bytes are text.

#ifndef WEIR_CHANNEL_INTERNAL_UTF8_H
#define WEIR_CHANNEL_INTERNAL_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_utf8_is_valid tells whether the |size| bytes at |data| are well-formed UTF-8 as in
// RFC 3629, section 4: no overlong forms, no surrogates, nothing above U+10FFFF, nothing cut off.
bool weir_internal_utf8_is_valid(const char *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_UTF8_H
