// SPDX-License-Identifier: Apache-2.0
//
// Contexts: a place in the code with its stack, between which a thread switches.

#ifndef WEIR_COROUTINE_INTERNAL_CONTEXT_H
#define WEIR_COROUTINE_INTERNAL_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "coroutine/internal/sanitizers.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_context {
  void *stack_pointer;
#if WEIR_INTERNAL_ASAN
  void *fake_stack;
  const void *stack_bottom;
  size_t stack_size;
#endif
#if WEIR_INTERNAL_TSAN
  void *fiber;
#endif
} weir_internal_context;

typedef void (*weir_internal_entry)(void *argument);

// weir_internal_context_make prepares |context| to run |entry| with |argument| on the stack of
// |size| bytes at |bottom|, whose end is aligned to 16 bytes. |entry| must begin with
// weir_internal_context_entered and must not return.
void weir_internal_context_make(weir_internal_context *context, void *bottom, size_t size,
                                weir_internal_entry entry, void *argument);

// weir_internal_context_entered is the first call on a new stack, which was reached from |from|; or
// from a context that weir_internal_context_make has prepared, and then |from| was left before.
void weir_internal_context_entered(weir_internal_context *from);

// weir_internal_context_destroy frees what sanitizers keep for a context that was left for ever.
void weir_internal_context_destroy(weir_internal_context *context);

// The machine's part, one implementation for each architecture: switch_x86_64.S, switch_aarch64.S
// and, for all others, switch_ucontext.c.

// weir_internal_switch_stack saves the registers that calls preserve on the stack, that stack's
// pointer in *save, and goes on with those saved at |restore|.
void weir_internal_switch_stack(void **save, void *restore);

// weir_internal_switch_alike does the same, and is faster where the stack to go on with was left by
// the very same call, in one function that is not inlined: the processor foresees where it goes on,
// and where the functions that called that one return.
void weir_internal_switch_alike(void **save, void *restore);

// weir_internal_switch_prepare returns what to restore in order to call |entry| with |argument| on
// the stack that ends at |top|.
void *weir_internal_switch_prepare(void *bottom, void *top, weir_internal_entry entry,
                                   void *argument);

// weir_internal_context_announce tells the sanitizers that |from| is about to be left for |to|, for
// ever or for a while. TSan counts the calls and returns of each fiber, so this must not return on
// another fiber than it was called on: neither it nor the switch may be a call.
__attribute__((always_inline)) static inline void weir_internal_context_announce(
    weir_internal_context *from, weir_internal_context *to, bool for_ever) {
#if WEIR_INTERNAL_TSAN
  from->fiber = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to->fiber, 0);
#endif
#if WEIR_INTERNAL_ASAN
  __sanitizer_start_switch_fiber(for_ever ? NULL : &from->fake_stack, to->stack_bottom,
                                 to->stack_size);
#endif
  (void)from;
  (void)to;
  (void)for_ever;
}

// weir_internal_context_switch leaves the current place in |from| and goes on in |to|.
__attribute__((always_inline)) static inline void weir_internal_context_switch(
    weir_internal_context *from, weir_internal_context *to) {
  weir_internal_context_announce(from, to, false);
  weir_internal_switch_stack(&from->stack_pointer, to->stack_pointer);
#if WEIR_INTERNAL_ASAN
  __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

// weir_internal_context_switch_alike is the same by weir_internal_switch_alike.
__attribute__((always_inline)) static inline void weir_internal_context_switch_alike(
    weir_internal_context *from, weir_internal_context *to) {
  weir_internal_context_announce(from, to, false);
  weir_internal_switch_alike(&from->stack_pointer, to->stack_pointer);
#if WEIR_INTERNAL_ASAN
  __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

// weir_internal_context_leave goes on in |to| and never comes back.
__attribute__((always_inline)) static inline void weir_internal_context_leave(
    weir_internal_context *from, weir_internal_context *to) {
  weir_internal_context_announce(from, to, true);
  weir_internal_switch_alike(&from->stack_pointer, to->stack_pointer);
  __builtin_unreachable();
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_CONTEXT_H
