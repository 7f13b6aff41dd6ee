// SPDX-License-Identifier: Apache-2.0
//
// What the options of clients and the contexts of servers have in common, and what a handshake
// keeps while it goes on.

#ifndef WEIR_TLS_INTERNAL_COMMON_H
#define WEIR_TLS_INTERNAL_COMMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "tls/internal/credential.h"
#include "tls/internal/server_name.h"
#include "tls/internal/session_cache.h"
#include "tls/internal/settings.h"
#include "weir/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_tls_common {
  weir_internal_tls_settings settings;
  atomic_int references;
  CRYPTO_BUFFER_POOL *pool;  // so that connections share equal certificates
  weir_buffer protocols;     // as they stand in the extension (RFC 7301, 3.1)
  bool require_protocol;
  void (*key_log)(void *argument, const char *line);
  void *key_log_argument;
  weir_tls_trust *trust;  // NULL: the system's, on a client; nobody is asked, on a server
  weir_tls_check check;
  weir_tls_check check_instead;
  void *check_argument;
} weir_internal_tls_common;

struct weir_tls_options {
  weir_internal_tls_common common;
  weir_internal_tls_name name;  // "": the connection's host
  weir_tls_credential *credential;
  weir_internal_tls_session_cache sessions;
};

typedef struct weir_internal_tls_credentials {
  atomic_int references;
  size_t count;
  weir_tls_credential *all[];
} weir_internal_tls_credentials;

struct weir_tls_context {
  weir_internal_tls_common common;
  weir_tls_client_authentication client_authentication;
  weir_tls_choose choose;
  void *choose_argument;
  pthread_mutex_t mutex;  // for the following
  weir_internal_tls_credentials *credentials;
  weir_tls_ticket_key ticket_keys[WEIR_TLS_TICKET_KEYS_AT_MOST];
  size_t ticket_key_count;  // 0: they are BoringSSL's own
};

// What a callback of the user's was asked: never twice in one handshake.
typedef struct weir_internal_tls_question {
  bool asked;
  bool answered;
  int answer;
} weir_internal_tls_question;

// A signature that is made outside of BoringSSL.
typedef struct weir_internal_tls_signature {
  uint16_t algorithm;
  uint8_t *input;
  size_t input_size;
  uint8_t *output;
  size_t output_size;
  size_t output_capacity;
} weir_internal_tls_signature;

typedef struct weir_internal_tls_state {
  weir_tls_credential *credential;  // that is shown
  weir_internal_tls_signature signature;
  // The check of the peer.
  weir_internal_tls_name name;
  weir_tls_trust *trust;
  bool judged;  // BoringSSL asked
  weir_internal_tls_question check;
  weir_bytes *chain;
  size_t chain_size;
  bool resumed;
  // The choice of a credential.
  weir_internal_tls_credentials *credentials;
  weir_internal_tls_question choice;
  weir_buffer hello;  // the server's name, and behind its NUL the protocols
  bool has_server_name;
  bool name_is_wrong;  // no host or address is called so
} weir_internal_tls_state;

// weir_internal_tls_state_of returns the state of |handshake|.
static inline weir_internal_tls_state *weir_internal_tls_state_of(
    const weir_internal_tls_handshake *handshake) {
  return (weir_internal_tls_state *)handshake->state;
}

// weir_internal_tls_common_of returns what the settings of |handshake| begin.
static inline weir_internal_tls_common *weir_internal_tls_common_of(
    const weir_internal_tls_handshake *handshake) {
  return (weir_internal_tls_common *)(void *)handshake->settings;
}

// weir_internal_tls_common_init makes the SSL_CTX of |self|, which is zero, from |terms|, and sets
// all on it that does not depend on the side. Returns 0, -EINVAL or -ENOMEM, noted; in every case
// weir_internal_tls_common_release follows.
WEIR_MUST_USE int weir_internal_tls_common_init(weir_internal_tls_common *self,
                                                const weir_tls_terms *terms, bool is_server);
void weir_internal_tls_common_release(weir_internal_tls_common *self);

// weir_internal_tls_common_of_context returns what |context| was made for.
weir_internal_tls_common *weir_internal_tls_common_of_context(const SSL_CTX *context);

// weir_internal_tls_verify_peers has |context| ask for and check the peer's certificate.
void weir_internal_tls_verify_peers(SSL_CTX *context, int mode);

// weir_internal_tls_verify_again checks a peer whom BoringSSL had no reason to check, because it
// had shown its chain in an earlier handshake, or has none. Returns as weir_internal_tls_agree.
WEIR_MUST_USE int weir_internal_tls_verify_again(weir_internal_tls_handshake *handshake,
                                                 uint8_t *out_alert);

// weir_internal_tls_signature_release frees what |signature| holds.
void weir_internal_tls_signature_release(weir_internal_tls_signature *signature);

// The two sides of weir_internal_tls_begin.
WEIR_MUST_USE int weir_internal_tls_begin_client(weir_internal_tls_handshake *handshake);
WEIR_MUST_USE int weir_internal_tls_begin_server(weir_internal_tls_handshake *handshake);

// weir_internal_tls_refuse fills in the failure of |handshake|: |code|, and the text as printf
// would print it. Empties BoringSSL's queue of errors. Returns |code|.
int weir_internal_tls_refuse(weir_internal_tls_handshake *handshake, int code, const char *format,
                             ...) WEIR_PRINTF_LIKE(3, 4);

// weir_internal_tls_options_free and weir_internal_tls_context_free free what has lost its last
// reference; weir_internal_tls_credentials_drop lets go of a set, which may be NULL.
void weir_internal_tls_options_free(weir_tls_options *options);
void weir_internal_tls_context_free(weir_tls_context *context);
void weir_internal_tls_credentials_drop(weir_internal_tls_credentials *credentials);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_COMMON_H
