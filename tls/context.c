// SPDX-License-Identifier: Apache-2.0

#include <openssl/mem.h>

#include "base/internal/memory.h"
#include "tls/internal/common.h"
#include "tls/internal/server_choice.h"
#include "tls/internal/ticket_keys.h"
#include "tls/internal/trust.h"
#include "weir/tls_context.h"

static size_t size_of_set(size_t count) {
  return sizeof(weir_internal_tls_credentials) + count * sizeof(weir_tls_credential *);
}

static int make_set(weir_internal_tls_credentials **out, weir_tls_credential *const *credentials,
                    size_t count) {
  *out = NULL;
  for (size_t i = 0; i < count; i++) {
    if (credentials[i] == NULL) {
      return weir_internal_tls_fail(-EINVAL, "credential %zu is NULL", i + 1);
    }
  }
  weir_internal_tls_credentials *set =
      (weir_internal_tls_credentials *)weir_internal_allocate(size_of_set(count));
  if (set == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for credentials");
  atomic_init(&set->references, 1);
  set->count = count;
  for (size_t i = 0; i < count; i++) {
    set->all[i] = weir_internal_tls_credential_hold(credentials[i]);
  }
  *out = set;
  return 0;
}

void weir_internal_tls_credentials_drop(weir_internal_tls_credentials *set) {
  if (set == NULL) return;
  if (atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < set->count; i++) weir_tls_credential_close(set->all[i]);
  weir_internal_release(set, size_of_set(set->count));
}

static int set_clients(weir_tls_context *context, const weir_tls_context_builder *builder) {
  int mode = SSL_VERIFY_PEER;
  switch (builder->client_authentication) {
    case WEIR_TLS_CLIENT_NOT_ASKED:
      if (builder->client_trust != NULL || builder->check != NULL) {
        return weir_internal_tls_fail(-EINVAL,
                                      "there is a client_trust or a check, but no client is asked");
      }
      return 0;
    case WEIR_TLS_CLIENT_OPTIONAL:
      break;
    case WEIR_TLS_CLIENT_REQUIRED:
      mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
      break;
    default:
      return weir_internal_tls_fail(-EINVAL, "the client_authentication is unknown");
  }
  if (builder->client_trust == NULL) {
    return weir_internal_tls_fail(-EINVAL, "clients are asked, but there is no client_trust");
  }
  context->client_authentication = builder->client_authentication;
  context->common.trust = weir_internal_tls_trust_hold(builder->client_trust);
  context->common.check = builder->check;
  context->common.check_argument = builder->check_argument;
  weir_internal_tls_verify_peers(context->common.settings.ssl_context, mode);
  return 0;
}

static int set_credentials(weir_tls_context *context, const weir_tls_context_builder *builder) {
  if (builder->credential_count == 0 && builder->choose == NULL) {
    return weir_internal_tls_fail(-EINVAL, "there are no credentials and no choose");
  }
  if (builder->credential_count > 0 && builder->credentials == NULL) {
    return weir_internal_tls_fail(-EINVAL, "there is a credential_count, but no credentials");
  }
  context->choose = builder->choose;
  context->choose_argument = builder->choose_argument;
  weir_internal_tls_choose_credentials(context->common.settings.ssl_context);
  return make_set(&context->credentials, builder->credentials, builder->credential_count);
}

// Sessions live in tickets, encrypted with keys that BoringSSL replaces every two days, or with the
// user's.
static int set_resumption(weir_tls_context *context, const weir_tls_context_builder *builder) {
  bool has_keys = builder->ticket_keys != NULL || builder->ticket_key_count > 0;
  if (!builder->no_resumption) {
    return has_keys ? weir_internal_tls_use_ticket_keys(context, builder->ticket_keys,
                                                        builder->ticket_key_count)
                    : 0;
  }
  SSL_CTX_set_options(context->common.settings.ssl_context, SSL_OP_NO_TICKET);
  if (!has_keys) return 0;
  return weir_internal_tls_fail(-EINVAL, "there are ticket keys, but no resumption");
}

int weir_tls_context_build(weir_tls_context **out, const weir_tls_context_builder *builder) {
  *out = NULL;
  if (builder == NULL) return weir_internal_tls_fail(-EINVAL, "there is no builder");
  weir_tls_context *context = (weir_tls_context *)weir_internal_allocate(sizeof *context);
  if (context == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for a context");
  pthread_mutex_init(&context->mutex, NULL);
  int result = weir_internal_tls_common_init(&context->common, &builder->terms, true);
  if (result == 0) result = set_resumption(context, builder);
  if (result == 0) result = set_clients(context, builder);
  if (result == 0) result = set_credentials(context, builder);
  if (result < 0) {
    weir_internal_tls_context_free(context);
    return result;
  }
  *out = context;
  return 0;
}

int weir_tls_context_replace_credentials(weir_tls_context *context,
                                         weir_tls_credential *const *credentials, size_t count) {
  if (count == 0 || credentials == NULL) {
    return weir_internal_tls_fail(-EINVAL, "there are no credentials");
  }
  weir_internal_tls_credentials *set;
  int result = make_set(&set, credentials, count);
  if (result < 0) return result;
  pthread_mutex_lock(&context->mutex);
  weir_internal_tls_credentials *old = context->credentials;
  context->credentials = set;
  pthread_mutex_unlock(&context->mutex);
  weir_internal_tls_credentials_drop(old);
  return 0;
}

void weir_internal_tls_context_free(weir_tls_context *context) {
  weir_internal_tls_common_release(&context->common);
  weir_internal_tls_credentials_drop(context->credentials);
  pthread_mutex_destroy(&context->mutex);
  OPENSSL_cleanse(context->ticket_keys, sizeof context->ticket_keys);
  weir_internal_release(context, sizeof *context);
}

void weir_tls_context_close(weir_tls_context *context) {
  if (context != NULL) weir_internal_tls_settings_drop(&context->common.settings);
}

weir_internal_tls_settings *weir_internal_tls_server_settings(const weir_tls_context *context) {
  // Counting, and replacing credentials, is all that is ever changed in what users share.
  weir_tls_context *self = (weir_tls_context *)(uintptr_t)context;
  atomic_fetch_add_explicit(&self->common.references, 1, memory_order_relaxed);
  return &self->common.settings;
}

int weir_internal_tls_begin_server(weir_internal_tls_handshake *handshake) {
  weir_tls_context *context = (weir_tls_context *)(void *)handshake->settings;
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  state->trust = weir_internal_tls_trust_hold(context->common.trust);
  pthread_mutex_lock(&context->mutex);
  state->credentials = context->credentials;
  atomic_fetch_add_explicit(&state->credentials->references, 1, memory_order_relaxed);
  pthread_mutex_unlock(&context->mutex);
  return 0;
}
