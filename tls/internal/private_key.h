// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_PRIVATE_KEY_H
#define WEIR_TLS_INTERNAL_PRIVATE_KEY_H

#include <openssl/evp.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_private_key_read stores the one private key in |text|, PEM, which the caller
// frees. Returns 0; or as weir_tls_credential_create, noted.
WEIR_MUST_USE int weir_internal_tls_private_key_read(EVP_PKEY **out, weir_bytes text);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_PRIVATE_KEY_H
