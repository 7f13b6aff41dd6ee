// SPDX-License-Identifier: Apache-2.0
//
// What BoringSSL reads from and writes to. Reading takes what the channel below holds, from where
// it lies; writing always succeeds: what the transport below does not take of a full record, and
// all else, goes into a buffer that the channel below then takes as it is.

#include <openssl/bio.h>
#include <pthread.h>

#include "base/internal/memory.h"
#include "tls/internal/session.h"

// Made at the first use, and kept.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static BIO_METHOD *method;
static int session_index = -1;

// Takes what was held below.
static size_t take(weir_internal_tls_session *session, char *out, size_t size) {
  if (size > session->input_size) size = session->input_size;
  if (size == 0) return 0;
  memcpy(out, session->input, size);
  session->input += size;
  session->input_size -= size;
  return size;
}

static int bio_read(BIO *bio, char *out, int size) {
  weir_internal_tls_session *session = (weir_internal_tls_session *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  size_t taken = take(session, out, (size_t)size);
  if (taken == 0) taken = weir_internal_tls_read_on(session, out, (size_t)size);
  if (taken == 0) {
    if (session->input_ended) return 0;
    BIO_set_retry_read(bio);
    return -1;
  }
  for (size_t i = 0; i < taken && session->first_count < WEIR_INTERNAL_TLS_FIRST_BYTES; i++) {
    session->first[session->first_count++] = out[i];
  }
  return (int)taken;
}

// Makes room for |size| bytes more behind what is unsent.
static bool grow(weir_internal_tls_session *session, size_t size) {
  weir_internal_buffer_pool *pool = session->pool;
  size_t unsent = weir_internal_tls_unsent(session);
  size_t wanted = 2 * unsent + size;
  if (wanted < WEIR_INTERNAL_TLS_ROOM) wanted = WEIR_INTERNAL_TLS_ROOM;
  char *larger = weir_internal_buffer_take(pool, wanted);
  if (larger == NULL) return false;
  if (session->output != NULL) {
    memcpy(larger, session->output + session->output_start, unsent);
    weir_internal_buffer_give(pool, session->output, session->output_size);
  }
  session->output = larger;
  session->output_size = wanted;
  session->output_start = 0;
  session->output_end = unsent;
  return true;
}

void weir_internal_tls_drop_output(weir_internal_tls_session *session) {
  if (session->output == NULL) return;
  weir_internal_buffer_give(session->pool, session->output, session->output_size);
  session->output = NULL;
  session->output_size = session->output_start = session->output_end = 0;
}

int weir_internal_tls_reserve(weir_internal_tls_session *session) {
  return session->output != NULL || grow(session, 0) ? 0 : -ENOMEM;
}

static int bio_write(BIO *bio, const char *data, int size) {
  weir_internal_tls_session *session = (weir_internal_tls_session *)BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  size_t room = session->output == NULL ? 0 : session->output_size - session->output_end;
  if ((size_t)size > room && !grow(session, (size_t)size)) {
    session->out_of_memory = true;
    return -1;
  }
  size_t sent = weir_internal_tls_send_directly(session, data, (size_t)size);
  size_t rest = (size_t)size - sent;
  memcpy(session->output + session->output_end, data + sent, rest);
  session->output_end += rest;
  return size;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

static BIO_METHOD *make_method(void) {
  BIO_METHOD *made = BIO_meth_new(0, "weir");
  if (made == NULL) return NULL;
  if (BIO_meth_set_create(made, bio_create) && BIO_meth_set_read(made, bio_read) &&
      BIO_meth_set_write(made, bio_write) && BIO_meth_set_ctrl(made, bio_control)) {
    return made;
  }
  BIO_meth_free(made);
  return NULL;
}

static bool prepare(void) {
  pthread_mutex_lock(&lock);
  if (method == NULL) method = make_method();
  if (session_index < 0) session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
  bool ready = method != NULL && session_index >= 0;
  pthread_mutex_unlock(&lock);
  return ready;
}

int weir_internal_tls_bio_attach(weir_internal_tls_session *session) {
  if (!prepare() || !SSL_set_ex_data(session->ssl, session_index, session)) return -ENOMEM;
  BIO *bio = BIO_new(method);
  if (bio == NULL) return -ENOMEM;
  BIO_set_data(bio, session);
  SSL_set_bio(session->ssl, bio, bio);
  return 0;
}

weir_internal_tls_session *weir_internal_tls_bio_session(const SSL *ssl) {
  return (weir_internal_tls_session *)SSL_get_ex_data(ssl, session_index);
}
