// SPDX-License-Identifier: Apache-2.0
//
// The example server without its log lines: echo_weir [HOST PORT]. A test compares the two.

#include <stdio.h>
#include <string.h>

#include "weir/address.h"
#include "weir/tcp.h"

static int echo(weir_connection *client, void *unused) {
  (void)unused;
  weir_read_channel *input = weir_open_read_channel(client);
  weir_write_channel *output = weir_open_write_channel(client, true);
  weir_bytes line;
  int result;
  while ((result = weir_read_utf8_line(input, &line)) == 0) {
    if ((result = weir_write_line(output, line)) < 0) break;
  }
  return weir_connection_close(client);
}

static int run(void *argument) {
  const char **place = argument;
  weir_listener *server;
  uint16_t port;
  int result = weir_port_parse(&port, place[1]);
  if (result == 0) {
    result = weir_tcp_bind(weir_tcp(weir_current_selector()), &server, place[0], port);
  }
  if (result < 0) return result;
  result = weir_tcp_serve(server, NULL, echo, NULL);
  weir_listener_close(server);
  return result;
}

static const char help[] =
    "usage: %s [--help] [HOST PORT]\n"
    "Sends lines back. HOST: an address, localhost, '' for all; by default 127.0.0.1 port 2323.\n";

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "--help") == 0) return printf(help, words[0]), 0;
  if (count != 1 && count != 3) return fprintf(stderr, help, words[0]), 2;
  const char *place[] = {count == 3 ? words[1] : "127.0.0.1", count == 3 ? words[2] : "2323"};
  int result = weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, place);
  if (result == 0) return 0;
  const char *why = result == -EINVAL ? "not an IP address and a port" : weir_error_message(result);
  fprintf(stderr, "%s: cannot serve on %s port %s: %s\n", words[0], place[0], place[1], why);
  return 1;
}
