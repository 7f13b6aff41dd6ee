// SPDX-License-Identifier: Apache-2.0
//
// Connecting: to one address in connect.c, to a host that has several in happy_eyeballs.c.

#ifndef WEIR_TCP_INTERNAL_CONNECT_H
#define WEIR_TCP_INTERNAL_CONNECT_H

#include "tcp/internal/tcp_connection.h"
#include "weir/address.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIR_INTERNAL_TCP_MOST_ADDRESSES = 64 };  // of each family

// What connecting to one address brings.
typedef struct weir_internal_tcp_dialled {
  weir_tcp_connection *connection;  // open and connected, but not yet ready for users
  weir_address local;
  weir_address remote;
  // Of several attempts: what to tell when the option |connect.timeout| was the end of them, while
  // others had failed before; or 0.
  int failure;
} weir_internal_tcp_dialled;

// weir_internal_tcp_dial connects to |remote|; |host| is how the user named it. Suspends. On
// failure out->connection is NULL.
WEIR_MUST_USE int weir_internal_tcp_dial(weir_internal_tcp_dialled *out,
                                         const weir_tcp_builder *tcp, const char *host,
                                         const weir_address *remote);

// weir_internal_tcp_dial_host connects to |host|, a valid name, and |port|, whichever of its
// addresses answers first (RFC 8305). The options of |tcp| are complete. Suspends.
WEIR_MUST_USE int weir_internal_tcp_dial_host(weir_internal_tcp_dialled *out,
                                              const weir_tcp_builder *tcp, const char *host,
                                              uint16_t port);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_CONNECT_H
