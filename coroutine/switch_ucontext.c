// SPDX-License-Identifier: Apache-2.0
//
// The switch for every other architecture, by ucontext(3): slower, since it sets the signal mask,
// which takes system calls.

#if (!defined(__x86_64__) && !defined(__aarch64__)) || defined(WEIR_SWITCH_UCONTEXT)

#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#include "coroutine/internal/context.h"

// makecontext passes ints only; pointers travel in halves.
static void first_frame(unsigned entry_high, unsigned entry_low, unsigned argument_high,
                        unsigned argument_low) {
  uintptr_t entry = (uintptr_t)(((uint64_t)entry_high << 32) | entry_low);
  uintptr_t argument = (uintptr_t)(((uint64_t)argument_high << 32) | argument_low);
  ((weir_internal_entry)entry)((void *)argument);
  __builtin_trap();
}

void weir_internal_switch_stack(void **save, void *restore) {
  ucontext_t here;
  ucontext_t *there = (ucontext_t *)restore;
  *save = &here;
  // The mask is the thread's, and not each coroutine's own: whoever blocks a signal does so for
  // all.
  if (pthread_sigmask(SIG_SETMASK, NULL, &there->uc_sigmask) != 0) __builtin_trap();
  if (swapcontext(&here, there) != 0) __builtin_trap();
}

void weir_internal_switch_alike(void **save, void *restore) {
  weir_internal_switch_stack(save, restore);
}

void *weir_internal_switch_prepare(void *bottom, void *top, weir_internal_entry entry,
                                   void *argument) {
  // The first state lives on the very stack that it starts, at its end.
  uintptr_t place = ((uintptr_t)top - sizeof(ucontext_t)) & ~(uintptr_t)63;
  ucontext_t *state = (ucontext_t *)place;
  if (getcontext(state) != 0) __builtin_trap();
  state->uc_stack.ss_sp = bottom;
  state->uc_stack.ss_size = (size_t)(place - (uintptr_t)bottom);
  state->uc_link = NULL;
  uint64_t entry_bits = (uint64_t)(uintptr_t)entry;
  uint64_t argument_bits = (uint64_t)(uintptr_t)argument;
  makecontext(state, (void (*)(void))(uintptr_t)first_frame, 4, (unsigned)(entry_bits >> 32),
              (unsigned)entry_bits, (unsigned)(argument_bits >> 32), (unsigned)argument_bits);
  return state;
}

#else

// ISO C wants a translation unit to contain something.
typedef int weir_internal_switch_is_in_assembly;

#endif
