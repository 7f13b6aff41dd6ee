// SPDX-License-Identifier: Apache-2.0
//
// Waiting for the descriptors of other libraries: a registration of its own for each, armed for one
// event at a time, since only their owner knows when they have been read to the end.

#include "base/internal/memory.h"
#include "selector/internal/selector.h"

static const int interests[2] = {WEIR_READABLE, WEIR_WRITABLE};
static const uint32_t events_of[2] = {EPOLLIN | EPOLLRDHUP | EPOLLPRI, EPOLLOUT};

typedef struct selecting {
  weir_internal_ticket ticket;
  int ready;
} selecting;

struct weir_internal_foreign {
  weir_internal_registration registration;
  weir_internal_selector_loop *loop;
  selecting *waiting[2];  // one may wait for both
  int fd;
  bool armed_before;
};

static int arm(weir_internal_foreign *foreign) {
  uint32_t events = 0;
  for (int i = 0; i < 2; i++) {
    if (foreign->waiting[i] != NULL) events |= events_of[i];
  }
  weir_internal_selector_loop *loop = foreign->loop;
  int result = loop->backend->arm(loop, foreign->fd, events, foreign->registration.slot,
                                  foreign->armed_before);
  if (result == 0) foreign->armed_before = true;
  return result;
}

static void leave(weir_internal_foreign *foreign, const selecting *self) {
  for (int i = 0; i < 2; i++) {
    if (foreign->waiting[i] == self) foreign->waiting[i] = NULL;
  }
}

static void foreign_ready(weir_internal_registration *registration, uint32_t events) {
  weir_internal_foreign *foreign =
      WEIR_INTERNAL_CONTAINER(registration, weir_internal_foreign, registration);
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) events |= events_of[0] | events_of[1];
  for (int i = 0; i < 2; i++) {
    if (foreign->waiting[i] != NULL && (events & events_of[i]) != 0) {
      foreign->waiting[i]->ready |= interests[i];
    }
  }
  for (int i = 0; i < 2; i++) {
    selecting *self = foreign->waiting[i];
    if (self == NULL || self->ready == 0) continue;
    leave(foreign, self);
    // It misses only when a cancellation came first; the readiness will be found again.
    (void)weir_internal_wake(self->ticket, 0);
  }
  if (foreign->waiting[0] == NULL && foreign->waiting[1] == NULL) return;
  int result = arm(foreign);
  for (int i = 0; i < 2 && result < 0; i++) {
    selecting *self = foreign->waiting[i];
    if (self == NULL) continue;
    leave(foreign, self);
    (void)weir_internal_wake(self->ticket, result);
  }
}

static int make_room(weir_internal_selector_loop *loop, size_t size) {
  if (size <= loop->foreign_size) return 0;
  if (size < loop->foreign_size * 2) size = loop->foreign_size * 2;
  weir_internal_foreign **table =
      (weir_internal_foreign **)weir_internal_allocate(size * sizeof *table);
  if (table == NULL) return -ENOMEM;
  if (loop->foreign_size > 0) {
    memcpy(table, loop->foreign, loop->foreign_size * sizeof *table);
  }
  weir_internal_release(loop->foreign, loop->foreign_size * sizeof *table);
  loop->foreign = table;
  loop->foreign_size = size;
  return 0;
}

// Returns what is known of |fd|, or NULL.
static weir_internal_foreign *find(const weir_internal_selector_loop *loop, int fd) {
  return (size_t)fd < loop->foreign_size ? loop->foreign[fd] : NULL;
}

static int make(weir_internal_selector_loop *loop, int fd, weir_internal_foreign **out) {
  weir_internal_foreign *foreign = (weir_internal_foreign *)weir_internal_allocate(sizeof *foreign);
  if (foreign == NULL) return -ENOMEM;
  foreign->registration.ready = foreign_ready;
  foreign->loop = loop;
  foreign->fd = fd;
  int result = weir_internal_slot_take(&loop->slots, &foreign->registration);
  if (result < 0) {
    weir_internal_release(foreign, sizeof *foreign);
    return result;
  }
  *out = foreign;
  return 0;
}

