// SPDX-License-Identifier: Apache-2.0
//
// What is known of failures that no connection is left to tell of. Each coroutine keeps its own;
// outside of coroutines, each thread.

#include "tls/internal/failure.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/internal/memory.h"
#include "coroutine/internal/suspend.h"

static _Thread_local weir_tls_failure of_thread;

static void destroy(void *value) { weir_internal_release(value, sizeof(weir_tls_failure)); }

static const weir_local of_coroutine = {.destroy = destroy};

// Where the current coroutine, or the thread, keeps its failure; NULL: there is no memory for it.
static weir_tls_failure *place(void) {
  if (weir_internal_current_coroutine() == NULL) return &of_thread;
  weir_tls_failure *failure = (weir_tls_failure *)weir_local_get(&of_coroutine);
  if (failure != NULL) return failure;
  failure = (weir_tls_failure *)weir_internal_allocate(sizeof *failure);
  if (failure != NULL && weir_local_set(&of_coroutine, failure) < 0) {
    destroy(failure);
    return NULL;
  }
  return failure;
}

void weir_internal_tls_note(const weir_tls_failure *failure) {
  weir_tls_failure *at = place();
  if (at != NULL) *at = *failure;
}

const weir_tls_failure *weir_internal_tls_noted(void) {
  static const weir_tls_failure none = {.alert = -1, .depth = -1};
  if (weir_internal_current_coroutine() == NULL) {
    if (of_thread.code == 0) of_thread = none;
    return &of_thread;
  }
  const weir_tls_failure *failure = (const weir_tls_failure *)weir_local_get(&of_coroutine);
  return failure != NULL ? failure : &none;
}

void weir_internal_tls_make_line(weir_tls_failure *failure) {
  for (char *at = failure->text; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    if (byte < ' ' || byte == 0x7f) *at = '?';
  }
}

int weir_internal_tls_take_reason(int code, weir_tls_failure *failure) {
  uint32_t error = ERR_peek_last_error();
  if (error != 0) {
    const char *reason = ERR_reason_error_string(error);
    snprintf(failure->reason, sizeof failure->reason, "%s", reason != NULL ? reason : "");
  }
  return weir_internal_tls_lacked_memory() ? -ENOMEM : code;
}

bool weir_internal_tls_lacked_memory(void) {
  bool lacked = false;
  uint32_t error;
  while ((error = ERR_get_error()) != 0) {
    if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE) lacked = true;
  }
  return lacked;
}

int weir_internal_tls_fail(int code, const char *format, ...) {
  weir_tls_failure failure = {.alert = -1, .depth = -1};
  failure.code = weir_internal_tls_take_reason(code, &failure);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(failure.text, sizeof failure.text, format, arguments);
  va_end(arguments);
  weir_internal_tls_make_line(&failure);
  weir_internal_tls_note(&failure);
  return failure.code;
}
