// SPDX-License-Identifier: Apache-2.0
//
// A session: the SSL of a secure connection, between the connection below and the one above.
//
// BoringSSL is entered by a few functions only, and never while something waits. All that use a
// session run on the thread of its connection, and between weir_internal_tls_enter and
// weir_internal_tls_leave nothing suspends, and no other OpenSSL function is called but by a read
// of the connection below, whose errors are forgotten: that is the session's lock, and it needs no
// memory. What BoringSSL writes is always taken, as a whole: what does not leave at once goes into
// a buffer that grows. Whoever makes it write has looked before whether there is room below.

#ifndef WEIR_TLS_INTERNAL_SESSION_H
#define WEIR_TLS_INTERNAL_SESSION_H

#include "channel/internal/connection.h"
#include "tls/internal/failure.h"
#include "tls/internal/settings.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // Of plain text in a record, at most.
  WEIR_INTERNAL_TLS_RECORD = 16 * 1024,
  // What one call that writes may add: what surrounds a record (29 bytes in TLS 1.2), and a
  // KeyUpdate that was waiting for it (27).
  WEIR_INTERNAL_TLS_OVERHEAD = WEIR_INTERNAL_POOLED_EXTRA,
  // So a record fills a buffer of the pool, which becomes that of the channel below.
  WEIR_INTERNAL_TLS_ROOM = WEIR_INTERNAL_TLS_RECORD + WEIR_INTERNAL_TLS_OVERHEAD,
  // What BoringSSL needs of the stack, with signal handlers.
  WEIR_INTERNAL_TLS_STACK = 24 * 1024,
  WEIR_INTERNAL_TLS_FIRST_BYTES = 4,
};

typedef struct weir_internal_tls_session {
  SSL *ssl;
  weir_internal_tls_settings *settings;
  weir_connection *below;  // NULL once it is closed
  weir_connection *above;  // NULL during the handshake
  weir_internal_buffer_pool *pool;
  weir_internal_tls_handshake *handshake;
  weir_internal_closer closer;  // of the connection below
  // What BoringSSL may read in the present call: bytes that the channel below holds.
  const char *input;
  size_t input_size;
  // What it has written, and the channel below has not taken.
  char *output;
  size_t output_size;
  size_t output_start;
  size_t output_end;
  int broken;           // the failure that ended the session for good
  int alert;            // the last that matters, sent or received; -1
  bool alert_received;  // that
  bool entered;         // BoringSSL is at work
  bool may_read_on;     // if that needs more than was held below
  bool out_of_memory;   // for what it wrote
  bool input_ended;     // below
  bool peer_has_ended;  // by close_notify
  bool has_ended;       // we have sent close_notify
  bool data_was_sent;   // before that
  bool closing;         // the connection below
  bool stopping;        // the connection above needs not be told of the end of the one below
  bool lingering;       // the close above waits for the one below
  uint64_t data_end;    // how many bytes the channel below had taken after the last data
  size_t first_count;
  char first[WEIR_INTERNAL_TLS_FIRST_BYTES];  // bytes that the peer sent
  char *protocol;                             // that was agreed on, as a string; NULL
  weir_tls_failure *failure;                  // NULL: none
} weir_internal_tls_session;

// weir_internal_tls_session_create makes a session over |below|, which it does not own yet, and
// takes over |settings|, also on failure. Returns 0 or a negative code, which is noted.
WEIR_MUST_USE int weir_internal_tls_session_create(weir_internal_tls_session **out,
                                                   weir_connection *below,
                                                   weir_internal_tls_settings *settings);
void weir_internal_tls_session_release(weir_internal_tls_session *session);

// weir_internal_tls_session_of returns the session of a secure |connection|, otherwise NULL.
weir_internal_tls_session *weir_internal_tls_session_of(const weir_connection *connection);

// Between BoringSSL and us (session.c)
//
// weir_internal_tls_enter begins one call of BoringSSL, which may read what the channel below holds
// if |reads|. weir_internal_tls_leave ends it, given what it returned. Returns that if it is
// positive; 0 when the peer has sent close_notify, or ended where it may without; -EAGAIN when
// there is not enough to read; -EINPROGRESS when a task of the handshake is to be done; or why it
// failed.
void weir_internal_tls_enter(weir_internal_tls_session *session, bool reads);
WEIR_MUST_USE int weir_internal_tls_leave(weir_internal_tls_session *session, int result);

