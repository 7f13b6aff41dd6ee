// SPDX-License-Identifier: Apache-2.0
//
// Connections over a source and a sink of the user's: their making, reading, and breaking. How
// output leaves is in custom_output.c.

#include "weir/custom_connection.h"

#include "base/internal/memory.h"
#include "channel/internal/custom_connection.h"

int weir_internal_custom_result(int result, size_t size, bool wait) {
  if (result > 0) return (size_t)result <= size ? result : -EINVAL;
  // One that waits has nothing to come back to.
  if (result == -EAGAIN && wait) return -EINVAL;
  // One that does not wait has no business with its coroutine's end: the one that waits has.
  if ((result == -ECANCELED || result == -ETIMEDOUT) && !wait) return -EAGAIN;
  return result;
}

// Interrupting

weir_shield weir_internal_custom_begin(weir_internal_custom_call *call, bool wait) {
  if (!wait) return weir_shield_begin();
  weir_internal_interruptible_begin(&call->interruptible);
  call->inside = true;
  return (weir_shield){{0}};
}

void weir_internal_custom_end(weir_internal_custom_call *call, bool wait, weir_shield shield) {
  if (wait) {
    call->inside = false;
    weir_internal_interruptible_end(&call->interruptible);
  } else {
    weir_shield_end(shield);
  }
}

void weir_internal_custom_interrupt(weir_internal_custom_call *call) {
  if (call->inside) weir_internal_interruptible_interrupt(&call->interruptible);
}

// Why a connection that broke in the background cannot be used.
static int reason(const weir_internal_custom_connection *self) {
  int cause = self->layer == NULL ? 0 : self->layer->cause(self->context);
  return cause < 0 ? cause : -ECONNABORTED;
}

// Reading

static int read_at_once(weir_internal_custom_connection *self, weir_internal_lender *lender) {
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  size_t size = buffers[0].iov_len;
  weir_shield shield = weir_internal_custom_begin(&self->reading, false);
  int result = self->operations.read(self->context, buffers[0].iov_base, size, false);
  weir_internal_custom_end(&self->reading, false, shield);
  result = weir_internal_custom_result(result, size, false);
  if (result <= 0 && lender->take_back != NULL) lender->take_back(lender);
  return result;
}

static int read_waiting(weir_internal_custom_connection *self) {
  weir_shield shield = weir_internal_custom_begin(&self->reading, true);
  int result = self->operations.read(self->context, self->reserve, sizeof self->reserve, true);
  weir_internal_custom_end(&self->reading, true, shield);
  result = weir_internal_custom_result(result, sizeof self->reserve, true);
  if (result > 0) self->held = (size_t)result;
  return result;
}

static int read_when_ready(weir_internal_custom_connection *self, weir_internal_lender *lender) {
  int result = -EAGAIN;
  while (result == -EAGAIN) {
    weir_shield shield = weir_internal_custom_begin(&self->reading, true);
    result = self->layer->await_read(self->context);
    weir_internal_custom_end(&self->reading, true, shield);
    if (self->broken) return reason(self);
    if (result == 0) result = read_at_once(self, lender);
  }
  return result;
}

// Hands over what a read that waited has got.
static int hand_over(weir_internal_custom_connection *self, weir_internal_lender *lender) {
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count < 0) return count;
  size_t size = buffers[0].iov_len < self->held ? buffers[0].iov_len : self->held;
  memcpy(buffers[0].iov_base, self->reserve, size);
  self->held -= size;
  memmove(self->reserve, self->reserve + size, self->held);
  return (int)size;
}

static int custom_read(weir_connection *connection, weir_internal_lender *lender, bool wait) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (self->broken) return reason(self);
  if (self->held > 0) return hand_over(self, lender);
  if (self->operations.read == NULL) return 0;
  int result = read_at_once(self, lender);
  if (result != -EAGAIN || !wait) return result;
  if (self->layer != NULL) return read_when_ready(self, lender);
  result = read_waiting(self);
  return result > 0 ? hand_over(self, lender) : result;
}

