// SPDX-License-Identifier: Apache-2.0

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"

int weir_job_wait(weir_job *job, int *out_result) {
  int result = weir_internal_enter(job->loop);
  if (result < 0) return result;
  if (job->coroutine == weir_internal_running()) return -EDEADLK;
  if (job->coroutine != NULL) {
    result = weir_internal_wait_queue_wait(&job->waiters, WEIR_FOREVER);
    if (result < 0) return result;
  }
  if (out_result != NULL) *out_result = job->result;
  return 0;
}

void weir_job_cancel(weir_job *job) {
  if (job->coroutine != NULL) weir_internal_coroutine_cancel(job->coroutine);
}

void weir_internal_job_ended(weir_job *job, int result) {
  job->coroutine = NULL;
  job->result = result;
  if (job->handle_closed) {
    weir_internal_release(job, sizeof *job);
    return;
  }
  weir_internal_wait_queue_wake_all(&job->waiters, 0);
}

void weir_job_close(weir_job *job) {
  if (job == NULL) return;
  weir_internal_wait_queue_wake_all(&job->waiters, WEIR_E_CLOSED);
  job->handle_closed = true;
  if (job->coroutine == NULL) weir_internal_release(job, sizeof *job);
}
