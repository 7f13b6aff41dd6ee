// SPDX-License-Identifier: Apache-2.0
//
// Copies from connection to connection by splice(2): from the source's socket into a pipe of the
// kernel, and from there to the target's.
//
// What is in the pipe has left the socket, but nobody has read it: the pipe stays with the source,
// and whoever reads there next gets that first. So a copy may stop anywhere, and nothing has to be
// brought back. A pipe is held only while there are bytes in it.

#include "selector/internal/kernel_pipe.h"
#include "tcp/internal/tcp_connection.h"

// Below so many bytes at once a copy through memory costs less; docs/decisions.md has the trial.
enum { WORTH_A_SPLICE = 32 * 1024 };

static void give_pipe_back(weir_tcp_connection *self) {
  weir_internal_kernel_pipe_give(self->descriptor.loop, &self->spliced);
}

// A copy that is suspended still names the pipe; it drops what is in it when it goes on.
void weir_internal_tcp_drop_spliced(weir_tcp_connection *self) {
  self->unwanted = true;
  if (self->spliced.held > 0 && !self->passing) give_pipe_back(self);
}

// Returns how many bytes have come into the pipe; then it stays. -EAGAIN when no more is there;
// otherwise as weir_internal_tcp_copy_to.
static int take_what_is_there(weir_tcp_connection *self, size_t size) {
  if (weir_internal_kernel_pipe_take(self->descriptor.loop, &self->spliced) < 0) return -ENOTSUP;
  // A slot of the pipe may hold more than the page for which it counts.
  if (size > WEIR_INTERNAL_KERNEL_PIPE_SIZE) size = WEIR_INTERNAL_KERNEL_PIPE_SIZE;
  weir_internal_operation operation = {.kind = WEIR_INTERNAL_SPLICE_IN,
                                       .descriptor = &self->descriptor,
                                       .with.splice = {self->spliced.write_end, size}};
  int result = weir_internal_try(&operation);
  if (result > 0) {
    self->spliced.held = (size_t)result;
    return result;
  }
  give_pipe_back(self);
  weir_internal_tcp_remember_failure(self, &operation, result);
  return result;
}

// Waits for bytes without a pipe, and takes them into one.
static int take_in(weir_tcp_connection *self, size_t size) {
  int result;
  do {
    weir_internal_operation readable = {.kind = WEIR_INTERNAL_READABLE,
                                        .descriptor = &self->descriptor,
                                        .timeout = self->socket_timeout};
    result = weir_internal_await(&readable);
    if (result == -ECANCELED || result == -ETIMEDOUT || result == -ETIME) return result;
    // It is the source that has failed, not the target: |read| tells how.
    if (result < 0) return -EAGAIN;
    result = take_what_is_there(self, size);
  } while (result == -EAGAIN);
  if (result == -EINVAL) return -ENOTSUP;
  // The end, a failure or urgent data: |read| tells which.
  if (result <= 0) return result == -ENOTSUP ? result : -EAGAIN;
  self->few_spliced = result < WORTH_A_SPLICE;
  return result;
}

static int pass_on(weir_tcp_connection *self, weir_tcp_connection *target, size_t size) {
  if (size > self->spliced.held) size = self->spliced.held;
  weir_internal_operation operation = {.kind = WEIR_INTERNAL_SPLICE_OUT,
                                       .descriptor = &target->descriptor,
                                       .timeout = target->socket_timeout,
                                       .with.splice = {self->spliced.read_end, size}};
  self->passing = true;
  int result = weir_internal_await(&operation);
  self->passing = false;
  if (result > 0) self->spliced.held -= (size_t)result;
  if (self->spliced.held == 0 || self->unwanted) give_pipe_back(self);
  if (result < 0) {
    weir_internal_tcp_remember_failure(target, &operation, result);
    return result == -EINVAL ? -ENOTSUP : result;
  }
  return result > 0 ? result : -EAGAIN;
}

int weir_internal_tcp_copy_to(weir_connection *connection, weir_connection *target, size_t size) {
  weir_tcp_connection *self = (weir_tcp_connection *)connection;
  if (target->transport != connection->transport) return -ENOTSUP;
  if (self->spliced.held == 0) {
    bool was_not_worth_it = self->few_spliced;
    self->few_spliced = false;
    if (was_not_worth_it) return -EAGAIN;
    int result = take_in(self, size);
    if (result < 0) return result;
  }
  return pass_on(self, (weir_tcp_connection *)target, size);
}

static int read_pipe(const weir_tcp_connection *self, const struct iovec *buffer) {
  const weir_internal_system_calls *calls = weir_internal_selector_calls(self->descriptor.selector);
  int result;
  do {
    result = calls->read(calls->context, self->spliced.read_end, buffer->iov_base, buffer->iov_len);
  } while (result == -EINTR);
  // There are bytes in it, or so it was told.
  return result == -EAGAIN || result == 0 ? -EIO : result;
}

int weir_internal_tcp_read_spliced(weir_tcp_connection *self, weir_internal_lender *lender) {
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count <= 0) return count < 0 ? count : -EINVAL;
  int done = 0;
  for (int i = 0; i < count && self->spliced.held > 0; i++) {
    int result = read_pipe(self, &buffers[i]);
    if (result < 0) return done > 0 ? done : result;
    done += result;
    self->spliced.held -= (size_t)result;
    if ((size_t)result < buffers[i].iov_len) break;
  }
  if (self->spliced.held == 0) give_pipe_back(self);
  return done;
}
