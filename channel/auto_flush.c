// SPDX-License-Identifier: Apache-2.0
//
// How output leaves although nobody waits for it. A coroutine that wrote sends what it has when it
// suspends, once for all that it wrote; if the transport does not take everything, the loop watches
// the transport and sends the rest while the coroutine is elsewhere.
//
// Without memory, its own or the kernel's (-ENOMEM, -ENOBUFS), the transport tells nobody when it
// can go on. Then the output stays, and the loop tries again: after a pause of 1 ms, then of twice
// the last one, but never of more than 100 ms, until something was sent. It gives up when a close
// runs out of time, or the loop does behind its last coroutine.

#include "channel/internal/connection.h"

static const int64_t first_pause = WEIR_MILLISECOND;
static const int64_t longest_pause = 100 * WEIR_MILLISECOND;

static int could_not_send(weir_write_channel *channel, int failure) {
  const weir_connection *connection = weir_internal_writer_connection(channel);
  if (failure == -EAGAIN || weir_internal_connection_passes(connection, failure)) return failure;
  return weir_internal_writer_fail(channel, failure);
}

static inline int send_now(weir_write_channel *channel) {
  if (channel->failure < 0) return channel->failure;
  weir_connection *connection = weir_internal_writer_connection(channel);
  size_t pending;
  while ((pending = weir_internal_writer_pending(channel)) > 0) {
    if (pending > WEIR_INTERNAL_BYTES_PER_TURN) pending = WEIR_INTERNAL_BYTES_PER_TURN;
    struct iovec buffer = {channel->buffer + channel->start, pending};
    int result = connection->transport->write(connection, &buffer, 1, false);
    if (result < 0) return could_not_send(channel, result);
    channel->start += (uint32_t)result;
    channel->gone += (uint32_t)result;
    channel->pauses = 0;
  }
  weir_internal_writer_release(channel);
  return 0;
}

int weir_internal_writer_send(weir_write_channel *channel) { return send_now(channel); }

static void begin_pause(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int64_t time = first_pause << channel->pauses;
  if (time < longest_pause) {
    channel->pauses++;
  } else {
    time = longest_pause;
  }
  channel->pausing = true;
  weir_internal_connection_wake_at(connection, weir_internal_loop_now(connection->loop) + time);
}

int weir_internal_writer_leave_to_loop(weir_write_channel *channel, int result) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (result == -EAGAIN) {
    result = connection->transport->watch_write(connection, &channel->watcher);
  }
  if (weir_internal_connection_passes(connection, result)) {
    begin_pause(channel);
  } else if (result < 0) {
    return result;
  }
  channel->watching = true;
  // A write that filled the buffer may have come behind others that left it to the hook.
  weir_internal_pre_suspend_remove(&channel->hook);
  weir_internal_connection_background(connection);
  return 0;
}

void weir_internal_writer_rest(weir_write_channel *channel) {
  weir_internal_pre_suspend_remove(&channel->hook);
  if (!channel->watching) return;
  weir_connection *connection = weir_internal_writer_connection(channel);
  channel->watching = false;
  if (channel->pausing) {
    channel->pausing = false;
    weir_internal_connection_wake_at(connection, WEIR_FOREVER);
  } else {
    connection->transport->unwatch_write(connection);
  }
  if (connection->closing == WEIR_INTERNAL_OPEN) weir_internal_connection_idle(connection);
}

// Peers that are gone are found by the reader, too. But when it is we who cannot go on (the loop
// cannot watch, say) nobody would ever know: our reader may wait for the answer to what was never
// sent. So the connection breaks, for both sides.
void weir_internal_writer_fail_unnoticed(weir_write_channel *channel, int failure) {
  weir_internal_writer_fail(channel, failure);
  if (failure == -EPIPE || failure == -ECONNRESET) return;
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (connection->transport->cancel_read != NULL) return;  // it is the reader at the other end
  connection->transport->abort(connection);
}

static inline void send_in_background(weir_write_channel *channel) {
  int result = send_now(channel);
  if (result < 0) result = weir_internal_writer_leave_to_loop(channel, result);
  if (result < 0) weir_internal_writer_fail_unnoticed(channel, result);
}

void weir_internal_writer_hook(weir_internal_pre_suspend *hook) {
  weir_write_channel *channel = WEIR_INTERNAL_CONTAINER(hook, weir_write_channel, hook);
  if (channel->failure == 0 && !channel->busy) send_in_background(channel);
}

static void go_on(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  channel->watching = channel->pausing = false;
  if (connection->closing != WEIR_INTERNAL_OPEN) {
    weir_internal_connection_close_on(connection);
    return;
  }
  send_in_background(channel);
  if (!channel->watching) weir_internal_connection_idle(connection);
}

void weir_internal_writer_ready(weir_internal_watcher *watcher) {
  go_on(WEIR_INTERNAL_CONTAINER(watcher, weir_write_channel, watcher));
}

void weir_internal_writer_pause_ended(weir_write_channel *channel) {
  if (channel->pausing) go_on(channel);
}
