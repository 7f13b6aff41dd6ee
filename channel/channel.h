// SPDX-License-Identifier: Apache-2.0
//
// weir/channel.h: connections, and the channels through which their bytes are read and written.
//
// A connection carries two streams of bytes: what the peer sends comes out of its read channel,
// what goes into its write channel the peer receives. Connections are made by weir_tcp_connect,
// weir_accept or weir_pipe, and all are used alike.
//
// One coroutine may read while another writes. A second coroutine that reads (or writes) while the
// first one still does gets -EBUSY. All functions must be called on the thread of the connection;
// elsewhere those that suspend return -EXDEV.
//
// Reading and writing push back: a channel holds at most its capacity, and a write suspends while
// the peer is slow.
//
// Example:
//   static int shout(void *argument) {
//     weir_write_channel *output = weir_open_write_channel((weir_connection *)argument, true);
//     return weir_write_line(output, weir_text("hello"));
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_connection *near, *far;
//     int result = weir_pipe(&near, &far, NULL);
//     if (result < 0) return result;
//     result = weir_launch(NULL, NULL, NULL, shout, near);
//     weir_bytes line;
//     if (result == 0) result = weir_read_utf8_line(weir_open_read_channel(far), &line);
//     if (result == 0) printf("received %.*s\n", (int)line.size, line.data);
//     weir_connection_close(near);
//     weir_connection_close(far);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_CHANNEL_H
#define WEIR_CHANNEL_H

#include <stdarg.h>

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_connection weir_connection;
typedef struct weir_read_channel weir_read_channel;
typedef struct weir_write_channel weir_write_channel;

// weir_open_read_channel returns the read channel of |connection|, always the same one. It lives as
// long as the connection. Cannot fail; reads nothing yet.
weir_read_channel *weir_open_read_channel(weir_connection *connection);

// weir_open_write_channel returns the write channel of |connection|, always the same one, and turns
// its auto-flush on or off. It lives as long as the connection. Cannot fail.
//
// With auto-flush, what was written leaves when the coroutine that wrote next suspends, or when the
// channel's capacity is reached; so several lines written in a row leave together. It may therefore
// wait as long as the coroutine computes: call weir_flush before long computations. Without
// auto-flush it leaves at weir_flush, at the close, or when the capacity is reached.
weir_write_channel *weir_open_write_channel(weir_connection *connection, bool auto_flush);

// Options of channels

// What ends a line.
typedef enum weir_line_ending {
  WEIR_LINE_LF = 0,  // LF or CR LF; a lone CR is part of the line
  // LF, CR LF or a lone CR. A CR ends the line at once, so that a peer that sends nothing else is
  // answered; if a LF comes directly behind it, the next read, of whatever kind, drops it.
  WEIR_LINE_ANY = 1,
} weir_line_ending;

// All zero is the default.
typedef struct weir_read_channel_options {
  size_t capacity;    // bytes read ahead at most, but for a longer line; default 16 KiB
  size_t line_limit;  // bytes of a line at most, without what ends it; default 64 KiB
  weir_line_ending line_ending;
  // After WEIR_E_LINE_TOO_LONG, skip the rest of that line. Off by default: the line stays, unread.
  bool resynchronise;
} weir_read_channel_options;

// All zero is the default.
typedef struct weir_write_channel_options {
  size_t capacity;  // bytes held at most before a write suspends; default 16 KiB
} weir_write_channel_options;

// weir_read_channel_configure and weir_write_channel_configure replace the channel's options;
// |options| is copied, NULL is all defaults. Do not suspend. Return 0; -EBUSY while the channel
// holds bytes or is in use; -EINVAL for a capacity or limit above 1 GiB or an unknown line ending.
WEIR_MUST_USE int weir_read_channel_configure(weir_read_channel *channel,
                                              const weir_read_channel_options *options);
WEIR_MUST_USE int weir_write_channel_configure(weir_write_channel *channel,
                                               const weir_write_channel_options *options);

// Reading
//
// Every function below suspends until it can do its work. Besides what it names, each returns
// -ECANCELED, -ETIMEDOUT, -EBUSY, -EXDEV, -EINVAL outside a coroutine, -ENOMEM, WEIR_E_CLOSED when
// the connection is closed meanwhile, -ECONNABORTED when it was aborted, or what the transport
// reports (-ECONNRESET, ...). After any of these except the last two, nothing is lost: bytes that
// were not reported as read are read by the next call.

// weir_read_available reads at least 1 and at most |size| bytes into |out|, as many as are there.
// Returns their number (never more than INT_MAX), or WEIR_E_END_OF_STREAM. A |size| of 0 returns 0
// at once.
WEIR_MUST_USE int weir_read_available(weir_read_channel *channel, void *out, size_t size);

// weir_read_fully reads exactly |size| bytes into |out|. *out_done, which may be NULL, gets the
// number of bytes that |out| now holds: |size| when 0 is returned, fewer on failure, and they count
// as read. Returns 0, or WEIR_E_END_OF_STREAM when the stream ended before.
WEIR_MUST_USE int weir_read_fully(weir_read_channel *channel, void *out, size_t size,
                                  size_t *out_done);

// weir_read_line reads a line and stores it, without what ends it, in *out_line. The line belongs
// to the channel and is valid until the next read from it or its close. A last line that nothing
// ends is a line like others, if it is not empty. Returns 0; WEIR_E_END_OF_STREAM when no line is
// left; or WEIR_E_LINE_TOO_LONG when the line is longer than the channel's limit: then, with the
// option |resynchronise|, the next read begins after that line, and otherwise where the line
// begins. *out_line is empty on failure.
WEIR_MUST_USE int weir_read_line(weir_read_channel *channel, weir_bytes *out_line);

