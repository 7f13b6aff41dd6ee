// SPDX-License-Identifier: Apache-2.0
//
// What takes long is done on the selector's blocking pool, where there is a selector.

#ifndef WEIR_TLS_INTERNAL_LOAD_H
#define WEIR_TLS_INTERNAL_LOAD_H

#include "weir/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_off_loop calls |function| with |argument|: in a coroutine on the selector's
// blocking pool, and suspends; outside of one here. Returns what |function| returned, and a failure
// that it noted is noted here; or as weir_blocking.
WEIR_MUST_USE int weir_internal_tls_off_loop(int (*function)(void *argument), void *argument);

// weir_internal_tls_read_file appends the file at |path| to |out|, which is empty. Blocks. |out| is
// filled without moving what it holds, so that wiping it once is enough. Returns 0; -EFBIG when the
// file has more than |limit| bytes; -ENOMEM; -EINVAL without a path; or what open(2) and read(2)
// say; all noted.
WEIR_MUST_USE int weir_internal_tls_read_file(weir_buffer *out, const char *path, size_t limit);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_LOAD_H
