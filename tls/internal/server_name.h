// SPDX-License-Identifier: Apache-2.0
//
// The name for which a client checks a server.

#ifndef WEIR_TLS_INTERNAL_SERVER_NAME_H
#define WEIR_TLS_INTERNAL_SERVER_NAME_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIR_INTERNAL_TLS_NAME_SIZE = 256 };

typedef struct weir_internal_tls_name {
  bool is_address;
  // A host name in lower case without a dot at its end; or an address as inet_ntop(3) writes it.
  // "": none.
  char text[WEIR_INTERNAL_TLS_NAME_SIZE];
} weir_internal_tls_name;

// weir_internal_tls_name_set makes |out| the name that |text| means. Returns NULL, or what is wrong
// with it, and then |out| is none.
const char *weir_internal_tls_name_set(weir_internal_tls_name *out, const char *text);

// weir_internal_tls_name_matches tells whether |pattern|, which may begin with "*.", stands for the
// host name |name| (RFC 6125, 6.4). Both are in lower case.
bool weir_internal_tls_name_matches(const char *pattern, const char *name);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_SERVER_NAME_H
