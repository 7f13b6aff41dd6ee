// SPDX-License-Identifier: Apache-2.0
//
// How reading ends with a cause.

#include "channel/internal/connection.h"

// A span that was handed out stays valid until the next read, which finds nothing but the cause.
static void drop_unread(weir_read_channel *channel) {
  weir_internal_reader_consume(channel, weir_internal_reader_held(channel));
  weir_internal_reader_forget_search(channel);
}

void weir_read_channel_cancel(weir_read_channel *channel, int cause) {
  weir_connection *connection = weir_internal_reader_connection(channel);
  // What a close has begun it does alone.
  if (channel->cancelled || connection->failure == WEIR_E_CLOSED) return;
  drop_unread(channel);
  if (connection->failure < 0) return;
  // What broke the stream before is why it cannot be read.
  if (channel->failure == 0) channel->failure = cause < 0 ? cause : -ECONNABORTED;
  channel->cancelled = true;
  if (channel->busy) weir_internal_reader_interrupt(channel, channel->failure);
  if (connection->transport->drop_read != NULL) connection->transport->drop_read(connection);
  if (connection->transport->cancel_read != NULL) {
    connection->transport->cancel_read(connection, channel->failure);
  }
}

int weir_read_channel_cause(const weir_read_channel *channel) { return channel->failure; }
