// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_CREDENTIAL_H
#define WEIR_TLS_INTERNAL_CREDENTIAL_H

#include <openssl/evp.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <stdatomic.h>

#include "weir/buffer.h"
#include "weir/tls_credential.h"

#ifdef __cplusplus
extern "C" {
#endif

// Certificates in a chain at most.
enum { WEIR_INTERNAL_TLS_CHAIN_LIMIT = 16 };

struct weir_tls_credential {
  atomic_int references;
  bool sign_on_pool;
  EVP_PKEY *key;
  CRYPTO_BUFFER *chain[WEIR_INTERNAL_TLS_CHAIN_LIMIT];
  size_t chain_size;
  weir_buffer names;  // for which the certificate is issued, each ended by a NUL
};

// weir_internal_tls_credential_hold holds |credential|, which may be NULL, and returns it.
weir_tls_credential *weir_internal_tls_credential_hold(const weir_tls_credential *credential);

// weir_internal_tls_credential_is_for tells whether the certificate is issued for |name|, in lower
// case.
bool weir_internal_tls_credential_is_for(const weir_tls_credential *credential, const char *name);

// weir_internal_tls_credential_suits tells whether the client that sent |hello| can deal with the
// kind of key that the credential has, when |max_version| is ours.
bool weir_internal_tls_credential_suits(const weir_tls_credential *credential,
                                        const SSL_CLIENT_HELLO *hello, int max_version);

// weir_internal_tls_credential_use has |ssl| show |credential|. Returns 0 or -ENOMEM.
WEIR_MUST_USE int weir_internal_tls_credential_use(SSL *ssl, const weir_tls_credential *credential);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_CREDENTIAL_H
