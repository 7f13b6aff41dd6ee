// SPDX-License-Identifier: Apache-2.0
//
// What coroutines cost: switching, yielding, launching and joining, timers. See coroutine_work.h.

#include "bench/coroutine_weir.h"

#include <errno.h>

#include "coroutine/internal/context.h"
#include "coroutine/internal/loop.h"
#include "weir/coroutine.h"
#include "weir/selector.h"

// The bare switch

enum { SWITCH_STACK = 64 * 1024 };

typedef struct pair {
  weir_internal_context here;
  weir_internal_context there;
  int64_t returns;
} pair;

static void return_always(void *argument) {
  pair *self = (pair *)argument;
  weir_internal_context_entered(&self->here);
  while (self->returns-- > 0) weir_internal_context_switch(&self->there, &self->here);
  weir_internal_context_leave(&self->there, &self->here);
}

static int switch_stacks(bench_work *work) {
  void *stack = malloc(SWITCH_STACK);
  if (stack == NULL) return -ENOMEM;
  pair self = {.returns = work->units / 2};
  weir_internal_context_make(&self.there, stack, SWITCH_STACK, return_always, &self);
  bench_begin(work);
  for (int64_t i = 0; i <= work->units / 2; i++) {
    weir_internal_context_switch(&self.here, &self.there);
  }
  bench_end(work);
  weir_internal_context_destroy(&self.there);
  free(stack);
  return 0;
}

// Yielding

static int yield_often(void *argument) {
  const bench_work *work = (const bench_work *)argument;
  int result = weir_yield();  // until all are there
  for (int64_t i = work->units / work->alive; i > 0 && result == 0; i--) result = weir_yield();
  return result;
}

static int yield(bench_work *work) {
  int result = 0;
  for (int64_t i = 0; i < work->alive && result == 0; i++) {
    result = weir_launch(NULL, NULL, NULL, yield_often, work);
  }
  if (result == 0) result = weir_yield();
  bench_begin(work);
  int waited = weir_scope_wait(NULL);
  bench_end(work);
  return result < 0 ? result : waited;
}

// Launching and joining

static int do_nothing(void *argument) {
  (void)argument;
  return 0;
}

static const weir_launch_options named = {.name = "worker"};

// |alive| at a time, of which all have been launched before the first one ends.
static int launch(bench_work *work) {
  weir_scope *scope;
  int result = weir_scope_open(&scope, NULL);
  if (result < 0) return result;
  // The first time the stacks are made.
  for (int64_t done = -work->alive; done < work->units && result == 0; done += work->alive) {
    if (done == 0) bench_begin(work);
    for (int64_t i = 0; i < work->alive && result == 0; i++) {
      result = weir_launch(scope, NULL, &named, do_nothing, NULL);
    }
    if (result == 0) result = weir_scope_wait(scope);
  }
  bench_end(work);
  int closed = weir_scope_close(scope);
  return result < 0 ? result : closed;
}

static int launch_job(bench_work *work) {
  int result = 0;
  for (int64_t i = -1; i < work->units && result == 0; i++) {
    if (i == 0) bench_begin(work);
    weir_job *job;
    result = weir_launch(NULL, &job, &named, do_nothing, NULL);
    if (result == 0) result = weir_job_wait(job, NULL);
    weir_job_close(job);
  }
  bench_end(work);
  return result;
}

// Timers

typedef struct timers {
  weir_internal_loop *loop;
  weir_internal_timer *all;
  int64_t now;
  uint64_t random;  // never 0
} timers;

static void never(weir_internal_timer *timer) { (void)timer; }

// Any time from one to about a thousand seconds from now (Marsaglia, Xorshift RNGs).
static int64_t any_time(timers *self) {
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;
  return self->now + WEIR_SECOND + (int64_t)(self->random >> 24);
}

