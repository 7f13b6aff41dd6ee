// SPDX-License-Identifier: Apache-2.0
//
// A connection whose bytes are compressed by zlib on their way over another one: an example of a
// filter, explained in docs/custom_connections.md.

#ifndef WEIR_EXAMPLES_DEFLATE_CONNECTION_H
#define WEIR_EXAMPLES_DEFLATE_CONNECTION_H

#include "weir/custom_connection.h"

#ifdef __cplusplus
extern "C" {
#endif

// deflate_connection makes a connection over |inner|, which stays the caller's, to be closed after
// this one. Returns 0, -ENOMEM, or -EINVAL outside a coroutine.
WEIR_MUST_USE int deflate_connection(weir_connection **out, weir_connection *inner);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_EXAMPLES_DEFLATE_CONNECTION_H
