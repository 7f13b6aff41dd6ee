// SPDX-License-Identifier: Apache-2.0
//
// The inside of a typed channel, which weir_select knows too.

#ifndef WEIR_COROUTINE_INTERNAL_TYPED_CHANNEL_H
#define WEIR_COROUTINE_INTERNAL_TYPED_CHANNEL_H

#include "coroutine/internal/meeting.h"
#include "weir/sync.h"

// Senders wait only while the channel is full, receivers only while it is empty. A select may wait
// in both queues of one channel.
struct weir_typed_channel {
  weir_internal_meeting meeting;
  size_t element_size;
  size_t capacity;
  size_t first;  // the index of the oldest element
  size_t count;
  bool finished;
  weir_internal_list senders;
  weir_internal_list receivers;
  char elements[];
};

// One who waits to send or receive.
typedef struct weir_internal_exchange {
  weir_internal_waiter waiter;
  const void *send;
  void *receive;
} weir_internal_exchange;

// Both are called with the lock held. They do what can be done at once, and return the result, or
// -EAGAIN. *out_served gets the one whose turn came by it, who is to be woken after the lock was
// given back, or NULL.
int weir_internal_typed_channel_send(weir_typed_channel *channel, const void *element,
                                     weir_internal_waiter **out_served);
int weir_internal_typed_channel_receive(weir_typed_channel *channel, void *out,
                                        weir_internal_waiter **out_served);

#endif  // WEIR_COROUTINE_INTERNAL_TYPED_CHANNEL_H
