// SPDX-License-Identifier: Apache-2.0
//
// The report of a stack overflow: a handler of SIGSEGV, on a stack of its own because the
// coroutine's has no room left, that looks whether the fault lies in the guard page.

#include <signal.h>

#include "base/internal/memory.h"
#include "coroutine/internal/report.h"

// Enough for the handler that was there before, too.
enum { SIGNAL_STACK_SIZE = 64 * 1024 };

static atomic_bool installed;
static int report_fd;
static struct sigaction previous;

// What this thread has for its loops, of which it may drive several.
static _Thread_local struct {
  size_t loops;
  void *signals;  // NULL: nobody asked for a report yet, or there is a stack that is not ours
} stack_of_thread;

static bool is_overflow(const weir_internal_coroutine *coroutine, const void *address) {
  const weir_internal_stack *stack = coroutine->stack;
  uintptr_t end = (uintptr_t)stack->bottom;
  return (uintptr_t)address < end && (uintptr_t)address >= end - stack->pool->page_size;
}

static void report_overflow(const weir_internal_coroutine *coroutine) {
  weir_coroutine_description description;
  weir_internal_describe(&description, coroutine, 0);
  weir_internal_report line = {.size = 0};
  weir_internal_report_text(&line, "weir: stack overflow in coroutine ");
  weir_internal_report_name(&line, &description);
  weir_internal_report_text(&line, ", stack of ");
  weir_internal_report_number(&line, description.stack_size, 10);
  weir_internal_report_text(&line, " bytes");
  weir_internal_report_launch(&line, &description);
  weir_internal_report_write(&line, report_fd);
}

static void bring_previous_back(void) {
  // The program asked for ours: not in the table: of a selector. It cannot fail.
  (void)sigaction(SIGSEGV, &previous, NULL);
}

static void pass_on(int signal, siginfo_t *info, void *context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else {
    // A fault comes again when we return; a signal that somebody sent does not.
    bring_previous_back();
    if (info->si_code <= 0) raise(signal);
  }
}

static void on_fault(int signal, siginfo_t *info, void *context) {
  int saved_errno = errno;
  const weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine != NULL && info->si_code > 0 && is_overflow(coroutine, info->si_addr)) {
    report_overflow(coroutine);
    // The fault comes again, and the process dies of it as it would have anyway.
    bring_previous_back();
  } else {
    pass_on(signal, info, context);
  }
  errno = saved_errno;
}

static int give_stack(void) {
  stack_t present;
  // With these arguments neither of the two calls fails. A thread that has such a stack keeps it.
  if (sigaltstack(NULL, &present) != 0 || (present.ss_flags & SS_DISABLE) == 0) return 0;
  if (stack_of_thread.signals == NULL) {
    stack_of_thread.signals = weir_internal_allocate_unset(SIGNAL_STACK_SIZE);
  }
  if (stack_of_thread.signals == NULL) return -ENOMEM;
  stack_t ours = {.ss_sp = stack_of_thread.signals, .ss_size = SIGNAL_STACK_SIZE};
  (void)sigaltstack(&ours, NULL);
  return 0;
}

// Unless the program has put another one in its place.
static void take_stack_back(void) {
  if (stack_of_thread.signals == NULL) return;
  stack_t present = {0};
  stack_t none = {.ss_flags = SS_DISABLE};
  (void)sigaltstack(NULL, &present);
  if (present.ss_sp == stack_of_thread.signals) (void)sigaltstack(&none, NULL);
  weir_internal_release(stack_of_thread.signals, SIGNAL_STACK_SIZE);
  stack_of_thread.signals = NULL;
}

int weir_install_overflow_report(int fd) {
  if (atomic_exchange(&installed, true)) return -EALREADY;
  report_fd = fd;
  struct sigaction action = {0};
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  int result = stack_of_thread.loops > 0 ? give_stack() : 0;
  // The program asked for it: not in the table: of a selector.
  if (result == 0 && sigaction(SIGSEGV, &action, &previous) != 0) result = -errno;
  if (result < 0) atomic_store(&installed, false);
  return result;
}

int weir_internal_signal_stack_begin(void) {
  stack_of_thread.loops++;
  return atomic_load_explicit(&installed, memory_order_relaxed) ? give_stack() : 0;
}

void weir_internal_signal_stack_end(void) {
  stack_of_thread.loops--;
  if (stack_of_thread.loops == 0) take_stack_back();
}
