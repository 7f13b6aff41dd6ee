// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_FAILURE_H
#define WEIR_TLS_INTERNAL_FAILURE_H

#include "tls/internal/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_noted returns what was noted last in the current coroutine, or outside of one
// on this thread. Never NULL.
const weir_tls_failure *weir_internal_tls_noted(void);

// weir_internal_tls_lacked_memory empties BoringSSL's queue of errors, and tells whether one of
// them was a lack of memory. Those behind it may be mere consequences.
bool weir_internal_tls_lacked_memory(void);

// weir_internal_tls_make_line makes the text of |failure| one line: what came from a file or a peer
// may have control characters in it, which become question marks.
void weir_internal_tls_make_line(weir_tls_failure *failure);

// weir_internal_tls_take_reason empties BoringSSL's queue of errors, and puts its latest reason
// into |failure|. Returns |code|, or -ENOMEM when BoringSSL had no memory.
int weir_internal_tls_take_reason(int code, weir_tls_failure *failure);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_FAILURE_H
