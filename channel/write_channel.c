// SPDX-License-Identifier: Apache-2.0
//
// Writing. What fits into the buffer is copied there and leaves later, together with what follows
// it; what does not fit leaves at once, from where it lies, behind what waits in the buffer.

#include <stdio.h>

#include "base/internal/memory.h"
#include "channel/internal/connection.h"

void weir_internal_writer_init(weir_write_channel *channel) {
  channel->capacity = WEIR_INTERNAL_DEFAULT_CAPACITY;
  weir_internal_pre_suspend_init(&channel->hook, weir_internal_writer_hook);
  channel->watcher.ready = weir_internal_writer_ready;
}

// The buffer and its room

void weir_internal_writer_release(weir_write_channel *channel) {
  if (channel->buffer == NULL) return;
  weir_internal_buffer_give(weir_internal_writer_connection(channel)->pool, channel->buffer,
                            channel->size);
  channel->buffer = NULL;
  channel->size = channel->start = channel->end = 0;
}

int weir_internal_writer_fail(weir_write_channel *channel, int failure) {
  channel->failure = failure;
  weir_internal_writer_release(channel);
  return failure;
}

static int take_buffer(weir_write_channel *channel) {
  if (channel->buffer != NULL) return 0;
  channel->buffer =
      weir_internal_buffer_take(weir_internal_writer_connection(channel)->pool, channel->capacity);
  if (channel->buffer == NULL) return -ENOMEM;
  channel->size = channel->capacity;
  return 0;
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

static inline int enter(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = weir_internal_connection_enter(connection, &channel->busy);
  if (result < 0) return result;
  if (channel->failure < 0) result = channel->failure;
  if (channel->closed) result = WEIR_E_CLOSED;
  return result == 0 ? 0 : weir_internal_connection_leave(connection, &channel->busy, result);
}

static inline int leave(weir_write_channel *channel, int result) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (connection->failure == 0) weir_internal_writer_arm(channel);
  return weir_internal_connection_leave(connection, &channel->busy, result);
}

// Tells whether |failure| is the transport's, which stays, and not one of this operation alone.
static bool is_lasting(const weir_connection *connection, int failure) {
  if (failure == -ECANCELED || failure == -ENOMEM || failure == -ENOBUFS) return false;
  // A deadline has this code too, and then it is what the next entry says as well.
  return failure != -ETIMEDOUT || weir_internal_enter(connection->loop) == 0;
}

static int write_failed(weir_write_channel *channel, int failure) {
  const weir_connection *connection = weir_internal_writer_connection(channel);
  if (connection->failure < 0) return connection->failure;
  return is_lasting(connection, failure) ? weir_internal_writer_fail(channel, failure) : failure;
}

// What is to be written: two spans, of which |done| bytes are written.
typedef struct outgoing {
  weir_bytes body;
  weir_bytes ending;
  size_t done;
} outgoing;

static weir_bytes without(weir_bytes bytes, size_t size) {
  if (size == 0) return bytes;
  if (size > bytes.size) size = bytes.size;
  return weir_bytes_of(bytes.data + size, bytes.size - size);
}

static weir_bytes rest_of_body(const outgoing *text) { return without(text->body, text->done); }

static weir_bytes rest_of_ending(const outgoing *text) {
  size_t body = text->body.size;
  return without(text->ending, text->done > body ? text->done - body : 0);
}

static int add(struct iovec *buffers, int count, const char *data, size_t size) {
  if (size == 0) return count;
  // The casts are for iovec, which serves reading too.
  buffers[count].iov_base = (void *)(uintptr_t)data;
  buffers[count].iov_len = size;
  return count + 1;
}

