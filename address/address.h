// SPDX-License-Identifier: Apache-2.0
//
// weir/address.h: addresses of sockets, and their text.
//
// Example:
//   uint16_t port;
//   assert(weir_port_parse(&port, "2323") == 0 && port == 2323);
//   weir_address address;
//   assert(weir_address_parse(&address, "::1", port) == 0);
//   char text[WEIR_ADDRESS_TEXT_SIZE];
//   assert(strcmp(weir_address_format(&address, text), "[::1]:2323") == 0);

#ifndef WEIR_ADDRESS_H
#define WEIR_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// A weir_address is an IPv4 or IPv6 address with a port: a plain value. |size| is the number of
// bytes of |socket| that are in use.
typedef struct weir_address {
  socklen_t size;
  union {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
  } socket;
} weir_address;

// Room for the longest text of an address: 45 characters of IPv6, '%' and the name of an interface
// (15), brackets, ':' and a port (5), NUL.
#define WEIR_ADDRESS_TEXT_SIZE 72

// weir_address_parse makes *out from the IPv4 or IPv6 address in |host| ("127.0.0.1", "::1",
// "fe80::1%eth0", "fe80::1%2", RFC 4291 and RFC 4007; no brackets) and |port|. No name is looked
// up. Returns 0; -EINVAL if |host| is not such an address; -ENODEV if it names an interface that is
// not there; -EMFILE, -ENFILE, -ENOBUFS or -ENOMEM when the kernel cannot be asked for that
// interface, which takes a file descriptor for a moment.
WEIR_MUST_USE int weir_address_parse(weir_address *out, const char *host, uint16_t port);

// weir_address_format writes the text of |address| into |out|, of WEIR_ADDRESS_TEXT_SIZE bytes:
// "127.0.0.1:80" or "[::1]:80" (RFC 5952), and returns |out|. An interface without a name, or whose
// name cannot be asked for, is shown by its number. An address of another family is "?".
const char *weir_address_format(const weir_address *address, char *out);

// weir_address_port returns the port of |address|, 0 if it has none.
uint16_t weir_address_port(const weir_address *address);

// weir_address_equal tells whether both are the same, scope and port included.
bool weir_address_equal(const weir_address *first, const weir_address *second);

// weir_port_parse makes *out from the decimal number in |text|. Returns 0, or -EINVAL unless it is
// one of 0 to 65535, digits only.
WEIR_MUST_USE int weir_port_parse(uint16_t *out, const char *text);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_ADDRESS_H
