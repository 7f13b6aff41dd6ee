// SPDX-License-Identifier: Apache-2.0
//
// The echo server over TLS: tls_echo_server CHAIN KEY [HOST PORT], with PEM files. Then
// openssl s_client -connect HOST:PORT, or the example tls_client.

#include <getopt.h>
#include <stdio.h>

#include "examples/echo.h"
#include "weir/address.h"
#include "weir/tcp.h"
#include "weir/tls.h"

typedef struct arguments {
  const char *chain, *key, *host, *port;
} arguments;

// Behind the handshake it is a client like any other.
static int serve(weir_connection *client, void *context) {
  char name[WEIR_ADDRESS_TEXT_SIZE];
  snprintf(name, sizeof name, "%s", weir_remote_address(client));
  int result = weir_tls_server(&client, context);
  if (result == 0) return echo(client, NULL);
  printf("%s: %s\n", name, weir_tls_last_failure(NULL)->text);
  weir_connection_close(client);
  return result;
}

static int listen_at(weir_listener **out, const arguments *given) {
  uint16_t port;
  int result = weir_port_parse(&port, given->port);
  if (result == 0) {
    result = weir_tcp_bind(weir_tcp(weir_current_selector()), out, given->host, port);
  }
  if (result == 0) return 0;
  const char *why = result == -EINVAL ? "not an IP address and a port" : weir_error_message(result);
  fprintf(stderr, "cannot serve on %s port %s: %s\n", given->host, given->port, why);
  return result;
}

static int prepare(weir_tls_context **out, const arguments *given) {
  weir_tls_credential *credential;
  int result = weir_tls_credential_load(&credential, given->chain, given->key, NULL);
  if (result == 0) {
    const weir_tls_context_builder builder = {.credentials = &credential, .credential_count = 1};
    result = weir_tls_context_build(out, &builder);
    weir_tls_credential_close(credential);
  }
  if (result < 0) {
    fprintf(stderr, "cannot use %s with %s: %s\n", given->chain, given->key,
            weir_tls_last_failure(NULL)->text);
  }
  return result;
}

static int run(void *argument) {
  weir_tls_context *context;
  int result = prepare(&context, argument);
  if (result < 0) return result;
  weir_listener *listener;
  result = listen_at(&listener, argument);
  if (result == 0) {
    printf("Started echo server with TLS at %s\n", weir_listener_address(listener));
    result = weir_tcp_serve(listener, NULL, serve, context);
    weir_listener_close(listener);
  }
  weir_tls_context_close(context);
  return result;
}

static const char help[] =
    "usage: %s [--help] CHAIN KEY [HOST PORT]\n"
    "Sends every line of every client back, over TLS, until it is interrupted. CHAIN is a PEM\n"
    "file with the server's certificate and those that vouch for it, KEY one with its private\n"
    "key. HOST is an address, localhost, or '' for every address of the machine; by default it\n"
    "is 127.0.0.1 port 2324.\n";

int main(int count, char **words) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
  int option = getopt_long(count, words, "h", options, NULL);
  if (option == 'h') return printf(help, words[0]), 0;
  int left = count - optind;
  if (option != -1 || (left != 2 && left != 4)) return fprintf(stderr, help, words[0]), 2;
  arguments given = {words[optind], words[optind + 1], "127.0.0.1", "2324"};
  if (left == 4) given.host = words[optind + 2], given.port = words[optind + 3];
  setvbuf(stdout, NULL, _IOLBF, 0);
  return weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, &given) == 0 ? 0 : 1;
}
