// SPDX-License-Identifier: Apache-2.0
//
// A pipe with a coroutine at its far end.

#ifndef WEIR_CHANNEL_INTERNAL_PIPE_H
#define WEIR_CHANNEL_INTERNAL_PIPE_H

#include "channel/internal/connection.h"

#ifdef __cplusplus
extern "C" {
#endif

// Who stands at the other end of a pipe. All is called on behalf of this end.
typedef struct weir_internal_pipe_partner {
  // The close has sent everything. Returns true if that is all; otherwise
  // weir_internal_connection_lingered is called later.
  bool (*linger)(struct weir_internal_pipe_partner *partner);
  // As the transport's |stop|.
  bool (*stop)(struct weir_internal_pipe_partner *partner);
  // The connection was aborted. Called once at most.
  void (*aborted)(struct weir_internal_pipe_partner *partner);
  // The connection is gone.
  void (*released)(struct weir_internal_pipe_partner *partner);
} weir_internal_pipe_partner;

// weir_internal_pipe_set_partner makes |partner| the one of |connection|, the end of a pipe.
void weir_internal_pipe_set_partner(weir_connection *connection,
                                    weir_internal_pipe_partner *partner);

// weir_internal_shared_pipe makes the two ends of a pipe across loops (shared_pipe.c). Returns 0 or
// -ENOMEM.
WEIR_MUST_USE int weir_internal_shared_pipe(weir_connection **out_first,
                                            weir_connection **out_second, size_t capacity);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_PIPE_H
