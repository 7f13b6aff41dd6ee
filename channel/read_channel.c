// SPDX-License-Identifier: Apache-2.0
//
// The buffer of a read channel, and the reads that know how much they want. No byte is read before
// somebody waits for it, so there is no coroutine behind a channel: reading it reads the transport.

#include <assert.h>

#include "channel/internal/connection.h"

// From here on a larger buffer makes a copy of much no cheaper.
enum { BULK_SIZE = 64 * 1024 };

// A call that moves many bytes takes long, and nobody else's turn comes meanwhile.
static const size_t most_at_once = WEIR_INTERNAL_BYTES_PER_TURN;

static size_t smaller(size_t one, size_t other) { return one < other ? one : other; }

// The buffer and its room

static inline void give_back(weir_read_channel *channel) {
  if (channel->buffer == NULL) return;
  weir_internal_buffer_pool *pool = weir_internal_reader_connection(channel)->pool;
  weir_internal_buffer_give(pool, channel->buffer, channel->size);
  channel->buffer = NULL;
  channel->size = channel->start = channel->end = 0;
  channel->checked = channel->line_ends.end = 0;
}

// Says where |place| lies once the byte at |start| is the first of a buffer.
static uint32_t moved(const weir_read_channel *channel, uint32_t place) {
  return place > channel->start ? place - channel->start : 0;
}

static void slide(weir_read_channel *channel) {
  size_t held = weir_internal_reader_held(channel);
  memmove(channel->buffer, channel->buffer + channel->start, held);
  channel->checked = moved(channel, channel->checked);
  channel->line_ends.end = moved(channel, channel->line_ends.end);
  channel->start = 0;
  channel->end = (uint32_t)held;
}

static int move_to(weir_read_channel *channel, size_t size) {
  char *buffer = weir_internal_buffer_take(weir_internal_reader_connection(channel)->pool, size);
  if (buffer == NULL) return -ENOMEM;
  size_t held = weir_internal_reader_held(channel);
  if (held > 0) memcpy(buffer, channel->buffer + channel->start, held);
  uint32_t checked = moved(channel, channel->checked);
  uint32_t line_ends_end = moved(channel, channel->line_ends.end);
  give_back(channel);
  channel->checked = checked;
  channel->line_ends.end = line_ends_end;
  channel->buffer = buffer;
  channel->size = (uint32_t)size;
  channel->end = (uint32_t)held;
  return 0;
}

// The size of a buffer as it usually is.
static uint32_t usual_size(const weir_read_channel *channel) {
  return channel->capacity + WEIR_INTERNAL_LINE_EXTRA;
}

// How much of the buffer the read in flight may fill: what is no line is not read ahead beyond the
// capacity, or what a copy wants. Whoever holds as much and still wants more wants it for one
// thing, that is larger.
static uint32_t usable_size(const weir_read_channel *channel) {
  uint32_t most = channel->capacity;
  if (channel->for_line || weir_internal_reader_held(channel) >= most) return channel->size;
  if (channel->size <= usual_size(channel)) return most;
  most = channel->start + (channel->bulk > most ? channel->bulk : most);
  return most < channel->size ? most : channel->size;
}

static bool expects_long_line(const weir_read_channel *channel) {
  return channel->for_line && channel->long_line > 0;
}

// Only a line needs a buffer beyond the capacity. It becomes four times as large, which takes the
// default capacity to the default limit at once.
static int grow(weir_read_channel *channel) {
  size_t largest = (size_t)channel->line_limit + WEIR_INTERNAL_LINE_EXTRA;
  assert(channel->size < largest);
  size_t size = channel->size >= largest / 4 ? largest : (size_t)channel->size * 4;
  return move_to(channel, size);
}

// A copy that finds more than the capacity takes as much at once as pays, but no more than may be
// handed out as one span, should it be cut short. 0 if that is not more than usual.
static size_t bulk_size(const weir_read_channel *channel) {
  size_t limit = weir_internal_reader_limit(channel);
  size_t size = limit < BULK_SIZE ? limit : BULK_SIZE;
  return size > channel->capacity ? size : 0;
}

// The size of the large buffer that the read in flight would have; 0 if the usual one will do.
static size_t wished_size(const weir_read_channel *channel) {
  if (channel->for_line) return channel->long_line;
  return channel->bulk > 0 ? bulk_size(channel) : 0;
}

static inline int take_buffer(weir_read_channel *channel) {
  // If there is no memory for a large buffer, the usual one may do for now.
  size_t wished = wished_size(channel);
  if (wished > 0 && move_to(channel, wished) == 0) return 0;
  weir_internal_buffer_pool *pool = weir_internal_reader_connection(channel)->pool;
  channel->buffer = weir_internal_buffer_take(pool, usual_size(channel));
  if (channel->buffer == NULL) return -ENOMEM;
  channel->size = usual_size(channel);
  return 0;
}

