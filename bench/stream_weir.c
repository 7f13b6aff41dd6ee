// SPDX-License-Identifier: Apache-2.0
//
// Reads bytes and drops them, or sends them back as they come: stream_weir sink|stream HOST PORT.

#include <stdio.h>
#include <stdlib.h>

#include "weir/address.h"
#include "weir/tcp.h"

enum { BUFFER_SIZE = 64 * 1024 };

static bool sends_back;

static int serve(void *argument) {
  weir_connection *client = argument;
  weir_read_channel *input = weir_open_read_channel(client);
  weir_write_channel *output = weir_open_write_channel(client, true);
  char *buffer = malloc(BUFFER_SIZE);
  int result = buffer != NULL ? 0 : -ENOMEM;
  while (result >= 0 && (result = weir_read_available(input, buffer, BUFFER_SIZE)) > 0) {
    if (sends_back) result = weir_write_fully(output, buffer, (size_t)result, NULL);
  }
  free(buffer);
  return weir_connection_close(client);
}

static int run(void *argument) {
  const char *const *words = argument;
  weir_listener *server;
  uint16_t port;
  int result = weir_port_parse(&port, words[3]);
  if (result == 0) {
    result = weir_tcp_bind(weir_tcp(weir_current_selector()), &server, words[2], port);
  }
  if (result < 0) return result;
  weir_connection *client;
  while ((result = weir_accept(server, &client)) == 0) {
    if ((result = weir_launch(NULL, NULL, NULL, serve, client)) == 0) continue;
    weir_connection_abort(client);
    weir_connection_close(client);
  }
  weir_listener_close(server);
  return result;
}

int main(int count, char **words) {
  sends_back = count == 4 && strcmp(words[1], "stream") == 0;
  if (count != 4 || (!sends_back && strcmp(words[1], "sink") != 0)) {
    return fprintf(stderr, "usage: %s sink|stream HOST PORT\n", words[0]), 2;
  }
  int result = weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, words);
  if (result == 0) return 0;
  fprintf(stderr, "%s: %s port %s: %s\n", words[0], words[2], words[3], weir_error_message(result));
  return 1;
}