// Waits until the transport has taken a part of what is unsent and, behind it, of |text|. Returns 0
// or a negative code.
static int send_along(weir_write_channel *channel, outgoing *text) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  // What the hook and the loop were to send we send now; neither may come between.
  weir_internal_writer_rest(channel);
  int result = weir_internal_connection_go_on(connection);
  if (result < 0) return result;
  size_t pending = weir_internal_writer_pending(channel);
  weir_bytes body = rest_of_body(text);
  weir_bytes ending = rest_of_ending(text);
  if (body.size > WEIR_INTERNAL_LARGEST_CAPACITY) {
    body.size = WEIR_INTERNAL_LARGEST_CAPACITY;
    ending.size = 0;
  }
  struct iovec buffers[3];
  int count = 0;
  if (pending > 0) count = add(buffers, 0, channel->buffer + channel->start, pending);
  count = add(buffers, count, body.data, body.size);
  count = add(buffers, count, ending.data, ending.size);
  result = connection->transport->write(connection, buffers, count, true);
  if (result < 0) return write_failed(channel, result);
  size_t sent = (size_t)result;
  size_t from_buffer = sent < pending ? sent : pending;
  channel->start += (uint32_t)from_buffer;
  text->done += sent - from_buffer;
  return 0;
}

static void release_if_empty(weir_write_channel *channel) {
  if (weir_internal_writer_pending(channel) == 0) weir_internal_writer_release(channel);
}

static int flush(weir_write_channel *channel) {
  outgoing nothing = {{NULL, 0}, {NULL, 0}, 0};
  int result = 0;
  while (result == 0 && weir_internal_writer_pending(channel) > 0) {
    result = send_along(channel, &nothing);
  }
  release_if_empty(channel);
  return result;
}

static void reached_capacity(weir_write_channel *channel) {
  // On -EAGAIN the next write waits; a failure is kept for it.
  int result = channel->watching ? 0 : weir_internal_writer_send(channel);
  (void)result;
}

// Appends both, for which there is room.
static inline void append(weir_write_channel *channel, weir_bytes body, weir_bytes ending) {
  char *at = channel->buffer + channel->end;
  if (body.size > 0) memcpy(at, body.data, body.size);
  at += body.size;
  for (size_t i = 0; i < ending.size; i++) at[i] = ending.data[i];
  channel->end += (uint32_t)(body.size + ending.size);
  if (weir_internal_writer_pending(channel) == channel->capacity) reached_capacity(channel);
}

// Tells whether the rest of |text| has room in the buffer, if it needs one.
static bool rest_fits(weir_write_channel *channel, const outgoing *text) {
  size_t rest = text->body.size + text->ending.size - text->done;
  return fits(channel, rest) && (rest == 0 || take_buffer(channel) == 0);
}

// A text was written in part. Its coroutine may go on with it later, unless a close has put an end
// to that.
static void note_cut(weir_write_channel *channel) {
  channel->cut = weir_internal_writer_connection(channel)->failure == WEIR_E_CLOSED;
}

// A text of just the capacity would be sent as soon as it is in the buffer. This sends it from
// where it lies, without waiting; what the transport does not take now goes that way. A failure is
// kept for the next write, as it is when the buffer is sent.
static void send_at_once(weir_write_channel *channel, outgoing *text) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  struct iovec buffers[2];
  int count = add(buffers, 0, text->body.data, text->body.size);
  count = add(buffers, count, text->ending.data, text->ending.size);
  int sent = connection->transport->write(connection, buffers, count, false);
  if (sent == -EAGAIN || sent == -ENOMEM || sent == -ENOBUFS) return;
  if (sent < 0) weir_internal_writer_fail(channel, sent);
  text->done = sent < 0 ? text->body.size + text->ending.size : (size_t)sent;
}

static int put(weir_write_channel *channel, outgoing *text) {
  size_t size = text->body.size + text->ending.size;
  int result = 0;
  bool is_just_the_capacity = size == channel->capacity && size > 0;
  if (is_just_the_capacity && weir_internal_writer_pending(channel) == 0) {
    send_at_once(channel, text);
  }
  while (result == 0 && !rest_fits(channel, text)) {
    // What fits into the capacity as a whole is taken as a whole. When something is unsent the
    // buffer is there, and stays; so it cannot be missing after the first part was sent. The rest
    // of something larger does without.
    bool no_memory = text->done == 0 && fits(channel, size);
    result = no_memory ? -ENOMEM : send_along(channel, text);
  }
  if (result == 0 && text->done < size) {
    if (size - text->done > channel->size - channel->end) slide(channel);
    append(channel, rest_of_body(text), rest_of_ending(text));
    text->done = size;
  }
  release_if_empty(channel);
  if (result < 0 && text->done > 0 && text->done < size) note_cut(channel);
  return result;
}

