// SPDX-License-Identifier: Apache-2.0
//
// What the options of a builder do to a socket.

#ifndef WEIR_TCP_INTERNAL_OPTIONS_H
#define WEIR_TCP_INTERNAL_OPTIONS_H

#include "selector/internal/system_calls.h"
#include "weir/tcp.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tcp_check_options returns 0, or -EINVAL when one of |options| is out of range.
WEIR_MUST_USE int weir_internal_tcp_check_options(const weir_tcp_options *options);

// weir_internal_tcp_set_stream_options applies to |fd| what concerns connections. On a listener it
// concerns those that it will accept, since Linux hands each of these options down to them: that
// saves as many system calls for every client.
WEIR_MUST_USE int weir_internal_tcp_set_stream_options(const weir_internal_system_calls *calls,
                                                       int fd, const weir_tcp_options *options);

// weir_internal_tcp_set_listener_options applies what concerns listeners; before bind(2).
WEIR_MUST_USE int weir_internal_tcp_set_listener_options(const weir_internal_system_calls *calls,
                                                         int fd, const weir_tcp_options *options);

// weir_internal_tcp_set_dual_stack lets an IPv6 listener take IPv4 clients; before bind(2).
WEIR_MUST_USE int weir_internal_tcp_set_dual_stack(const weir_internal_system_calls *calls, int fd);

// weir_internal_tcp_backlog returns the backlog to ask for.
int weir_internal_tcp_backlog(const weir_tcp_options *options);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_OPTIONS_H
