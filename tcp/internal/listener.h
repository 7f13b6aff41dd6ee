// SPDX-License-Identifier: Apache-2.0
//
// A listener: made and closed in listener.c, accepting in accept.c.

#ifndef WEIR_TCP_INTERNAL_LISTENER_H
#define WEIR_TCP_INTERNAL_LISTENER_H

#include "coroutine/internal/suspend.h"
#include "selector/internal/operation.h"
#include "weir/address.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_listener {
  weir_internal_descriptor descriptor;
  weir_tcp_options options;
  weir_address address;
  // It listens on every address of the machine, so that each connection has to be asked for its
  // own.
  bool everywhere;
  bool accepting;
  bool closing;
  // How many coroutines are inside weir_accept. The close waits for |left| until there are none.
  int inside;
  weir_internal_wait_queue left;
  char text[WEIR_ADDRESS_TEXT_SIZE];
};

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_LISTENER_H
