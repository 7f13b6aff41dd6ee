// SPDX-License-Identifier: Apache-2.0
//
// weir/udp.h: datagram sockets, bound or connected.
//
// A datagram arrives whole or not at all, and an empty one is a datagram. One coroutine receives at
// a time, any number may send. What fails is one operation, never the socket: after any error but
// WEIR_E_CLOSED the next operation may succeed. In particular the kernel tells a connected socket
// once that nobody listens at the other end (-ECONNREFUSED, from an ICMP message), in whatever
// operation comes next, although that has nothing to do with it (udp(7)).
//
// A socket belongs to the loop where its first operation happens; on another loop its functions
// return -EXDEV.
//
// Example:
//   static int run(void *argument) {
//     (void)argument;
//     weir_udp_builder udp = weir_udp(weir_current_selector());
//     weir_udp_socket *server = NULL, *client = NULL;
//     int result = weir_udp_bind(udp, &server, "127.0.0.1", 0);
//     if (result == 0) {
//       result = weir_udp_connect(udp, &client, "127.0.0.1", weir_udp_port(server));
//     }
//     if (result == 0) result = weir_udp_send(client, weir_text("hello"), NULL);
//     char memory[1500];
//     weir_datagram datagram = {.data = memory, .capacity = sizeof memory};
//     if (result == 0) result = weir_udp_receive(server, &datagram);
//     if (result == 0) printf("received %.*s\n", (int)datagram.size, memory);
//     weir_udp_close(client);
//     weir_udp_close(server);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_UDP_H
#define WEIR_UDP_H

#include "weir/address.h"
#include "weir/base.h"
#include "weir/selector.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_udp_socket weir_udp_socket;

// Options of datagram sockets. All zero is the default, which leaves each to the kernel.
typedef struct weir_udp_options {
  uint8_t type_of_service;     // of what is sent: IP_TOS, and IPV6_TCLASS (ip(7), ipv6(7))
  bool reuse_address;          // SO_REUSEADDR: others of the kind may bind the same address; of a
                               // unix socket: see weir_udp_bind_address
  bool reuse_port;             // SO_REUSEPORT: shares the port, and the kernel distributes
  bool broadcast;              // SO_BROADCAST; without it a send to such an address is -EACCES
  bool ipv6_only;              // IPV6_V6ONLY, for sockets bound to every address of the machine
  int send_buffer;             // SO_SNDBUF, bytes; the kernel has a limit (socket(7))
  int receive_buffer;          // SO_RCVBUF, bytes
  weir_address local_address;  // to bind before weir_udp_connect; unless it has no |size|
  // How long one send or receive may wait, in nanoseconds; then it returns -ETIME, and the socket
  // can be used further. Unlike SO_RCVTIMEO and SO_SNDTIMEO, which mean nothing to a socket that
  // does not block, it is a deadline of the suspension.
  int64_t socket_timeout;
  // Called with the socket's file descriptor when all options are set, before bind(2) and
  // connect(2): for options that have no field here. Returns 0; or a negative code, with which
  // creating the socket then fails. Must neither suspend nor close |fd|.
  int (*prepare)(int fd, void *argument);
  void *prepare_argument;
} weir_udp_options;

// A builder is a plain value: set its options, then bind or connect with it, any number of times.
typedef struct weir_udp_builder {
  weir_selector *selector;
  weir_udp_options options;
} weir_udp_builder;

// weir_udp returns a builder with default options for |selector|. Cannot fail, does nothing else.
weir_udp_builder weir_udp(weir_selector *selector);

// weir_udp_bind makes a socket that receives what comes to |host| and |port| from anybody, and
// sends to anybody from there. |host| is an IPv4 or IPv6 address, "localhost" (which is 127.0.0.1,
// RFC 6761), or NULL or "" for every address of the machine, IPv6 and IPv4 alike; |port| 0 takes a
// free one. The caller closes *out with weir_udp_close; on failure it is NULL. Does not suspend.
// Returns 0; -EINVAL when |host| is none of these or an option is out of range; -ENODEV when |host|
// names an interface that is not there; -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, or what else
// socket(2), setsockopt(2), bind(2) and the callback report; -ENOMEM.
WEIR_MUST_USE int weir_udp_bind(weir_udp_builder udp, weir_udp_socket **out, const char *host,
                                uint16_t port);

// weir_udp_connect makes a socket that exchanges datagrams with |host| and |port| alone; nothing is
// sent for that. Its own address is the option |local_address|, or one that the kernel chooses for
// the way there. Otherwise as weir_udp_bind, but |host| has to name one address, and |port| is not
// 0; besides it may be what connect(2) reports, such as -ENETUNREACH.
//
// Neither takes names of hosts: a datagram tells nobody which of their addresses answers.
// weir_resolve (weir/resolve.h) finds these; give one to weir_udp_connect_address or
// weir_udp_bind_address.
WEIR_MUST_USE int weir_udp_connect(weir_udp_builder udp, weir_udp_socket **out, const char *host,
                                   uint16_t port);

