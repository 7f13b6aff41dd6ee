// SPDX-License-Identifier: Apache-2.0
//
// weir/tls.h: secure connections (TLS 1.3, RFC 8446, and TLS 1.2) over any connection, made in
// place: what was a connection to somewhere is afterwards a connection to somebody, and is read,
// written, flushed and closed like any other.
//
// By default a client checks the server's certificate chain against the system's roots, and its
// name against the host to which the connection was made. Options are in weir/tls_options.h, what
// a server needs in weir/tls_context.h, and both, with certificates and keys, are made of
// weir/tls_credential.h; this header includes them all.
//
// The end of a stream. weir_write_channel_close sends close_notify (RFC 8446, 6.1), and reading
// goes on; the connection below stays open both ways. weir_connection_close sends it too, unless
// that was done, and closes the connection below; it does not wait for the peer's close_notify. A
// peer's close_notify ends reading with WEIR_E_END_OF_STREAM, and writing goes on. A stream that
// ends without it was cut off, by whomever: reads return what came before, and then
// WEIR_E_TLS_TRUNCATED.
//
// What was written leaves in records of up to 16 KiB at weir_flush, when auto-flush sends it, or
// when the channel is full; so small writes share a record. What is sealed in one belongs to the
// connection below and leaves, whatever happens to the writer: weir_flush waits for that, too, but
// weir_write_pending does not count it. Reading and writing are independent of each other and may
// happen in two coroutines. Keys are replaced when they have been used long enough; the peer's wish
// to do so, and its alerts, are seen by those who only write as well, as long as no data stands
// unread before them. A connection that is idle holds no buffers.
//
// Besides what weir/read_channel.h and weir/write_channel.h name, reads and writes return
// WEIR_E_TLS_TRUNCATED (reads only), WEIR_E_TLS_PROTOCOL when the peer breaks the protocol or what
// it sent was changed on the way, WEIR_E_TLS_ALERT when the peer ended the connection with a fatal
// alert, or WEIR_E_TLS_LIBRARY, as when there is no memory in the middle of a record. In TLS 1.3 a
// server's refusal of the client's certificate comes so. These stay. What is known of the reason is
// in weir_tls_last_failure.
//
// Handshakes need 24 KiB of stack, and more for checks and the like; the default has enough.
//
// Example:
//   static int fetch(weir_connection *connection) {  // from weir_tcp_connect
//     int result = weir_tls_client(&connection, NULL);
//     if (result < 0) {
//       fprintf(stderr, "%s\n", weir_tls_last_failure(NULL)->text);
//       return result;
//     }
//     weir_write_channel *output = weir_open_write_channel(connection, true);
//     result = weir_write_line(output, weir_text("GET / HTTP/1.0"));
//     if (result == 0) result = weir_write_line(output, weir_text(""));
//     weir_bytes line;
//     if (result == 0) result = weir_read_line(weir_open_read_channel(connection), &line);
//     if (result == 0) printf("%.*s\n", (int)line.size, line.data);
//     weir_connection_close(connection);
//     return result;
//   }

#ifndef WEIR_TLS_H
#define WEIR_TLS_H

#include "weir/base.h"
#include "weir/channel.h"
#include "weir/tls_context.h"
#include "weir/tls_credential.h"
#include "weir/tls_options.h"

