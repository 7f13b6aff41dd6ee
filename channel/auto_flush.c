// SPDX-License-Identifier: Apache-2.0
//
// How output leaves although nobody waits for it. A coroutine that wrote sends what it has when it
// suspends, once for all that it wrote; if the transport does not take everything, the loop watches
// the transport and sends the rest while the coroutine is elsewhere.

#include "channel/internal/connection.h"

static int could_not_send(weir_write_channel *channel, int failure) {
  // Without memory, its own or the kernel's, the transport may go on later, if somebody asks it to.
  if (failure == -EAGAIN || failure == -ENOMEM || failure == -ENOBUFS) return failure;
  return weir_internal_writer_fail(channel, failure);
}

static inline int send_now(weir_write_channel *channel) {
  if (channel->failure < 0) return channel->failure;
  weir_connection *connection = weir_internal_writer_connection(channel);
  size_t pending;
  while ((pending = weir_internal_writer_pending(channel)) > 0) {
    struct iovec buffer = {channel->buffer + channel->start, pending};
    int result = connection->transport->write(connection, &buffer, 1, false);
    if (result < 0) return could_not_send(channel, result);
    channel->start += (uint32_t)result;
    channel->gone += (uint32_t)result;
  }
  weir_internal_writer_release(channel);
  return 0;
}

int weir_internal_writer_send(weir_write_channel *channel) { return send_now(channel); }

int weir_internal_writer_try_to_watch(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = connection->transport->watch_write(connection, &channel->watcher);
  if (result < 0) return result;
  channel->watching = true;
  // A write that filled the buffer may have come behind others that left it to the hook.
  weir_internal_pre_suspend_remove(&channel->hook);
  weir_internal_connection_background(connection);
  return 0;
}

int weir_internal_writer_watch(weir_write_channel *channel) {
  int result = weir_internal_writer_try_to_watch(channel);
  return result < 0 ? weir_internal_writer_fail(channel, result) : 0;
}

void weir_internal_writer_rest(weir_write_channel *channel) {
  weir_internal_pre_suspend_remove(&channel->hook);
  if (!channel->watching) return;
  weir_connection *connection = weir_internal_writer_connection(channel);
  channel->watching = false;
  connection->transport->unwatch_write(connection);
  if (connection->closing == WEIR_INTERNAL_OPEN) weir_internal_connection_idle(connection);
}

// Peers that are gone are found by the reader, too. But when it is we who cannot go on (no memory,
// say) nobody would ever know: our reader may wait for the answer to what was never sent. So the
// connection breaks, for both sides.
static void fail_in_background(weir_write_channel *channel, int failure) {
  weir_internal_writer_fail(channel, failure);
  if (failure == -EPIPE || failure == -ECONNRESET) return;
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (connection->transport->cancel_read != NULL) return;  // it is the reader at the other end
  connection->transport->abort(connection);
}

static inline void send_in_background(weir_write_channel *channel) {
  int result = send_now(channel);
  if (result == -EAGAIN) result = weir_internal_writer_watch(channel);
  if (result < 0) fail_in_background(channel, result);
}

void weir_internal_writer_hook(weir_internal_pre_suspend *hook) {
  weir_write_channel *channel = WEIR_INTERNAL_CONTAINER(hook, weir_write_channel, hook);
  if (channel->failure == 0 && !channel->busy) send_in_background(channel);
}

void weir_internal_writer_ready(weir_internal_watcher *watcher) {
  weir_write_channel *channel = WEIR_INTERNAL_CONTAINER(watcher, weir_write_channel, watcher);
  weir_connection *connection = weir_internal_writer_connection(channel);
  channel->watching = false;
  if (connection->closing != WEIR_INTERNAL_OPEN) {
    weir_internal_connection_close_on(connection);
    return;
  }
  send_in_background(channel);
  if (!channel->watching) weir_internal_connection_idle(connection);
}
