// SPDX-License-Identifier: Apache-2.0
//
// The text of addresses, there and back.

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

#include "address/internal/kind.h"

// Where the next character goes. There is always room; see WEIR_ADDRESS_TEXT_SIZE.
typedef struct cursor {
  char *at;
} cursor;

static void put(cursor *out, weir_bytes bytes) {
  memcpy(out->at, bytes.data, bytes.size);
  out->at += bytes.size;
}

static void put_text(cursor *out, const char *text) { put(out, weir_text(text)); }

static void put_number(cursor *out, unsigned number, bool hexadecimal) {
  char digits[sizeof "4294967295"];
  snprintf(digits, sizeof digits, hexadecimal ? "%x" : "%u", number);
  put_text(out, digits);
}

static void put_ipv4(cursor *out, const uint8_t *bytes) {
  for (int i = 0; i < 4; i++) {
    if (i > 0) put_text(out, ".");
    put_number(out, bytes[i], false);
  }
}

enum { GROUPS = 8 };

// The groups from |begin| to before |end| are zero.
typedef struct run {
  int begin;
  int end;
} run;

// Finds the longest run of groups that are zero, the first of several; one group is none (RFC 5952,
// 4.2). Without any it is behind the last group.
static run find_zeros(const uint16_t *groups) {
  run best = {GROUPS, GROUPS};
  for (int i = 0; i < GROUPS; i++) {
    run found = {i, i};
    while (found.end < GROUPS && groups[found.end] == 0) found.end++;
    int length = found.end - found.begin;
    if (length >= 2 && length > best.end - best.begin) best = found;
    if (length > 0) i = found.end - 1;
  }
  return best;
}

// As RFC 5952 wants it. inet_ntop(3) would not do: glibc's writes "::0.1.0.2" for "::1:2".
static void put_ipv6(cursor *out, const struct in6_addr *address) {
  const uint8_t *bytes = address->s6_addr;
  if (IN6_IS_ADDR_V4MAPPED(address)) {
    put_text(out, "::ffff:");
    put_ipv4(out, bytes + 12);
    return;
  }
  uint16_t groups[GROUPS];
  for (int i = 0; i < GROUPS; i++) {
    groups[i] = (uint16_t)((unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
  }
  run zeros = find_zeros(groups);
  for (int i = 0; i < GROUPS; i++) {
    if (i == zeros.begin) {
      put_text(out, "::");
      i = zeros.end - 1;
      continue;
    }
    if (i > 0 && i != zeros.end) put_text(out, ":");
    put_number(out, groups[i], true);
  }
}

static void put_zone(cursor *out, uint32_t scope) {
  if (scope == 0) return;
  put_text(out, "%");
  char name[IF_NAMESIZE];
  // An interface that has gone has no name left, and without descriptors none can be asked for;
  // but its number is still true.
  if (if_indextoname(scope, name) != NULL) {
    put_text(out, name);
  } else {
    put_number(out, scope, false);
  }
}

static void put_port(cursor *out, const weir_address *address) {
  put_text(out, ":");
  put_number(out, weir_address_port(address), false);
}

static void put_unix(cursor *out, weir_bytes name, const char *before) {
  put_text(out, "unix:");
  put_text(out, before);
  for (size_t i = 0; i < name.size; i++) {
    unsigned char byte = (unsigned char)name.data[i];
    *out->at++ = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
  }
}

const char *weir_address_format(const weir_address *address, char *out) {
  cursor end = {out};
  switch (weir_internal_address_kind_of(address)) {
    case WEIR_INTERNAL_ADDRESS_IPV4:
      put_ipv4(&end, (const uint8_t *)&address->socket.ipv4.sin_addr);
      put_port(&end, address);
      break;
    case WEIR_INTERNAL_ADDRESS_IPV6:
      put_text(&end, "[");
      put_ipv6(&end, &address->socket.ipv6.sin6_addr);
      put_zone(&end, address->socket.ipv6.sin6_scope_id);
      put_text(&end, "]");
      put_port(&end, address);
      break;
    case WEIR_INTERNAL_ADDRESS_UNNAMED:
      put_text(&end, "unix:");
      break;
    case WEIR_INTERNAL_ADDRESS_PATH:
      put_unix(&end, weir_address_bytes(address),
               address->socket.local.sun_path[0] == '@' ? "./" : "");
      break;
    case WEIR_INTERNAL_ADDRESS_ABSTRACT:
      put_unix(&end, weir_address_bytes(address), "@");
      break;
    default:
      put_text(&end, "?");
  }
  *end.at = '\0';
  return out;
}

// Parses |size| characters of |host|.
static int parse_host(weir_address *out, const char *host, size_t size, uint16_t port) {
  char copy[WEIR_ADDRESS_IP_TEXT_SIZE];
  if (size >= sizeof copy) return -EINVAL;
  memcpy(copy, host, size);
  copy[size] = '\0';
  return weir_address_parse(out, copy, port);
}

int weir_address_from_text(weir_address *out, const char *text) {
  memset(out, 0, sizeof *out);
  if (text == NULL) return -EINVAL;
  if (strncmp(text, "unix:", 5) == 0) return weir_address_unix(out, text + 5);
  const char *colon = strrchr(text, ':');
  uint16_t port;
  if (colon == NULL || weir_port_parse(&port, colon + 1) < 0) return -EINVAL;
  size_t size = (size_t)(colon - text);
  bool bracketed = size >= 2 && text[0] == '[' && text[size - 1] == ']';
  if (bracketed) return parse_host(out, text + 1, size - 2, port);
  if (parse_host(out, text, size, port) == 0 && out->socket.any.sa_family == AF_INET) return 0;
  // IPv6 needs the brackets.
  memset(out, 0, sizeof *out);
  return -EINVAL;
}
