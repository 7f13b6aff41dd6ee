// SPDX-License-Identifier: Apache-2.0
//
// weir/tls_options.h: the options of TLS clients. Most clients need none: weir_tls_client takes
// NULL.
//
// Options are built once, from a builder that is a plain value; every mistake in it is found then.
// What was built never changes, and may be used by any number of connections on any threads. It
// also keeps the sessions that servers offer to resume, each for the name that was checked; the
// defaults, which all of the process share, keep none.
//
// Example:
//   static const char *const protocols[] = {"h2", "http/1.1", NULL};
//   const weir_tls_options_builder builder = {.terms = {.protocols = protocols}};
//   weir_tls_options *options;
//   assert(weir_tls_options_build(&options, &builder) == 0);
//   // ... weir_tls_client(&connection, options), any number of times ...
//   weir_tls_options_close(options);

#ifndef WEIR_TLS_OPTIONS_H
#define WEIR_TLS_OPTIONS_H

#include "weir/base.h"
#include "weir/tls_credential.h"

#ifdef __cplusplus
extern "C" {
#endif

// Protocol versions; the values are those on the wire. There are no older ones here (RFC 8996).
typedef enum weir_tls_version {
  WEIR_TLS_1_2 = 0x0303,  // RFC 5246, with forward secrecy and AEAD only
  WEIR_TLS_1_3 = 0x0304,  // RFC 8446
} weir_tls_version;

// What clients and servers have in common. All zero is the default. Everything is copied, except
// what |key_log_argument| points to.
typedef struct weir_tls_terms {
  weir_tls_version min_version;  // default WEIR_TLS_1_2
  weir_tls_version max_version;  // default WEIR_TLS_1_3
  // Application protocols (ALPN, RFC 7301), the preferred one first, ended by NULL; each has 1 to
  // 255 bytes. Default none, and then none is negotiated. A server that has a list, and a client
  // that offers others only, do not come together; one that offers none at all is let in.
  const char *const *protocols;
  // Groups for the key exchange, the preferred one first, separated by colons. Default
  // X25519MLKEM768, where the linked BoringSSL has it, X25519, P-256 and P-384. A list without one
  // of the last two shuts out TLS 1.2 peers with a certificate on that curve.
  const char *groups;
  int64_t handshake_timeout;  // nanoseconds; default 10 seconds; WEIR_FOREVER: none
  // Bytes that the message with the peer's certificates may have; a larger one is refused with
  // WEIR_E_TLS_PROTOCOL. Default 24 KiB, which is several times what is usual; from 16 KiB, which
  // all other messages may have, to 1 MiB. A peer of whom nothing is known yet can make us hold as
  // much, and half as much again, for as long as the handshake may take.
  size_t certificates_limit;
  // A peer that ends its stream without close_notify, between two records, has ended it in peace.
  // Off by default: it is WEIR_E_TLS_TRUNCATED, because anybody on the line can end a stream so.
  bool allow_truncation;
  // Records sent under one key before it is replaced, in TLS 1.3; default 2^23, which
  // is well below what AES-GCM bears (RFC 8446, 5.5).
  uint64_t rekey_after;
  // Gets each line of the key log (draft-ietf-tls-keylogfile), without a newline, with which
  // whoever has recorded the connection can read it. Called on the thread of the connection, by
  // several at once perhaps; must not suspend. Default NULL: nobody gets them.
  void (*key_log)(void *argument, const char *line);
  void *key_log_argument;
} weir_tls_terms;

// All zero is the default. Texts are copied, what is counted is held.
typedef struct weir_tls_options_builder {
  weir_tls_terms terms;
  // The name of the server, for which its certificate must be issued: a host name, which is also
  // sent (SNI, RFC 6066), or an IP address, which is not. Names in the certificate's subjectAltName
  // count, and only these (RFC 6125). One dot at the end is dropped. Default the host to which
  // the connection was made, weir_connection_host.
  const char *server_name;
  // Whom to trust; default the system's roots, loaded at the first handshake.
  weir_tls_trust *trust;
  // What the client shows to servers that ask; default nothing.
  weir_tls_credential *credential;
  // Called in addition to the built-in check of chain, validity, purpose and name, behind it.
  weir_tls_check check;
  void *check_argument;
  // Called instead of the built-in check, which is then not made at all. Only for those who know
  // better, and check everything: chain, validity, purpose and name. |check_argument| is its
  // argument, too; at most one of the two checks may be set, and no |trust|.
  weir_tls_check dangerous_check_instead;
  bool require_protocol;  // a server that chooses none of |protocols| is refused
  bool no_resumption;     // every handshake is a full one
  size_t session_limit;   // sessions kept for resumption at most; default 256
} weir_tls_options_builder;

typedef struct weir_tls_options weir_tls_options;

// weir_tls_options_build makes options of |builder|; NULL is all defaults. The caller closes *out
// with weir_tls_options_close; on failure it is NULL, and weir_tls_last_failure(NULL) says what is
// wrong. Does not suspend. Returns 0; -EINVAL for a server name that is no host name and no
// address, an empty or too long protocol, versions that are unknown or in the wrong order, groups
// that the linked BoringSSL does not know, two checks, |trust| beside |dangerous_check_instead|,
// |require_protocol| without protocols, a negative time, or a limit for certificates out of range;
// -ENOMEM.
WEIR_MUST_USE int weir_tls_options_build(weir_tls_options **out,
                                         const weir_tls_options_builder *builder);

// weir_tls_options_close lets go of |options|, which are freed when no connection uses them any
// more. From any thread. NULL is legal.
void weir_tls_options_close(weir_tls_options *options);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_OPTIONS_H
