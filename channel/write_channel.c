// SPDX-License-Identifier: Apache-2.0
//
// Writing. What fits into the buffer is copied there and leaves later, together with what follows
// it; what does not fit leaves at once, from where it lies, behind what waits in the buffer.

#include "channel/internal/connection.h"

// From this size on, what another channel holds is not worth a copy into the buffer.
enum { PASSED_AT_ONCE = 4096 };

void weir_internal_writer_init(weir_write_channel *channel) {
  channel->capacity = WEIR_INTERNAL_DEFAULT_CAPACITY;
  weir_internal_pre_suspend_init(&channel->hook, weir_internal_writer_hook);
  channel->watcher.ready = weir_internal_writer_ready;
}

// The buffer and its room

int weir_internal_writer_fail(weir_write_channel *channel, int failure) {
  if (channel->failure == 0) channel->failure = failure;
  channel->gone += weir_internal_writer_pending(channel);
  channel->lost += weir_internal_writer_pending(channel);
  weir_internal_writer_release(channel);
  return channel->failure;
}

void weir_internal_writer_settle(weir_write_channel *channel) {
  // A cancel while an operation was in flight has left the buffer to it.
  if (channel->failure < 0) {
    weir_internal_writer_fail(channel, channel->failure);
  } else if (weir_internal_writer_pending(channel) == 0) {
    weir_internal_writer_release(channel);
  }
}

// Moves what is unsent to the front. Room is missing there only after the transport took a part,
// which was much more work.
static void slide(weir_write_channel *channel) {
  size_t pending = weir_internal_writer_pending(channel);
  memmove(channel->buffer, channel->buffer + channel->start, pending);
  channel->start = 0;
  channel->end = (uint32_t)pending;
}

static bool fits(const weir_write_channel *channel, size_t size) {
  return size <= channel->capacity - weir_internal_writer_pending(channel);
}

int weir_write_channel_configure(weir_write_channel *channel,
                                 const weir_write_channel_options *options) {
  size_t capacity = options == NULL ? 0 : options->capacity;
  if (capacity > WEIR_INTERNAL_LARGEST_CAPACITY) return -EINVAL;
  if (channel->busy || weir_internal_writer_pending(channel) > 0) return -EBUSY;
  weir_internal_writer_release(channel);  // it has the old capacity
  channel->capacity = capacity > 0 ? (uint32_t)capacity : WEIR_INTERNAL_DEFAULT_CAPACITY;
  return 0;
}

// Operations

static inline int check(weir_write_channel *channel) {
  if (channel->closed) return WEIR_E_CLOSED;
  return channel->failure;
}

// The connection was aborted because the channel was cancelled: then the cause is the reason.
static int reason_to_refuse(const weir_write_channel *channel, int result) {
  return result == -ECONNABORTED && channel->cancelled ? channel->failure : result;
}

static int leave_ended(weir_write_channel *channel, int result) {
  int cause = channel->cancelled ? channel->failure : -ECONNABORTED;
  weir_connection *connection = weir_internal_writer_connection(channel);
  result = weir_internal_connection_leave(connection, &channel->busy, result);
  // The connection may be gone.
  return result == -ECONNABORTED ? cause : result;
}

static inline int leave(weir_write_channel *channel, int result) {
  if (weir_internal_writer_connection(channel)->failure < 0) return leave_ended(channel, result);
  // Nobody's hook, where no coroutine runs.
  if (weir_internal_current_coroutine() != NULL) weir_internal_writer_arm(channel);
  channel->busy = false;
  return result;
}

static int refuse(weir_write_channel *channel, int result) {
  weir_internal_writer_settle(channel);
  return leave(channel, result);
}

static inline int begin(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = weir_internal_connection_mark(connection, &channel->busy);
  if (result < 0) return result;
  result = weir_internal_connection_go_on(connection);
  // While others ran, auto-flush has left the output to the write that was to begin.
  return result == 0 ? 0 : leave(channel, result);
}

int weir_internal_writer_begin(weir_write_channel *channel) { return begin(channel); }

