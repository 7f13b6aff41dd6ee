// SPDX-License-Identifier: Apache-2.0
//
// Weir's end of a conversation over TLS with somebody who is not Weir:
//   weir_peer [OPTION]... connect TALK PORT    a client of 127.0.0.1
//   weir_peer [OPTION]... listen TALK          a server there, at a port that it prints
// TALK is what to do, and one end does what fits the other's:
//   lines   a client sends lines and waits for each to come back, a server sends lines back; they
//           read the same from both ends, as one peer knows only how to send them back reversed
//   first   sends much, ends its stream, and then expects all of it back, up to the peer's end
//   last    reads up to the peer's end, and then sends all of it back
//   page    a client asks for a page by HTTP, a server sends one
// With --ends, whoever has said all of its lines or page ends its stream before it reads on.
// The options are below. Of each connection it prints what was agreed on, and then "done" or
// "failed: " and why. It succeeds if every connection did.

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/address.h"
#include "weir/buffer.h"
#include "weir/tcp.h"
#include "weir/tls.h"

enum { MUCH = 300000, LINES = 3 };

typedef struct peer {
  const char *roots, *chain, *key;  // PEM files
  const char *name;                 // of the server
  const char *protocols[2];         // ALPN, ended by NULL
  weir_tls_version version;         // the only one; 0: whatever is the default
  bool asks;                        // a server that requires a certificate of clients
  bool ends;                        // its stream before it reads on
  int times;                        // connections, one after the other
  const char *role, *talk, *port;
} peer;

// Talking

static int expect_equal(weir_bytes found, weir_bytes expected) {
  bool equal = found.size == expected.size && memcmp(found.data, expected.data, expected.size) == 0;
  return equal ? 0 : -EBADMSG;
}

static int expect_end(weir_read_channel *input) {
  weir_bytes rest;
  int result = weir_read_peek(input, 1, &rest);
  return result == 0 ? -EBADMSG : result == WEIR_E_END_OF_STREAM ? 0 : result;
}

static weir_bytes print_line(char *out, size_t size, int number) {
  snprintf(out, size, "level %d level", number);
  return weir_text(out);
}

// All lines, and the end, before the first one comes back.
static int send_lines_first(weir_read_channel *input, weir_write_channel *output) {
  char text[32];
  weir_bytes line;
  int result = 0;
  for (int i = 0; i < LINES && result == 0; i++) {
    result = weir_write_line(output, print_line(text, sizeof text, i));
  }
  if (result == 0) result = weir_write_channel_close(output);
  for (int i = 0; i < LINES && result == 0; i++) {
    result = weir_read_line(input, &line);
    if (result == 0) result = expect_equal(line, print_line(text, sizeof text, i));
  }
  return result == 0 ? expect_end(input) : result;
}

static int send_lines(weir_read_channel *input, weir_write_channel *output) {
  int result = 0;
  for (int i = 0; i < LINES && result == 0; i++) {
    char text[32];
    weir_bytes line;
    result = weir_write_line(output, print_line(text, sizeof text, i));
    if (result == 0) result = weir_read_line(input, &line);
    if (result == 0) result = expect_equal(line, weir_text(text));
  }
  return result;
}

