// SPDX-License-Identifier: Apache-2.0
//
// The timers of one loop, the earliest first.

#ifndef WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H
#define WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H

#include "base/internal/list.h"
#include "coroutine/internal/loop.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is compared lies in the heap, so that the timers themselves, each in a page of its own, are
// not looked at on the way.
typedef struct weir_internal_timer_entry {
  int64_t when;
  weir_internal_timer *timer;
} weir_internal_timer_entry;

// The first segment has 4,096 entries, each other one twice as many as the one before: so nothing
// is ever moved to make room.
enum { WEIR_INTERNAL_TIMER_SEGMENT_BITS = 12, WEIR_INTERNAL_TIMER_SEGMENTS = 24 };

typedef struct weir_internal_timer_heap {
  weir_internal_timer *first;  // NULL when no timer is armed
  size_t end;                  // the place behind the last entry
  size_t segment_count;
  weir_internal_timer_entry *segments[WEIR_INTERNAL_TIMER_SEGMENTS];
  // Those for which there was no memory when they were armed; until then the heap is full.
  weir_internal_list unplaced;
} weir_internal_timer_heap;

// weir_internal_timer_heap_init makes an empty heap. Returns 0 or -ENOMEM; the latter needs no
// destroy.
WEIR_MUST_USE int weir_internal_timer_heap_init(weir_internal_timer_heap *heap);

// weir_internal_timer_heap_destroy frees what the heap has, but no timer. All zero is legal.
void weir_internal_timer_heap_destroy(weir_internal_timer_heap *heap);

// weir_internal_timer_heap_add arms |timer|, which is not armed, for its |when|. Cannot fail.
void weir_internal_timer_heap_add(weir_internal_timer_heap *heap, weir_internal_timer *timer);

// weir_internal_timer_heap_remove disarms |timer|, which is armed.
void weir_internal_timer_heap_remove(weir_internal_timer_heap *heap, weir_internal_timer *timer);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_TIMER_HEAP_H
