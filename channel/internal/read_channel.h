// SPDX-License-Identifier: Apache-2.0
//
// The reading half of a connection: a buffer that exists only while it holds something.

#ifndef WEIR_CHANNEL_INTERNAL_READ_CHANNEL_H
#define WEIR_CHANNEL_INTERNAL_READ_CHANNEL_H

#include "base/internal/lender.h"
#include "channel/internal/line_ends.h"
#include "coroutine/internal/suspend.h"
#include "weir/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_INTERNAL_DEFAULT_CAPACITY 16384
#define WEIR_INTERNAL_DEFAULT_LINE_LIMIT 65536
#define WEIR_INTERNAL_LARGEST_CAPACITY (1 << 30)

// What a buffer has beyond the capacity, or a line limit, for lines: CR LF behind a line of just
// that size, and one byte more. A read that leaves this byte free is seen to have taken all that
// was there, and needs no other read that says so.
#define WEIR_INTERNAL_LINE_EXTRA 3

// The buffer is  [ read ... | start: not yet read ... | end: room ... | size ].
struct weir_read_channel {
  weir_internal_lender lender;
  char *buffer;  // NULL when there is none
  uint32_t size;
  uint32_t start;
  uint32_t end;
  uint32_t scanned;  // bytes from |start| on that were searched for the end of a line in vain
  // Where the whole characters from |start| on that are known to be UTF-8 end; at or before |start|
  // if none is.
  uint32_t checked;
  uint32_t capacity;
  uint32_t line_limit;
  weir_internal_line_ends line_ends;  // may lie before |start|
  uint64_t received;                  // bytes that the transport has given in all
  // What keeps a line from being read in one go. It is rare, and one look tells that there is none.
  union {
    struct {
      // The size of the buffer that the last line needed, if it was longer than the capacity,
      // otherwise 0. The next line is probably alike, and gets a buffer of that size from the
      // beginning: so it takes one read and no copy.
      uint32_t long_line;
      bool busy;        // an operation is in flight
      bool any_ending;  // the line ending is WEIR_LINE_ANY
      bool skip_rest;   // the rest of a line that was too long is to be dropped
      bool skip_lf;     // a CR has ended a line, and a LF directly behind it belongs to it
    };
    uint64_t unusual;
  };
  // The caller's memory, while bytes are read straight into it.
  char *direct;
  size_t direct_size;
  // Of the last search for a delimiter whose deadline has passed, as long as what it has searched
  // is held; or NULL.
  struct weir_internal_past_search *past_search;
  int failure;  // of the transport, or the cause of a cancel; it stays
  // Of a copy, whose reads in flight may use a large buffer: how much of that, or 0.
  uint32_t bulk;
  // An operation that waits for other channels, too; NULL for the usual ones.
  weir_internal_interruptible *holder;
  bool ended;          // the transport has reported the end of the stream
  bool for_line;       // the read in flight is for a line, which may use all of the buffer
  bool ahead;          // what does not fit into |direct| may go into the buffer
  bool resynchronise;  // as in the options
  bool cancelled;      // |failure| is the cause of weir_read_channel_cancel
};

// weir_internal_reader_init gives |channel|, which is zeroed, its defaults.
void weir_internal_reader_init(weir_read_channel *channel);

// weir_internal_reader_release gives back the buffer, and what else the channel holds.
void weir_internal_reader_release(weir_read_channel *channel);

// weir_internal_reader_forget_search gives back |past_search|;
// weir_internal_reader_forget_useless_search does if the bytes that it searched were read, and
// there must be one.
void weir_internal_reader_forget_search(weir_read_channel *channel);
void weir_internal_reader_forget_useless_search(weir_read_channel *channel);

// weir_internal_reader_fill waits for bytes and puts them behind those that the buffer holds, which
// are fewer than the channel's limit. Returns their number, 0 at the end of the stream, or a
// negative code.
WEIR_MUST_USE int weir_internal_reader_fill(weir_read_channel *channel);

// weir_internal_reader_fill_at_once does not wait: -EAGAIN when nothing is there.
WEIR_MUST_USE int weir_internal_reader_fill_at_once(weir_read_channel *channel);

