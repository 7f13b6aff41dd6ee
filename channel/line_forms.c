// SPDX-License-Identifier: Apache-2.0
//
// The forms of reading a line that look at it once more after it was read: strict ones, and those
// that append it to the caller's memory. weir_read_line and weir_read_utf8_line, where speed counts
// most, are in line_reader.c.

#include "channel/internal/connection.h"

// Tells whether there is no line. One that is not well-formed text was read all the same.
static bool is_failure(int result) { return result < 0 && result != WEIR_E_INVALID_UTF8; }

// What ends a line lies behind it, and was read too.
static bool is_terminated(const weir_read_channel *channel, weir_bytes line) {
  return line.data + line.size < channel->buffer + channel->start;
}

static int read_strict(weir_read_channel *channel, weir_internal_line_kind kind,
                       weir_bytes *out_line) {
  int result = weir_internal_reader_line(channel, kind, out_line);
  if (is_failure(result)) return result;
  return is_terminated(channel, *out_line) ? result : WEIR_E_LINE_UNTERMINATED;
}

int weir_read_line_strict(weir_read_channel *channel, weir_bytes *out_line) {
  *out_line = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = read_strict(channel, WEIR_INTERNAL_BYTES, out_line);
  return weir_internal_reader_leave_span(channel, result, out_line);
}

int weir_read_utf8_line_strict(weir_read_channel *channel, weir_bytes *out_line) {
  *out_line = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = read_strict(channel, WEIR_INTERNAL_TEXT, out_line);
  return weir_internal_reader_leave_span(channel, result, out_line);
}

// Makes the line that was just read unread. It was searched already; only its end is searched
// again. A LF behind a CR is held with it, or not there yet.
static void put_back(weir_read_channel *channel, weir_bytes line) {
  channel->start = (uint32_t)(line.data - channel->buffer);
  channel->scanned = (uint32_t)line.size;
  channel->checked = 0;
  channel->skip_lf = false;
}

static int append_line(weir_read_channel *channel, weir_internal_line_kind kind, weir_buffer *out) {
  weir_bytes line;
  int result = weir_internal_reader_line(channel, kind, &line);
  if (is_failure(result)) return result;
  int appended = weir_buffer_append(out, line);
  if (appended == 0) return result;
  put_back(channel, line);
  return appended;
}

int weir_append_line(weir_read_channel *channel, weir_buffer *out) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, append_line(channel, WEIR_INTERNAL_BYTES, out));
}

int weir_append_utf8_line(weir_read_channel *channel, weir_buffer *out) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, append_line(channel, WEIR_INTERNAL_TEXT, out));
}
