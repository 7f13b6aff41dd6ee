// SPDX-License-Identifier: Apache-2.0
//
// Which loop a coroutine runs on.

#include "coroutine/internal/remote.h"
#include "selector/internal/placement.h"
#include "selector/internal/selector.h"

// A loop that no coroutine keeps busy looks at its messages every few milliseconds.
static const int64_t longest_silence = 10 * WEIR_MILLISECOND;

static weir_internal_selector_loop *next_in_turn(weir_internal_selector_loop *from) {
  weir_selector *selector = from->selector;
  // Each loop counts for itself, so that they do not fight for a counter.
  int number = from->next_in_turn;
  from->next_in_turn = (number + 1) % (int)selector->loop_count;
  return &selector->loops[number];
}

static bool is_stuck(const weir_internal_selector_loop *loop, int64_t now) {
  if (__atomic_load_n(&loop->promised, __ATOMIC_ACQUIRE) == 0) return false;
  return now - __atomic_load_n(&loop->promised_since, __ATOMIC_RELAXED) > longest_silence;
}

static weir_internal_selector_loop *least_loaded(weir_internal_selector_loop *from) {
  weir_selector *selector = from->selector;
  int64_t now = weir_internal_loop_now(from->loop);
  // Nobody is stuck here.
  weir_internal_selector_loop *best = from;
  size_t least = SIZE_MAX;
  // Of several that have equally few, the first behind the one chosen last.
  for (size_t i = 0; i < selector->loop_count; i++) {
    size_t number = ((size_t)from->next_in_turn + i) % selector->loop_count;
    weir_internal_selector_loop *each = &selector->loops[number];
    size_t load = weir_internal_loop_load(each->loop);
    load += __atomic_load_n(&each->promised, __ATOMIC_RELAXED);
    if (load >= least || is_stuck(each, now)) continue;
    least = load;
    best = each;
  }
  from->next_in_turn = (best->number + 1) % (int)selector->loop_count;
  return best;
}

static weir_internal_selector_loop *choose(weir_internal_selector_loop *from, int loop) {
  if (loop == WEIR_LEAST_LOADED) return least_loaded(from);
  if (loop == WEIR_ROUND_ROBIN) return next_in_turn(from);
  if (loop < 0 || (size_t)loop >= from->selector->loop_count) return NULL;
  return &from->selector->loops[loop];
}

int weir_internal_place(void) {
  return least_loaded(weir_internal_current_selector_loop())->number;
}

void weir_internal_place_promise(int number) {
  weir_internal_selector_loop *here = weir_internal_current_selector_loop();
  weir_internal_selector_loop *target = &here->selector->loops[number];
  if (__atomic_load_n(&target->promised, __ATOMIC_RELAXED) == 0) {
    __atomic_store_n(&target->promised_since, weir_internal_loop_now(here->loop), __ATOMIC_RELAXED);
  }
  __atomic_fetch_add(&target->promised, 1, __ATOMIC_ACQ_REL);
}

void weir_internal_place_keep(void) {
  weir_internal_selector_loop *here = weir_internal_current_selector_loop();
  __atomic_store_n(&here->promised_since, weir_internal_loop_now(here->loop), __ATOMIC_RELAXED);
  __atomic_fetch_sub(&here->promised, 1, __ATOMIC_ACQ_REL);
}

int weir_launch_on(int loop, weir_scope *scope, weir_job **out_or_null,
                   const weir_launch_options *options, weir_function function, void *argument) {
  if (out_or_null != NULL) *out_or_null = NULL;
  if (weir_internal_current_coroutine() == NULL) return -EINVAL;
  weir_internal_selector_loop *here = weir_internal_current_selector_loop();
  if (here == NULL) return -EINVAL;
  weir_internal_selector_loop *target = choose(here, loop);
  if (target == NULL) return -EINVAL;
  void *site = __builtin_return_address(0);
  if (target == here) {
    return weir_internal_launch(scope, out_or_null, options, function, argument, site);
  }
  return weir_internal_launch_remote(target->loop, scope, out_or_null, options, function, argument,
                                     site);
}

int weir_current_loop(void) {
  if (weir_internal_current_coroutine() == NULL) return -EINVAL;
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  return loop == NULL ? -EINVAL : loop->number;
}

int weir_loop_count(void) {
  weir_selector *selector = weir_current_selector();
  return selector == NULL ? 0 : (int)selector->loop_count;
}
