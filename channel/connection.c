// SPDX-License-Identifier: Apache-2.0
//
// What a connection is while it is open: its making, its addresses, the entry of every operation,
// and the abort. How it ends in peace is in close.c.

#include "channel/internal/connection.h"

static void abandon(weir_internal_loop_waiter *waiter) {
  weir_connection *connection = WEIR_INTERNAL_CONTAINER(waiter, weir_connection, background);
  if (connection->closing == WEIR_INTERNAL_OPEN) {
    weir_internal_writer_rest(&connection->writer);
  } else {
    weir_internal_connection_hurry(connection);
  }
}

void weir_internal_connection_init(weir_connection *connection,
                                   const weir_internal_transport *transport) {
  connection->transport = transport;
  weir_internal_reader_init(&connection->reader);
  weir_internal_writer_init(&connection->writer);
  connection->close_timeout = WEIR_INTERNAL_DEFAULT_CLOSE_TIMEOUT;
  connection->timer.fire = weir_internal_connection_time_came;
  weir_internal_link_init(&connection->background.link);
  connection->background.abandon = abandon;
}

// Stands for the loop of a connection that had none when somebody began to abort it, until that is
// done.
static char claim_memory;
static weir_internal_loop *const claim = (weir_internal_loop *)(void *)&claim_memory;

// Gives |connection|, if it has none, |loop|. Returns the loop that it had.
static weir_internal_loop *take_over(weir_connection *connection, weir_internal_loop *loop) {
  weir_internal_loop *before = NULL;
  __atomic_compare_exchange_n(&connection->loop, &before, loop, false, __ATOMIC_ACQ_REL,
                              __ATOMIC_ACQUIRE);
  return before;
}

void weir_internal_connection_bind(weir_connection *connection, weir_internal_loop *loop) {
  weir_internal_loop *before;
  // An abort takes a system call or two.
  do {
    before = take_over(connection, loop);
  } while (before == claim);
  if (before == NULL) connection->pool = weir_internal_buffer_pool_of(loop);
}

bool weir_internal_connection_is_elsewhere(const weir_connection *connection) {
  weir_internal_loop *current = weir_internal_current_loop();
  weir_internal_loop *loop;
  do {
    loop = __atomic_load_n(&connection->loop, __ATOMIC_ACQUIRE);
  } while (loop == claim);
  return loop != NULL && current != NULL && loop != current;
}

weir_read_channel *weir_open_read_channel(weir_connection *connection) {
  return &connection->reader;
}

weir_write_channel *weir_open_write_channel(weir_connection *connection, bool auto_flush) {
  weir_write_channel *writer = &connection->writer;
  if (weir_internal_connection_is_elsewhere(connection)) return writer;
  writer->auto_flush = auto_flush;
  if (!auto_flush) {
    weir_internal_pre_suspend_remove(&writer->hook);
  } else if (connection->failure == 0 && !writer->busy &&
             weir_internal_current_coroutine() != NULL) {
    // While another coroutine writes the output is in its hands; it arms when it leaves.
    weir_internal_writer_arm(writer);
  }
  return writer;
}

const char *weir_remote_address(const weir_connection *connection) {
  return connection->remote_address;
}

const char *weir_local_address(const weir_connection *connection) {
  return connection->local_address;
}

const char *weir_connection_host(const weir_connection *connection) { return connection->host; }

void weir_connection_set_close_timeout(weir_connection *connection, int64_t nanoseconds) {
  connection->close_timeout = nanoseconds;
}

// Operations

int weir_internal_connection_refuse(weir_connection *connection, const bool *busy) {
  weir_internal_loop *loop = weir_internal_current_loop();
  if (loop == NULL) return -EINVAL;
  weir_internal_connection_bind(connection, loop);
  if (weir_internal_connection_loop(connection) != loop) return -EXDEV;
  if (!*busy) return 0;
  int result = weir_internal_enter(loop);
  return result < 0 ? result : -EBUSY;
}

int weir_internal_connection_left(weir_connection *connection, int result) {
  if (result != -ECANCELED && result != -ETIMEDOUT) result = connection->failure;
  weir_internal_connection_close_on(connection);
  return result;
}

