// SPDX-License-Identifier: Apache-2.0
//
// What can be told from the name of a host alone. For this package, and for those who
// connect to hosts.

#ifndef WEIR_ADDRESS_INTERNAL_HOST_NAME_H
#define WEIR_ADDRESS_INTERNAL_HOST_NAME_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIR_INTERNAL_LONGEST_HOST_NAME = 253 };  // without a dot behind (RFC 1035, 2.3.4)

// weir_internal_host_name_is_valid tells whether |name| may be looked up: see weir_resolve.
bool weir_internal_host_name_is_valid(const char *name);

// weir_internal_host_name_ends_in tells whether the last label of |name|, a valid one, is |label|,
// in lower case.
bool weir_internal_host_name_ends_in(const char *name, const char *label);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_ADDRESS_INTERNAL_HOST_NAME_H