// weir_read_utf8_line is weir_read_line for text: a line that is not well-formed UTF-8 (RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF) is read and stored in *out_line all the
// same, and WEIR_E_INVALID_UTF8 returned. NUL bytes are legal.
WEIR_MUST_USE int weir_read_utf8_line(weir_read_channel *channel, weir_bytes *out_line);

// Writing
//
// Every function below suspends while the channel has no room. Besides what it names, each returns
// 0, -ECANCELED, -ETIMEDOUT, -EBUSY, -EXDEV, -EINVAL outside a coroutine, -ENOMEM, WEIR_E_CLOSED
// when the channel or connection is closed, -ECONNABORTED when it was aborted, or what the
// transport reports (-EPIPE, -ECONNRESET, ...). A failure of the transport stays: every later
// write, flush and the close return it again. No pointer to what is written is kept.

// weir_write_fully writes |size| bytes at |data|. *out_done, which may be NULL, gets the number of
// bytes taken: |size| on success, perhaps fewer on failure.
WEIR_MUST_USE int weir_write_fully(weir_write_channel *channel, const void *data, size_t size,
                                   size_t *out_done);

// weir_write_string writes the characters of |text|, without the final NUL. If they fit into the
// channel's capacity they are taken all or, on failure, none.
WEIR_MUST_USE int weir_write_string(weir_write_channel *channel, const char *text);

// weir_write_line writes |line| and CR LF, all or none if they fit into the channel's capacity.
// What the line contains is not checked.
WEIR_MUST_USE int weir_write_line(weir_write_channel *channel, weir_bytes line);

// weir_write_format writes what printf(3) would print, all or none if it fits into the channel's
// capacity. -EINVAL for a format that printf refuses, -EOVERFLOW for a text above INT_MAX bytes.
WEIR_MUST_USE int weir_write_format(weir_write_channel *channel, const char *format, ...)
    WEIR_PRINTF_LIKE(2, 3);
WEIR_MUST_USE int weir_write_format_list(weir_write_channel *channel, const char *format,
                                         va_list arguments) WEIR_PRINTF_LIKE(2, 0);

// weir_flush suspends until all that was written has been taken by the transport: by the kernel for
// a socket. Returns 0 or as above; what could not be sent yet stays in the channel.
WEIR_MUST_USE int weir_flush(weir_write_channel *channel);

// weir_write_channel_close flushes and then ends the stream to the peer: a half-close, reading goes
// on. Afterwards writes return WEIR_E_CLOSED. A second call returns 0 and does nothing. When the
// flush fails, so does the close, the stream is not ended, and the close may be called again.
WEIR_MUST_USE int weir_write_channel_close(weir_write_channel *channel);

// Connections

// weir_remote_address and weir_local_address return the addresses of the two ends as text, such as
// "127.0.0.1:2323" or "[::1]:2323"; "pipe" for a pipe. They live as long as the connection, and
// stay the same when the peer has gone. Never fail.
const char *weir_remote_address(const weir_connection *connection);
const char *weir_local_address(const weir_connection *connection);

// weir_connection_host returns the host to which the connection was made, as the caller named it,
// or NULL for one that was accepted. It lives as long as the connection.
const char *weir_connection_host(const weir_connection *connection);

// weir_connection_set_close_timeout replaces the time that weir_connection_close takes at most, in
// nanoseconds; default 5 seconds. Zero or less does not wait at all.
void weir_connection_set_close_timeout(weir_connection *connection, int64_t nanoseconds);

// weir_connection_close ends the connection in peace and frees it. Operations on it that are
// suspended in other coroutines return WEIR_E_CLOSED first. Then it suspends until what was written
// has been sent, the end of the stream too, and the peer has ended its own stream, whose bytes are
// dropped; so the peer gets all output, even if its input was not read to the end. A peer that
// keeps its end open makes this take the whole close timeout: where that is usual, shorten it with
// weir_connection_set_close_timeout. In a coroutine that was cancelled or whose deadline passes,
// the loop does all this alone and the function returns at once. NULL is legal and does nothing.
//
// In every case, except -EXDEV, -EINVAL (outside a coroutine) and -EALREADY (another coroutine is
// closing it), the connection must not be used any more. Returns 0 when all output was sent;
// -ECANCELED or -ETIMEDOUT when the loop still does that; -ETIMEDOUT also when the close timeout
// passed with output unsent; -ECONNABORTED after an abort, or when the close cut another
// coroutine's write in the middle; or the failure that kept the output from being sent. When output
// is lost the peer gets a reset, so that what it got does not look complete.
int weir_connection_close(weir_connection *connection);

// weir_connection_abort breaks the connection at once: unsent output is dropped, the peer gets a
// reset, and every operation on it, present or future, returns -ECONNABORTED. May be called by any
// coroutine of its thread, any number of times, before the close. Frees nothing, does not suspend.
void weir_connection_abort(weir_connection *connection);

// Pipes

// All zero is the default.
typedef struct weir_pipe_options {
  size_t capacity;  // bytes held in each direction besides the channels' own; default 16 KiB
} weir_pipe_options;

// weir_pipe makes two connections in memory: what is written to one is read from the other. Each is
// closed with weir_connection_close. |options| may be NULL. Does not suspend. Returns 0; -ENOMEM;
// -EINVAL outside a coroutine or for a capacity above 1 GiB.
WEIR_MUST_USE int weir_pipe(weir_connection **out_first, weir_connection **out_second,
                            const weir_pipe_options *options);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_H
