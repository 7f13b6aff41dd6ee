// SPDX-License-Identifier: Apache-2.0
//
// Copies what one client sends to a target, then ends, with nothing but system calls that block:
// copy_reference read-write|splice HOST PORT TARGET_PORT. Not to be changed: what is measured is
// measured against it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER_SIZE = 64 * 1024, PIPE_SIZE = 1024 * 1024 };

static bool parse(struct sockaddr_in *out, const char *host, const char *port) {
  *out = (struct sockaddr_in){.sin_family = AF_INET};
  out->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
  return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static int accept_one(const struct sockaddr_in *address) {
  int on = 1;
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind(listener, (const struct sockaddr *)address, sizeof *address) < 0 ||
      listen(listener, 1) < 0) {
    return -1;
  }
  int client = accept(listener, NULL, NULL);
  close(listener);
  return client;
}

static int connect_to(const struct sockaddr_in *address) {
  int target = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (target < 0) return -1;
  return connect(target, (const struct sockaddr *)address, sizeof *address) < 0 ? -1 : target;
}

static bool copy_by_memory(int client, int target) {
  static char buffer[BUFFER_SIZE];
  ssize_t size;
  while ((size = read(client, buffer, sizeof buffer)) > 0) {
    for (ssize_t done = 0; done < size;) {
      ssize_t sent = write(target, buffer + done, (size_t)(size - done));
      if (sent <= 0) return false;
      done += sent;
    }
  }
  return size == 0;
}

static bool copy_by_splice(int client, int target) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE) < 0) return false;
  ssize_t size;
  while ((size = splice(client, NULL, ends[1], NULL, PIPE_SIZE, SPLICE_F_MOVE)) > 0) {
    for (ssize_t done = 0; done < size;) {
      ssize_t sent = splice(ends[0], NULL, target, NULL, (size_t)(size - done), SPLICE_F_MOVE);
      if (sent <= 0) return false;
      done += sent;
    }
  }
  return size == 0;
}

int main(int count, char **words) {
  struct sockaddr_in address, target_address;
  if (count != 5 || !parse(&address, words[2], words[3]) ||
      !parse(&target_address, words[2], words[4])) {
    return fprintf(stderr, "usage: %s read-write|splice HOST PORT TARGET\n", words[0]), 2;
  }
  bool splices = strcmp(words[1], "splice") == 0;
  int client = accept_one(&address);
  int target = client < 0 ? -1 : connect_to(&target_address);
  bool copied = target >= 0 && (splices ? copy_by_splice : copy_by_memory)(client, target);
  if (!copied) return perror(words[0]), 1;
  return shutdown(target, SHUT_WR) < 0 ? 1 : 0;
}