static inline int enter(weir_write_channel *channel) {
  int result = begin(channel);
  if (result < 0) return result;
  result = check(channel);
  return result == 0 ? 0 : refuse(channel, result);
}

int weir_internal_writer_enter(weir_write_channel *channel) { return enter(channel); }

int weir_internal_writer_enter_at_once(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = weir_internal_connection_enter_at_once(connection, &channel->busy);
  if (result < 0) return reason_to_refuse(channel, result);
  result = check(channel);
  return result == 0 ? 0 : refuse(channel, result);
}

int weir_internal_writer_leave(weir_write_channel *channel, int result) {
  return leave(channel, result);
}

int weir_internal_writer_failed(weir_write_channel *channel, int failure) {
  const weir_connection *connection = weir_internal_writer_connection(channel);
  if (channel->failure < 0) return channel->failure;
  if (connection->failure < 0) return connection->failure;
  bool stays = weir_internal_is_shortage(failure)
                   ? !weir_internal_connection_passes(connection, failure)
                   : weir_internal_connection_breaks(connection, failure);
  if (!stays) return failure;
  return weir_internal_writer_fail(channel, failure);
}

// Sending

// Counts the next |size| bytes of |text| as written.
static void advance(weir_internal_outgoing *text, size_t size) {
  text->done += size;
  while (size > 0) {
    size_t rest = text->parts[text->part].size - text->offset;
    if (size < rest) {
      text->offset += size;
      return;
    }
    size -= rest;
    text->part++;
    text->offset = 0;
  }
}

// Fills in |buffers| with what is unsent and, behind it, the rest of |text|, but no more than a
// turn may move. Returns their number.
static int gather(const weir_write_channel *channel, const weir_internal_outgoing *text,
                  struct iovec *buffers) {
  size_t left = WEIR_INTERNAL_BYTES_PER_TURN;
  size_t skipped = text->offset;
  int count = 0;
  size_t pending = weir_internal_writer_pending(channel);
  if (pending > 0) {
    if (pending > left) pending = left;
    buffers[count++] = (struct iovec){channel->buffer + channel->start, pending};
    left -= pending;
  }
  for (int i = text->part; i < text->count && count < WEIR_INTERNAL_WRITE_BUFFERS && left > 0;
       i++) {
    weir_bytes part = text->parts[i];
    size_t size = part.size - skipped < left ? part.size - skipped : left;
    if (size > 0) {
      // The casts are for iovec, which serves reading too.
      buffers[count++] = (struct iovec){(void *)(uintptr_t)(part.data + skipped), size};
    }
    left -= size;
    skipped = 0;
  }
  return count;
}

// Waits until the transport has taken a part of what is unsent and, behind it, of |text|. Returns 0
// or a negative code.
static int send_along(weir_write_channel *channel, weir_internal_outgoing *text) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  // What the hook and the loop were to send we send now; neither may come between.
  weir_internal_writer_rest(channel);
  int result = weir_internal_connection_go_on(connection);
  if (channel->failure < 0) return channel->failure;
  if (result < 0) return result;
  // Another of the holder's channels has ended.
  if (channel->holder != NULL && channel->holder->interrupted) return -ECANCELED;
  size_t pending = weir_internal_writer_pending(channel);
  struct iovec buffers[WEIR_INTERNAL_WRITE_BUFFERS];
  int count = gather(channel, text, buffers);
  result = connection->transport->write(connection, buffers, count, true);
  if (result < 0) return weir_internal_writer_failed(channel, result);
  size_t sent = (size_t)result;
  size_t from_buffer = sent < pending ? sent : pending;
  channel->start += (uint32_t)from_buffer;
  channel->gone += sent;
  channel->pauses = 0;
  advance(text, sent - from_buffer);
  return channel->failure;  // a cancel that the transport did not notice
}

// Sends until |size| bytes fit into the buffer.
static int send_until_room(weir_write_channel *channel, size_t size) {
  weir_internal_outgoing nothing = weir_internal_outgoing_of(NULL, 0, 0);
  int result = channel->failure;
  while (result == 0 && !fits(channel, size)) result = send_along(channel, &nothing);
  return result;
}

