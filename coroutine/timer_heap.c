// SPDX-License-Identifier: Apache-2.0
//
// An implicit heap in which each entry has four below it, which share a cache line. No operation
// takes more than one step for each level, of which a million timers have ten.
//
// The heap needs memory, and arming a timer cannot fail. So what finds no place, because there was
// no memory for one, waits in a list until an entry becomes free. That list is searched, which is
// slow; but it has only those that were armed while there was no memory at all.

#include "coroutine/internal/timer_heap.h"

#include "base/internal/memory.h"

// With the root at place 3 the places below any one begin at a multiple of four. Place 0 means that
// a timer is not armed.
enum { ROOT = 3, CHILDREN = 4 };
static const size_t unplaced = SIZE_MAX;

static inline size_t above(size_t place) { return place / CHILDREN + 2; }
static inline size_t first_below(size_t place) { return CHILDREN * place - 2 * CHILDREN; }

static inline size_t size_of_segment(size_t number) {
  return (size_t)1 << (WEIR_INTERNAL_TIMER_SEGMENT_BITS + number);
}

// So many entries have the first |count| segments together.
static inline size_t size_of_segments(size_t count) {
  return size_of_segment(count) - size_of_segment(0);
}

static inline weir_internal_timer_entry *entry_at(const weir_internal_timer_heap *heap,
                                                  size_t place) {
  size_t shifted = place + size_of_segment(0);
  int bits = 63 - __builtin_clzll(shifted);
  return &heap->segments[bits - WEIR_INTERNAL_TIMER_SEGMENT_BITS][shifted - ((size_t)1 << bits)];
}

static bool add_segment(weir_internal_timer_heap *heap) {
  if (heap->segment_count == WEIR_INTERNAL_TIMER_SEGMENTS) return false;
  size_t size = size_of_segment(heap->segment_count) * sizeof(weir_internal_timer_entry);
  void *segment = weir_internal_map_pages(size);
  if (segment == NULL) return false;
  heap->segments[heap->segment_count++] = (weir_internal_timer_entry *)segment;
  return true;
}

static void remove_segment(weir_internal_timer_heap *heap) {
  size_t number = --heap->segment_count;
  weir_internal_unmap_pages(heap->segments[number],
                            size_of_segment(number) * sizeof(weir_internal_timer_entry));
}

int weir_internal_timer_heap_init(weir_internal_timer_heap *heap) {
  memset(heap, 0, sizeof *heap);
  heap->end = ROOT;
  weir_internal_list_init(&heap->unplaced);
  return add_segment(heap) ? 0 : -ENOMEM;
}

void weir_internal_timer_heap_destroy(weir_internal_timer_heap *heap) {
  while (heap->segment_count > 0) remove_segment(heap);
}

static inline void put(weir_internal_timer_entry *to, size_t place,
                       weir_internal_timer_entry entry) {
  *to = entry;
  entry.timer->place = place;
}

// Puts |entry| to |place|, which is free, or as far above it as it must be.
static void put_upwards(weir_internal_timer_heap *heap, size_t place,
                        weir_internal_timer_entry entry) {
  weir_internal_timer_entry *at = entry_at(heap, place);
  while (place > ROOT) {
    size_t next = above(place);
    weir_internal_timer_entry *other = entry_at(heap, next);
    if (other->when <= entry.when) break;
    put(at, place, *other);
    at = other;
    place = next;
  }
  put(at, place, entry);
}

// Returns the place of the earliest entry below |place|, or 0 if there is none.
static inline size_t earliest_below(const weir_internal_timer_heap *heap, size_t place,
                                    weir_internal_timer_entry **out) {
  size_t first = first_below(place);
  if (first >= heap->end) return 0;
  weir_internal_timer_entry *entries = entry_at(heap, first);
  size_t count = heap->end - first < CHILDREN ? heap->end - first : CHILDREN;
  size_t earliest = 0;
  for (size_t i = 1; i < count; i++) {
    if (entries[i].when < entries[earliest].when) earliest = i;
  }
  *out = &entries[earliest];
  return first + earliest;
}

// Puts |entry| to |place|, which is free, or as far below it as it must be.
static void put_downwards(weir_internal_timer_heap *heap, size_t place,
                          weir_internal_timer_entry entry) {
  weir_internal_timer_entry *at = entry_at(heap, place);
  weir_internal_timer_entry *other;
  size_t next;
  while ((next = earliest_below(heap, place, &other)) != 0 && other->when < entry.when) {
    put(at, place, *other);
    at = other;
    place = next;
  }
  put(at, place, entry);
}

static bool is_full(const weir_internal_timer_heap *heap) {
  return heap->end == size_of_segments(heap->segment_count);
}

static void place(weir_internal_timer_heap *heap, weir_internal_timer *timer) {
  weir_internal_timer_entry entry = {.when = timer->when, .timer = timer};
  put_upwards(heap, heap->end++, entry);
}

static void place_waiting(weir_internal_timer_heap *heap) {
  weir_internal_link *link = weir_internal_list_take_first(&heap->unplaced);
  if (link != NULL) place(heap, WEIR_INTERNAL_CONTAINER(link, weir_internal_timer, link));
}

static void displace(weir_internal_timer_heap *heap, const weir_internal_timer *timer) {
  size_t hole = timer->place;
  weir_internal_timer_entry last = *entry_at(heap, --heap->end);
  if (hole == heap->end) return;
  if (hole > ROOT && entry_at(heap, above(hole))->when > last.when) {
    put_upwards(heap, hole, last);
  } else {
    put_downwards(heap, hole, last);
  }
}

// The last segment goes when that before it is half empty, so that not each timer makes and frees
// one.
static void trim(weir_internal_timer_heap *heap) {
  size_t count = heap->segment_count;
  if (count == 1 || heap->end >= size_of_segments(count - 1) - size_of_segment(count - 2) / 2) {
    return;
  }
  remove_segment(heap);
}

static void find_first(weir_internal_timer_heap *heap) {
  heap->first = heap->end > ROOT ? entry_at(heap, ROOT)->timer : NULL;
  const weir_internal_list *list = &heap->unplaced;
  for (weir_internal_link *link = list->next; link != list; link = link->next) {
    weir_internal_timer *timer = WEIR_INTERNAL_CONTAINER(link, weir_internal_timer, link);
    if (timer->when < heap->first->when) heap->first = timer;
  }
}

void weir_internal_timer_heap_add(weir_internal_timer_heap *heap, weir_internal_timer *timer) {
  if (!is_full(heap) || add_segment(heap)) {
    place(heap, timer);
    if (!is_full(heap)) place_waiting(heap);
  } else {
    timer->place = unplaced;
    weir_internal_list_append(&heap->unplaced, &timer->link);
  }
  if (heap->first == NULL || timer->when < heap->first->when) heap->first = timer;
}

void weir_internal_timer_heap_remove(weir_internal_timer_heap *heap, weir_internal_timer *timer) {
  if (timer->place == unplaced) {
    weir_internal_link_remove(&timer->link);
  } else {
    displace(heap, timer);
    place_waiting(heap);
  }
  timer->place = 0;
  if (timer == heap->first) find_first(heap);
  trim(heap);
}
