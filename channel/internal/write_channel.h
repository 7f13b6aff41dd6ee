// SPDX-License-Identifier: Apache-2.0
//
// The writing half of a connection: a buffer that exists only while something is unsent.

#ifndef WEIR_CHANNEL_INTERNAL_WRITE_CHANNEL_H
#define WEIR_CHANNEL_INTERNAL_WRITE_CHANNEL_H

#include "channel/internal/transport.h"
#include "coroutine/internal/suspend.h"
#include "weir/channel.h"

#ifdef __cplusplus
extern "C" {
#endif

// The buffer is  [ sent ... | start: unsent ... | end: room ... | size ].
struct weir_write_channel {
  char *buffer;  // NULL when there is none
  uint32_t size;
  uint32_t start;
  uint32_t end;
  uint32_t capacity;
  uint64_t gone;    // bytes that left the buffer, or never were in it
  uint64_t lost;    // of these, what a failure has dropped
  int failure;      // of the transport, or the cause of a cancel; it stays
  bool busy;        // an operation is in flight
  bool auto_flush;  // as weir_open_write_channel says
  bool closed;      // the end of the stream was sent
  bool watching;    // the loop is to send: when |watcher| is told, or the pause has ended
  bool pausing;     // it is the pause, for which the connection's timer stands
  uint8_t pauses;   // those, each longer than the last one, since something was sent
  bool cut;         // a close has ended a write in the middle of its text
  bool cancelled;   // |failure| is the cause of weir_write_channel_cancel
  // An operation that waits for other channels, too; NULL for the usual ones.
  weir_internal_interruptible *holder;
  weir_internal_pre_suspend hook;  // linked: it flushes when its coroutine suspends
  weir_internal_watcher watcher;
};

// weir_internal_writer_init gives |channel|, which is zeroed, its defaults.
void weir_internal_writer_init(weir_write_channel *channel);

// weir_internal_writer_pending returns how many bytes wait in the buffer to be sent.
static inline size_t weir_internal_writer_pending(const weir_write_channel *channel) {
  return channel->end - channel->start;
}

// weir_internal_writer_fail keeps |failure| of the transport for all later operations and drops
// what can never be sent. Returns |failure|.
int weir_internal_writer_fail(weir_write_channel *channel, int failure);

// What is to be written: |size| bytes in |count| parts, of which |done| bytes are written: all
// parts before |part|, and |offset| bytes of that.
typedef struct weir_internal_outgoing {
  const weir_bytes *parts;
  int count;
  int part;
  size_t offset;
  size_t size;
  size_t done;
} weir_internal_outgoing;

// weir_internal_outgoing_of returns the |count| |parts|, of |size| bytes together, none of them
// written yet.
static inline weir_internal_outgoing weir_internal_outgoing_of(const weir_bytes *parts, int count,
                                                               size_t size) {
  weir_internal_outgoing text = {.parts = parts, .count = count, .size = size};
  return text;
}

// weir_internal_writer_enter begins a write, weir_internal_writer_leave ends it. What stands
// between them may suspend. weir_internal_writer_begin is weir_internal_writer_enter whether or not
// the channel can be written to.
WEIR_MUST_USE int weir_internal_writer_begin(weir_write_channel *channel);
WEIR_MUST_USE int weir_internal_writer_enter(weir_write_channel *channel);
WEIR_MUST_USE int weir_internal_writer_leave(weir_write_channel *channel, int result);

// weir_internal_writer_enter_at_once is weir_internal_writer_enter that never lets others run.
WEIR_MUST_USE int weir_internal_writer_enter_at_once(weir_write_channel *channel);

// weir_internal_writer_put writes |text|: into the buffer what fits there, the rest straight to the
// transport. What fits into the capacity as a whole is taken as a whole. Suspends.
WEIR_MUST_USE int weir_internal_writer_put(weir_write_channel *channel,
                                           weir_internal_outgoing *text);

// weir_internal_writer_offer lets the transport take |bytes| from where they lie, as far as it can
// without waiting, if the channel, which must have been entered, holds nothing. Returns how many
// were taken; when that fails for good all are, and lost, and later operations are told.
WEIR_MUST_USE size_t weir_internal_writer_offer(weir_write_channel *channel, weir_bytes bytes);

// weir_internal_writer_adopt makes |buffer|, which was taken from the pool of the connection for
// |size| bytes and of which |count|, at most the capacity, are to be written, the channel's own.
// The channel must have been entered, and hold nothing.
void weir_internal_writer_adopt(weir_write_channel *channel, char *buffer, size_t size,
                                size_t count);

// weir_internal_writer_pass writes |bytes| that another channel holds, and adds to *done how many
// were taken. Many go straight to the transport; few are gathered in the buffer. Suspends.
WEIR_MUST_USE int weir_internal_writer_pass(weir_write_channel *channel, weir_bytes bytes,
                                            size_t *done);

// weir_internal_writer_drain waits until nothing is unsent, weir_internal_writer_flush until the
// transport has sent it, too, if it is one that keeps what it takes.
WEIR_MUST_USE int weir_internal_writer_drain(weir_write_channel *channel);
WEIR_MUST_USE int weir_internal_writer_flush(weir_write_channel *channel);

// weir_internal_writer_end flushes and ends the stream.
WEIR_MUST_USE int weir_internal_writer_end(weir_write_channel *channel);

// weir_internal_writer_settle gives back a buffer that nobody needs.
void weir_internal_writer_settle(weir_write_channel *channel);

// weir_internal_writer_failed returns what an operation says after |failure| of the transport, and
// keeps that if it breaks the stream.
int weir_internal_writer_failed(weir_write_channel *channel, int failure);

// Sending without a coroutine (auto_flush.c)
//
// weir_internal_writer_send sends what it can without waiting. Returns 0 when nothing is left;
// -EAGAIN when the transport takes no more for now; a failure that passes; or one that stays.
WEIR_MUST_USE int weir_internal_writer_send(weir_write_channel *channel);

// weir_internal_writer_fail_unnoticed keeps |failure| of a send for which nobody waits: that ends
// the connection for the reader, too, who may wait for the answer to what was never sent.
void weir_internal_writer_fail_unnoticed(weir_write_channel *channel, int failure);

// weir_internal_writer_leave_to_loop lets the loop go on after |result|, of a send or of the
// transport's |finish_write|: after -EAGAIN when the transport tells, after a failure that passes
// when some time has. Returns 0; |result| when that is another one; or why the transport cannot
// tell. None of them is kept.
WEIR_MUST_USE int weir_internal_writer_leave_to_loop(weir_write_channel *channel, int result);

// weir_internal_writer_rest makes the loop and the coroutine forget what they were to send, so that
// the caller can do it. Legal when they have nothing to send.
void weir_internal_writer_rest(weir_write_channel *channel);

// weir_internal_writer_arm makes the current coroutine send what is unsent when it suspends, if
// auto-flush is on and nobody else will.
static inline void weir_internal_writer_arm(weir_write_channel *channel) {
  if (channel->auto_flush && channel->end > channel->start && !channel->watching) {
    weir_internal_pre_suspend_add(&channel->hook);
  }
}

// What the hook, the watcher and the connection's timer call.
void weir_internal_writer_hook(weir_internal_pre_suspend *hook);
void weir_internal_writer_ready(weir_internal_watcher *watcher);
void weir_internal_writer_pause_ended(weir_write_channel *channel);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_WRITE_CHANNEL_H
