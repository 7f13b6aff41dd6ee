// SPDX-License-Identifier: Apache-2.0
//
// A pipe: two connections in memory, and between them a ring of bytes for each direction. A ring
// has memory only while something is in it.

#include "channel/internal/pipe.h"

#include <assert.h>

#include "base/internal/memory.h"
#include "channel/internal/connection.h"

// What a ring has to go on with when there is no memory: a pipe becomes slow then, but output never
// gets stuck in the background, where nobody could be told.
enum { RESERVE = 32 };

typedef struct byte_ring {
  char *data;  // NULL while the ring is empty
  size_t size;
  size_t start;
  size_t count;
  bool finished;  // the writer has ended its stream
  int cause;      // with which the writer broke off, or 0
  int refusal;    // what writes return because the reader is gone, or 0
  weir_internal_wait_queue reader;
  weir_internal_wait_queue writer;
  weir_internal_watcher *watcher;  // of the writer
  char reserve[RESERVE];
} byte_ring;

typedef struct memory_pipe memory_pipe;

typedef struct pipe_end {
  weir_connection connection;
  memory_pipe *pipe;
  byte_ring *input;
  byte_ring *output;
  weir_internal_pipe_partner *partner;  // or NULL
} pipe_end;

struct memory_pipe {
  pipe_end ends[2];
  byte_ring rings[2];
  size_t capacity;
  weir_internal_buffer_pool *pool;
  int references;
  bool broken;  // by an abort
};

static pipe_end *end_of(weir_connection *connection) { return (pipe_end *)connection; }

// The ring

static void empty(memory_pipe *pipe, byte_ring *ring) {
  if (ring->data != NULL && ring->data != ring->reserve) {
    weir_internal_buffer_give(pipe->pool, ring->data, ring->size);
  }
  ring->data = NULL;
  ring->size = ring->start = ring->count = 0;
}

static void take_memory(memory_pipe *pipe, byte_ring *ring) {
  if (ring->data != NULL) return;
  ring->data = weir_internal_buffer_take(pipe->pool, pipe->capacity);
  ring->size = pipe->capacity;
  if (ring->data != NULL) return;
  ring->data = ring->reserve;
  if (ring->size > RESERVE) ring->size = RESERVE;
}

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

// Both copy up to |size| bytes and return how many; the ring may wrap once.
static size_t put(byte_ring *ring, const char *data, size_t size) {
  size = smaller(size, ring->size - ring->count);
  size_t at = (ring->start + ring->count) % ring->size;
  size_t first = smaller(size, ring->size - at);
  memcpy(ring->data + at, data, first);
  if (size > first) memcpy(ring->data, data + first, size - first);
  ring->count += size;
  return size;
}

static size_t get(byte_ring *ring, char *out, size_t size) {
  size = smaller(size, ring->count);
  size_t first = smaller(size, ring->size - ring->start);
  memcpy(out, ring->data + ring->start, first);
  if (size > first) memcpy(out + first, ring->data, size - first);
  ring->start = (ring->start + size) % ring->size;
  ring->count -= size;
  return size;
}

// Waking. A watcher may free the other end, and with it the pipe unless our own end holds it.

static void tell_writer(byte_ring *ring) {
  weir_internal_wait_queue_wake_all(&ring->writer, 0);
  weir_internal_watcher *watcher = ring->watcher;
  ring->watcher = NULL;
  if (watcher != NULL) watcher->ready(watcher);
}

static void tell_reader(byte_ring *ring) { weir_internal_wait_queue_wake_all(&ring->reader, 0); }

// The transport

static int take(memory_pipe *pipe, byte_ring *input, weir_internal_lender *lender) {
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  size_t done = 0;
  for (int i = 0; i < count; i++) done += get(input, buffers[i].iov_base, buffers[i].iov_len);
  if (input->count == 0) empty(pipe, input);
  tell_writer(input);
  return (int)done;
}

static int pipe_read(weir_connection *connection, weir_internal_lender *lender, bool wait) {
  pipe_end *self = end_of(connection);
  byte_ring *input = self->input;
  for (;;) {
    if (input->cause < 0) return input->cause;
    // A cancel that came when we were woken already, and has taken what we were woken for.
    if (input->refusal < 0) return input->refusal;
    if (self->pipe->broken) return -ECONNRESET;
    if (input->count > 0) return take(self->pipe, input, lender);
    if (input->finished) return 0;
    if (!wait) return -EAGAIN;
    int result = weir_internal_wait_queue_wait_for(&input->reader, WEIR_FOREVER, "read");
    if (result < 0) return result;
  }
}

// Returns why a write could not make progress now, or 0.
static int check_room(const memory_pipe *pipe, const byte_ring *output) {
  if (output->refusal < 0) return output->refusal;
  if (pipe->broken) return -ECONNRESET;
  return output->count > 0 && output->count == output->size ? -EAGAIN : 0;
}

static int pipe_write(weir_connection *connection, const struct iovec *buffers, int count,
                      bool wait) {
  pipe_end *self = end_of(connection);
  byte_ring *output = self->output;
  int result;
  while ((result = check_room(self->pipe, output)) == -EAGAIN && wait) {
    result = weir_internal_wait_queue_wait_for(&output->writer, WEIR_FOREVER, "write");
    if (result < 0) return result;
  }
  if (result < 0) return result;
  take_memory(self->pipe, output);
  size_t done = 0;
  for (int i = 0; i < count; i++) done += put(output, buffers[i].iov_base, buffers[i].iov_len);
  tell_reader(output);
  return (int)done;
}

