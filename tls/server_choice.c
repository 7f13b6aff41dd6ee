// SPDX-License-Identifier: Apache-2.0
//
// Which credential a server shows to a client: what the user chooses, or else what fits the name
// that the client has sent and the keys with which it can deal.

#include "tls/internal/server_choice.h"

#include <openssl/bytestring.h>
#include <openssl/sha.h>

#include "base/internal/memory.h"
#include "tls/internal/common.h"

static weir_tls_context *context_of(const weir_internal_tls_handshake *handshake) {
  return (weir_tls_context *)(void *)handshake->settings;
}

// Whether hosts or addresses may be called so. The latter must not be sent (RFC 6066, 3), and are
// by some. What passes can be put into logs.
static bool may_be_name(const char *name) {
  const char *known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
  return name[strspn(name, known)] == '\0';
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

// What the hello says is gone when BoringSSL has been left, so it is copied: the name in lower case
// with a NUL, and then the protocols, each with its length before it.
static int copy_hello(weir_internal_tls_state *state, const SSL_CLIENT_HELLO *hello) {
  const char *name = SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name);
  state->has_server_name = name != NULL;
  state->name_is_wrong = name != NULL && !may_be_name(name);
  if (name == NULL || state->name_is_wrong) name = "";
  int result = weir_buffer_append(&state->hello, weir_bytes_of(name, strlen(name) + 1));
  if (result < 0) return result;
  for (size_t i = 0; i < state->hello.size; i++) state->hello.data[i] = lower(state->hello.data[i]);

  const uint8_t *data = NULL;
  size_t size = 0;
  const uint16_t alpn = TLSEXT_TYPE_application_layer_protocol_negotiation;
  if (SSL_early_callback_ctx_extension_get(hello, alpn, &data, &size) != 1) return 0;
  CBS contents, list, protocol;
  CBS_init(&contents, data, size);
  if (!CBS_get_u16_length_prefixed(&contents, &list)) return 0;
  const CBS all = list;
  while (CBS_len(&list) > 0) {
    // BoringSSL will say so.
    if (!CBS_get_u8_length_prefixed(&list, &protocol) || CBS_len(&protocol) == 0) return 0;
  }
  return weir_buffer_append(&state->hello, weir_bytes_of(CBS_data(&all), CBS_len(&all)));
}

// Makes spans of the protocols that were copied. Returns their number.
static size_t split_protocols(const weir_internal_tls_state *state, weir_bytes *out) {
  size_t count = 0;
  size_t at = strlen(state->hello.data) + 1;
  while (at < state->hello.size && count < WEIR_TLS_PROTOCOLS_SHOWN) {
    size_t size = (unsigned char)state->hello.data[at];
    if (out != NULL) out[count] = weir_bytes_of(state->hello.data + at + 1, size);
    count++;
    at += size + 1;
  }
  return count;
}

// Asks the user.
static int ask(weir_internal_tls_handshake *handshake) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  const weir_tls_context *context = context_of(handshake);
  size_t count = split_protocols(state, NULL);
  weir_bytes *protocols = NULL;
  if (count > 0) {
    protocols = (weir_bytes *)weir_internal_allocate(count * sizeof *protocols);
    if (protocols == NULL) {
      return weir_internal_tls_refuse(handshake, -ENOMEM, "no memory for a handshake");
    }
    split_protocols(state, protocols);
  }
  const weir_tls_client_hello hello = {
      .server_name = state->has_server_name ? state->hello.data : NULL,
      .protocols = protocols,
      .protocol_count = count,
  };
  weir_tls_credential *chosen = NULL;
  state->choice.answer = context->choose(context->choose_argument, &hello, &chosen);
  if (state->choice.answer >= 0) state->credential = weir_internal_tls_credential_hold(chosen);
  state->choice.answered = true;
  weir_internal_release(protocols, count * sizeof *protocols);
  return 0;
}

