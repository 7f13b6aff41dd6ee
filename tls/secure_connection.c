// SPDX-License-Identifier: Apache-2.0
//
// The connection above a session: a custom connection whose operations seal and open records, and
// which closes the connection below when it is closed itself.

#include <limits.h>
#include <openssl/err.h>

#include "channel/internal/custom_connection.h"
#include "tls/internal/session.h"

// A peer who got a fatal alert is given so long to read it, before the connection is reset.
#define ALERT_TIMEOUT WEIR_SECOND

static weir_internal_tls_session *session_of(void *context) {
  return (weir_internal_tls_session *)context;
}

// Reading

static weir_internal_custom_connection *custom_of(const weir_internal_tls_session *session) {
  return weir_internal_custom_of(session->above);
}

static int secure_read(void *context, void *out, size_t size, bool wait) {
  (void)wait;  // never
  weir_internal_tls_session *session = session_of(context);
  if (session->broken < 0) return session->broken;
  if (session->peer_has_ended) return 0;
  if (SSL_pending(session->ssl) == 0) {
    int result = weir_internal_tls_fill(session, false);
    if (result < 0) return result;
  }
  weir_internal_tls_enter(session, true);
  session->may_read_on = true;
  int result = SSL_read(session->ssl, out, size < INT_MAX ? (int)size : INT_MAX);
  result = weir_internal_tls_leave(session, result);
  // An alert, if anything. If there is no room for it, the close sees to it.
  (void)weir_internal_tls_hand_over(session);
  // A writer would wait for room that nobody may ever make.
  if (session->broken < 0) weir_internal_custom_interrupt(&custom_of(session)->writing);
  return result;
}

static int await_read(void *context) {
  weir_internal_tls_session *session = session_of(context);
  if (session->broken < 0 || session->peer_has_ended) return 0;
  int result = weir_internal_tls_fill(session, true);
  return result < 0 ? result : 0;
}

static int cause(const void *context) {
  const weir_internal_tls_session *session = (const weir_internal_tls_session *)context;
  return session->broken;
}

// Lets those who only write see what is no data: a wish for new keys, close_notify, an alert.
// Returns 0, or why nothing can be written any more.
static int look_at_input(weir_internal_tls_session *session) {
  if (session->peer_has_ended || session->below->reader.busy) return 0;
  if (SSL_pending(session->ssl) > 0) return 0;
  // Whatever is wrong with reading is not the writer's business; nor is it the reader's whether the
  // writer may go on.
  weir_shield shield = weir_shield_begin();
  int filled = weir_internal_tls_fill(session, false);
  weir_shield_end(shield);
  if (filled <= 0) return 0;
  char byte;
  weir_internal_tls_enter(session, true);
  int result = SSL_peek(session->ssl, &byte, 1);
  result = weir_internal_tls_leave(session, result);
  (void)weir_internal_tls_hand_over(session);
  (void)result;  // what ends writing, too, has broken the session
  return session->broken;
}

// Writing

