// SPDX-License-Identifier: Apache-2.0

#include "examples/proxy_header.h"

#include <string.h>

#include "weir/address.h"
#include "weir/numbers.h"

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
  VERSION_2_PROXIED = 0x21,
  UNKNOWN = 0x00,
  TCP_OVER_IPV4 = 0x11,
  TCP_OVER_IPV6 = 0x21,
  FIELD_ALPN = 0x01,
  FIELD_AUTHORITY = 0x02,
  FIELD_HEADER_SIZE = 3
};

static uint16_t field_size(const char *text) {
  return text == NULL ? 0 : (uint16_t)(FIELD_HEADER_SIZE + strlen(text));
}

static int write_field(weir_write_channel *output, uint8_t type, const char *text) {
  if (text == NULL) return 0;
  int result = weir_write_uint8(output, type);
  if (result == 0) result = weir_write_uint16_be(output, (uint16_t)strlen(text));
  return result < 0 ? result : weir_write_string(output, text);
}

// Addresses that are not both of one kind of IP are left out.
static uint8_t family_of(weir_bytes source, weir_bytes target) {
  if (source.size != target.size) return UNKNOWN;
  return source.size == 4 ? TCP_OVER_IPV4 : source.size == 16 ? TCP_OVER_IPV6 : UNKNOWN;
}

static int write_addresses(weir_write_channel *output, const weir_address *source,
                           const weir_address *target) {
  weir_bytes from = weir_address_bytes(source), to = weir_address_bytes(target);
  int result = weir_write_fully(output, from.data, from.size, NULL);
  if (result == 0) result = weir_write_fully(output, to.data, to.size, NULL);
  if (result == 0) result = weir_write_uint16_be(output, weir_address_port(source));
  if (result == 0) result = weir_write_uint16_be(output, weir_address_port(target));
  return result;
}

int write_proxy_header(weir_write_channel *output, const char *from, const char *to,
                       const char *protocol, const char *server_name) {
  weir_address source, target;
  uint8_t family = UNKNOWN;
  if (weir_address_from_text(&source, from) == 0 && weir_address_from_text(&target, to) == 0) {
    family = family_of(weir_address_bytes(&source), weir_address_bytes(&target));
  }
  size_t addresses = family == UNKNOWN ? 0 : 2 * weir_address_bytes(&source).size + 4;
  uint16_t size = (uint16_t)(addresses + field_size(protocol) + field_size(server_name));
  int result = weir_write_fully(output, signature, sizeof signature - 1, NULL);
  if (result == 0) result = weir_write_uint8(output, VERSION_2_PROXIED);
  if (result == 0) result = weir_write_uint8(output, family);
  if (result == 0) result = weir_write_uint16_be(output, size);
  if (result == 0 && family != UNKNOWN) result = write_addresses(output, &source, &target);
  if (result == 0) result = write_field(output, FIELD_ALPN, protocol);
  return result < 0 ? result : write_field(output, FIELD_AUTHORITY, server_name);
}
