// SPDX-License-Identifier: Apache-2.0

#include <openssl/pool.h>

#include "tls/internal/session.h"

static const char *group_of(const SSL *ssl) {
  // BoringSSL remembers that of the first handshake.
  if (SSL_session_reused(ssl) && SSL_version(ssl) < TLS1_3_VERSION) return "";
  const char *name = SSL_get_curve_name(SSL_get_curve_id(ssl));
  return name != NULL ? name : "";
}

int weir_tls_get_information(const weir_connection *connection, weir_tls_information *out) {
  memset(out, 0, sizeof *out);
  const weir_internal_tls_session *session = weir_internal_tls_session_of(connection);
  if (session == NULL) return -EINVAL;
  const SSL *ssl = session->ssl;
  const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
  out->version = SSL_version(ssl) == TLS1_3_VERSION ? WEIR_TLS_1_3 : WEIR_TLS_1_2;
  out->cipher_suite = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
  out->group = group_of(ssl);
  out->protocol = session->protocol;
  out->server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  out->is_server = session->settings->is_server;
  out->resumed = SSL_session_reused(ssl) != 0;
  out->peer_chain_size = chain == NULL ? 0 : sk_CRYPTO_BUFFER_num(chain);
  return 0;
}

weir_bytes weir_tls_peer_certificate(const weir_connection *connection, size_t number) {
  const weir_internal_tls_session *session = weir_internal_tls_session_of(connection);
  const STACK_OF(CRYPTO_BUFFER) *chain =
      session == NULL ? NULL : SSL_get0_peer_certificates(session->ssl);
  if (chain == NULL || number >= sk_CRYPTO_BUFFER_num(chain)) return weir_bytes_of("", 0);
  const CRYPTO_BUFFER *certificate = sk_CRYPTO_BUFFER_value(chain, number);
  return weir_bytes_of(CRYPTO_BUFFER_data(certificate), CRYPTO_BUFFER_len(certificate));
}

const weir_tls_failure *weir_tls_last_failure(const weir_connection *connection) {
  static const weir_tls_failure none = {.alert = -1, .depth = -1};
  if (connection == NULL) return weir_internal_tls_noted();
  const weir_internal_tls_session *session = weir_internal_tls_session_of(connection);
  return session == NULL || session->failure == NULL ? &none : session->failure;
}
