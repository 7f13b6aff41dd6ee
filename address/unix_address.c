// SPDX-License-Identifier: Apache-2.0
//
// Paths and abstract names of unix sockets.

#include "weir/address.h"

// A path is followed by a NUL, an abstract name comes behind one.
enum { LONGEST_NAME = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

// Checks |size| and writes a name behind |before| bytes, all zero, of the path.
static int set_name(weir_address *out, const char *name, size_t size, size_t before, size_t after) {
  memset(out, 0, sizeof *out);
  if (size == 0) return -EINVAL;
  if (size > LONGEST_NAME) return -ENAMETOOLONG;
  out->socket.local.sun_family = AF_UNIX;
  memcpy(out->socket.local.sun_path + before, name, size);
  out->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + before + size + after);
  return 0;
}

int weir_address_unix_abstract(weir_address *out, weir_bytes name) {
  return set_name(out, name.data, name.size, 1, 0);
}

int weir_address_unix(weir_address *out, const char *path) {
  const char *given = path == NULL ? "" : path;
  if (*given == '@') return weir_address_unix_abstract(out, weir_text(given + 1));
  return set_name(out, given, strlen(given), 0, 1);
}
