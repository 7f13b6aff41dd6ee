// SPDX-License-Identifier: Apache-2.0
//
// Coroutine-local storage: a list of the values that a coroutine has, the last one set first. A
// coroutine has few of them, so that a walk is quicker than a table would be.

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"

static weir_internal_local *find(const weir_internal_coroutine *coroutine, const weir_local *key) {
  weir_internal_local *local = coroutine->locals;
  while (local != NULL && local->key != key) local = local->next;
  return local;
}

static void destroy_value(const weir_local *key, void *value) {
  if (value != NULL && key->destroy != NULL) key->destroy(value);
}

int weir_local_set(const weir_local *local, void *value) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL || local == NULL) return -EINVAL;
  weir_internal_local *known = find(coroutine, local);
  if (known == NULL) {
    if (value == NULL) return 0;
    known = (weir_internal_local *)weir_internal_allocate(sizeof *known);
    if (known == NULL) return -ENOMEM;
    known->key = local;
    known->next = coroutine->locals;
    coroutine->locals = known;
  }
  void *previous = known->value;
  // First, so that what destroys the old value sees the new one.
  known->value = value;
  if (previous != value) destroy_value(local, previous);
  return 0;
}

void *weir_local_get(const weir_local *local) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return NULL;
  weir_internal_local *known = find(coroutine, local);
  return known != NULL ? known->value : NULL;
}

void weir_internal_locals_end(weir_internal_coroutine *coroutine) {
  weir_internal_local *local;
  while ((local = coroutine->locals) != NULL) {
    const weir_local *key = local->key;
    void *value = local->value;
    coroutine->locals = local->next;
    weir_internal_release(local, sizeof *local);
    // It may set others, which then have their turn.
    destroy_value(key, value);
  }
}
