// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_CHAIN_CHECK_H
#define WEIR_TLS_INTERNAL_CHAIN_CHECK_H

#include <openssl/pool.h>
#include <openssl/x509.h>

#include "tls/internal/server_name.h"
#include "weir/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_check_chain makes the built-in check of |chain|, the peer's own certificate
// first, against |roots|: signatures, validity, purpose (a server's with |peer_is_server|, or else
// a client's), constraints, strength, and, unless it is NULL or none, the |name|. Returns 0; or
// WEIR_E_TLS_CERTIFICATE or -ENOMEM with |failure| filled in and the alert that says why in
// *out_alert. Does not suspend, and needs no I/O.
WEIR_MUST_USE int weir_internal_tls_check_chain(weir_tls_failure *failure, uint8_t *out_alert,
                                                const STACK_OF(CRYPTO_BUFFER) * chain,
                                                X509_STORE *roots, bool peer_is_server,
                                                const weir_internal_tls_name *name);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_CHAIN_CHECK_H
