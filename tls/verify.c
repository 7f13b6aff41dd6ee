// SPDX-License-Identifier: Apache-2.0
//
// Who decides about a peer, and when: the built-in check in BoringSSL's callback, then the user's
// outside of BoringSSL, where it may suspend, then the callback again, which answers.

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/internal/memory.h"
#include "tls/internal/chain_check.h"
#include "tls/internal/common.h"
#include "tls/internal/trust.h"

static weir_tls_check users_check(const weir_internal_tls_common *common) {
  return common->check_instead != NULL ? common->check_instead : common->check;
}

static bool is_server(const weir_internal_tls_handshake *handshake) {
  return handshake->settings->is_server;
}

static bool is_required(const weir_internal_tls_handshake *handshake) {
  if (!is_server(handshake)) return false;
  const weir_tls_context *context = (const weir_tls_context *)(const void *)handshake->settings;
  return context->client_authentication == WEIR_TLS_CLIENT_REQUIRED;
}

// Asks the user. The chain that was noted belongs to the SSL, which stays as it is meanwhile.
static int ask(weir_internal_tls_handshake *handshake) {
  const weir_internal_tls_common *common = weir_internal_tls_common_of(handshake);
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  const weir_tls_peer peer = {
      .chain = state->chain,
      .chain_size = state->chain_size,
      .verified = state->verified.all,
      .verified_size = state->verified.count,
      .server_name = !is_server(handshake) && state->name.text[0] != '\0' ? state->name.text : NULL,
      .resumed = state->resumed,
  };
  state->check.answer = users_check(common)(common->check_argument, &peer);
  state->check.answered = true;
  return 0;
}

// A session in TLS 1.3 that begins here cannot be resumed if its ticket, which has the client's
// chain in it, would be longer than what BoringSSL's clients take (16 KiB).
static void forgo_long_tickets(SSL *ssl, const STACK_OF(CRYPTO_BUFFER) * chain) {
  enum { LONGEST_CHAIN = 15 * 1024 };
  size_t size = 0;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++) {
    size += CRYPTO_BUFFER_len(sk_CRYPTO_BUFFER_value(chain, i));
  }
  if (size > LONGEST_CHAIN) SSL_set_options(ssl, SSL_OP_NO_TICKET);
}

// Notes what the user is shown. Returns 0 or -ENOMEM.
static int note_chain(weir_internal_tls_handshake *handshake,
                      const STACK_OF(CRYPTO_BUFFER) * chain) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  size_t count = chain != NULL ? sk_CRYPTO_BUFFER_num(chain) : 0;
  state->resumed = SSL_session_reused(handshake->ssl) == 1;
  if (count == 0) return 0;
  state->chain = (weir_bytes *)weir_internal_allocate(count * sizeof *state->chain);
  if (state->chain == NULL) return -ENOMEM;
  state->chain_size = count;
  for (size_t i = 0; i < count; i++) {
    const CRYPTO_BUFFER *buffer = sk_CRYPTO_BUFFER_value(chain, i);
    state->chain[i] = weir_bytes_of(CRYPTO_BUFFER_data(buffer), CRYPTO_BUFFER_len(buffer));
  }
  return 0;
}

static enum ssl_verify_result_t answer(weir_internal_tls_handshake *handshake, uint8_t *out_alert) {
  int result = weir_internal_tls_state_of(handshake)->check.answer;
  if (result >= 0) return ssl_verify_ok;
  weir_internal_tls_refuse(handshake, result, "the peer's certificate was refused by a check: %s",
                           weir_error_message(result));
  handshake->failure.code = result;
  *out_alert = SSL_AD_CERTIFICATE_UNKNOWN;
  return ssl_verify_invalid;
}

static enum ssl_verify_result_t judge(weir_internal_tls_handshake *handshake, uint8_t *out_alert) {
  const weir_internal_tls_common *common = weir_internal_tls_common_of(handshake);
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (state->check.answered) return answer(handshake, out_alert);
  const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(handshake->ssl);
  bool has_chain = chain != NULL && sk_CRYPTO_BUFFER_num(chain) > 0;
  if (!has_chain && is_required(handshake)) {
    *out_alert = SSL_AD_CERTIFICATE_REQUIRED;
    weir_internal_tls_refuse(handshake, WEIR_E_TLS_CERTIFICATE, "the client has no certificate");
    return ssl_verify_invalid;
  }
  if (has_chain && is_server(handshake)) forgo_long_tickets(handshake->ssl, chain);
  if (common->check_instead == NULL && !is_server(handshake) && state->name.text[0] == '\0') {
    *out_alert = SSL_AD_INTERNAL_ERROR;
    weir_internal_tls_refuse(handshake, WEIR_E_TLS_LIBRARY, "there is no name to check");
    return ssl_verify_invalid;
  }
  if (common->check_instead == NULL && (has_chain || !is_server(handshake)) &&
      weir_internal_tls_check_chain(&handshake->failure, out_alert, chain, state->trust->store,
                                    !is_server(handshake), &state->name,
                                    users_check(common) != NULL ? &state->verified : NULL) < 0) {
    return ssl_verify_invalid;
  }
  if (users_check(common) == NULL) return ssl_verify_ok;
  if (note_chain(handshake, chain) < 0) {
    *out_alert = SSL_AD_INTERNAL_ERROR;
    weir_internal_tls_refuse(handshake, -ENOMEM, "no memory to check the peer's certificate");
    return ssl_verify_invalid;
  }
  state->check.asked = true;
  handshake->task = ask;
  return ssl_verify_retry;
}

static enum ssl_verify_result_t verify(SSL *ssl, uint8_t *out_alert) {
  weir_internal_tls_handshake *handshake = weir_internal_tls_handshake_of(ssl);
  if (handshake == NULL) return ssl_verify_invalid;
  weir_internal_tls_state_of(handshake)->judged = true;
  return judge(handshake, out_alert);
}

void weir_internal_tls_verify_peers(SSL_CTX *context, int mode) {
  SSL_CTX_set_custom_verify(context, mode, verify);
  SSL_CTX_set_reverify_on_resume(context, 1);
}

int weir_internal_tls_verify_again(weir_internal_tls_handshake *handshake, uint8_t *out_alert) {
  if (weir_internal_tls_state_of(handshake)->judged) return 0;
  enum ssl_verify_result_t result = judge(handshake, out_alert);
  if (result == ssl_verify_retry) {
    handshake->task = NULL;
    int asked = ask(handshake);
    if (asked < 0) return asked;
    result = judge(handshake, out_alert);
  }
  return result == ssl_verify_ok ? 0 : handshake->failure.code;
}

int weir_tls_dangerously_trust_anyone(void *argument, const weir_tls_peer *peer) {
  (void)argument;
  (void)peer;
  return 0;
}
