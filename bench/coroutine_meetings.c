// SPDX-License-Identifier: Apache-2.0

#include <errno.h>
#include <stddef.h>

#include "bench/coroutine_weir.h"
#include "weir/blocking.h"
#include "weir/channel.h"
#include "weir/selector.h"
#include "weir/sync.h"

// Pipes

typedef struct pipe_end {
  weir_read_channel *input;
  weir_write_channel *output;
  int64_t rounds;
} pipe_end;

static pipe_end open_end(weir_connection *connection, int64_t rounds) {
  return (pipe_end){weir_open_read_channel(connection), weir_open_write_channel(connection, true),
                    rounds};
}

static int answer_bytes(void *argument) {
  const pipe_end *self = (const pipe_end *)argument;
  int result = 0;
  for (int64_t i = 0; i < self->rounds && result == 0; i++) {
    int8_t byte;
    result = weir_read_int8(self->input, &byte);
    if (result == 0) result = weir_write_int8(self->output, byte);
  }
  return result;
}

static int ask_bytes(const pipe_end *self) {
  int result = 0;
  for (int64_t i = 0; i < self->rounds && result == 0; i++) {
    int8_t byte = (int8_t)i;
    int8_t back;
    result = weir_write_int8(self->output, byte);
    if (result == 0) result = weir_read_int8(self->input, &back);
    if (result == 0 && back != byte) result = -EIO;
  }
  return result;
}

int bench_pipe(bench_work *work) {
  weir_connection *near;
  weir_connection *far;
  int result = weir_pipe(&near, &far, NULL);
  if (result < 0) return result;
  pipe_end here = open_end(near, work->units / 2);
  pipe_end there = open_end(far, work->units / 2);
  result = weir_launch(NULL, NULL, NULL, answer_bytes, &there);
  if (result == 0) result = weir_yield();
  bench_begin(work);
  if (result == 0) result = ask_bytes(&here);
  bench_end(work);
  if (result == 0) result = weir_scope_wait(NULL);
  (void)weir_connection_close(near);
  (void)weir_connection_close(far);
  return result;
}

// Typed channels

typedef struct exchange {
  weir_typed_channel *forth;
  weir_typed_channel *back;
  int64_t rounds;
} exchange;

static int answer(void *argument) {
  const exchange *self = (const exchange *)argument;
  int result = 0;
  for (int64_t i = 0; i < self->rounds && result == 0; i++) {
    int64_t element;
    result = weir_typed_channel_receive(self->forth, &element);
    if (result == 0) result = weir_typed_channel_send(self->back, &element);
  }
  return result;
}

static int ask(const exchange *self) {
  int result = 0;
  for (int64_t i = 0; i < self->rounds && result == 0; i++) {
    int64_t element;
    result = weir_typed_channel_send(self->forth, &i);
    if (result == 0) result = weir_typed_channel_receive(self->back, &element);
    if (result == 0 && element != i) result = -EIO;
  }
  return result;
}

static int hop(bench_work *work, int loop) {
  exchange self = {.rounds = work->units / 2};
  int result = weir_typed_channel_create(&self.forth, sizeof(int64_t), 0);
  if (result == 0) result = weir_typed_channel_create(&self.back, sizeof(int64_t), 0);
  if (result == 0) result = weir_launch_on(loop, NULL, NULL, NULL, answer, &self);
  if (result == 0) result = weir_yield();
  bench_begin(work);
  if (result == 0) result = ask(&self);
  bench_end(work);
  if (result == 0) result = weir_scope_wait(NULL);
  weir_typed_channel_close(self.forth);
  weir_typed_channel_close(self.back);
  return result;
}

int bench_channel(bench_work *work) { return hop(work, 0); }

int bench_loops(bench_work *work) { return hop(work, 1); }

// Alone

int bench_mutex(bench_work *work) {
  weir_mutex *mutex;
  int result = weir_mutex_create(&mutex);
  if (result < 0) return result;
  bench_begin(work);
  for (int64_t i = 0; i < work->units && result == 0; i++) {
    result = weir_mutex_lock(mutex);
    if (result == 0) result = weir_mutex_unlock(mutex);
  }
  bench_end(work);
  weir_mutex_close(mutex);
  return result;
}

static int do_nothing(void *argument) {
  (void)argument;
  return 0;
}

int bench_blocking(bench_work *work) {
  int result = weir_blocking(do_nothing, NULL);
  bench_begin(work);
  for (int64_t i = 0; i < work->units && result == 0; i++) result = weir_blocking(do_nothing, NULL);
  bench_end(work);
  return result;
}
