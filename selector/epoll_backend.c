// SPDX-License-Identifier: Apache-2.0
//
// The epoll backend: each descriptor is registered once, edge-triggered, for everything. A system
// call is tried first and its coroutine parked when the kernel says EAGAIN; the next edge says when
// to try again (epoll(7)).

#include "selector/internal/selector.h"

enum {
  // Of the events that the kernel has told, so many are handed out in one turn of the loop: few
  // enough that what handing out has brought into the cache is still there when its coroutine runs.
  EVENTS_PER_TURN = 64,
  // While one event is handed out, what belongs to one so far behind it is fetched from memory.
  EVENTS_AHEAD = 4,
};

// A socket's memory lies around its registration: these bytes of it are used for every event.
enum { PREFETCH_BEFORE = 320, PREFETCH_BEHIND = 128, CACHE_LINE = 64 };

// The events that stay once seen. After any of them a short read proves nothing: the end of the
// stream or more data may be behind it without a further edge.
static const uint32_t sticky_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI;
static const uint32_t watched_events = EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLET;
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

static int alert_backend(weir_internal_selector_loop *loop, int fd) {
  const weir_internal_system_calls *calls = calls_of(loop);
  // Edge-triggered, each event is told once, so it need not be read.
  struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data = {.u64 = wake_name}};
  return calls->epoll_control(calls->context, loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_backend(weir_internal_selector_loop *loop) {
  const weir_internal_system_calls *calls = calls_of(loop);
  loop->wake_fd = -1;
  loop->epoll_fd = calls->epoll_create(calls->context);
  if (loop->epoll_fd < 0) return loop->epoll_fd;
  loop->wake_fd = calls->event_create(calls->context);
  int result = loop->wake_fd;
  if (result >= 0) result = alert_backend(loop, loop->wake_fd);
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

static void prefetch(const weir_internal_selector_loop *loop, uint64_t name) {
  const char *registration = (const char *)weir_internal_slot_find(&loop->slots, name);
  if (registration == NULL) return;
  for (int at = -PREFETCH_BEFORE; at < PREFETCH_BEHIND; at += CACHE_LINE) {
    __builtin_prefetch(registration + at, 1);
  }
}

static void hand_out(weir_internal_selector_loop *loop) {
  uint32_t end = loop->event_count;
  if (end - loop->next_event > EVENTS_PER_TURN) end = loop->next_event + EVENTS_PER_TURN;
  while (loop->next_event < end) {
    uint32_t ahead = loop->next_event + EVENTS_AHEAD;
    if (ahead < end) prefetch(loop, loop->events[ahead].data.u64);
    const struct epoll_event *event = &loop->events[loop->next_event++];
    weir_internal_registration *registration =
        weir_internal_slot_find(&loop->slots, event->data.u64);
    if (registration != NULL) registration->ready(registration, event->events);
  }
}

static int wait_backend(weir_internal_selector_loop *loop, int64_t until) {
  const weir_internal_system_calls *calls = calls_of(loop);
  if (loop->next_event == loop->event_count) {
    int count = calls->epoll_wait(calls->context, loop->epoll_fd, loop->events,
                                  WEIR_INTERNAL_EVENTS_PER_WAIT, time_left(loop, until));
    if (count < 0) return count == -EINTR ? 0 : count;
    loop->event_count = (uint32_t)count;
    loop->next_event = 0;
  }
  hand_out(loop);
  return 0;
}

// Descriptors

static bool only_asks(const weir_internal_operation *operation) {
  return operation->kind >= WEIR_INTERNAL_READABLE;
}

static inline void complete(weir_internal_descriptor *descriptor,
                            weir_internal_direction direction) {
  weir_internal_operation *operation = descriptor->waiting[direction];
  descriptor->waiting[direction] = NULL;
  operation->result = only_asks(operation) ? 0 : -EAGAIN;
  operation->complete(operation);
}

// The first of the two who is told may close the descriptor, and then the second is gone with it.
__attribute__((noinline)) static void complete_both(weir_internal_descriptor *descriptor) {
  weir_internal_slot_table *slots = &descriptor->loop->slots;
  weir_internal_registration *registration = &descriptor->registration;
  uint64_t name = weir_internal_slot_name(slots, registration->slot);
  complete(descriptor, WEIR_INTERNAL_READ);
  if (weir_internal_slot_find(slots, name) != registration) return;
  if (descriptor->waiting[WEIR_INTERNAL_WRITE] != NULL) complete(descriptor, WEIR_INTERNAL_WRITE);
}

static void descriptor_ready(weir_internal_registration *registration, uint32_t events) {
  weir_internal_descriptor *descriptor =
      WEIR_INTERNAL_CONTAINER(registration, weir_internal_descriptor, registration);
  descriptor->seen |= events & sticky_events;
  bool read_waits = false;
  bool write_waits = false;
  if ((events & read_events) != 0) {
    descriptor->ready[WEIR_INTERNAL_READ] = true;
    read_waits = descriptor->waiting[WEIR_INTERNAL_READ] != NULL;
  }
  if ((events & write_events) != 0) {
    descriptor->ready[WEIR_INTERNAL_WRITE] = true;
    write_waits = descriptor->waiting[WEIR_INTERNAL_WRITE] != NULL;
  }
  if (read_waits && write_waits) {
    complete_both(descriptor);
  } else if (read_waits) {
    complete(descriptor, WEIR_INTERNAL_READ);
  } else if (write_waits) {
    complete(descriptor, WEIR_INTERNAL_WRITE);
  }
}

static int watch(weir_internal_selector_loop *loop, const weir_internal_descriptor *descriptor,
                 int operation, uint32_t events) {
  const weir_internal_system_calls *calls = calls_of(loop);
  struct epoll_event event = {
      .events = events,
      .data = {.u64 = weir_internal_slot_name(&loop->slots, descriptor->registration.slot)},
  };
  return calls->epoll_control(calls->context, loop->epoll_fd, operation, descriptor->fd, &event);
}

static int bind_descriptor(weir_internal_selector_loop *loop,
                           weir_internal_descriptor *descriptor) {
  descriptor->registration.ready = descriptor_ready;
  int result = weir_internal_slot_take(&loop->slots, &descriptor->registration);
  if (result < 0) return result;
  uint32_t events = watched_events | (descriptor->room_on_demand ? 0 : EPOLLOUT);
  result = watch(loop, descriptor, EPOLL_CTL_ADD, events);
  if (result < 0) weir_internal_slot_return(&loop->slots, descriptor->registration.slot);
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

static int receive(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  weir_internal_lender *lender = operation->with.lender;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  int count = lender->lend(lender, buffers);
  if (count <= 0) return count < 0 ? count : -EINVAL;
  size_t room = buffers[0].iov_len;
  if (count > 1) room += buffers[1].iov_len;
  int result;
  do {
    result = calls->receive(calls->context, descriptor->fd, buffers, count);
  } while (result == -EINTR);
  if (result > 0) {
    weir_internal_spend((size_t)result);
    bool is_short = (size_t)result < room;
    if (is_short && descriptor->short_is_dry && descriptor->seen == 0) {
      descriptor->ready[WEIR_INTERNAL_READ] = false;
    }
  } else if (result == -EAGAIN) {
    descriptor->ready[WEIR_INTERNAL_READ] = false;
    if (lender->take_back != NULL) lender->take_back(lender);
  }
  return result;
}

static int accept_one(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->accept(calls->context, descriptor->fd, operation->with.accept.address,
                           operation->with.accept.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (result == -EINTR);
  if (result == -EAGAIN) descriptor->ready[WEIR_INTERNAL_READ] = false;
  return result;
}

static int send_some(weir_internal_descriptor *descriptor, const struct iovec *buffers, int count) {
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->send(calls->context, descriptor->fd, buffers, count);
  } while (result == -EINTR);
  if (result == -EAGAIN) descriptor->ready[WEIR_INTERNAL_WRITE] = false;
  if (result > 0) weir_internal_spend((size_t)result);
  return result;
}

static int send_operation(weir_internal_operation *operation) {
  return send_some(operation->descriptor, operation->with.send.buffers, operation->with.send.count);
}

// A short one proves nothing, since the pipe may be full of small pieces.
static int splice_in(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->splice_in(calls->context, descriptor->fd, operation->with.splice.pipe,
                              operation->with.splice.size);
  } while (result == -EINTR);
  if (result > 0) weir_internal_spend((size_t)result);
  if (result != -EAGAIN) return result;
  // Some kernels say so also of urgent data, of which there will be no further edge.
  if (descriptor->seen != 0) return 0;
  descriptor->ready[WEIR_INTERNAL_READ] = false;
  return result;
}

static int splice_out(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->splice_out(calls->context, operation->with.splice.pipe, descriptor->fd,
                               operation->with.splice.size);
  } while (result == -EINTR);
  if (result > 0) weir_internal_spend((size_t)result);
  if (result == -EAGAIN) descriptor->ready[WEIR_INTERNAL_WRITE] = false;
  return result;
}

static int receive_from(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->receive_from(calls->context, descriptor->fd, operation->with.datagram.data,
                                 operation->with.datagram.size, operation->with.datagram.address,
                                 operation->with.datagram.address_size);
  } while (result == -EINTR);
  if (result > 0) weir_internal_spend((size_t)result);
  if (result == -EAGAIN) descriptor->ready[WEIR_INTERNAL_READ] = false;
  return result;
}

