// SPDX-License-Identifier: Apache-2.0
//
// What a selector and its loops are made of. For the files of this package only; others use
// operation.h.

#ifndef WEIR_SELECTOR_INTERNAL_SELECTOR_H
#define WEIR_SELECTOR_INTERNAL_SELECTOR_H

#include "coroutine/internal/suspend.h"
#include "selector/internal/blocking.h"
#include "selector/internal/kernel_pipe.h"
#include "selector/internal/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

// A backend: how a loop waits and how operations are carried out.
typedef struct weir_internal_backend {
  const char *name;
  int (*open)(weir_internal_selector_loop *loop);
  void (*close)(weir_internal_selector_loop *loop);
  int (*wait)(weir_internal_selector_loop *loop, int64_t until);
  void (*wake)(weir_internal_selector_loop *loop);
  // Makes |fd|, once it is readable, end a wait, as |wake| does; each time only once.
  int (*alert)(weir_internal_selector_loop *loop, int fd);
  // Carries out |operation|, whose direction is |ready|, if that needs no waiting; otherwise makes
  // the direction not ready and returns -EAGAIN.
  int (*attempt)(weir_internal_operation *operation);
  // The same for a SEND that is no operation.
  int (*send)(weir_internal_descriptor *descriptor, const struct iovec *buffers, int count);
  // Begins to watch the descriptor for all its operations.
  int (*bind)(weir_internal_selector_loop *loop, weir_internal_descriptor *descriptor);
  // Watches |fd| for |events|, once; |again|: it was watched before.
  int (*arm)(weir_internal_selector_loop *loop, int fd, uint32_t events, uint32_t slot, bool again);
  // Ends both kinds of watching.
  void (*unbind)(weir_internal_selector_loop *loop, int fd, uint32_t slot);
} weir_internal_backend;

extern const weir_internal_backend weir_internal_epoll_backend;

// Slots number what the backend knows. The generation tells a registration from those that had its
// number before.
typedef struct weir_internal_slot {
  weir_internal_registration *registration;  // NULL: free
  uint32_t generation;
  uint32_t next_free;
} weir_internal_slot;

typedef struct weir_internal_slot_table {
  weir_internal_slot *slots;
  uint32_t count;
  uint32_t first_free;  // == count: none
} weir_internal_slot_table;

// weir_internal_slot_take finds a free slot for |registration|, which is told its number. Returns 0
// or -ENOMEM. weir_internal_slot_return frees |slot|.
WEIR_MUST_USE int weir_internal_slot_take(weir_internal_slot_table *table,
                                          weir_internal_registration *registration);
void weir_internal_slot_return(weir_internal_slot_table *table, uint32_t slot);

// weir_internal_slot_renew gives |slot| another name: what the kernel told of the present one, and
// was not handed out yet, is not meant any more. weir_internal_slot_undo_renew gives it back the
// name it had before, if the kernel could not be told of the new one.
void weir_internal_slot_renew(weir_internal_slot_table *table, uint32_t slot);
void weir_internal_slot_undo_renew(weir_internal_slot_table *table, uint32_t slot);

// weir_internal_slot_name returns the number to give to the kernel, weir_internal_slot_find what it
// stands for: NULL when that is gone.
static inline uint64_t weir_internal_slot_name(const weir_internal_slot_table *table,
                                               uint32_t slot) {
  return (uint64_t)table->slots[slot].generation << 32 | slot;
}
static inline weir_internal_registration *weir_internal_slot_find(
    const weir_internal_slot_table *table, uint64_t name) {
  uint32_t slot = (uint32_t)name;
  if (slot >= table->count || table->slots[slot].generation != name >> 32) return NULL;
  return table->slots[slot].registration;
}

// weir_internal_slot_table_destroy frees the memory of |table|, not the
// registrations.
void weir_internal_slot_table_destroy(weir_internal_slot_table *table);

typedef struct weir_internal_foreign weir_internal_foreign;

// What is known of descriptors of other libraries; see foreign.c.
typedef struct weir_internal_foreign_table {
  pthread_mutex_t lock;
  weir_internal_foreign **by_fd;  // of each a list, one for each loop that knows it
  size_t size;
} weir_internal_foreign_table;

// Events asked for in one wait: so many that a busy loop seldom waits. All are handed out, some in
// each turn of the loop, before it waits again; so what else became ready comes eight turns later
// at most. Timers and messages from other threads are looked at in every turn.
enum { WEIR_INTERNAL_EVENTS_PER_WAIT = 512 };

// Of file descriptors; see descriptor_shortage.c. What other loops look at is atomic.
typedef struct weir_internal_shortage {
  weir_internal_wait_queue waiters;
  uint32_t waiting;                      // how many they are
  uint64_t closes;                       // atomic, written here: how many there were
  bool waits;                            // atomic: there are any
  bool closed_posted;                    // atomic: |closed_message| is on its way
  bool spare_posted;                     // atomic
  weir_internal_message closed_message;  // from a loop that has closed a descriptor
  weir_internal_message spare_message;   // from one that needs what is not in use here
} weir_internal_shortage;

