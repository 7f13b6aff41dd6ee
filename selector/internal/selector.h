// SPDX-License-Identifier: Apache-2.0
//
// What a selector and its loops are made of. For the files of this package only; others use
// operation.h.

#ifndef WEIR_SELECTOR_INTERNAL_SELECTOR_H
#define WEIR_SELECTOR_INTERNAL_SELECTOR_H

#include "coroutine/internal/suspend.h"
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

void weir_internal_slot_table_destroy(weir_internal_slot_table *table);

typedef struct weir_internal_foreign weir_internal_foreign;

// Events asked for in one wait: so many that a busy loop seldom waits. All are handed out, some in
// each turn of the loop, before it waits again; so what else became ready comes eight turns later
// at most. Timers and messages from other threads are looked at in every turn.
enum { WEIR_INTERNAL_EVENTS_PER_WAIT = 512 };

struct weir_internal_selector_loop {
  weir_selector *selector;
  weir_internal_loop *loop;
  const weir_internal_backend *backend;
  int epoll_fd;
  int wake_fd;
  weir_internal_slot_table slots;
  weir_internal_wait_queue descriptor_closed;
  weir_internal_foreign **foreign;  // by file descriptor
  size_t foreign_size;
  // Empty pipes that wait for their next use.
  uint32_t pipe_count;
  weir_internal_kernel_pipe pipes[WEIR_INTERNAL_POOLED_PIPES];
  // What the kernel told in the last wait; those from |next_event| on are not handed out yet. One
  // of them may be of a registration that is gone by now, and then its name is unknown.
  uint32_t event_count;
  uint32_t next_event;
  struct epoll_event events[WEIR_INTERNAL_EVENTS_PER_WAIT];
};

typedef struct weir_internal_interrupt {
  weir_internal_registration registration;
  weir_internal_selector_loop *loop;
  sigset_t previous_mask;
  int fd;
  bool registered;
  bool masked;
  bool happened;
} weir_internal_interrupt;

struct weir_selector {
  const weir_internal_system_calls *calls;
  weir_selector_options options;
  weir_internal_interrupt interrupt;
  bool running;
  size_t loop_count;
  weir_internal_selector_loop loops[];
};

// weir_internal_current_selector_loop returns the running coroutine's, or NULL outside one.
weir_internal_selector_loop *weir_internal_current_selector_loop(void);

// weir_internal_interrupt_begin makes SIGINT and SIGTERM cancel the root of |loop|;
// weir_internal_interrupt_end undoes it, and is legal also when begin failed or was not called.
WEIR_MUST_USE int weir_internal_interrupt_begin(weir_internal_interrupt *interrupt,
                                                weir_internal_selector_loop *loop);
void weir_internal_interrupt_end(weir_internal_interrupt *interrupt);

// weir_internal_kernel_pipes_close closes the pipes that wait.
void weir_internal_kernel_pipes_close(weir_internal_selector_loop *loop);

// weir_internal_foreign_close frees what weir_selector_select has made.
void weir_internal_foreign_close(weir_internal_selector_loop *loop);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_SELECTOR_H
