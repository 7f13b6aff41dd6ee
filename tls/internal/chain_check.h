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

// A chain that was built, as users see it: the peer's own certificate first, the trusted one last.
typedef struct weir_internal_tls_built_chain {
  weir_bytes *all;  // the certificates stand behind these
  size_t count;
  size_t size;  // of the block
} weir_internal_tls_built_chain;

// weir_internal_tls_check_chain makes the built-in check of |chain|, the peer's own certificate
// first, against |roots|: signatures, validity, purpose (a server's with |peer_is_server|, or else
// a client's), constraints, strength, and, unless it is NULL or none, the |name|. Returns 0; or
// WEIR_E_TLS_CERTIFICATE or -ENOMEM with |failure| filled in and the alert that says why in
// *out_alert. Does not suspend, and needs no I/O. On success |out_built|, which is zero, gets the
// chain, unless it is NULL; weir_internal_tls_built_chain_release frees it.
WEIR_MUST_USE int weir_internal_tls_check_chain(weir_tls_failure *failure, uint8_t *out_alert,
                                                const STACK_OF(CRYPTO_BUFFER) * chain,
                                                X509_STORE *roots, bool peer_is_server,
                                                const weir_internal_tls_name *name,
                                                weir_internal_tls_built_chain *out_built);
void weir_internal_tls_built_chain_release(weir_internal_tls_built_chain *chain);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_CHAIN_CHECK_H
