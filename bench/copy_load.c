// SPDX-License-Identifier: Apache-2.0
//
// Both ends of a copy: copy_load MEBIBYTES. Prints the port on which it waits for the copy's
// output, reads the port for the copy's input from standard input, sends there, compares every byte
// that comes back, and prints their number. Whatever goes wrong ends the program.

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The stream is this pattern over and over. It has a prime size, so that whatever is lost or comes
// twice, in the units of any buffer, shows.
enum { PATTERN_SIZE = 1000003, BUFFER_SIZE = 256 * 1024, TRIES = 2000 };

static char pattern[PATTERN_SIZE];

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void make_pattern(void) {
  uint32_t state = 12345;
  for (size_t i = 0; i < sizeof pattern; i++) {
    state = state * 1664525 + 1013904223;
    pattern[i] = (char)(state >> 24);
  }
}

static size_t least(size_t first, size_t second) { return first < second ? first : second; }

static struct sockaddr_in local(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int listen_anywhere(void) {
  struct sockaddr_in address = local(0);
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) < 0 ||
      listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
    fail("listen");
  }
  printf("%u\n", ntohs(address.sin_port));
  fflush(stdout);
  return listener;
}

// The program that copies may not listen yet.
static int connect_to(uint16_t port) {
  const struct timespec a_moment = {0, 5000000};
  struct sockaddr_in address = local(port);
  for (int i = 0; i < TRIES; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    nanosleep(&a_moment, NULL);
  }
  fail("connect");
  return -1;
}

static void send_all(int fd, uint64_t total) {
  for (uint64_t at = 0; at < total;) {
    size_t from = at % PATTERN_SIZE;
    size_t size = least(least(PATTERN_SIZE - from, BUFFER_SIZE), total - at);
    ssize_t sent = send(fd, pattern + from, size, MSG_NOSIGNAL);
    if (sent <= 0) fail("send");
    at += (uint64_t)sent;
  }
  if (shutdown(fd, SHUT_WR) < 0) fail("shutdown");
}

static void receive_all(int fd, uint64_t total) {
  static char buffer[BUFFER_SIZE];
  uint64_t at = 0;
  for (;;) {
    size_t from = at % PATTERN_SIZE;
    ssize_t size = recv(fd, buffer, least(PATTERN_SIZE - from, sizeof buffer), 0);
    if (size < 0) fail("recv");
    if (size == 0) break;
    errno = 0;
    if (memcmp(buffer, pattern + from, (size_t)size) != 0) fail("other bytes came");
    at += (uint64_t)size;
  }
  if (at != total) fail("not all came, or more");
  printf("%llu\n", (unsigned long long)at);
}

int main(int count, char **words) {
  unsigned port;
  uint64_t total = count == 2 ? strtoull(words[1], NULL, 10) << 20 : 0;
  if (total == 0) return fprintf(stderr, "usage: %s MEBIBYTES\n", words[0]), 2;
  make_pattern();
  int listener = listen_anywhere();
  if (scanf("%u", &port) != 1) fail("no port");
  int out = connect_to((uint16_t)port);
  pid_t sender = fork();
  if (sender < 0) fail("fork");
  if (sender == 0) {
    send_all(out, total);
    return 0;
  }
  close(out);
  int in = accept(listener, NULL, NULL);
  if (in < 0) fail("accept");
  receive_all(in, total);
  int status;
  return waitpid(sender, &status, 0) == sender && status == 0 ? 0 : 1;
}