// weir_internal_reader_receive_at_once reads, without waiting, straight into |size| bytes at |out|,
// at least 1, and what does not fit there into the buffer. The channel must hold nothing. Returns
// how many |out| got, 0 at the end of the stream, -EAGAIN, or another negative code.
WEIR_MUST_USE int weir_internal_reader_receive_at_once(weir_read_channel *channel, char *out,
                                                       size_t size);

// weir_internal_reader_fill_line is weir_internal_reader_fill for more of a line.
WEIR_MUST_USE static inline int weir_internal_reader_fill_line(weir_read_channel *channel) {
  channel->for_line = true;
  int result = weir_internal_reader_fill(channel);
  channel->for_line = false;
  return result;
}

// weir_internal_reader_held returns how many bytes can be read without waiting.
static inline size_t weir_internal_reader_held(const weir_read_channel *channel) {
  return channel->end - channel->start;
}

// weir_internal_reader_consume counts |size| bytes as read.
static inline void weir_internal_reader_consume(weir_read_channel *channel, size_t size) {
  channel->start += (uint32_t)size;
  channel->scanned = channel->scanned > size ? channel->scanned - (uint32_t)size : 0;
  // Whoever reads bytes, not lines, may stop in the middle of a character.
  bool cut = channel->checked > channel->start && (channel->buffer[channel->start] & 0xC0) == 0x80;
  if (cut) channel->checked = 0;
}

// weir_internal_reader_settle drops what is still to be dropped from earlier lines. Every read
// begins with it. Returns 0, also when the stream ended, or a negative code.
WEIR_MUST_USE int weir_internal_reader_settle_slowly(weir_read_channel *channel);
WEIR_MUST_USE static inline int weir_internal_reader_settle(weir_read_channel *channel) {
  if (!channel->skip_rest && !channel->skip_lf) return 0;
  return weir_internal_reader_settle_slowly(channel);
}

// weir_internal_reader_drop is weir_internal_reader_settle as far as it goes without waiting: what
// is held afterwards is to be read.
void weir_internal_reader_drop(weir_read_channel *channel);

// weir_internal_reader_nothing is a read of no bytes. It needs none, so it does not wait, and the
// stream may have ended or broken; but nobody reads from a channel that was cancelled. Returns 0 or
// the cause.
WEIR_MUST_USE static inline int weir_internal_reader_nothing(const weir_read_channel *channel) {
  return channel->cancelled ? channel->failure : 0;
}

// weir_internal_reader_limit returns how many bytes the channel holds at most, and hands out as one
// span.
static inline size_t weir_internal_reader_limit(const weir_read_channel *channel) {
  size_t line = (size_t)channel->line_limit + 2;
  return channel->capacity > line ? channel->capacity : line;
}

// weir_internal_reader_span returns a span over the first |size| bytes that are held.
static inline weir_bytes weir_internal_reader_span(const weir_read_channel *channel, size_t size) {
  return weir_bytes_of(size > 0 ? channel->buffer + channel->start : "", size);
}

// weir_internal_reader_take hands out the first |size| bytes that are held and counts them as read.
static inline weir_bytes weir_internal_reader_take(weir_read_channel *channel, size_t size) {
  weir_bytes bytes = weir_internal_reader_span(channel, size);
  weir_internal_reader_consume(channel, size);
  return bytes;
}

// weir_internal_reader_gather settles, and waits until |size| bytes are held. Returns 0;
// WEIR_E_END_OF_STREAM when the stream ended before; -EMSGSIZE for a |size| above the channel's
// limit; or another negative code. Whatever it returns, nothing is read.
WEIR_MUST_USE int weir_internal_reader_gather(weir_read_channel *channel, size_t size);

// weir_internal_reader_look looks for bytes without waiting, unless some are held. Returns 0, also
// when it has found none, or a negative code.
WEIR_MUST_USE int weir_internal_reader_look(weir_read_channel *channel);

// What a line is read as: text is checked.
typedef enum weir_internal_line_kind {
  WEIR_INTERNAL_BYTES,
  WEIR_INTERNAL_TEXT
} weir_internal_line_kind;

// weir_internal_reader_line is weir_read_line or weir_read_utf8_line between entering and leaving.
WEIR_MUST_USE int weir_internal_reader_line(weir_read_channel *channel,
                                            weir_internal_line_kind kind, weir_bytes *out_line);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_READ_CHANNEL_H