static void custom_interrupt_read(weir_connection *connection, int reason) {
  (void)reason;  // the channel says it
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  weir_internal_custom_interrupt(&self->reading);
}

// The end

static void custom_linger(weir_connection *connection) {
  const weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (self->layer != NULL) {
    self->layer->linger(self->context);
  } else {
    // Whether there is a peer, and what it does, only the user's code knows.
    weir_internal_connection_lingered(connection);
  }
}

static void custom_abort(weir_connection *connection) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  // A layer may have kept what is below for its last words.
  if (self->broken && self->layer == NULL) return;
  self->broken = true;
  int cause = connection->writer.failure < 0 ? connection->writer.failure : -ECONNABORTED;
  if (self->operations.abort != NULL) self->operations.abort(self->context, cause);
  weir_internal_wait_queue_wake_all(&self->done, -ECONNABORTED);
  weir_internal_custom_interrupt(&self->reading);
  weir_internal_custom_interrupt(&self->writing);
}

static void custom_release(weir_connection *connection) {
  weir_internal_custom_connection *self = weir_internal_custom_of(connection);
  if (self->operations.release != NULL) self->operations.release(self->context);
  weir_internal_release(self, self->size);
}

static const weir_internal_transport custom_transport = {
    .read = custom_read,
    .write = weir_internal_custom_write,
    .flush = weir_internal_custom_flush,
    .interrupt_read = custom_interrupt_read,
    .interrupt_write = weir_internal_custom_interrupt_write,
    .watch_write = weir_internal_custom_watch_write,
    .unwatch_write = weir_internal_custom_unwatch_write,
    .finish_write = weir_internal_custom_finish_write,
    .linger = custom_linger,
    .abort = custom_abort,
    .stop = weir_internal_custom_stop,
    .release = custom_release,
};

void *weir_internal_custom_context(const weir_connection *connection,
                                   int (*read)(void *context, void *out, size_t size, bool wait)) {
  if (connection->transport != &custom_transport) return NULL;
  const weir_internal_custom_connection *self = (const weir_internal_custom_connection *)connection;
  return self->operations.read == read ? self->context : NULL;
}

// The making

// Copies |text| to |*at|, moves that behind it, and returns the copy.
static const char *copy_text(char **at, const char *text) {
  if (text == NULL) return NULL;
  char *copy = *at;
  size_t size = strlen(text) + 1;
  memcpy(copy, text, size);
  *at += size;
  return copy;
}

static size_t text_size(const char *text) { return text == NULL ? 0 : strlen(text) + 1; }

int weir_custom_connection(weir_connection **out, const weir_custom_operations *operations,
                           void *context, const weir_custom_options *options) {
  *out = NULL;
  weir_custom_options names = options == NULL ? (weir_custom_options){0} : *options;
  if (names.local_address == NULL) names.local_address = "custom";
  if (names.remote_address == NULL) names.remote_address = "custom";
  if (operations == NULL || weir_internal_current_coroutine() == NULL) return -EINVAL;
  size_t size = sizeof(weir_internal_custom_connection) + text_size(names.local_address) +
                text_size(names.remote_address) + text_size(names.host);
  weir_internal_custom_connection *self =
      (weir_internal_custom_connection *)weir_internal_allocate(size);
  if (self == NULL) return -ENOMEM;
  self->size = size;
  self->operations = *operations;
  self->context = context;
  weir_internal_wait_queue_init(&self->done);
  weir_connection *connection = &self->connection;
  weir_internal_connection_init(connection, &custom_transport);
  weir_internal_connection_bind(connection, weir_internal_current_loop());
  char *at = self->texts;
  connection->local_address = copy_text(&at, names.local_address);
  connection->remote_address = copy_text(&at, names.remote_address);
  connection->host = copy_text(&at, names.host);
  *out = connection;
  return 0;
}
