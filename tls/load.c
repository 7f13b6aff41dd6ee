// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/load.h"

#include <fcntl.h>
#include <openssl/mem.h>
#include <sys/stat.h>
#include <unistd.h>

#include "coroutine/internal/suspend.h"
#include "tls/internal/failure.h"
#include "weir/blocking.h"

typedef struct call {
  int (*function)(void *argument);
  void *argument;
  weir_tls_failure failure;
} call;

static int run(void *argument) {
  call *self = (call *)argument;
  int result = self->function(self->argument);
  if (result < 0) self->failure = *weir_internal_tls_noted();
  return result;
}

int weir_internal_tls_off_loop(int (*function)(void *argument), void *argument) {
  if (weir_internal_current_coroutine() == NULL) return function(argument);
  call self = {.function = function, .argument = argument};
  int result = weir_blocking(run, &self);
  if (result < 0 && self.failure.code == result) {
    weir_internal_tls_note(&self.failure);
  } else if (result < 0) {
    return weir_internal_tls_fail(result, "the blocking pool: %s", weir_error_message(result));
  }
  return result;
}

// Reads from |fd| until |out| is full or the file ends.
static int read_all(weir_buffer *out, int fd) {
  while (out->size < out->capacity) {
    // Perhaps outside of any selector: not in the table: of one.
    ssize_t count = read(fd, out->data + out->size, out->capacity - out->size);
    if (count == 0) return 0;
    if (count < 0 && errno != EINTR) return -errno;
    if (count > 0) out->size += (size_t)count;
  }
  return 0;
}

static int read_descriptor(weir_buffer *out, int fd, size_t limit) {
  struct stat status;
  if (fstat(fd, &status) < 0) return -errno;
  // One byte more shows whether that was all. What has no size, such as a pipe, may need all room.
  size_t room = limit;
  if (S_ISREG(status.st_mode) && status.st_size > 0) {
    if ((uint64_t)status.st_size > limit) return -EFBIG;
    room = (size_t)status.st_size;
  }
  int result = weir_buffer_reserve(out, room + 1);
  if (result == 0) result = read_all(out, fd);
  if (result == 0 && out->size > room) result = -EFBIG;
  return result;
}

int weir_internal_tls_read_file(weir_buffer *out, const char *path, size_t limit) {
  if (path == NULL) return weir_internal_tls_fail(-EINVAL, "there is no path");
  // Perhaps outside of any selector: not in the table: of one.
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int result = fd < 0 ? -errno : read_descriptor(out, fd, limit);
  if (fd >= 0) close(fd);  // not in the table: either
  if (result == 0) return 0;
  if (out->data != NULL) OPENSSL_cleanse(out->data, out->size);
  out->size = 0;
  return weir_internal_tls_fail(result, "cannot read %s: %s", path, weir_error_message(result));
}
