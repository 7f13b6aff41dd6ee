// SPDX-License-Identifier: Apache-2.0
//
// Making and closing a selector.

#include "selector/internal/selector.h"

#include "base/internal/memory.h"
#include "coroutine/internal/stack_pool.h"

enum {
  MOST_LOOPS = 1024,
  DEFAULT_STACK_SIZE = 64 * 1024,
  DEFAULT_BLOCKING_THREADS = 64,
};

static const int64_t default_drain_timeout = 500 * WEIR_MILLISECOND;
static const int64_t default_blocking_idle_timeout = 10 * WEIR_SECOND;

// Under this key a loop knows its selector.
static const char selector_key;

static int64_t loop_now(void *context) {
  weir_internal_selector_loop *loop = (weir_internal_selector_loop *)context;
  return loop->selector->calls->now(loop->selector->calls->context);
}

static int loop_wait(void *context, int64_t until) {
  weir_internal_selector_loop *loop = (weir_internal_selector_loop *)context;
  return loop->backend->wait(loop, until);
}

static void loop_wake(void *context) {
  weir_internal_selector_loop *loop = (weir_internal_selector_loop *)context;
  loop->backend->wake(loop);
}

static const weir_internal_loop_operations loop_operations = {loop_now, loop_wait, loop_wake};

static void forget_selector(void *value) { (void)value; }

static void close_loop(weir_internal_selector_loop *loop) {
  weir_internal_loop_close(loop->loop);
  loop->loop = NULL;
  if (loop->backend == NULL) return;
  weir_internal_kernel_pipes_close(loop);
  loop->backend->close(loop);
  weir_internal_slot_table_destroy(&loop->slots);
  loop->backend = NULL;
}

static int open_loop(weir_internal_selector_loop *loop, weir_selector *selector) {
  loop->selector = selector;
  loop->number = (int)(loop - selector->loops);
  weir_internal_shortage_init(loop);
  int result = weir_internal_epoll_backend.open(loop);
  if (result < 0) return result;
  loop->backend = &weir_internal_epoll_backend;
  weir_internal_loop_options options = {
      .stack_size = selector->options.stack_size * WEIR_INTERNAL_STACK_FACTOR,
      .drain_timeout = selector->options.drain_timeout,
  };
  result = weir_internal_loop_create(&loop->loop, &loop_operations, loop, &options);
  if (result < 0) return result;
  return weir_internal_loop_set_local(loop->loop, &selector_key, loop, forget_selector);
}

static size_t selector_size(size_t loop_count) {
  return sizeof(weir_selector) + loop_count * sizeof(weir_internal_selector_loop);
}

static void destroy(weir_selector *selector) {
  // Its threads may still look at a loop that they have posted to.
  weir_internal_blocking_pool_close(&selector->blocking);
  weir_internal_foreign_close(selector);
  for (size_t i = 0; i < selector->loop_count; i++) close_loop(&selector->loops[i]);
  weir_internal_drive_close(selector);
  weir_internal_release(selector, selector_size(selector->loop_count));
}

// Fills in the defaults.
static int check_options(weir_selector_options *options) {
  if (options->stack_size == 0) options->stack_size = DEFAULT_STACK_SIZE;
  if (options->stack_size < WEIR_INTERNAL_SMALLEST_STACK ||
      options->stack_size > WEIR_INTERNAL_LARGEST_STACK) {
    return -EINVAL;
  }
  if (options->drain_timeout == 0) options->drain_timeout = default_drain_timeout;
  if (options->drain_timeout < 0) options->drain_timeout = 0;
  if (options->loops == 0) options->loops = 1;
  if (options->loops < 0 || options->loops > MOST_LOOPS) return -EINVAL;
  if (options->blocking_threads < 0) return -EINVAL;
  if (options->blocking_threads == 0) options->blocking_threads = DEFAULT_BLOCKING_THREADS;
  if (options->blocking_idle_timeout == 0) {
    options->blocking_idle_timeout = default_blocking_idle_timeout;
  }
  if (options->blocking_idle_timeout < 0) options->blocking_idle_timeout = 0;
  return 0;
}

int weir_selector_create(weir_selector **out, const weir_selector_options *options) {
  *out = NULL;
  weir_selector_options chosen = {0};
  if (options != NULL) chosen = *options;
  int result = check_options(&chosen);
  if (result < 0) return result;
  size_t loop_count = (size_t)chosen.loops;
  weir_selector *selector = (weir_selector *)weir_internal_allocate(selector_size(loop_count));
  if (selector == NULL) return -ENOMEM;
  selector->options = chosen;
  selector->calls = chosen.system_calls != NULL ? chosen.system_calls : &weir_internal_kernel;
  weir_internal_blocking_pool_init(&selector->blocking, selector->calls, chosen.blocking_threads,
                                   chosen.blocking_idle_timeout);
  weir_internal_foreign_open(selector);
  selector->timer_fd = -1;
  selector->loop_count = loop_count;
  for (size_t i = 0; i < selector->loop_count && result == 0; i++) {
    result = open_loop(&selector->loops[i], selector);
  }
  if (result < 0) {
    destroy(selector);
    return result;
  }
  *out = selector;
  return 0;
}

int weir_selector_close(weir_selector *selector) {
  if (selector == NULL) return 0;
  if (selector->running) return -EBUSY;
  destroy(selector);
  return 0;
}

weir_internal_selector_loop *weir_internal_selector_loop_of(const weir_internal_loop *loop) {
  return (weir_internal_selector_loop *)weir_internal_loop_local(loop, &selector_key);
}

weir_internal_selector_loop *weir_internal_current_selector_loop(void) {
  weir_internal_loop *loop = weir_internal_current_loop();
  return loop == NULL ? NULL : weir_internal_selector_loop_of(loop);
}

weir_selector *weir_current_selector(void) {
  if (weir_internal_current_coroutine() == NULL) return NULL;
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  return loop != NULL ? loop->selector : NULL;
}
