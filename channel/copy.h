// SPDX-License-Identifier: Apache-2.0
//
// weir/copy.h: from channels to channels, and coroutines at the end of a channel.
//
// Copies suspend as the reads and writes do that they consist of, and return their failures. Bytes
// that were read but could not be written are not lost: they stay unread. After a copy that was cut
// short these may be more than the channel's capacity: up to 64 KiB, if that is within its limit
// (weir/read_channel.h), though no more than the copy wanted; and by splice(2) up to 1 MiB, in a
// pipe of the kernel that the source keeps until they are read or it is ended. When the source runs
// dry for a moment, what was copied is flushed before the wait, whatever the target's auto-flush
// says.
//
// Example:
//   static int count_to_three(weir_write_channel *output, void *argument) {
//     (void)argument;
//     int result = 0;
//     for (int i = 1; i <= 3 && result == 0; i++) result = weir_write_format(output, "%d\n", i);
//     return result;  // the reader finds the end of the stream, or this failure
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_connection *numbers;
//     int result = weir_writer(&numbers, NULL, NULL, count_to_three, NULL);
//     if (result < 0) return result;
//     weir_bytes line;
//     while (weir_read_line(weir_open_read_channel(numbers), &line) == 0) {
//       printf("%.*s\n", (int)line.size, line.data);
//     }
//     return weir_connection_close(numbers);  // waits for the coroutine
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_COPY_H
#define WEIR_COPY_H

#include "weir/base.h"
#include "weir/coroutine.h"
#include "weir/read_channel.h"
#include "weir/write_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_connection weir_connection;

// How a copy moves the bytes.
typedef enum weir_copy_method {
  // By splice(2), without bringing the bytes into the program, where both ends are TCP connections
  // and so many come at once that it is worth it; through memory otherwise, also when the process
  // has no file descriptors left for a pipe.
  WEIR_COPY_ANY = 0,
  WEIR_COPY_THROUGH_MEMORY = 1,
} weir_copy_method;

// All zero is the default.
typedef struct weir_copy_options {
  weir_copy_method method;
} weir_copy_options;

// weir_copy copies from |source| to |target| until the stream of |source| ends, and flushes.
// *out_count, which may be NULL, gets the number of bytes that |target| took. |options| may be
// NULL. Both channels stay open. Returns 0, or the failure of either; weir_read_channel_cause and
// weir_write_channel_cause tell which. -EINVAL for unknown options.
WEIR_MUST_USE int weir_copy(weir_read_channel *source, weir_write_channel *target,
                            const weir_copy_options *options, uint64_t *out_count);

// weir_copy_at_most is weir_copy of up to |size| bytes, fewer only when the stream ends before or
// on failure. 0 copies nothing, and flushes; UINT64_MAX copies all there is.
WEIR_MUST_USE int weir_copy_at_most(weir_read_channel *source, weir_write_channel *target,
                                    uint64_t size, const weir_copy_options *options,
                                    uint64_t *out_count);

// weir_copy_exactly is weir_copy of |size| bytes. Returns 0, or WEIR_E_END_OF_STREAM when the
// stream ended before; then all that was there is copied. Whatever it returns, |target| took
// *out_count bytes, and what comes behind them is unread; so after a deadline it may be called
// again for the rest.
WEIR_MUST_USE int weir_copy_exactly(weir_read_channel *source, weir_write_channel *target,
                                    uint64_t size, const weir_copy_options *options,
                                    uint64_t *out_count);

// weir_copy_and_close is weir_copy that then ends the stream of |target|. When either
// fails, or the copying coroutine is cancelled or its deadline passes, both are cancelled with that
// code: |target| so that what it got does not look complete, |source| so that nobody writes for a
// reader that is gone. But a call that is refused touches neither: -EBUSY while another coroutine
// uses one of them, -EXDEV when one belongs to another loop, -EINVAL outside a coroutine or for
// unknown options.
WEIR_MUST_USE int weir_copy_and_close(weir_read_channel *source, weir_write_channel *target,
                                      const weir_copy_options *options, uint64_t *out_count);

// weir_copy_until copies up to the next |delimiter|, as weir_read_until reads, but whatever comes
// before the delimiter is written to |target| as it comes; so no memory limits it. The default
// limit of |options| is none here. |delimiter| must not be a span that |source| has handed out.
// *out_count is as above. 0 says that all was flushed and then the delimiter read, if |options| do
// not keep it; with everything else the delimiter is unread, and what was copied stays copied. So
// after a deadline it may be called again, for the rest up to the same delimiter.
WEIR_MUST_USE int weir_copy_until(weir_read_channel *source, weir_bytes delimiter,
                                  const weir_read_until_options *options,
                                  weir_write_channel *target, uint64_t *out_count);

// weir_tee copies |source| to both targets until its stream ends, as fast as the slower one takes
// it, and ends both streams. When any of the three fails, or the coroutine is cancelled or its
// deadline passes, all three are cancelled with that code. Returns it, or 0. A call that is refused
// touches none of them, as above; so is one whose two targets are the same.
WEIR_MUST_USE int weir_tee(weir_read_channel *source, weir_write_channel *first,
                           weir_write_channel *second, uint64_t *out_count);

// Coroutines at the end of a channel

// All zero is the default.
typedef struct weir_end_options {
  size_t capacity;             // of the pipe between, see weir_pipe
  bool auto_flush;             // of the write channel that weir_writer gives to its function
  weir_launch_options launch;  // of the coroutine
} weir_end_options;

// weir_writer launches |function| in |scope| (NULL: the current coroutine's own), which writes into
// a new pipe; *out gets the other end, from which that is read. When the function returns 0 its
// output ends after what it wrote; when it returns a negative code the reader gets that code
// instead of what it has not read yet. Coroutines in the function's own scopes may use |channel|,
// too: they end before it, waited for or cancelled as behind any coroutine's function. Closing or
// aborting *out cancels the channel of a function that still writes, with WEIR_E_CLOSED or
// -ECONNABORTED, and the coroutine too; the close waits until it has ended. |options| may be NULL.
// Returns 0 or the failure of weir_pipe or weir_launch; then the function is never called.
WEIR_MUST_USE int weir_writer(weir_connection **out, weir_scope *scope,
                              const weir_end_options *options,
                              int (*function)(weir_write_channel *channel, void *argument),
                              void *argument);

// weir_reader launches |function| in |scope|, which reads what is written to *out. When it returns
// 0 what it has not read is dropped, and later writes return -EPIPE; when it returns a negative
// code they return that; in both cases after the coroutines in its own scopes have ended.
// weir_write_channel_close on *out ends its input; weir_connection_close waits until the function
// has read all of it and returned, for the close timeout at most, cancels it then, and returns its
// failure.
WEIR_MUST_USE int weir_reader(weir_connection **out, weir_scope *scope,
                              const weir_end_options *options,
                              int (*function)(weir_read_channel *channel, void *argument),
                              void *argument);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COPY_H
