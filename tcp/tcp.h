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

#include "weir/base.h"
#include "weir/channel.h"
#include "weir/selector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_listener weir_listener;

// Options of listeners and connections. All zero is the default. Those of a listener hold for the
// connections that it accepts, too.
typedef struct weir_tcp_options {
  int backlog;                     // connections waiting to be accepted at most; default 511
  bool delay;                      // Nagle's algorithm; off by default, since flushes are batched
  bool exclusive_address;          // turn SO_REUSEADDR off, which is on for listeners
  bool reuse_port;                 // SO_REUSEPORT
  bool shards;                     // of listeners: one for each loop; see weir_tcp_serve
  int64_t close_timeout;           // of weir_connection_close, nanoseconds; default 5 seconds
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
// |port| 0 takes a free one. The caller closes *out with weir_listener_close; on failure it is
// NULL. Does not suspend. Returns 0; -EINVAL when |host| is none of these or an option is out of
// range; -ENODEV when |host| names an interface that is not there; -EADDRINUSE, -EADDRNOTAVAIL,
// -EACCES, or what else socket(2), bind(2) and listen(2) report; -ENOMEM.
WEIR_MUST_USE int weir_tcp_bind(weir_tcp_builder tcp, weir_listener **out, const char *host,
                                uint16_t port);

// weir_accept suspends until somebody connects. The caller closes *out with weir_connection_close;
// on failure it is NULL. A client that is gone before it was accepted is passed over, and when file
// descriptors or memory run out (EMFILE, ENFILE, ENOBUFS, ENOMEM of accept(2), or no memory for the
// connection) it waits until the selector closes a descriptor, or 100 ms, then twice as long up to
// one second, and tries again: clients wait meanwhile. Limit that with weir_timeout_begin. Returns
// 0; -ECANCELED; -ETIMEDOUT; -EBUSY when another coroutine is accepting; WEIR_E_CLOSED when the
// listener is closed meanwhile; -EXDEV on another loop than that of the first weir_accept, unless
// the listener has |shards|; -EINVAL outside a coroutine; or what else accept(2) reports.
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
  WEIR_TCP_LEAST_LOADED = 0,  // on the loop with the fewest coroutines
  WEIR_TCP_ROUND_ROBIN,       // on each loop in turn
  WEIR_TCP_SAME_LOOP,         // on the loop that accepted
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
// coroutine. In the first two cases the handlers are cancelled; in all cases it suspends until they
// have ended. The accepting is done on the current loop, each handler runs on the loop that
// |options|, which may be NULL, say. A client for whom there is no memory is sent away with a
// reset.
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
// loop, return WEIR_E_CLOSED first, and a weir_tcp_serve hands out what it has accepted: it
// suspends until they have done so, which neither cancellation nor a deadline cuts short. NULL is
// legal. Returns 0; -EXDEV (another selector) or -EINVAL (outside a coroutine), and then nothing is
// done.
int weir_listener_close(weir_listener *listener);

// Connections

// weir_tcp_connect suspends until it is connected to |host| and |port|. |host| is an IPv4 or IPv6
// address or "localhost", which is 127.0.0.1 and, if that fails, ::1. The connection belongs to the
// current loop. The caller closes *out with weir_connection_close; on failure it is NULL. Limit its
// time with weir_timeout_begin. Returns 0; -EINVAL when |host| is none of these, for port 0, for an
// option out of range, or outside a coroutine; -ENODEV when |host| names an interface that is not
// there; -EXDEV for a builder of another selector; -ECANCELED; -ETIMEDOUT; -ECONNREFUSED, also when
// it would be connected to itself; -ENETUNREACH, or what else connect(2) reports, of the last
// address tried; -ENOMEM.
WEIR_MUST_USE int weir_tcp_connect(weir_tcp_builder tcp, weir_connection **out, const char *host,
                                   uint16_t port);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TCP_H