// The first credential that is for |name| and suits the client; for an empty name, or if there is
// none, the first that suits it; or else just the first, and BoringSSL will say what is wrong.
static weir_tls_credential *pick(const weir_internal_tls_credentials *set, const char *name,
                                 const SSL_CLIENT_HELLO *hello, int max_version) {
  weir_tls_credential *suitable = NULL;
  for (size_t i = 0; i < set->count; i++) {
    if (!weir_internal_tls_credential_suits(set->all[i], hello, max_version)) continue;
    if (name[0] == '\0' || weir_internal_tls_credential_is_for(set->all[i], name)) {
      return set->all[i];
    }
    if (suitable == NULL) suitable = set->all[i];
  }
  if (suitable != NULL) return suitable;
  return set->count > 0 ? set->all[0] : NULL;
}

// Sessions are resumed only under the name under which they began, and where clients are asked as
// they were then: contexts may share their ticket keys.
static int bind_sessions(const weir_tls_context *context, SSL *ssl, const char *name) {
  uint8_t digest[SHA256_DIGEST_LENGTH];
  const uint8_t asked = (uint8_t)context->client_authentication;
  SHA256_CTX hash;
  SHA256_Init(&hash);
  SHA256_Update(&hash, &asked, sizeof asked);
  SHA256_Update(&hash, name, strlen(name));
  SHA256_Final(digest, &hash);
  return SSL_set_session_id_context(ssl, digest, sizeof digest) == 1 ? 0 : -ENOMEM;
}

static enum ssl_select_cert_result_t show(weir_internal_tls_handshake *handshake,
                                          const SSL_CLIENT_HELLO *hello) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (state->credential == NULL) {
    int max_version = SSL_CTX_get_max_proto_version(handshake->settings->ssl_context);
    state->credential = weir_internal_tls_credential_hold(
        pick(state->credentials, state->hello.data, hello, max_version));
  }
  // Whom nothing can be shown to is refused a little later, where the alert can be chosen.
  if (state->credential == NULL) return ssl_select_cert_success;
  if (weir_internal_tls_credential_use(handshake->ssl, state->credential) == 0 &&
      bind_sessions(context_of(handshake), handshake->ssl, state->hello.data) == 0) {
    return ssl_select_cert_success;
  }
  weir_internal_tls_refuse(handshake, -ENOMEM, "no memory for a handshake");
  return ssl_select_cert_error;
}

static enum ssl_select_cert_result_t select_certificate(const SSL_CLIENT_HELLO *hello) {
  weir_internal_tls_handshake *handshake = weir_internal_tls_handshake_of(hello->ssl);
  if (handshake == NULL) return ssl_select_cert_error;
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (state->choice.answered) {
    return state->choice.answer < 0 ? ssl_select_cert_success : show(handshake, hello);
  }
  if (copy_hello(state, hello) < 0) {
    weir_internal_tls_refuse(handshake, -ENOMEM, "no memory for a handshake");
    return ssl_select_cert_error;
  }
  if (state->name_is_wrong) return ssl_select_cert_success;
  if (context_of(handshake)->choose == NULL) return show(handshake, hello);
  state->choice.asked = true;
  handshake->task = ask;
  return ssl_select_cert_retry;
}

// Called after the former. Refuses whom nothing can be shown to.
static int accept_name(SSL *ssl, int *out_alert, void *argument) {
  (void)argument;
  weir_internal_tls_handshake *handshake = weir_internal_tls_handshake_of(ssl);
  if (handshake == NULL) return SSL_TLSEXT_ERR_ALERT_FATAL;
  const weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (state->credential != NULL) return SSL_TLSEXT_ERR_OK;
  int answer = state->choice.answer;
  const char *name = state->has_server_name ? state->hello.data : "";
  if (state->name_is_wrong) {
    weir_internal_tls_refuse(handshake, WEIR_E_TLS_PROTOCOL,
                             "no server can have the name that the client sent");
  } else if (answer < 0) {
    weir_internal_tls_refuse(handshake, answer, "no credential was chosen for \"%.100s\": %s", name,
                             weir_error_message(answer));
  } else {
    weir_internal_tls_refuse(handshake, WEIR_E_TLS_NO_AGREEMENT,
                             "there is no credential for \"%.100s\"", name);
  }
  *out_alert = SSL_AD_UNRECOGNIZED_NAME;
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

void weir_internal_tls_choose_credentials(SSL_CTX *context) {
  SSL_CTX_set_select_certificate_cb(context, select_certificate);
  SSL_CTX_set_tlsext_servername_callback(context, accept_name);
}
