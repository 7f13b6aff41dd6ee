// SPDX-License-Identifier: Apache-2.0
//
// The loop: messages, timers, coroutines, the world; and again.

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"
#include "coroutine/internal/report.h"

// The world is asked for news after so many turns at the latest. What it has told already may come
// first.
enum { TURNS_PER_ROUND = 128 };

// What a coroutine uses of its stack when it goes on with a socket: bytes below and above the place
// where it was parked. The caches hold that of a few coroutines anyway.
enum { PREFETCH_BELOW = 320, PREFETCH_ABOVE = 768, CACHE_LINE = 64, FEW_COROUTINES = 256 };

__thread weir_internal_thread_state weir_internal_thread __attribute__((tls_model("initial-exec")));

// A scope that no coroutine owns.
static void prepare_scope(weir_scope *scope) {
  weir_internal_list_init(&scope->children);
  weir_internal_wait_queue_init(&scope->waiter);
  scope->deadline = WEIR_FOREVER;
}

int weir_internal_loop_create(weir_internal_loop **out,
                              const weir_internal_loop_operations *operations, void *context,
                              const weir_internal_loop_options *options) {
  *out = NULL;
  weir_internal_loop *loop = (weir_internal_loop *)weir_internal_allocate(sizeof *loop);
  if (loop == NULL) return -ENOMEM;
  if (weir_internal_timer_heap_init(&loop->timers) < 0) {
    weir_internal_release(loop, sizeof *loop);
    return -ENOMEM;
  }
  loop->operations = operations;
  loop->operations_context = context;
  loop->drain_timeout = options->drain_timeout;
  weir_internal_stack_pool_init(&loop->stacks, options->stack_size);
  weir_internal_list_init(&loop->waiters);
  weir_internal_list_init(&loop->coroutines);
  prepare_scope(&loop->background);
  prepare_scope(&loop->guests);
  (void)weir_internal_cancel_request_close(&loop->cancel_root_request, loop);
  *out = loop;
  return 0;
}

void weir_internal_loop_close(weir_internal_loop *loop) {
  if (loop == NULL) return;
  while (loop->local_count > 0) {
    loop->local_count--;
    loop->locals[loop->local_count].destroy(loop->locals[loop->local_count].value);
  }
  weir_internal_timer_heap_destroy(&loop->timers);
  weir_internal_stack_pool_destroy(&loop->stacks);
  for (size_t i = 0; i < WEIR_INTERNAL_STACK_SIZES; i++) {
    weir_internal_stack_pool_destroy(&loop->sized_stacks[i]);
  }
  weir_internal_release(loop, sizeof *loop);
}

// Ready coroutines

// Fetches what |coroutine| will use from memory, while another one runs. With a thousand of them
// the caches hold none for long. A prefetch of any address is legal.
static inline void prefetch(const weir_internal_coroutine *coroutine) {
  const char *at = (const char *)coroutine->context.stack_pointer - PREFETCH_BELOW;
#pragma GCC unroll 64
  for (int i = 0; i < (PREFETCH_BELOW + PREFETCH_ABOVE) / CACHE_LINE; i++) {
    __builtin_prefetch(at + CACHE_LINE * i, 1);
  }
}

// Returns who shall run now, with a turn of its own; or NULL when nobody can run, or when it is
// time to look at timers and at the world.
static inline weir_internal_coroutine *begin_turn(weir_internal_loop *loop) {
  weir_internal_coroutine *coroutine = loop->ready_first;
  if (coroutine == NULL || loop->turns_left == 0) return NULL;
  loop->turns_left--;
  loop->ready_first = coroutine->next_ready;
  if (loop->ready_first == NULL) {
    loop->ready_last = NULL;
  } else if (loop->prefetches) {
    prefetch(loop->ready_first);
  }
  loop->current = coroutine;
  coroutine->turn = 0;
  weir_internal_thread.allowance = WEIR_INTERNAL_OPERATIONS_PER_TURN;
  if (coroutine->cancelled || coroutine->untold_failures > 0 || coroutine->deadline <= loop->now) {
    weir_internal_coroutine_look_again(coroutine);
  }
  return coroutine;
}

