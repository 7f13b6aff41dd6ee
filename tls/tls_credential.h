// SPDX-License-Identifier: Apache-2.0
//
// weir/tls_credential.h: what TLS believes and what it shows: the roots that one side trusts, and
// the certificate chains with private keys with which the other side proves who it is.
//
// Both are made of PEM (RFC 7468), checked as a whole when they are made, never change afterwards,
// and may be shared by any number of options and contexts on any threads. They are counted: whoever
// uses one holds it, so it can be closed as soon as it was handed on.
//
// Where a function here fails, weir_tls_last_failure(NULL) of weir/tls.h says what is wrong, and in
// which block of the text.
//
// Example:
//   const char *text = "-----BEGIN CERTIFICATE-----\nZmFrZQ==\n-----END CERTIFICATE-----\n";
//   weir_tls_trust *trust;
//   int result = weir_tls_trust_create(&trust, weir_text(text));
//   if (result < 0) printf("%s\n", weir_tls_last_failure(NULL)->text);
//   weir_tls_trust_close(trust);  // NULL is legal

#ifndef WEIR_TLS_CREDENTIAL_H
#define WEIR_TLS_CREDENTIAL_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// Credentials

typedef struct weir_tls_credential weir_tls_credential;

// All zero is the default.
typedef struct weir_tls_credential_options {
  // Signs on the selector's blocking pool (weir/blocking.h), while the loop goes on: worth it for
  // RSA keys of 3072 bits or more. Off by default.
  bool sign_on_pool;
} weir_tls_credential_options;

// weir_tls_credential_create makes a credential of |chain|, PEM certificates of which the first is
// one's own and each further one has signed the one before it (the root may be left out), and
// |key|, one PEM private key that belongs to the first certificate: RSA of 2048 bits or more, ECDSA
// on P-256 or P-384, or Ed25519; in PKCS #8, PKCS #1 or SEC 1 form, not encrypted. Both may be the
// same text. Text between the blocks is ignored as RFC 7468 has it, blocks of other kinds are not.
// The texts are copied, and the copy of the key is wiped. |options| may be NULL. Does not suspend.
// The caller closes *out with weir_tls_credential_close; on failure it is NULL. Returns 0;
// WEIR_E_TLS_PEM when a text is not PEM, holds something else, or ends within a block;
// WEIR_E_TLS_CHAIN when it holds no certificate, one that cannot be read or is too weak to be
// accepted anywhere, one that does not sign the one before it, or a first one whose key may not
// sign (keyUsage); WEIR_E_TLS_KEY when there is no key, or more than one, or one that is encrypted,
// of another kind or too small, or belongs to another certificate; -ENOMEM.
WEIR_MUST_USE int weir_tls_credential_create(weir_tls_credential **out, weir_bytes chain,
                                             weir_bytes key,
                                             const weir_tls_credential_options *options);

// weir_tls_credential_load is weir_tls_credential_create of two files of at most 1 MiB each; the
// two may be one. In a coroutine they are read on the selector's blocking pool, and it suspends;
// outside of one it blocks. Returns as weir_tls_credential_create; -ECANCELED; -ETIMEDOUT; -EAGAIN
// without a thread (weir_blocking); -EFBIG for a larger file; -EINVAL without a path; or what
// open(2) and read(2) report.
WEIR_MUST_USE int weir_tls_credential_load(weir_tls_credential **out, const char *chain_path,
                                           const char *key_path,
                                           const weir_tls_credential_options *options);

// weir_tls_credential_close lets go of |credential|, which is freed when nobody uses it any more.
// From any thread. NULL is legal.
void weir_tls_credential_close(weir_tls_credential *credential);

// Trust

typedef struct weir_tls_trust weir_tls_trust;

// weir_tls_trust_create makes a set of the certificates in |roots|, PEM, which is copied. Whoever
// shows a chain that ends in one of them is trusted. Each is a root, whether it has signed itself
// or not. Does not suspend. The caller closes *out with weir_tls_trust_close; on failure it is
// NULL. Returns 0; WEIR_E_TLS_PEM when the text is not PEM or holds something else than
// certificates; WEIR_E_TLS_CHAIN when one of them cannot be read; WEIR_E_TLS_NO_ROOTS when there is
// none; -ENOMEM.
WEIR_MUST_USE int weir_tls_trust_create(weir_tls_trust **out, weir_bytes roots);

// weir_tls_trust_load is weir_tls_trust_create of a file of at most 16 MiB, read as
// weir_tls_credential_load does.
WEIR_MUST_USE int weir_tls_trust_load(weir_tls_trust **out, const char *path);

// weir_tls_trust_system stores the system's roots: of the first file that exists of those in which
// the distributions keep them (/etc/ssl/certs/ca-certificates.crt and the like), or of the one that
// the environment variable SSL_CERT_FILE names (not in programs with privileges, secure_getenv(3)).
// They are read once in the process, as weir_tls_credential_load does, and then shared;
// certificates in them that cannot be read are passed over. The caller closes *out with
// weir_tls_trust_close. Returns 0; WEIR_E_TLS_NO_ROOTS when there is no such file or no certificate
// in it, and the next call looks again; or as weir_tls_trust_load.
WEIR_MUST_USE int weir_tls_trust_system(weir_tls_trust **out);

// weir_tls_trust_close lets go of |trust|, which is freed when nobody uses it any more. From any
// thread. NULL is legal.
void weir_tls_trust_close(weir_tls_trust *trust);

// Checks of one's own

// Whom a check looks at. Everything lives as long as the call.
typedef struct weir_tls_peer {
  const weir_bytes *chain;  // DER certificates (X.509) as the peer sent them, its own first
  size_t chain_size;        // 0: none, which only a server lets pass that does not require one
  const char *server_name;  // the name for which a client checks the server; NULL on a server
  bool resumed;             // the peer showed this chain in an earlier handshake
} weir_tls_peer;

// A check is called once in each handshake, resumed or not, on the coroutine that makes the
// handshake, and may suspend; the handshake's deadline holds. Returns 0 to accept |peer|, or a
// negative code, such as WEIR_E_TLS_CERTIFICATE, which the handshake then returns; the peer gets
// the alert certificate_unknown. It must not close the connection, but others may meanwhile.
typedef int (*weir_tls_check)(void *argument, const weir_tls_peer *peer);

// weir_tls_dangerously_trust_anyone is a check that accepts every peer. As the check that replaces
// the built-in one, it makes TLS useless against whoever sits on the line. Returns 0.
int weir_tls_dangerously_trust_anyone(void *argument, const weir_tls_peer *peer);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_CREDENTIAL_H
