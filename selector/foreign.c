// SPDX-License-Identifier: Apache-2.0
//
// Waiting for the descriptors of other libraries: a registration of its own for each, armed for one
// event at a time, since only their owner knows when they have been read to the end.
//
// A descriptor may be waited for on several loops. Each has a registration then; the selector has
// the table of them all. Only the loop of a registration changes it, and with the table's lock
// held: so that loop reads it without, and others with it.

#include "base/internal/memory.h"
#include "coroutine/internal/remote.h"
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
  weir_internal_foreign *next;  // of the same descriptor, on another loop
  selecting *waiting[2];        // one may wait for both
  int fd;
  bool armed_before;
  bool entered;  // into the table
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

static weir_internal_foreign_table *table_of(const weir_internal_selector_loop *loop) {
  return &loop->selector->foreign;
}

static void leave(weir_internal_foreign *foreign, const selecting *self) {
  weir_internal_foreign_table *table = table_of(foreign->loop);
  pthread_mutex_lock(&table->lock);
  for (int i = 0; i < 2; i++) {
    if (foreign->waiting[i] == self) foreign->waiting[i] = NULL;
  }
  pthread_mutex_unlock(&table->lock);
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

// Of the table. With its lock held:

static weir_internal_foreign **place(weir_internal_foreign_table *table, int fd) {
  return (size_t)fd < table->size ? &table->by_fd[fd] : NULL;
}

static weir_internal_foreign *first(weir_internal_foreign_table *table, int fd) {
  weir_internal_foreign **found = place(table, fd);
  return found != NULL ? *found : NULL;
}

// Tells whether somebody on another loop waits for |fd| in one of the directions of |self|.
static bool is_contended(weir_internal_foreign_table *table, const weir_internal_foreign *self,
                         const bool *directions) {
  for (const weir_internal_foreign *each = first(table, self->fd); each != NULL;
       each = each->next) {
    for (int i = 0; i < 2 && each != self; i++) {
      if (directions[i] && each->waiting[i] != NULL) return true;
    }
  }
  return false;
}

// And without:

// Returns what is known of |fd| on |loop|, which is the current one, or NULL.
static weir_internal_foreign *find(const weir_internal_selector_loop *loop, int fd) {
  weir_internal_foreign_table *table = table_of(loop);
  pthread_mutex_lock(&table->lock);
  weir_internal_foreign *found = first(table, fd);
  while (found != NULL && found->loop != loop) found = found->next;
  pthread_mutex_unlock(&table->lock);
  return found;
}

// No memory is asked for or given back while the lock is held, since that may take its time. So
// another loop may have made room meanwhile.
static int make_room(weir_internal_foreign_table *table, size_t size) {
  pthread_mutex_lock(&table->lock);
  size_t before = table->size;
  pthread_mutex_unlock(&table->lock);
  if (size <= before) return 0;
  if (size < before * 2) size = before * 2;
  weir_internal_foreign **larger =
      (weir_internal_foreign **)weir_internal_allocate(size * sizeof *larger);
  if (larger == NULL) return -ENOMEM;
  pthread_mutex_lock(&table->lock);
  if (size > table->size) {
    weir_internal_foreign **smaller = table->by_fd;
    before = table->size;
    if (before > 0) memcpy(larger, smaller, before * sizeof *larger);
    table->by_fd = larger;
    table->size = size;
    larger = smaller;
    size = before;
  }
  pthread_mutex_unlock(&table->lock);
  weir_internal_release(larger, size * sizeof *larger);
  return 0;
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

// Enters a new |foreign|, which waits already, into the table. Only now is it known that there is
// such a descriptor, so that a number out of the air does not make the table grow. So another loop
// may have come first.
static int enter(weir_internal_foreign *foreign) {
  weir_internal_foreign_table *table = table_of(foreign->loop);
  int result = make_room(table, (size_t)foreign->fd + 1);
  if (result < 0) return result;
  const bool directions[2] = {foreign->waiting[0] != NULL, foreign->waiting[1] != NULL};
  pthread_mutex_lock(&table->lock);
  if (is_contended(table, foreign, directions)) {
    result = -EBUSY;
  } else {
    weir_internal_foreign **where = place(table, foreign->fd);
    foreign->next = *where;
    *where = foreign;
    foreign->entered = true;
  }
  pthread_mutex_unlock(&table->lock);
  return result;
}

static void destroy(weir_internal_foreign *foreign) {
  weir_internal_selector_loop *loop = foreign->loop;
  weir_internal_foreign_table *table = table_of(loop);
  if (foreign->entered) {
    pthread_mutex_lock(&table->lock);
    weir_internal_foreign **where = place(table, foreign->fd);
    while (*where != foreign) where = &(*where)->next;
    *where = foreign->next;
    pthread_mutex_unlock(&table->lock);
  }
  if (foreign->armed_before) {
    loop->backend->unbind(loop, foreign->fd, foreign->registration.slot);
  } else {
    weir_internal_slot_return(&loop->slots, foreign->registration.slot);
  }
  weir_internal_release(foreign, sizeof *foreign);
}

// Puts |self| where it waits for |interest|. Returns 0, or -EBUSY when another one does.
static int claim(weir_internal_foreign *foreign, selecting *self, int interest) {
  weir_internal_foreign_table *table = table_of(foreign->loop);
  const bool directions[2] = {(interest & interests[0]) != 0, (interest & interests[1]) != 0};
  pthread_mutex_lock(&table->lock);
  bool busy = is_contended(table, foreign, directions);
  for (int i = 0; i < 2; i++) busy = busy || (directions[i] && foreign->waiting[i] != NULL);
  for (int i = 0; i < 2 && !busy; i++) {
    if (directions[i]) foreign->waiting[i] = self;
  }
  pthread_mutex_unlock(&table->lock);
  return busy ? -EBUSY : 0;
}

// The same, and arms. Returns 0 or a negative code.
static int begin(weir_internal_foreign *foreign, selecting *self, int interest) {
  int result = claim(foreign, self, interest);
  if (result < 0) return result;
  // What the kernel told those who waited before, and they did not live to see, says nothing about
  // now. What it told one who still waits in the other direction it tells again.
  weir_internal_slot_renew(&foreign->loop->slots, foreign->registration.slot);
  result = arm(foreign);
  // The kernel still speaks by the old name to the one who waits in the other direction.
  if (result < 0) weir_internal_slot_undo_renew(&foreign->loop->slots, foreign->registration.slot);
  if (result == 0 && !foreign->entered) result = enter(foreign);
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

// Forgetting

static void forget_here(const weir_internal_selector_loop *loop, int fd) {
  weir_internal_foreign *foreign = find(loop, fd);
  if (foreign == NULL) return;
  for (int i = 0; i < 2; i++) {
    selecting *self = foreign->waiting[i];
    if (self == NULL) continue;
    leave(foreign, self);
    // It misses only when a cancellation came first.
    (void)weir_internal_wake(self->ticket, WEIR_E_CLOSED);
  }
  destroy(foreign);
}

typedef struct forgetting {
  weir_internal_selector_loop *loop;
  int fd;
} forgetting;

static void forget_there(void *argument) {
  forgetting *self = (forgetting *)argument;
  forget_here(self->loop, self->fd);
}

// Returns the first loop from |number| on that knows |fd|, or NULL.
static weir_internal_selector_loop *next_loop(weir_selector *selector, int fd, int number) {
  weir_internal_foreign_table *table = &selector->foreign;
  weir_internal_selector_loop *next = NULL;
  pthread_mutex_lock(&table->lock);
  for (const weir_internal_foreign *each = first(table, fd); each != NULL; each = each->next) {
    bool is_later = each->loop->number >= number;
    if (is_later && (next == NULL || each->loop->number < next->number)) next = each->loop;
  }
  pthread_mutex_unlock(&table->lock);
  return next;
}

int weir_selector_forget(int fd) {
  weir_selector *selector = weir_current_selector();
  if (selector == NULL) return -EINVAL;
  if (fd < 0) return 0;
  forgetting self = {.loop = next_loop(selector, fd, 0), .fd = fd};
  while (self.loop != NULL) {
    weir_internal_loop_call(self.loop->loop, forget_there, &self, "forget");
    self.loop = next_loop(selector, fd, self.loop->number + 1);
  }
  return 0;
}

void weir_internal_foreign_open(weir_selector *selector) {
  pthread_mutex_init(&selector->foreign.lock, NULL);
}

void weir_internal_foreign_close(weir_selector *selector) {
  weir_internal_foreign_table *table = &selector->foreign;
  for (size_t fd = 0; fd < table->size; fd++) {
    while (table->by_fd[fd] != NULL) destroy(table->by_fd[fd]);
  }
  weir_internal_release(table->by_fd, table->size * sizeof(weir_internal_foreign *));
  pthread_mutex_destroy(&table->lock);
}
