// SPDX-License-Identifier: Apache-2.0
//
// Loads a server in a closed loop, and proves that what comes back is what was sent.
//
//   load_generator --port=PORT [--mode=MODE] [--connections=N] [--line=BYTES] [--in-flight=N]
//
// It opens its connections, prints "ready", and obeys the lines of its standard input, so that two
// servers can be measured in turns while the connections to both stay open:
//
//   go SECONDS    load for so long
//   rounds N      load until every connection has done N rounds
//
// Each is answered, when nothing is in flight any more, by "done UNITS SECONDS". Units are lines,
// or datagrams, or in the modes sink and stream bytes.

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"

static const load_mode *const modes[] = {&load_echo, &load_connect, &load_idle,
                                         &load_sink, &load_stream,  &load_datagrams};
enum { MODES = sizeof modes / sizeof modes[0] };

static _Noreturn void usage(void) {
  fprintf(stderr,
          "usage: load_generator --port=PORT [--host=HOST] [--connections=N] [--line=BYTES]\n"
          "           [--in-flight=N] [--mode=echo|connect|idle|sink|stream|datagrams]\n");
  exit(2);
}

static const load_mode *mode_named(const char *name) {
  for (size_t i = 0; i < MODES; i++) {
    if (strcmp(modes[i]->name, name) == 0) return modes[i];
  }
  usage();
}

static uint32_t number(const char *text, uint32_t least, uint32_t most) {
  char *end;
  unsigned long value = strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most) usage();
  return (uint32_t)value;
}

static const load_mode *parse(load_options *out, int count, char **words) {
  static const struct option known[] = {
      {"host", required_argument, NULL, 'h'}, {"port", required_argument, NULL, 'p'},
      {"mode", required_argument, NULL, 'm'}, {"connections", required_argument, NULL, 'c'},
      {"line", required_argument, NULL, 'l'}, {"in-flight", required_argument, NULL, 'f'},
      {NULL, no_argument, NULL, 0},
  };
  const load_mode *mode = &load_echo;
  int option;
  while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
    if (option == 'h') {
      if (inet_pton(AF_INET, optarg, &out->server.sin_addr) != 1) usage();
    } else if (option == 'p') {
      out->server.sin_port = htons((uint16_t)number(optarg, 1, UINT16_MAX));
    } else if (option == 'm') {
      mode = mode_named(optarg);
    } else if (option == 'c') {
      out->connections = number(optarg, 1, 1000000);
    } else if (option == 'l') {
      out->line_size = number(optarg, LOAD_SMALLEST_LINE, LOAD_LARGEST_BATCH);
    } else if (option == 'f') {
      out->in_flight = number(optarg, 1, 65536);
    } else {
      usage();
    }
  }
  if (optind < count || out->server.sin_port == 0) usage();
  return mode;
}

static void obey(const load_mode *mode, const char *command) {
  load_limit limit = {0};
  double seconds = 0;
  double begin = load_now();
  if (sscanf(command, "go %lf", &seconds) == 1 && seconds > 0) {
    limit.until = begin + seconds;
  } else if (sscanf(command, "rounds %lu", &limit.rounds) != 1 || limit.rounds == 0) {
    load_die("expected 'go SECONDS' or 'rounds N'", 0);
  }
  uint64_t units = mode->run(limit);
  printf("done %lu %.6f\n", units, load_now() - begin);
}

int main(int count, char **words) {
  load_options options = {
      .server = {.sin_family = AF_INET, .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}},
      .connections = 1,
      .line_size = 64,
      .in_flight = 1,
  };
  const load_mode *mode = parse(&options, count, words);
  setvbuf(stdout, NULL, _IOLBF, 0);
  mode->open(&options);
  printf("ready\n");
  char command[100];
  while (fgets(command, sizeof command, stdin) != NULL) obey(mode, command);
  return 0;
}
