// SPDX-License-Identifier: Apache-2.0

#include "weir/address.h"

#include <arpa/inet.h>
#include <net/if.h>

#include "address/internal/kind.h"

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

int weir_address_from_bytes(weir_address *out, weir_bytes bytes, uint16_t port) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in *ipv4 = &out->socket.ipv4;
  struct sockaddr_in6 *ipv6 = &out->socket.ipv6;
  if (bytes.size == sizeof ipv4->sin_addr) {
    out->size = sizeof *ipv4;
    ipv4->sin_family = AF_INET;
    ipv4->sin_port = htons(port);
    memcpy(&ipv4->sin_addr, bytes.data, bytes.size);
    return 0;
  }
  if (bytes.size != sizeof ipv6->sin6_addr) return -EINVAL;
  out->size = sizeof *ipv6;
  ipv6->sin6_family = AF_INET6;
  ipv6->sin6_port = htons(port);
  memcpy(&ipv6->sin6_addr, bytes.data, bytes.size);
  return 0;
}

weir_internal_address_kind weir_internal_address_kind_of(const weir_address *address) {
  const socklen_t before_path = (socklen_t)offsetof(struct sockaddr_un, sun_path);
  if (address->size < before_path) return WEIR_INTERNAL_ADDRESS_OTHER;
  switch (address->socket.any.sa_family) {
    case AF_INET:
      if (address->size < sizeof address->socket.ipv4) return WEIR_INTERNAL_ADDRESS_OTHER;
      return WEIR_INTERNAL_ADDRESS_IPV4;
    case AF_INET6:
      if (address->size < sizeof address->socket.ipv6) return WEIR_INTERNAL_ADDRESS_OTHER;
      return WEIR_INTERNAL_ADDRESS_IPV6;
    case AF_UNIX:
      if (address->size == before_path) return WEIR_INTERNAL_ADDRESS_UNNAMED;
      return address->socket.local.sun_path[0] == '\0' ? WEIR_INTERNAL_ADDRESS_ABSTRACT
                                                       : WEIR_INTERNAL_ADDRESS_PATH;
    default:
      return WEIR_INTERNAL_ADDRESS_OTHER;
  }
}

uint16_t weir_address_port(const weir_address *address) {
  switch (weir_internal_address_kind_of(address)) {
    case WEIR_INTERNAL_ADDRESS_IPV4:
      return ntohs(address->socket.ipv4.sin_port);
    case WEIR_INTERNAL_ADDRESS_IPV6:
      return ntohs(address->socket.ipv6.sin6_port);
    default:
      return 0;
  }
}

weir_bytes weir_address_bytes(const weir_address *address) {
  const struct sockaddr_un *local = &address->socket.local;
  // The kernel says the size of a path of 108 bytes with the NUL for which there was no room.
  size_t size = address->size < sizeof *local ? address->size : sizeof *local;
  size_t before_path = offsetof(struct sockaddr_un, sun_path);
  switch (weir_internal_address_kind_of(address)) {
    case WEIR_INTERNAL_ADDRESS_IPV4:
      return weir_bytes_of(&address->socket.ipv4.sin_addr, sizeof(struct in_addr));
    case WEIR_INTERNAL_ADDRESS_IPV6:
      return weir_bytes_of(&address->socket.ipv6.sin6_addr, sizeof(struct in6_addr));
    case WEIR_INTERNAL_ADDRESS_PATH:
      return weir_bytes_of(local->sun_path, strnlen(local->sun_path, size - before_path));
    case WEIR_INTERNAL_ADDRESS_ABSTRACT:
      return weir_bytes_of(local->sun_path + 1, size - before_path - 1);
    default:
      return weir_bytes_of("", 0);
  }
}

static uint32_t scope_of(const weir_address *address) {
  bool has_one = weir_internal_address_kind_of(address) == WEIR_INTERNAL_ADDRESS_IPV6;
  return has_one ? address->socket.ipv6.sin6_scope_id : 0;
}

// The flow label of IPv6 is not compared: it says how packets are handled, not whom they reach.
bool weir_address_equal(const weir_address *first, const weir_address *second) {
  weir_internal_address_kind kind = weir_internal_address_kind_of(first);
  if (kind == WEIR_INTERNAL_ADDRESS_OTHER || kind == WEIR_INTERNAL_ADDRESS_UNNAMED) return false;
  weir_bytes one = weir_address_bytes(first);
  weir_bytes other = weir_address_bytes(second);
  return kind == weir_internal_address_kind_of(second) && one.size == other.size &&
         memcmp(one.data, other.data, one.size) == 0 &&
         weir_address_port(first) == weir_address_port(second) &&
         scope_of(first) == scope_of(second);
}

// SipHash (Aumasson and Bernstein, 2012)

typedef struct sip_state {
  uint64_t v[4];
} sip_state;

static uint64_t rotate(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

static void mix(sip_state *state, int rounds) {
  uint64_t *v = state->v;
  for (int i = 0; i < rounds; i++) {
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
  }
}

static void add(sip_state *state, uint64_t word) {
  state->v[3] ^= word;
  mix(state, 2);
  state->v[0] ^= word;
}

uint64_t weir_address_hash(const weir_address *address, uint64_t seed) {
  // The constants are "somepseudorandomlygeneratedbytes"; the key is |seed|, and 0.
  sip_state state = {{UINT64_C(0x736f6d6570736575) ^ seed, UINT64_C(0x646f72616e646f6d),
                      UINT64_C(0x6c7967656e657261) ^ seed, UINT64_C(0x7465646279746573)}};
  weir_bytes bytes = weir_address_bytes(address);
  for (size_t at = 0; at < bytes.size; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    size_t left = bytes.size - at;
    memcpy(&word, bytes.data + at, left < sizeof word ? left : sizeof word);
    add(&state, word);
  }
  // What tells addresses of the same bytes from each other.
  add(&state, (uint64_t)scope_of(address) << 32 | (uint64_t)weir_address_port(address) << 16 |
                  (uint64_t)bytes.size << 8 | (uint64_t)weir_internal_address_kind_of(address));
  state.v[2] ^= 0xff;
  mix(&state, 4);
  return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}
