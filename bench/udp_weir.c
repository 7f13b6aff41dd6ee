// SPDX-License-Identifier: Apache-2.0
//
// Sends datagrams back, one at a time or those that come together: udp_weir single|batch HOST PORT.

#include <stdio.h>
#include <string.h>

#include "weir/address.h"
#include "weir/udp.h"

enum { ROOM = 2048, BATCH = WEIR_DATAGRAM_BATCH };

static char memory[BATCH][ROOM];

static int serve_single(weir_udp_socket *server) {
  weir_datagram datagram = {.data = memory[0], .capacity = ROOM};
  for (;;) {
    int result = weir_udp_receive(server, &datagram);
    if (result == 0) {
      result =
          weir_udp_send(server, weir_bytes_of(datagram.data, datagram.size), &datagram.address);
    }
    if (result == -ECANCELED) return result;
  }
}

static int serve_batches(weir_udp_socket *server) {
  weir_datagram datagrams[BATCH];
  for (int i = 0; i < BATCH; i++) {
    datagrams[i] = (weir_datagram){.data = memory[i], .capacity = ROOM};
  }
  for (;;) {
    int count = weir_udp_receive_batch(server, datagrams, BATCH);
    if (count == -ECANCELED) return count;
    for (int done = 0; done < count;) {
      int sent = weir_udp_send_batch(server, datagrams + done, (size_t)(count - done));
      if (sent == -ECANCELED) return sent;
      done += sent > 0 ? sent : 1;
    }
  }
}

static int run(void *argument) {
  char **words = argument;
  weir_udp_socket *server;
  uint16_t port;
  int result = weir_port_parse(&port, words[3]);
  if (result == 0) {
    result = weir_udp_bind(weir_udp(weir_current_selector()), &server, words[2], port);
  }
  if (result < 0) return result;
  result = (strcmp(words[1], "single") == 0 ? serve_single : serve_batches)(server);
  weir_udp_close(server);
  return result;
}

int main(int count, char **words) {
  if (count != 4 || (strcmp(words[1], "single") != 0 && strcmp(words[1], "batch") != 0)) {
    return fprintf(stderr, "usage: %s single|batch HOST PORT\n", words[0]), 2;
  }
  int result = weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, words);
  if (result == 0) return 0;
  fprintf(stderr, "%s: %s\n", words[0], weir_error_message(result));
  return 1;
}
