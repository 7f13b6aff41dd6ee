// SPDX-License-Identifier: Apache-2.0
//
// How reading ends with a cause.

#include "channel/internal/connection.h"

void weir_read_channel_cancel(weir_read_channel *channel, int cause) {
  weir_connection *connection = weir_internal_reader_connection(channel);
  if (channel->failure < 0 || connection->failure < 0) return;
  channel->failure = cause < 0 ? cause : -ECONNABORTED;
  channel->cancelled = true;
  // A span that was handed out stays valid until the next read, which finds nothing but the cause.
  weir_internal_reader_consume(channel, weir_internal_reader_held(channel));
  if (channel->busy) weir_internal_reader_interrupt(channel, channel->failure);
  if (connection->transport->drop_read != NULL) connection->transport->drop_read(connection);
  if (connection->transport->cancel_read != NULL) {
    connection->transport->cancel_read(connection, channel->failure);
  }
}

int weir_read_channel_cause(const weir_read_channel *channel) { return channel->failure; }
