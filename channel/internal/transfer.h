// SPDX-License-Identifier: Apache-2.0
//
// What copies have in common: one operation that reads one channel and writes one or two. It holds
// all of them from its beginning to its end, so that none is freed or used by others meanwhile.

#ifndef WEIR_CHANNEL_INTERNAL_TRANSFER_H
#define WEIR_CHANNEL_INTERNAL_TRANSFER_H

#include "channel/internal/connection.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIR_INTERNAL_TRANSFER_TARGETS = 2 };

typedef struct weir_internal_transfer {
  weir_read_channel *source;
  weir_write_channel *targets[WEIR_INTERNAL_TRANSFER_TARGETS];
  int target_count;
  uint64_t count;  // bytes that all targets took
  weir_internal_interruptible holder;
} weir_internal_transfer;

// weir_internal_transfer_check tells whether the channels are the caller's to use: -EBUSY or -EXDEV
// when one is in the hands of another coroutine or loop, and -EINVAL outside a coroutine; otherwise
// 0, and until the caller suspends weir_internal_transfer_begin returns none of the three because
// of others. Those of others must not suffer from whatever happens to the caller.
WEIR_MUST_USE int weir_internal_transfer_check(const weir_internal_transfer *self);

// weir_internal_transfer_begin takes hold of the channels. Returns 0, or a negative code, and then
// none is held.
WEIR_MUST_USE int weir_internal_transfer_begin(weir_internal_transfer *self);

// weir_internal_transfer_await suspends until the source holds a byte; first all that was written
// is flushed. Returns 1, 0 at the end of the stream, or a negative code.
// weir_internal_transfer_await_more waits for bytes behind those that the source holds.
WEIR_MUST_USE int weir_internal_transfer_await(weir_internal_transfer *self);
WEIR_MUST_USE int weir_internal_transfer_await_more(weir_internal_transfer *self);

// weir_internal_transfer_pass writes the first |size| bytes that the source holds. What a failing
// target did not take stays unread.
WEIR_MUST_USE int weir_internal_transfer_pass(weir_internal_transfer *self, size_t size);

// weir_internal_transfer_all passes |limit| bytes or all there are.
WEIR_MUST_USE int weir_internal_transfer_all(weir_internal_transfer *self, uint64_t limit,
                                             weir_copy_method method);

// weir_internal_transfer_flush flushes the targets; weir_internal_transfer_end ends their streams.
WEIR_MUST_USE int weir_internal_transfer_flush(weir_internal_transfer *self);
WEIR_MUST_USE int weir_internal_transfer_end(weir_internal_transfer *self);

// weir_internal_transfer_cancel cancels all channels with |cause|.
void weir_internal_transfer_cancel(weir_internal_transfer *self, int cause);

// weir_internal_transfer_cut breaks off the streams of targets that others are closing, which
// cannot be cancelled any more: they must not end as if they were complete. All are held.
void weir_internal_transfer_cut(weir_internal_transfer *self);

// weir_internal_transfer_reason returns why the transfer failed with |result|: another coroutine
// may have ended one of the channels.
int weir_internal_transfer_reason(const weir_internal_transfer *self, int result);

// weir_internal_transfer_leave lets go of the channels. Returns |result|, or why they ended.
WEIR_MUST_USE int weir_internal_transfer_leave(weir_internal_transfer *self, int result);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_TRANSFER_H
