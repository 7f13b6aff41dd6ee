// SPDX-License-Identifier: Apache-2.0
//
// A pipe whose two ends live on different loops. What both touch is behind a lock, which is held
// for no longer than it takes to copy; who has to wait is woken by a message to its loop.

#include <pthread.h>

#include "base/internal/memory.h"
#include "channel/internal/pipe.h"

typedef struct shared_ring {
  char *data;
  size_t start;
  size_t count;
  bool finished;  // the writer has ended its stream
  int cause;      // with which the writer broke off, or 0
  int refusal;    // what writes return because the reader is gone, or 0
} shared_ring;

typedef struct shared_pipe shared_pipe;

typedef struct shared_end {
  weir_connection connection;
  shared_pipe *pipe;
  shared_ring *input;
  shared_ring *output;
  struct shared_end *other;
  // Behind the lock.
  bool waits;   // it was told to wait, and wants to know of any change
  bool posted;  // |message| is on its way to its loop, and keeps the pipe alive
  weir_internal_message message;
  // Of its own loop.
  weir_internal_wait_queue reader;
  weir_internal_wait_queue writer;
  weir_internal_watcher *watcher;
} shared_end;

struct shared_pipe {
  pthread_mutex_t lock;
  shared_end ends[2];
  shared_ring rings[2];
  size_t capacity;
  int references;  // both ends, and messages on their way
  bool broken;     // by an abort
};

static shared_end *end_of(weir_connection *connection) { return (shared_end *)connection; }

static void lock(shared_pipe *pipe) {
  // A plain mutex that is not held fails for nothing.
  int result = pthread_mutex_lock(&pipe->lock);
  (void)result;
}

static void unlock(shared_pipe *pipe) {
  int result = pthread_mutex_unlock(&pipe->lock);
  (void)result;
}

static void destroy(shared_pipe *pipe) {
  weir_internal_release(pipe->rings[0].data, pipe->capacity);
  weir_internal_release(pipe->rings[1].data, pipe->capacity);
  int result = pthread_mutex_destroy(&pipe->lock);
  (void)result;
  weir_internal_release(pipe, sizeof *pipe);
}

static void drop_reference(shared_pipe *pipe) {
  lock(pipe);
  bool last = --pipe->references == 0;
  unlock(pipe);
  if (last) destroy(pipe);
}

// Waking

static void read_message(weir_internal_message *message) {
  shared_end *self = WEIR_INTERNAL_CONTAINER(message, shared_end, message);
  shared_pipe *pipe = self->pipe;
  lock(pipe);
  self->posted = false;
  unlock(pipe);
  weir_internal_wait_queue_wake_all(&self->reader, 0);
  weir_internal_wait_queue_wake_all(&self->writer, 0);
  weir_internal_watcher *watcher = self->watcher;
  self->watcher = NULL;
  // This may free the end.
  if (watcher != NULL) watcher->ready(watcher);
  drop_reference(pipe);
}

// Ends a change by |self|, which holds the lock: tells the other end, if that waits.
static void unlock_and_tell(shared_end *self) {
  shared_end *other = self->other;
  bool tell = other->waits && !other->posted;
  if (tell) {
    other->waits = false;
    other->posted = true;
    self->pipe->references++;
  }
  unlock(self->pipe);
  if (tell) {
    weir_internal_loop_post(weir_internal_connection_loop(&other->connection), &other->message);
  }
}

// Ends an attempt of |self|, which holds the lock.
static int unlock_after(shared_end *self, int result) {
  if (result == -EAGAIN) {
    self->waits = true;
    unlock(self->pipe);
  } else {
    unlock_and_tell(self);
  }
  return result;
}

// The ring. All is called with the lock held.

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

static size_t put(shared_ring *ring, size_t capacity, const char *data, size_t size) {
  size = smaller(size, capacity - ring->count);
  size_t at = (ring->start + ring->count) % capacity;
  size_t first = smaller(size, capacity - at);
  memcpy(ring->data + at, data, first);
  if (size > first) memcpy(ring->data, data + first, size - first);
  ring->count += size;
  return size;
}

static size_t get(shared_ring *ring, size_t capacity, char *out, size_t size) {
  size = smaller(size, ring->count);
  size_t first = smaller(size, capacity - ring->start);
  memcpy(out, ring->data + ring->start, first);
  if (size > first) memcpy(out + first, ring->data, size - first);
  ring->start = (ring->start + size) % capacity;
  ring->count -= size;
  return size;
}

static int try_read(shared_end *self, weir_internal_lender *lender) {
  shared_ring *input = self->input;
  if (input->cause < 0) return input->cause;
  // A cancel that came when we were woken already, and has taken what we were woken for.
  if (input->refusal < 0) return input->refusal;
  if (self->pipe->broken) return -ECONNRESET;
  if (input->count == 0) return input->finished ? 0 : -EAGAIN;
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  size_t done = 0;
  for (int i = 0; i < count; i++) {
    done += get(input, self->pipe->capacity, (char *)buffers[i].iov_base, buffers[i].iov_len);
  }
  return (int)done;
}

static int try_write(shared_end *self, const struct iovec *buffers, int count) {
  shared_ring *output = self->output;
  if (output->refusal < 0) return output->refusal;
  if (self->pipe->broken) return -ECONNRESET;
  if (output->count == self->pipe->capacity) return -EAGAIN;
  size_t done = 0;
  for (int i = 0; i < count; i++) {
    done +=
        put(output, self->pipe->capacity, (const char *)buffers[i].iov_base, buffers[i].iov_len);
  }
  return (int)done;
}

