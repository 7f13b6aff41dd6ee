// SPDX-License-Identifier: Apache-2.0
//
// Lines. A line is handed out where it lies in the channel's buffer; nothing is copied, and no byte
// is searched twice for the end of a line.
//
// Where CR ends a line too, the line is complete as soon as the CR is there: a peer at a terminal
// that sends just CR must be answered. Whether a LF belongs to it is seen only later, and so every
// read begins by dropping such a LF; then a stream reads the same however it was cut in pieces.

#include "channel/internal/connection.h"
#include "channel/internal/utf8.h"

enum { LF = '\n', CR = '\r' };

// Where a line ends.
typedef struct line_end {
  size_t content;  // bytes before what ends it
  size_t size;     // bytes with what ends it; 0: no end was found
} line_end;

// Searches |size| bytes at |data| behind the first |scanned| for a LF.
static line_end find_lf(const char *data, size_t size, size_t scanned) {
  line_end end = {0, 0};
  const char *lf = size > scanned ? memchr(data + scanned, LF, size - scanned) : NULL;
  if (lf == NULL) return end;
  end.content = (size_t)(lf - data);
  end.size = end.content + 1;
  if (end.content > 0 && lf[-1] == CR) end.content--;
  return end;
}

// The same for LF or CR, whatever comes first.
static line_end find_any(const char *data, size_t size, size_t scanned) {
  line_end end = {0, 0};
  size_t at = scanned;
  while (at < size && data[at] != LF && data[at] != CR) at++;
  if (at >= size) return end;
  end.content = at;
  end.size = at + 1;
  return end;
}

static line_end find_end(const weir_read_channel *channel, size_t size, size_t scanned) {
  const char *data = channel->buffer + channel->start;
  return channel->line_ending == WEIR_LINE_LF ? find_lf(data, size, scanned)
                                              : find_any(data, size, scanned);
}

// Drops a LF behind the CR that ended the last line, if it is there to be seen.
static void skip_lf(weir_read_channel *channel) {
  if (weir_internal_reader_held(channel) == 0) return;
  if (channel->buffer[channel->start] == LF) weir_internal_reader_consume(channel, 1);
  channel->skip_lf = false;
}

// Counts a line as read, with what ends it.
static void consume_line(weir_read_channel *channel, line_end end) {
  bool is_long = end.size >= (size_t)channel->capacity + WEIR_INTERNAL_LINE_EXTRA;
  channel->long_line = is_long ? channel->size : 0;
  bool by_cr = channel->buffer[channel->start + end.size - 1] == CR;
  weir_internal_reader_consume(channel, end.size);
  channel->scanned = 0;
  if (!by_cr) return;
  channel->skip_lf = true;
  skip_lf(channel);
}

// Drops as much as is there of the rest of a line that was too long.
static void skip_rest(weir_read_channel *channel) {
  size_t held = weir_internal_reader_held(channel);
  line_end end = held > 0 ? find_end(channel, held, 0) : (line_end){0, 0};
  if (end.size > 0) {
    consume_line(channel, end);
    channel->skip_rest = false;
  } else {
    weir_internal_reader_consume(channel, held);
  }
}

void weir_internal_reader_drop(weir_read_channel *channel) {
  if (channel->skip_rest) skip_rest(channel);
  if (channel->skip_lf) skip_lf(channel);
}

int weir_internal_reader_settle_slowly(weir_read_channel *channel) {
  for (;;) {
    weir_internal_reader_drop(channel);
    if (!channel->skip_rest && !channel->skip_lf) return 0;
    int result = weir_internal_reader_fill(channel);
    if (result == 0) {
      channel->skip_rest = false;
      channel->skip_lf = false;
      return 0;
    }
    if (result > 0) {
      result = weir_internal_connection_go_on(weir_internal_reader_connection(channel));
    }
    if (result < 0) return result;
  }
}

static int too_long(weir_read_channel *channel, line_end end) {
  if (!channel->resynchronise) return WEIR_E_LINE_TOO_LONG;
  if (end.size > 0) {
    consume_line(channel, end);
  } else {
    weir_internal_reader_consume(channel, channel->scanned);
    channel->skip_rest = true;
  }
  return WEIR_E_LINE_TOO_LONG;
}

// Checks behind what is checked already, so no byte twice, until |size| bytes are; and some lines
// more, because many short texts take longer than a long one. For one short text the choice of the
// best way would take longer than the plain way.
__attribute__((noinline)) static void check_ahead(weir_read_channel *channel, size_t size) {
  enum { AHEAD = 4096, SHORT = 256 };
  size_t held = weir_internal_reader_held(channel);
  if (size < AHEAD) size = held < AHEAD ? held : AHEAD;
  const char *from = channel->buffer + channel->start + channel->checked;
  size -= channel->checked;
  channel->checked += (uint32_t)(size < SHORT ? weir_internal_utf8_prefix_plain(from, size)
                                              : weir_internal_utf8_prefix(from, size));
}

// Returns what is to be said of the first |size| bytes as a text of |kind|.
static inline int check(weir_read_channel *channel, size_t size, weir_internal_line_kind kind) {
  if (kind == WEIR_INTERNAL_BYTES) return 0;
  if (size > channel->checked) check_ahead(channel, size);
  return size <= channel->checked ? 0 : WEIR_E_INVALID_UTF8;
}

