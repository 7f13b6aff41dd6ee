// SPDX-License-Identifier: Apache-2.0
//
// The seam between the two halves of this package. The configuration (options, contexts, trust,
// credentials) owns the SSL_CTX and decides; the session owns the SSL, moves bytes, suspends and
// reports.
//
// Nothing suspends inside BoringSSL. A callback of BoringSSL that has to wait, or to run code of
// the user's, sets |task| of its handshake and returns BoringSSL's code for "retry". The session
// then leaves BoringSSL, calls the task on the coroutine of the handshake, where it may suspend,
// and enters BoringSSL again, which calls the callback again.

#ifndef WEIR_TLS_INTERNAL_SETTINGS_H
#define WEIR_TLS_INTERNAL_SETTINGS_H

#include <openssl/ssl.h>

#include "weir/tls.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_INTERNAL_TLS_HANDSHAKE_TIMEOUT (10 * INT64_C(1000000000))
#define WEIR_INTERNAL_TLS_REKEY_AFTER (UINT64_C(1) << 23)

// What a session needs of its options or context. It is the first member of both, is counted with
// them, and does not change.
typedef struct weir_internal_tls_settings {
  // Made with TLS_with_buffers_method, so that every certificate goes through the custom verify
  // callback, which is set on clients and on servers that ask. All else is set on it explicitly,
  // too: versions, suites, groups, signature algorithms, ALPN, key log, tickets, session cache. The
  // session sets nothing on it, and on the SSL only: the BIOs, the connect or accept state, the
  // modes, the info callback and shedding.
  SSL_CTX *ssl_context;
  bool is_server;
  bool allow_truncation;
  int64_t handshake_timeout;  // not 0
  uint64_t rekey_after;       // not 0
} weir_internal_tls_settings;

// One handshake. The session makes it, zeroed but for the first three, and it ends before
// weir_tls_client or weir_tls_server returns.
typedef struct weir_internal_tls_handshake {
  weir_internal_tls_settings *settings;
  SSL *ssl;
  const char *host;  // of the connection below; NULL: none
  // What is to be done outside of BoringSSL, on the coroutine of the handshake. May suspend; the
  // SSL must not be touched while it does. Returns 0, and BoringSSL is entered again; or a negative
  // code, which ends the handshake and is its result, no alert being sent.
  int (*task)(struct weir_internal_tls_handshake *handshake);
  void *state;  // of the configuration
  // Set by the configuration before it has BoringSSL refuse the peer, or refuses itself: |code|,
  // and |verify_result|, |depth| and |text| if there is something to say. The session does the
  // rest.
  weir_tls_failure failure;
} weir_internal_tls_handshake;

// What the session half offers

// weir_internal_tls_handshake_of returns the handshake in which |ssl| is; NULL afterwards.
weir_internal_tls_handshake *weir_internal_tls_handshake_of(const SSL *ssl);

// weir_internal_tls_fail notes a failure for weir_tls_last_failure(NULL): |code|, the latest reason
// in BoringSSL's queue of errors, which is emptied, and the text, as printf would print it. Returns
// |code|; or -ENOMEM, when it was no memory that BoringSSL had not.
int weir_internal_tls_fail(int code, const char *format, ...) WEIR_PRINTF_LIKE(2, 3);

// weir_internal_tls_note notes |failure| as a whole.
void weir_internal_tls_note(const weir_tls_failure *failure);

// What the configuration half offers

// weir_internal_tls_client_settings stores those of |options|, or of the defaults for NULL, which
// are made at the first call and then shared; it holds them. May suspend, to load the system's
// roots. Returns 0 or a negative code, which is noted.
WEIR_MUST_USE int weir_internal_tls_client_settings(weir_internal_tls_settings **out,
                                                    const weir_tls_options *options);

// weir_internal_tls_server_settings returns those of |context|, and holds them.
weir_internal_tls_settings *weir_internal_tls_server_settings(const weir_tls_context *context);

// weir_internal_tls_settings_drop lets go of |settings|.
void weir_internal_tls_settings_drop(weir_internal_tls_settings *settings);

// weir_internal_tls_check_name tells whether a client with |options| has a name to check when it is
// connected to |host|. Returns 0, or -EINVAL, noted.
WEIR_MUST_USE int weir_internal_tls_check_name(const weir_tls_options *options, const char *host);

// weir_internal_tls_begin prepares a handshake, before BoringSSL is entered: the name to check and
// to send, a session to resume, the credentials in force, |state|. May suspend. Returns 0, or a
// negative code with |failure| filled in; weir_internal_tls_end is called in both cases.
WEIR_MUST_USE int weir_internal_tls_begin(weir_internal_tls_handshake *handshake);

// weir_internal_tls_agree is called when BoringSSL has done its handshake, and looks whether we
// agree: a protocol that is required, a resumed client that has to be checked again. May suspend.
// Returns 0, or a negative code with |failure| filled in and the alert to send in *out_alert.
WEIR_MUST_USE int weir_internal_tls_agree(weir_internal_tls_handshake *handshake,
                                          uint8_t *out_alert);

// weir_internal_tls_forget_sessions drops the sessions that a client keeps for the server of |ssl|,
// when that has failed: a chain that was good once may have expired or lost somebody's favour, and
// must not make the next handshake fail as well. On a server it does nothing.
void weir_internal_tls_forget_sessions(const SSL *ssl);

// weir_internal_tls_end frees |state|, however the handshake has ended. The SSL may live on, and
// with it what BoringSSL keeps for us in it (SSL_set_ex_data): so
// the callback for new sessions finds there under which name they are to be kept.
void weir_internal_tls_end(weir_internal_tls_handshake *handshake);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_SETTINGS_H