void weir_internal_loop_bury_ended(weir_internal_loop *loop) {
  weir_internal_coroutine *coroutine = loop->ended;
  loop->ended = NULL;
  weir_internal_context_destroy(&coroutine->context);
  weir_internal_stack_return(coroutine->stack->pool, coroutine->stack);
}

weir_internal_context *weir_internal_loop_next(weir_internal_loop *loop) {
  weir_internal_coroutine *next = begin_turn(loop);
  return next != NULL ? &next->context : &loop->context;
}

// All coroutines are left by the one call below. That is why it is not inlined.
__attribute__((noinline)) int weir_internal_coroutine_park(weir_internal_coroutine *coroutine) {
  weir_internal_loop *loop = coroutine->loop;
  weir_internal_coroutine *next = begin_turn(loop);
  if (next != NULL && next != coroutine) {
    weir_internal_context_switch_alike(&coroutine->context, &next->context);
    weir_internal_loop_bury(loop);
  } else if (next == NULL) {
    weir_internal_context_switch(&coroutine->context, &loop->context);
    weir_internal_loop_bury(loop);
  }
  return coroutine->wake_reason;
}

static void run_ready(weir_internal_loop *loop) {
  loop->turns_left = TURNS_PER_ROUND;
  loop->prefetches = weir_internal_loop_coroutine_count(loop) > FEW_COROUTINES;
  weir_internal_coroutine *coroutine;
  while ((coroutine = begin_turn(loop)) != NULL) {
    weir_internal_context_switch(&loop->context, &coroutine->context);
    weir_internal_thread.allowance = 0;
    loop->current = NULL;
    weir_internal_loop_bury(loop);
  }
}

// Timers

void weir_internal_timer_arm(weir_internal_loop *loop, weir_internal_timer *timer, int64_t when) {
  weir_internal_timer_cancel(loop, timer);
  // A timer that is armed anew while it fires has its turn in the next round, not in this one.
  timer->when = loop->firing && when <= loop->now ? loop->now + 1 : when;
  weir_internal_timer_heap_add(&loop->timers, timer);
}

void weir_internal_timer_cancel(weir_internal_loop *loop, weir_internal_timer *timer) {
  if (!weir_internal_timer_is_armed(timer)) return;
  weir_internal_timer_heap_remove(&loop->timers, timer);
}

static void fire_due(weir_internal_loop *loop) {
  weir_internal_timer *timer;
  loop->firing = true;
  while ((timer = loop->timers.first) != NULL && timer->when <= loop->now) {
    weir_internal_timer_heap_remove(&loop->timers, timer);
    timer->fire(timer);
  }
  loop->firing = false;
}

// Messages

void weir_internal_loop_post(weir_internal_loop *loop, weir_internal_message *message) {
  // The loop may read the message, end and be freed before the wake below, but for this.
  atomic_fetch_add_explicit(&loop->posters, 1, memory_order_relaxed);
  weir_internal_message *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
  do {
    message->next = head;
  } while (!atomic_compare_exchange_weak_explicit(&loop->inbox, &head, message,
                                                  memory_order_release, memory_order_relaxed));
  if (head == NULL) loop->operations->wake(loop->operations_context);
  atomic_fetch_sub_explicit(&loop->posters, 1, memory_order_release);
}

// A thread is inside a post for less than a microsecond, unless it was preempted there.
static void await_posters(const weir_internal_loop *loop) {
  while (atomic_load_explicit(&loop->posters, memory_order_acquire) > 0) continue;
}

static void read_inbox(weir_internal_loop *loop) {
  if (atomic_load_explicit(&loop->inbox, memory_order_relaxed) == NULL) return;
  weir_internal_message *newest =
      atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
  weir_internal_message *oldest = NULL;
  while (newest != NULL) {
    weir_internal_message *next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest != NULL) {
    // |run| may free or post the message again.
    weir_internal_message *next = oldest->next;
    oldest->run(oldest);
    oldest = next;
  }
}

// Running

static void run_round(weir_internal_loop *loop) {
  read_inbox(loop);
  fire_due(loop);
  run_ready(loop);
}

static bool is_busy(const weir_internal_loop *loop) {
  return loop->ready_first != NULL || loop->force_due ||
         atomic_load_explicit(&loop->inbox, memory_order_relaxed) != NULL;
}

static bool is_live(const weir_internal_loop *loop) { return loop->root != NULL || loop->serving; }

