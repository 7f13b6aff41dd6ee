// SPDX-License-Identifier: Apache-2.0

#include "base/internal/memory.h"
#include "selector/internal/selector.h"

enum { FIRST_SLOT_COUNT = 16 };

static int grow(weir_internal_slot_table *table) {
  uint32_t count = table->count == 0 ? FIRST_SLOT_COUNT : table->count * 2;
  weir_internal_slot *slots = (weir_internal_slot *)weir_internal_allocate(count * sizeof *slots);
  if (slots == NULL) return -ENOMEM;
  if (table->count > 0) memcpy(slots, table->slots, table->count * sizeof *slots);
  for (uint32_t i = table->count; i < count; i++) slots[i].next_free = i + 1;
  weir_internal_release(table->slots, table->count * sizeof *slots);
  table->first_free = table->count;
  table->slots = slots;
  table->count = count;
  return 0;
}

int weir_internal_slot_take(weir_internal_slot_table *table,
                            weir_internal_registration *registration) {
  if (table->first_free == table->count) {
    int result = grow(table);
    if (result < 0) return result;
  }
  uint32_t slot = table->first_free;
  table->first_free = table->slots[slot].next_free;
  table->slots[slot].registration = registration;
  registration->slot = slot;
  return 0;
}

void weir_internal_slot_return(weir_internal_slot_table *table, uint32_t slot) {
  table->slots[slot].registration = NULL;
  table->slots[slot].generation++;
  table->slots[slot].next_free = table->first_free;
  table->first_free = slot;
}

void weir_internal_slot_renew(weir_internal_slot_table *table, uint32_t slot) {
  table->slots[slot].generation++;
}

void weir_internal_slot_undo_renew(weir_internal_slot_table *table, uint32_t slot) {
  table->slots[slot].generation--;
}

void weir_internal_slot_table_destroy(weir_internal_slot_table *table) {
  weir_internal_release(table->slots, table->count * sizeof *table->slots);
}
