// SPDX-License-Identifier: Apache-2.0
//
// A datagram socket: made in bind.c, used in receive.c and send.c, closed in udp_socket.c.

#ifndef WEIR_UDP_INTERNAL_UDP_SOCKET_H
#define WEIR_UDP_INTERNAL_UDP_SOCKET_H

#include "coroutine/internal/remote.h"
#include "coroutine/internal/suspend.h"
#include "selector/internal/operation.h"
#include "selector/internal/socket_file.h"
#include "weir/udp.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_udp_socket {
  weir_internal_descriptor descriptor;
  weir_selector *selector;
  weir_internal_loop *loop;  // of the first operation; NULL before it. Atomic
  bool connected;
  bool receiving;
  bool sending;  // one is inside the descriptor; the others wait in |senders|
  bool closing;
  int64_t socket_timeout;
  // How many coroutines are inside. The last one tells the close.
  int inside;
  weir_internal_reply *left;
  weir_internal_wait_queue senders;
  weir_internal_wait_queue room;  // the one that looks now and then; see send.c
  weir_address local;
  weir_internal_socket_file file;  // of a unix socket
  weir_address remote;             // if it is connected
  char local_text[WEIR_ADDRESS_TEXT_SIZE];
  char remote_text[WEIR_ADDRESS_TEXT_SIZE];
};

// weir_internal_udp_prepare checks |options| and sets them on |fd|, a socket of |family|, up to the
// user's own callback; before bind(2). Returns 0 or a negative code.
WEIR_MUST_USE int weir_internal_udp_check_options(const weir_udp_options *options);
WEIR_MUST_USE int weir_internal_udp_set_options(const weir_internal_system_calls *calls, int fd,
                                                int family, const weir_udp_options *options);

// weir_internal_udp_enter begins an operation. Returns 0; or a negative code, and then there is
// nothing to leave. After weir_internal_udp_leave the socket may be gone.
WEIR_MUST_USE int weir_internal_udp_enter(weir_udp_socket *socket);
void weir_internal_udp_leave(weir_udp_socket *socket);

// weir_internal_udp_unmap makes the IPv6 address that stands for an IPv4 one that one.
void weir_internal_udp_unmap(weir_address *address);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_UDP_INTERNAL_UDP_SOCKET_H
