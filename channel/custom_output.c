// SPDX-License-Identifier: Apache-2.0
//
// How output leaves through the user's code. A coroutine that writes or flushes calls that itself.
// What auto-flush or a close has to send goes on in a coroutine of the connection's own: it writes
// a copy of what comes first in the channel, where that stays until the result is known. Whoever
// writes next gets this result, as if it were that of its own write.

#include "channel/internal/custom_connection.h"

// With which our coroutine works when there is no memory for more.
enum { LEAST_COPY = 512 };

static int take_outcome(weir_internal_custom_connection *self) {
  self->has_outcome = false;
  return self->outcome;
}

static int call_write(weir_internal_custom_connection *self, const void *data, size_t size,
                      bool wait) {
  if (self->operations.write == NULL) return -EPIPE;
  weir_shield shield = weir_internal_custom_begin(&self->writing, wait);
  int result = self->operations.write(self->context, data, size, wait);
  weir_internal_custom_end(&self->writing, wait, shield);
  return weir_internal_custom_result(result == 0 ? -EINVAL : result, size, wait);
}

static int call_finish(weir_internal_custom_connection *self, bool wait) {
  if (self->operations.finish == NULL) return 0;
  weir_shield shield = weir_internal_custom_begin(&self->writing, wait);
  int result = self->operations.finish(self->context, wait);
  weir_internal_custom_end(&self->writing, wait, shield);
  return weir_internal_custom_result(result > 0 ? 0 : result, 0, wait);
}

// Waits until our coroutine, which is inside the user's code, has come back. Returns 0, -EAGAIN if
// that is to be waited for but not now, or why it was not.
static int await_background(weir_internal_custom_connection *self, bool wait) {
  int result = 0;
  while (result == 0 && self->in_flight) {
    result = wait ? weir_internal_wait_queue_wait_for(&self->done, WEIR_FOREVER, "write") : -EAGAIN;
  }
  if (result == 0 && self->broken) result = -ECONNABORTED;
  // The user's code may use other channels, which takes a coroutine.
  if (result == 0 && weir_internal_current_coroutine() == NULL) result = -EAGAIN;
  return result;
}

int weir_internal_custom_write(weir_connection *connection, const struct iovec *buffers, int count,
                               bool wait) {
  (void)count;
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  int result = await_background(self, wait);
  if (result < 0) return result;
  if (self->has_outcome) return take_outcome(self);
  return call_write(self, buffers[0].iov_base, buffers[0].iov_len, wait);
}

int weir_internal_custom_flush(weir_connection *connection) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (self->layer == NULL) return 0;
  weir_shield shield = weir_internal_custom_begin(&self->writing, true);
  int result = self->layer->flush(self->context);
  weir_internal_custom_end(&self->writing, true, shield);
  return result;
}

int weir_internal_custom_finish_write(weir_connection *connection, bool wait) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  int result = await_background(self, wait);
  if (result < 0) return result;
  if (self->has_outcome) return take_outcome(self);
  result = call_finish(self, wait);
  self->finishing = result == -EAGAIN;
  return result;
}

void weir_internal_custom_interrupt_write(weir_connection *connection, int reason) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  weir_internal_wait_queue_wake_all(&self->done, reason);
  if (!self->in_flight) weir_internal_custom_interrupt(&self->writing);
}

// Our coroutine

// Writes a part of what is unsent.
static int write_copy(weir_internal_custom_connection *self) {
  char least[LEAST_COPY];
  const weir_write_channel *writer = &self->connection.writer;
  weir_internal_buffer_pool *pool = self->connection.pool;
  char *memory = weir_internal_buffer_take(pool, WEIR_INTERNAL_POOLED_SIZE);
  char *copy = memory != NULL ? memory : least;
  size_t room = memory != NULL ? (size_t)WEIR_INTERNAL_POOLED_SIZE : sizeof least;
  size_t size = weir_internal_writer_pending(writer);
  if (size > room) size = room;
  memcpy(copy, writer->buffer + writer->start, size);
  int result = call_write(self, copy, size, true);
  if (memory != NULL) weir_internal_buffer_give(pool, memory, WEIR_INTERNAL_POOLED_SIZE);
  return result;
}

static void work(weir_internal_custom_connection *self) {
  bool write = weir_internal_writer_pending(&self->connection.writer) > 0;
  if (self->has_outcome || (!write && !self->finishing)) return;
  self->in_flight = true;
  self->outcome = write ? write_copy(self) : call_finish(self, true);
  self->in_flight = false;
  self->has_outcome = true;
  weir_internal_wait_queue_wake_all(&self->done, 0);
}

static int run_background(void *argument) {
  weir_internal_custom_connection *self = (weir_internal_custom_connection *)argument;
  while (self->watcher != NULL) {
    work(self);
    weir_internal_watcher *watcher = self->watcher;
    self->watcher = NULL;
    // It may watch again. It may also end the connection, which then waits for us.
    if (watcher != NULL) watcher->ready(watcher);
  }
  self->background = false;
  weir_internal_connection_close_on(&self->connection);
  return 0;
}

int weir_internal_custom_watch_write(weir_connection *connection, weir_internal_watcher *watcher) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (!self->background) {
    int result = weir_internal_loop_launch(connection->loop, run_background, self);
    if (result < 0) return result;
    self->background = true;
  }
  self->watcher = watcher;
  return 0;
}

void weir_internal_custom_unwatch_write(weir_connection *connection) {
  weir_internal_custom_of(connection)->watcher = NULL;
}

bool weir_internal_custom_stop(weir_connection *connection) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (!self->background) return self->layer == NULL || self->layer->stop(self->context);
  self->watcher = NULL;
  self->broken = true;
  if (self->in_flight) weir_internal_custom_interrupt(&self->writing);
  return false;
}
