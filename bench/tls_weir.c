// SPDX-License-Identifier: Apache-2.0
//
// The same by Weir, over pipes in memory: a coroutine for the client, and one for the server.

#include "bench/tls_work.h"
#include "weir/channel.h"
#include "weir/coroutine.h"
#include "weir/selector.h"
#include "weir/tcp.h"
#include "weir/tls.h"

typedef struct bench_pair {
  weir_connection *client, *server;
} bench_pair;

typedef struct world {
  bench_work *work;
  const bench_identity *identity;
  bool resumes;
  int (*body)(struct world *here);
  weir_tls_options *options;
  weir_tls_context *context;
} world;

// The server's half of a pair.
typedef struct server_part {
  const world *here;
  bench_pair *pair;
} server_part;

// Settings

static int prepare(world *here) {
  weir_tls_terms terms = {.min_version = WEIR_TLS_1_3, .groups = "X25519"};
  weir_tls_credential *credential = NULL;
  weir_tls_trust *trust = NULL;
  int result = weir_tls_credential_create(&credential, weir_text(here->identity->chain),
                                          weir_text(here->identity->key), NULL);
  if (result == 0) result = weir_tls_trust_create(&trust, weir_text(here->identity->root));
  weir_tls_credential *const credentials[] = {credential};
  const weir_tls_context_builder server = {.terms = terms,
                                           .credentials = credentials,
                                           .credential_count = 1,
                                           .no_resumption = !here->resumes};
  const weir_tls_options_builder client = {.terms = terms,
                                           .server_name = BENCH_TLS_NAME,
                                           .trust = trust,
                                           .no_resumption = !here->resumes};
  if (result == 0) result = weir_tls_context_build(&here->context, &server);
  if (result == 0) result = weir_tls_options_build(&here->options, &client);
  weir_tls_credential_close(credential);
  weir_tls_trust_close(trust);
  return result;
}

// Connections

static int greet(void *argument) {
  const server_part *part = (const server_part *)argument;
  int result = weir_tls_server(&part->pair->server, part->here->context);
  if (result < 0) return result;
  return weir_write_string(weir_open_write_channel(part->pair->server, true), "x");
}

static int secure_pair(const world *here, bench_pair *pair) {
  server_part part = {here, pair};
  weir_job *job;
  int greeted = 0;
  int result = weir_launch(NULL, &job, NULL, greet, &part);
  if (result < 0) return result;
  result = weir_tls_client(&pair->client, here->options);
  char byte;
  if (result == 0) {
    result = weir_read_exactly(weir_open_read_channel(pair->client), &byte, sizeof byte);
  }
  int waited = weir_job_wait(job, &greeted);
  weir_job_close(job);
  if (result == 0) result = greeted;
  return result < 0 ? result : waited;
}

static int connect_pair(const world *here, bench_pair *pair) {
  int result = weir_pipe(&pair->client, &pair->server, NULL);
  return result < 0 ? result : secure_pair(here, pair);
}

static int close_server(void *argument) {
  return weir_connection_close((weir_connection *)argument);
}

static int disconnect(const bench_pair *pair) {
  weir_job *job;
  int server_closed = 0;
  int result = weir_launch(NULL, &job, NULL, close_server, pair->server);
  if (result < 0) return result;
  int closed = weir_connection_close(pair->client);
  result = weir_job_wait(job, &server_closed);
  weir_job_close(job);
  if (result < 0) return result;
  return closed < 0 ? closed : server_closed;
}

// Works

static int handshakes(world *here) {
  bench_pair pair;
  for (int64_t i = -1; i < here->work->units; i++) {
    if (i == 0) bench_begin(here->work);
    int result = connect_pair(here, &pair);
    if (result < 0) return result;
    weir_tls_information information;
    result = weir_tls_get_information(pair.client, &information);
    if (result == 0 && information.resumed != (here->resumes && i >= 0)) result = -EPROTO;
    if (result < 0) return result;
    result = disconnect(&pair);
    if (result < 0) return result;
  }
  bench_end(here->work);
  return 0;
}

static int drink(void *argument) {
  static char data[BENCH_TLS_RECORD];
  weir_read_channel *input = weir_open_read_channel((weir_connection *)argument);
  int result;
  do {
    result = weir_read_available(input, data, sizeof data);
  } while (result > 0);
  return result == WEIR_E_END_OF_STREAM || result == WEIR_E_CLOSED ? 0 : result;
}

// As much as the ring of the program without Weir holds.
static int open_pipe(bench_pair *pair) {
  const weir_pipe_options wide = {.capacity = 64 * 1024};
  return weir_pipe(&pair->client, &pair->server, &wide);
}

