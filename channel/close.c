// SPDX-License-Identifier: Apache-2.0
//
// How a connection ends in peace. The loop owns the end, as a machine of a few steps that never
// suspends; the coroutine that closes merely waits for it, and if it is cancelled the machine goes
// on alone:
//
//   1. operations of other coroutines are interrupted, and leave;
//   2. what was written is sent;
//   3. the stream to the peer is ended;
//   4. the peer ends its stream (the transport's |linger|);
//   5. everything is freed.
//
// No step allocates memory, so that a close cannot fail for want of it; but for a transport of the
// user's that has to wait (custom_output.c).

#include "channel/internal/connection.h"

// On the stack of the coroutine that closes. Neither it nor the machine may touch the other after
// that one has ended, so each tells the other by taking the pointer away.
typedef struct waiting_closer {
  weir_internal_closer closer;
  weir_internal_ticket ticket;
  weir_connection *connection;
} waiting_closer;

static void wake_closer(weir_internal_closer *closer, int result) {
  waiting_closer *self = WEIR_INTERNAL_CONTAINER(closer, waiting_closer, closer);
  self->connection = NULL;
  (void)weir_internal_wake(self->ticket, result);
}

static int finish(weir_connection *connection, int result) {
  weir_internal_writer_rest(&connection->writer);
  weir_internal_timer_cancel(connection->loop, &connection->timer);
  weir_internal_connection_idle(connection);
  const weir_internal_transport *transport = connection->transport;
  bool stopped = transport->stop == NULL || transport->stop(connection);
  // What stopped may just have said how it went.
  if (result == 0) result = connection->outcome;
  // A message of another loop names the connection, which must not be gone when it arrives.
  bool named =
      __atomic_load_n(&connection->abort_state, __ATOMIC_RELAXED) == WEIR_INTERNAL_ABORT_SENT;
  if (!stopped || named) {
    connection->closing = WEIR_INTERNAL_STOPPING;
    connection->outcome = result;
    return -EINPROGRESS;
  }
  weir_internal_closer *closer = connection->closer;
  weir_internal_reader_release(&connection->reader);
  weir_internal_writer_release(&connection->writer);
  transport->release(connection);
  if (closer != NULL) closer->ended(closer, result);
  return result;
}

// Output is lost. If the stream just ended here the peer would take it for complete.
static int break_off(weir_connection *connection, int failure) {
  weir_internal_writer_rest(&connection->writer);
  connection->transport->abort(connection);
  return finish(connection, failure);
}

static int linger(weir_connection *connection) {
  if (connection->expired) return finish(connection, 0);
  connection->closing = WEIR_INTERNAL_ENDING;
  connection->transport->linger(connection);
  if (connection->closing == WEIR_INTERNAL_ENDED) return finish(connection, 0);
  connection->closing = WEIR_INTERNAL_LINGERING;
  return -EINPROGRESS;
}

static bool may_go_on(const weir_connection *connection, int result) {
  return result == -EAGAIN || weir_internal_connection_passes(connection, result);
}

static int send_rest(weir_connection *connection) {
  weir_write_channel *writer = &connection->writer;
  if (writer->cut) return break_off(connection, -ECONNABORTED);
  // Whoever comes meanwhile does not shorten a pause.
  if (writer->watching && !connection->expired) return -EINPROGRESS;
  weir_internal_writer_rest(writer);
  int result = weir_internal_writer_send(writer);
  if (result == 0 && !writer->closed) {
    result = connection->transport->finish_write(connection, false);
    writer->closed = !may_go_on(connection, result);
  }
  if (result == -EAGAIN && connection->expired) return break_off(connection, -ETIMEDOUT);
  if (may_go_on(connection, result) && !connection->expired) {
    result = weir_internal_writer_leave_to_loop(writer, result);
    if (result == 0) return -EINPROGRESS;
  }
  if (result < 0) return break_off(connection, result);
  return linger(connection);
}

// Goes as far as possible without waiting. Returns -EINPROGRESS; or the result of the close, and
// then the connection is gone.
static int step(weir_connection *connection) {
  if (connection->reader.busy || connection->writer.busy) return -EINPROGRESS;
  if (connection->closing == WEIR_INTERNAL_STOPPING) return finish(connection, 0);
  // The peer has been told already, as far as the transport can.
  if (connection->writer.cancelled) return finish(connection, connection->writer.failure);
  if (connection->failure == -ECONNABORTED) return finish(connection, -ECONNABORTED);
  if (connection->closing == WEIR_INTERNAL_SENDING) return send_rest(connection);
  if (connection->expired) return finish(connection, 0);
  return -EINPROGRESS;
}

