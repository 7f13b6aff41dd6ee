// SPDX-License-Identifier: Apache-2.0
//
// Says hello to an echo server and prints what it answers: echo_client [HOST PORT].

#include <stdio.h>
#include <string.h>

#include "weir/address.h"
#include "weir/tcp.h"

static int run(void *argument) {
  const char **place = argument;
  weir_connection *server;
  uint16_t port;
  int result = weir_port_parse(&port, place[1]);
  if (result == 0) {
    result = weir_tcp_connect(weir_tcp(weir_current_selector()), &server, place[0], port);
  }
  if (result < 0) return result;
  weir_bytes line;
  result = weir_write_line(weir_open_write_channel(server, true), weir_text("hello"));
  if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(server), &line);
  if (result == 0) printf("Server said: '%.*s'\n", (int)line.size, line.data);
  int closed = weir_connection_close(server);
  return result < 0 ? result : closed;
}

static const char help[] =
    "usage: %s [--help] [HOST PORT]\n"
    "Says hello to an echo server, by default at 127.0.0.1 port 2323, and prints its answer.\n"
    "HOST is an address or a name.\n";

int main(int count, char **words) {
  if (count == 2 && strcmp(words[1], "--help") == 0) return printf(help, words[0]), 0;
  if (count != 1 && count != 3) return fprintf(stderr, help, words[0]), 2;
  const char *place[] = {count == 3 ? words[1] : "127.0.0.1", count == 3 ? words[2] : "2323"};
  int result = weir_run(NULL, run, place);
  if (result == 0) return 0;
  const char *why = result == -EINVAL ? "not a host and a port" : weir_error_message(result);
  fprintf(stderr, "%s: cannot talk to %s port %s: %s\n", words[0], place[0], place[1], why);
  return 1;
}
