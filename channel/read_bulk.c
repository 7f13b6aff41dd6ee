// SPDX-License-Identifier: Apache-2.0
//
// Reads to the end of the stream, or far. They take what comes, piece by piece, and never hold more
// than one piece.

#include "channel/internal/connection.h"

// Appends as much of what is held as |left| permits. -EMSGSIZE when that is not all.
static int append_piece(weir_read_channel *channel, weir_buffer *out, size_t *left) {
  size_t held = weir_internal_reader_held(channel);
  size_t size = held < *left ? held : *left;
  int result = weir_buffer_append(out, weir_internal_reader_span(channel, size));
  if (result < 0) return result;
  weir_internal_reader_consume(channel, size);
  *left -= size;
  return size < held ? -EMSGSIZE : 0;
}

static int read_remaining(weir_read_channel *channel, weir_buffer *out, size_t limit) {
  int result = weir_internal_reader_settle(channel);
  while (result == 0) {
    result = append_piece(channel, out, &limit);
    if (result == 0) result = weir_internal_reader_more(channel);
  }
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

int weir_read_remaining(weir_read_channel *channel, weir_buffer *out, size_t limit) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, read_remaining(channel, out, limit));
}

// Drops as much of what is held as |left| permits. Returns how much that was.
static size_t drop_piece(weir_read_channel *channel, uint64_t left) {
  size_t held = weir_internal_reader_held(channel);
  size_t size = held < left ? held : (size_t)left;
  weir_internal_reader_consume(channel, size);
  return size;
}

static int discard(weir_read_channel *channel, uint64_t size, uint64_t *done) {
  if (size == 0) return weir_internal_reader_nothing(channel);
  int result = weir_internal_reader_settle(channel);
  while (result == 0) {
    *done += drop_piece(channel, size - *done);
    if (*done == size) return 0;
    result = weir_internal_reader_more(channel);
  }
  return result;
}

int weir_read_discard_exactly(weir_read_channel *channel, uint64_t size, uint64_t *out_done) {
  uint64_t done = 0;
  int result = weir_internal_reader_enter(channel);
  if (result == 0) {
    result = discard(channel, size, &done);
    result = weir_internal_reader_leave(channel, result);
  }
  if (out_done != NULL) *out_done = done;
  return result;
}

int weir_read_discard(weir_read_channel *channel, uint64_t size, uint64_t *out_done) {
  int result = weir_read_discard_exactly(channel, size, out_done);
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}
