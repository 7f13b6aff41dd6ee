// SPDX-License-Identifier: Apache-2.0
//
// BoringSSL alone, set as Weir sets it, in a loop: what nobody who uses it can do without.

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pool.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "bench/tls_work.h"

// The wires

typedef struct ring {
  char data[64 * 1024];
  size_t start, end;
} ring;

static ring wires[2];  // to the server, to the client

// What a BIO reads from, and writes to.
typedef struct ends {
  ring *in, *out;
} ends;

static const ends client_ends = {&wires[1], &wires[0]};
static const ends server_ends = {&wires[0], &wires[1]};

static int ring_read(BIO *bio, char *out, int size) {
  ring *in = ((const ends *)BIO_get_data(bio))->in;
  BIO_clear_retry_flags(bio);
  size_t held = in->end - in->start;
  size_t taken = (size_t)size < held ? (size_t)size : held;
  if (taken == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  memcpy(out, in->data + in->start, taken);
  in->start += taken;
  if (in->start == in->end) in->start = in->end = 0;
  return (int)taken;
}

static int ring_write(BIO *bio, const char *data, int size) {
  ring *out = ((const ends *)BIO_get_data(bio))->out;
  BIO_clear_retry_flags(bio);
  assert((size_t)size <= sizeof out->data - out->end);
  memcpy(out->data + out->end, data, (size_t)size);
  out->end += (size_t)size;
  return size;
}

static long ring_control(BIO *bio, int command, long number, void *pointer) {
  (void)bio, (void)number, (void)pointer;
  return command == BIO_CTRL_FLUSH;
}

static int ring_create(BIO *bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// Settings

typedef struct world {
  BIO_METHOD *method;
  SSL_CTX *client, *server;
  X509_STORE *roots;
  CRYPTO_BUFFER_POOL *pool;
  SSL_SESSION *session;
} world;

static world here;

static enum ssl_verify_result_t verify(SSL *ssl, uint8_t *out_alert) {
  const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
  STACK_OF(X509) *others = sk_X509_new_null();
  X509 *leaf = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, 0));
  for (size_t i = 1; i < sk_CRYPTO_BUFFER_num(chain); i++) {
    X509 *other = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i));
    if (other != NULL) (void)sk_X509_push(others, other);
  }
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, here.roots, leaf, others);
  X509_STORE_CTX_set_default(context, "ssl_server");
  X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  X509_VERIFY_PARAM_set1_host(parameters, BENCH_TLS_NAME, strlen(BENCH_TLS_NAME));
  int result = X509_verify_cert(context);
  X509_STORE_CTX_free(context);
  X509_free(leaf);
  sk_X509_pop_free(others, X509_free);
  *out_alert = SSL_AD_BAD_CERTIFICATE;
  return result == 1 ? ssl_verify_ok : ssl_verify_invalid;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  SSL_SESSION_free(here.session);
  here.session = session;
  return 1;
}

static SSL_CTX *new_context(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_with_buffers_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set1_curves_list(context, "X25519");
  SSL_CTX_set0_buffer_pool(context, here.pool);
  return context;
}

static BIO *text_of(const char *pem) { return BIO_new_mem_buf(pem, -1); }

static void set_server(const bench_identity *identity) {
  CRYPTO_BUFFER *chain[4];
  size_t count = 0;
  BIO *text = text_of(identity->chain);
  for (X509 *one; (one = PEM_read_bio_X509(text, NULL, NULL, NULL)) != NULL; X509_free(one)) {
    uint8_t *der = NULL;
    int size = i2d_X509(one, &der);
    chain[count++] = CRYPTO_BUFFER_new(der, (size_t)size, here.pool);
    OPENSSL_free(der);
  }
  BIO_free(text);
  text = text_of(identity->key);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, NULL, NULL);
  BIO_free(text);
  SSL_CTX_set_chain_and_key(here.server, chain, count, key, NULL);
  EVP_PKEY_free(key);
  while (count > 0) CRYPTO_BUFFER_free(chain[--count]);
  ERR_clear_error();
}

static void set_client(const bench_identity *identity) {
  BIO *text = text_of(identity->root);
  X509 *root = PEM_read_bio_X509(text, NULL, NULL, NULL);
  here.roots = X509_STORE_new();
  X509_STORE_add_cert(here.roots, root);
  X509_free(root);
  BIO_free(text);
  SSL_CTX_set_custom_verify(here.client, SSL_VERIFY_PEER, verify);
}

