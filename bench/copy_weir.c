// SPDX-License-Identifier: Apache-2.0
//
// Copies what one client sends to a target, then ends: copy_weir any|memory HOST PORT TARGET_PORT.

#include <stdio.h>

#include "weir/address.h"
#include "weir/copy.h"
#include "weir/tcp.h"

static weir_copy_options options;

static int accept_one(weir_connection **out, const char *host, uint16_t port) {
  weir_listener *listener;
  int result = weir_tcp_bind(weir_tcp(weir_current_selector()), &listener, host, port);
  if (result < 0) return result;
  result = weir_accept(listener, out);
  weir_listener_close(listener);
  return result;
}

static int copy(weir_connection *client, const char *host, uint16_t port) {
  weir_connection *target;
  int result = weir_tcp_connect(weir_tcp(weir_current_selector()), &target, host, port);
  if (result < 0) return result;
  result = weir_copy_and_close(weir_open_read_channel(client),
                               weir_open_write_channel(target, false), &options, NULL);
  int closed = weir_connection_close(target);
  return result < 0 ? result : closed;
}

static int run(void *argument) {
  const char *const *words = argument;
  uint16_t port, target_port;
  weir_connection *client;
  int result = weir_port_parse(&port, words[3]);
  if (result == 0) result = weir_port_parse(&target_port, words[4]);
  if (result == 0) result = accept_one(&client, words[2], port);
  if (result < 0) return result;
  result = copy(client, words[2], target_port);
  int closed = weir_connection_close(client);
  return result < 0 ? result : closed;
}

int main(int count, char **words) {
  if (count != 5) return fprintf(stderr, "usage: %s any|memory HOST PORT TARGET\n", words[0]), 2;
  if (strcmp(words[1], "memory") == 0) options.method = WEIR_COPY_THROUGH_MEMORY;
  int result = weir_run(NULL, run, words);
  if (result == 0) return 0;
  fprintf(stderr, "%s: %s\n", words[0], weir_error_message(result));
  return 1;
}