int weir_internal_connection_enter_at_once(weir_connection *connection, bool *busy) {
  weir_internal_loop *loop = weir_internal_current_loop();
  if (loop == NULL) return -EINVAL;
  if (weir_internal_connection_loop(connection) != loop) {
    weir_internal_connection_bind(connection, loop);
  }
  int result = weir_internal_check(weir_internal_connection_loop(connection));
  if (result < 0) return result;
  if (*busy) return -EBUSY;
  if (connection->failure < 0) return connection->failure;
  *busy = true;
  return 0;
}

bool weir_internal_connection_breaks(const weir_connection *connection, int failure) {
  if (failure == -ECANCELED || weir_internal_is_shortage(failure)) return false;
  // The transport's own timeout: the peer was silent, and may speak again.
  if (failure == -ETIME) return false;
  // A deadline has this code too, and then it is what the next entry says as well.
  return failure != -ETIMEDOUT || weir_internal_check(connection->loop) == 0;
}

// A holder may be suspended in another channel, or about to be. That is told of a cancellation,
// which breaks nothing there; the holder finds the reason here.
void weir_internal_reader_interrupt(weir_read_channel *channel, int reason) {
  if (channel->holder != NULL) {
    weir_internal_interruptible_interrupt(channel->holder);
    return;
  }
  weir_connection *connection = weir_internal_reader_connection(channel);
  connection->transport->interrupt_read(connection, reason);
}

void weir_internal_writer_interrupt(weir_write_channel *channel, int reason) {
  if (channel->holder != NULL) {
    weir_internal_interruptible_interrupt(channel->holder);
    return;
  }
  weir_connection *connection = weir_internal_writer_connection(channel);
  connection->transport->interrupt_write(connection, reason);
}

void weir_internal_connection_background(weir_connection *connection) {
  if (weir_internal_link_is_linked(&connection->background.link)) return;
  weir_internal_loop_waiter_add(connection->loop, &connection->background);
}

void weir_internal_connection_idle(weir_connection *connection) {
  weir_internal_loop_waiter_remove(&connection->background);
}

static void abort_here(weir_connection *connection) {
  if (connection->failure == -ECONNABORTED) return;
  connection->failure = -ECONNABORTED;
  if (connection->reader.failure == 0) connection->reader.failure = -ECONNABORTED;
  if (connection->writer.failure == 0) connection->writer.failure = -ECONNABORTED;
  weir_internal_writer_rest(&connection->writer);
  // Whoever waits learns the reason from us, not from what the break below makes the kernel say.
  if (connection->reader.busy) weir_internal_reader_interrupt(&connection->reader, -ECONNABORTED);
  if (connection->writer.busy) weir_internal_writer_interrupt(&connection->writer, -ECONNABORTED);
  connection->transport->abort(connection);
  weir_internal_connection_close_on(connection);
}

static void read_abort(weir_internal_message *message) {
  weir_connection *connection = WEIR_INTERNAL_CONTAINER(message, weir_connection, abort_message);
  __atomic_store_n(&connection->abort_state, WEIR_INTERNAL_ABORT_READ, __ATOMIC_RELAXED);
  // A close that came in between has waited for the message only.
  if (connection->closing == WEIR_INTERNAL_STOPPING) {
    weir_internal_connection_close_on(connection);
  } else {
    abort_here(connection);
  }
}

static void send_abort(weir_connection *connection, weir_internal_loop *loop) {
  uint8_t none = WEIR_INTERNAL_ABORT_NONE;
  if (!__atomic_compare_exchange_n(&connection->abort_state, &none, WEIR_INTERNAL_ABORT_SENT, false,
                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    return;
  }
  connection->abort_message.run = read_abort;
  weir_internal_loop_post(loop, &connection->abort_message);
}

void weir_connection_abort(weir_connection *connection) {
  weir_internal_loop *loop;
  do {
    loop = take_over(connection, claim);
  } while (loop == claim);
  if (loop == NULL) {
    abort_here(connection);
    __atomic_store_n(&connection->loop, NULL, __ATOMIC_RELEASE);
  } else if (loop == weir_internal_current_loop() || weir_internal_current_loop() == NULL) {
    abort_here(connection);
  } else {
    send_abort(connection, loop);
  }
}
