// SPDX-License-Identifier: Apache-2.0
//
// The handshake. From its beginning to its end it holds both channels of the connection below: who
// closes or aborts that interrupts whatever the handshake waits for, be it bytes or the user's
// callback, and cannot free it under us.

#include <openssl/err.h>

#include "base/internal/memory.h"
#include "tls/internal/session.h"

// How long a peer has to read why it was refused.
#define ALERT_TIMEOUT WEIR_SECOND

// Holding

static int hold(weir_connection *below, weir_internal_interruptible *holder) {
  int result = weir_internal_reader_enter_at_once(&below->reader);
  if (result < 0) return result;
  result = weir_internal_writer_enter_at_once(&below->writer);
  if (result < 0) return weir_internal_reader_leave(&below->reader, result);
  weir_internal_interruptible_begin(holder);
  below->reader.holder = below->writer.holder = holder;
  return 0;
}

// Returns |result|, or why the connection ended meanwhile; it may be gone then.
static int let_go(weir_connection *below, weir_internal_interruptible *holder, int result) {
  below->reader.holder = below->writer.holder = NULL;
  weir_internal_interruptible_end(holder);
  result = weir_internal_writer_leave(&below->writer, result);
  return weir_internal_reader_leave(&below->reader, result);
}

// Returns why the connection below has ended, or 0.
static int end_of(const weir_connection *below) {
  if (below->failure < 0) return below->failure;
  return below->writer.failure < 0 ? below->writer.failure : below->reader.failure;
}

// The wait for one thing may be the time in which another one ends.
static int check(const weir_connection *below, int result) {
  int end = result == 0 || result == -ECANCELED ? end_of(below) : 0;
  return end < 0 ? end : result;
}

// Steps

// A buffer of the usual size has room for a record; let one read take it.
static void prepare_input(weir_read_channel *reader) {
  bool is_usual = reader->capacity == WEIR_INTERNAL_DEFAULT_CAPACITY;
  if (!is_usual || weir_internal_reader_held(reader) > 0) return;
  reader->capacity = WEIR_INTERNAL_TLS_ROOM - WEIR_INTERNAL_LINE_EXTRA;
}

// What was written before leaves first. Then the channel gets room for a record.
static int prepare_output(weir_write_channel *writer) {
  int result = weir_internal_writer_flush(writer);
  if (result == 0 && writer->capacity < WEIR_INTERNAL_TLS_ROOM) {
    writer->capacity = WEIR_INTERNAL_TLS_ROOM;
  }
  return result;
}

static int await_input(weir_internal_tls_session *session) {
  int result = weir_internal_writer_flush(&session->below->writer);
  if (result == 0) result = weir_internal_tls_fill(session, true);
  return result < 0 ? result : 0;
}

static int do_task(weir_internal_tls_session *session) {
  weir_internal_tls_handshake *handshake = session->handshake;
  int (*task)(weir_internal_tls_handshake * handshake) = handshake->task;
  handshake->task = NULL;
  if (task == NULL) return weir_internal_tls_describe(session, WEIR_E_TLS_LIBRARY);
  int result = weir_internal_writer_flush(&session->below->writer);
  return result < 0 ? result : task(handshake);
}

// Enters BoringSSL once, and does what it needs before it can be entered again. Returns 1 when the
// handshake is done, 0, or a negative code.
static int step(weir_internal_tls_session *session) {
  weir_internal_tls_enter(session, true);
  int result = weir_internal_tls_leave(session, SSL_do_handshake(session->ssl));
  // What the user's callbacks have said may be any code.
  if (session->broken < 0) return session->broken;
  // Anybody can send close_notify before there are keys.
  if (result == 0) result = weir_internal_tls_describe(session, WEIR_E_TLS_TRUNCATED);
  // An alert leaves with the close.
  if (result < 0 && result != -EAGAIN && result != -EINPROGRESS) return result;
  int sent = weir_internal_tls_send(session);
  if (sent < 0) return sent;
  if (result == -EAGAIN) return await_input(session);
  return result == -EINPROGRESS ? do_task(session) : 1;
}

static int shake_hands(weir_internal_tls_session *session) {
  int result = 0;
  while (result == 0) {
    result = step(session);
    if (result == 0) result = weir_internal_connection_go_on(session->below);
    result = result > 0 ? result : check(session->below, result);
  }
  return result < 0 ? result : 0;
}

// Looks whether the configuration agrees to what came out, and sends the alert if it does not.
static int agree(weir_internal_tls_session *session) {
  uint8_t alert = SSL_AD_HANDSHAKE_FAILURE;
  int result = weir_internal_tls_agree(session->handshake, &alert);
  if (result == 0) return 0;
  weir_internal_tls_enter(session, false);
  (void)SSL_send_fatal_alert(session->ssl, alert);
  session->entered = false;
  return weir_internal_tls_describe(session, result);
}

// A server that only reads would never send its session tickets. Whether they arrive is not
// important.
static int send_tickets(weir_internal_tls_session *session) {
  if (!session->settings->is_server) return 0;
  weir_internal_tls_enter(session, false);
  int result = SSL_write(session->ssl, "", 0);
  session->entered = false;
  if (session->out_of_memory) return weir_internal_tls_describe(session, -ENOMEM);
  if (result < 0) return weir_internal_tls_describe(session, WEIR_E_TLS_LIBRARY);
  return weir_internal_tls_send(session);
}

