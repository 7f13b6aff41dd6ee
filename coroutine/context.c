// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/context.h"

void weir_internal_context_make(weir_internal_context *context, void *bottom, size_t size,
                                weir_internal_entry entry, void *argument) {
  context->stack_pointer =
      weir_internal_switch_prepare(bottom, (char *)bottom + size, entry, argument);
#if WEIR_INTERNAL_ASAN
  context->fake_stack = NULL;
  context->stack_bottom = bottom;
  context->stack_size = size;
#endif
#if WEIR_INTERNAL_TSAN
  context->fiber = __tsan_create_fiber(0);
#endif
}

void weir_internal_context_entered(weir_internal_context *from) {
#if WEIR_INTERNAL_ASAN
  bool is_known = from->stack_bottom != NULL;
  const void *bottom;
  size_t size;
  __sanitizer_finish_switch_fiber(NULL, &bottom, &size);
  if (is_known) return;
  from->stack_bottom = bottom;
  from->stack_size = size;
#else
  (void)from;
#endif
}

void weir_internal_context_destroy(weir_internal_context *context) {
#if WEIR_INTERNAL_TSAN
  __tsan_destroy_fiber(context->fiber);
#else
  (void)context;
#endif
}
