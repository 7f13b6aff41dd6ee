// SPDX-License-Identifier: Apache-2.0
//
// Dumps: of the coroutines of a loop, when asked or when a signal comes. The signal's handler only
// posts a message, and the loop writes the dump itself, because only its own thread may look at its
// coroutines.

#include <pthread.h>
#include <signal.h>

#include "base/internal/memory.h"
#include "coroutine/internal/report.h"

typedef void (*printer)(void *argument, const weir_coroutine_description *coroutine);

static size_t count(const weir_internal_loop *loop) {
  size_t count = 0;
  const weir_internal_link *link = loop->coroutines.next;
  for (; link != &loop->coroutines; link = link->next) count++;
  return count;
}

static int dump(weir_internal_loop *loop, printer print, void *argument) {
  int64_t now = weir_now();
  int count = 0;
  for (weir_internal_link *link = loop->coroutines.next; link != &loop->coroutines;
       link = link->next) {
    weir_coroutine_description description;
    weir_internal_describe(&description,
                           WEIR_INTERNAL_CONTAINER(link, weir_internal_coroutine, of_loop), now);
    print(argument, &description);
    count++;
  }
  return count;
}

int weir_dump(void (*print)(void *argument, const weir_coroutine_description *coroutine),
              void *argument) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL || print == NULL) return -EINVAL;
  return dump(coroutine->loop, print, argument);
}

// On a signal

// What a loop does on a signal. In a list that handlers walk while others change it.
typedef struct installation {
  _Atomic(struct installation *) next;
  weir_internal_message message;
  weir_internal_loop *loop;
  atomic_int signal;
  atomic_int fd;
  atomic_bool posted;  // and not written yet
} installation;

static _Atomic(installation *) installations;
static pthread_mutex_t change = PTHREAD_MUTEX_INITIALIZER;  // held by who changes the list
static atomic_uint handlers;                                // at work in the list

// Under this key a loop knows its installation.
static const char installation_key;

static void print_line(void *argument, const weir_coroutine_description *coroutine) {
  weir_internal_report line = {.size = 0};
  weir_internal_report_coroutine(&line, coroutine);
  weir_internal_report_write(&line, *(const int *)argument);
}

static void write_dump(weir_internal_message *message) {
  installation *self = WEIR_INTERNAL_CONTAINER(message, installation, message);
  // Before the dump: a signal that comes meanwhile asks for another one.
  atomic_store(&self->posted, false);
  int fd = atomic_load(&self->fd);
  weir_internal_report heading = {.size = 0};
  weir_internal_report_text(&heading, "weir: coroutines: ");
  weir_internal_report_number(&heading, count(self->loop), 10);
  weir_internal_report_write(&heading, fd);
  (void)dump(self->loop, print_line, &fd);
}

// Names the coroutine that keeps this thread's loop from writing the dump. In a handler.
static void write_running(const installation *self) {
  const weir_internal_coroutine *coroutine = self->loop->current;
  if (coroutine == NULL) return;
  weir_coroutine_description description;
  weir_internal_describe(&description, coroutine, 0);
  weir_internal_report line = {.size = 0};
  weir_internal_report_text(&line, "weir: the loop is kept busy by ");
  weir_internal_report_name(&line, &description);
  weir_internal_report_launch(&line, &description);
  weir_internal_report_write(&line, atomic_load(&self->fd));
}

static void on_signal(int signal) {
  int saved_errno = errno;
  atomic_fetch_add(&handlers, 1);
  for (installation *each = atomic_load(&installations); each != NULL;
       each = atomic_load(&each->next)) {
    if (atomic_load(&each->signal) != signal) continue;
    if (!atomic_exchange(&each->posted, true)) {
      weir_internal_loop_post(each->loop, &each->message);
    } else if (each->loop == weir_internal_thread.loop) {
      write_running(each);
    }
  }
  atomic_fetch_sub(&handlers, 1);
  errno = saved_errno;
}

static void enter(installation *self) {
  pthread_mutex_lock(&change);
  atomic_store(&self->next, atomic_load(&installations));
  atomic_store(&installations, self);
  pthread_mutex_unlock(&change);
}

static void uninstall(void *value) {
  installation *self = (installation *)value;
  pthread_mutex_lock(&change);
  _Atomic(installation *) *place = &installations;
  while (atomic_load(place) != self) place = &atomic_load(place)->next;
  atomic_store(place, atomic_load(&self->next));
  pthread_mutex_unlock(&change);
  // A handler that was there before may still look at it, for the time of a few writes.
  while (atomic_load(&handlers) > 0) continue;
  weir_internal_release(self, sizeof *self);
}

static int install_handler(int signal) {
  struct sigaction action = {0};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  // The program asked for this one: not in the table: of a selector.
  return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

int weir_install_dump(int signal, int fd) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return -EINVAL;
  weir_internal_loop *loop = coroutine->loop;
  installation *self = (installation *)weir_internal_loop_local(loop, &installation_key);
  bool is_new = self == NULL;
  if (is_new) {
    self = (installation *)weir_internal_allocate(sizeof *self);
    if (self == NULL) return -ENOMEM;
    self->loop = loop;
    self->message.run = write_dump;
  }
  int result = install_handler(signal);
  if (result == 0) {
    atomic_store(&self->fd, fd);
    atomic_store(&self->signal, signal);
    if (!is_new) return 0;
    result = weir_internal_loop_set_local(loop, &installation_key, self, uninstall);
    if (result == 0) {
      enter(self);
      return 0;
    }
  }
  if (is_new) weir_internal_release(self, sizeof *self);
  return result;
}
