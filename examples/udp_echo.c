// SPDX-License-Identifier: Apache-2.0
//
// Sends every datagram back to where it came from: udp_echo [HOST PORT | unix:PATH], then
// nc -u HOST PORT. Datagrams that come together are received, and sent, together.

#include <getopt.h>
#include <stdio.h>

#include "weir/address.h"
#include "weir/udp.h"

enum { BATCH = WEIR_DATAGRAM_BATCH, ROOM = 65536 };

static const char help[] =
    "usage: %s [--help] [HOST PORT | unix:PATH | unix:@NAME]\n"
    "Sends every datagram back to its sender, until it is interrupted.\n"
    "HOST is an address, localhost, or '' for every address of the machine; by default it is\n"
    "127.0.0.1 port 2323.\n";

// Over a unix socket, one that does not read would stop everybody. So nobody is waited for longer.
static const int64_t patience = 10 * WEIR_MILLISECOND;

static int echo_batch(weir_udp_socket *server, weir_datagram *datagrams) {
  int count = weir_udp_receive_batch(server, datagrams, BATCH);
  for (int done = 0; done < count;) {
    weir_timeout timeout = weir_timeout_begin(patience);
    int sent = weir_udp_send_batch(server, datagrams + done, (size_t)(count - done));
    weir_timeout_end(timeout);
    if (sent == -ECANCELED) return sent;
    // One that cannot be answered is no reason to leave out the next.
    done += sent > 0 ? sent : 1;
  }
  return count;
}

static int serve(weir_udp_socket *server) {
  // The system gives only what is written to.
  static char memory[BATCH][ROOM];
  weir_datagram datagrams[BATCH];
  for (int i = 0; i < BATCH; i++) {
    datagrams[i] = (weir_datagram){.data = memory[i], .capacity = ROOM};
  }
  printf("Started UDP echo server at %s\n", weir_udp_local_address(server));
  for (;;) {
    // Whatever an operation meets, the next one may succeed; but not in a cancelled coroutine.
    int result = echo_batch(server, datagrams);
    if (result == -ECANCELED) return result;
    if (result < 0) fprintf(stderr, "receiving: %s\n", weir_error_message(result));
  }
}

static int bind_server(weir_udp_socket **out, char **place) {
  weir_udp_builder udp = weir_udp(weir_current_selector());
  weir_address address;
  uint16_t port;
  if (place[1] == NULL) {
    int result = weir_address_from_text(&address, place[0]);
    return result < 0 ? result : weir_udp_bind_address(udp, out, &address);
  }
  int result = weir_port_parse(&port, place[1]);
  return result < 0 ? result : weir_udp_bind(udp, out, place[0], port);
}

static int run(void *argument) {
  weir_udp_socket *server;
  int result = bind_server(&server, argument);
  if (result < 0) return result;
  result = serve(server);
  weir_udp_close(server);
  return result;
}

int main(int count, char **words) {
  static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {0}};
  int option = getopt_long(count, words, "+h", options, NULL);
  if (option == 'h') return printf(help, words[0]), 0;
  int left = count - optind;
  if (option != -1 || left > 2) return fprintf(stderr, help, words[0]), 2;
  char host[] = "127.0.0.1", port[] = "2323";
  char *place[] = {left > 0 ? words[optind] : host, left > 1 ? words[optind + 1] : NULL};
  if (left == 0) place[1] = port;
  setvbuf(stdout, NULL, _IOLBF, 0);
  int result = weir_run(&(weir_selector_options){.cancel_on_interrupt = true}, run, place);
  if (result == 0) return 0;
  const char *why = result == -EINVAL ? "not an address" : weir_error_message(result);
  fprintf(stderr, "%s: cannot serve on %s%s%s: %s\n", words[0], place[0],
          place[1] == NULL ? "" : " port ", place[1] == NULL ? "" : place[1], why);
  return 1;
}