// Enters a new |foreign| into the table. Only now is it known that there is such a descriptor, so
// that a number out of the air does not make the table grow.
static int enter(weir_internal_foreign *foreign) {
  weir_internal_selector_loop *loop = foreign->loop;
  int result = make_room(loop, (size_t)foreign->fd + 1);
  if (result == 0) loop->foreign[foreign->fd] = foreign;
  return result;
}

static void destroy(weir_internal_foreign *foreign) {
  weir_internal_selector_loop *loop = foreign->loop;
  if (find(loop, foreign->fd) == foreign) loop->foreign[foreign->fd] = NULL;
  if (foreign->armed_before) {
    loop->backend->unbind(loop, foreign->fd, foreign->registration.slot);
  } else {
    weir_internal_slot_return(&loop->slots, foreign->registration.slot);
  }
  weir_internal_release(foreign, sizeof *foreign);
}

// Puts |self| where it waits for |interest|, and arms. Returns 0 or a negative code.
static int begin(weir_internal_foreign *foreign, selecting *self, int interest) {
  for (int i = 0; i < 2; i++) {
    if ((interest & interests[i]) != 0 && foreign->waiting[i] != NULL) return -EBUSY;
  }
  // What the kernel told those who waited before, and they did not live to see, says nothing about
  // now. What it told one who still waits in the other direction it tells again.
  weir_internal_slot_renew(&foreign->loop->slots, foreign->registration.slot);
  for (int i = 0; i < 2; i++) {
    if ((interest & interests[i]) != 0) foreign->waiting[i] = self;
  }
  int result = arm(foreign);
  // The kernel still speaks by the old name to the one who waits in the other direction.
  if (result < 0) weir_internal_slot_undo_renew(&foreign->loop->slots, foreign->registration.slot);
  if (result == 0 && find(foreign->loop, foreign->fd) == NULL) result = enter(foreign);
  if (result < 0) leave(foreign, self);
  return result;
}

int weir_selector_select(int fd, int interest) {
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  if (fd < 0) return -EBADF;
  if (interest == 0 || (interest & ~(WEIR_READABLE | WEIR_WRITABLE)) != 0) return -EINVAL;
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  weir_internal_foreign *foreign = find(loop, fd);
  if (foreign == NULL) result = make(loop, fd, &foreign);
  if (result < 0) return result;
  selecting self = {.ready = 0};
  result = begin(foreign, &self, interest);
  if (result < 0) {
    bool unused = foreign->waiting[0] == NULL && foreign->waiting[1] == NULL;
    if (unused) destroy(foreign);
    // A regular file cannot be watched because it is always ready (epoll_ctl(2)).
    return result == -EPERM ? interest : result;
  }
  self.ticket = weir_internal_ticket_take_for("select");
  result = weir_internal_suspend(self.ticket, WEIR_FOREVER);
  // After weir_selector_forget, which has let go of us, |foreign| is gone.
  if (result != WEIR_E_CLOSED && find(loop, fd) == foreign) leave(foreign, &self);
  return result < 0 ? result : self.ready;
}

int weir_selector_forget(int fd) {
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  if (loop == NULL) return -EINVAL;
  weir_internal_foreign *foreign = fd < 0 ? NULL : find(loop, fd);
  if (foreign == NULL) return 0;
  for (int i = 0; i < 2; i++) {
    selecting *self = foreign->waiting[i];
    if (self == NULL) continue;
    leave(foreign, self);
    // It misses only when a cancellation came first.
    (void)weir_internal_wake(self->ticket, WEIR_E_CLOSED);
  }
  destroy(foreign);
  return 0;
}

void weir_internal_foreign_close(weir_internal_selector_loop *loop) {
  for (size_t fd = 0; fd < loop->foreign_size; fd++) {
    if (loop->foreign[fd] != NULL) destroy(loop->foreign[fd]);
  }
  weir_internal_release(loop->foreign, loop->foreign_size * sizeof(weir_internal_foreign *));
  loop->foreign = NULL;
  loop->foreign_size = 0;
}
