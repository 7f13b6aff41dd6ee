// SPDX-License-Identifier: Apache-2.0
//
// How BoringSSL is entered and left.

#include "tls/internal/session.h"

#include <assert.h>
#include <openssl/err.h>

#include "base/internal/memory.h"

// What is read in one call at most, so that a flood of records without data keeps nobody waiting.
enum { INPUT_SIZE = 64 * 1024, FATAL_LEVEL = 2, CLOSE_NOTIFY = 0, USER_CANCELED = 90 };

static void note_alert(const SSL *ssl, int type, int value) {
  if (type != SSL_CB_READ_ALERT && type != SSL_CB_WRITE_ALERT) return;
  int alert = value & 0xff;
  bool received = type == SSL_CB_READ_ALERT;
  // In TLS 1.3 all but two are fatal, whatever they say of their level.
  if (alert == CLOSE_NOTIFY || alert == USER_CANCELED) return;
  if (value >> 8 != FATAL_LEVEL && SSL_version(ssl) < TLS1_3_VERSION) return;
  weir_internal_tls_session *session = weir_internal_tls_bio_session(ssl);
  session->alert = alert;
  session->alert_received = received;
}

int weir_internal_tls_session_create(weir_internal_tls_session **out, weir_connection *below,
                                     weir_internal_tls_settings *settings) {
  *out = NULL;
  weir_internal_tls_session *session =
      (weir_internal_tls_session *)weir_internal_allocate(sizeof *session);
  if (session == NULL) {
    weir_internal_tls_settings_drop(settings);
    return weir_internal_tls_fail(-ENOMEM, "no memory for a session");
  }
  session->settings = settings;
  session->below = below;
  session->pool = below->pool;
  session->alert = -1;
  session->ssl = SSL_new(settings->ssl_context);
  if (session->ssl == NULL || weir_internal_tls_bio_attach(session) < 0) {
    weir_internal_tls_session_release(session);
    return weir_internal_tls_fail(-ENOMEM, "no memory for a session");
  }
  if (settings->is_server) {
    SSL_set_accept_state(session->ssl);
  } else {
    SSL_set_connect_state(session->ssl);
  }
  SSL_set_mode(session->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_info_callback(session->ssl, note_alert);
  SSL_set_shed_handshake_config(session->ssl, 1);
  *out = session;
  return 0;
}

void weir_internal_tls_session_release(weir_internal_tls_session *session) {
  if (session == NULL) return;
  SSL_free(session->ssl);
  weir_internal_tls_drop_output(session);
  weir_internal_tls_settings_drop(session->settings);
  if (session->protocol != NULL) {
    weir_internal_release(session->protocol, strlen(session->protocol) + 1);
  }
  weir_internal_release(session->failure, sizeof *session->failure);
  weir_internal_release(session, sizeof *session);
}

weir_internal_tls_handshake *weir_internal_tls_handshake_of(const SSL *ssl) {
  const weir_internal_tls_session *session = weir_internal_tls_bio_session(ssl);
  return session == NULL ? NULL : session->handshake;
}

// An error of others would be taken for ours. To look is much cheaper than to clear.
static void forget_errors(void) {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

static void lend_input(weir_internal_tls_session *session) {
  weir_read_channel *reader = &session->below->reader;
  size_t held = weir_internal_reader_held(reader);
  session->input_size = held < INPUT_SIZE ? held : INPUT_SIZE;
  session->input = weir_internal_reader_span(reader, session->input_size).data;
}

void weir_internal_tls_enter(weir_internal_tls_session *session, bool reads) {
  assert(!session->entered);
  session->entered = true;
  forget_errors();
  if (reads) lend_input(session);
}

// Counts as read below what BoringSSL has read.
static void take_input(weir_internal_tls_session *session) {
  if (session->input == NULL) return;
  weir_read_channel *reader = &session->below->reader;
  size_t held = weir_internal_reader_held(reader);
  if (held > 0) {
    size_t taken = (size_t)(session->input - weir_internal_reader_span(reader, held).data);
    weir_internal_reader_consume(reader, taken);
    // Between records nothing is kept for a peer that may not send any more for long.
    if (taken == held) weir_internal_reader_release(reader);
  }
  session->input = NULL;
  session->input_size = 0;
}

size_t weir_internal_tls_read_on(weir_internal_tls_session *session, char *out, size_t size) {
  if (!session->may_read_on) return 0;
  session->may_read_on = false;
  take_input(session);
  int result = weir_internal_tls_receive(session, out, size);
  forget_errors();
  lend_input(session);
  // A failure stays, and the next look finds it.
  return result > 0 ? (size_t)result : 0;
}

// A lack of memory in the middle of a record is no shortage that passes, for which it would be
// taken under its own name.
static int final_code(const weir_internal_tls_session *session, int code) {
  return code == -ENOMEM && session->handshake == NULL ? WEIR_E_TLS_LIBRARY : code;
}

static int fail(weir_internal_tls_session *session, int code) {
  session->broken = final_code(session, weir_internal_tls_describe(session, code));
  if (session->failure != NULL) session->failure->code = session->broken;
  // In TLS 1.3 a server may refuse a client behind the handshake.
  weir_internal_tls_forget_sessions(session->ssl);
  return session->broken;
}

// Whether the stream below may be over here without close_notify. Nobody ends one within a record.
static bool may_end_here(const weir_internal_tls_session *session) {
  return session->settings->allow_truncation && !SSL_has_pending(session->ssl);
}

// The stream below has ended. Writing goes on, should that be of any use.
static int end_of_input(weir_internal_tls_session *session) {
  if (!may_end_here(session)) return weir_internal_tls_describe(session, WEIR_E_TLS_TRUNCATED);
  session->peer_has_ended = true;
  return 0;
}

int weir_internal_tls_leave(weir_internal_tls_session *session, int result) {
  int error = SSL_get_error(session->ssl, result);
  session->entered = session->may_read_on = false;
  take_input(session);
  switch (error) {
    case SSL_ERROR_NONE:
      return result;
    case SSL_ERROR_ZERO_RETURN:
      session->peer_has_ended = true;
      return 0;
    case SSL_ERROR_WANT_READ:
      return -EAGAIN;
    case SSL_ERROR_WANT_CERTIFICATE_VERIFY:
    case SSL_ERROR_WANT_PRIVATE_KEY_OPERATION:
    case SSL_ERROR_WANT_X509_LOOKUP:
    case SSL_ERROR_PENDING_CERTIFICATE:
    case SSL_ERROR_PENDING_SESSION:
    case SSL_ERROR_PENDING_TICKET:
      return -EINPROGRESS;
    case SSL_ERROR_SYSCALL:
      if (session->out_of_memory) return fail(session, -ENOMEM);
      if (session->input_ended) return end_of_input(session);
      return fail(session, weir_internal_tls_blame(session));
    default:
      return fail(session, WEIR_E_TLS_PROTOCOL);
  }
}