int weir_internal_writer_drain(weir_write_channel *channel) {
  int result = send_until_room(channel, channel->capacity);
  weir_internal_writer_settle(channel);
  return result;
}

int weir_internal_writer_flush(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = weir_internal_writer_drain(channel);
  if (result < 0 || connection->transport->flush == NULL) return result;
  result = connection->transport->flush(connection);
  if (result < 0) return weir_internal_writer_failed(channel, result);
  return channel->failure;  // a cancel that the transport did not notice
}

// The loop sends what does not leave now, with or without auto-flush. A failure is kept for the
// next write; if only the loop cannot watch, the next write waits.
static void reached_capacity(weir_write_channel *channel) {
  int result = channel->watching ? 0 : weir_internal_writer_send(channel);
  if (result < 0) result = weir_internal_writer_leave_to_loop(channel, result);
  if (channel->failure < 0) weir_internal_writer_fail_unnoticed(channel, channel->failure);
  (void)result;
}

// Appends what has room.
static void append_bytes(weir_write_channel *channel, weir_bytes bytes) {
  if (bytes.size == 0) return;
  if (bytes.size > channel->size - channel->end) slide(channel);
  memcpy(channel->buffer + channel->end, bytes.data, bytes.size);
  channel->end += (uint32_t)bytes.size;
}

static void send_if_full(weir_write_channel *channel) {
  if (weir_internal_writer_pending(channel) == channel->capacity) reached_capacity(channel);
}

// Appends as much of |text| as there is room for.
static void append_some(weir_write_channel *channel, weir_internal_outgoing *text) {
  size_t room = channel->capacity - weir_internal_writer_pending(channel);
  while (room > 0 && text->done < text->size) {
    weir_bytes part = text->parts[text->part];
    size_t size = part.size - text->offset < room ? part.size - text->offset : room;
    append_bytes(channel, weir_bytes_of(part.data + text->offset, size));
    room -= size;
    if (size == 0) text->part++;
    advance(text, size);
  }
}

static void append_rest(weir_write_channel *channel, weir_internal_outgoing *text) {
  append_some(channel, text);
  send_if_full(channel);
}

// Parts so many and so small that one write of the transport would not take much of them go through
// the buffer, where they come together.
static void collect(weir_write_channel *channel, weir_internal_outgoing *text) {
  if (text->count - text->part < WEIR_INTERNAL_WRITE_BUFFERS) return;
  size_t size = text->parts[text->part].size - text->offset;
  for (int i = 1; i < WEIR_INTERNAL_WRITE_BUFFERS && size < channel->capacity; i++) {
    size += text->parts[text->part + i].size;
  }
  if (size < channel->capacity && weir_internal_writer_take_buffer(channel) == 0) {
    append_some(channel, text);
  }
}

// Tells whether the rest of |text| has room in the buffer, if it needs one.
static bool rest_fits(weir_write_channel *channel, const weir_internal_outgoing *text) {
  size_t rest = text->size - text->done;
  return fits(channel, rest) && (rest == 0 || weir_internal_writer_take_buffer(channel) == 0);
}

// A text was written in part. Its coroutine may go on with it later, unless a close has put an end
// to that.
static void note_cut(weir_write_channel *channel) {
  channel->cut = weir_internal_writer_connection(channel)->failure == WEIR_E_CLOSED;
}

// A text of just the capacity would be sent as soon as it is in the buffer. This sends it from
// where it lies, without waiting; what the transport does not take now goes that way. A failure is
// kept for the next write, as it is when the buffer is sent.
static void send_at_once(weir_write_channel *channel, weir_internal_outgoing *text) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  struct iovec buffers[WEIR_INTERNAL_WRITE_BUFFERS];
  int count = gather(channel, text, buffers);
  int sent = connection->transport->write(connection, buffers, count, false);
  if (sent == -EAGAIN || weir_internal_connection_passes(connection, sent)) return;
  if (sent < 0) {
    weir_internal_writer_fail_unnoticed(channel, sent);
    channel->gone += text->size;  // taken and lost, as what a buffer holds would be
    channel->lost += text->size;
    advance(text, text->size);
    return;
  }
  channel->gone += (uint64_t)sent;
  channel->pauses = 0;
  advance(text, (size_t)sent);
}