static int open_tcp(bench_pair *pair) {
  weir_tcp_builder tcp = weir_tcp(weir_current_selector());
  weir_listener *listener;
  int result = weir_tcp_bind(tcp, &listener, "127.0.0.1", 0);
  if (result < 0) return result;
  result = weir_tcp_connect(tcp, &pair->client, "127.0.0.1", weir_listener_port(listener));
  if (result == 0) result = weir_accept(listener, &pair->server);
  weir_listener_close(listener);
  return result;
}

static int send_all(world *here, int (*open)(bench_pair *pair)) {
  static char data[BENCH_TLS_RECORD];
  bench_pair pair;
  int result = open(&pair);
  if (result == 0) result = secure_pair(here, &pair);
  if (result == 0) result = weir_launch(NULL, NULL, NULL, drink, pair.server);
  if (result < 0) return result;
  weir_write_channel *output = weir_open_write_channel(pair.client, false);
  bench_begin(here->work);
  for (int64_t i = 0; i < here->work->units * BENCH_TLS_RECORDS_A_MEBIBYTE && result == 0; i++) {
    result = weir_write_fully(output, data, sizeof data, NULL);
  }
  if (result == 0) result = weir_write_channel_close(output);
  int waited = weir_scope_wait(NULL);
  bench_end(here->work);
  int closed = disconnect(&pair);
  if (result < 0) return result;
  return waited < 0 ? waited : closed;
}

static int bulk(world *here) { return send_all(here, open_pipe); }

static int bulk_tcp(world *here) { return send_all(here, open_tcp); }

// Who is idle waits for bytes, in a coroutine whose stack is not of malloc.
static int read_both(const bench_pair *pair) {
  int result = weir_launch(NULL, NULL, NULL, drink, pair->client);
  return result < 0 ? result : weir_launch(NULL, NULL, NULL, drink, pair->server);
}

static int memory(world *here) {
  size_t count = (size_t)here->work->units;
  bench_pair *pairs = (bench_pair *)calloc(count, sizeof *pairs);
  if (pairs == NULL) return -ENOMEM;
  // A pipe keeps its memory when it runs dry; of this one it is next to nothing.
  const weir_pipe_options narrow = {.capacity = 64};
  bench_pair first;  // with which what lives longer than a connection comes into being
  int result = connect_pair(here, &first);
  for (size_t i = 0; i < count && result == 0; i++) {
    result = weir_pipe(&pairs[i].client, &pairs[i].server, &narrow);
  }
  int64_t before = bench_memory();
  for (size_t i = 0; i < count && result == 0; i++) {
    result = secure_pair(here, &pairs[i]);
    // At once: until its next read a channel keeps the buffer of its last one, and the loop keeps
    // some of what all of them give back.
    if (result == 0) result = read_both(&pairs[i]);
    if (result == 0) result = weir_yield();
  }
  here->work->taken = bench_memory() - before;
  for (size_t i = 0; i < count && result == 0; i++) result = disconnect(&pairs[i]);
  free(pairs);
  return result < 0 ? result : disconnect(&first);
}

static int run(void *argument) {
  world *here = (world *)argument;
  int result = prepare(here);
  if (result == 0) result = here->body(here);
  weir_tls_options_close(here->options);
  weir_tls_context_close(here->context);
  return result;
}

static int work_p256(bench_work *work) {
  world here = {.work = work, .identity = &bench_p256, .body = handshakes};
  return weir_run(NULL, run, &here);
}

static int work_rsa(bench_work *work) {
  world here = {.work = work, .identity = &bench_rsa, .body = handshakes};
  return weir_run(NULL, run, &here);
}

static int work_resumed(bench_work *work) {
  world here = {.work = work, .identity = &bench_p256, .resumes = true, .body = handshakes};
  return weir_run(NULL, run, &here);
}

static int work_bulk(bench_work *work) {
  world here = {.work = work, .identity = &bench_p256, .body = bulk};
  return weir_run(NULL, run, &here);
}

static int work_bulk_tcp(bench_work *work) {
  world here = {.work = work, .identity = &bench_p256, .body = bulk_tcp};
  return weir_run(NULL, run, &here);
}

static int work_memory(bench_work *work) {
  world here = {.work = work, .identity = &bench_p256, .body = memory};
  return weir_run(NULL, run, &here);
}

int main(int count, char **words) {
  static const bench_entry entries[] = {
      {"p256", work_p256}, {"rsa-2048", work_rsa},      {"resumed", work_resumed},
      {"bulk", work_bulk}, {"bulk-tcp", work_bulk_tcp}, {"memory", work_memory},
      {NULL, NULL},
  };
  bench_work work;
  bench_function *function = bench_choose(&work, entries, count, words);
  return function == NULL ? 2 : bench_report(&work, function(&work));
}