#ifdef __cplusplus
extern "C" {
#endif

// Making a connection secure

// weir_tls_client makes *connection a secure connection to its peer, which must be a TLS server. It
// suspends until the handshake is done; at most for the handshake's timeout, 10 seconds by default.
// The connection may have been used before, as with STARTTLS: what was written leaves first, and
// what has been received but not read belongs to the handshake. NULL |options| are the defaults.
// Callbacks in |options| run on the current coroutine.
//
// On success *connection is another one, with the addresses and the host of the former, which now
// belongs to it; channels of the former, and spans from them, must not be used any more. On failure
// *connection becomes NULL at once, and the connection is closed, the peer having been told why
// (the alert is sent, and the peer given a second to read it). Only with -EXDEV, and with -EINVAL
// outside of a coroutine or without a context, nothing is done.
//
// Returns 0; -ECANCELED; -ETIMEDOUT when the handshake's timeout or a deadline passed;
// WEIR_E_CLOSED or -ECONNABORTED when another coroutine closed or aborted the connection meanwhile;
// -EBUSY when another one reads or writes; -EXDEV; WEIR_E_TLS_CERTIFICATE when the server's
// certificate was refused; WEIR_E_TLS_ALERT when the server refused; WEIR_E_TLS_NO_AGREEMENT when
// there is no version, cipher suite, group or application protocol in common;
// WEIR_E_TLS_PROTOCOL, also when the peer does not speak TLS at all; WEIR_E_TLS_TRUNCATED when the
// stream ended; what weir_tls_trust_system returns; WEIR_E_TLS_LIBRARY; what a check returned; what
// the connection below reports (-ECONNRESET, ...); -ENOSPC with less than 24 KiB of stack left;
// -ENOMEM; -EINVAL outside a coroutine, or when there is no name to check, or one that cannot be a
// certificate's.
WEIR_MUST_USE int weir_tls_client(weir_connection **connection, const weir_tls_options *options);

// weir_tls_server makes *connection a secure connection to its peer, which must be a TLS client, in
// the same way. Returns as weir_tls_client, and -EINVAL without a |context|;
// WEIR_E_TLS_CERTIFICATE when the client's certificate was refused or is missing.
WEIR_MUST_USE int weir_tls_server(weir_connection **connection, const weir_tls_context *context);

// What a session is

typedef struct weir_tls_information {
  weir_tls_version version;
  const char *cipher_suite;  // as IANA names it: "TLS_AES_128_GCM_SHA256"
  const char *group;         // of the key exchange, "X25519"; "" where there was none (resumed 1.2)
  const char *protocol;      // the application protocol that was agreed on (ALPN), NULL if none was
  const char *server_name;   // that the client sent (SNI), NULL if it sent none
  bool is_server;            // on this side
  bool resumed;              // the handshake went on from an earlier session
  size_t peer_chain_size;    // certificates that the peer has shown; see weir_tls_peer_certificate
} weir_tls_information;

// weir_tls_get_information stores what is known of the secure |connection|. The texts live as long
// as that. Does not suspend. Returns 0, or -EINVAL when |connection| is none of TLS.
WEIR_MUST_USE int weir_tls_get_information(const weir_connection *connection,
                                           weir_tls_information *out);

// weir_tls_peer_certificate returns one of the certificates that the peer has shown, in DER: the
// peer's own is number 0. Beware: all others prove nothing, because anybody can show certificates
// of others; who vouches for the peer is in weir_tls_peer.verified. It lives as long as the
// connection. Beyond the last one, and for a
// connection that is none of TLS, it is empty. Never fails.
weir_bytes weir_tls_peer_certificate(const weir_connection *connection, size_t number);

// What went wrong

// What BoringSSL does not look at, and so has no number for.
enum weir_tls_verify_result {
  WEIR_TLS_VERIFY_WEAK_KEY = 1001,        // RSA of less than 2048 bits, or a curve hardly known
  WEIR_TLS_VERIFY_WEAK_SIGNATURE = 1002,  // SHA-1 and the like
  WEIR_TLS_VERIFY_UNREADABLE = 1003,      // no certificate as RFC 5280 has it
};

typedef struct weir_tls_failure {
  int code;             // what the function returned; 0: nothing has failed
  int alert;            // the fatal alert that was sent or received (RFC 8446, 6.2); -1 if none was
  bool alert_received;  // the peer sent it
  // Why a certificate was refused: a number of BoringSSL's, X509_V_ERR_..., or one of the above, 0
  // if that is not the reason; and which: 0 is the peer's own, and each further one stands above
  // the one before.
  int verify_result;
  int depth;
  bool plain_text;  // the peer sent something readable, such as HTTP, and no TLS
  char reason[64];  // BoringSSL's word for it ("WRONG_VERSION_NUMBER"), "" if it has none
  char text[256];   // all of this as one line for people, without a full stop; "" without failure
} weir_tls_failure;

// weir_tls_last_failure returns what is known of what broke the secure |connection|, unless that
// was the connection below (-ECONNRESET and the like, of which the code says all). With NULL, of
// the last weir_tls_client or weir_tls_server that failed in the current coroutine, or function of
// weir/tls_credential.h and the like that makes something; outside of a coroutine, on this thread.
// What is returned is never NULL, stays until the next failure there, and lives as long as the
// connection or coroutine.
const weir_tls_failure *weir_tls_last_failure(const weir_connection *connection);

// weir_tls_library returns which BoringSSL is linked, for logs: "BoringSSL, API version 17". The
// text is static.
const char *weir_tls_library(void);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_H