static int make_room(weir_read_channel *channel) {
  size_t held = weir_internal_reader_held(channel);
  // A long line is gone; its buffer follows. If there is no other it stays in use.
  if (channel->size > usual_size(channel) && held <= channel->capacity / 2 &&
      !expects_long_line(channel) && move_to(channel, usual_size(channel)) == 0) {
    return 0;
  }
  // Moving no more than was read since the last move costs each byte one move at most.
  if (channel->start >= held) slide(channel);
  if (channel->end < usable_size(channel)) return 0;
  if (channel->start > 0) slide(channel);
  return channel->end < usable_size(channel) ? 0 : grow(channel);
}

static inline int lend_buffer(weir_read_channel *channel, struct iovec *out) {
  int result = channel->buffer == NULL ? take_buffer(channel) : make_room(channel);
  if (result < 0) return result;
  size_t room = usable_size(channel) - channel->end;
  *out = (struct iovec){channel->buffer + channel->end, smaller(room, most_at_once)};
  return 1;
}

// Lends the caller's memory, and the buffer behind it if there is to be and is one.
static int lend_direct(weir_read_channel *channel, struct iovec *buffers) {
  buffers[0] = (struct iovec){channel->direct, channel->direct_size};
  return channel->ahead && lend_buffer(channel, buffers + 1) == 1 ? 2 : 1;
}

// Called by the transport once bytes are there.
static int lend(weir_internal_lender *lender, struct iovec *buffers) {
  weir_read_channel *channel = WEIR_INTERNAL_CONTAINER(lender, weir_read_channel, lender);
  // An interruption that came between the wake and the read that follows it.
  if (channel->failure < 0) return channel->failure;
  int failure = weir_internal_reader_connection(channel)->failure;
  if (failure < 0) return failure;
  if (channel->direct_size > 0) return lend_direct(channel, buffers);
  return lend_buffer(channel, buffers);
}

static void take_back(weir_internal_lender *lender) {
  weir_read_channel *channel = WEIR_INTERNAL_CONTAINER(lender, weir_read_channel, lender);
  if (weir_internal_reader_held(channel) == 0) give_back(channel);
}

void weir_internal_reader_init(weir_read_channel *channel) {
  channel->lender.lend = lend;
  channel->lender.take_back = take_back;
  channel->capacity = WEIR_INTERNAL_DEFAULT_CAPACITY;
  channel->line_limit = WEIR_INTERNAL_DEFAULT_LINE_LIMIT;
}

void weir_internal_reader_release(weir_read_channel *channel) {
  give_back(channel);
  weir_internal_reader_forget_search(channel);
}

int weir_read_channel_configure(weir_read_channel *channel,
                                const weir_read_channel_options *options) {
  static const weir_read_channel_options defaults = {0};
  if (options == NULL) options = &defaults;
  if (options->capacity > WEIR_INTERNAL_LARGEST_CAPACITY) return -EINVAL;
  if (options->line_limit > WEIR_INTERNAL_LARGEST_CAPACITY) return -EINVAL;
  if (options->line_ending != WEIR_LINE_LF && options->line_ending != WEIR_LINE_ANY) return -EINVAL;
  if (channel->busy || weir_internal_reader_held(channel) > 0) return -EBUSY;
  channel->capacity =
      options->capacity > 0 ? (uint32_t)options->capacity : WEIR_INTERNAL_DEFAULT_CAPACITY;
  channel->line_limit =
      options->line_limit > 0 ? (uint32_t)options->line_limit : WEIR_INTERNAL_DEFAULT_LINE_LIMIT;
  channel->long_line = 0;
  channel->any_ending = options->line_ending == WEIR_LINE_ANY;
  channel->resynchronise = options->resynchronise;
  return 0;
}

// Operations

static int read_failed(weir_read_channel *channel, int failure) {
  const weir_connection *connection = weir_internal_reader_connection(channel);
  if (channel->failure < 0) return channel->failure;
  if (connection->failure < 0) return connection->failure;
  if (failure != -EAGAIN && weir_internal_connection_breaks(connection, failure)) {
    channel->failure = failure;
  }
  return failure;
}

