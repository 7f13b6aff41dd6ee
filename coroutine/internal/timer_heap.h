// SPDX-License-Identifier: Apache-2.0
//
// The timers of one loop, the earliest first.

#ifndef WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H
#define WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H

#include "coroutine/internal/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_timer_heap {
  weir_internal_timer *first;  // NULL when no timer is armed
} weir_internal_timer_heap;

// weir_internal_timer_heap_add arms |timer|, which is not armed, for its |when|.
void weir_internal_timer_heap_add(weir_internal_timer_heap *heap, weir_internal_timer *timer);

// weir_internal_timer_heap_remove disarms |timer|, which is armed.
void weir_internal_timer_heap_remove(weir_internal_timer_heap *heap, weir_internal_timer *timer);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H
