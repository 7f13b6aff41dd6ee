// SPDX-License-Identifier: Apache-2.0
//
// The steps of which copies consist. Bytes are written from where they lie in the source's buffer,
// and count as read only when the target has taken them.

#include "channel/internal/transfer.h"

static void hold(weir_internal_transfer *self, weir_internal_interruptible *holder) {
  self->source->holder = holder;
  for (int i = 0; i < self->target_count; i++) self->targets[i]->holder = holder;
}

// The connections, from 0 on: of the source, then of the targets.
static weir_connection *connection_of(const weir_internal_transfer *self, int number) {
  if (number == 0) return weir_internal_reader_connection(self->source);
  return weir_internal_writer_connection(self->targets[number - 1]);
}

static bool is_one_elsewhere(const weir_internal_transfer *self) {
  bool elsewhere = false;
  for (int i = 0; i <= self->target_count && !elsewhere; i++) {
    elsewhere = weir_internal_connection_is_elsewhere(connection_of(self, i));
  }
  return elsewhere;
}

// Only channels of this loop can be in use here; what others are doing with theirs is not to be
// looked at.
static bool is_one_busy(const weir_internal_transfer *self) {
  const weir_internal_loop *loop = weir_internal_current_loop();
  bool busy = self->target_count > 1 && self->targets[0] == self->targets[1];
  for (int i = 0; i <= self->target_count && !busy; i++) {
    const weir_connection *connection = connection_of(self, i);
    if (weir_internal_connection_loop(connection) != loop) continue;
    busy = i == 0 ? connection->reader.busy : connection->writer.busy;
  }
  return busy;
}

// Makes all connections this loop's, if none is another's. Returns 0 or -EXDEV.
static int claim(const weir_internal_transfer *self) {
  if (is_one_elsewhere(self)) return -EXDEV;
  for (int i = 0; i <= self->target_count; i++) {
    weir_internal_connection_bind(connection_of(self, i), weir_internal_current_loop());
  }
  // Another loop may have come before us.
  return is_one_elsewhere(self) ? -EXDEV : 0;
}

int weir_internal_transfer_check(const weir_internal_transfer *self) {
  if (weir_internal_current_coroutine() == NULL) return -EINVAL;
  if (is_one_elsewhere(self)) return -EXDEV;
  return is_one_busy(self) ? -EBUSY : claim(self);
}

static int enter_source(weir_read_channel *source) {
  return weir_internal_connection_enter_at_once(weir_internal_reader_connection(source),
                                                &source->busy);
}

// Lets go of the first |count| targets and the source; the last may free its connection.
static int let_go(weir_internal_transfer *self, int count, int result) {
  for (int i = count - 1; i >= 0; i--) {
    result = weir_internal_writer_leave(self->targets[i], result);
  }
  return weir_internal_reader_leave(self->source, result);
}

int weir_internal_transfer_begin(weir_internal_transfer *self) {
  self->count = 0;
  if (weir_internal_current_loop() == NULL) return -EINVAL;
  int result = claim(self);
  if (result == 0) result = enter_source(self->source);
  if (result < 0) return result;
  for (int i = 0; i < self->target_count; i++) {
    result = weir_internal_writer_enter_at_once(self->targets[i]);
    if (result < 0) return let_go(self, i, result);
  }
  weir_internal_interruptible_begin(&self->holder);
  hold(self, &self->holder);
  return 0;
}

int weir_internal_transfer_leave(weir_internal_transfer *self, int result) {
  hold(self, NULL);
  weir_internal_interruptible_end(&self->holder);
  return let_go(self, self->target_count, result);
}

// Returns why one of the channels has ended, or 0.
static int failure_of_any(const weir_internal_transfer *self) {
  int failure = weir_internal_reader_connection(self->source)->failure;
  // Bytes that came before a failure of the source are still to be passed.
  if (failure == 0 && weir_internal_reader_held(self->source) == 0) failure = self->source->failure;
  for (int i = 0; i < self->target_count && failure == 0; i++) {
    weir_write_channel *target = self->targets[i];
    failure = target->failure;
    if (failure == 0) failure = weir_internal_writer_connection(target)->failure;
  }
  return failure;
}

int weir_internal_transfer_reason(const weir_internal_transfer *self, int result) {
  // Only a cancellation can come from elsewhere.
  int failure = result == -ECANCELED ? failure_of_any(self) : 0;
  return failure < 0 ? failure : result;
}

int weir_internal_transfer_flush(weir_internal_transfer *self) {
  int result = 0;
  for (int i = 0; i < self->target_count && result == 0; i++) {
    result = weir_internal_writer_flush(self->targets[i]);
  }
  return result;
}

int weir_internal_transfer_end(weir_internal_transfer *self) {
  int result = 0;
  for (int i = 0; i < self->target_count && result == 0; i++) {
    result = weir_internal_writer_end(self->targets[i]);
  }
  return result;
}