static int keep_protocol(weir_internal_tls_session *session) {
  const uint8_t *protocol;
  unsigned size;
  SSL_get0_alpn_selected(session->ssl, &protocol, &size);
  if (size == 0) return 0;
  session->protocol = (char *)weir_internal_allocate((size_t)size + 1);
  if (session->protocol == NULL) return -ENOMEM;
  memcpy(session->protocol, protocol, size);
  return 0;
}

static int run(weir_internal_tls_session *session) {
  weir_connection *below = session->below;
  weir_internal_tls_handshake handshake = {
      .settings = session->settings,
      .ssl = session->ssl,
      .host = weir_connection_host(below),
      .failure = {.alert = -1, .depth = -1},
  };
  session->handshake = &handshake;
  prepare_input(&below->reader);
  int result = prepare_output(&below->writer);
  if (result == 0) {
    result = weir_internal_tls_begin(&handshake);
    if (result == 0) result = shake_hands(session);
    if (result == 0) result = agree(session);
    weir_internal_tls_end(&handshake);
    if (result < 0 && result != -ECANCELED) weir_internal_tls_forget_sessions(session->ssl);
  }
  if (result == 0) result = send_tickets(session);
  if (result == 0) result = keep_protocol(session);
  result = check(below, result);
  if (result < 0 && session->failure == NULL) weir_internal_tls_describe(session, result);
  session->handshake = NULL;
  return result;
}

// The connection

// Ends a connection whose handshake has failed, unless another coroutine closes it.
static void end_below(weir_internal_tls_session *session, weir_connection *below) {
  bool has_alert = session != NULL && weir_internal_tls_unsent(session) > 0;
  // As far as it goes without waiting; the close sends it.
  if (has_alert) (void)weir_internal_tls_hand_over(session);
  int64_t most = has_alert ? ALERT_TIMEOUT : 0;
  if (below->close_timeout > most) below->close_timeout = most;
  weir_connection_close(below);
}

static int make_session(weir_internal_tls_session **out, weir_connection *below,
                        const weir_tls_options *options, const weir_tls_context *context) {
  weir_internal_tls_settings *settings;
  if (context != NULL) {
    settings = weir_internal_tls_server_settings(context);
  } else {
    int result = weir_internal_tls_client_settings(&settings, options);
    result = check(below, result);
    if (result < 0) return result;
  }
  return weir_internal_tls_session_create(out, below, settings);
}

// *out_closed tells that another coroutine closes the connection, which may be gone.
static int make_secure(weir_internal_tls_session **out, bool *out_closed, weir_connection *below,
                       const weir_tls_options *options, const weir_tls_context *context) {
  weir_internal_interruptible holder;
  int result = hold(below, &holder);
  *out_closed = below->closing != WEIR_INTERNAL_OPEN;
  if (result < 0) return result;
  result = make_session(out, below, options, context);
  if (result == 0) {
    weir_timeout timeout = weir_timeout_begin((*out)->settings->handshake_timeout);
    result = run(*out);
    weir_timeout_end(timeout);
  }
  *out_closed = below->closing != WEIR_INTERNAL_OPEN;
  return let_go(below, &holder, result);
}

static void note(const weir_internal_tls_session *session, int code) {
  if (session != NULL && session->failure != NULL && session->failure->code == code) {
    weir_internal_tls_note(session->failure);
  } else if (weir_internal_tls_noted()->code != code) {
    (void)weir_internal_tls_fail(code, "%s", weir_error_message(code));
  }
}

// What there is to know before anything is sent.
static int check_first(const weir_connection *below, const weir_tls_options *options,
                       const weir_tls_context *context) {
  if (weir_internal_stack_left() < WEIR_INTERNAL_TLS_STACK) return -ENOSPC;
  if (context != NULL) return 0;
  return weir_internal_tls_check_name(options, weir_connection_host(below));
}

static int secure(weir_connection **connection, const weir_tls_options *options,
                  const weir_tls_context *context) {
  weir_connection *below = connection == NULL ? NULL : *connection;
  if (below == NULL || weir_internal_current_coroutine() == NULL) {
    return weir_internal_tls_fail(-EINVAL, "there is no connection, or no coroutine");
  }
  weir_internal_connection_bind(below, weir_internal_current_loop());
  if (weir_internal_connection_is_elsewhere(below)) {
    return weir_internal_tls_fail(-EXDEV, "the connection belongs to another loop");
  }
  weir_internal_tls_session *session = NULL;
  bool is_closed = false;
  int result = check_first(below, options, context);
  if (result == 0) result = make_secure(&session, &is_closed, below, options, context);
  if (!is_closed) (void)weir_open_write_channel(below, true);
  if (result == 0) result = weir_internal_tls_secure_connection(connection, session);
  if (result == 0) return 0;
  note(session, result);
  // Closing takes time, and behind it others must not find a pointer to what is gone.
  *connection = NULL;
  if (!is_closed) end_below(session, below);
  weir_internal_tls_session_release(session);
  return result;
}

int weir_tls_client(weir_connection **connection, const weir_tls_options *options) {
  return secure(connection, options, NULL);
}

int weir_tls_server(weir_connection **connection, const weir_tls_context *context) {
  if (context == NULL) return weir_internal_tls_fail(-EINVAL, "a server needs a context");
  return secure(connection, NULL, context);
}
