// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_SERVER_CHOICE_H
#define WEIR_TLS_INTERNAL_SERVER_CHOICE_H

#include <openssl/ssl.h>

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_choose_credentials has |context|, a server's, choose the credential of each
// handshake.
void weir_internal_tls_choose_credentials(SSL_CTX *context);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_SERVER_CHOICE_H
