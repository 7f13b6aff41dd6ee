// SPDX-License-Identifier: Apache-2.0
//
// Reads to the end of the stream, or far. They take what comes, piece by piece, and never hold more
// than one piece.

#include "channel/internal/connection.h"

// Waits until something is held. Returns 0, WEIR_E_END_OF_STREAM or another negative code.
static int next_piece(weir_read_channel *channel) {
  if (weir_internal_reader_held(channel) > 0) return 0;
  int result = weir_internal_reader_fill(channel);
  if (result == 0) return WEIR_E_END_OF_STREAM;
  return result < 0 ? result : weir_internal_reader_go_on(channel);
}

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
    result = next_piece(channel);
    if (result == 0) result = append_piece(channel, out, &limit);
  }
  return result == WEIR_E_END_OF_STREAM ? 0 : result;
}

int weir_read_remaining(weir_read_channel *channel, weir_buffer *out, size_t limit) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, read_remaining(channel, out, limit));
}

static int discard(weir_read_channel *channel, uint64_t size, uint64_t *done) {
  if (size == 0) return 0;
  int result = weir_internal_reader_settle(channel);
  while (result == 0 && *done < size) {
    result = next_piece(channel);
    if (result < 0) break;
    uint64_t left = size - *done;
    size_t held = weir_internal_reader_held(channel);
    size_t piece = held < left ? held : (size_t)left;
    weir_internal_reader_consume(channel, piece);
    *done += piece;
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
