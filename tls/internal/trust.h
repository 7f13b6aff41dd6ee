// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_TRUST_H
#define WEIR_TLS_INTERNAL_TRUST_H

#include <openssl/x509.h>
#include <stdatomic.h>

#include "weir/tls_credential.h"

#ifdef __cplusplus
extern "C" {
#endif

struct weir_tls_trust {
  atomic_int references;
  X509_STORE *store;  // never changed once it is shared
  size_t count;
};

// weir_internal_tls_trust_hold holds |trust|, which may be NULL, and returns it.
weir_tls_trust *weir_internal_tls_trust_hold(const weir_tls_trust *trust);

// weir_internal_tls_trust_fill makes |trust|, which is zero, one of the |roots| with one reference.
// With |lenient| certificates that cannot be read are passed over. Returns as
// weir_tls_trust_create, and on failure |trust| is zero again.
WEIR_MUST_USE int weir_internal_tls_trust_fill(weir_tls_trust *trust, weir_bytes roots,
                                               bool lenient);

// The largest file of roots.
enum { WEIR_INTERNAL_TLS_ROOTS_LIMIT = 16 * 1024 * 1024 };

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_TRUST_H
