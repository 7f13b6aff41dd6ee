// SPDX-License-Identifier: Apache-2.0

#include <openssl/err.h>
#include <openssl/mem.h>

#include "base/internal/memory.h"
#include "tls/internal/common.h"
#include "tls/internal/trust.h"

enum { SESSION_LIMIT = 256 };

// Under this index an SSL keeps the name under which its sessions are kept.
static int name_index;

static void free_name(void *parent, void *name, CRYPTO_EX_DATA *data, int index, long number,
                      void *pointer) {
  (void)parent;
  (void)data;
  (void)index;
  (void)number;
  (void)pointer;
  OPENSSL_free(name);
}

static void make_name_index(void) {
  name_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_name);
}

// BoringSSL has received a session that can be resumed. Returns 1 when it was kept.
static int keep_session(SSL *ssl, SSL_SESSION *session) {
  weir_tls_options *options =
      (weir_tls_options *)(void *)weir_internal_tls_common_of_context(SSL_get_SSL_CTX(ssl));
  const char *name = (const char *)SSL_get_ex_data(ssl, name_index);
  if (name == NULL) return 0;
  return weir_internal_tls_session_cache_put(&options->sessions, name, session) ? 1 : 0;
}

static int set_resumption(weir_tls_options *options, const weir_tls_options_builder *builder) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_name_index);
  size_t limit = builder->session_limit != 0 ? builder->session_limit : SESSION_LIMIT;
  SSL_CTX *context = options->common.settings.ssl_context;
  if (name_index < 0 || builder->no_resumption) limit = 0;
  weir_internal_tls_session_cache_init(&options->sessions, limit);
  if (limit == 0) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    return 0;
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  return 0;
}

static int set_checks(weir_tls_options *options, const weir_tls_options_builder *builder) {
  if (builder->check != NULL && builder->dangerous_check_instead != NULL) {
    return weir_internal_tls_fail(-EINVAL, "there are two checks");
  }
  if (builder->trust != NULL && builder->dangerous_check_instead != NULL) {
    return weir_internal_tls_fail(-EINVAL, "nobody would look at the roots to trust");
  }
  options->common.check = builder->check;
  options->common.check_instead = builder->dangerous_check_instead;
  options->common.check_argument = builder->check_argument;
  options->common.trust = weir_internal_tls_trust_hold(builder->trust);
  weir_internal_tls_verify_peers(options->common.settings.ssl_context, SSL_VERIFY_PEER);
  if (builder->server_name == NULL) return 0;
  const char *wrong = weir_internal_tls_name_set(&options->name, builder->server_name);
  if (wrong == NULL) return 0;
  return weir_internal_tls_fail(-EINVAL, "the server's name \"%.100s\": %s", builder->server_name,
                                wrong);
}

static int set_protocol(weir_tls_options *options, const weir_tls_options_builder *builder) {
  options->common.require_protocol = builder->require_protocol;
  if (!builder->require_protocol || options->common.protocols.size > 0) return 0;
  return weir_internal_tls_fail(-EINVAL, "a protocol is required, and none is offered");
}

// Makes |options|, which are zero. In every case weir_internal_tls_options_clear follows.
static int fill(weir_tls_options *options, const weir_tls_options_builder *builder) {
  int result = weir_internal_tls_common_init(&options->common, &builder->terms, false);
  if (result < 0) {
    weir_internal_tls_session_cache_init(&options->sessions, 0);
    return result;
  }
  result = set_resumption(options, builder);
  if (result == 0) result = set_checks(options, builder);
  if (result == 0) result = set_protocol(options, builder);
  options->credential = weir_internal_tls_credential_hold(builder->credential);
  return result;
}

static void clear(weir_tls_options *options) {
  weir_internal_tls_session_cache_release(&options->sessions);
  weir_tls_credential_close(options->credential);
  weir_internal_tls_common_release(&options->common);
}

