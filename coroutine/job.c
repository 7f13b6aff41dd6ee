// SPDX-License-Identifier: Apache-2.0

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"

// The job lives as long as its coroutine runs, its handle is open, somebody is inside a wait, or a
// cancellation is under way.
static void free_if_last(weir_job *job) {
  if (job->coroutine != NULL || !job->handle_closed || job->inside > 0) return;
  if (job->cancel_request.due) return;
  weir_internal_release(job, sizeof *job);
}

static void read_cancel(weir_internal_message *message) {
  weir_job *job = WEIR_INTERNAL_CONTAINER(message, weir_job, cancel_request.message);
  int cause = weir_internal_cancel_request_read(&job->cancel_request);
  if (cause < 0) {
    weir_internal_coroutine_cancel(job->coroutine, cause);
  } else {
    free_if_last(job);
  }
}

void weir_internal_job_init(weir_job *job, weir_internal_coroutine *child) {
  job->loop = child->loop;
  job->coroutine = child;
  weir_internal_wait_queue_init(&job->waiters);
  weir_internal_cancel_request_open(&job->cancel_request, read_cancel);
  child->job = job;
}

static int wait_for_end(weir_job *job) {
  int result = weir_internal_enter(job->loop);
  if (result < 0) return result;
  if (job->handle_closed) return WEIR_E_CLOSED;
  if (job->coroutine == NULL) return 0;
  if (job->coroutine == weir_internal_running()) return -EDEADLK;
  return weir_internal_wait_queue_wait_for(&job->waiters, WEIR_FOREVER, "job");
}

int weir_job_wait(weir_job *job, int *out_result) {
  if (weir_internal_running() == NULL) return -EINVAL;
  if (job->loop != weir_internal_current_loop()) return -EXDEV;
  // Before the first suspension: whoever runs meanwhile may close the handle.
  job->inside++;
  int result = wait_for_end(job);
  if (result == 0) weir_internal_coroutine_learn(job->result);
  if (result == 0 && out_result != NULL) *out_result = job->result;
  job->inside--;
  free_if_last(job);
  return result;
}

void weir_job_cancel(weir_job *job) { weir_job_cancel_with_cause(job, -ECANCELED); }

void weir_job_cancel_with_cause(weir_job *job, int cause) {
  if (cause >= 0) cause = -ECANCELED;
  if (job->loop != weir_internal_current_loop()) {
    weir_internal_cancel_request_send(&job->cancel_request, job->loop, cause);
  } else if (job->coroutine != NULL) {
    weir_internal_coroutine_cancel(job->coroutine, cause);
  }
}

void weir_internal_job_ended(weir_job *job, int result) {
  job->coroutine = NULL;
  job->result = result;
  (void)weir_internal_cancel_request_close(&job->cancel_request, job->loop);
  weir_internal_wait_queue_wake_all(&job->waiters, 0);
  free_if_last(job);
}

void weir_job_close(weir_job *job) {
  if (job == NULL) return;
  job->handle_closed = true;
  weir_internal_wait_queue_wake_all(&job->waiters, WEIR_E_CLOSED);
  free_if_last(job);
}
