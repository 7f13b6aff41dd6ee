// SPDX-License-Identifier: Apache-2.0
//
// weir/read_channel.h: reading from a connection: bytes, lines, up to a delimiter, exact amounts,
// looking ahead. Numbers in both byte orders are in weir/numbers.h, copying to a write channel in
// weir/copy.h. weir/channel.h includes them all.
//
// Every function below that suspends does so until it can do its work. Besides what it names, each
// returns -ECANCELED, -ETIMEDOUT, -EBUSY while another coroutine reads, -EXDEV, -EINVAL outside a
// coroutine, -ENOMEM, WEIR_E_CLOSED when the connection is closed meanwhile, -ECONNABORTED when it
// was aborted, the cause with which the channel was cancelled, or what the transport reports
// (-ECONNRESET, ...). After any of the first six nothing is lost: bytes that were not reported as
// read are read by the next call, so a read whose deadline passed may simply be repeated.
//
// A read of nothing, such as weir_read_exactly of 0 bytes, does not wait, and returns 0 also where
// the stream has ended or is broken: of nothing all is there. Only what was done on this side ends
// it as it ends every read: a cancel of the channel, a close, an abort.
//
// A span that a read stores in a weir_bytes belongs to the channel, and is valid until the next
// function below is called for it, or until its close; no copy is made. Such a span is no larger
// than the channel's limit: its capacity, or its line limit + 2 if that is more.
//
// Example:
//   static int print_pairs(weir_read_channel *input) {  // "key=value;key=value"
//     weir_bytes pair;
//     weir_read_until_options last_may_miss = {.allow_missing = true};
//     int result;
//     while ((result = weir_read_until(input, weir_text(";"), &last_may_miss, &pair)) == 0) {
//       printf("%.*s\n", (int)pair.size, pair.data);
//     }
//     return result == WEIR_E_END_OF_STREAM ? 0 : result;
//   }
//   static int run(void *argument) {
//     (void)argument;
//     weir_connection *memory;
//     int result = weir_memory_connection(&memory, weir_text("a=1;b=2"), NULL);
//     if (result < 0) return result;
//     result = print_pairs(weir_open_read_channel(memory));
//     weir_connection_close(memory);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_READ_CHANNEL_H
#define WEIR_READ_CHANNEL_H

#include "weir/base.h"
#include "weir/buffer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_read_channel weir_read_channel;

// Options

// What ends a line.
typedef enum weir_line_ending {
  WEIR_LINE_LF = 0,  // LF or CR LF; a lone CR is part of the line
  // LF, CR LF or a lone CR. A CR ends the line at once, so that a peer that sends nothing else is
  // answered; if a LF comes directly behind it, the next read, of whatever kind, drops it.
  WEIR_LINE_ANY = 1,
} weir_line_ending;

// All zero is the default.
typedef struct weir_read_channel_options {
  size_t capacity;    // bytes read ahead at most, but for what is larger; default 16 KiB
  size_t line_limit;  // bytes of a line at most, without what ends it; default 64 KiB
  weir_line_ending line_ending;
  // After WEIR_E_LINE_TOO_LONG, skip the rest of that line. Off by default: the line stays, unread.
  bool resynchronise;
} weir_read_channel_options;

// weir_read_channel_configure replaces the channel's options; |options| is copied, NULL is all
// defaults. Does not suspend. Returns 0; -EBUSY while the channel holds bytes or is in use; -EINVAL
// for a capacity or limit above 1 GiB or an unknown line ending.
WEIR_MUST_USE int weir_read_channel_configure(weir_read_channel *channel,
                                              const weir_read_channel_options *options);

// Bytes

// weir_read_available reads at least 1 and at most |size| bytes into |out|, as many as are there,
// but no more than 1 MiB at once from the connection. Returns their number (never more than
// INT_MAX), or WEIR_E_END_OF_STREAM.
WEIR_MUST_USE int weir_read_available(weir_read_channel *channel, void *out, size_t size);

// weir_read_try is weir_read_available for those who cannot wait: it does not suspend, and returns
// -EAGAIN when nothing is there.
WEIR_MUST_USE int weir_read_try(weir_read_channel *channel, void *out, size_t size);

