// SPDX-License-Identifier: Apache-2.0
//
// A listener: made and closed in listener.c, accepting in accept.c.

#ifndef WEIR_TCP_INTERNAL_LISTENER_H
#define WEIR_TCP_INTERNAL_LISTENER_H

#include "coroutine/internal/remote.h"
#include "coroutine/internal/suspend.h"
#include "selector/internal/operation.h"
#include "selector/internal/socket_file.h"
#include "weir/address.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

// One listening socket. A listener has one, or one for each loop.
typedef struct weir_internal_shard {
  weir_internal_descriptor descriptor;
  // Where it is accepted; NULL until the first time if the listener has only one. Atomic.
  weir_internal_loop *loop;
  bool accepting;
  bool closing;
  // How many hold it. The last one tells the close, when that waits, or frees the listener, when
  // that could not.
  int inside;
  weir_internal_reply *left;
  weir_listener *to_free;
} weir_internal_shard;

struct weir_listener {
  weir_selector *selector;
  weir_tcp_options options;
  weir_address address;
  // It listens on every address of the machine, so that each connection has to be asked for its
  // own.
  bool everywhere;
  weir_internal_socket_file file;  // of a unix socket
  char text[WEIR_ADDRESS_TEXT_SIZE];
  size_t shard_count;
  weir_internal_shard shards[];
};

// weir_internal_listener_hold returns the shard of the current loop, and keeps a close waiting
// until weir_internal_listener_let_go, on the same loop. NULL: the listener belongs to another
// loop.
weir_internal_shard *weir_internal_listener_hold(weir_listener *listener);
void weir_internal_listener_let_go(weir_internal_shard *shard);

// weir_internal_listener_release frees a listener that nobody holds.
void weir_internal_listener_release(weir_listener *listener);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_LISTENER_H
