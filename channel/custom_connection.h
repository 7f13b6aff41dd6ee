// SPDX-License-Identifier: Apache-2.0
//
// weir/custom_connection.h: connections of your own making: over a source and a sink of bytes that
// you implement, or over memory. They are used, flushed and closed like any other.
//
// The operations are ordinary code: they may call whatever suspends, such as the channels of
// another connection; so a filter (compression, a framing, a log) is a connection over a
// connection. docs/custom_connections.md has one with zlib.
//
// Example:
//   static int read_zeros(void *context, void *out, size_t size, bool wait) {
//     (void)wait;
//     size_t *left = (size_t *)context;
//     if (size > *left) size = *left;
//     if (size > 0) memset(out, '0', size);
//     *left -= size;
//     return (int)size;
//   }
//   static int run(void *argument) {
//     (void)argument;
//     size_t left = 3;
//     const weir_custom_operations operations = {.read = read_zeros};
//     weir_connection *zeros;
//     int result = weir_custom_connection(&zeros, &operations, &left, NULL);
//     if (result < 0) return result;
//     weir_bytes line;
//     result = weir_read_line(weir_open_read_channel(zeros), &line);
//     if (result == 0) printf("%.*s\n", (int)line.size, line.data);  // 000
//     weir_connection_close(zeros);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_CUSTOM_CONNECTION_H
#define WEIR_CUSTOM_CONNECTION_H

#include "weir/buffer.h"
#include "weir/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

// What a connection does to its source and sink. Every function gets |context|. At most one |read|
// and one of |write| and |finish| are in flight at a time, all on the thread of the connection.
// With |wait| a function may suspend, in whatever coroutine reads, writes, or closes; without, it
// must not, and returns -EAGAIN when it can do nothing now: then it is called again with |wait|,
// perhaps in a coroutine of the connection's own, which belongs to no scope. Without |wait| it
// stands behind a shield. A |read| that waits may get less room than one that does not.
typedef struct weir_custom_operations {
  // Reads 1 to |size| bytes, at most INT_MAX, into |out| and returns their number; 0 at the end of
  // the stream; or a negative code. NULL: the stream has ended.
  int (*read)(void *context, void *out, size_t size, bool wait);
  // Takes 1 to |size| bytes, at most INT_MAX, from |data| and returns their number, or a negative
  // code: -ENOMEM and -ENOBUFS when it may be tried again, while any other breaks the stream. NULL:
  // every write returns -EPIPE.
  int (*write)(void *context, const void *data, size_t size, bool wait);
  // Ends the stream of what was written. Returns 0 or a negative code. NULL: nothing to do.
  int (*finish)(void *context, bool wait);
  // Breaks both streams because of |cause|, a negative code, so that nobody takes them for
  // complete. |read| and |write| may be suspended; they then have to return. Does not suspend.
  // NULL: nothing to do.
  void (*abort)(void *context, int cause);
  // Frees |context|; nothing is in flight, nothing comes after it. Does not suspend. NULL: nothing
  // to do.
  void (*release)(void *context);
} weir_custom_operations;

// All zero is the default.
typedef struct weir_custom_options {
  const char *local_address;   // copied; default "custom"
  const char *remote_address;  // copied; default "custom"
  const char *host;            // copied; default NULL
} weir_custom_options;

// weir_custom_connection makes a connection over |operations|, which are copied, for |context|,
// which must live until |release|; that is called before weir_connection_close returns, unless the
// close leaves the rest to the loop. An operation that is in flight when the connection is closed
// or aborted, or its channel cancelled, in another coroutine, is interrupted: what it waits for
// returns -ECANCELED, as in a coroutine that was cancelled, and it should return that. What it must
// wait for first, such as a blocking call or whatever it does behind a weir_shield, comes to its
// end. |options| may be NULL. Does not suspend.
// Returns 0; -ENOMEM or -EINVAL outside a coroutine, and then |release| is not called.
WEIR_MUST_USE int weir_custom_connection(weir_connection **out,
                                         const weir_custom_operations *operations, void *context,
                                         const weir_custom_options *options);

// weir_memory_connection makes a connection from which |input| is read, which must stay until the
// close, and whose output, when flushed, is appended to |output|; NULL drops it. Does not suspend.
// Returns 0, -ENOMEM, or -EINVAL outside a coroutine.
WEIR_MUST_USE int weir_memory_connection(weir_connection **out, weir_bytes input,
                                         weir_buffer *output);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CUSTOM_CONNECTION_H