static int put_apart(weir_write_channel *channel, const weir_bytes *body, const weir_bytes *ending,
                     size_t *out_done) {
  outgoing text = {*body, *ending, 0};
  int result = put(channel, &text);
  *out_done = text.done;
  return result;
}

// Nearly all writes are just appended to the buffer, so this way is kept short; it is made anew for
// each caller, because what is constant there shortens it further.
__attribute__((always_inline)) static inline int write_text(weir_write_channel *channel,
                                                            weir_bytes body, weir_bytes ending,
                                                            size_t *out_done) {
  size_t size = body.size + ending.size;
  *out_done = 0;
  int result = enter(channel);
  if (result < 0) return result;
  if (channel->buffer == NULL && size > 0 && size < channel->capacity) {
    result = take_buffer(channel);
  }
  if (channel->buffer != NULL && size <= channel->size - channel->end) {
    append(channel, body, ending);
    *out_done = size;
  } else if (result == 0) {
    result = put_apart(channel, &body, &ending, out_done);
  }
  return leave(channel, result);
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

// Formats into memory of its own what needs |size| bytes and found no room in the buffer.
static int format_apart(weir_write_channel *channel, size_t size, const char *format,
                        va_list arguments) WEIR_PRINTF_LIKE(3, 0);
static int format_apart(weir_write_channel *channel, size_t size, const char *format,
                        va_list arguments) {
  char *memory = (char *)weir_internal_allocate_unset(size + 1);
  if (memory == NULL) return -ENOMEM;
  int result = vsnprintf(memory, size + 1, format, arguments);
  if (result >= 0) {
    outgoing text = {weir_bytes_of(memory, size), weir_bytes_of("", 0), 0};
    result = put(channel, &text);
  } else {
    result = -EINVAL;
  }
  weir_internal_release(memory, size + 1);
  return result;
}

static int format_text(weir_write_channel *channel, const char *format, va_list arguments)
    WEIR_PRINTF_LIKE(2, 0);
static int format_text(weir_write_channel *channel, const char *format, va_list arguments) {
  int result = take_buffer(channel);
  if (result < 0) return result;
  size_t room = channel->size - channel->end;
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(channel->buffer + channel->end, room, format, arguments);
  if (size < 0) {
    result = errno == EOVERFLOW || errno == ENOMEM ? -errno : -EINVAL;
  } else if ((size_t)size < room) {
    channel->end += (uint32_t)size;
  } else {
    result = format_apart(channel, (size_t)size, format, again);
  }
  va_end(again);
  release_if_empty(channel);
  return result;
}

int weir_write_format_list(weir_write_channel *channel, const char *format, va_list arguments) {
  int result = enter(channel);
  return result < 0 ? result : leave(channel, format_text(channel, format, arguments));
}

int weir_write_format(weir_write_channel *channel, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int result = weir_write_format_list(channel, format, arguments);
  va_end(arguments);
  return result;
}

int weir_flush(weir_write_channel *channel) {
  int result = enter(channel);
  return result < 0 ? result : leave(channel, flush(channel));
}

static int end_stream(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  if (channel->closed) return 0;
  int result = channel->failure;
  if (result == 0) result = flush(channel);
  if (result < 0) return result;
  result = connection->transport->finish_write(connection);
  if (result < 0) return weir_internal_writer_fail(channel, result);
  channel->closed = true;
  return 0;
}

int weir_write_channel_close(weir_write_channel *channel) {
  weir_connection *connection = weir_internal_writer_connection(channel);
  int result = weir_internal_connection_enter(connection, &channel->busy);
  return result < 0 ? result : leave(channel, end_stream(channel));
}