static void pipe_interrupt_read(weir_connection *connection, int reason) {
  weir_internal_wait_queue_wake_all(&end_of(connection)->input->reader, reason);
}

static void pipe_interrupt_write(weir_connection *connection, int reason) {
  weir_internal_wait_queue_wake_all(&end_of(connection)->output->writer, reason);
}

static int pipe_watch_write(weir_connection *connection, weir_internal_watcher *watcher) {
  pipe_end *self = end_of(connection);
  // Watched only after -EAGAIN, and nothing happens in between.
  assert(check_room(self->pipe, self->output) == -EAGAIN);
  self->output->watcher = watcher;
  return 0;
}

static void pipe_unwatch_write(weir_connection *connection) {
  end_of(connection)->output->watcher = NULL;
}

static int pipe_finish_write(weir_connection *connection, bool wait) {
  (void)wait;
  pipe_end *self = end_of(connection);
  if (self->pipe->broken) return -ECONNRESET;
  self->output->finished = true;
  tell_reader(self->output);
  return 0;
}

static void pipe_linger(weir_connection *connection) {
  // What the other end reads no longer depends on this one.
  weir_internal_pipe_partner *partner = end_of(connection)->partner;
  if (partner == NULL || partner->linger(partner)) weir_internal_connection_lingered(connection);
}

static void pipe_abort(weir_connection *connection) {
  pipe_end *self = end_of(connection);
  if (self->pipe->broken) return;
  self->pipe->broken = true;
  empty(self->pipe, self->input);
  empty(self->pipe, self->output);
  if (self->partner != NULL) self->partner->aborted(self->partner);
  tell_reader(self->output);
  tell_writer(self->input);
}

static bool pipe_stop(weir_connection *connection) {
  weir_internal_pipe_partner *partner = end_of(connection)->partner;
  return partner == NULL || partner->stop(partner);
}

static void pipe_cancel_read(weir_connection *connection, int cause) {
  pipe_end *self = end_of(connection);
  self->input->refusal = cause;
  empty(self->pipe, self->input);
  tell_writer(self->input);
}

static void pipe_cancel_write(weir_connection *connection, int cause) {
  pipe_end *self = end_of(connection);
  self->output->cause = cause;
  empty(self->pipe, self->output);
  tell_reader(self->output);
}

static void pipe_release(weir_connection *connection) {
  pipe_end *self = end_of(connection);
  memory_pipe *pipe = self->pipe;
  if (self->partner != NULL) self->partner->released(self->partner);
  self->output->finished = true;
  if (self->input->refusal == 0) self->input->refusal = -EPIPE;
  empty(pipe, self->input);
  tell_reader(self->output);
  tell_writer(self->input);
  if (--pipe->references > 0) return;
  empty(pipe, &pipe->rings[0]);
  empty(pipe, &pipe->rings[1]);
  weir_internal_release(pipe, sizeof *pipe);
}

static const weir_internal_transport pipe_transport = {
    .read = pipe_read,
    .write = pipe_write,
    .interrupt_read = pipe_interrupt_read,
    .interrupt_write = pipe_interrupt_write,
    .watch_write = pipe_watch_write,
    .unwatch_write = pipe_unwatch_write,
    .finish_write = pipe_finish_write,
    .linger = pipe_linger,
    .abort = pipe_abort,
    .cancel_read = pipe_cancel_read,
    .cancel_write = pipe_cancel_write,
    .stop = pipe_stop,
    .release = pipe_release,
};

void weir_internal_pipe_set_partner(weir_connection *connection,
                                    weir_internal_pipe_partner *partner) {
  end_of(connection)->partner = partner;
}

static void prepare(memory_pipe *pipe, int side) {
  pipe_end *end = &pipe->ends[side];
  weir_internal_connection_init(&end->connection, &pipe_transport);
  weir_internal_connection_bind(&end->connection, weir_internal_current_loop());
  end->connection.local_address = "pipe";
  end->connection.remote_address = "pipe";
  end->pipe = pipe;
  end->output = &pipe->rings[side];
  end->input = &pipe->rings[1 - side];
  weir_internal_wait_queue_init(&end->output->reader);
  weir_internal_wait_queue_init(&end->output->writer);
}

int weir_pipe(weir_connection **out_first, weir_connection **out_second,
              const weir_pipe_options *options) {
  *out_first = NULL;
  *out_second = NULL;
  size_t capacity = options == NULL ? 0 : options->capacity;
  if (weir_internal_current_coroutine() == NULL) return -EINVAL;
  if (capacity > WEIR_INTERNAL_LARGEST_CAPACITY) return -EINVAL;
  if (capacity == 0) capacity = WEIR_INTERNAL_DEFAULT_CAPACITY;
  if (options != NULL && options->across_loops) {
    return weir_internal_shared_pipe(out_first, out_second, capacity);
  }
  memory_pipe *self = (memory_pipe *)weir_internal_allocate(sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->capacity = capacity;
  self->references = 2;
  prepare(self, 0);
  prepare(self, 1);
  self->pool = self->ends[0].connection.pool;
  *out_first = &self->ends[0].connection;
  *out_second = &self->ends[1].connection;
  return 0;
}
