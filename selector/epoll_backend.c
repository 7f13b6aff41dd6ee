// SPDX-License-Identifier: Apache-2.0
//
// The epoll backend: each descriptor is registered once, edge-triggered, for everything. A system
// call is tried first and its coroutine parked when the kernel says EAGAIN; the next edge says when
// to try again (epoll(7)).

#include "selector/internal/selector.h"

enum { EVENTS_PER_WAIT = 256 };

// The events that stay once seen. After any of them a short read proves nothing: the end of the
// stream or more data may be behind it without a further edge.
static const uint32_t sticky_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
static const uint32_t read_events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR;
static const uint32_t write_events = EPOLLOUT | EPOLLHUP | EPOLLERR;

// No slot has this name, since it would take 2^32 of them.
static const uint64_t wake_name = UINT64_MAX;

static const weir_internal_system_calls *calls_of(const weir_internal_selector_loop *loop) {
  return loop->selector->calls;
}

// Waiting

static void close_fd(weir_internal_selector_loop *loop, int *fd) {
  if (*fd < 0) return;
  // An epoll or event descriptor has nothing to lose, whatever close reports.
  (void)calls_of(loop)->close(calls_of(loop)->context, *fd);
  *fd = -1;
}

static void close_backend(weir_internal_selector_loop *loop) {
  close_fd(loop, &loop->wake_fd);
  close_fd(loop, &loop->epoll_fd);
}

static int open_backend(weir_internal_selector_loop *loop) {
  const weir_internal_system_calls *calls = calls_of(loop);
  loop->wake_fd = -1;
  loop->epoll_fd = calls->epoll_create(calls->context);
  if (loop->epoll_fd < 0) return loop->epoll_fd;
  loop->wake_fd = calls->event_create(calls->context);
  int result = loop->wake_fd;
  if (result >= 0) {
    // Edge-triggered, each write is an event of its own, so the counter is never read.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = wake_name}};
    result =
        calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event);
  }
  if (result < 0) close_backend(loop);
  return result;
}

static void wake_backend(weir_internal_selector_loop *loop) {
  const weir_internal_system_calls *calls = calls_of(loop);
  uint64_t one = 1;
  // It could only fail by overflow, and then the event is pending anyway.
  (void)calls->write(calls->context, loop->wake_fd, &one, sizeof one);
}

static int64_t time_left(const weir_internal_selector_loop *loop, int64_t until) {
  if (until == 0) return 0;
  if (until == WEIR_FOREVER) return -1;
  int64_t now = calls_of(loop)->now(calls_of(loop)->context);
  return until > now ? until - now : 0;
}

static int wait_backend(weir_internal_selector_loop *loop, int64_t until) {
  const weir_internal_system_calls *calls = calls_of(loop);
  struct epoll_event events[EVENTS_PER_WAIT];
  int count = calls->epoll_wait(calls->context, loop->epoll_fd, events, EVENTS_PER_WAIT,
                                time_left(loop, until));
  if (count == -EINTR) return 0;
  for (int i = 0; i < count; i++) {
    weir_internal_registration *registration =
        weir_internal_slot_find(&loop->slots, events[i].data.u64);
    if (registration != NULL) registration->ready(registration, events[i].events);
  }
  return count < 0 ? count : 0;
}

// Descriptors

static void complete_waiting(weir_internal_descriptor *descriptor,
                             weir_internal_direction direction) {
  descriptor->ready[direction] = true;
  weir_internal_operation *operation = descriptor->waiting[direction];
  if (operation == NULL) return;
  descriptor->waiting[direction] = NULL;
  bool only_asked =
      operation->kind == WEIR_INTERNAL_READABLE || operation->kind == WEIR_INTERNAL_WRITABLE;
  operation->result = only_asked ? 0 : -EAGAIN;
  operation->complete(operation);
}

static void descriptor_ready(weir_internal_registration *registration, uint32_t events) {
  weir_internal_descriptor *descriptor =
      WEIR_INTERNAL_CONTAINER(registration, weir_internal_descriptor, registration);
  weir_internal_slot_table *slots = &descriptor->loop->slots;
  uint64_t name = weir_internal_slot_name(slots, registration->slot);
  descriptor->seen |= events & sticky_events;
  if ((events & read_events) != 0) complete_waiting(descriptor, WEIR_INTERNAL_READ);
  // Whoever was told may have closed the descriptor.
  if (weir_internal_slot_find(slots, name) != registration) return;
  if ((events & write_events) != 0) complete_waiting(descriptor, WEIR_INTERNAL_WRITE);
}

static int bind_descriptor(weir_internal_selector_loop *loop,
                           weir_internal_descriptor *descriptor) {
  const weir_internal_system_calls *calls = calls_of(loop);
  descriptor->registration.ready = descriptor_ready;
  int result = weir_internal_slot_take(&loop->slots, &descriptor->registration);
  if (result < 0) return result;
  uint32_t slot = descriptor->registration.slot;
  struct epoll_event event = {
      .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
      .data = {.u64 = weir_internal_slot_name(&loop->slots, slot)},
  };
  result =
      calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, descriptor->fd, &event);
  if (result < 0) weir_internal_slot_return(&loop->slots, slot);
  return result;
}