static int with_timers(bench_work *work, int (*function)(timers *self, bench_work *work)) {
  timers self = {
      .loop = weir_internal_current_loop(), .now = weir_now(), .random = 88172645463325252};
  self.all = calloc((size_t)work->alive, sizeof *self.all);
  if (self.all == NULL) return -ENOMEM;
  for (int64_t i = 0; i < work->alive; i++) {
    self.all[i].fire = never;
    weir_internal_timer_arm(self.loop, &self.all[i], any_time(&self));
  }
  int result = function(&self, work);
  for (int64_t i = 0; i < work->alive; i++) weir_internal_timer_cancel(self.loop, &self.all[i]);
  free(self.all);
  return result;
}

// Timers beside those that are armed; as with operations that mostly end before their deadline,
// each is cancelled after some others were armed.
static int arm_and_cancel(timers *self, bench_work *work) {
  enum { IN_FLIGHT = 64 };
  static weir_internal_timer more[IN_FLIGHT];
  for (int i = 0; i < IN_FLIGHT; i++) {
    more[i].fire = never;
    weir_internal_timer_arm(self->loop, &more[i], any_time(self));
  }
  bench_begin(work);
  for (int64_t i = 0; i < work->units; i++) {
    weir_internal_timer *timer = &more[i % IN_FLIGHT];
    weir_internal_timer_cancel(self->loop, timer);
    weir_internal_timer_arm(self->loop, timer, any_time(self));
  }
  bench_end(work);
  for (int i = 0; i < IN_FLIGHT; i++) weir_internal_timer_cancel(self->loop, &more[i]);
  return 0;
}

static int timer(bench_work *work) { return with_timers(work, arm_and_cancel); }

// Any of those that are armed, so that nothing of it is in the caches.
static int move_any(timers *self, bench_work *work) {
  bench_begin(work);
  for (int64_t i = 0; i < work->units; i++) {
    int64_t when = any_time(self);
    weir_internal_timer *any = &self->all[(uint64_t)when % (uint64_t)work->alive];
    weir_internal_timer_cancel(self->loop, any);
    weir_internal_timer_arm(self->loop, any, when);
  }
  bench_end(work);
  return 0;
}

static int timer_any(bench_work *work) { return with_timers(work, move_any); }

static int by_time(const void *first, const void *second) {
  int64_t one = (*(weir_internal_timer *const *)first)->when;
  int64_t other = (*(weir_internal_timer *const *)second)->when;
  return one < other ? -1 : one > other;
}

// Takes out the earliest timers one by one, and gives each unit the time of the slowest.
static int take_first(timers *self, bench_work *work) {
  enum { TAKEN = 1000 };
  weir_internal_timer **sorted = calloc((size_t)work->alive, sizeof(weir_internal_timer *));
  if (sorted == NULL) return -ENOMEM;
  for (int64_t i = 0; i < work->alive; i++) sorted[i] = &self->all[i];
  qsort(sorted, (size_t)work->alive, sizeof(weir_internal_timer *), by_time);
  int64_t slowest = 0;
  for (int64_t i = 0; i < TAKEN && i < work->alive; i++) {
    bench_begin(work);
    weir_internal_timer_cancel(self->loop, sorted[i]);
    bench_end(work);
    if (work->taken > slowest) slowest = work->taken;
  }
  work->taken = slowest * work->units;
  free(sorted);
  return 0;
}

static int timer_first(bench_work *work) { return with_timers(work, take_first); }

static const bench_entry entries[] = {
    {"switch", switch_stacks},
    {"yield", yield},
    {"launch", launch},
    {"launch-job", launch_job},
    {"timer", timer},
    {"timer-any", timer_any},
    {"timer-first", timer_first},
    {"pipe", bench_pipe},
    {"channel", bench_channel},
    {"mutex", bench_mutex},
    {"loops", bench_loops},
    {"blocking", bench_blocking},
    {NULL, NULL},
};

typedef struct call {
  bench_function *function;
  bench_work work;
} call;

static int run(void *argument) {
  call *self = (call *)argument;
  return self->function(&self->work);
}

int main(int count, char **words) {
  call self;
  self.function = bench_choose(&self.work, entries, count, words);
  if (self.function == NULL) return 2;
  const weir_selector_options options = {.loops = self.function == bench_loops ? 2 : 1};
  int result = weir_run(&options, run, &self);
  return bench_report(&self.work, result);
}