// weir_read_fully reads exactly |size| bytes into |out|. *out_done, which may be NULL, gets the
// number of bytes that |out| now holds: |size| when 0 is returned, fewer on failure, and they count
// as read. Returns 0, or WEIR_E_END_OF_STREAM when the stream ended before.
WEIR_MUST_USE int weir_read_fully(weir_read_channel *channel, void *out, size_t size,
                                  size_t *out_done);

// weir_read_exactly is weir_read_fully for small things: it reads |size| bytes or none, also on
// failure and at the end of the stream. -EMSGSIZE when |size| is above the channel's limit.
WEIR_MUST_USE int weir_read_exactly(weir_read_channel *channel, void *out, size_t size);

// weir_read_packet reads exactly |size| bytes and stores a span over them in *out_packet. Returns
// 0; WEIR_E_END_OF_STREAM when the stream ended before, and -EMSGSIZE when |size| is above the
// channel's limit: then nothing is read, and *out_packet is empty.
WEIR_MUST_USE int weir_read_packet(weir_read_channel *channel, size_t size, weir_bytes *out_packet);

// weir_read_remaining appends everything up to the end of the stream to |out|. Returns 0; or
// -EMSGSIZE when there are more than |limit| bytes (SIZE_MAX: no limit). On any failure what |out|
// got counts as read, at most |limit| bytes, and what comes behind it is unread.
WEIR_MUST_USE int weir_read_remaining(weir_read_channel *channel, weir_buffer *out, size_t limit);

// weir_read_discard reads and drops up to |size| bytes, fewer only when the stream ends before or
// on failure. *out_done, which may be NULL, gets their number. Returns 0 also at the end of the
// stream. UINT64_MAX drops all there is.
WEIR_MUST_USE int weir_read_discard(weir_read_channel *channel, uint64_t size, uint64_t *out_done);

// weir_read_discard_exactly reads and drops |size| bytes. Returns 0, or WEIR_E_END_OF_STREAM when
// the stream ended before; then all that was there is dropped. *out_done is as above.
WEIR_MUST_USE int weir_read_discard_exactly(weir_read_channel *channel, uint64_t size,
                                            uint64_t *out_done);

// Lines

// weir_read_line reads a line and stores it, without what ends it, in *out_line. A last line that
// nothing ends is a line like others, if it is not empty. Returns 0; WEIR_E_END_OF_STREAM when no
// line is left; or WEIR_E_LINE_TOO_LONG when the line is longer than the channel's limit: then,
// with the option |resynchronise|, the next read begins after that line, and otherwise where the
// line begins. *out_line is empty on failure.
WEIR_MUST_USE int weir_read_line(weir_read_channel *channel, weir_bytes *out_line);

// weir_read_line_strict is weir_read_line where every line must be ended: for a last line that is
// not it returns WEIR_E_LINE_UNTERMINATED, stores its bytes in *out_line, and they count as read.
WEIR_MUST_USE int weir_read_line_strict(weir_read_channel *channel, weir_bytes *out_line);

// weir_read_utf8_line is weir_read_line for text: a line that is not well-formed UTF-8 (RFC 3629:
// no overlong forms, no surrogates, nothing above U+10FFFF) is read and stored in *out_line all the
// same, and WEIR_E_INVALID_UTF8 returned. NUL bytes are legal.
WEIR_MUST_USE int weir_read_utf8_line(weir_read_channel *channel, weir_bytes *out_line);

// weir_read_utf8_line_strict is both at once; WEIR_E_LINE_UNTERMINATED comes first.
WEIR_MUST_USE int weir_read_utf8_line_strict(weir_read_channel *channel, weir_bytes *out_line);

// weir_append_line, weir_append_utf8_line read a line like the functions above and append it to
// |out| instead, where it stays. With -ENOMEM the line stays unread. A line that is returned with
// an error above (WEIR_E_INVALID_UTF8) is appended too.
WEIR_MUST_USE int weir_append_line(weir_read_channel *channel, weir_buffer *out);
WEIR_MUST_USE int weir_append_utf8_line(weir_read_channel *channel, weir_buffer *out);

// Delimiters

// All zero is the default.
typedef struct weir_read_until_options {
  size_t limit;        // bytes before the delimiter at most; default the channel's line limit, or
                       // what the delimiter leaves of the channel's limit if that is less
  bool keep;           // leave the delimiter unread; by default it is read and dropped
  bool allow_missing;  // what comes before the end of the stream needs no delimiter
} weir_read_until_options;