struct weir_internal_selector_loop {
  weir_selector *selector;
  weir_internal_loop *loop;
  const weir_internal_backend *backend;
  int epoll_fd;
  int wake_fd;
  weir_internal_slot_table slots;
  weir_internal_shortage shortage;
  // Empty pipes that wait for their next use.
  uint32_t pipe_count;
  weir_internal_kernel_pipe pipes[WEIR_INTERNAL_POOLED_PIPES];
  int number;
  int next_in_turn;  // for WEIR_ROUND_ROBIN, of those who launch here
  // Coroutines that will begin here; and when the first of them was announced, or the last one
  // began, whichever is later. Both are atomic; see placement.h.
  size_t promised;
  int64_t promised_since;
  // Of a loop on a thread of the selector's own; see threads.c.
  pthread_t thread;
  bool leave;  // its thread may end
  bool failure_told;
  weir_internal_message stop_message;
  weir_internal_message leave_message;
  weir_internal_message quiet_message;
  weir_internal_message failure_message;
  // What the kernel told in the last wait; those from |next_event| on are not handed out yet. One
  // of them may be of a registration that is gone by now, and then its name is unknown.
  uint32_t event_count;
  uint32_t next_event;
  struct epoll_event events[WEIR_INTERNAL_EVENTS_PER_WAIT];
};

// Signals that a loop reads from a descriptor.
typedef struct weir_internal_signal_source {
  weir_internal_registration registration;
  weir_internal_selector_loop *loop;  // NULL: ended
  sigset_t signals;
  sigset_t to_unblock;  // those that were not blocked before
  uint32_t events;
  int fd;
  bool registered;
  bool blocked;
} weir_internal_signal_source;

// weir_internal_signal_source_begin blocks |signals| in this thread and watches them for |events|.
// -EBUSY when there is a source of one of them, anywhere in the process. On failure there is
// nothing to end.
WEIR_MUST_USE int weir_internal_signal_source_begin(
    weir_internal_signal_source *source, weir_internal_selector_loop *loop, const sigset_t *signals,
    uint32_t events, void (*ready)(weir_internal_registration *registration, uint32_t events));

// weir_internal_signal_source_take takes one that has come, and returns its number; 0: none has.
int weir_internal_signal_source_take(const weir_internal_signal_source *source);

// weir_internal_signal_source_end gives the signals their ordinary effect back and lets go of the
// rest.
void weir_internal_signal_source_end(weir_internal_signal_source *source);

typedef struct weir_internal_interrupt {
  weir_internal_signal_source source;
  bool happened;
} weir_internal_interrupt;

struct weir_selector {
  const weir_internal_system_calls *calls;
  weir_selector_options options;
  weir_internal_interrupt interrupt;
  weir_internal_blocking_pool blocking;
  weir_internal_foreign_table foreign;
  bool running;
  int start_result;          // of the present run
  pthread_t driver;          // the thread of loop 0
  int timer_fd;              // tells those who watch weir_selector_fd of timers; negative: none
  int64_t timer_when;        // what that is set to; negative: nothing
  size_t loops_in_shortage;  // atomic: those on which somebody waits for a file descriptor
  size_t threads_started;    // each runs a loop, from number 1 on
  size_t threads_quiet;      // those that have told that they are
  bool threads_stopped;      // they were told that the root has ended
  size_t loop_count;
  weir_internal_selector_loop loops[];
};

// weir_internal_selector_loop_of returns what belongs to |loop|, or NULL if that is no selector's.
weir_internal_selector_loop *weir_internal_selector_loop_of(const weir_internal_loop *loop);

// weir_internal_current_selector_loop returns the running coroutine's, or NULL outside one.
weir_internal_selector_loop *weir_internal_current_selector_loop(void);

// weir_internal_interrupt_begin makes the first SIGINT or SIGTERM cancel the root of |loop|;
// weir_internal_interrupt_end undoes it, and is legal also when begin failed or was not called: for
// an interrupt that is all zero.
WEIR_MUST_USE int weir_internal_interrupt_begin(weir_internal_interrupt *interrupt,
                                                weir_internal_selector_loop *loop);
void weir_internal_interrupt_end(weir_internal_interrupt *interrupt);

// weir_internal_thread_start starts a thread that runs |function| with |argument|, and has all
// signals blocked but those that a fault of the thread itself raises: the rest are for the
// program's own threads. Returns 0 or a negative code. To be joined.
WEIR_MUST_USE int weir_internal_thread_start(const weir_internal_system_calls *calls,
                                             pthread_t *out, void *(*function)(void *argument),
                                             void *argument);

// weir_internal_threads_start starts the selector's own threads, one for each loop but the first.
// |none|: starts none at all. Returns 0 or a negative code; those that were started go on in both
// cases.
WEIR_MUST_USE int weir_internal_threads_start(weir_selector *selector, bool none);

// weir_internal_threads_go_on looks after the threads, after each turn of loop 0: tells them when
// the root has ended. Returns true while one of them has something left to do.
WEIR_MUST_USE bool weir_internal_threads_go_on(weir_selector *selector);

// weir_internal_threads_join ends the threads, once all loops are quiet.
void weir_internal_threads_join(weir_selector *selector);

// weir_internal_drive_close frees what weir_selector_fd has made.
void weir_internal_drive_close(weir_selector *selector);
// weir_internal_shortage_eased tells all who wait for a file descriptor that |loop|, which is the
// current one, has closed one.
void weir_internal_shortage_init(weir_internal_selector_loop *loop);
void weir_internal_shortage_eased(weir_internal_selector_loop *loop);

// weir_internal_kernel_pipes_close closes the pipes that wait.
void weir_internal_kernel_pipes_close(weir_internal_selector_loop *loop);

// weir_internal_foreign_open makes room for what weir_selector_select makes;
// weir_internal_foreign_close frees it.
void weir_internal_foreign_open(weir_selector *selector);
void weir_internal_foreign_close(weir_selector *selector);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_SELECTOR_H
