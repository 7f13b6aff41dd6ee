// SPDX-License-Identifier: Apache-2.0
//
// An intrusive doubly linked list. A link that is in no list points to itself, so that removing it
// is always legal.

#ifndef WEIR_BASE_INTERNAL_LIST_H
#define WEIR_BASE_INTERNAL_LIST_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_link {
  struct weir_internal_link *next;
  struct weir_internal_link *previous;
} weir_internal_link;

// A list is the link before its first and after its last member.
typedef weir_internal_link weir_internal_list;

// WEIR_INTERNAL_CONTAINER returns the |type| whose |member| is at |pointer|.
#define WEIR_INTERNAL_CONTAINER(pointer, type, member) \
  ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

// weir_internal_link_init makes |link| one that is in no list.
static inline void weir_internal_link_init(weir_internal_link *link) {
  link->next = link;
  link->previous = link;
}

// weir_internal_list_init makes |list| empty.
static inline void weir_internal_list_init(weir_internal_list *list) {
  weir_internal_link_init(list);
}

// weir_internal_link_is_linked tells whether |link| is in a list.
static inline bool weir_internal_link_is_linked(const weir_internal_link *link) {
  return link->next != link;
}

// weir_internal_list_is_empty tells whether |list| has no members.
static inline bool weir_internal_list_is_empty(const weir_internal_list *list) {
  return list->next == list;
}

// weir_internal_list_append puts |link|, which is in no list, behind the last member.
static inline void weir_internal_list_append(weir_internal_list *list, weir_internal_link *link) {
  link->previous = list->previous;
  link->next = list;
  list->previous->next = link;
  list->previous = link;
}

// weir_internal_link_remove takes |link| out of its list, if it is in one.
static inline void weir_internal_link_remove(weir_internal_link *link) {
  link->previous->next = link->next;
  link->next->previous = link->previous;
  weir_internal_link_init(link);
}

// weir_internal_list_take_first removes and returns the first link, or returns NULL.
static inline weir_internal_link *weir_internal_list_take_first(weir_internal_list *list) {
  weir_internal_link *first = list->next;
  if (first == list) return NULL;
  weir_internal_link_remove(first);
  return first;
}

// weir_internal_list_move_all puts all of |from| behind the members of |to|.
static inline void weir_internal_list_move_all(weir_internal_list *to, weir_internal_list *from) {
  if (weir_internal_list_is_empty(from)) return;
  from->next->previous = to->previous;
  to->previous->next = from->next;
  from->previous->next = to;
  to->previous = from->previous;
  weir_internal_link_init(from);
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BASE_INTERNAL_LIST_H