int64_t weir_internal_loop_until(const weir_internal_loop *loop) {
  // A run without a root, because that could not be made, goes on to its end.
  bool is_over = loop->phase == WEIR_INTERNAL_RUN_LIVE && !is_live(loop);
  if (is_busy(loop) || is_over) return 0;
  int64_t until = loop->timers.first != NULL ? loop->timers.first->when : WEIR_FOREVER;
  bool draining = loop->phase == WEIR_INTERNAL_RUN_DRAINING;
  return draining && until > loop->drain_limit ? loop->drain_limit : until;
}

// Cancels the children of a scope that has no owner, also behind shields.
static void force_children(weir_scope *scope, int cause) {
  weir_internal_list *children = &scope->children;
  for (weir_internal_link *link = children->next; link != children; link = link->next) {
    weir_internal_coroutine_force(WEIR_INTERNAL_CONTAINER(link, weir_internal_coroutine, sibling),
                                  cause);
  }
}

void weir_internal_loop_fail(weir_internal_loop *loop, int failure) {
  if (loop->wait_failure == 0) loop->wait_failure = failure;
  loop->force_due = false;
  if (loop->root != NULL) weir_internal_coroutine_force(loop->root, loop->wait_failure);
  force_children(&loop->guests, loop->wait_failure);
}

int weir_internal_loop_failure(const weir_internal_loop *loop) { return loop->wait_failure; }

// Waits for the world, until the next timer or |limit|.
static void wait_round(weir_internal_loop *loop, int64_t limit) {
  int64_t until = weir_internal_loop_until(loop);
  if (until > limit) until = limit;
  int result = loop->operations->wait(loop->operations_context, until);
  loop->now = loop->operations->now(loop->operations_context);
  // Nothing will ever become ready again, so not even a shield may wait for it.
  if (result < 0 || loop->force_due) weir_internal_loop_fail(loop, result);
}

static void abandon_waiters(weir_internal_loop *loop) {
  while (!weir_internal_list_is_empty(&loop->waiters)) {
    weir_internal_loop_waiter *waiter =
        WEIR_INTERNAL_CONTAINER(loop->waiters.next, weir_internal_loop_waiter, link);
    waiter->abandon(waiter);
  }
}

static void begin_drain(weir_internal_loop *loop) {
  bool unlimited = loop->drain_timeout > WEIR_FOREVER - loop->now;
  loop->drain_limit = unlimited ? WEIR_FOREVER : loop->now + loop->drain_timeout;
  loop->phase = WEIR_INTERNAL_RUN_DRAINING;
}

static bool is_drained(const weir_internal_loop *loop) {
  return weir_internal_list_is_empty(&loop->waiters) || loop->now >= loop->drain_limit ||
         loop->wait_failure < 0;
}

// Ends the loop's own coroutines, also those that were launched since the last time.
static void end_background(weir_internal_loop *loop) {
  bool failed = loop->wait_failure < 0;
  weir_internal_scope_cancel_children(&loop->background, failed ? loop->wait_failure : -ECANCELED);
  if (failed) force_children(&loop->background, loop->wait_failure);
  if (weir_internal_loop_coroutine_count(loop) > 0 || loop->proxy_count > 0) return;
  if (loop->cancels_due > 0) return;
  // A message that is never read keeps its memory.
  if (atomic_load_explicit(&loop->inbox, memory_order_relaxed) != NULL) return;
  loop->background.cancelled = false;
  loop->phase = WEIR_INTERNAL_RUN_QUIET;
}

// Goes from phase to phase as far as nothing is in the way.
static void advance(weir_internal_loop *loop) {
  if (loop->phase == WEIR_INTERNAL_RUN_LIVE && !is_live(loop)) begin_drain(loop);
  if (loop->phase == WEIR_INTERNAL_RUN_DRAINING && is_drained(loop)) {
    abandon_waiters(loop);
    loop->phase = WEIR_INTERNAL_RUN_ENDING;
  }
  if (loop->phase == WEIR_INTERNAL_RUN_ENDING) end_background(loop);
}

int weir_internal_loop_begin(weir_internal_loop *loop) {
  if (weir_internal_thread.loop != NULL || loop->running) return -EBUSY;
  loop->now = loop->operations->now(loop->operations_context);
  loop->wait_failure = 0;
  loop->force_due = false;
  loop->root_result = 0;
  // The thread may be another one than the last time.
  memset(&loop->context, 0, sizeof loop->context);
  loop->phase = WEIR_INTERNAL_RUN_LIVE;
  loop->running = true;
  loop->serving = true;
  return weir_internal_signal_stack_begin();
}