static void renew_keys(weir_internal_tls_session *session) {
  if (SSL_version(session->ssl) < TLS1_3_VERSION) return;
  if (SSL_get_write_sequence(session->ssl) < session->settings->rekey_after) return;
  // Without memory for it the next write tries again.
  (void)SSL_key_update(session->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

static bool data_is_sent(const weir_internal_tls_session *session) {
  const weir_write_channel *output = &session->below->writer;
  if (output->gone - output->lost < session->data_end) return false;
  // A secure connection keeps what it has sealed.
  const weir_internal_tls_session *inner = weir_internal_tls_session_of(session->below);
  return inner == NULL || inner->below == NULL || data_is_sent(inner);
}

// Returns how much was sealed.
static int seal(weir_internal_tls_session *session, const void *data, size_t size) {
  int result = weir_internal_tls_reserve(session);
  if (result < 0) return result;
  weir_internal_tls_enter(session, false);
  renew_keys(session);
  result = SSL_write(session->ssl, data, (int)size);
  result = weir_internal_tls_leave(session, result);
  int handed_over = weir_internal_tls_hand_over(session);
  session->data_end =
      weir_total_bytes_written(&session->below->writer) + weir_internal_tls_unsent(session);
  if (result <= 0) return result == 0 ? -EPIPE : result;
  return handed_over < 0 && weir_write_channel_cause(&session->below->writer) < 0 ? handed_over
                                                                                  : result;
}

static int secure_write(void *context, const void *data, size_t size, bool wait) {
  weir_internal_tls_session *session = session_of(context);
  if (session->broken < 0) return session->broken;
  if (session->has_ended) return -EPIPE;
  const size_t most = WEIR_INTERNAL_TLS_RECORD;
  size_t sealed = size < most ? size : most;
  int result = weir_internal_tls_make_room(session, sealed + WEIR_INTERNAL_TLS_OVERHEAD, wait);
  if (session->broken < 0) return session->broken;
  if (result == 0) result = look_at_input(session);
  return result == 0 ? seal(session, data, sealed) : result;
}

static int secure_flush(void *context) {
  weir_internal_tls_session *session = session_of(context);
  if (data_is_sent(session)) return 0;
  if (session->broken < 0) return session->broken;
  int result = weir_internal_tls_make_room(session, 0, true);
  if (result == 0) result = weir_flush(&session->below->writer);
  if (data_is_sent(session)) return 0;
  return session->broken < 0 ? session->broken : result;
}

// That a peer who is gone did not get close_notify, or a session ticket, but all data, is no loss.
static int forgive(const weir_internal_tls_session *session, int result) {
  bool is_gone = result == -EPIPE || result == -ECONNRESET;
  return is_gone && session->data_was_sent ? 0 : result;
}

static int send_close_notify(weir_internal_tls_session *session, bool wait) {
  int result = weir_internal_tls_make_room(session, 2 * WEIR_INTERNAL_TLS_OVERHEAD, wait);
  if (result == 0) result = weir_internal_tls_reserve(session);
  session->data_was_sent = data_is_sent(session);
  if (result < 0) return forgive(session, result);
  weir_internal_tls_enter(session, false);
  // Whether the peer has ended, too, which is what it tells, does not matter.
  bool failed = SSL_shutdown(session->ssl) < 0;
  session->entered = false;
  // The next call goes on where this one has failed.
  if (failed) return weir_internal_tls_lacked_memory() ? -ENOMEM : WEIR_E_TLS_LIBRARY;
  session->has_ended = true;
  return forgive(session, weir_internal_tls_hand_over(session));
}

// Waits until the connection below has sent everything. It does so without us as well, so that
// nothing is lost when the wait ends early; but a reader who ends it has found out what is wrong.
static int await_sent(weir_internal_tls_session *session) {
  weir_write_channel *output = &session->below->writer;
  int result = weir_flush(output);
  if (result == 0) return 0;
  int cause = weir_write_channel_cause(output);
  if (cause < 0) return cause;
  if (session->broken < 0) return session->broken;
  if (result == -ETIMEDOUT) weir_internal_forget_expiry();
  return 0;
}

static int finish_sending(weir_internal_tls_session *session) {
  int result = await_sent(session);
  session->data_was_sent = data_is_sent(session);
  return result;
}

static int secure_finish(void *context, bool wait) {
  weir_internal_tls_session *session = session_of(context);
  if (session->broken < 0) return session->broken;
  int result = session->has_ended ? 0 : send_close_notify(session, wait);
  if (result == 0 && wait) result = forgive(session, finish_sending(session));
  return result < 0 && session->broken < 0 ? session->broken : result;
}

// The end

static void drop_below(weir_internal_tls_session *session, int result) {
  weir_connection *above = session->above;
  session->below = NULL;
  weir_internal_tls_drop_output(session);
  if (above->outcome == 0) above->outcome = forgive(session, result);
}

static void below_ended(weir_internal_closer *closer, int result) {
  weir_internal_tls_session *session =
      WEIR_INTERNAL_CONTAINER(closer, weir_internal_tls_session, closer);
  drop_below(session, result);
  if (session->stopping) return;
  if (session->lingering) {
    session->lingering = false;
    weir_internal_connection_lingered(session->above);
  } else {
    weir_internal_connection_close_on(session->above);
  }
}

// Begins to close the connection below, which may take as long as our own close, and |most|.
static void close_below(weir_internal_tls_session *session, int64_t most) {
  int64_t timeout = session->above->close_timeout;
  session->below->close_timeout = timeout < most ? timeout : most;
  session->closing = true;
  session->closer.ended = below_ended;
  int result = weir_internal_connection_close_for(session->below, &session->closer);
  if (result != -EINPROGRESS) drop_below(session, result);
}

static void linger(void *context) {
  weir_internal_tls_session *session = session_of(context);
  if (session->below != NULL && !session->closing) close_below(session, WEIR_FOREVER);
  session->lingering = session->below != NULL;
  if (!session->lingering) weir_internal_connection_lingered(session->above);
}

static bool stop(void *context) {
  weir_internal_tls_session *session = session_of(context);
  if (session->below == NULL) return true;
  session->stopping = true;
  session->lingering = false;
  bool expired = session->above->expired;
  if (!session->closing) {
    bool has_alert = session->broken < 0 && !expired;
    if (has_alert) (void)weir_internal_tls_hand_over_rest(session);
    close_below(session, has_alert ? ALERT_TIMEOUT : 0);
  } else if (expired) {
    weir_internal_connection_hurry(session->below);
  }
  session->stopping = false;
  return session->below == NULL;
}

static void secure_abort(void *context, int cause) {
  (void)cause;
  weir_internal_tls_session *session = session_of(context);
  if (session->below == NULL) return;
  // Who was told by an alert knows, and a reset might overtake it.
  bool is_told = session->broken < 0 && session->above->failure != -ECONNABORTED;
  if (is_told) return;
  // This must not end the connection above, whatever it waits for: that is up to our caller.
  session->stopping = true;
  weir_connection_abort(session->below);
  session->stopping = false;
}

static void release(void *context) { weir_internal_tls_session_release(session_of(context)); }

// The making

static const weir_custom_operations operations = {
    .read = secure_read,
    .write = secure_write,
    .finish = secure_finish,
    .abort = secure_abort,
    .release = release,
};

static const weir_internal_custom_layer layer = {
    .await_read = await_read,
    .flush = secure_flush,
    .cause = cause,
    .linger = linger,
    .stop = stop,
};

int weir_internal_tls_secure_connection(weir_connection **out, weir_internal_tls_session *session) {
  const weir_connection *below = session->below;
  const weir_custom_options names = {
      .local_address = weir_local_address(below),
      .remote_address = weir_remote_address(below),
      .host = weir_connection_host(below),
  };
  int result = weir_custom_connection(out, &operations, session, &names);
  if (result < 0) return result;
  weir_internal_custom_of(*out)->layer = &layer;
  (*out)->close_timeout = below->close_timeout;
  session->above = *out;
  return 0;
}

weir_internal_tls_session *weir_internal_tls_session_of(const weir_connection *connection) {
  if (connection == NULL) return NULL;
  return (weir_internal_tls_session *)weir_internal_custom_context(connection, secure_read);
}
