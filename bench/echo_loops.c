// SPDX-License-Identifier: Apache-2.0
//
// The echo server on several loops: echo_loops LOOPS HOST PORT. Each loop has a core for itself,
// the next of those that the process may use, and a listener, on the next address from HOST on. So
// whoever connects chooses the core that serves him, and clients of one core need no other.

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "weir/tcp.h"

enum { MOST_LOOPS = 64 };

static const char *host;
static uint16_t port;
static weir_listener *listeners[MOST_LOOPS];

static int serve(void *argument) {
  weir_connection *client = argument;
  weir_read_channel *input = weir_open_read_channel(client);
  weir_write_channel *output = weir_open_write_channel(client, true);
  weir_bytes line;
  int result;
  while ((result = weir_read_utf8_line(input, &line)) == 0) {
    if ((result = weir_write_line(output, line)) < 0) break;
  }
  return weir_connection_close(client);
}

// Keeps this thread on the core that has a |number| among those of the process.
static int pin(int number) {
  cpu_set_t cores, one;
  if (sched_getaffinity(0, sizeof cores, &cores) != 0) return -errno;
  CPU_ZERO(&one);
  for (size_t core = 0; core < CPU_SETSIZE; core++) {
    if (!CPU_ISSET(core, &cores) || number-- > 0) continue;
    CPU_SET(core, &one);
    return sched_setaffinity(0, sizeof one, &one) != 0 ? -errno : 0;
  }
  return -EINVAL;
}

static int run_loop(void *argument) {
  weir_listener *listener = argument;
  int result = pin(weir_current_loop());
  weir_connection *client;
  while (result == 0 && (result = weir_accept(listener, &client)) == 0) {
    if ((result = weir_launch(NULL, NULL, NULL, serve, client)) == 0) continue;
    weir_connection_abort(client);
    weir_connection_close(client);
  }
  weir_listener_close(listener);
  return result;
}

static int bind_for(int loop) {
  weir_address address;
  int result = weir_address_parse(&address, host, port);
  if (result < 0) return result;
  struct in_addr *number = &address.socket.ipv4.sin_addr;
  number->s_addr = htonl(ntohl(number->s_addr) + (uint32_t)loop);
  return weir_tcp_bind_address(weir_tcp(weir_current_selector()), &listeners[loop], &address);
}

// The listener of the first loop comes last, so that a client who finds it finds the others, too.
static int run(void *argument) {
  (void)argument;
  int result = 0;
  for (int i = weir_loop_count() - 1; i >= 0 && result == 0; i--) result = bind_for(i);
  for (int i = 0; i < weir_loop_count() && result == 0; i++) {
    result = weir_launch_on(i, NULL, NULL, NULL, run_loop, listeners[i]);
  }
  return result == 0 ? weir_scope_wait(NULL) : result;
}

// Returns 0 for what is no number of loops.
static int loops_of(const char *word) {
  char *end;
  long number = strtol(word, &end, 10);
  return *end == '\0' && number > 0 && number <= MOST_LOOPS ? (int)number : 0;
}

int main(int count, char **words) {
  weir_selector_options options = {.cancel_on_interrupt = true};
  options.loops = count == 4 ? loops_of(words[1]) : 0;
  if (options.loops == 0 || weir_port_parse(&port, words[3]) < 0) {
    return fprintf(stderr, "usage: %s LOOPS HOST PORT\n", words[0]), 2;
  }
  host = words[2];
  int result = weir_run(&options, run, NULL);
  if (result == 0) return 0;
  fprintf(stderr, "%s: %s\n", words[0], weir_error_message(result));
  return 1;
}
