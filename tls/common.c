// SPDX-License-Identifier: Apache-2.0
//
// The SSL_CTX of a client or a server. Whatever matters is set here, because the defaults of
// BoringSSL's releases differ, and those of older ones are weak.

#include "tls/internal/common.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#include "tls/internal/failure.h"
#include "tls/internal/trust.h"

// X25519 first, because it is fast everywhere. P-256 and P-384 are needed for TLS 1.2, too, where
// they also say with which certificates we can deal.
#ifdef SSL_GROUP_X25519_MLKEM768
#define DEFAULT_GROUPS "X25519MLKEM768:X25519:P-256:P-384"
#else
#define DEFAULT_GROUPS "X25519:P-256:P-384"
#endif

// TLS 1.2 with forward secrecy and authenticated encryption only. Those in brackets are equal, so
// that the client decides: it knows whether it has AES in hardware. TLS 1.3 has no others.
static const char ciphers[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305|"
    "ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

// No SHA-1. PKCS #1 is for TLS 1.2, where it is all that some peers have.
static const uint16_t signature_algorithms[] = {
    SSL_SIGN_ECDSA_SECP256R1_SHA256,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA384,
    SSL_SIGN_RSA_PKCS1_SHA384,
    SSL_SIGN_ED25519,
    SSL_SIGN_RSA_PSS_RSAE_SHA512,
    SSL_SIGN_RSA_PKCS1_SHA512,
};
enum { SIGNATURE_ALGORITHMS = sizeof signature_algorithms / sizeof signature_algorithms[0] };

enum {
  CERTIFICATES_LIMIT = 24 * 1024,
  LEAST_CERTIFICATES_LIMIT = 16 * 1024,  // BoringSSL's
  LARGEST_CERTIFICATES_LIMIT = 1024 * 1024,
  TLS_1_2_SESSION_LIFETIME = 2 * 60 * 60,  // seconds
  TLS_1_3_SESSION_LIFETIME = 24 * 60 * 60,
  PROTOCOL_LIMIT = 255,
  PROTOCOLS_LIMIT = 65535,
};

static int context_index;

static void make_context_index(void) {
  context_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

weir_internal_tls_common *weir_internal_tls_common_of_context(const SSL_CTX *context) {
  return (weir_internal_tls_common *)SSL_CTX_get_ex_data(context, context_index);
}

static void log_key(const SSL *ssl, const char *line) {
  const weir_internal_tls_common *self = weir_internal_tls_common_of_context(SSL_get_SSL_CTX(ssl));
  self->key_log(self->key_log_argument, line);
}

// Fails because of something of ours that BoringSSL does not take. When it does not say why, it had
// no memory.
static int refused(const char *what) {
  int code = ERR_peek_error() == 0 ? -ENOMEM : WEIR_E_TLS_LIBRARY;
  return weir_internal_tls_fail(code, "BoringSSL refuses the %s", what);
}

static bool is_version(weir_tls_version version) {
  return version == WEIR_TLS_1_2 || version == WEIR_TLS_1_3;
}

static int set_versions(SSL_CTX *context, const weir_tls_terms *terms) {
  weir_tls_version min = terms->min_version != 0 ? terms->min_version : WEIR_TLS_1_2;
  weir_tls_version max = terms->max_version != 0 ? terms->max_version : WEIR_TLS_1_3;
  if (!is_version(min) || !is_version(max)) {
    return weir_internal_tls_fail(-EINVAL, "the versions are WEIR_TLS_1_2 and WEIR_TLS_1_3");
  }
  if (min > max) {
    return weir_internal_tls_fail(-EINVAL, "the least version is above the greatest");
  }
  if (SSL_CTX_set_min_proto_version(context, (uint16_t)min) == 1 &&
      SSL_CTX_set_max_proto_version(context, (uint16_t)max) == 1) {
    return 0;
  }
  return refused("versions");
}

static int set_groups(SSL_CTX *context, const char *groups) {
  if (SSL_CTX_set1_curves_list(context, groups != NULL ? groups : DEFAULT_GROUPS) == 1) return 0;
  if (groups == NULL) return refused("groups");
  // Here it does not say so of a group that it does not know.
  return weir_internal_tls_fail(-EINVAL, "unknown to this BoringSSL: a group of \"%s\"", groups);
}

static int set_algorithms(SSL_CTX *context) {
  if (SSL_CTX_set_strict_cipher_list(context, ciphers) == 1 &&
      SSL_CTX_set_verify_algorithm_prefs(context, signature_algorithms, SIGNATURE_ALGORITHMS) ==
          1 &&
      SSL_CTX_set_signing_algorithm_prefs(context, signature_algorithms, SIGNATURE_ALGORITHMS) ==
          1) {
    return 0;
  }
  return refused("algorithms");
}

// Brings the protocols into the form in which they are sent.
static int encode_protocols(weir_buffer *out, const char *const *protocols) {
  for (size_t i = 0; protocols != NULL && protocols[i] != NULL; i++) {
    size_t size = strlen(protocols[i]);
    if (size == 0 || size > PROTOCOL_LIMIT) {
      return weir_internal_tls_fail(-EINVAL, "application protocol %zu has %zu bytes, not 1 to 255",
                                    i + 1, size);
    }
    const char prefix = (char)(unsigned char)size;
    int result = weir_buffer_append(out, weir_bytes_of(&prefix, 1));
    if (result == 0) result = weir_buffer_append(out, weir_text(protocols[i]));
    if (result < 0) return weir_internal_tls_fail(result, "no memory for protocols");
    if (out->size > PROTOCOLS_LIMIT) {
      return weir_internal_tls_fail(-EINVAL, "there are too many application protocols");
    }
  }
  return 0;
}

// The protocol in |list| that begins at |at|, without its length.
static weir_bytes protocol_at(weir_bytes list, size_t at) {
  size_t size = (unsigned char)list.data[at];
  if (size > list.size - at - 1) size = list.size - at - 1;
  return weir_bytes_of(list.data + at + 1, size);
}

// Chooses the first of ours that the client offers. BoringSSL's own helper has read too far.
static int choose_protocol(SSL *ssl, const uint8_t **out, uint8_t *out_size, const uint8_t *offered,
                           unsigned offered_size, void *argument) {
  (void)ssl;
  const weir_internal_tls_common *self = (const weir_internal_tls_common *)argument;
  const weir_bytes ours = weir_buffer_bytes(&self->protocols);
  const weir_bytes theirs = weir_bytes_of(offered, offered_size);
  for (size_t i = 0; i < ours.size;) {
    weir_bytes mine = protocol_at(ours, i);
    for (size_t j = 0; j < theirs.size;) {
      weir_bytes other = protocol_at(theirs, j);
      if (other.size == mine.size && memcmp(other.data, mine.data, mine.size) == 0) {
        *out = (const uint8_t *)mine.data;
        *out_size = (uint8_t)mine.size;
        return SSL_TLSEXT_ERR_OK;
      }
      j += other.size + 1;
    }
    i += mine.size + 1;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int set_protocols(weir_internal_tls_common *self, const char *const *protocols) {
  int result = encode_protocols(&self->protocols, protocols);
  if (result < 0 || self->protocols.size == 0) return result;
  SSL_CTX *context = self->settings.ssl_context;
  if (self->settings.is_server) {
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, self);
    return 0;
  }
  // Unlike all others this one returns 0 on success.
  if (SSL_CTX_set_alpn_protos(context, (const uint8_t *)self->protocols.data,
                              (unsigned)self->protocols.size) == 0) {
    return 0;
  }
  return refused("protocols");
}

static int set_times(weir_internal_tls_settings *settings, const weir_tls_terms *terms) {
  if (terms->handshake_timeout < 0) {
    return weir_internal_tls_fail(-EINVAL, "the handshake's timeout is negative");
  }
  settings->handshake_timeout = terms->handshake_timeout != 0 ? terms->handshake_timeout
                                                              : WEIR_INTERNAL_TLS_HANDSHAKE_TIMEOUT;
  settings->rekey_after =
      terms->rekey_after != 0 ? terms->rekey_after : WEIR_INTERNAL_TLS_REKEY_AFTER;
  settings->allow_truncation = terms->allow_truncation;
  return 0;
}

static int set_limits(SSL_CTX *context, const weir_tls_terms *terms) {
  size_t limit = terms->certificates_limit != 0 ? terms->certificates_limit : CERTIFICATES_LIMIT;
  if (limit < LEAST_CERTIFICATES_LIMIT || limit > LARGEST_CERTIFICATES_LIMIT) {
    return weir_internal_tls_fail(-EINVAL, "the limit for certificates is from 16 KiB to 1 MiB");
  }
  SSL_CTX_set_max_cert_list(context, limit);
  return 0;
}

static int make_context(weir_internal_tls_common *self) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_context_index);
  self->pool = CRYPTO_BUFFER_POOL_new();
  SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
  self->settings.ssl_context = context;
  if (context == NULL || self->pool == NULL || context_index < 0 ||
      SSL_CTX_set_ex_data(context, context_index, self) != 1) {
    return weir_internal_tls_fail(-ENOMEM, "no memory for a TLS context");
  }
  SSL_CTX_set0_buffer_pool(context, self->pool);
  SSL_CTX_set_early_data_enabled(context, 0);
  SSL_CTX_set_retain_only_sha256_of_client_certs(context, 0);
  SSL_CTX_set_timeout(context, TLS_1_2_SESSION_LIFETIME);
  SSL_CTX_set_session_psk_dhe_timeout(context, TLS_1_3_SESSION_LIFETIME);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (self->settings.is_server) SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  if (self->key_log != NULL) SSL_CTX_set_keylog_callback(context, log_key);
  return 0;
}

int weir_internal_tls_common_init(weir_internal_tls_common *self, const weir_tls_terms *terms,
                                  bool is_server) {
  atomic_init(&self->references, 1);
  self->settings.is_server = is_server;
  self->key_log = terms->key_log;
  self->key_log_argument = terms->key_log_argument;
  int result = set_times(&self->settings, terms);
  if (result == 0) result = make_context(self);
  SSL_CTX *context = self->settings.ssl_context;
  if (result == 0) result = set_versions(context, terms);
  if (result == 0) result = set_groups(context, terms->groups);
  if (result == 0) result = set_algorithms(context);
  if (result == 0) result = set_limits(context, terms);
  if (result == 0) result = set_protocols(self, terms->protocols);
  ERR_clear_error();
  return result;
}

void weir_internal_tls_common_release(weir_internal_tls_common *self) {
  SSL_CTX_free(self->settings.ssl_context);
  CRYPTO_BUFFER_POOL_free(self->pool);
  weir_buffer_release(&self->protocols);
  weir_tls_trust_close(self->trust);
}

int weir_internal_tls_refuse(weir_internal_tls_handshake *handshake, int code, const char *format,
                             ...) {
  weir_tls_failure *failure = &handshake->failure;
  failure->code = weir_internal_tls_take_reason(code, failure);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure->text, sizeof failure->text, format, arguments);
  va_end(arguments);
  return failure->code;
}