static void read_cancel_root(weir_internal_message *message) {
  weir_internal_loop *loop =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_loop, cancel_root_request.message);
  int cause = weir_internal_cancel_request_read(&loop->cancel_root_request);
  if (cause < 0) weir_internal_coroutine_cancel(loop->root, cause);
}

int weir_internal_loop_launch_root(weir_internal_loop *loop, weir_function function,
                                   void *argument) {
  weir_internal_coroutine *root = weir_internal_coroutine_create(loop, NULL, function, argument);
  if (root == NULL) return -ENOMEM;
  weir_internal_scope_init(&root->own_scope, root);
  loop->root = root;
  weir_internal_cancel_request_open(&loop->cancel_root_request, read_cancel_root);
  weir_internal_loop_make_ready(loop, root);
  return 0;
}

void weir_internal_loop_stop(weir_internal_loop *loop) { loop->serving = false; }

bool weir_internal_loop_is_ending(const weir_internal_loop *loop) {
  return loop->phase >= WEIR_INTERNAL_RUN_DRAINING;
}

bool weir_internal_loop_turn(weir_internal_loop *loop, int64_t limit) {
  weir_internal_thread.loop = loop;
  wait_round(loop, limit);
  run_round(loop);
  advance(loop);
  weir_internal_thread.loop = NULL;
  return loop->phase != WEIR_INTERNAL_RUN_QUIET;
}

int weir_internal_loop_end(weir_internal_loop *loop) {
  await_posters(loop);
  weir_internal_signal_stack_end();
  loop->running = false;
  return loop->wait_failure < 0 ? loop->wait_failure : loop->root_result;
}

int weir_internal_loop_run(weir_internal_loop *loop, weir_function function, void *argument) {
  int begun = weir_internal_loop_begin(loop);
  if (begun == -EBUSY) return begun;
  if (begun == 0) begun = weir_internal_loop_launch_root(loop, function, argument);
  weir_internal_loop_stop(loop);
  while (weir_internal_loop_turn(loop, WEIR_FOREVER)) continue;
  int result = weir_internal_loop_end(loop);
  return begun < 0 ? begun : result;
}

void weir_internal_loop_cancel_root(weir_internal_loop *loop) {
  if (loop != weir_internal_thread.loop) {
    weir_internal_cancel_request_send(&loop->cancel_root_request, loop, -ECANCELED);
  } else if (loop->root != NULL) {
    weir_internal_coroutine_cancel(loop->root, -ECANCELED);
  }
}

int64_t weir_internal_loop_now(const weir_internal_loop *loop) { return loop->now; }

size_t weir_internal_loop_coroutine_count(const weir_internal_loop *loop) {
  return atomic_load_explicit(&loop->coroutine_count, memory_order_relaxed);
}

size_t weir_internal_loop_load(const weir_internal_loop *loop) {
  return weir_internal_loop_coroutine_count(loop) +
         atomic_load_explicit(&loop->requests, memory_order_relaxed);
}

// Loop waiters and locals

void weir_internal_loop_waiter_add(weir_internal_loop *loop, weir_internal_loop_waiter *waiter) {
  weir_internal_list_append(&loop->waiters, &waiter->link);
}

void weir_internal_loop_waiter_remove(weir_internal_loop_waiter *waiter) {
  weir_internal_link_remove(&waiter->link);
}

void *weir_internal_loop_local(const weir_internal_loop *loop, const void *key) {
  for (size_t i = 0; i < loop->local_count; i++) {
    if (loop->locals[i].key == key) return loop->locals[i].value;
  }
  return NULL;
}

int weir_internal_loop_set_local(weir_internal_loop *loop, const void *key, void *value,
                                 void (*destroy)(void *value)) {
  if (loop->local_count == WEIR_INTERNAL_LOOP_LOCALS) return -ENOMEM;
  loop->locals[loop->local_count].key = key;
  loop->locals[loop->local_count].value = value;
  loop->locals[loop->local_count].destroy = destroy;
  loop->local_count++;
  return 0;
}
