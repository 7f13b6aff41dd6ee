// SPDX-License-Identifier: Apache-2.0
//
// Sends datagrams back, with nothing but system calls: udp_reference MODE HOST PORT. MODE is
//
//   single    level-triggered epoll; per event one recvfrom and one sendto: the reference, which
//   all
//             ratios are measured against
//   dry       the same, but per event until there is nothing more to receive
//   batch     per event one recvmmsg and one sendmmsg, of up to 32 datagrams
//   blocking  recvfrom and sendto that block, without epoll: it can do nothing else besides
//
// Every figure depends on this file, so a test holds its checksum: it must not get slower.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { ROOM = 2048, BATCH = 32 };

static int epoll_fd;
static int server;
static char memory[BATCH][ROOM];
static struct sockaddr_in peers[BATCH];
static struct iovec buffers[BATCH];
static struct mmsghdr messages[BATCH];

// Returns whether there was one. What cannot be sent is lost, as datagrams are.
static bool echo_one(int flags) {
  socklen_t size = sizeof peers[0];
  struct sockaddr *peer = (struct sockaddr *)&peers[0];
  ssize_t received = recvfrom(server, memory[0], ROOM, flags, peer, &size);
  if (received < 0) return false;
  return sendto(server, memory[0], (size_t)received, flags, peer, size) >= 0;
}

static void echo_some(void) {
  for (int i = 0; i < BATCH; i++) {
    buffers[i] = (struct iovec){memory[i], ROOM};
    messages[i].msg_hdr = (struct msghdr){.msg_name = &peers[i],
                                          .msg_namelen = sizeof peers[i],
                                          .msg_iov = &buffers[i],
                                          .msg_iovlen = 1};
  }
  int count = recvmmsg(server, messages, BATCH, MSG_DONTWAIT, NULL);
  for (int i = 0; i < count; i++) buffers[i].iov_len = messages[i].msg_len;
  int done = 0;
  while (done < count) {
    int sent = sendmmsg(server, messages + done, (unsigned)(count - done), MSG_DONTWAIT);
    done += sent > 0 ? sent : 1;
  }
}

static void wait_for_some(void) {
  struct epoll_event event;
  (void)epoll_wait(epoll_fd, &event, 1, -1);
}

static void serve_single(void) {
  for (;;) {
    wait_for_some();
    echo_one(MSG_DONTWAIT);
  }
}

static void serve_until_dry(void) {
  for (;;) {
    wait_for_some();
    while (echo_one(MSG_DONTWAIT)) continue;
  }
}

static void serve_batches(void) {
  for (;;) {
    wait_for_some();
    echo_some();
  }
}

static void serve_blocking(void) {
  for (;;) echo_one(0);
}

static bool start(const char *host, const char *port) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
  if (inet_pton(AF_INET, host, &address.sin_addr) != 1) return false;
  server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  return server >= 0 && epoll_fd >= 0 &&
         bind(server, (const struct sockaddr *)&address, sizeof address) == 0 &&
         epoll_ctl(epoll_fd, EPOLL_CTL_ADD, server, &event) == 0;
}

int main(int count, char **words) {
  static const struct {
    const char *name;
    void (*serve)(void);
  } modes[] = {{"single", serve_single},
               {"dry", serve_until_dry},
               {"batch", serve_batches},
               {"blocking", serve_blocking}};
  enum { MODES = sizeof modes / sizeof modes[0] };
  int mode = 0;
  while (count == 4 && mode < MODES && strcmp(words[1], modes[mode].name) != 0) mode++;
  if (count != 4 || mode == MODES) {
    return fprintf(stderr, "usage: %s single|dry|batch|blocking HOST PORT\n", words[0]), 2;
  }
  if (!start(words[2], words[3])) return perror(words[0]), 1;
  modes[mode].serve();
}
