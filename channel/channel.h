// SPDX-License-Identifier: Apache-2.0
//
// weir/channel.h: connections, and the channels through which their bytes are read and written.
//
// A connection carries two streams of bytes: what the peer sends comes out of its read channel,
// what goes into its write channel the peer receives. Connections are made by weir_tcp_connect,
// weir_accept or weir_pipe, and all are used alike.
//
// One coroutine may read while another writes. A second coroutine that reads (or writes) while the
// first one still does gets -EBUSY. A connection belongs to the loop, and with it to the thread,
// where its first operation or its close happens; until then it can be handed to another one. All
// functions but weir_connection_abort must be called there; elsewhere those that suspend return
// -EXDEV.
//
// Reading and writing push back: a channel holds at most its capacity, and a write suspends while
// the peer is slow.
//
// What channels do is in weir/read_channel.h, weir/write_channel.h, weir/numbers.h and weir/copy.h,
// which this header includes; how to make a connection of your own in weir/custom_connection.h.
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

#include "weir/base.h"
#include "weir/copy.h"
#include "weir/numbers.h"
#include "weir/read_channel.h"
#include "weir/write_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_connection weir_connection;

// weir_open_read_channel returns the read channel of |connection|, always the same one. It lives as
// long as the connection. Cannot fail; reads nothing yet.
weir_read_channel *weir_open_read_channel(weir_connection *connection);

// weir_open_write_channel returns the write channel of |connection|, always the same one, and turns
// its auto-flush on or off, unless the connection belongs to another loop. It lives as long as the
// connection. Cannot fail.
//
// With auto-flush, what was written leaves when the coroutine that wrote next suspends, or when the
// channel's capacity is reached; so several lines written in a row leave together. It may therefore
// wait as long as the coroutine computes: call weir_flush before long computations. Without
// auto-flush it leaves at weir_flush, at the close, or when the capacity is reached.
//
// While there is no memory to send what nobody waits for (-ENOMEM, -ENOBUFS) it stays, and is sent
// later: after a pause of 1 ms, and then of twice the last one, up to 100 ms, as often as it takes.
weir_write_channel *weir_open_write_channel(weir_connection *connection, bool auto_flush);

// Connections

// weir_remote_address returns the address of the peer as text, such as "127.0.0.1:2323" or
// "[::1]:2323"; "pipe" for a pipe. It lives as long as the connection, and stays the same when the
// peer has gone. Does not suspend. Never fails.
const char *weir_remote_address(const weir_connection *connection);

// weir_local_address returns the address of this end, as weir_remote_address that of the other one:
// as text that lives as long as the connection. Does not suspend. Never fails.
const char *weir_local_address(const weir_connection *connection);

// weir_connection_host returns the host to which the connection was made, as the caller named it,
// or NULL for one that was accepted. It lives as long as the connection. Does not suspend.
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
// the loop does all this alone and the function returns at once. The close of a custom connection
// waits, beyond all timeouts, for an operation of the user's that is in flight and goes on although
// it was interrupted. NULL is legal and does nothing.
//
// In every case, except -EXDEV, -EINVAL (outside a coroutine) and -EALREADY (another coroutine is
// closing it), the connection must not be used any more. Returns 0 when all output was sent;
// -ECANCELED or -ETIMEDOUT when the loop still does that; -ETIMEDOUT also when the close timeout
// passed with output unsent; -ECONNABORTED after an abort, or when the close cut another
// coroutine's write in the middle; or the failure that kept the output from being sent, -ENOMEM or
// -ENOBUFS only when it lasted for the whole close timeout. When output is lost the peer gets a
// reset, so that what it got does not look complete.
int weir_connection_close(weir_connection *connection);

// weir_connection_abort breaks the connection at once: unsent output is dropped, the peer gets a
// reset, and every operation on it, present or future, returns -ECONNABORTED. May be called by any
// coroutine of its selector, any number of times, before the close; from another loop it travels as
// a message, and happens when that is read. Frees nothing, does not suspend.
void weir_connection_abort(weir_connection *connection);

// Pipes

// All zero is the default.
typedef struct weir_pipe_options {
  size_t capacity;  // bytes held in each direction besides the channels' own; default 16 KiB
  // Each end belongs to the loop of its first operation. Both take their memory at once. Off by
  // default: then both belong to the current loop.
  bool across_loops;
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