size_t weir_internal_writer_offer(weir_write_channel *channel, weir_bytes bytes) {
  // While the loop watches, the transport takes nothing.
  if (channel->watching || weir_internal_writer_pending(channel) > 0) return 0;
  weir_internal_outgoing text = weir_internal_outgoing_of(&bytes, 1, bytes.size);
  send_at_once(channel, &text);
  return text.done;
}

int weir_internal_writer_put(weir_write_channel *channel, weir_internal_outgoing *text) {
  // Whoever holds the channel for long may find that the loop has failed to send.
  int result = channel->failure;
  bool is_just_the_capacity = text->size == channel->capacity && text->size > 0;
  if (result == 0 && is_just_the_capacity && weir_internal_writer_pending(channel) == 0) {
    // The buffer first: what the transport does not take must have a place.
    result = weir_internal_writer_take_buffer(channel);
    if (result == 0) send_at_once(channel, text);
  }
  while (result == 0 && !rest_fits(channel, text)) {
    // What fits into the capacity as a whole is taken as a whole. When something is unsent the
    // buffer is there, and stays; so it cannot be missing after the first part was sent. The rest
    // of something larger does without.
    bool is_whole = text->size <= channel->capacity;
    bool no_memory = text->done == 0 && fits(channel, text->size);
    if (!is_whole) collect(channel, text);
    result = no_memory ? -ENOMEM : send_along(channel, text);
  }
  if (result == 0 && text->done < text->size) {
    append_rest(channel, text);
    if (is_just_the_capacity && weir_internal_writer_pending(channel) > 0) {
      reached_capacity(channel);
    }
  }
  weir_internal_writer_settle(channel);
  if (result < 0 && text->done > 0 && text->done < text->size) note_cut(channel);
  return result;
}

void weir_internal_writer_adopt(weir_write_channel *channel, char *buffer, size_t size,
                                size_t count) {
  weir_internal_writer_release(channel);
  channel->buffer = buffer;
  channel->size = (uint32_t)size;
  channel->end = (uint32_t)count;
}

int weir_internal_writer_pass(weir_write_channel *channel, weir_bytes bytes, size_t *done) {
  weir_internal_outgoing text = weir_internal_outgoing_of(&bytes, 1, bytes.size);
  int result = 0;
  if (bytes.size < PASSED_AT_ONCE) {
    result = weir_internal_writer_put(channel, &text);
  } else {
    while (result == 0 && text.done < text.size) result = send_along(channel, &text);
    weir_internal_writer_settle(channel);
    if (result < 0 && text.done > 0 && text.done < text.size) note_cut(channel);
  }
  *done += text.done;
  return result;
}

// Writing

static int put_apart(weir_write_channel *channel, weir_bytes body, weir_bytes ending,
                     size_t *out_done) {
  *out_done = 0;
  int result = enter(channel);
  if (result < 0) return result;
  const weir_bytes parts[2] = {body, ending};
  weir_internal_outgoing text = weir_internal_outgoing_of(parts, 2, body.size + ending.size);
  result = weir_internal_writer_put(channel, &text);
  *out_done = text.done;
  return leave(channel, result);
}

// Copies both behind what is unsent, where there is room.
static inline void append(weir_write_channel *channel, weir_bytes body, weir_bytes ending) {
  char *at = channel->buffer + channel->end;
  if (body.size > 0) memcpy(at, body.data, body.size);
  at += body.size;
  for (size_t i = 0; i < ending.size; i++) at[i] = ending.data[i];
  channel->end += (uint32_t)(body.size + ending.size);
}

