// SPDX-License-Identifier: Apache-2.0
//
// weir/address.h: addresses of sockets, and their text. weir/resolve.h finds the addresses of
// names.
//
// Example:
//   uint16_t port;
//   assert(weir_port_parse(&port, "2323") == 0 && port == 2323);
//   weir_address address;
//   assert(weir_address_parse(&address, "::1", port) == 0);
//   char text[WEIR_ADDRESS_TEXT_SIZE];
//   assert(strcmp(weir_address_format(&address, text), "[::1]:2323") == 0);
//   assert(weir_address_unix(&address, "@weir") == 0);
//   assert(strcmp(weir_address_format(&address, text), "unix:@weir") == 0);

#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// A weir_address is an IPv4 or IPv6 address with a port, or the path or abstract name of a unix
// socket (unix(7)): a plain value. |size| is the number of bytes of |socket| that are in use, as
// bind(2) and connect(2) want it. Nothing below suspends, allocates, or asks a name service.
typedef struct weir_address {
  socklen_t size;
  union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_un local;  // of a unix socket; "unix" is a macro of some compilers
  } socket;
} weir_address;

// Room for the longest text of any address: "unix:", 108 bytes of a path, NUL. For IPv4 and IPv6
// less will do: 45 characters of IPv6, '%' and the name of an interface (15), brackets, ':' and a
// port (5), NUL.
#define WEIR_ADDRESS_TEXT_SIZE 120
#define WEIR_ADDRESS_IP_TEXT_SIZE 72

// Making addresses. On failure |*out| is all zero, which is the address of nobody.

// weir_address_parse makes *out from the IPv4 or IPv6 address in |host| ("127.0.0.1", "::1",
// "fe80::1%eth0", "fe80::1%2", RFC 4291 and RFC 4007; no brackets) and |port|. No name is looked
// up. Returns 0; -EINVAL if |host| is not such an address; -ENODEV if it names an interface that is
// not there; -EMFILE, -ENFILE, -ENOBUFS or -ENOMEM when the kernel cannot be asked for that
// interface, which takes a file descriptor for a moment.
WEIR_MUST_USE int weir_address_parse(weir_address *out, const char *host, uint16_t port);

// weir_address_from_bytes makes *out from the 4 bytes of an IPv4 or the 16 bytes of an IPv6 address
// in network order, and |port|. Returns 0, or -EINVAL for another number of bytes.
WEIR_MUST_USE int weir_address_from_bytes(weir_address *out, weir_bytes bytes, uint16_t port);

// weir_address_unix makes *out the address of the unix socket at |path|, absolute or not, or of the
// abstract name behind an '@' ("@name"); a path that begins with that is "./@name". Returns 0;
// -EINVAL for NULL and for an empty path or name; -ENAMETOOLONG beyond 107 bytes, the '@' not
// counted.
WEIR_MUST_USE int weir_address_unix(weir_address *out, const char *path);

// weir_address_unix_abstract makes *out the abstract |name|, of 1 to 107 bytes of any value, NULs
// too. Returns 0, -EINVAL, or -ENAMETOOLONG.
WEIR_MUST_USE int weir_address_unix_abstract(weir_address *out, weir_bytes name);

// weir_address_from_text makes *out from what weir_address_format writes: "127.0.0.1:80",
// "[::1]:80", "[fe80::1%eth0]:80", "unix:/path", "unix:@name". Returns 0; -EINVAL if |text| is none
// of these; or as weir_address_parse and weir_address_unix do.
WEIR_MUST_USE int weir_address_from_text(weir_address *out, const char *text);

// Looking at them

// weir_address_format writes the text of |address| into |out|, of WEIR_ADDRESS_TEXT_SIZE bytes, and
// returns |out|:
//   "127.0.0.1:80", "[::1]:80"  RFC 5952; of the forms with an IPv4 address in the end only
//                               "[::ffff:192.0.2.1]:80", the one that is still in use
//   "[fe80::1%eth0]:80"         an interface without a name, or whose name cannot be asked for, is
//                               shown by its number
//   "unix:/path", "unix:@name"  control characters are shown as '?', so that the text is one line;
//                               a path that begins with '@' is shown as "./@path"
//   "unix:"                     a unix socket without a name, such as a client's
//   "?"                         anything else
const char *weir_address_format(const weir_address *address, char *out);

// weir_address_port returns the port of |address|, 0 if it has none.
uint16_t weir_address_port(const weir_address *address);

// weir_address_bytes returns the 4 or 16 bytes of an IP address in network order, the path of a
// unix socket, or its abstract name without '@'; nothing for anything else. The span is in
// |address|.
weir_bytes weir_address_bytes(const weir_address *address);

// weir_address_equal tells whether both are the same, scope and port included. One that names
// nobody (all zero, or a unix socket without a name) is equal to none.
bool weir_address_equal(const weir_address *first, const weir_address *second);

// weir_address_hash returns a number that is the same for equal addresses, for hash tables
// (SipHash-2-4). Where peers choose their addresses let |seed| be random and secret, so that they
// cannot make them collide; otherwise 0 will do.
uint64_t weir_address_hash(const weir_address *address, uint64_t seed);

// weir_port_parse makes *out from the decimal number in |text|. Returns 0, or -EINVAL unless it is
// one of 0 to 65535, digits only.
WEIR_MUST_USE int weir_port_parse(uint16_t *out, const char *text);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_ADDRESS_H
