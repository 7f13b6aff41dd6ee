// SPDX-License-Identifier: Apache-2.0

#include "selector/internal/socket_file.h"

#include <stddef.h>
#include <sys/stat.h>

static bool has_path(const struct sockaddr_un *address, socklen_t size) {
  return size > offsetof(struct sockaddr_un, sun_path) && address->sun_path[0] != '\0';
}

// Whether there is a socket's file at |address| that no socket has any more: only then does
// connect(2) say that it is refused. Of a file that is no socket it says the same.
static bool is_stale(const weir_internal_system_calls *calls, int type,
                     const struct sockaddr_un *address, socklen_t size) {
  struct stat status;
  int result = calls->file_status(calls->context, address->sun_path, &status);
  if (result < 0 || !S_ISSOCK(status.st_mode)) return false;
  int probe = calls->socket(calls->context, AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  result = calls->connect(calls->context, probe, (const struct sockaddr *)address, size);
  (void)calls->close(calls->context, probe);
  return result == -ECONNREFUSED;
}

int weir_internal_socket_file_bind(const weir_internal_system_calls *calls, int fd, int type,
                                   const struct sockaddr_un *address, socklen_t size, bool replace,
                                   weir_internal_socket_file *out) {
  *out = (weir_internal_socket_file){0};
  const struct sockaddr *any = (const struct sockaddr *)address;
  int result = calls->bind(calls->context, fd, any, size);
  if (!has_path(address, size)) return result;
  if (result == -EADDRINUSE && replace && is_stale(calls, type, address, size)) {
    // Where it fails the second bind says so.
    (void)calls->remove_file(calls->context, address->sun_path);
    result = calls->bind(calls->context, fd, any, size);
  }
  if (result < 0) return result;
  struct stat status;
  // Without its number the file stays where it is.
  if (calls->file_status(calls->context, address->sun_path, &status) == 0) {
    *out = (weir_internal_socket_file){status.st_dev, status.st_ino};
  }
  return 0;
}

void weir_internal_socket_file_remove(const weir_internal_system_calls *calls,
                                      const struct sockaddr_un *address,
                                      const weir_internal_socket_file *file) {
  if (file->number == 0) return;
  struct stat status;
  if (calls->file_status(calls->context, address->sun_path, &status) < 0) return;
  // Somebody may have replaced it meanwhile.
  if (status.st_dev != file->device || status.st_ino != file->number) return;
  (void)calls->remove_file(calls->context, address->sun_path);
}
