// SPDX-License-Identifier: Apache-2.0
//
// Descriptors and their operations, above the backend.

#include "selector/internal/operation.h"

#include <assert.h>

#include "selector/internal/selector.h"

const weir_internal_system_calls *weir_internal_selector_calls(const weir_selector *selector) {
  return selector->calls;
}

void weir_internal_descriptor_open(weir_internal_descriptor *descriptor, weir_selector *selector,
                                   int fd, bool short_is_dry) {
  memset(descriptor, 0, sizeof *descriptor);
  descriptor->selector = selector;
  descriptor->fd = fd;
  descriptor->short_is_dry = short_is_dry;
  // A new descriptor can be written to, as a rule; whether it can be read, the first event tells.
  descriptor->ready[WEIR_INTERNAL_WRITE] = true;
}

void weir_internal_descriptor_close(weir_internal_descriptor *descriptor) {
  if (descriptor->fd < 0) return;
  assert(descriptor->waiting[WEIR_INTERNAL_READ] == NULL);
  assert(descriptor->waiting[WEIR_INTERNAL_WRITE] == NULL);
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  weir_internal_selector_loop *loop = descriptor->loop;
  // Closing a socket ends its registration too, unless it was duplicated, and then its slot is
  // gone.
  if (loop != NULL) weir_internal_slot_return(&loop->slots, descriptor->registration.slot);
  // On Linux the descriptor is gone whatever close reports (close(2)), and what a socket has not
  // sent yet, its errors included, is the business of those who flush and finish.
  (void)calls->close(calls->context, descriptor->fd);
  descriptor->fd = -1;
  if (loop == NULL) loop = weir_internal_current_selector_loop();
  if (loop != NULL) weir_internal_shortage_eased(loop);
}

static weir_internal_direction direction_of(const weir_internal_operation *operation) {
  return (weir_internal_direction)(operation->kind & 1);
}

// Binds a descriptor to the loop on which it is used first.
static int bind_here(weir_internal_descriptor *descriptor) {
  weir_internal_loop *current = weir_internal_current_loop();
  if (current == NULL) return -EINVAL;
  weir_internal_selector_loop *loop = weir_internal_selector_loop_of(current);
  if (loop == NULL || loop->selector != descriptor->selector) return -EXDEV;
  int result = loop->backend->bind(loop, descriptor);
  if (result == 0) descriptor->loop = loop;
  return result;
}

// Makes sure that |descriptor| belongs to the loop of this thread.
static inline int check_loop(weir_internal_descriptor *descriptor) {
  if (descriptor->loop == NULL) return bind_here(descriptor);
  return descriptor->loop->loop == weir_internal_current_loop() ? 0 : -EXDEV;
}

// Tells whether a system call may be made in |direction| now: 0, or -EBUSY, or -EAGAIN.
static inline int check_ready(const weir_internal_descriptor *descriptor,
                              weir_internal_direction direction) {
  if (descriptor->waiting[direction] != NULL) return -EBUSY;
  return descriptor->ready[direction] ? 0 : -EAGAIN;
}

static inline int run_here(weir_internal_operation *operation, weir_internal_direction direction) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  int result = check_ready(descriptor, direction);
  if (result < 0) return result;
  result = descriptor->loop->backend->attempt(operation);
  // Whoever ends the wait after -EAGAIN, it is not the system call.
  operation->by_kernel = result != -EAGAIN;
  return result;
}

static inline int run(weir_internal_operation *operation, weir_internal_direction direction) {
  int result = check_loop(operation->descriptor);
  return result < 0 ? result : run_here(operation, direction);
}

int weir_internal_try(weir_internal_operation *operation) {
  return run(operation, direction_of(operation));
}

int weir_internal_try_to_send(weir_internal_descriptor *descriptor, const struct iovec *buffers,
                              int count) {
  int result = check_loop(descriptor);
  if (result == 0) result = check_ready(descriptor, WEIR_INTERNAL_WRITE);
  return result < 0 ? result : descriptor->loop->backend->send(descriptor, buffers, count);
}

int weir_internal_submit(weir_internal_operation *operation) {
  weir_internal_direction direction = direction_of(operation);
  int result = run(operation, direction);
  if (result != -EAGAIN) return result;
  operation->descriptor->waiting[direction] = operation;
  return -EINPROGRESS;
}

