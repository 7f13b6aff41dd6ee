// SPDX-License-Identifier: Apache-2.0
//
// The parts of the load generator. It measures servers, so it stays simple: one thread, raw epoll,
// and whatever goes wrong ends the program.

#ifndef WEIR_BENCH_LOAD_H
#define WEIR_BENCH_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct load_options {
  struct sockaddr_in server;
  uint32_t connections;
  uint32_t line_size;  // with CR LF
  uint32_t in_flight;  // lines, or in a stream writes of LOAD_CHUNK bytes, per connection
} load_options;

enum { LOAD_CHUNK = 64 * 1024, LOAD_SMALLEST_LINE = 20, LOAD_LARGEST_BATCH = 1 << 24 };

// When to stop: after so many rounds per connection, or, when that is 0, at that time. What is in
// flight then is waited for.
typedef struct load_limit {
  uint64_t rounds;
  double until;
} load_limit;

// One kind of load.
typedef struct load_mode {
  const char *name;
  // Opens the connections and proves each one.
  void (*open)(const load_options *options);
  // Runs until the limit, and returns the number of units done: lines, connections or bytes.
  uint64_t (*run)(load_limit limit);
} load_mode;

extern const load_mode load_echo;       // a batch of lines, again when all of it is back
extern const load_mode load_connect;    // the same on a new connection each time
extern const load_mode load_idle;       // one batch at the beginning, then nothing
extern const load_mode load_sink;       // bytes, as fast as the server takes them
extern const load_mode load_stream;     // bytes that come back, all the time in both directions
extern const load_mode load_datagrams;  // a burst of datagrams, again when all of it is back

// load_die prints a message, with errno's text if |error| is not 0, and ends the program.
_Noreturn void load_die(const char *message, int error);

// load_now returns the seconds of the monotonic clock.
double load_now(void);

// load_allocate returns |size| zeroed bytes.
void *load_allocate(uint64_t size);

// load_connect_socket returns a new blocking socket connected to |server|. Each comes from another
// local address, so that those that wait for TIME_WAIT's end use up no ports.
int load_connect_socket(const struct sockaddr_in *server);

// load_watch makes |epoll| watch |fd| for |events|, |operation| being one of epoll_ctl's.
void load_watch(int epoll, int operation, int fd, uint32_t events, void *data);

// load_epoll returns a new epoll descriptor.
int load_epoll(void);

#endif  // WEIR_BENCH_LOAD_H