// Nothing can be sent now: returns -EAGAIN, or why the kernel will not tell when something can. If
// there is room again already, the change of the registration brings an event.
static int no_room(weir_internal_descriptor *descriptor) {
  if (descriptor->room_on_demand) {
    int result = watch(descriptor->loop, descriptor, EPOLL_CTL_MOD, watched_events | EPOLLOUT);
    if (result < 0) return result;
    descriptor->room_on_demand = false;
  }
  descriptor->ready[WEIR_INTERNAL_WRITE] = false;
  return -EAGAIN;
}

static int send_to(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  const struct sockaddr *address = operation->with.datagram.address;
  socklen_t address_size = address == NULL ? 0 : *operation->with.datagram.address_size;
  int result;
  do {
    result = calls->send_to(calls->context, descriptor->fd, operation->with.datagram.data,
                            operation->with.datagram.size, address, address_size);
  } while (result == -EINTR);
  if (result > 0) weir_internal_spend((size_t)result);
  return result == -EAGAIN ? no_room(descriptor) : result;
}

// In a batch a small datagram costs about a quarter of a system call.
static void spend_datagrams(int count) {
  weir_internal_spend((size_t)count * (WEIR_INTERNAL_BYTES_PER_OPERATION / 4));
}

static int receive_messages(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  unsigned count = operation->with.messages.count;
  int result;
  do {
    result = calls->receive_messages(calls->context, descriptor->fd,
                                     operation->with.messages.messages, count);
  } while (result == -EINTR);
  if (result > 0) {
    spend_datagrams(result);
    // It stopped because no more was there, or at an error, of which there is an event.
    bool is_dry = (unsigned)result < count && descriptor->seen == 0;
    if (is_dry) descriptor->ready[WEIR_INTERNAL_READ] = false;
  } else if (result == -EAGAIN) {
    descriptor->ready[WEIR_INTERNAL_READ] = false;
  }
  return result;
}