// Reads into |channel->direct| first, if that is set.
static inline int fill(weir_read_channel *channel, bool wait) {
  weir_connection *connection = weir_internal_reader_connection(channel);
  if (channel->failure < 0) {
    if (weir_internal_reader_held(channel) == 0) give_back(channel);
    return channel->failure;
  }
  if (channel->ended) return 0;
  // What was handed out last is over, and an idle channel holds nothing.
  if (weir_internal_reader_held(channel) == 0) give_back(channel);
  if (channel->past_search != NULL) weir_internal_reader_forget_useless_search(channel);
  int result = connection->transport->read(connection, &channel->lender, wait);
  // A cancel that came when the end of the stream had woken us already.
  if (result == 0 && channel->failure < 0) return channel->failure;
  if (result > 0) channel->received += (uint64_t)result;
  if (result > 0 && (size_t)result > channel->direct_size) {
    channel->end += (uint32_t)((size_t)result - channel->direct_size);
  } else {
    // Nothing is in the buffer that was not there before.
    channel->ended = result == 0;
    if (weir_internal_reader_held(channel) == 0) give_back(channel);
  }
  if (result < 0) return read_failed(channel, result);
  return connection->failure == 0 ? result : connection->failure;
}

int weir_internal_reader_fill(weir_read_channel *channel) { return fill(channel, true); }

int weir_internal_reader_fill_at_once(weir_read_channel *channel) { return fill(channel, false); }

// Reads straight into |size| bytes at |out|, and what does not fit into the buffer if |ahead|.
// Returns how many |out| got.
static int receive_direct(weir_read_channel *channel, char *out, size_t size, bool ahead,
                          bool wait) {
  channel->direct = out;
  channel->direct_size = smaller(size, most_at_once);
  channel->ahead = ahead && channel->direct_size + channel->capacity <= most_at_once;
  int result = fill(channel, wait);
  if (result > 0 && (size_t)result > channel->direct_size) result = (int)channel->direct_size;
  channel->direct = NULL;
  channel->direct_size = 0;
  return result;
}

int weir_internal_reader_receive_at_once(weir_read_channel *channel, char *out, size_t size) {
  return receive_direct(channel, out, size, true, false);
}

// Takes up to |size| bytes out of the buffer.
static size_t take(weir_read_channel *channel, char *out, size_t size) {
  size_t held = weir_internal_reader_held(channel);
  if (size > held) size = held;
  if (size > WEIR_INTERNAL_LARGEST_CAPACITY) size = WEIR_INTERNAL_LARGEST_CAPACITY;
  memcpy(out, channel->buffer + channel->start, size);
  weir_internal_reader_consume(channel, size);
  return size;
}

// Reads 1 to |size| bytes, as many as are there. Small reads go through the buffer, so that not
// each of them is a system call; large ones do not, but |ahead| says whether it may take what comes
// behind them. Returns the number of bytes, or a negative code.
static int read_some(weir_read_channel *channel, char *out, size_t size, bool ahead) {
  int result = 1;
  if (weir_internal_reader_held(channel) == 0) {
    if (size >= channel->capacity) {
      result = receive_direct(channel, out, size, ahead, true);
      return result == 0 ? WEIR_E_END_OF_STREAM : result;
    }
    result = weir_internal_reader_fill(channel);
  }
  if (result <= 0) return result == 0 ? WEIR_E_END_OF_STREAM : result;
  return (int)take(channel, out, size);
}

static int read_available(weir_read_channel *channel, char *out, size_t size) {
  if (size == 0) return weir_internal_reader_nothing(channel);
  int result = weir_internal_reader_settle(channel);
  return result < 0 ? result : read_some(channel, out, size, false);
}

int weir_read_available(weir_read_channel *channel, void *out, size_t size) {
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, read_available(channel, (char *)out, size));
}

static int read_try(weir_read_channel *channel, char *out, size_t size) {
  if (size == 0) return weir_internal_reader_nothing(channel);
  int result = weir_internal_reader_look(channel);
  if (result < 0) return result;
  size_t held = weir_internal_reader_held(channel);
  if (held > 0) return (int)take(channel, out, size);
  return channel->ended ? WEIR_E_END_OF_STREAM : -EAGAIN;
}

int weir_read_try(weir_read_channel *channel, void *out, size_t size) {
  int result = weir_internal_reader_enter_at_once(channel);
  if (result < 0) return result;
  return weir_internal_reader_leave(channel, read_try(channel, (char *)out, size));
}

static int read_fully(weir_read_channel *channel, char *out, size_t size, size_t *done) {
  if (size == 0) return weir_internal_reader_nothing(channel);
  int result = weir_internal_reader_settle(channel);
  while (result == 0) {
    result = read_some(channel, out + *done, size - *done, true);
    if (result < 0) break;
    *done += (size_t)result;
    if (*done == size) return 0;
    result = weir_internal_connection_go_on(weir_internal_reader_connection(channel));
  }
  return result;
}

int weir_read_fully(weir_read_channel *channel, void *out, size_t size, size_t *out_done) {
  size_t done = 0;
  int result = weir_internal_reader_enter(channel);
  if (result == 0) {
    result = read_fully(channel, (char *)out, size, &done);
    result = weir_internal_reader_leave(channel, result);
  }
  if (out_done != NULL) *out_done = done;
  return result;
}
