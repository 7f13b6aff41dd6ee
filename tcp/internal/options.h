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
// saves as many system calls for every client. The user's own callback comes last.
WEIR_MUST_USE int weir_internal_tcp_set_stream_options(const weir_internal_system_calls *calls,
                                                       int fd, const weir_tcp_options *options);

// weir_internal_tcp_set_unix_options is the same for a unix socket that is to be bound or
// connected; weir_internal_tcp_set_accepted_unix_options for one that was accepted, since the
// listener of unix sockets hands nothing down.
WEIR_MUST_USE int weir_internal_tcp_set_unix_options(const weir_internal_system_calls *calls,
                                                     int fd, const weir_tcp_options *options);
void weir_internal_tcp_set_accepted_unix_options(const weir_internal_system_calls *calls, int fd,
                                                 const weir_tcp_options *options);

// weir_internal_tcp_prepare_accepted calls the user's own callback for an accepted connection.
// Returns 0, or a negative code if the user does not want it.
WEIR_MUST_USE int weir_internal_tcp_prepare_accepted(int fd, const weir_tcp_options *options);

// weir_internal_tcp_set_listener_options applies what concerns listeners; before bind(2).
WEIR_MUST_USE int weir_internal_tcp_set_listener_options(const weir_internal_system_calls *calls,
                                                         int fd, const weir_tcp_options *options);

// weir_internal_tcp_set_dual_stack lets an IPv6 listener take IPv4 clients, or none with
// |ipv6_only|; before bind(2).
WEIR_MUST_USE int weir_internal_tcp_set_dual_stack(const weir_internal_system_calls *calls, int fd,
                                                   bool ipv6_only);

// weir_internal_tcp_backlog returns the backlog to ask for.
int weir_internal_tcp_backlog(const weir_tcp_options *options);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_INTERNAL_OPTIONS_H
