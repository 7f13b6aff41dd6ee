// SPDX-License-Identifier: Apache-2.0
//
// weir/tcp.h: TCP listeners and connections.
//
// Example:
//   static int greet(void *argument) {
//     weir_connection *client = (weir_connection *)argument;
//     int result = weir_write_line(weir_open_write_channel(client, true), weir_text("hello"));
//     weir_connection_close(client);
//     return result;
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_tcp_builder tcp = weir_tcp(weir_current_selector());
//     weir_listener *listener;
//     int result = weir_tcp_bind(tcp, &listener, "127.0.0.1", 0);
//     if (result < 0) return result;
//     weir_connection *near = NULL, *far = NULL;
//     result = weir_tcp_connect(tcp, &far, "127.0.0.1", weir_listener_port(listener));
//     if (result == 0) result = weir_accept(listener, &near);
//     if (result == 0) result = weir_launch(NULL, NULL, NULL, greet, near);
//     weir_bytes line;
//     if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(far), &line);
//     if (result == 0) printf("the server says %.*s\n", (int)line.size, line.data);
//     weir_connection_close(far);
//     weir_listener_close(listener);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_TCP_H
#define WEIR_TCP_H

#include "weir/address.h"
#include "weir/base.h"
#include "weir/channel.h"
#include "weir/resolve.h"
#include "weir/selector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_listener weir_listener;

// Options of connecting. All zero is the default. Times are in nanoseconds.
typedef struct weir_tcp_connect_options {
  int64_t timeout;  // for all of it, lookups too; default 30 seconds; WEIR_FOREVER: no limit
  // Of happy eyeballs (RFC 8305), which weir_tcp_connect describes: how long addresses of IPv4 wait
  // for those of IPv6, default 50 milliseconds, negative: not at all; and how long an attempt is
  // alone, default 250 milliseconds, at least 10, WEIR_FOREVER: until it fails.
  int64_t resolution_delay;
  int64_t attempt_delay;
  size_t addresses;               // of each family to be tried at most; default 8, up to 64
  const weir_resolver *resolver;  // who knows hosts; default the system; lives as long as the call
} weir_tcp_connect_options;

// Options of listeners and connections. All zero is the default. Those of a listener hold for the
// connections that it accepts, too.
typedef struct weir_tcp_options {
  int backlog;              // connections waiting to be accepted at most; default 511
  bool delay;               // Nagle's algorithm; off by default, since flushes are batched
  bool exclusive_address;   // turn SO_REUSEADDR off, which is on for listeners
  bool reuse_port;          // SO_REUSEPORT
  bool ipv6_only;           // of listeners on every address: no IPv4 clients (ipv6(7))
  uint8_t type_of_service;  // IP_TOS, and IPV6_TCLASS (ip(7), ipv6(7))
  int send_buffer;          // SO_SNDBUF, bytes; default: the kernel adapts it (tcp(7))
  int receive_buffer;       // SO_RCVBUF, bytes; the same
  // SO_KEEPALIVE: asks a peer that is silent whether it is still there, at first after
  // |keep_alive_idle| seconds, then every |keep_alive_interval| seconds, and gives the connection
  // up after |keep_alive_count| times; 0 of these leaves it to the kernel (tcp(7)). Off by default.
  bool keep_alive;
  int keep_alive_idle;  // these three without |keep_alive| are -EINVAL
  int keep_alive_interval;
  int keep_alive_count;
  int user_timeout;  // TCP_USER_TIMEOUT: milliseconds that output may stay unacknowledged
  // weir_connection_close does not wait, and resets the connection: SO_LINGER with a time of 0. For
  // any other time there is |close_timeout|; SO_LINGER would block the thread.
  bool reset_on_close;
  // How long one read or write of a connection may wait for the peer, in nanoseconds; then it
  // returns -ETIME, and the connection can be used further, as after a deadline. It begins anew
  // with every byte that comes or goes, and does not count while no coroutine waits. Unlike
  // SO_RCVTIMEO and SO_SNDTIMEO, which mean nothing to a socket that does not block, it is a
  // deadline of each suspension. Default: none.
  int64_t socket_timeout;
  // Called with the socket's file descriptor when the other options are set, before bind(2) and
  // connect(2), once for each socket: for options that have no field here. What it sets on a
  // listener holds for accepted connections as far as the kernel hands it down, which it does not
  // for unix sockets. Returns 0; or a negative code, with which binding or connecting then fails.
  // Must neither suspend nor close |fd|.
  int (*prepare)(int fd, void *argument);
  // The same for each connection that a listener accepted, before it has a user, on the loop that
  // accepted; |argument| is |prepare_argument|, too. A client for whom it returns a negative code
  // is closed and passed over.
  int (*prepare_accepted)(int fd, void *argument);
  void *prepare_argument;
  bool shards;            // of listeners: one for each loop; see weir_tcp_serve
  int64_t close_timeout;  // of weir_connection_close, nanoseconds; default 5 seconds
  weir_tcp_connect_options connect;
  weir_read_channel_options read;  // of the read channels
  weir_write_channel_options write;
} weir_tcp_options;

