// SPDX-License-Identifier: Apache-2.0
//
// The steps of a handshake in which the configuration has a say.

#include <openssl/err.h>

#include "base/internal/memory.h"
#include "tls/internal/common.h"

void weir_internal_tls_settings_drop(weir_internal_tls_settings *settings) {
  weir_internal_tls_common *self = (weir_internal_tls_common *)(void *)settings;
  if (atomic_fetch_sub_explicit(&self->references, 1, memory_order_acq_rel) != 1) return;
  if (settings->is_server) {
    weir_internal_tls_context_free((weir_tls_context *)(void *)self);
  } else {
    weir_internal_tls_options_free((weir_tls_options *)(void *)self);
  }
}

int weir_internal_tls_begin(weir_internal_tls_handshake *handshake) {
  handshake->state = weir_internal_allocate(sizeof(weir_internal_tls_state));
  if (handshake->state == NULL) {
    return weir_internal_tls_refuse(handshake, -ENOMEM, "no memory for a handshake");
  }
  int result = handshake->settings->is_server ? weir_internal_tls_begin_server(handshake)
                                              : weir_internal_tls_begin_client(handshake);
  ERR_clear_error();
  return result;
}

int weir_internal_tls_agree(weir_internal_tls_handshake *handshake, uint8_t *out_alert) {
  const weir_internal_tls_common *common = weir_internal_tls_common_of(handshake);
  if (handshake->settings->is_server) {
    return common->trust != NULL ? weir_internal_tls_verify_again(handshake, out_alert) : 0;
  }
  if (!weir_internal_tls_state_of(handshake)->judged) {
    return weir_internal_tls_refuse(handshake, WEIR_E_TLS_LIBRARY,
                                    "BoringSSL has not asked who the server is");
  }
  if (!common->require_protocol) return 0;
  const uint8_t *protocol = NULL;
  unsigned size = 0;
  SSL_get0_alpn_selected(handshake->ssl, &protocol, &size);
  if (size > 0) return 0;
  *out_alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return weir_internal_tls_refuse(handshake, WEIR_E_TLS_NO_AGREEMENT,
                                  "the server has chosen no application protocol");
}

void weir_internal_tls_end(weir_internal_tls_handshake *handshake) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (state == NULL) return;
  weir_tls_credential_close(state->credential);
  weir_internal_tls_signature_release(&state->signature);
  weir_tls_trust_close(state->trust);
  weir_internal_release(state->chain, state->chain_size * sizeof *state->chain);
  weir_internal_tls_credentials_drop(state->credentials);
  weir_buffer_release(&state->hello);
  weir_internal_release(state, sizeof *state);
  handshake->state = NULL;
}
