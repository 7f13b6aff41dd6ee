// SPDX-License-Identifier: Apache-2.0
//
// The pool of threads of a selector. For the files of this package only.

#ifndef WEIR_SELECTOR_INTERNAL_BLOCKING_H
#define WEIR_SELECTOR_INTERNAL_BLOCKING_H

#include <pthread.h>

#include "base/internal/list.h"
#include "selector/internal/system_calls.h"
#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_blocking_pool {
  const weir_internal_system_calls *calls;
  int most_threads;
  int64_t idle_timeout;
  pthread_mutex_t mutex;  // guards all that follows
  pthread_cond_t work;    // a call was queued, or the pool closes
  pthread_cond_t empty;   // the last thread is about to end
  weir_internal_list queue;
  int queued;
  int threads;
  int free;  // of these, those that carry out no call
  bool closing;
  bool has_ended;  // |ended| is to be joined; it has joined the one that ended before it
  pthread_t ended;
} weir_internal_blocking_pool;

// weir_internal_blocking_pool_init makes a pool without threads.
void weir_internal_blocking_pool_init(weir_internal_blocking_pool *pool,
                                      const weir_internal_system_calls *calls, int most_threads,
                                      int64_t idle_timeout);

// weir_internal_blocking_pool_close waits until all calls have returned and all threads have ended.
void weir_internal_blocking_pool_close(weir_internal_blocking_pool *pool);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_BLOCKING_H
