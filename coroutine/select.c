// SPDX-License-Identifier: Apache-2.0
//
// A select holds the locks of all its channels while it looks for a case that can go on, and while
// it puts itself into their queues. The locks are taken in the order of their addresses, so that
// two selects never wait for each other's. All its waiters have one ticket: whoever claims it at
// one channel has decided, and at the others the claim fails.

#include "base/internal/memory.h"
#include "coroutine/internal/typed_channel.h"

// So many cases need no allocation.
enum { CASES_ON_THE_STACK = 16 };

// What a select needs for each case.
typedef struct place {
  weir_internal_exchange exchange;
  weir_typed_channel *ordered;  // the channels by their addresses, in no relation to the case
} place;

typedef struct selection {
  weir_select_case *cases;
  int count;
  place *places;
} selection;

static bool is_valid(const weir_select_case *cases, int count) {
  if (cases == NULL || count <= 0) return false;
  for (int i = 0; i < count; i++) {
    if (cases[i].channel == NULL) return false;
    if ((cases[i].send == NULL) == (cases[i].receive == NULL)) return false;
  }
  return true;
}

// Shell's sort: short, without recursion or memory, and fast enough for thousands.
static void order_channels(const selection *self) {
  place *places = self->places;
  for (int i = 0; i < self->count; i++) places[i].ordered = self->cases[i].channel;
  for (int gap = self->count / 2; gap > 0; gap /= 2) {
    for (int i = gap; i < self->count; i++) {
      weir_typed_channel *moving = places[i].ordered;
      int to = i;
      for (; to >= gap && (uintptr_t)places[to - gap].ordered > (uintptr_t)moving; to -= gap) {
        places[to].ordered = places[to - gap].ordered;
      }
      places[to].ordered = moving;
    }
  }
}

static bool is_repeated(const selection *self, int i) {
  return i > 0 && self->places[i].ordered == self->places[i - 1].ordered;
}

static void take_locks(const selection *self) {
  for (int i = 0; i < self->count; i++) {
    if (!is_repeated(self, i)) weir_internal_lock_take(&self->places[i].ordered->meeting.lock);
  }
}

static void give_locks(const selection *self) {
  for (int i = 0; i < self->count; i++) {
    if (!is_repeated(self, i)) weir_internal_lock_give(&self->places[i].ordered->meeting.lock);
  }
}

// Under the locks: does the first case that can go on, and returns its index, or -EAGAIN.
static int try_cases(const selection *self, weir_internal_waiter **out_served) {
  for (int i = 0; i < self->count; i++) {
    weir_select_case *present = &self->cases[i];
    int result =
        present->send != NULL
            ? weir_internal_typed_channel_send(present->channel, present->send, out_served)
            : weir_internal_typed_channel_receive(present->channel, present->receive, out_served);
    if (result == -EAGAIN) continue;
    present->result = result;
    return i;
  }
  return -EAGAIN;
}

// Under the locks: puts the cases into the queues.
static weir_internal_ticket wait_in_queues(const selection *self) {
  weir_internal_ticket ticket = weir_internal_ticket_take_for("select");
  for (int i = 0; i < self->count; i++) {
    weir_select_case *present = &self->cases[i];
    weir_typed_channel *channel = present->channel;
    weir_internal_exchange *exchange = &self->places[i].exchange;
    exchange->send = present->send;
    exchange->receive = present->receive;
    exchange->waiter.ticket = ticket;
    exchange->waiter.index = i;
    weir_internal_list_append(present->send != NULL ? &channel->senders : &channel->receivers,
                              &exchange->waiter.link);
  }
  return ticket;
}

// Leaves all channels but that of the case |chosen|, which has let it go and may be gone.
static void leave_queues(const selection *self, int chosen) {
  for (int i = 0; i < self->count; i++) {
    if (i == chosen) continue;
    weir_internal_meeting *meeting = &self->cases[i].channel->meeting;
    weir_internal_lock_take(&meeting->lock);
    weir_internal_meeting_leave(meeting, &self->places[i].exchange.waiter);
    weir_internal_meeting_give(meeting);
  }
}

// Under the locks, which it gives back: goes on with a case, and wakes who was served by it.
static int finish_at_once(const selection *self, int chosen, weir_internal_waiter *served) {
  give_locks(self);
  if (served != NULL) weir_internal_waiter_wake(served);
  return chosen;
}

static int select_now(const selection *self) {
  weir_internal_waiter *served = NULL;
  take_locks(self);
  int chosen = try_cases(self, &served);
  return finish_at_once(self, chosen, served);
}

static int select_waiting(const selection *self) {
  weir_internal_waiter *served = NULL;
  take_locks(self);
  int chosen = try_cases(self, &served);
  if (chosen >= 0) return finish_at_once(self, chosen, served);
  weir_internal_ticket ticket = wait_in_queues(self);
  give_locks(self);
  chosen = weir_internal_suspend(ticket, WEIR_FOREVER);
  leave_queues(self, chosen);
  if (chosen >= 0) self->cases[chosen].result = self->places[chosen].exchange.waiter.result;
  return chosen;
}

// While the coroutine lets others run, it is a guest of all channels. Returns 0; a negative code;
// or WEIR_E_CLOSED and by *out_closed the first case whose channel was closed.
static int enter_slowly(weir_select_case *cases, int count, int *out_closed) {
  for (int i = 0; i < count; i++) {
    weir_internal_meeting *meeting = &cases[i].channel->meeting;
    weir_internal_lock_take(&meeting->lock);
    meeting->guests++;
    weir_internal_lock_give(&meeting->lock);
  }
  int result = weir_internal_enter_slowly(NULL);
  for (int i = 0; i < count; i++) {
    weir_internal_meeting *meeting = &cases[i].channel->meeting;
    weir_internal_lock_take(&meeting->lock);
    meeting->guests--;
    if (result == 0 && meeting->closed) {
      result = WEIR_E_CLOSED;
      *out_closed = i;
    }
    weir_internal_meeting_give(meeting);
  }
  return result;
}

static int with_places(weir_select_case *cases, int count, int (*run)(const selection *self)) {
  place few[CASES_ON_THE_STACK];
  size_t size = (size_t)count * sizeof *few;
  selection self = {.cases = cases, .count = count, .places = few};
  if (count > CASES_ON_THE_STACK) self.places = (place *)weir_internal_allocate_unset(size);
  if (self.places == NULL) return -ENOMEM;
  order_channels(&self);
  int chosen = run(&self);
  if (self.places != few) weir_internal_release(self.places, size);
  return chosen;
}

int weir_select(weir_select_case *cases, int count) {
  if (!is_valid(cases, count)) return -EINVAL;
  if (weir_internal_thread.allowance > 0) {
    weir_internal_thread.allowance--;
  } else {
    int closed = 0;
    int result = enter_slowly(cases, count, &closed);
    if (result == WEIR_E_CLOSED) {
      cases[closed].result = WEIR_E_CLOSED;
      return closed;
    }
    if (result < 0) return result;
  }
  return with_places(cases, count, select_waiting);
}

int weir_try_select(weir_select_case *cases, int count) {
  if (!is_valid(cases, count)) return -EINVAL;
  return with_places(cases, count, select_now);
}
