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

// A way to search a block for line ends; always a constant, so that nothing is called.
typedef uint64_t (*block_search)(const char *block);

// Searches what is held for a LF: among the line ends that are known, then in a few blocks that
// follow. Returns the number of bytes up to and with it, or 0; then the first |*out_scanned| were
// searched. It calls nothing, so that it costs little when a line is short.
//
// All places are counted from the beginning of the buffer: so where the next block lies depends on
// the last block, not on the line before, and a processor looks into it before that line is found.
__attribute__((always_inline)) static inline uint32_t find_near(weir_read_channel *channel,
                                                                block_search search,
                                                                uint32_t *out_scanned) {
  enum { BLOCK = WEIR_INTERNAL_LINE_BLOCK, BLOCKS = 3 };
  const uint32_t start = channel->start;
  uint32_t at = start;
  // Where no line ends are known this is 0, or far more than a block.
  const uint32_t known = channel->line_ends.end - start;
  if (known - 1 < BLOCK) {
    uint64_t marks = channel->line_ends.marks >> (BLOCK - known);
    if (marks != 0) return (uint32_t)__builtin_ctzll(marks) + 1;
    at += known;
  }
  for (int i = 0; i < BLOCKS; i++) {
    uint32_t next = at + BLOCK;
    uint64_t marks;
    if (next <= channel->end) {
      marks = search(channel->buffer + at);
    } else {
      // What the block has behind |end| is looked at as well; so it must lie in the buffer.
      if (at == channel->end || next > channel->size) break;
      marks = search(channel->buffer + at) << (next - channel->end);
      next = channel->end;
    }
    if (marks != 0) {
      channel->line_ends.marks = marks;
      channel->line_ends.end = next;
      return next - (BLOCK - 1) + (uint32_t)__builtin_ctzll(marks) - start;
    }
    at = next;
  }
  *out_scanned = at - start;
  return 0;
}

// Searches the |held| bytes, which are no more than a block, for a LF, and checks them if they are
// ASCII: most lines that come alone need nothing else. Returns as find_near.
static inline uint32_t find_in_block(weir_read_channel *channel, uint32_t held) {
  const uint32_t behind = WEIR_INTERNAL_LINE_BLOCK - held;
  const char *block = channel->buffer + channel->start;
  uint64_t marks = weir_internal_line_ends_of(block) << behind;
  if (weir_internal_not_ascii_of(block) << behind == 0) channel->checked = channel->end;
  channel->line_ends.marks = marks;
  channel->line_ends.end = channel->end;
  return marks == 0 ? 0 : (uint32_t)__builtin_ctzll(marks) - behind + 1;
}

// Tells whether find_in_block may be called. What a block has behind |end| is looked at as well; so
// it must lie in the buffer.
static inline bool is_one_block(const weir_read_channel *channel, uint32_t held) {
  return held <= WEIR_INTERNAL_LINE_BLOCK && channel->scanned == 0 &&
         channel->start + WEIR_INTERNAL_LINE_BLOCK <= channel->size;
}

// Searches the first |size| bytes that are held, but for the first |scanned|, for a LF. Returns the
// number of bytes up to and with it, or 0.
__attribute__((always_inline)) static inline uint32_t find_lf(weir_read_channel *channel,
                                                              uint32_t size, uint32_t scanned) {
  if (scanned == 0) {
    uint32_t found = find_near(channel, weir_internal_line_ends_of, &scanned);
    if (found > 0) return found <= size ? found : 0;
  }
  if (scanned >= size) return 0;
  const char *data = channel->buffer + channel->start;
  const char *lf = memchr(data + scanned, LF, size - scanned);
  return lf == NULL ? 0 : (uint32_t)(lf - data) + 1;
}

// Returns the number of bytes before LF or CR LF, with which the first |size| bytes at |data| end.
static inline uint32_t content_of(const char *data, uint32_t size) {
  if (size > 1 && data[size - 2] == CR) return size - 2;
  return size - 1;
}

// The same for LF or CR, whatever comes first.
static uint32_t find_any(const weir_read_channel *channel, uint32_t size, uint32_t scanned) {
  const char *data = channel->buffer + channel->start;
  uint32_t at = scanned;
  while (at < size && data[at] != LF && data[at] != CR) at++;
  return at < size ? at + 1 : 0;
}

static line_end find_end(weir_read_channel *channel, size_t size, size_t scanned) {
  line_end end = {0, 0};
  if (!channel->any_ending) {
    end.size = find_lf(channel, (uint32_t)size, (uint32_t)scanned);
    if (end.size > 0)
      end.content = content_of(channel->buffer + channel->start, (uint32_t)end.size);
  } else {
    end.size = find_any(channel, (uint32_t)size, (uint32_t)scanned);
    if (end.size > 0) end.content = end.size - 1;
  }
  return end;
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
  if (channel->checked < channel->start) channel->checked = channel->start;
  const char *from = channel->buffer + channel->checked;
  size -= channel->checked - channel->start;
  channel->checked += (uint32_t)(size < SHORT ? weir_internal_utf8_prefix_plain(from, size)
                                              : weir_internal_utf8_prefix(from, size));
}