// Appends both where there is room and more, so that nothing is to be sent. Returns 1; 0 when that
// is not so; or -ENOMEM. Nothing has happened then.
static inline int append_at_once(weir_write_channel *channel, weir_bytes body, weir_bytes ending) {
  size_t size = body.size + ending.size;
  if (size == 0 || size >= channel->capacity || channel->failure != 0 || channel->closed) return 0;
  const weir_connection *connection = weir_internal_writer_connection(channel);
  if (!weir_internal_connection_at_once(connection, channel->busy)) return 0;
  int result = weir_internal_writer_take_buffer(channel);
  if (result < 0) return result;
  if (size >= channel->size - channel->end) return 0;
  append(channel, body, ending);
  weir_internal_writer_arm(channel);
  return 1;
}

// Nearly all writes are just appended to the buffer, so this way is kept short; it is made anew for
// each caller, because what is constant there shortens it further.
__attribute__((always_inline)) static inline int write_text(weir_write_channel *channel,
                                                            weir_bytes body, weir_bytes ending,
                                                            size_t *out_done) {
  int result = append_at_once(channel, body, ending);
  if (result == 0) return put_apart(channel, body, ending, out_done);
  *out_done = result > 0 ? body.size + ending.size : 0;
  return result > 0 ? 0 : result;
}

int weir_write_fully(weir_write_channel *channel, const void *data, size_t size, size_t *out_done) {
  size_t done;
  int result = write_text(channel, weir_bytes_of(data, size), weir_bytes_of("", 0), &done);
  if (out_done != NULL) *out_done = done;
  return result;
}

int weir_write_string(weir_write_channel *channel, const char *text) {
  size_t done;
  return write_text(channel, weir_text(text), weir_bytes_of("", 0), &done);
}

int weir_write_line(weir_write_channel *channel, weir_bytes line) {
  size_t done;
  return write_text(channel, line, weir_bytes_of("\r\n", 2), &done);
}

// Takes as much of |size| bytes at |data| as there is room for; there is some.
static int take_some(weir_write_channel *channel, const void *data, size_t size) {
  int result = weir_internal_writer_take_buffer(channel);
  if (result < 0) return result;
  size_t room = channel->capacity - weir_internal_writer_pending(channel);
  if (size > room) size = room;
  append_bytes(channel, weir_bytes_of(data, size));
  send_if_full(channel);
  return (int)size;
}

int weir_write_available(weir_write_channel *channel, const void *data, size_t size) {
  int result = enter(channel);
  if (result < 0) return result;
  if (size > 0) {
    result = send_until_room(channel, 1);
    if (result == 0) result = take_some(channel, data, size);
    weir_internal_writer_settle(channel);
  }
  return leave(channel, result);
}

static int try_to_write(weir_write_channel *channel, const void *data, size_t size) {
  // While the loop watches, the transport takes nothing.
  if (!fits(channel, 1) && !channel->watching) {
    int result = weir_internal_writer_send(channel);
    if (result < 0 && result != -EAGAIN) return result;
  }
  return fits(channel, 1) ? take_some(channel, data, size) : -EAGAIN;
}

int weir_write_try(weir_write_channel *channel, const void *data, size_t size) {
  int result = weir_internal_writer_enter_at_once(channel);
  if (result < 0) return result;
  if (size > 0) result = try_to_write(channel, data, size);
  return leave(channel, result);
}

int weir_write_await_room(weir_write_channel *channel, size_t size) {
  int result = enter(channel);
  if (result < 0) return result;
  result = size > channel->capacity ? -EMSGSIZE : send_until_room(channel, size);
  weir_internal_writer_settle(channel);
  return leave(channel, result);
}

int weir_write_gather(weir_write_channel *channel, const weir_bytes *parts, int count,
                      size_t *out_done) {
  if (out_done != NULL) *out_done = 0;
  if (count < 0) return -EINVAL;
  weir_internal_outgoing text = weir_internal_outgoing_of(parts, count, 0);
  for (int i = 0; i < count; i++) text.size += parts[i].size;
  int result = enter(channel);
  if (result < 0) return result;
  result = leave(channel, weir_internal_writer_put(channel, &text));
  if (out_done != NULL) *out_done = text.done;
  return result;
}

int weir_flush(weir_write_channel *channel) {
  int result = enter(channel);
  return result < 0 ? result : leave(channel, weir_internal_writer_flush(channel));
}