// A builder is a plain value: set its options, then bind or connect with it, any number of times.
typedef struct weir_tcp_builder {
  weir_selector *selector;
  weir_tcp_options options;
} weir_tcp_builder;

// weir_tcp returns a builder with default options for |selector|. Cannot fail, does nothing else.
weir_tcp_builder weir_tcp(weir_selector *selector);

// Listeners

// weir_tcp_bind listens on |host| and |port|. |host| is an IPv4 or IPv6 address, "localhost" (which
// is 127.0.0.1, RFC 6761), or NULL or "" for every address of the machine, IPv6 and IPv4 alike;
// |port| 0 takes a free one. Other names are for weir_resolve and weir_tcp_bind_address. The caller
// closes *out with weir_listener_close; on failure it is NULL. Does not suspend. Returns 0; -EINVAL
// when |host| is none of these or an option is out of range; -ENODEV when |host| names an interface
// that is not there; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, or what else socket(2), bind(2) and
// listen(2) report; -ENOMEM.
WEIR_MUST_USE int weir_tcp_bind(weir_tcp_builder tcp, weir_listener **out, const char *host,
                                uint16_t port);

// weir_tcp_bind_address is weir_tcp_bind to |address|, which may be that of a unix socket, too
// (unix(7)): a path, or an abstract name. Clients are served by the same functions. Of the options,
// those of TCP and IP have no meaning there, nor has |shards|.
//
// A path is a file that binding makes and weir_listener_close removes, unless it was replaced
// meanwhile. When a program could not close, its file stays; the next bind removes it if it is a
// socket on which nobody listens, unless |exclusive_address| is set. Two programs that do that at
// the same moment can remove each other's: let them have a lock, or an abstract name, which leaves
// no file. Who may connect to a path is decided by the permissions of its folder and, umask(2), of
// the file; to an abstract name, everybody in the network namespace may. Besides as weir_tcp_bind
// it may return -ENOENT, -ENOTDIR, -EPERM and what else a path may cause.
WEIR_MUST_USE int weir_tcp_bind_address(weir_tcp_builder tcp, weir_listener **out,
                                        const weir_address *address);

// weir_accept suspends until somebody connects. The caller closes *out with weir_connection_close;
// on failure it is NULL. A client that is gone before it was accepted is passed over, and one that
// the option |prepare_accepted| refuses. When file descriptors or memory run out (EMFILE, ENFILE,
// ENOBUFS, ENOMEM of accept(2), or no memory for the connection) it waits until the selector closes
// a descriptor, or 100 ms, then twice as long up to one second, and tries again: clients wait
// meanwhile. Limit that with weir_timeout_begin. Returns 0; -ECANCELED; -ETIMEDOUT; -EBUSY when
// another coroutine is accepting; WEIR_E_CLOSED when the listener is closed meanwhile; -EXDEV on
// another loop than that of the first weir_accept, unless the listener has |shards|; -EINVAL
// outside a coroutine; or what else accept(2) reports.
WEIR_MUST_USE int weir_accept(weir_listener *listener, weir_connection **out);

// weir_listener_address returns the address as text ("127.0.0.1:2323"), weir_listener_port its
// port. The text lives as long as the listener.
const char *weir_listener_address(const weir_listener *listener);
uint16_t weir_listener_port(const weir_listener *listener);

// Serving
//
// What weir_accept returns belongs to no loop before its first operation, so it can be handed to a
// coroutine on another one: weir_launch_on does it by hand, weir_tcp_serve for all clients.

// Where handlers run.
typedef enum weir_tcp_placement {
  // On the loop with the fewest coroutines, clients who were handed to it included. One that has
  // not taken up any of these for 10 milliseconds, because something keeps it busy, is passed over.
  WEIR_TCP_LEAST_LOADED = 0,
  WEIR_TCP_ROUND_ROBIN,  // on each loop in turn
  WEIR_TCP_SAME_LOOP,    // on the loop that accepted
} weir_tcp_placement;

// Options of serving. All zero is the default.
typedef struct weir_tcp_serve_options {
  weir_tcp_placement placement;  // has no meaning for a listener with shards
  weir_launch_options launch;    // of the handlers
} weir_tcp_serve_options;

