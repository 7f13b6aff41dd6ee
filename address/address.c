// SPDX-License-Identifier: Apache-2.0

#include "weir/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

enum { LARGEST_PORT = 65535 };

// Reads digits only, so that neither a sign nor a space passes. Returns 0 or -EINVAL.
static int parse_number(uint32_t *out, const char *text, uint32_t largest) {
  if (*text == '\0') return -EINVAL;
  uint64_t number = 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9') return -EINVAL;
    number = number * 10 + (uint64_t)(*text - '0');
    if (number > largest) return -EINVAL;
  }
  *out = (uint32_t)number;
  return 0;
}

int weir_port_parse(uint16_t *out, const char *text) {
  uint32_t port = 0;
  int result = text == NULL ? -EINVAL : parse_number(&port, text, LARGEST_PORT);
  if (result == 0) *out = (uint16_t)port;
  return result;
}

// What a failed if_nametoindex or if_indextoname says. They ask the kernel through a socket, and
// without one they know nothing of the interface: glibc then says ENOENT, whatever was missing,
// which is a file descriptor as a rule.
static int no_interface(void) {
  switch (errno) {
    case ENXIO:
      return -ENODEV;
    case ENOENT:
      return -EMFILE;
    default:
      return -errno;
  }
}

// Finds the index of the interface that |zone| names, or gives as a number (RFC 4007, 11.2).
static int parse_zone(uint32_t *out, const char *zone) {
  if (*zone == '\0') return -EINVAL;
  uint32_t index = if_nametoindex(zone);
  if (index == 0) {
    int result = no_interface();
    if (result != -ENODEV || parse_number(&index, zone, UINT32_MAX) < 0) return result;
    char name[IF_NAMESIZE];
    if (if_indextoname(index, name) == NULL) return no_interface();
  }
  *out = index;
  return 0;
}

static int parse_ipv6(struct sockaddr_in6 *out, const char *host) {
  char digits[INET6_ADDRSTRLEN];
  size_t size = strcspn(host, "%");
  if (size >= sizeof digits) return -EINVAL;
  memcpy(digits, host, size);
  digits[size] = '\0';
  if (inet_pton(AF_INET6, digits, &out->sin6_addr) != 1) return -EINVAL;
  if (host[size] == '\0') return 0;
  return parse_zone(&out->sin6_scope_id, host + size + 1);
}

int weir_address_parse(weir_address *out, const char *host, uint16_t port) {
  memset(out, 0, sizeof *out);
  if (host == NULL) return -EINVAL;
  if (inet_pton(AF_INET, host, &out->socket.ipv4.sin_addr) == 1) {
    out->size = sizeof out->socket.ipv4;
    out->socket.ipv4.sin_family = AF_INET;
    out->socket.ipv4.sin_port = htons(port);
    return 0;
  }
  int result = parse_ipv6(&out->socket.ipv6, host);
  if (result < 0) {
    memset(out, 0, sizeof *out);
    return result;
  }
  out->size = sizeof out->socket.ipv6;
  out->socket.ipv6.sin6_family = AF_INET6;
  out->socket.ipv6.sin6_port = htons(port);
  return 0;
}

static bool is_ipv4(const weir_address *address) {
  return address->size >= sizeof address->socket.ipv4 && address->socket.any.sa_family == AF_INET;
}

static bool is_ipv6(const weir_address *address) {
  return address->size >= sizeof address->socket.ipv6 && address->socket.any.sa_family == AF_INET6;
}

static void format_ipv6(const struct sockaddr_in6 *address, char *out) {
  char digits[INET6_ADDRSTRLEN];
  // With room for every address inet_ntop cannot fail; and it writes as RFC 5952 asks.
  if (inet_ntop(AF_INET6, &address->sin6_addr, digits, sizeof digits) == NULL) digits[0] = '\0';
  unsigned port = ntohs(address->sin6_port);
  char zone[IF_NAMESIZE + 1] = "";
  if (address->sin6_scope_id != 0) {
    zone[0] = '%';
    // An interface that has gone has no name left, and without descriptors none can be asked for;
    // but its number is still true.
    if (if_indextoname(address->sin6_scope_id, zone + 1) == NULL) {
      snprintf(zone + 1, sizeof zone - 1, "%u", address->sin6_scope_id);
    }
  }
  snprintf(out, WEIR_ADDRESS_TEXT_SIZE, "[%s%s]:%u", digits, zone, port);
}

const char *weir_address_format(const weir_address *address, char *out) {
  if (is_ipv4(address)) {
    char digits[INET_ADDRSTRLEN];
    const struct sockaddr_in *ipv4 = &address->socket.ipv4;
    if (inet_ntop(AF_INET, &ipv4->sin_addr, digits, sizeof digits) == NULL) digits[0] = '\0';
    snprintf(out, WEIR_ADDRESS_TEXT_SIZE, "%s:%u", digits, (unsigned)ntohs(ipv4->sin_port));
  } else if (is_ipv6(address)) {
    format_ipv6(&address->socket.ipv6, out);
  } else {
    memcpy(out, "?", sizeof "?");
  }
  return out;
}

uint16_t weir_address_port(const weir_address *address) {
  if (is_ipv4(address)) return ntohs(address->socket.ipv4.sin_port);
  if (is_ipv6(address)) return ntohs(address->socket.ipv6.sin6_port);
  return 0;
}

bool weir_address_equal(const weir_address *first, const weir_address *second) {
  if (weir_address_port(first) != weir_address_port(second)) return false;
  if (is_ipv4(first) && is_ipv4(second)) {
    return first->socket.ipv4.sin_addr.s_addr == second->socket.ipv4.sin_addr.s_addr;
  }
  if (is_ipv6(first) && is_ipv6(second)) {
    const struct sockaddr_in6 *one = &first->socket.ipv6;
    const struct sockaddr_in6 *other = &second->socket.ipv6;
    // The flow label says how packets are handled, not whom they reach.
    return memcmp(&one->sin6_addr, &other->sin6_addr, sizeof one->sin6_addr) == 0 &&
           one->sin6_scope_id == other->sin6_scope_id;
  }
  return false;
}
