// SPDX-License-Identifier: Apache-2.0
//
// Single certificates and keys: what they are, and whether they are strong enough to be believed.

#ifndef WEIR_TLS_INTERNAL_CERTIFICATE_H
#define WEIR_TLS_INTERNAL_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/x509.h>

#include "weir/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_certificate_parse stores the certificate that |data|, DER, is as a whole.
// Returns 0; WEIR_E_TLS_CHAIN when it is none, or -ENOMEM, neither noted.
WEIR_MUST_USE int weir_internal_tls_certificate_parse(CRYPTO_BUFFER **out_buffer, X509 **out,
                                                      const uint8_t *data, size_t size);

// weir_internal_tls_key_weakness returns why nobody should believe in |key|, as in "its ... ", or
// NULL. RSA needs 2048 bits; of elliptic curves P-256, P-384, P-521 and Ed25519 are known.
const char *weir_internal_tls_key_weakness(const EVP_PKEY *key);

// weir_internal_tls_certificate_weakness is the same for the key in |certificate|.
const char *weir_internal_tls_certificate_weakness(X509 *certificate);

// weir_internal_tls_may_sign tells whether |certificate| lets its key sign handshakes, which is all
// that it is used for here (RFC 5280, 4.2.1.3).
bool weir_internal_tls_may_sign(X509 *certificate);

// weir_internal_tls_signature_weakness returns why nobody should believe in the signature on
// |certificate|, or NULL: it needs a hash of the SHA-2 family.
const char *weir_internal_tls_signature_weakness(X509 *certificate);

// weir_internal_tls_certificate_names appends the DNS names in the subjectAltName of |certificate|,
// in lower case, each ended by a NUL. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_internal_tls_certificate_names(weir_buffer *out, X509 *certificate);

// weir_internal_tls_certificate_subject writes the subject of |certificate| as people read it,
// ended by a NUL and cut to |size|; "?" when there is no memory for it.
void weir_internal_tls_certificate_subject(char *out, size_t size, X509 *certificate);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_CERTIFICATE_H