// The function of a coroutine that serves one client. It closes |connection|. Its result is of no
// consequence to the other clients.
typedef int (*weir_tcp_handler)(weir_connection *connection, void *argument);

// weir_tcp_serve accepts clients and launches |handler| with each connection and |argument|, until
// the current coroutine is cancelled, its deadline passes, or |listener| is closed by another
// coroutine. In the first two cases the handlers are cancelled, and those that could not begin yet
// begin so; in all cases it suspends until they have ended. The accepting is done on the current
// loop, each handler runs on the loop that |options|, which may be NULL, say. No other loop is
// waited for: if a handler computes for long, it delays the clients of its own loop. A client for
// whom there is no memory is sent away with a reset.
//
// A listener that was bound with the option |shards| has a socket of its own on each loop
// (SO_REUSEPORT of socket(7)), among which the kernel distributes the clients; weir_tcp_serve
// accepts on all loops, and each client stays on the loop that accepted it. weir_accept on such a
// listener takes those of its own loop. Two things to know of such sockets: clients that wait in
// one when it is closed are reset, although others go on listening; and any program of the same
// user can listen on the same port, so that bind does not tell that it is in use.
//
// Returns -ECANCELED; -ETIMEDOUT; WEIR_E_CLOSED when the listener was closed; -EINVAL without a
// handler; or as weir_accept; -ENOMEM when it could not begin.
WEIR_MUST_USE int weir_tcp_serve(weir_listener *listener, const weir_tcp_serve_options *options,
                                 weir_tcp_handler handler, void *argument);

// weir_listener_close stops listening and frees the listener; connections that it accepted are not
// touched, those waiting to be accepted are reset. Coroutines suspended in weir_accept, on any
// loop, return WEIR_E_CLOSED first, and a weir_tcp_serve hands out what it has accepted; it
// suspends until they have done so, which neither cancellation nor a deadline cuts short. A
// coroutine that was launched but has not called either yet does not hold the listener: cancel and
// join it before. NULL is legal. Returns 0; -EXDEV in a coroutine of another selector, and then
// nothing is done.
//
// Outside coroutines it works while the selector does not run; and on the thread that drives it
// with weir_selector_poll, for a listener that has no |shards| and was not accepted from on another
// loop. There it does not wait: those in weir_accept return in the polls that follow. Otherwise it
// returns -EXDEV and does nothing.
int weir_listener_close(weir_listener *listener);

// Connections

// weir_tcp_connect suspends until it is connected to |host| and |port|. |host| is an IPv4 or IPv6
// address, or a name as weir_resolve takes it. The connection belongs to the current loop. The
// caller closes *out with weir_connection_close; on failure it is NULL.
//
// Of a name the addresses of IPv6 and of IPv4 are looked up at the same time, and tried by turns as
// RFC 8305 has it, IPv6 first; when those of IPv4 come first, they wait for the others for the
// |resolution_delay|. When an attempt fails the next one begins, and also when it is still under
// way after the |attempt_delay|: then both go on, and the first to be connected wins. The others
// are cancelled and closed before the return. "localhost" is 127.0.0.1, then ::1, without a lookup.
//
// Returns 0; -EINVAL when |host| is neither a name nor an address, for port 0, for an option out of
// range, or outside a coroutine; -ENODEV when |host| names an interface that is not there; -EXDEV
// for a builder of another selector; -ECANCELED; -ETIMEDOUT after the option |connect.timeout|,
// too; WEIR_E_NAME_NOT_FOUND, or what else weir_resolve says of a name without any address;
// -ECONNREFUSED, also when it would be connected to itself; -ENETUNREACH, or what else socket(2)
// and connect(2) report; -ENOMEM. Of several addresses it is the failure of the one that failed
// first, also when |connect.timeout| passes after that; but that there is no way to one
// (-ENETUNREACH, -EHOSTUNREACH, -ENETDOWN, -EADDRNOTAVAIL, -EAFNOSUPPORT), as to all of IPv6 on
// many machines, only when that was so of all that were tried.
WEIR_MUST_USE int weir_tcp_connect(weir_tcp_builder tcp, weir_connection **out, const char *host,
                                   uint16_t port);

// weir_tcp_connect_address is weir_tcp_connect to |address|, which may be that of a unix socket,
// too. It waits while the queue of that socket is full. The connection is used like any other; but
// unix sockets know no reset: what weir_connection_abort cuts off, or a close that loses output,
// looks to the peer like the end of the stream. Besides as weir_tcp_connect it may return -ENOENT,
// -EACCES and what else a path may cause, and -EPROTOTYPE for the path of a datagram socket.
WEIR_MUST_USE int weir_tcp_connect_address(weir_tcp_builder tcp, weir_connection **out,
                                           const weir_address *address);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_H