static void prepare(const bench_identity *identity, bool resumes) {
  here.method = BIO_meth_new(0, "ring");
  BIO_meth_set_create(here.method, ring_create);
  BIO_meth_set_read(here.method, ring_read);
  BIO_meth_set_write(here.method, ring_write);
  BIO_meth_set_ctrl(here.method, ring_control);
  here.pool = CRYPTO_BUFFER_POOL_new();
  here.client = new_context();
  here.server = new_context();
  set_server(identity);
  set_client(identity);
  if (!resumes) {
    SSL_CTX_set_options(here.server, SSL_OP_NO_TICKET);
    return;
  }
  SSL_CTX_set_session_cache_mode(here.client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(here.client, keep_session);
  SSL_CTX_set_reverify_on_resume(here.client, 1);
}

static void clean_up(void) {
  SSL_SESSION_free(here.session);
  SSL_CTX_free(here.client);
  SSL_CTX_free(here.server);
  X509_STORE_free(here.roots);
  CRYPTO_BUFFER_POOL_free(here.pool);
  BIO_meth_free(here.method);
}

// Connections

static BIO *new_ring_end(const ends *wires_of_side) {
  BIO *bio = BIO_new(here.method);
  union {
    const void *ours;
    void *theirs;
  } data = {wires_of_side};
  BIO_set_data(bio, data.theirs);
  return bio;
}

static SSL *new_side(SSL_CTX *context, BIO *bio) {
  SSL *ssl = SSL_new(context);
  SSL_set_bio(ssl, bio, bio);
  SSL_set_shed_handshake_config(ssl, 1);
  return ssl;
}

// Each repeats what has to wait for the other side, unless that has failed.

static bool wants_more(SSL *ssl, int result) {
  return result <= 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

static bool shake_hands(SSL *client, SSL *server) {
  int client_result, server_result;
  do {
    client_result = SSL_do_handshake(client);
    server_result = SSL_do_handshake(server);
  } while (wants_more(client, client_result) || wants_more(server, server_result));
  return client_result == 1 && server_result == 1;
}

static bool read_record(SSL *ssl, char *data, int size) {
  int result;
  do {
    result = SSL_read(ssl, data, size);
  } while (wants_more(ssl, result));
  return result == size;
}

static bool connect_over(BIO *client_end, BIO *server_end, SSL **client, SSL **server) {
  *client = new_side(here.client, client_end);
  *server = new_side(here.server, server_end);
  SSL_set_connect_state(*client);
  SSL_set_accept_state(*server);
  SSL_set_tlsext_host_name(*client, BENCH_TLS_NAME);
  bool resumes = here.session != NULL;
  if (resumes) SSL_set_session(*client, here.session);
  char byte = 'x';
  return shake_hands(*client, *server) && SSL_write(*server, &byte, 1) == 1 &&
         read_record(*client, &byte, 1) && resumes == (SSL_session_reused(*client) != 0);
}

static bool connect_sides(SSL **client, SSL **server) {
  return connect_over(new_ring_end(&client_ends), new_ring_end(&server_ends), client, server);
}

// Of a TCP connection with ourselves. Neither end waits; the other one's turn comes first.
static bool open_sockets(int *client, int *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  struct sockaddr *named = (struct sockaddr *)&address;
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  *client = socket(AF_INET, SOCK_STREAM, 0);
  *server = -1;
  if (bind(listener, named, size) == 0 && listen(listener, 1) == 0 &&
      getsockname(listener, named, &size) == 0 && connect(*client, named, size) == 0) {
    *server = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  }
  close(listener);
  return *server >= 0 && fcntl(*client, F_SETFL, O_NONBLOCK) == 0;
}

static bool connect_sockets(SSL **client, SSL **server) {
  int ends_of_it[2];
  int yes = 1;
  if (!open_sockets(&ends_of_it[0], &ends_of_it[1])) return false;
  for (int i = 0; i < 2; i++) {
    if (setsockopt(ends_of_it[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0) return false;
  }
  return connect_over(BIO_new_socket(ends_of_it[0], BIO_CLOSE),
                      BIO_new_socket(ends_of_it[1], BIO_CLOSE), client, server);
}

static void disconnect(SSL *client, SSL *server) {
  SSL_shutdown(client);
  SSL_shutdown(server);
  SSL_free(client);
  SSL_free(server);
  wires[0].start = wires[0].end = wires[1].start = wires[1].end = 0;
}

// Works

static int handshakes(bench_work *work) {
  SSL *client, *server;
  for (int64_t i = -1; i < work->units; i++) {
    if (i == 0) bench_begin(work);
    if (!connect_sides(&client, &server)) return -1;
    disconnect(client, server);
  }
  bench_end(work);
  clean_up();
  return 0;
}

static int p256(bench_work *work) {
  prepare(&bench_p256, false);
  return handshakes(work);
}

static int rsa(bench_work *work) {
  prepare(&bench_rsa, false);
  return handshakes(work);
}

static int resumed(bench_work *work) {
  prepare(&bench_p256, true);
  return handshakes(work);
}

static int send_all(bench_work *work, bool (*connect_both)(SSL **client, SSL **server)) {
  static char data[BENCH_TLS_RECORD];
  prepare(&bench_p256, false);
  SSL *client, *server;
  if (!connect_both(&client, &server)) return -1;
  bench_begin(work);
  for (int64_t i = 0; i < work->units * BENCH_TLS_RECORDS_A_MEBIBYTE; i++) {
    if (SSL_write(client, data, sizeof data) != sizeof data) return -1;
    if (!read_record(server, data, sizeof data)) return -1;
  }
  bench_end(work);
  disconnect(client, server);
  clean_up();
  return 0;
}

static int bulk(bench_work *work) { return send_all(work, connect_sides); }

static int bulk_tcp(bench_work *work) { return send_all(work, connect_sockets); }

static int memory(bench_work *work) {
  prepare(&bench_p256, false);
  SSL **sides = (SSL **)calloc((size_t)work->units, 2 * sizeof *sides);
  if (sides == NULL) return -1;
  int64_t before = bench_memory();
  for (int64_t i = 0; i < work->units; i++) {
    if (!connect_sides(&sides[2 * i], &sides[2 * i + 1])) return -1;
  }
  work->taken = bench_memory() - before;
  for (int64_t i = 0; i < work->units; i++) disconnect(sides[2 * i], sides[2 * i + 1]);
  free(sides);
  clean_up();
  return 0;
}

int main(int count, char **words) {
  static const bench_entry entries[] = {
      {"p256", p256},         {"rsa-2048", rsa},  {"resumed", resumed}, {"bulk", bulk},
      {"bulk-tcp", bulk_tcp}, {"memory", memory}, {NULL, NULL},
  };
  bench_work work;
  bench_function *function = bench_choose(&work, entries, count, words);
  return function == NULL ? 2 : bench_report(&work, function(&work));
}