// weir_internal_tls_read_on reads up to |size| bytes below when BoringSSL has read all that was
// held, without waiting, at most once in a call, and only if |may_read_on| was set behind its
// beginning: the rest of a record often comes with the next read. Returns how many, or 0.
size_t weir_internal_tls_read_on(weir_internal_tls_session *session, char *out, size_t size);

// weir_internal_tls_blame returns what to call a failure of which BoringSSL does not say whose it
// is (a server name that is none, a key that is no point): the peer's, if the peer was told so by
// an alert, and otherwise our own.
static inline int weir_internal_tls_blame(const weir_internal_tls_session *session) {
  bool told = session->alert >= 0 && !session->alert_received;
  return told && session->alert != SSL_AD_INTERNAL_ERROR ? WEIR_E_TLS_PROTOCOL : WEIR_E_TLS_LIBRARY;
}

// weir_internal_tls_describe keeps what is known of a failure with |code|, and takes what BoringSSL
// has to say. Returns the code, which may have become a more exact one.
int weir_internal_tls_describe(weir_internal_tls_session *session, int code);

// The BIO (bio.c)
//
// weir_internal_tls_bio_attach makes the session what its SSL reads from and writes to. Returns 0
// or -ENOMEM.
WEIR_MUST_USE int weir_internal_tls_bio_attach(weir_internal_tls_session *session);

// weir_internal_tls_bio_session returns the session of |ssl|.
weir_internal_tls_session *weir_internal_tls_bio_session(const SSL *ssl);

// weir_internal_tls_reserve makes sure that there is memory for what the next call writes. Returns
// 0 or -ENOMEM.
WEIR_MUST_USE int weir_internal_tls_reserve(weir_internal_tls_session *session);

// weir_internal_tls_drop_output gives back that memory, with what is in it.
void weir_internal_tls_drop_output(weir_internal_tls_session *session);

// weir_internal_tls_unsent returns how many bytes of records wait to be sent.
static inline size_t weir_internal_tls_unsent(const weir_internal_tls_session *session) {
  return session->output_end - session->output_start;
}

// The connection below (below.c)
//
// weir_internal_tls_fill waits, or does not, until the channel below holds bytes. Returns 1; 0 at
// the end of the stream; or a negative code.
WEIR_MUST_USE int weir_internal_tls_fill(weir_internal_tls_session *session, bool wait);

// weir_internal_tls_receive reads, without waiting, straight into |size| bytes at |out|, and ahead
// if there is more. Only behind the handshake, when the channel below holds nothing. Returns how
// many bytes |out| got, 0 at the end of the stream, or a negative code.
WEIR_MUST_USE int weir_internal_tls_receive(weir_internal_tls_session *session, char *out,
                                            size_t size);

// weir_internal_tls_hand_over gives what BoringSSL has written to the channel below as far as that
// has room; it returns 0, or why the channel takes nothing. weir_internal_tls_send gives it all and
// waits for room if it must; for handshakes, which hold the channel.
int weir_internal_tls_hand_over(weir_internal_tls_session *session);
WEIR_MUST_USE int weir_internal_tls_send(weir_internal_tls_session *session);

// weir_internal_tls_send_directly sends what it can of a full record at |data| from where it lies,
// without waiting: it has nothing to wait for, as smaller ones have, and is spared a copy. Returns
// how many bytes were taken. Nothing else of the session may be called meanwhile, for BoringSSL is
// at work.
WEIR_MUST_USE size_t weir_internal_tls_send_directly(weir_internal_tls_session *session,
                                                     const char *data, size_t size);

// weir_internal_tls_hand_over_rest gives it all, whatever room there is: for the last alert. Does
// not suspend. Returns 0, or why it could not.
int weir_internal_tls_hand_over_rest(weir_internal_tls_session *session);

// weir_internal_tls_make_room waits, or does not, until nothing is left to be handed over and the
// channel below has room for |size| bytes more. Returns 0, -EAGAIN, or why it never will.
WEIR_MUST_USE int weir_internal_tls_make_room(weir_internal_tls_session *session, size_t size,
                                              bool wait);

// The connection above (secure_connection.c)
//
// weir_internal_tls_secure_connection makes the connection above |session|, which then belongs to
// it, as does the one below.
WEIR_MUST_USE int weir_internal_tls_secure_connection(weir_connection **out,
                                                      weir_internal_tls_session *session);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_SESSION_H
