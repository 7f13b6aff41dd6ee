// SPDX-License-Identifier: Apache-2.0
//
// Asks a web server for a page over TLS, and prints the status line of its answer:
// tls_client HOST [PORT [ROOTS]].

#include <getopt.h>
#include <stdio.h>

#include "weir/address.h"
#include "weir/tcp.h"
#include "weir/tls.h"

typedef struct arguments {
  const char *host, *port, *roots;
} arguments;

static int complain(const arguments *given, int result, const char *why) {
  if (why[0] == '\0') why = weir_error_message(result);
  fprintf(stderr, "cannot talk to %s port %s: %s\n", given->host, given->port, why);
  return result;
}

static int connect_to(weir_connection **out, const arguments *given) {
  uint16_t port;
  int result = weir_port_parse(&port, given->port);
  if (result == 0) {
    result = weir_tcp_connect(weir_tcp(weir_current_selector()), out, given->host, port);
  }
  if (result == 0) return 0;
  return complain(given, result, result == -EINVAL ? "not a host and a port" : "");
}

// Without a file of roots, those of the system are the ones to trust, and there is nothing to set.
static int options_for(weir_tls_options **out, const char *roots) {
  *out = NULL;
  if (roots == NULL) return 0;
  weir_tls_options_builder builder = {0};
  int result = weir_tls_trust_load(&builder.trust, roots);
  if (result == 0) {
    result = weir_tls_options_build(out, &builder);
    weir_tls_trust_close(builder.trust);
  }
  if (result < 0) fprintf(stderr, "cannot use %s: %s\n", roots, weir_tls_last_failure(NULL)->text);
  return result;
}

// Prints the status line, which is the first one.
static int ask(weir_connection *server, const arguments *given) {
  weir_write_channel *output = weir_open_write_channel(server, true);
  bool is_ipv6 = strchr(given->host, ':') != NULL;
  int result = weir_write_format(output, "GET / HTTP/1.1\r\nHost: %s%s%s:%s\r\n",
                                 is_ipv6 ? "[" : "", given->host, is_ipv6 ? "]" : "", given->port);
  if (result == 0) result = weir_write_string(output, "Connection: close\r\n\r\n");
  if (result < 0) return result;
  weir_bytes line;
  result = weir_read_line(weir_open_read_channel(server), &line);
  if (result == 0) printf("%.*s\n", (int)line.size, line.data);
  return result;
}

static int run(void *argument) {
  const arguments *given = argument;
  weir_tls_options *options;
  weir_connection *server;
  int result = options_for(&options, given->roots);
  if (result < 0) return result;
  result = connect_to(&server, given);
  if (result == 0) {
    result = weir_tls_client(&server, options);
    if (result < 0) complain(given, result, weir_tls_last_failure(NULL)->text);
    if (result == 0 && (result = ask(server, given)) < 0) {
      complain(given, result, weir_tls_last_failure(server)->text);
    }
    weir_connection_close(server);
  }
  weir_tls_options_close(options);
  return result;
}

static const char help[] =
    "usage: %s [--help] HOST [PORT [ROOTS]]\n"
    "Asks for the page / of a web server over TLS, and prints the status line of the answer.\n"
    "PORT is 443 by default. ROOTS is a PEM file of the certificates to trust instead of the\n"
    "system's.\n";

int main(int count, char **words) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
  int option = getopt_long(count, words, "h", options, NULL);
  if (option == 'h') return printf(help, words[0]), 0;
  int left = count - optind;
  if (option != -1 || left < 1 || left > 3) return fprintf(stderr, help, words[0]), 2;
  arguments given = {words[optind], left > 1 ? words[optind + 1] : "443",
                     left > 2 ? words[optind + 2] : NULL};
  return weir_run(NULL, run, &given) == 0 ? 0 : 1;
}