void weir_internal_transfer_cut(weir_internal_transfer *self) {
  for (int i = 0; i < self->target_count; i++) {
    weir_write_channel *target = self->targets[i];
    bool is_closing = weir_internal_writer_connection(target)->failure == WEIR_E_CLOSED;
    if (is_closing && !target->closed) target->cut = true;
  }
}

void weir_internal_transfer_cancel(weir_internal_transfer *self, int cause) {
  for (int i = 0; i < self->target_count; i++) weir_write_channel_cancel(self->targets[i], cause);
  weir_read_channel_cancel(self->source, cause);
}

int weir_internal_transfer_await_more(weir_internal_transfer *self) {
  int result = weir_internal_reader_fill_at_once(self->source);
  if (result == -EAGAIN) {
    result = weir_internal_transfer_flush(self);
    // The wait for one channel may be the time in which another one ends.
    if (result == 0) result = failure_of_any(self);
    if (result == 0) result = weir_internal_reader_fill(self->source);
  }
  return result > 0 ? 1 : result;
}

int weir_internal_transfer_await(weir_internal_transfer *self) {
  // A source that never makes us wait must not keep the others from running.
  int result = weir_internal_connection_go_on(weir_internal_reader_connection(self->source));
  if (result == 0) result = failure_of_any(self);
  if (result == 0) result = weir_internal_reader_settle(self->source);
  if (result < 0) return result;
  if (weir_internal_reader_held(self->source) > 0) return 1;
  return weir_internal_transfer_await_more(self);
}

int weir_internal_transfer_pass(weir_internal_transfer *self, size_t size) {
  weir_read_channel *source = self->source;
  weir_bytes bytes = weir_bytes_of(source->buffer + source->start, size);
  size_t least = size;
  int result = 0;
  for (int i = 0; i < self->target_count && result == 0; i++) {
    size_t done = 0;
    result = weir_internal_writer_pass(self->targets[i], bytes, &done);
    if (done < least) least = done;
  }
  if (result < 0 && self->target_count > 1) least = 0;
  self->count += least;
  // A cancel meanwhile has dropped what was unread. After a failure of the transport it is there.
  if (weir_internal_reader_held(source) < size) return result < 0 ? result : source->failure;
  weir_internal_reader_consume(source, least);
  return result;
}

static bool can_move(const weir_internal_transfer *self) {
  const weir_connection *from = weir_internal_reader_connection(self->source);
  return from->transport->copy_to != NULL && self->target_count == 1;
}

// Moves up to |limit| bytes by the transports alone; nothing is held. Returns 1 or a negative code:
// -EAGAIN when what comes next has to go through memory, -ENOTSUP if everything has to.
static int move(weir_internal_transfer *self, uint64_t limit) {
  weir_read_channel *source = self->source;
  weir_write_channel *target = self->targets[0];
  weir_connection *from = weir_internal_reader_connection(source);
  int result = weir_internal_connection_go_on(from);
  if (result == 0) result = weir_internal_transfer_flush(self);
  if (result == 0) result = failure_of_any(self);
  if (result < 0) return result;
  // It may wait for long, and an idle channel holds nothing.
  weir_internal_reader_release(source);
  const uint64_t largest = WEIR_INTERNAL_LARGEST_CAPACITY;
  result = from->transport->copy_to(from, weir_internal_writer_connection(target),
                                    (size_t)(limit < largest ? limit : largest));
  if (result == -EAGAIN || result == -ENOTSUP) return result;
  if (result < 0) return weir_internal_writer_failed(target, result);
  source->received += (uint64_t)result;
  target->gone += (uint64_t)result;
  self->count += (uint64_t)result;
  return 1;
}

// Passes up to |limit| bytes through memory. Returns 1, 0 at the end of the stream, or a negative
// code. *filled tells whether there were as many as the source holds at once, and so probably more.
static int pass_next(weir_internal_transfer *self, uint64_t limit, bool *filled) {
  if (*filled && limit > self->source->capacity) {
    self->source->bulk = limit < UINT32_MAX / 2 ? (uint32_t)limit : UINT32_MAX / 2;
  }
  int result = weir_internal_transfer_await(self);
  self->source->bulk = 0;
  if (result <= 0) return result;
  size_t held = weir_internal_reader_held(self->source);
  *filled = held >= self->source->capacity;
  result = weir_internal_transfer_pass(self, held < limit ? held : (size_t)limit);
  return result == 0 ? 1 : result;
}

int weir_internal_transfer_all(weir_internal_transfer *self, uint64_t limit,
                               weir_copy_method method) {
  bool may_move = method == WEIR_COPY_ANY && can_move(self);
  bool filled = false;
  int result = 1;
  while (result > 0 && self->count < limit) {
    uint64_t left = limit - self->count;
    if (may_move && filled && weir_internal_reader_held(self->source) == 0) {
      result = move(self, left);
      may_move = result != -ENOTSUP;
      if (may_move && result != -EAGAIN) continue;
    }
    result = pass_next(self, left, &filled);
  }
  return result < 0 ? result : 0;
}