// Tells whether the first |size| bytes are known to be a text of |kind|.
static inline bool is_checked(const weir_read_channel *channel, size_t size,
                              weir_internal_line_kind kind) {
  return kind == WEIR_INTERNAL_BYTES || channel->start + size <= channel->checked;
}

// Returns what is to be said of the first |size| bytes as a text of |kind|.
static inline int check(weir_read_channel *channel, size_t size, weir_internal_line_kind kind) {
  if (is_checked(channel, size, kind)) return 0;
  check_ahead(channel, size);
  return is_checked(channel, size, kind) ? 0 : WEIR_E_INVALID_UTF8;
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
  bool may_end = !channel->any_ending && channel->buffer[channel->start + content - 1] == CR;
  return content - may_end > channel->line_limit;
}

// Tells whether a line may be read in one go: something is held, but nothing that may be too long.
// A carriage return that ends lines, or ended the last one, and a rest that is to be dropped are
// left to read_line.
static inline bool is_usual(const weir_read_channel *channel) {
  return channel->end - channel->start - 1 < channel->line_limit && !channel->any_ending &&
         !channel->skip_rest && !channel->skip_lf;
}

static inline void take_line(weir_read_channel *channel, uint32_t size, uint32_t content,
                             weir_bytes *out_line) {
  *out_line = weir_bytes_of(channel->buffer + channel->start, content);
  channel->start += size;
}

// Reads a short line whose text was checked with an earlier one, as most are where many lines come
// together; calls nothing. Returns false if there is none, or something is to be done first.
__attribute__((always_inline)) static inline bool read_near_line(weir_read_channel *channel,
                                                                 weir_internal_line_kind kind,
                                                                 block_search search,
                                                                 weir_bytes *out_line) {
  uint32_t size = find_near(channel, search, &channel->scanned);
  if (size == 0) return false;
  uint32_t content = content_of(channel->buffer + channel->start, size);
  if (!is_checked(channel, content, kind)) return false;
  take_line(channel, size, content, out_line);
  return true;
}

// Reads a line that lies in the buffer with its end in one go. Returns false if there is none or
// something is to be said of it; read_line does that.
__attribute__((always_inline)) static inline bool read_held_line(weir_read_channel *channel,
                                                                 weir_internal_line_kind kind,
                                                                 weir_bytes *out_line) {
  if (!is_usual(channel)) return false;
  uint32_t held = (uint32_t)weir_internal_reader_held(channel);
  uint32_t size = is_one_block(channel, held) ? find_in_block(channel, held)
                                              : find_lf(channel, held, channel->scanned);
  if (size == 0) {
    channel->scanned = held;
    return false;
  }
  uint32_t content = content_of(channel->buffer + channel->start, size);
  if (check(channel, content, kind) != 0) return false;
  channel->scanned = 0;
  if (size < channel->capacity) channel->long_line = 0;
  take_line(channel, size, content, out_line);
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
                                                             block_search search,
                                                             weir_bytes *out_line) {
  const weir_connection *connection = weir_internal_reader_connection(channel);
  uint32_t held = (uint32_t)weir_internal_reader_held(channel);
  if (held - 1 < channel->line_limit && channel->unusual == 0 && channel->scanned == 0 &&
      weir_internal_connection_at_once(connection, false) &&
      read_near_line(channel, kind, search, out_line)) {
    return 0;
  }
  return wait_for_line(channel, kind, out_line);
}

#if defined(__x86_64__)
#define WITH_AVX2 __attribute__((target("avx2")))

WITH_AVX2 static int read_line_avx2(weir_read_channel *channel, weir_bytes *out_line) {
  return read_public(channel, WEIR_INTERNAL_BYTES, weir_internal_line_ends_avx2, out_line);
}

WITH_AVX2 static int read_utf8_line_avx2(weir_read_channel *channel, weir_bytes *out_line) {
  return read_public(channel, WEIR_INTERNAL_TEXT, weir_internal_line_ends_avx2, out_line);
}
#endif

int weir_read_line(weir_read_channel *channel, weir_bytes *out_line) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return read_line_avx2(channel, out_line);
#endif
  return read_public(channel, WEIR_INTERNAL_BYTES, weir_internal_line_ends_of, out_line);
}

int weir_read_utf8_line(weir_read_channel *channel, weir_bytes *out_line) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return read_utf8_line_avx2(channel, out_line);
#endif
  return read_public(channel, WEIR_INTERNAL_TEXT, weir_internal_line_ends_of, out_line);
}