static int hand_out(weir_read_channel *channel, line_end end, weir_internal_line_kind kind,
                    weir_bytes *out_line) {
  if (end.content > channel->line_limit) return too_long(channel, end);
  *out_line = weir_bytes_of(channel->buffer + channel->start, end.content);
  int result = check(channel, end.content, kind);
  consume_line(channel, end);
  return result;
}

// The last line, which nothing ends.
static int hand_out_rest(weir_read_channel *channel, weir_internal_line_kind kind,
                         weir_bytes *out_line) {
  size_t held = weir_internal_reader_held(channel);
  if (held == 0) return WEIR_E_END_OF_STREAM;
  if (held > channel->line_limit) return too_long(channel, (line_end){0, 0});
  *out_line = weir_bytes_of(channel->buffer + channel->start, held);
  int result = check(channel, held, kind);
  weir_internal_reader_consume(channel, held);
  return result;
}

// Tells whether the line is too long although its end was not found yet. A CR at its end may belong
// to what ends it.
static bool is_too_long(const weir_read_channel *channel) {
  size_t content = channel->scanned;
  if (content <= channel->line_limit) return false;
  bool may_end =
      channel->line_ending == WEIR_LINE_LF && channel->buffer[channel->start + content - 1] == CR;
  return content - may_end > channel->line_limit;
}

// Reads a line that lies in the buffer with its end, as nearly all lines do, in one go. Returns
// false if there is none or something is to be said of it; read_line does that.
__attribute__((always_inline)) static inline bool read_held_line(weir_read_channel *channel,
                                                                 weir_internal_line_kind kind,
                                                                 weir_bytes *out_line) {
  size_t held = weir_internal_reader_held(channel);
  // A carriage return that ends lines, or ended the last one, a rest that is to be dropped, and
  // bytes that were searched before are left to the other way; and so is what may be too long.
  bool usual = channel->line_ending == WEIR_LINE_LF && channel->scanned == 0 &&
               !channel->skip_rest && !channel->skip_lf && held - 1 < channel->line_limit;
  if (!usual) return false;
  const char *line = channel->buffer + channel->start;
  const char *lf = memchr(line, LF, held);
  if (lf == NULL) {
    channel->scanned = (uint32_t)held;
    return false;
  }
  uint32_t size = (uint32_t)(lf - line) + 1;
  uint32_t content = size - 1 - (size > 1 && lf[-1] == CR);
  if (check(channel, content, kind) != 0) return false;
  *out_line = weir_bytes_of(line, content);
  channel->start += size;
  channel->checked = channel->checked > size ? channel->checked - size : 0;
  if (size < channel->capacity) channel->long_line = 0;
  return true;
}

static int read_line(weir_read_channel *channel, weir_internal_line_kind kind,
                     weir_bytes *out_line) {
  int result = weir_internal_reader_settle(channel);
  if (result < 0) return result;
  // Not even CR LF can make a longer one legal.
  const size_t longest = (size_t)channel->line_limit + 2;
  for (;;) {
    size_t held = weir_internal_reader_held(channel);
    size_t size = held < longest ? held : longest;
    if (size > channel->scanned) {
      line_end end = find_end(channel, size, channel->scanned);
      if (end.size > 0) return hand_out(channel, end, kind, out_line);
      channel->scanned = (uint32_t)size;
    }
    if (is_too_long(channel)) return too_long(channel, (line_end){0, 0});
    result = weir_internal_reader_fill_line(channel);
    if (result < 0) return result;
    if (result == 0) return hand_out_rest(channel, kind, out_line);
  }
}

// Waits for bytes if there are none, and reads the line if that is all there is to it; else leaves
// it to read_line.
__attribute__((always_inline)) static inline int read_usual_line(weir_read_channel *channel,
                                                                 weir_internal_line_kind kind,
                                                                 weir_bytes *out_line) {
  if (weir_internal_reader_held(channel) == 0 && !channel->skip_lf && !channel->skip_rest) {
    int result = weir_internal_reader_fill_line(channel);
    if (result <= 0) return result == 0 ? WEIR_E_END_OF_STREAM : result;
  }
  if (read_held_line(channel, kind, out_line)) return 0;
  return read_line(channel, kind, out_line);
}

int weir_internal_reader_line(weir_read_channel *channel, weir_internal_line_kind kind,
                              weir_bytes *out_line) {
  return read_line(channel, kind, out_line);
}

// Nearly all lines are there already when they are asked for, or are all that is there when
// something has come.
__attribute__((noinline)) static int wait_for_line(weir_read_channel *channel,
                                                   weir_internal_line_kind kind,
                                                   weir_bytes *out_line) {
  *out_line = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = read_usual_line(channel, kind, out_line);
  return weir_internal_reader_leave_span(channel, result, out_line);
}

__attribute__((always_inline)) static inline int read_public(weir_read_channel *channel,
                                                             weir_internal_line_kind kind,
                                                             weir_bytes *out_line) {
  const weir_connection *connection = weir_internal_reader_connection(channel);
  if (weir_internal_reader_held(channel) > 0 &&
      weir_internal_connection_at_once(connection, channel->busy) &&
      read_held_line(channel, kind, out_line)) {
    return 0;
  }
  return wait_for_line(channel, kind, out_line);
}

int weir_read_line(weir_read_channel *channel, weir_bytes *out_line) {
  return read_public(channel, WEIR_INTERNAL_BYTES, out_line);
}

int weir_read_utf8_line(weir_read_channel *channel, weir_bytes *out_line) {
  return read_public(channel, WEIR_INTERNAL_TEXT, out_line);
}