void weir_internal_connection_close_on(weir_connection *connection) {
  if (connection->closing == WEIR_INTERNAL_OPEN) return;
  int result = step(connection);
  (void)result;
}

void weir_internal_connection_lingered(weir_connection *connection) {
  if (connection->closing == WEIR_INTERNAL_ENDING) {
    connection->closing = WEIR_INTERNAL_ENDED;
  } else {
    (void)finish(connection, 0);
  }
}

// An interruption may have missed an operation that was about to be tried again, so it is repeated
// when the time is up.
static void interrupt_others(weir_connection *connection) {
  if (connection->reader.busy) weir_internal_reader_interrupt(&connection->reader, WEIR_E_CLOSED);
  if (connection->writer.busy) weir_internal_writer_interrupt(&connection->writer, WEIR_E_CLOSED);
}

void weir_internal_connection_hurry(weir_connection *connection) {
  connection->expired = true;
  interrupt_others(connection);
  weir_internal_connection_close_on(connection);
}

// The time

static bool is_closing(const weir_connection *connection) {
  return connection->closing != WEIR_INTERNAL_OPEN;
}

void weir_internal_connection_wake_at(weir_connection *connection, int64_t when) {
  if (is_closing(connection) && connection->close_deadline < when) {
    when = connection->close_deadline;
  }
  if (when == WEIR_FOREVER) {
    weir_internal_timer_cancel(connection->loop, &connection->timer);
  } else {
    weir_internal_timer_arm(connection->loop, &connection->timer, when);
  }
}

void weir_internal_connection_time_came(weir_internal_timer *timer) {
  weir_connection *connection = WEIR_INTERNAL_CONTAINER(timer, weir_connection, timer);
  if (is_closing(connection) &&
      connection->close_deadline <= weir_internal_loop_now(connection->loop)) {
    weir_internal_connection_hurry(connection);
    return;
  }
  weir_internal_connection_wake_at(connection, WEIR_FOREVER);
  weir_internal_writer_pause_ended(&connection->writer);
}

// The beginning

static int begin(weir_connection *connection) {
  weir_internal_writer_rest(&connection->writer);
  connection->closing = WEIR_INTERNAL_SENDING;
  connection->close_deadline = WEIR_FOREVER;
  connection->expired = connection->close_timeout <= 0;
  if (connection->failure == 0) {
    connection->failure = WEIR_E_CLOSED;
    interrupt_others(connection);
  }
  return step(connection);
}

static void leave_to_loop(weir_connection *connection, weir_internal_closer *closer) {
  connection->closer = closer;
  weir_internal_connection_background(connection);
  int64_t now = weir_now();
  if (connection->close_timeout > 0 && connection->close_timeout < WEIR_FOREVER - now) {
    connection->close_deadline = now + connection->close_timeout;
    int64_t pause_end = connection->writer.pausing ? connection->timer.when : WEIR_FOREVER;
    weir_internal_connection_wake_at(connection, pause_end);
  }
}

int weir_internal_connection_close_for(weir_connection *connection, weir_internal_closer *closer) {
  if (connection->closing != WEIR_INTERNAL_OPEN) return -EALREADY;
  int result = begin(connection);
  if (result == -EINPROGRESS) leave_to_loop(connection, closer);
  return result;
}

static int wait_for_end(weir_connection *connection) {
  waiting_closer self = {{wake_closer}, weir_internal_ticket_take_for("close"), connection};
  leave_to_loop(connection, &self.closer);
  int result = weir_internal_suspend(self.ticket, WEIR_FOREVER);
  if (self.connection != NULL) self.connection->closer = NULL;
  return result;
}

int weir_connection_close(weir_connection *connection) {
  if (connection == NULL) return 0;
  weir_internal_loop *loop = weir_internal_current_loop();
  if (weir_internal_current_coroutine() == NULL) return -EINVAL;
  weir_internal_connection_bind(connection, loop);
  if (weir_internal_connection_loop(connection) != loop) return -EXDEV;
  if (connection->closing != WEIR_INTERNAL_OPEN) return -EALREADY;
  int result = begin(connection);
  return result == -EINPROGRESS ? wait_for_end(connection) : result;
}