static int send_lines_back(weir_read_channel *input, weir_write_channel *output) {
  weir_bytes line;
  int result;
  while ((result = weir_read_line(input, &line)) == 0) {
    if ((result = weir_write_line(output, line)) < 0) return result;
  }
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

static int end_first(weir_read_channel *input, weir_write_channel *output) {
  static char much[MUCH];
  for (size_t i = 0; i < MUCH; i++) much[i] = (char)('a' + i % 23);
  weir_buffer back = {0};
  int result = weir_write_fully(output, much, MUCH, NULL);
  if (result == 0) result = weir_write_channel_close(output);
  if (result == 0) result = weir_read_remaining(input, &back, SIZE_MAX);
  if (result == 0) result = expect_equal(weir_buffer_bytes(&back), weir_bytes_of(much, MUCH));
  weir_buffer_release(&back);
  return result;
}

static int end_last(weir_read_channel *input, weir_write_channel *output) {
  weir_buffer all = {0};
  int result = weir_read_remaining(input, &all, SIZE_MAX);
  if (result == 0) result = weir_write_fully(output, all.data, all.size, NULL);
  weir_buffer_release(&all);
  return result;
}

static int ask_for_page(weir_read_channel *input, weir_write_channel *output, bool ends) {
  weir_bytes line;
  int result = weir_write_string(output, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
  if (result == 0 && ends) result = weir_write_channel_close(output);
  if (result == 0) result = weir_read_line(input, &line);
  if (result == 0) {
    printf("%.*s\n", (int)line.size, line.data);
    result = weir_read_discard(input, UINT64_MAX, NULL);
  }
  return result;
}

// If the stream ends behind it, nothing else tells how long it is.
static int send_page(weir_read_channel *input, weir_write_channel *output, bool ends) {
  weir_bytes line;
  int result;
  do {
    result = weir_read_line(input, &line);
  } while (result == 0 && line.size > 0);
  if (result < 0) return result;
  if (!ends) {
    return weir_write_string(output, "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  }
  result = weir_write_string(output, "HTTP/1.0 200 OK\r\n\r\nhello");
  if (result == 0) result = weir_write_channel_close(output);
  return result == 0 ? expect_end(input) : result;
}

static int talk(const peer *self, weir_connection *connection, bool is_server) {
  weir_read_channel *input = weir_open_read_channel(connection);
  weir_write_channel *output = weir_open_write_channel(connection, true);
  if (strcmp(self->talk, "first") == 0) return end_first(input, output);
  if (strcmp(self->talk, "last") == 0) return end_last(input, output);
  if (strcmp(self->talk, "page") == 0) {
    return is_server ? send_page(input, output, self->ends)
                     : ask_for_page(input, output, self->ends);
  }
  if (is_server) return send_lines_back(input, output);
  return self->ends ? send_lines_first(input, output) : send_lines(input, output);
}

// Connections

static int report(int result, const weir_tls_failure *failure) {
  if (result == 0) {
    printf("done\n");
  } else {
    printf("failed: %s\n", failure->code != 0 ? failure->text : weir_error_message(result));
  }
  return result;
}

static int tell_and_talk(const peer *self, weir_connection *connection) {
  weir_tls_information session;
  int result = weir_tls_get_information(connection, &session);
  if (result < 0) return result;
  printf("version=%s protocol=%s name=%s certificates=%d resumed=%d\n",
         session.version == WEIR_TLS_1_3 ? "1.3" : "1.2",
         session.protocol == NULL ? "" : session.protocol,
         session.server_name == NULL ? "" : session.server_name, (int)session.peer_chain_size,
         session.resumed);
  return talk(self, connection, session.is_server);
}

// Goes on behind a handshake that returned |result|.
static int converse(const peer *self, weir_connection *connection, int result) {
  if (result < 0) return report(result, weir_tls_last_failure(NULL));
  result = tell_and_talk(self, connection);
  const weir_tls_failure failure = *weir_tls_last_failure(connection);
  int closed = weir_connection_close(connection);
  return report(result < 0 ? result : closed, &failure);
}

static int connect_and_talk(const peer *self, const weir_tls_options *options) {
  uint16_t port;
  weir_connection *server;
  int result = weir_port_parse(&port, self->port);
  if (result == 0) {
    result = weir_tcp_connect(weir_tcp(weir_current_selector()), &server, "127.0.0.1", port);
  }
  if (result < 0) return report(result, weir_tls_last_failure(NULL));
  result = weir_tls_client(&server, options);
  return converse(self, server, result);
}

static int accept_and_talk(const peer *self, weir_listener *listener,
                           const weir_tls_context *context) {
  weir_connection *client;
  int result = weir_accept(listener, &client);
  if (result < 0) return report(result, weir_tls_last_failure(NULL));
  result = weir_tls_server(&client, context);
  return converse(self, client, result);
}

// The two roles

static int run_client(const peer *self, weir_tls_trust *trust, weir_tls_credential *credential,
                      const weir_tls_terms *terms) {
  const weir_tls_options_builder builder = {
      .terms = *terms, .server_name = self->name, .trust = trust, .credential = credential};
  weir_tls_options *options;
  int result = weir_tls_options_build(&options, &builder);
  for (int i = 0; i < self->times && result == 0; i++) result = connect_and_talk(self, options);
  weir_tls_options_close(options);
  return result;
}

static int run_server(const peer *self, weir_tls_trust *trust, weir_tls_credential *credential,
                      const weir_tls_terms *terms) {
  const weir_tls_context_builder builder = {
      .terms = *terms,
      .credentials = &credential,
      .credential_count = 1,
      .client_authentication = self->asks ? WEIR_TLS_CLIENT_REQUIRED : WEIR_TLS_CLIENT_NOT_ASKED,
      .client_trust = self->asks ? trust : NULL};
  weir_tls_context *context;
  weir_listener *listener;
  int result = weir_tls_context_build(&context, &builder);
  if (result < 0) return result;
  result = weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, "127.0.0.1", 0);
  if (result == 0) {
    printf("%s\n", strrchr(weir_listener_address(listener), ':') + 1);
    for (int i = 0; i < self->times; i++) {
      int served = accept_and_talk(self, listener, context);
      if (result == 0) result = served;
    }
    weir_listener_close(listener);
  }
  weir_tls_context_close(context);
  return result;
}

static int run(void *argument) {
  const peer *self = argument;
  const weir_tls_terms terms = {.min_version = self->version,
                                .max_version = self->version,
                                .protocols = self->protocols[0] == NULL ? NULL : self->protocols};
  weir_tls_trust *trust = NULL;
  weir_tls_credential *credential = NULL;
  int result = self->roots == NULL ? 0 : weir_tls_trust_load(&trust, self->roots);
  if (result == 0 && self->chain != NULL) {
    result = weir_tls_credential_load(&credential, self->chain, self->key, NULL);
  }
  if (result < 0) {
    report(result, weir_tls_last_failure(NULL));
  } else if (strcmp(self->role, "connect") == 0) {
    result = run_client(self, trust, credential, &terms);
  } else {
    result = run_server(self, trust, credential, &terms);
  }
  weir_tls_credential_close(credential);
  weir_tls_trust_close(trust);
  return result;
}

static bool parse_times(peer *self, const char *word) {
  char *end;
  long times = strtol(word, &end, 10);
  self->times = (int)times;
  return *end == '\0' && times > 0 && times <= 1000;
}

static bool parse(peer *self, int count, char **words) {
  static const struct option options[] = {
      {"roots", required_argument, NULL, 'r'},    {"chain", required_argument, NULL, 'c'},
      {"key", required_argument, NULL, 'k'},      {"name", required_argument, NULL, 'n'},
      {"protocol", required_argument, NULL, 'p'}, {"version", required_argument, NULL, 'v'},
      {"asks", no_argument, NULL, 'a'},           {"ends", no_argument, NULL, 'e'},
      {"times", required_argument, NULL, 't'},    {0}};
  int option;
  while ((option = getopt_long(count, words, "", options, NULL)) != -1) {
    if (option == 'r') self->roots = optarg;
    if (option == 'c') self->chain = optarg;
    if (option == 'k') self->key = optarg;
    if (option == 'n') self->name = optarg;
    if (option == 'p') self->protocols[0] = optarg;
    if (option == 'v') self->version = strcmp(optarg, "1.2") == 0 ? WEIR_TLS_1_2 : WEIR_TLS_1_3;
    if (option == 'a') self->asks = true;
    if (option == 'e') self->ends = true;
    if (option == '?' || (option == 't' && !parse_times(self, optarg))) return false;
  }
  if (count - optind < 2) return false;
  self->role = words[optind];
  self->talk = words[optind + 1];
  self->port = count - optind > 2 ? words[optind + 2] : "";
  return true;
}

int main(int count, char **words) {
  peer self = {.times = 1};
  if (!parse(&self, count, words)) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  return weir_run(NULL, run, &self) == 0 ? 0 : 1;
}
