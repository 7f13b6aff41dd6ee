// SPDX-License-Identifier: Apache-2.0
//
// Typed channels: a ring of elements, and who waits at its ends. Who comes and finds somebody
// waiting at the other end deals with him directly, from memory to memory.

#include "coroutine/internal/typed_channel.h"

#include "base/internal/memory.h"

int weir_typed_channel_create(weir_typed_channel **out, size_t element_size, size_t capacity) {
  *out = NULL;
  if (element_size == 0) return -EINVAL;
  weir_typed_channel *channel;
  if (capacity > (SIZE_MAX - sizeof *channel) / element_size) return -ENOMEM;
  channel = (weir_typed_channel *)(void *)weir_internal_meeting_create(sizeof *channel +
                                                                       capacity * element_size);
  if (channel == NULL) return -ENOMEM;
  channel->element_size = element_size;
  channel->capacity = capacity;
  weir_internal_list_init(&channel->senders);
  weir_internal_list_init(&channel->receivers);
  *out = channel;
  return 0;
}

void weir_typed_channel_close(weir_typed_channel *channel) {
  if (channel == NULL) return;
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&channel->meeting.lock);
  channel->meeting.closed = true;
  weir_internal_meeting_claim_all(&channel->meeting, &channel->senders, &claimed, WEIR_E_CLOSED);
  weir_internal_meeting_claim_all(&channel->meeting, &channel->receivers, &claimed, WEIR_E_CLOSED);
  weir_internal_meeting_give(&channel->meeting);
  weir_internal_waiter_wake_all(&claimed);
}

void weir_typed_channel_finish(weir_typed_channel *channel) {
  weir_internal_list claimed;
  weir_internal_list_init(&claimed);
  weir_internal_lock_take(&channel->meeting.lock);
  channel->finished = true;
  weir_internal_meeting_claim_all(&channel->meeting, &channel->senders, &claimed, -EPIPE);
  weir_internal_meeting_claim_all(&channel->meeting, &channel->receivers, &claimed,
                                  WEIR_E_END_OF_STREAM);
  weir_internal_lock_give(&channel->meeting.lock);
  weir_internal_waiter_wake_all(&claimed);
}

// Elements

// Most are a pointer or two; for these it takes no call.
static inline void copy(const weir_typed_channel *channel, void *to, const void *from) {
  if (channel->element_size == sizeof(void *)) {
    memcpy(to, from, sizeof(void *));
  } else {
    memcpy(to, from, channel->element_size);
  }
}

static void put(weir_typed_channel *channel, const void *element) {
  size_t index = channel->count < channel->capacity - channel->first
                     ? channel->first + channel->count
                     : channel->count - (channel->capacity - channel->first);
  copy(channel, channel->elements + index * channel->element_size, element);
  channel->count++;
}

static void take(weir_typed_channel *channel, void *out) {
  copy(channel, out, channel->elements + channel->first * channel->element_size);
  channel->first = channel->first + 1 < channel->capacity ? channel->first + 1 : 0;
  channel->count--;
}

static weir_internal_exchange *claim(weir_typed_channel *channel, weir_internal_list *queue) {
  if (weir_internal_list_is_empty(queue)) return NULL;
  weir_internal_waiter *waiter = weir_internal_meeting_claim(&channel->meeting, queue);
  if (waiter == NULL) return NULL;
  waiter->result = 0;
  return WEIR_INTERNAL_CONTAINER(waiter, weir_internal_exchange, waiter);
}

int weir_internal_typed_channel_send(weir_typed_channel *channel, const void *element,
                                     weir_internal_waiter **out_served) {
  *out_served = NULL;
  if (channel->finished) return -EPIPE;
  weir_internal_exchange *receiver = claim(channel, &channel->receivers);
  if (receiver != NULL) {
    copy(channel, receiver->receive, element);
    *out_served = &receiver->waiter;
    return 0;
  }
  if (channel->count == channel->capacity) return -EAGAIN;
  put(channel, element);
  return 0;
}

int weir_internal_typed_channel_receive(weir_typed_channel *channel, void *out,
                                        weir_internal_waiter **out_served) {
  *out_served = NULL;
  bool was_empty = channel->count == 0;
  if (!was_empty) take(channel, out);
  weir_internal_exchange *sender = claim(channel, &channel->senders);
  if (sender != NULL) {
    if (was_empty) {
      copy(channel, out, sender->send);
    } else {
      put(channel, sender->send);
    }
    *out_served = &sender->waiter;
    return 0;
  }
  if (!was_empty) return 0;
  return channel->finished ? WEIR_E_END_OF_STREAM : -EAGAIN;
}

// One channel

static void give_and_wake(weir_typed_channel *channel, weir_internal_waiter *served) {
  weir_internal_lock_give(&channel->meeting.lock);
  if (served != NULL) weir_internal_waiter_wake(served);
}

int weir_typed_channel_send(weir_typed_channel *channel, const void *element) {
  int result = weir_internal_meeting_enter(&channel->meeting);
  if (result < 0) return result;
  weir_internal_waiter *served;
  weir_internal_lock_take(&channel->meeting.lock);
  result = weir_internal_typed_channel_send(channel, element, &served);
  if (result == -EAGAIN) {
    weir_internal_exchange self;
    self.send = element;
    return weir_internal_meeting_wait(&channel->meeting, &channel->senders, &self.waiter, "send");
  }
  give_and_wake(channel, served);
  return result;
}

int weir_typed_channel_try_send(weir_typed_channel *channel, const void *element) {
  weir_internal_waiter *served;
  weir_internal_lock_take(&channel->meeting.lock);
  int result = weir_internal_typed_channel_send(channel, element, &served);
  give_and_wake(channel, served);
  return result;
}

int weir_typed_channel_receive(weir_typed_channel *channel, void *out) {
  int result = weir_internal_meeting_enter(&channel->meeting);
  if (result < 0) return result;
  weir_internal_waiter *served;
  weir_internal_lock_take(&channel->meeting.lock);
  result = weir_internal_typed_channel_receive(channel, out, &served);
  if (result == -EAGAIN) {
    weir_internal_exchange self;
    self.receive = out;
    return weir_internal_meeting_wait(&channel->meeting, &channel->receivers, &self.waiter,
                                      "receive");
  }
  give_and_wake(channel, served);
  return result;
}

int weir_typed_channel_try_receive(weir_typed_channel *channel, void *out) {
  weir_internal_waiter *served;
  weir_internal_lock_take(&channel->meeting.lock);
  int result = weir_internal_typed_channel_receive(channel, out, &served);
  give_and_wake(channel, served);
  return result;
}
