// SPDX-License-Identifier: Apache-2.0
//
// The forms of reading a line that look at it once more after it was read: strict ones, and those
// that append it to the caller's memory. weir_read_line and weir_read_utf8_line, where speed counts
// most, are in line_reader.c.

#include "channel/internal/connection.h"
#include "channel/internal/utf8.h"

static int check_utf8(weir_bytes line) {
  return weir_internal_utf8_is_valid(line.data, line.size) ? 0 : WEIR_E_INVALID_UTF8;
}

// What ends a line lies behind it, and was read too.
static bool is_terminated(const weir_read_channel *channel, weir_bytes line) {
  return line.data + line.size < channel->buffer + channel->start;
}

static int read_strict(weir_read_channel *channel, bool utf8, weir_bytes *out_line) {
  int result = weir_internal_reader_line(channel, out_line);
  if (result < 0) return result;
  if (!is_terminated(channel, *out_line)) return WEIR_E_LINE_UNTERMINATED;
  return utf8 ? check_utf8(*out_line) : 0;
}

int weir_read_line_strict(weir_read_channel *channel, weir_bytes *out_line) {
  *out_line = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = read_strict(channel, false, out_line);
  return weir_internal_reader_leave_span(channel, result, out_line);
}

int weir_read_utf8_line_strict(weir_read_channel *channel, weir_bytes *out_line) {
  *out_line = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = read_strict(channel, true, out_line);
  return weir_internal_reader_leave_span(channel, result, out_line);
}

// Makes the line that was just read unread. It was searched already; only its end is searched
// again. A LF behind a CR is held with it, or not there yet.
static void put_back(weir_read_channel *channel, weir_bytes line) {
  channel->start = (uint32_t)(line.data - channel->buffer);
  channel->scanned = (uint32_t)line.size;
  channel->skip_lf = false;
}

static int append_line(weir_read_channel *channel, bool utf8, weir_buffer *out) {
  weir_bytes line;
  int result = weir_internal_reader_line(channel, &line);
  if (result < 0) return result;
  result = weir_buffer_append(out, line);
  if (result < 0) {
    put_back(channel, line);
    return result;
  }
  return utf8 ? check_utf8(line) : 0;
}

int weir_append_line(weir_read_channel *channel, weir_buffer *out) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, append_line(channel, false, out));
}

int weir_append_utf8_line(weir_read_channel *channel, weir_buffer *out) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, append_line(channel, true, out));
}
