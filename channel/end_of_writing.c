// SPDX-License-Identifier: Apache-2.0
//
// How writing ends: in peace, with the end of the stream, or with a cause and without one; and how
// much was written.

#include "channel/internal/connection.h"

int weir_internal_writer_end(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (channel->closed) return 0;
  int result = channel->failure;
  if (result == 0) result = weir_internal_writer_drain(channel);
  if (result < 0) return result;
  result = connection->transport->finish_write(connection, true);
  if (result < 0) return weir_internal_writer_failed(channel, result);
  channel->closed = true;
  return 0;
}

int weir_write_channel_close(weir_write_channel *channel) {
  if (channel->cancelled) return channel->failure;
  int result = weir_internal_writer_begin(channel);
  if (result < 0) return result;
  return weir_internal_writer_leave(channel, weir_internal_writer_end(channel));
}

void weir_write_channel_cancel(weir_write_channel *channel, int cause) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (channel->closed || channel->failure < 0 || connection->failure < 0) return;
  channel->failure = cause < 0 ? cause : -ECONNABORTED;
  channel->cancelled = true;
  weir_internal_writer_rest(channel);
  // The buffer of an operation in flight may be in use; the operation gives it back.
  if (channel->busy) {
    weir_internal_writer_interrupt(channel, channel->failure);
  } else {
    weir_internal_writer_settle(channel);
  }
  if (connection->transport->cancel_write != NULL) {
    connection->transport->cancel_write(connection, channel->failure);
  } else {
    weir_connection_abort(connection);
  }
}

size_t weir_write_room(const weir_write_channel *channel) {
  if (channel->closed || channel->failure < 0) return 0;
  return channel->capacity - weir_internal_writer_pending(channel);
}

size_t weir_write_pending(const weir_write_channel *channel) {
  return channel->failure < 0 ? 0 : weir_internal_writer_pending(channel);
}

uint64_t weir_total_bytes_written(const weir_write_channel *channel) {
  return channel->gone + weir_internal_writer_pending(channel);
}

int weir_write_channel_cause(const weir_write_channel *channel) { return channel->failure; }
