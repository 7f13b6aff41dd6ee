// SPDX-License-Identifier: Apache-2.0
//
// What a failure of a session is called, and what is said of it.

#include <openssl/err.h>
#include <stdio.h>

#include "base/internal/memory.h"
#include "tls/internal/session.h"

enum { ALERT_REASONS = 1000, ALERT_PROTOCOL_VERSION = 70, ALERT_INSUFFICIENT_SECURITY = 71 };
enum { ALERT_NO_APPLICATION_PROTOCOL = 120 };

static bool is_text(char byte) {
  return (byte >= ' ' && byte < 0x7f) || byte == '\r' || byte == '\n' || byte == '\t';
}

// The first byte of a TLS record is none of a text.
static bool peer_speaks_plain_text(const weir_internal_tls_session *session) {
  for (size_t i = 0; i < session->first_count; i++) {
    if (!is_text(session->first[i])) return false;
  }
  return session->first_count > 0;
}

static bool is_disagreement(int reason) {
  switch (reason) {
    case SSL_R_HANDSHAKE_FAILURE_ON_CLIENT_HELLO:
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_NO_SUPPORTED_VERSIONS_ENABLED:
    case SSL_R_UNKNOWN_CERTIFICATE_TYPE:
      return true;
    default:
      return false;
  }
}

static int code_of_alert(const weir_internal_tls_session *session) {
  // After the handshake such an alert only says that what came was no record of ours.
  if (session->handshake == NULL) return WEIR_E_TLS_ALERT;
  switch (session->alert) {
    case ALERT_PROTOCOL_VERSION:
    case ALERT_INSUFFICIENT_SECURITY:
    case ALERT_NO_APPLICATION_PROTOCOL:
      return WEIR_E_TLS_NO_AGREEMENT;
    default:
      return WEIR_E_TLS_ALERT;
  }
}

// Returns the code for what is last in BoringSSL's queue.
static int code_of_error(const weir_internal_tls_session *session, uint32_t error, int code) {
  if (error == 0) return code;
  int reason = ERR_GET_REASON(error);
  if (reason == ERR_R_MALLOC_FAILURE) return -ENOMEM;
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return weir_internal_tls_blame(session);
  if (reason == ERR_R_INTERNAL_ERROR) return WEIR_E_TLS_LIBRARY;
  if (reason > ALERT_REASONS) return code_of_alert(session);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) return WEIR_E_TLS_CERTIFICATE;
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) return WEIR_E_TLS_CERTIFICATE;
  return session->handshake != NULL && is_disagreement(reason) ? WEIR_E_TLS_NO_AGREEMENT : code;
}

static void append(weir_tls_failure *failure, const char *format, ...) WEIR_PRINTF_LIKE(2, 3);
static void append(weir_tls_failure *failure, const char *format, ...) {
  size_t size = strlen(failure->text);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure->text + size, sizeof failure->text - size, format, arguments);
  va_end(arguments);
}

static void write_text(weir_tls_failure *failure) {
  if (failure->text[0] == '\0') append(failure, "%s", weir_error_message(failure->code));
  if (failure->plain_text) append(failure, ": the peer speaks plain text");
  if (failure->alert >= 0) {
    append(failure, "; alert %s: %s", failure->alert_received ? "received" : "sent",
           SSL_alert_desc_string_long(failure->alert));
  }
  if (failure->reason[0] != '\0' && failure->verify_result == 0) {
    append(failure, "; %s", failure->reason);
  }
  weir_internal_tls_make_line(failure);
}

int weir_internal_tls_describe(weir_internal_tls_session *session, int code) {
  const weir_internal_tls_handshake *handshake = session->handshake;
  weir_tls_failure failure = {.alert = -1, .depth = -1};
  if (handshake != NULL) failure = handshake->failure;
  code = code_of_error(session, ERR_peek_last_error(), code);
  code = weir_internal_tls_take_reason(code, &failure);
  // The configuration knows better why it has refused.
  if (failure.code == 0 || code == -ENOMEM) failure.code = code;
  failure.alert = session->alert;
  failure.alert_received = session->alert_received;
  failure.plain_text = failure.code == WEIR_E_TLS_PROTOCOL && peer_speaks_plain_text(session);
  write_text(&failure);
  if (session->failure == NULL) {
    session->failure = (weir_tls_failure *)weir_internal_allocate(sizeof failure);
  }
  if (session->failure != NULL) *session->failure = failure;
  return failure.code;
}
