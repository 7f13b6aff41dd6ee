// SPDX-License-Identifier: Apache-2.0
//
// Reads that take all they want or nothing. Bytes are gathered in the buffer until there are
// enough, and only then counted as read; so whatever ends the wait, the read may be repeated.

#include "channel/internal/connection.h"

int weir_internal_reader_gather(weir_read_channel *channel, size_t size) {
  if (size > weir_internal_reader_limit(channel)) return -EMSGSIZE;
  if (size == 0) return weir_internal_reader_nothing(channel);
  int result = weir_internal_reader_settle(channel);
  while (result == 0 && weir_internal_reader_held(channel) < size) {
    result = weir_internal_reader_more(channel);
  }
  return result;
}

int weir_internal_reader_look(weir_read_channel *channel) {
  weir_internal_reader_drop(channel);
  int result = 1;
  while (result > 0 && weir_internal_reader_held(channel) == 0) {
    result = weir_internal_reader_fill_at_once(channel);
    weir_internal_reader_drop(channel);
    // What is dropped of a line may be endless, and here nobody else gets to run.
    if (channel->skip_rest) break;
  }
  return result < 0 && result != -EAGAIN ? result : 0;
}

// Taking

int weir_read_exactly(weir_read_channel *channel, void *out, size_t size) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = weir_internal_reader_gather(channel, size);
  if (result == 0 && size > 0) {
    memcpy(out, weir_internal_reader_span(channel, size).data, size);
    weir_internal_reader_consume(channel, size);
  }
  return weir_internal_reader_leave(channel, result);
}

int weir_read_packet(weir_read_channel *channel, size_t size, weir_bytes *out_packet) {
  *out_packet = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = weir_internal_reader_gather(channel, size);
  if (result == 0) *out_packet = weir_internal_reader_take(channel, size);
  return weir_internal_reader_leave_span(channel, result, out_packet);
}

// Returns 1 when the bytes of |expected| come next, and 0 as soon as they cannot.
static int comes_next(weir_read_channel *channel, weir_bytes expected) {
  size_t compared = 0;
  while (compared < expected.size) {
    int result = weir_internal_reader_gather(channel, compared + 1);
    if (result < 0) return result == WEIR_E_END_OF_STREAM ? 0 : result;
    size_t held = weir_internal_reader_held(channel);
    size_t size = held < expected.size ? held : expected.size;
    const char *next = channel->buffer + channel->start;
    if (memcmp(next + compared, expected.data + compared, size - compared) != 0) return 0;
    compared = size;
  }
  return 1;
}

static int skip_if_found(weir_read_channel *channel, weir_bytes expected) {
  if (expected.size > weir_internal_reader_limit(channel)) return -EMSGSIZE;
  int result = weir_internal_reader_nothing(channel);
  if (result == 0) result = comes_next(channel, expected);
  if (result == 1) weir_internal_reader_consume(channel, expected.size);
  return result;
}

int weir_read_skip_if_found(weir_read_channel *channel, weir_bytes expected) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, skip_if_found(channel, expected));
}

// Looking

int weir_read_peek(weir_read_channel *channel, size_t size, weir_bytes *out_bytes) {
  *out_bytes = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = weir_internal_reader_gather(channel, size);
  if (result == WEIR_E_END_OF_STREAM) size = weir_internal_reader_held(channel);
  if (result == 0 || result == WEIR_E_END_OF_STREAM) {
    *out_bytes = weir_internal_reader_span(channel, size);
  }
  return weir_internal_reader_leave_span(channel, result, out_bytes);
}

int weir_read_span(weir_read_channel *channel, size_t least, weir_bytes *out_bytes) {
  *out_bytes = weir_bytes_of("", 0);
  int result =
      least > 0 ? weir_internal_reader_enter(channel) : weir_internal_reader_enter_at_once(channel);
  if (result < 0) return result;
  result =
      least > 0 ? weir_internal_reader_gather(channel, least) : weir_internal_reader_look(channel);
  if (result == 0 || result == WEIR_E_END_OF_STREAM) {
    // A line may have left one byte more than the limit.
    size_t held = weir_internal_reader_held(channel);
    size_t limit = weir_internal_reader_limit(channel);
    *out_bytes = weir_internal_reader_span(channel, held < limit ? held : limit);
  }
  return weir_internal_reader_leave_span(channel, result, out_bytes);
}

static int consume(weir_read_channel *channel, size_t size) {
  weir_internal_reader_drop(channel);
  // What was held was dropped, and that is no mistake of the caller's.
  if (channel->cancelled) return channel->failure;
  if (size > weir_internal_reader_held(channel)) return -EINVAL;
  weir_internal_reader_consume(channel, size);
  return 0;
}

int weir_read_consume(weir_read_channel *channel, size_t size) {
  int result = weir_internal_reader_enter_at_once(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, consume(channel, size));
}

int weir_read_await(weir_read_channel *channel, size_t size) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, weir_internal_reader_gather(channel, size));
}

int weir_read_exhausted(weir_read_channel *channel) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = weir_internal_reader_gather(channel, 1);
  if (result == WEIR_E_END_OF_STREAM) result = 1;
  return weir_internal_reader_leave(channel, result);
}

// State

size_t weir_read_buffered(const weir_read_channel *channel) {
  return weir_internal_reader_held(channel);
}

uint64_t weir_total_bytes_read(const weir_read_channel *channel) {
  return channel->received - weir_internal_reader_held(channel);
}