// The transport

static int shared_read(weir_connection *connection, weir_internal_lender *lender, bool wait) {
  shared_end *self = end_of(connection);
  for (;;) {
    lock(self->pipe);
    int result = unlock_after(self, try_read(self, lender));
    if (result != -EAGAIN || !wait) return result;
    // A message wakes for whatever has changed, and whoever was woken misses what interrupts.
    if (connection->failure < 0) return connection->failure;
    // A message that is on its way by now is read when this coroutine is suspended.
    result = weir_internal_wait_queue_wait_for(&self->reader, WEIR_FOREVER, "read");
    if (result < 0) return result;
  }
}

static int shared_write(weir_connection *connection, const struct iovec *buffers, int count,
                        bool wait) {
  shared_end *self = end_of(connection);
  for (;;) {
    lock(self->pipe);
    int result = unlock_after(self, try_write(self, buffers, count));
    if (result != -EAGAIN || !wait) return result;
    if (connection->failure < 0) return connection->failure;
    result = weir_internal_wait_queue_wait_for(&self->writer, WEIR_FOREVER, "write");
    if (result < 0) return result;
  }
}

static void shared_interrupt_read(weir_connection *connection, int reason) {
  weir_internal_wait_queue_wake_all(&end_of(connection)->reader, reason);
}

static void shared_interrupt_write(weir_connection *connection, int reason) {
  weir_internal_wait_queue_wake_all(&end_of(connection)->writer, reason);
}

static int shared_watch_write(weir_connection *connection, weir_internal_watcher *watcher) {
  // Watched only after -EAGAIN, and since then the other end tells of its changes.
  end_of(connection)->watcher = watcher;
  return 0;
}

static void shared_unwatch_write(weir_connection *connection) {
  end_of(connection)->watcher = NULL;
}

static int shared_finish_write(weir_connection *connection, bool wait) {
  (void)wait;
  shared_end *self = end_of(connection);
  lock(self->pipe);
  int result = self->pipe->broken ? -ECONNRESET : 0;
  if (result == 0) self->output->finished = true;
  return unlock_after(self, result);
}

static void shared_linger(weir_connection *connection) {
  // What the other end reads no longer depends on this one.
  weir_internal_connection_lingered(connection);
}

static void shared_abort(weir_connection *connection) {
  shared_end *self = end_of(connection);
  lock(self->pipe);
  self->pipe->broken = true;
  unlock_and_tell(self);
}

static void shared_cancel_read(weir_connection *connection, int cause) {
  shared_end *self = end_of(connection);
  lock(self->pipe);
  self->input->refusal = cause;
  self->input->count = 0;
  unlock_and_tell(self);
}

static void shared_cancel_write(weir_connection *connection, int cause) {
  shared_end *self = end_of(connection);
  lock(self->pipe);
  self->output->cause = cause;
  self->output->count = 0;
  unlock_and_tell(self);
}

static void shared_release(weir_connection *connection) {
  shared_end *self = end_of(connection);
  lock(self->pipe);
  self->waits = false;
  self->output->finished = true;
  if (self->input->refusal == 0) self->input->refusal = -EPIPE;
  unlock_and_tell(self);
  drop_reference(self->pipe);
}

static const weir_internal_transport shared_transport = {
    .read = shared_read,
    .write = shared_write,
    .interrupt_read = shared_interrupt_read,
    .interrupt_write = shared_interrupt_write,
    .watch_write = shared_watch_write,
    .unwatch_write = shared_unwatch_write,
    .finish_write = shared_finish_write,
    .linger = shared_linger,
    .abort = shared_abort,
    .cancel_read = shared_cancel_read,
    .cancel_write = shared_cancel_write,
    .release = shared_release,
};

static void prepare(shared_pipe *pipe, int side) {
  shared_end *end = &pipe->ends[side];
  // It belongs to the loop of its first operation.
  weir_internal_connection_init(&end->connection, &shared_transport);
  end->connection.local_address = "pipe";
  end->connection.remote_address = "pipe";
  end->pipe = pipe;
  end->output = &pipe->rings[side];
  end->input = &pipe->rings[1 - side];
  end->other = &pipe->ends[1 - side];
  end->message.run = read_message;
  weir_internal_wait_queue_init(&end->reader);
  weir_internal_wait_queue_init(&end->writer);
}

int weir_internal_shared_pipe(weir_connection **out_first, weir_connection **out_second,
                              size_t capacity) {
  shared_pipe *pipe = (shared_pipe *)weir_internal_allocate(sizeof *pipe);
  if (pipe == NULL) return -ENOMEM;
  pipe->capacity = capacity;
  pipe->references = 2;
  int result = -pthread_mutex_init(&pipe->lock, NULL);
  if (result < 0) {
    weir_internal_release(pipe, sizeof *pipe);
    return result;
  }
  for (int i = 0; i < 2; i++) {
    pipe->rings[i].data = (char *)weir_internal_allocate_unset(capacity);
    if (pipe->rings[i].data == NULL) result = -ENOMEM;
    prepare(pipe, i);
  }
  if (result < 0) {
    destroy(pipe);
    return result;
  }
  *out_first = &pipe->ends[0].connection;
  *out_second = &pipe->ends[1].connection;
  return 0;
}
