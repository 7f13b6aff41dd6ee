// SPDX-License-Identifier: Apache-2.0
//
// weir/tls_context.h: what a TLS server is: its credentials, and whom it lets in.
//
// A context is built once, from a builder that is a plain value; every mistake in it is found then.
// It may be used by any number of connections on any threads. Only its credentials can be replaced,
// all at once, while it is in use.
//
// Example:
//   static int serve_securely(weir_connection *connection, const char *chain, const char *key) {
//     weir_tls_credential *credential;
//     int result = weir_tls_credential_create(&credential, weir_text(chain), weir_text(key), NULL);
//     if (result < 0) return result;
//     weir_tls_credential *const credentials[] = {credential};
//     const weir_tls_context_builder builder = {.credentials = credentials, .credential_count = 1};
//     weir_tls_context *context;
//     result = weir_tls_context_build(&context, &builder);
//     weir_tls_credential_close(credential);
//     if (result < 0) return result;
//     result = weir_tls_server(&connection, context);
//     if (result == 0) {
//       result = weir_write_line(weir_open_write_channel(connection, true), weir_text("hello"));
//     }
//     weir_connection_close(connection);
//     weir_tls_context_close(context);
//     return result;
//   }

#ifndef WEIR_TLS_CONTEXT_H
#define WEIR_TLS_CONTEXT_H

#include "weir/base.h"
#include "weir/tls_credential.h"
#include "weir/tls_options.h"

#ifdef __cplusplus
extern "C" {
#endif

// Whether clients have to say who they are. Those that do are always checked.
typedef enum weir_tls_client_authentication {
  WEIR_TLS_CLIENT_NOT_ASKED = 0,
  WEIR_TLS_CLIENT_OPTIONAL,  // one without a certificate is let in
  WEIR_TLS_CLIENT_REQUIRED,  // one without is refused
} weir_tls_client_authentication;

// A client may offer thousands of protocols; so many of them are shown at most.
enum { WEIR_TLS_PROTOCOLS_SHOWN = 64 };

// What a client has said at the beginning. Everything lives as long as the call.
typedef struct weir_tls_client_hello {
  // In lower case; NULL: none was named. Letters, digits, '-', '_', '.' and ':' only: a client that
  // sends anything else is refused before anybody is asked.
  const char *server_name;
  // That it offers (ALPN), the preferred one first, and no more than the first
  // WEIR_TLS_PROTOCOLS_SHOWN. What is agreed on is chosen from all.
  const weir_bytes *protocols;
  size_t protocol_count;
} weir_tls_client_hello;

// weir_tls_choose chooses the credential for a client. It is called on the coroutine that makes the
// handshake, and may suspend; the handshake's deadline holds. *out, which is held before anything
// else can run, stays the callee's; NULL, which it is before, is the context's own choice. Returns
// 0, or a negative code, which the handshake then returns; the client gets the alert
// unrecognized_name.
typedef int (*weir_tls_choose)(void *argument, const weir_tls_client_hello *hello,
                               weir_tls_credential **out);

// A key for session tickets (RFC 5077): random bytes, as secret as a private key. Whoever has it
// can read what was recorded of TLS 1.2 sessions that were given a ticket under it. The first 16
// bytes name the key, and are sent with each ticket.
enum { WEIR_TLS_TICKET_KEY_SIZE = 48, WEIR_TLS_TICKET_KEYS_AT_MOST = 16 };
typedef struct weir_tls_ticket_key {
  unsigned char bytes[WEIR_TLS_TICKET_KEY_SIZE];
} weir_tls_ticket_key;

// All zero is the default. Texts are copied, what is counted is held.
typedef struct weir_tls_context_builder {
  weir_tls_terms terms;
  // The server's credentials. A client that names a server gets the first one that is issued for
  // that name and whose key it can deal with; if there is none, and for a client that names none,
  // it is the first with whose key it can deal.
  weir_tls_credential *const *credentials;
  size_t credential_count;  // at least 1, unless |choose| is set
  weir_tls_choose choose;   // asked first; default NULL
  void *choose_argument;
  weir_tls_client_authentication client_authentication;  // default WEIR_TLS_CLIENT_NOT_ASKED
  weir_tls_trust *client_trust;  // who vouches for clients; needed if they are asked
  // Called for clients that were asked, in addition to the built-in check, behind it; also for one
  // that has shown nothing.
  weir_tls_check check;
  void *check_argument;
  // Every handshake is a full one. Off by default: sessions are resumed by tickets, for the server
  // name that began them, which are encrypted under keys of this context that are replaced every
  // two days.
  bool no_resumption;
  // Other keys for that, which are copied: with the same ones several servers behind one address,
  // or one before and after a restart, resume each other's sessions. New tickets are encrypted
  // under the first; those under the others are good for a session more, and then replaced by new
  // ones. They stay until weir_tls_context_replace_ticket_keys. Default none.
  const weir_tls_ticket_key *ticket_keys;
  size_t ticket_key_count;  // at most WEIR_TLS_TICKET_KEYS_AT_MOST
} weir_tls_context_builder;

typedef struct weir_tls_context weir_tls_context;

// weir_tls_context_build makes a context of |builder|. The caller closes *out with
// weir_tls_context_close; on failure it is NULL, and weir_tls_last_failure(NULL) says what is
// wrong. Does not suspend. Returns 0; -EINVAL when there is no credential and no |choose|, when
// clients are asked and there is no |client_trust|, or the other way round, for a check of clients
// who are not asked, for ticket keys without resumption, or for what
// weir_tls_context_replace_ticket_keys and weir_tls_options_build refuse; -ENOMEM.
WEIR_MUST_USE int weir_tls_context_build(weir_tls_context **out,
                                         const weir_tls_context_builder *builder);

// weir_tls_context_replace_credentials makes |credentials| those of |context|, all at once:
// handshakes that begin from now on use them, those in flight and the connections go on with what
// they have. May be called on any thread at any time. Does not suspend. Returns 0; -EINVAL for no
// credentials; -ENOMEM. On failure nothing has changed.
WEIR_MUST_USE int weir_tls_context_replace_credentials(weir_tls_context *context,
                                                       weir_tls_credential *const *credentials,
                                                       size_t count);

// weir_tls_context_replace_ticket_keys makes |keys| the ticket keys of |context|, all at once,
// which must have been built with some. To replace a key, let all servers accept the next one
// behind their present one, then let them use it and accept the former one behind it, and drop that
// after a day, when no ticket under it is good any more. May be called on any thread at any time.
// Does not suspend. Returns 0, or -EINVAL for no keys, more than 16, two of the same name, or a
// context without. On failure nothing has changed.
WEIR_MUST_USE int weir_tls_context_replace_ticket_keys(weir_tls_context *context,
                                                       const weir_tls_ticket_key *keys,
                                                       size_t count);

// weir_tls_context_close lets go of |context|, which is freed when no connection uses it any more.
// From any thread. NULL is legal.
void weir_tls_context_close(weir_tls_context *context);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_CONTEXT_H