// weir_read_until reads up to the next |delimiter|, of 1 byte or more, and stores what comes before
// it in *out_bytes. |options| may be NULL. Returns 0; WEIR_E_END_OF_STREAM when the stream ends
// without it (with |allow_missing| only when nothing is left); -EMSGSIZE when more bytes than the
// limit come before it, or when a limit that was given and the delimiter are together above the
// channel's limit; -EINVAL for an empty delimiter. On failure nothing is read and *out_bytes is
// empty. |delimiter| must not be a span of this channel. When the call is repeated because its
// deadline has passed, with the same delimiter and no other read between, it goes on searching
// where it was.
WEIR_MUST_USE int weir_read_until(weir_read_channel *channel, weir_bytes delimiter,
                                  const weir_read_until_options *options, weir_bytes *out_bytes);

// weir_append_until is weir_read_until with a |limit| beyond the channel's, as far as memory goes:
// what comes before the delimiter is appended to |out|. Its default limit is the channel's line
// limit. -EMSGSIZE also for a delimiter above the channel's limit. On failure what was appended
// counts as read, at most the limit: it is no part of the delimiter, and when the call is repeated,
// what comes behind it is appended.
WEIR_MUST_USE int weir_append_until(weir_read_channel *channel, weir_bytes delimiter,
                                    const weir_read_until_options *options, weir_buffer *out);

// weir_read_skip_if_found reads and drops the bytes of |expected| if they come next. Returns 1 when
// they did; 0 when something else comes next, or the stream ends before, and then nothing is read;
// -EMSGSIZE when |expected| is above the channel's limit. An empty |expected| always comes next. It
// must not be a span that this channel has handed out.
WEIR_MUST_USE int weir_read_skip_if_found(weir_read_channel *channel, weir_bytes expected);

// Looking ahead

// weir_read_peek suspends until |size| bytes can be read, and stores a span over exactly these in
// *out_bytes; they stay unread. Returns 0; WEIR_E_END_OF_STREAM when the stream ends before, and
// then *out_bytes has all that is left; -EMSGSIZE when |size| is above the channel's limit.
WEIR_MUST_USE int weir_read_peek(weir_read_channel *channel, size_t size, weir_bytes *out_bytes);

// weir_read_span is weir_read_peek that stores all bytes that are there, at least |least|. 0 does
// not suspend, and may find nothing. With weir_read_consume it reads without a copy.
WEIR_MUST_USE int weir_read_span(weir_read_channel *channel, size_t least, weir_bytes *out_bytes);

// weir_read_consume counts the first |size| bytes as read that weir_read_peek or weir_read_span has
// just stored; what remains of the span stays valid. Does not suspend. Returns 0; the cause with
// which the channel was cancelled; or -EINVAL when the channel holds fewer.
WEIR_MUST_USE int weir_read_consume(weir_read_channel *channel, size_t size);

// weir_read_await suspends until |size| bytes can be read without waiting. Returns 0;
// WEIR_E_END_OF_STREAM when fewer are left; -EMSGSIZE when |size| is above the channel's limit.
WEIR_MUST_USE int weir_read_await(weir_read_channel *channel, size_t size);

// weir_read_exhausted suspends until there is a byte to read or the stream has ended. Returns 1 at
// the end of the stream, 0 otherwise.
WEIR_MUST_USE int weir_read_exhausted(weir_read_channel *channel);

// State. None of these suspends or fails.

// weir_read_buffered returns how many bytes the channel holds.
size_t weir_read_buffered(const weir_read_channel *channel);

// weir_total_bytes_read returns how many bytes were read from the channel since it was opened, line
// ends and dropped bytes included.
uint64_t weir_total_bytes_read(const weir_read_channel *channel);

// weir_read_channel_cause returns why reads from the channel fail for good: the cause with which it
// was cancelled, or what broke its stream; 0 while it is sound, and after an end in peace.
int weir_read_channel_cause(const weir_read_channel *channel);

// weir_read_channel_cancel ends reading: what is unread is dropped, a read that is suspended in
// another coroutine and every later one returns |cause|, a negative code, or -ECONNABORTED for 0.
// The writer at the other end of a pipe gets |cause| too, from its next write on; a socket's peer
// is not told until the connection is closed. The first cause stays, and what broke the stream
// before is one. Writing goes on. To be called on the thread of the connection.
void weir_read_channel_cancel(weir_read_channel *channel, int cause);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_READ_CHANNEL_H
