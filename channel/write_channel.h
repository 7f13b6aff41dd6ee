// SPDX-License-Identifier: Apache-2.0
//
// weir/write_channel.h: writing to a connection. Numbers in both byte orders are in weir/numbers.h.
// weir/channel.h includes both.
//
// Every function below that suspends does so while the channel has no room. Besides what it names,
// each returns 0, -ECANCELED, -ETIMEDOUT, -EBUSY while another coroutine writes, -EXDEV, -EINVAL
// outside a coroutine, -ENOMEM, -ENOBUFS, WEIR_E_CLOSED when the channel or connection is closed,
// -ECONNABORTED when it was aborted, the cause with which the channel was cancelled, or what the
// transport reports (-EPIPE, -ECONNRESET, ...). A failure of the transport, other than for want of
// memory, stays: every later write, flush and the close return it again. No pointer to what is
// written is kept. What is taken all or none may still be cut by what ends the channel: a cancel,
// an abort, a close.
//
// Example:
//   static int run(void *argument) {
//     (void)argument;
//     weir_connection *memory;
//     weir_buffer written = {0};
//     int result = weir_memory_connection(&memory, weir_text(""), &written);
//     if (result < 0) return result;
//     weir_write_channel *output = weir_open_write_channel(memory, false);
//     result = weir_write_format(output, "%d bottles", 99);
//     if (result == 0) result = weir_write_line(output, weir_text(" of milk"));
//     if (result == 0) result = weir_flush(output);
//     weir_connection_close(memory);
//     printf("%.*s", (int)written.size, written.data);
//     weir_buffer_release(&written);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_WRITE_CHANNEL_H
#define WEIR_WRITE_CHANNEL_H

#include <stdarg.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_write_channel weir_write_channel;

// All zero is the default.
typedef struct weir_write_channel_options {
  // Bytes held at most before a write suspends; default 16 KiB. What is larger is not taken all or
  // none: with less than 8 bytes some numbers cannot be written (weir/numbers.h).
  size_t capacity;
} weir_write_channel_options;

// weir_write_channel_configure replaces the channel's options; |options| is copied, NULL is all
// defaults. Does not suspend. Returns 0; -EBUSY while the channel holds bytes or is in use; -EINVAL
// for a capacity above 1 GiB.
WEIR_MUST_USE int weir_write_channel_configure(weir_write_channel *channel,
                                               const weir_write_channel_options *options);

// weir_write_fully writes |size| bytes at |data|. *out_done, which may be NULL, gets the number of
// bytes taken: |size| on success, perhaps fewer on failure.
WEIR_MUST_USE int weir_write_fully(weir_write_channel *channel, const void *data, size_t size,
                                   size_t *out_done);

// weir_write_available writes at least 1 and at most |size| bytes at |data|, as many as there is
// room for. Returns their number, never more than INT_MAX. A |size| of 0 returns 0.
WEIR_MUST_USE int weir_write_available(weir_write_channel *channel, const void *data, size_t size);

// weir_write_try is weir_write_available for those who cannot wait: it does not suspend, and
// returns -EAGAIN when there is no room.
WEIR_MUST_USE int weir_write_try(weir_write_channel *channel, const void *data, size_t size);

// weir_write_gather writes the |count| spans at |parts| one behind the other, all or none if they
// fit into the channel's capacity together. *out_done is as above, over all parts. If together they
// are larger they leave at once and without being copied, several in one system call; but where
// many small ones follow each other these are copied together first. -EINVAL for a negative
// |count|.
WEIR_MUST_USE int weir_write_gather(weir_write_channel *channel, const weir_bytes *parts, int count,
                                    size_t *out_done);

// weir_write_string writes the characters of |text|, without the final NUL. If they fit into the
// channel's capacity they are taken all or, on failure, none.
WEIR_MUST_USE int weir_write_string(weir_write_channel *channel, const char *text);

// weir_write_line writes |line| and CR LF, all or none if they fit into the channel's capacity.
// What the line contains is not checked.
WEIR_MUST_USE int weir_write_line(weir_write_channel *channel, weir_bytes line);

// weir_write_format writes what printf(3) would print, all or none if it fits into the channel's
// capacity. -EINVAL for a format that printf refuses, -EOVERFLOW for a text above INT_MAX bytes.
// weir_write_format_list takes the arguments as vprintf(3) does.
WEIR_MUST_USE int weir_write_format(weir_write_channel *channel, const char *format, ...)
    WEIR_PRINTF_LIKE(2, 3);
WEIR_MUST_USE int weir_write_format_list(weir_write_channel *channel, const char *format,
                                         va_list arguments) WEIR_PRINTF_LIKE(2, 0);

// weir_write_await_room suspends until |size| bytes can be written without waiting. Returns 0, or
// -EMSGSIZE when |size| is above the channel's capacity.
WEIR_MUST_USE int weir_write_await_room(weir_write_channel *channel, size_t size);

// weir_flush suspends until all that was written has been taken by the transport: by the kernel for
// a socket. Returns 0 or as above; what could not be sent yet stays in the channel.
WEIR_MUST_USE int weir_flush(weir_write_channel *channel);

// weir_write_channel_close flushes and then ends the stream to the peer: a half-close, reading goes
// on. Afterwards writes return WEIR_E_CLOSED. A second call returns 0 and does nothing. When the
// flush fails, so does the close, the stream is not ended, and the close may be called again.
WEIR_MUST_USE int weir_write_channel_close(weir_write_channel *channel);

// weir_write_channel_cancel ends writing without an end of the stream: what is unsent is dropped, a
// write that is suspended in another coroutine and every later one returns |cause|, a negative
// code, or -ECONNABORTED for 0. The reader at the other end of a pipe gets |cause| instead of
// what it has not read yet. A socket cannot carry a cause: its connection is aborted, so that what
// the peer got does not look complete. A custom connection is aborted as a whole, too. The first
// cause stays, and after an end of the stream nothing happens. To be called on the thread of the
// connection.
void weir_write_channel_cancel(weir_write_channel *channel, int cause);

// State. None of these suspends or fails.

// weir_write_room returns how many bytes the channel takes without waiting, weir_write_pending how
// many it holds that the transport has not taken.
size_t weir_write_room(const weir_write_channel *channel);
size_t weir_write_pending(const weir_write_channel *channel);

// weir_total_bytes_written returns how many bytes the channel has taken since it was opened.
uint64_t weir_total_bytes_written(const weir_write_channel *channel);

// weir_write_channel_cause returns why writes to the channel fail for good: the cause with which it
// was cancelled, or what broke its stream; 0 while it is sound, and after an end in peace.
int weir_write_channel_cause(const weir_write_channel *channel);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_WRITE_CHANNEL_H