bool weir_internal_cancel_operation(weir_internal_operation *operation) {
  weir_internal_direction direction = direction_of(operation);
  if (operation->descriptor->waiting[direction] == operation) {
    operation->descriptor->waiting[direction] = NULL;
  }
  return true;
}

void weir_internal_descriptor_interrupt(weir_internal_descriptor *descriptor,
                                        weir_internal_direction direction, int reason) {
  weir_internal_operation *operation = descriptor->waiting[direction];
  if (operation == NULL) {
    // Its coroutine was woken to try again. If it then found nothing it would wait again, and
    // nobody would interrupt it any more.
    operation = descriptor->retrying[direction];
    if (operation != NULL && operation->result == -EAGAIN) operation->result = reason;
    return;
  }
  descriptor->waiting[direction] = NULL;
  operation->result = reason;
  operation->complete(operation);
}

typedef struct awaiter {
  weir_internal_ticket ticket;
  weir_internal_direction direction;
  bool completed;
} awaiter;

static void wake_awaiter(weir_internal_operation *operation) {
  awaiter *self = (awaiter *)operation->owner;
  self->completed = true;
  operation->descriptor->retrying[self->direction] = operation;
  // It misses only when a cancellation or deadline came first; then the awaiter looks at
  // |completed|.
  (void)weir_internal_wake(self->ticket, 0);
}

// Takes back what was awaited in vain, and waits until the backend has confirmed that.
static void give_up(weir_internal_operation *operation, awaiter *self) {
  if (weir_internal_cancel_operation(operation)) return;
  weir_shield shield = weir_shield_begin();
  while (!self->completed) {
    self->ticket = weir_internal_ticket_take_for("cancellation");
    // Behind the shield nothing but the completion ends the wait.
    int confirmed = weir_internal_suspend(self->ticket, WEIR_FOREVER);
    (void)confirmed;
  }
  weir_shield_end(shield);
}

// What weir_dump says of those who wait, by kind.
static const char *const waits_for[] = {
    [WEIR_INTERNAL_RECEIVE] = "read",          [WEIR_INTERNAL_SEND] = "write",
    [WEIR_INTERNAL_ACCEPT] = "accept",         [WEIR_INTERNAL_CONNECT] = "connect",
    [WEIR_INTERNAL_SPLICE_IN] = "read",        [WEIR_INTERNAL_SPLICE_OUT] = "write",
    [WEIR_INTERNAL_READABLE] = "read",         [WEIR_INTERNAL_WRITABLE] = "write",
    [WEIR_INTERNAL_RECEIVE_FROM] = "read",     [WEIR_INTERNAL_SEND_TO] = "write",
    [WEIR_INTERNAL_RECEIVE_MESSAGES] = "read", [WEIR_INTERNAL_SEND_MESSAGES] = "write",
};

static int64_t end_of_patience(int64_t timeout) {
  int64_t now = weir_now();
  return timeout < WEIR_FOREVER - now ? now + timeout : WEIR_FOREVER;
}

static int await(weir_internal_operation *operation, awaiter *self) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  int result = check_loop(descriptor);
  if (result < 0) return result;
  int64_t until = operation->timeout == 0 ? WEIR_FOREVER : 0;
  for (;;) {
    result = run_here(operation, self->direction);
    if (result != -EAGAIN) return result;
    // One that is woken in vain has not made any progress.
    if (until == 0) until = end_of_patience(operation->timeout);
    descriptor->waiting[self->direction] = operation;
    self->completed = false;
    const char *what = waits_for[operation->kind];
    int reason = weir_internal_wait_for(&self->ticket, until, what);
    if (!self->completed) give_up(operation, self);
    descriptor->retrying[self->direction] = NULL;
    if (self->completed && operation->result != -EAGAIN) return operation->result;
    if (reason < 0) return reason;
  }
}

int weir_internal_await(weir_internal_operation *operation) {
  awaiter self;  // which the wait fills in, if there is one
  self.direction = direction_of(operation);
  operation->complete = wake_awaiter;
  operation->owner = &self;
  int result = await(operation, &self);
  operation->owner = NULL;
  return result;
}

size_t weir_internal_selector_loop_count(const weir_selector *selector) {
  return selector->loop_count;
}

weir_internal_loop *weir_internal_selector_loop_number(const weir_selector *selector,
                                                       size_t number) {
  return selector->loops[number].loop;
}
