// SPDX-License-Identifier: Apache-2.0
//
// Datagrams, in bursts: each socket sends its burst, and the next one when all of it has come back.
// No two datagrams of a run are alike, and every byte that comes back is compared. One that is lost
// ends the program: over loopback none is, as long as a burst fits into a socket's buffer.

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/load.h"

enum { NUMBER_SIZE = 8, PATIENCE = 10 };  // seconds

typedef struct burst {
  struct mmsghdr *messages;
  char *memory;
  size_t room;  // for each
} burst;

static struct {
  load_options options;
  int *sockets;
  uint32_t *first_numbers;  // of the burst of each socket
  uint32_t number;          // of the next datagram
  burst out;
  burst in;  // one byte larger, to see what is too much
} load;

static burst make_burst(size_t room) {
  uint32_t count = load.options.in_flight;
  struct iovec *buffers = load_allocate(count * sizeof *buffers);
  burst self = {.room = room};
  self.messages = load_allocate(count * sizeof *self.messages);
  self.memory = load_allocate(count * room);
  for (uint32_t i = 0; i < count; i++) {
    buffers[i] = (struct iovec){self.memory + i * room, room};
    self.messages[i].msg_hdr = (struct msghdr){.msg_iov = &buffers[i], .msg_iovlen = 1};
  }
  memset(self.memory, 'x', count * room);
  return self;
}

// Eight letters at the beginning of each datagram of the socket's burst.
static void write_numbers(uint32_t socket) {
  char *out = load.out.memory;
  for (uint32_t i = 0; i < load.options.in_flight; i++, out += load.out.room) {
    uint32_t number = load.first_numbers[socket] + i;
    for (int j = 0; j < NUMBER_SIZE; j++) out[j] = (char)('a' + (number >> 4 * j & 15));
  }
}

static void send_burst(uint32_t socket) {
  load.first_numbers[socket] = load.number;
  load.number += load.options.in_flight;
  write_numbers(socket);
  uint32_t done = 0;
  while (done < load.options.in_flight) {
    int sent =
        sendmmsg(load.sockets[socket], load.out.messages + done, load.options.in_flight - done, 0);
    if (sent < 0) load_die("sendmmsg", errno);
    done += (uint32_t)sent;
  }
}

static void compare(uint32_t number) {
  size_t size = load.out.room;
  if (load.in.messages[number].msg_len != size ||
      memcmp(load.in.memory + number * load.in.room, load.out.memory + number * size, size) != 0) {
    load_die("what came back is not what was sent", 0);
  }
}

static void receive_burst(uint32_t socket) {
  write_numbers(socket);
  uint32_t done = 0;
  while (done < load.options.in_flight) {
    int received = recvmmsg(load.sockets[socket], load.in.messages + done,
                            load.options.in_flight - done, MSG_WAITFORONE, NULL);
    if (received < 0 && errno == EAGAIN) load_die("a datagram was lost", 0);
    if (received < 0) load_die("recvmmsg", errno);
    for (int i = 0; i < received; i++) compare(done++);
  }
}

static void expect_silence(uint32_t socket) {
  char any;
  if (recv(load.sockets[socket], &any, sizeof any, MSG_DONTWAIT) >= 0) {
    load_die("more came back than was sent", 0);
  }
}

static uint64_t run(load_limit limit) {
  uint64_t rounds = 0;
  bool goes_on = true;
  while (goes_on) {
    for (uint32_t i = 0; i < load.options.connections; i++) send_burst(i);
    for (uint32_t i = 0; i < load.options.connections; i++) receive_burst(i);
    rounds++;
    goes_on = limit.rounds > 0 ? rounds < limit.rounds : load_now() < limit.until;
  }
  for (uint32_t i = 0; i < load.options.connections; i++) expect_silence(i);
  return rounds * load.options.connections * load.options.in_flight;
}

static int open_one(void) {
  const struct timeval patience = {.tv_sec = PATIENCE};
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) load_die("socket", errno);
  const struct sockaddr *server = (const struct sockaddr *)&load.options.server;
  if (connect(fd, server, sizeof load.options.server) < 0) load_die("connect", errno);
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) {
    load_die("patience", errno);
  }
  return fd;
}

static void open_all(const load_options *options) {
  load.options = *options;
  load.sockets = load_allocate(options->connections * sizeof *load.sockets);
  load.first_numbers = load_allocate(options->connections * sizeof *load.first_numbers);
  load.out = make_burst(options->line_size);
  load.in = make_burst(options->line_size + 1);
  for (uint32_t i = 0; i < options->connections; i++) load.sockets[i] = open_one();
  (void)run((load_limit){.rounds = 1});
}

const load_mode load_datagrams = {.name = "datagrams", .open = open_all, .run = run};
