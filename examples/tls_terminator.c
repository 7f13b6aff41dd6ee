// SPDX-License-Identifier: Apache-2.0
//
// Takes TLS off: accepts secure connections, and passes what is in them on to a plain server:
// tls_terminator [--alpn NAME]... [--proxy] CHAIN KEY HOST PORT SERVER PORT.
// SIGHUP makes it read the certificate anew, for those who come then.

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "examples/proxy_header.h"
#include "weir/address.h"
#include "weir/copy.h"
#include "weir/signals.h"
#include "weir/tcp.h"
#include "weir/tls.h"

enum { MOST_PROTOCOLS = 16 };

typedef struct terminator {
  const char *chain, *key, *host, *port, *server, *server_port_text;
  const char *protocols[MOST_PROTOCOLS + 1];
  bool proxy;
  uint16_t server_port;
  weir_tls_context *context;
} terminator;

static const char *reason(int result) {
  const char *text = weir_tls_last_failure(NULL)->text;
  return text[0] != '\0' ? text : weir_error_message(result);
}

// Passing on

typedef struct direction {
  weir_connection *source, *target;
} direction;

static int copy(void *argument) {
  direction *self = argument;
  return weir_copy_and_close(weir_open_read_channel(self->source),
                             weir_open_write_channel(self->target, false), NULL, NULL);
}

// Both ways at once, until both streams have ended.
static int relay(weir_connection *client, weir_connection *server) {
  direction requests = {client, server}, answers = {server, client};
  weir_scope *scope;
  int result = weir_scope_open(&scope, &(weir_scope_options){.fail_together = true});
  if (result < 0) return result;
  result = weir_launch(scope, NULL, NULL, copy, &requests);
  if (result == 0) result = weir_launch(scope, NULL, NULL, copy, &answers);
  if (result == 0) result = weir_scope_wait(scope);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

static int introduce(weir_connection *client, weir_connection *server) {
  weir_tls_information session;
  int result = weir_tls_get_information(client, &session);
  if (result < 0) return result;
  return write_proxy_header(weir_open_write_channel(server, false), weir_remote_address(client),
                            weir_local_address(client), session.protocol, session.server_name);
}

static int pass_on(const terminator *self, weir_connection *client) {
  weir_connection *server;
  int result =
      weir_tcp_connect(weir_tcp(weir_current_selector()), &server, self->server, self->server_port);
  if (result < 0) return result;
  if (self->proxy) result = introduce(client, server);
  if (result == 0) result = relay(client, server);
  if (result < 0) weir_connection_abort(server);
  weir_connection_close(server);
  return result;
}

static int serve(weir_connection *client, void *argument) {
  const terminator *self = argument;
  char name[WEIR_ADDRESS_TEXT_SIZE];
  snprintf(name, sizeof name, "%s", weir_remote_address(client));
  int result = weir_tls_server(&client, self->context);
  if (result < 0) {
    printf("%s: no handshake: %s\n", name, reason(result));
  } else if ((result = pass_on(self, client)) < 0) {
    printf("%s: cannot pass it on: %s\n", name, weir_error_message(result));
    weir_connection_abort(client);
  }
  weir_connection_close(client);
  return result;
}

// The certificate

static int load(terminator *self) {
  weir_tls_credential *credential;
  int result = weir_tls_credential_load(&credential, self->chain, self->key, NULL);
  if (result < 0) return result;
  if (self->context != NULL) {
    result = weir_tls_context_replace_credentials(self->context, &credential, 1);
  } else {
    const weir_tls_context_builder builder = {
        .terms.protocols = self->protocols, .credentials = &credential, .credential_count = 1};
    result = weir_tls_context_build(&self->context, &builder);
  }
  weir_tls_credential_close(credential);
  return result;
}

static int reload_on_hangup(void *argument) {
  terminator *self = argument;
  const int hangup = SIGHUP;
  weir_signals *hangups;
  int result = weir_signals_open(&hangups, &hangup, 1);
  while (result >= 0 && (result = weir_signals_wait(hangups)) > 0) {
    int loaded = load(self);
    printf("%s: %s\n", self->chain, loaded == 0 ? "loaded anew" : reason(loaded));
  }
  weir_signals_close(hangups);
  return result;
}

// Serving

static int complain(const char *verb, const char *host, const char *port, int result) {
  const char *why = result == -EINVAL ? "not an address and a port" : weir_error_message(result);
  fprintf(stderr, "cannot %s %s port %s: %s\n", verb, host, port, why);
  return result;
}

static int listen_and_serve(terminator *self) {
  weir_listener *listener;
  uint16_t port;
  int result = weir_port_parse(&self->server_port, self->server_port_text);
  if (result < 0) return complain("pass on to", self->server, self->server_port_text, result);
  result = weir_port_parse(&port, self->port);
  if (result == 0) {
    result = weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, self->host, port);
  }
  if (result < 0) return complain("serve on", self->host, self->port, result);
  result = weir_launch(NULL, NULL, NULL, reload_on_hangup, self);
  if (result == 0) {
    printf("Started at %s, for %s port %s\n", weir_listener_address(listener), self->server,
           self->server_port_text);
    result = weir_tcp_serve(listener, NULL, serve, self);
  }
  weir_listener_close(listener);
  return result;
}

static int run(void *argument) {
  terminator *self = argument;
  int result = load(self);
  if (result == 0) {
    result = listen_and_serve(self);
  } else {
    fprintf(stderr, "cannot use %s with %s: %s\n", self->chain, self->key, reason(result));
  }
  weir_tls_context_close(self->context);
  return result;
}

static const char help[] =
    "usage: %s [--help] [--alpn NAME]... [--proxy] CHAIN KEY HOST PORT SERVER PORT\n"
    "Accepts TLS on HOST and PORT, and passes what is in it on to SERVER and its PORT, which\n"
    "speak plain text. A HOST of '' is every address of the machine. CHAIN and KEY are PEM files;\n"
    "SIGHUP has them read anew. Each NAME, 16 at most, is an application protocol that clients\n"
    "may choose. With --proxy the server is told where a client came from, and what it chose, by\n"
    "the PROXY protocol, version 2.\n";

// Returns the options; or -1 when they are wrong, or 'h' for help.
static int parse(terminator *self, int count, char **words) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                          {"alpn", required_argument, NULL, 'a'},
                                          {"proxy", no_argument, NULL, 'p'},
                                          {0}};
  int option, protocols = 0;
  while ((option = getopt_long(count, words, "ha:p", options, NULL)) != -1) {
    if (option == 'h') return 'h';
    if (option == 'p') self->proxy = true;
    if (option == '?' || (option == 'a' && protocols == MOST_PROTOCOLS)) return -1;
    if (option == 'a') self->protocols[protocols++] = optarg;
  }
  if (count - optind != 6) return -1;
  const char **places[] = {&self->chain, &self->key,    &self->host,
                           &self->port,  &self->server, &self->server_port_text};
  for (int i = 0; i < 6; i++) *places[i] = words[optind + i];
  return self->server[0] == '\0' ? -1 : 0;
}

int main(int count, char **words) {
  terminator self = {0};
  int parsed = parse(&self, count, words);
  if (parsed == 'h') return printf(help, words[0]), 0;
  if (parsed < 0) return fprintf(stderr, help, words[0]), 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  return weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, &self) == 0 ? 0 : 1;
}