int weir_tls_options_build(weir_tls_options **out, const weir_tls_options_builder *builder) {
  static const weir_tls_options_builder defaults;
  *out = NULL;
  weir_tls_options *options = (weir_tls_options *)weir_internal_allocate(sizeof *options);
  if (options == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for options");
  int result = fill(options, builder != NULL ? builder : &defaults);
  if (result < 0) {
    weir_internal_tls_options_free(options);
    return result;
  }
  *out = options;
  return 0;
}

void weir_internal_tls_options_free(weir_tls_options *options) {
  clear(options);
  weir_internal_release(options, sizeof *options);
}

void weir_tls_options_close(weir_tls_options *options) {
  if (options != NULL) weir_internal_tls_settings_drop(&options->common.settings);
}

// The defaults are made once in a process and never freed. They keep no sessions: whoever wants to
// resume says so by making options, and by closing them forgets what was kept.
static pthread_mutex_t defaults_mutex = PTHREAD_MUTEX_INITIALIZER;
static weir_tls_options default_options;
static bool has_defaults;

static int get_defaults(weir_tls_options **out) {
  const weir_tls_options_builder builder = {.no_resumption = true};
  pthread_mutex_lock(&defaults_mutex);
  int result = 0;
  if (!has_defaults) {
    default_options = (weir_tls_options){0};
    result = fill(&default_options, &builder);
    if (result < 0) clear(&default_options);
    has_defaults = result == 0;
  }
  pthread_mutex_unlock(&defaults_mutex);
  *out = &default_options;
  return result;
}

int weir_internal_tls_client_settings(weir_internal_tls_settings **out,
                                      const weir_tls_options *options) {
  // Counting, and keeping sessions, is all that is ever changed in what users share.
  weir_tls_options *self = (weir_tls_options *)(uintptr_t)options;
  *out = NULL;
  int result = self != NULL ? 0 : get_defaults(&self);
  if (result < 0) return result;
  atomic_fetch_add_explicit(&self->common.references, 1, memory_order_relaxed);
  *out = &self->common.settings;
  return 0;
}

// The name to check: that of the options, or else |host|. Returns NULL, or what is wrong.
static const char *choose_name(weir_internal_tls_name *out, const weir_tls_options *options,
                               const char *host) {
  *out = (weir_internal_tls_name){0};
  if (options != NULL) *out = options->name;
  if (out->text[0] != '\0') return NULL;
  const char *wrong = host != NULL ? weir_internal_tls_name_set(out, host) : "there is none";
  // Who makes all checks himself needs none.
  return options != NULL && options->common.check_instead != NULL ? NULL : wrong;
}

int weir_internal_tls_check_name(const weir_tls_options *options, const char *host) {
  weir_internal_tls_name name;
  const char *wrong = choose_name(&name, options, host);
  if (wrong == NULL) return 0;
  return weir_internal_tls_fail(-EINVAL, "the server's name \"%.100s\": %s",
                                host != NULL ? host : "", wrong);
}

static int send_name(weir_internal_tls_handshake *handshake) {
  const weir_internal_tls_name *name = &weir_internal_tls_state_of(handshake)->name;
  if (name->text[0] == '\0' || name->is_address) return 0;
  return SSL_set_tlsext_host_name(handshake->ssl, name->text) == 1 ? 0 : -ENOMEM;
}

// Offers a session to resume, and has those to come kept.
static int offer_session(weir_internal_tls_handshake *handshake, weir_tls_options *options) {
  const char *name = weir_internal_tls_state_of(handshake)->name.text;
  if (options->sessions.limit == 0 || name[0] == '\0') return 0;
  char *copy = OPENSSL_strdup(name);
  if (copy == NULL || SSL_set_ex_data(handshake->ssl, name_index, copy) != 1) {
    OPENSSL_free(copy);
    return -ENOMEM;
  }
  SSL_SESSION *session = weir_internal_tls_session_cache_take(&options->sessions, name);
  if (session == NULL) return 0;
  int ok = SSL_set_session(handshake->ssl, session);
  SSL_SESSION_free(session);
  return ok == 1 ? 0 : -ENOMEM;
}

void weir_internal_tls_forget_sessions(const SSL *ssl) {
  if (SSL_is_server(ssl)) return;
  weir_tls_options *options =
      (weir_tls_options *)(void *)weir_internal_tls_common_of_context(SSL_get_SSL_CTX(ssl));
  const char *name = (const char *)SSL_get_ex_data(ssl, name_index);
  if (name != NULL) weir_internal_tls_session_cache_forget(&options->sessions, name);
}

static int find_trust(weir_internal_tls_handshake *handshake, const weir_tls_options *options) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  if (options->common.check_instead != NULL) return 0;
  state->trust = weir_internal_tls_trust_hold(options->common.trust);
  if (state->trust != NULL) return 0;
  int result = weir_tls_trust_system(&state->trust);
  if (result == 0) return 0;
  return weir_internal_tls_refuse(handshake, result, "the system's roots: %s",
                                  weir_tls_last_failure(NULL)->text);
}

// Newer ones do it by themselves, and have lost the function.
static void enforce_key_usage(SSL *ssl) {
#if BORINGSSL_API_VERSION < 20
  SSL_set_enforce_rsa_key_usage(ssl, 1);
#else
  (void)ssl;
#endif
}

int weir_internal_tls_begin_client(weir_internal_tls_handshake *handshake) {
  weir_tls_options *options = (weir_tls_options *)(void *)handshake->settings;
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  // It was checked before.
  (void)choose_name(&state->name, options, handshake->host);
  int result = find_trust(handshake, options);
  if (result < 0) return result;
  state->credential = weir_internal_tls_credential_hold(options->credential);
  enforce_key_usage(handshake->ssl);
  result = send_name(handshake);
  if (result == 0) result = offer_session(handshake, options);
  if (result == 0 && state->credential != NULL) {
    result = weir_internal_tls_credential_use(handshake->ssl, state->credential);
  }
  if (result == 0) return 0;
  return weir_internal_tls_refuse(handshake, result, "no memory for a handshake");
}