// weir_udp_bind_address and weir_udp_connect_address are the same for an |address|; it may be that
// of a unix socket, too (unix(7)), whose datagrams come in order and are not lost. A path is a file
// that binding makes and weir_udp_close removes, unless it was replaced meanwhile. When a program
// could not close, its file stays, and binding to it is -EADDRINUSE; with the option
// |reuse_address| it is removed if it is a socket that nobody has any more. Two programs that do
// that at the same moment can remove each other's: let them have a lock, or an abstract name, which
// leaves no file. A socket that connects without |local_address| gets an abstract name from the
// kernel, so that it can be answered; to one without a name nobody can send. Besides they may
// return -ENOENT, -EACCES, -EPERM and what else a path may cause, and -EPROTOTYPE for the path of
// a stream.
WEIR_MUST_USE int weir_udp_bind_address(weir_udp_builder udp, weir_udp_socket **out,
                                        const weir_address *address);
WEIR_MUST_USE int weir_udp_connect_address(weir_udp_builder udp, weir_udp_socket **out,
                                           const weir_address *address);

// weir_udp_local_address and weir_udp_remote_address return the addresses as text; of a socket that
// is not connected the latter is "". They live as long as the socket. weir_udp_port returns the
// port of the local address.
const char *weir_udp_local_address(const weir_udp_socket *socket);
const char *weir_udp_remote_address(const weir_udp_socket *socket);
uint16_t weir_udp_port(const weir_udp_socket *socket);

// A weir_datagram is a datagram in the caller's memory, with the address of the other side.
typedef struct weir_datagram {
  void *data;
  size_t capacity;       // bytes at |data|, for those to be received
  size_t size;           // bytes of the datagram there; 0 is an empty one
  bool truncated;        // a received one was larger than |capacity|: its rest is lost
  weir_address address;  // where it came from, or is to go
} weir_datagram;

// weir_udp_receive suspends until a datagram has come, and puts it into |datagram|, whose |data|
// and |capacity| the caller has set; all other fields are overwritten. An IPv4 sender is shown as
// one also by a socket of both kinds; a unix socket without a name has no address, |size| 0. No
// datagram of UDP is larger than 65,535 bytes, one of a unix socket can be. Returns 0;
// -ECONNREFUSED, -EHOSTUNREACH and so on, see above; -ECANCELED, -ETIMEDOUT, -ETIME, and then no
// datagram was taken; -EBUSY when another coroutine is receiving; WEIR_E_CLOSED when the socket is
// closed meanwhile; -EXDEV; -EINVAL outside a coroutine; or what else recvfrom(2) reports.
WEIR_MUST_USE int weir_udp_receive(weir_udp_socket *socket, weir_datagram *datagram);

// weir_udp_receive_batch is weir_udp_receive of those that are there when the first one is, up to
// |count|, but no more than WEIR_DATAGRAM_BATCH, with one system call (recvmmsg(2)). Returns their
// number, at least 1, also if an error comes behind them, which the next receive then meets; or as
// weir_udp_receive. -EINVAL for a |count| of 0.
enum { WEIR_DATAGRAM_BATCH = 32 };
WEIR_MUST_USE int weir_udp_receive_batch(weir_udp_socket *socket, weir_datagram *datagrams,
                                         size_t count);

// weir_udp_send sends |data| as one datagram to |address|, or where the socket is connected to if
// that is NULL; suspends while the kernel has no room for it. Coroutines that wait for room send in
// the order in which they came; not those of a unix socket that is not connected, where each waits
// for its own receiver. What the kernel has taken may still be lost on its way. Returns 0;
// -EMSGSIZE when it is too large for a datagram; -EDESTADDRREQ without an address on a socket that
// is not connected; -EISCONN for another address than that to which it is; -EACCES for a broadcast
// address without the option; -ECONNREFUSED, -EHOSTUNREACH and so on, see above; -ECANCELED,
// -ETIMEDOUT, -ETIME, and then it was not sent; WEIR_E_CLOSED when the socket is closed meanwhile;
// -EXDEV; -EINVAL outside a coroutine; or what else sendto(2) reports.
WEIR_MUST_USE int weir_udp_send(weir_udp_socket *socket, weir_bytes data,
                                const weir_address *address);

// weir_udp_send_batch sends |count| datagrams in order, with one system call (sendmmsg(2)) for up
// to WEIR_DATAGRAM_BATCH of them; of each it uses |data|, |size| and |address|, which may have no
// |size| on a connected socket. So what weir_udp_receive_batch received can be sent back as it is.
// Suspends like weir_udp_send. Returns how many were sent: all, or fewer when something happened to
// the next one, such as a deadline; that one can then be sent again to learn what it was, if it
// lasts. If it was the first one, returns as weir_udp_send; and WEIR_E_CLOSED whatever was sent.
WEIR_MUST_USE int weir_udp_send_batch(weir_udp_socket *socket, const weir_datagram *datagrams,
                                      size_t count);

// weir_udp_close closes and frees |socket|. Coroutines suspended in an operation on it return
// WEIR_E_CLOSED first. NULL is legal. Returns 0; -EALREADY when another coroutine is closing it,
// -EXDEV, or -EINVAL outside a coroutine, and then nothing is done.
int weir_udp_close(weir_udp_socket *socket);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_UDP_H
