// SPDX-License-Identifier: Apache-2.0
//
// A pairing heap: arming is one comparison, taking out the first costs O(log n) amortised, and
// nothing is ever allocated.

#include "coroutine/internal/timer_heap.h"

// Makes the later of two heaps the first child of the earlier one, and returns that.
static weir_internal_timer *meld(weir_internal_timer *first, weir_internal_timer *second) {
  if (first == NULL) return second;
  if (second == NULL) return first;
  // On a tie the first stays above, so that a heap of equals keeps its order of arming.
  if (second->when < first->when) {
    weir_internal_timer *swap = first;
    first = second;
    second = swap;
  }
  second->parent_or_previous = first;
  second->sibling = first->child;
  if (first->child != NULL) first->child->parent_or_previous = second;
  first->child = second;
  return first;
}

// Melds a row of siblings: pairs from the left to the right, then all from the right to the left.
static weir_internal_timer *meld_row(weir_internal_timer *row) {
  weir_internal_timer *pairs = NULL;
  while (row != NULL) {
    weir_internal_timer *first = row;
    weir_internal_timer *second = first->sibling;
    row = second != NULL ? second->sibling : NULL;
    first->sibling = NULL;
    if (second != NULL) second->sibling = NULL;
    weir_internal_timer *pair = meld(first, second);
    pair->sibling = pairs;
    pairs = pair;
  }
  weir_internal_timer *heap = NULL;
  while (pairs != NULL) {
    weir_internal_timer *next = pairs->sibling;
    pairs->sibling = NULL;
    heap = meld(pairs, heap);
    pairs = next;
  }
  return heap;
}

void weir_internal_timer_heap_add(weir_internal_timer_heap *heap, weir_internal_timer *timer) {
  timer->child = NULL;
  timer->sibling = NULL;
  timer->parent_or_previous = NULL;
  timer->armed = true;
  heap->first = meld(heap->first, timer);
}

void weir_internal_timer_heap_remove(weir_internal_timer_heap *heap, weir_internal_timer *timer) {
  weir_internal_timer *children = meld_row(timer->child);
  if (children != NULL) children->parent_or_previous = NULL;
  timer->child = NULL;
  timer->armed = false;
  if (timer == heap->first) {
    heap->first = children;
    return;
  }
  weir_internal_timer *before = timer->parent_or_previous;
  if (before->child == timer) {
    before->child = timer->sibling;
  } else {
    before->sibling = timer->sibling;
  }
  if (timer->sibling != NULL) timer->sibling->parent_or_previous = before;
  timer->sibling = NULL;
  heap->first = meld(heap->first, children);
}