static int arm(weir_internal_selector_loop *loop, int fd, uint32_t events, uint32_t slot,
               bool again) {
  const weir_internal_system_calls *calls = calls_of(loop);
  struct epoll_event event = {
      .events = events | EPOLLONESHOT,
      .data = {.u64 = weir_internal_slot_name(&loop->slots, slot)},
  };
  int operation = again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  int result = calls->epoll_control(calls->context, loop->epoll_fd, operation, fd, &event);
  // Its owner closed the descriptor, and the number has been given anew.
  if (result != -ENOENT || !again) return result;
  return calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void unbind(weir_internal_selector_loop *loop, int fd, uint32_t slot) {
  const weir_internal_system_calls *calls = calls_of(loop);
  weir_internal_slot_return(&loop->slots, slot);
  struct epoll_event unused = {0};
  // The owner may have closed it already, and then the kernel knows it no more.
  (void)calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_DEL, fd, &unused);
}

// Operations

static int receive(weir_internal_descriptor *descriptor, weir_internal_lender *lender) {
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count <= 0) return count < 0 ? count : -EINVAL;
  size_t room = 0;
  for (int i = 0; i < count; i++) room += buffers[i].iov_len;
  int result;
  do {
    result = calls->receive(calls->context, descriptor->fd, buffers, count);
  } while (result == -EINTR);
  if (result > 0) {
    bool is_short = (size_t)result < room;
    if (is_short && descriptor->short_is_dry && descriptor->seen == 0) {
      descriptor->ready[WEIR_INTERNAL_READ] = false;
    }
  } else if (result == -EAGAIN && lender->take_back != NULL) {
    lender->take_back(lender);
  }
  return result;
}

static int send_some(weir_internal_descriptor *descriptor, const struct iovec *buffers, int count) {
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->send(calls->context, descriptor->fd, buffers, count);
  } while (result == -EINTR);
  return result;
}

static int accept_one(weir_internal_operation *operation) {
  const weir_internal_system_calls *calls = operation->descriptor->selector->calls;
  int result;
  do {
    result =
        calls->accept(calls->context, operation->descriptor->fd, operation->with.accept.address,
                      operation->with.accept.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (result == -EINTR);
  return result;
}

static int begin_connect(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  operation->with.connect.begun = true;
  descriptor->ready[WEIR_INTERNAL_WRITE] = false;
  int result = calls->connect(calls->context, descriptor->fd, operation->with.connect.address,
                              operation->with.connect.size);
  // An interrupted connect goes on by itself (connect(2)).
  if (result == -EINPROGRESS || result == -EINTR) return -EAGAIN;
  // For an internet socket this says that no local port is free.
  return result == -EAGAIN ? -EADDRNOTAVAIL : result;
}

static int end_connect(weir_internal_descriptor *descriptor) {
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int error = 0;
  socklen_t size = sizeof error;
  int result =
      calls->get_option(calls->context, descriptor->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (result < 0) return result;
  descriptor->ready[WEIR_INTERNAL_WRITE] = true;
  return -error;
}

static int attempt_connect(weir_internal_operation *operation) {
  if (!operation->with.connect.begun) return begin_connect(operation);
  if (!operation->descriptor->ready[WEIR_INTERNAL_WRITE]) return -EAGAIN;
  return end_connect(operation->descriptor);
}

static int attempt(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  bool *ready_read = &descriptor->ready[WEIR_INTERNAL_READ];
  bool *ready_write = &descriptor->ready[WEIR_INTERNAL_WRITE];
  int result = -EAGAIN;
  switch (operation->kind) {
    case WEIR_INTERNAL_RECEIVE:
      if (*ready_read) result = receive(descriptor, operation->with.lender);
      if (result == -EAGAIN) *ready_read = false;
      return result;
    case WEIR_INTERNAL_ACCEPT:
      if (*ready_read) result = accept_one(operation);
      if (result == -EAGAIN) *ready_read = false;
      return result;
    case WEIR_INTERNAL_SEND:
      if (*ready_write) {
        result = send_some(descriptor, operation->with.send.buffers, operation->with.send.count);
      }
      if (result == -EAGAIN) *ready_write = false;
      return result;
    case WEIR_INTERNAL_CONNECT:
      return attempt_connect(operation);
    case WEIR_INTERNAL_WRITABLE:
      return *ready_write ? 0 : -EAGAIN;
    case WEIR_INTERNAL_READABLE:
      return *ready_read ? 0 : -EAGAIN;
  }
  return -EINVAL;
}

const weir_internal_backend weir_internal_epoll_backend = {
    .name = "epoll",
    .open = open_backend,
    .close = close_backend,
    .wait = wait_backend,
    .wake = wake_backend,
    .attempt = attempt,
    .bind = bind_descriptor,
    .arm = arm,
    .unbind = unbind,
};