static int send_messages(weir_internal_operation *operation) {
  weir_internal_descriptor *descriptor = operation->descriptor;
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int result;
  do {
    result = calls->send_messages(calls->context, descriptor->fd, operation->with.messages.messages,
                                  operation->with.messages.count);
  } while (result == -EINTR);
  if (result > 0) spend_datagrams(result);
  return result == -EAGAIN ? no_room(descriptor) : result;
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
  if (result == 0) descriptor->ready[WEIR_INTERNAL_WRITE] = true;
  // For an internet socket this says that no local port is free.
  return result == -EAGAIN ? -EADDRNOTAVAIL : result;
}

static int end_connect(weir_internal_descriptor *descriptor) {
  const weir_internal_system_calls *calls = descriptor->selector->calls;
  int error = 0;
  socklen_t size = sizeof error;
  int result =
      calls->get_option(calls->context, descriptor->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return result < 0 ? result : -error;
}

static int connect_one(weir_internal_operation *operation) {
  if (!operation->with.connect.begun) return begin_connect(operation);
  return end_connect(operation->descriptor);
}

static int is_ready(weir_internal_operation *operation) {
  (void)operation;
  return 0;
}

static int attempt(weir_internal_operation *operation) {
  static int (*const attempts[])(weir_internal_operation *) = {
      [WEIR_INTERNAL_RECEIVE] = receive,
      [WEIR_INTERNAL_ACCEPT] = accept_one,
      [WEIR_INTERNAL_SEND] = send_operation,
      [WEIR_INTERNAL_CONNECT] = connect_one,
      [WEIR_INTERNAL_SPLICE_IN] = splice_in,
      [WEIR_INTERNAL_SPLICE_OUT] = splice_out,
      [WEIR_INTERNAL_WRITABLE] = is_ready,
      [WEIR_INTERNAL_READABLE] = is_ready,
      [WEIR_INTERNAL_RECEIVE_FROM] = receive_from,
      [WEIR_INTERNAL_SEND_TO] = send_to,
      [WEIR_INTERNAL_RECEIVE_MESSAGES] = receive_messages,
      [WEIR_INTERNAL_SEND_MESSAGES] = send_messages,
  };
  return attempts[operation->kind](operation);
}

const weir_internal_backend weir_internal_epoll_backend = {
    .name = "epoll",
    .open = open_backend,
    .close = close_backend,
    .wait = wait_backend,
    .wake = wake_backend,
    .alert = alert_backend,
    .attempt = attempt,
    .send = send_some,
    .bind = bind_descriptor,
    .arm = arm,
    .unbind = unbind,
};
