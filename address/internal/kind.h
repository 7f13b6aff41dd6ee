// SPDX-License-Identifier: Apache-2.0
//
// Which kind of address it is. For the files of this package only.

#ifndef WEIR_ADDRESS_INTERNAL_KIND_H
#define WEIR_ADDRESS_INTERNAL_KIND_H

#include "weir/address.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum weir_internal_address_kind {
  WEIR_INTERNAL_ADDRESS_OTHER = 0,  // another family, or cut off
  WEIR_INTERNAL_ADDRESS_IPV4,
  WEIR_INTERNAL_ADDRESS_IPV6,
  WEIR_INTERNAL_ADDRESS_UNNAMED,  // these are unix
  WEIR_INTERNAL_ADDRESS_PATH,
  WEIR_INTERNAL_ADDRESS_ABSTRACT,
} weir_internal_address_kind;

// weir_internal_address_kind_of tells the kind of |address| by its family and its size.
weir_internal_address_kind weir_internal_address_kind_of(const weir_address *address);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_ADDRESS_INTERNAL_KIND_H
