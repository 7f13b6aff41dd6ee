// SPDX-License-Identifier: Apache-2.0
//
// Calls that block, on threads of their own. A call is queued under the pool's mutex, and its end
// reaches the loop as a message, so that everything else about it happens on the loop's thread.

#include "weir/blocking.h"

#include "base/internal/memory.h"
#include "selector/internal/selector.h"

// Under the pool's mutex.
typedef enum call_state {
  QUEUED,
  RUNNING,
  ENDED,      // its message is on its way to the loop, or has come
  ABANDONED,  // nobody waits any more: the thread cleans up
} call_state;

typedef struct blocking_call {
  weir_internal_link link;  // in the queue
  weir_internal_message message;
  weir_internal_loop *loop;
  weir_function function;
  void *argument;
  void (*discard)(void *argument);
  int result;
  call_state state;
  // The loop's thread only.
  weir_internal_ticket ticket;
  bool ended;
} blocking_call;

// The threads

// Runs the first call of the queue, with the mutex held before and after.
static void carry_out_first(weir_internal_blocking_pool *pool) {
  weir_internal_link *link = weir_internal_list_take_first(&pool->queue);
  blocking_call *call = WEIR_INTERNAL_CONTAINER(link, blocking_call, link);
  pool->queued--;
  pool->free--;
  call->state = RUNNING;
  pthread_mutex_unlock(&pool->mutex);
  int result = call->function(call->argument);
  pthread_mutex_lock(&pool->mutex);
  bool abandoned = call->state == ABANDONED;
  call->result = result;
  call->state = ENDED;
  // Before the message, so that the next call of whoever gets it needs no other thread.
  if (!abandoned) pool->free++;
  pthread_mutex_unlock(&pool->mutex);
  if (!abandoned) {
    weir_internal_loop_post(call->loop, &call->message);
  } else {
    if (call->discard != NULL) call->discard(call->argument);
    weir_internal_release(call, sizeof *call);
  }
  pthread_mutex_lock(&pool->mutex);
  if (abandoned) pool->free++;
}

static struct timespec time_at(int64_t nanoseconds) {
  struct timespec time = {.tv_sec = (time_t)(nanoseconds / WEIR_SECOND),
                          .tv_nsec = (long)(nanoseconds % WEIR_SECOND)};
  return time;
}

// Waits for work, with the mutex held. Returns false when the thread has waited for too long.
static bool await_work(weir_internal_blocking_pool *pool) {
  // The thread is real, and so is its time, whatever clock the selector has.
  int64_t now = weir_internal_kernel.now(weir_internal_kernel.context);
  bool unlimited = pool->idle_timeout > WEIR_FOREVER - now;
  struct timespec until = time_at(unlimited ? WEIR_FOREVER : now + pool->idle_timeout);
  int result = 0;
  while (result == 0 && pool->queued == 0 && !pool->closing) {
    result = pthread_cond_timedwait(&pool->work, &pool->mutex, &until);
  }
  return pool->queued > 0;
}

// Ends the current thread's part in |pool|, with the mutex held.
static void leave(weir_internal_blocking_pool *pool) {
  bool others_ended = pool->has_ended;
  pthread_t before = pool->ended;
  pool->ended = pthread_self();
  pool->has_ended = true;
  pool->threads--;
  pool->free--;
  if (pool->threads == 0) pthread_cond_signal(&pool->empty);
  pthread_mutex_unlock(&pool->mutex);
  // Whoever ends joins the one that ended before, so that there is one left to join at most.
  if (others_ended) pool->calls->thread_join(pool->calls->context, before);
}

static void *run_thread(void *argument) {
  weir_internal_blocking_pool *pool = (weir_internal_blocking_pool *)argument;
  pthread_mutex_lock(&pool->mutex);
  while (pool->queued > 0 || await_work(pool)) carry_out_first(pool);
  leave(pool);
  return NULL;
}

// Adds a thread, with the mutex held.
static int add_thread(weir_internal_blocking_pool *pool) {
  pthread_t thread;
  int result = weir_internal_thread_start(pool->calls, &thread, run_thread, pool);
  if (result < 0) return result;
  pool->threads++;
  pool->free++;
  return 0;
}

// The pool

void weir_internal_blocking_pool_init(weir_internal_blocking_pool *pool,
                                      const weir_internal_system_calls *calls, int most_threads,
                                      int64_t idle_timeout) {
  memset(pool, 0, sizeof *pool);
  pool->calls = calls;
  pool->most_threads = most_threads;
  pool->idle_timeout = idle_timeout;
  weir_internal_list_init(&pool->queue);
  // On Linux none of these allocates, and none can fail with these arguments.
  pthread_mutex_init(&pool->mutex, NULL);
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&pool->work, &monotonic);
  pthread_cond_init(&pool->empty, NULL);
  pthread_condattr_destroy(&monotonic);
}

void weir_internal_blocking_pool_close(weir_internal_blocking_pool *pool) {
  pthread_mutex_lock(&pool->mutex);
  pool->closing = true;
  pthread_cond_broadcast(&pool->work);
  while (pool->threads > 0) pthread_cond_wait(&pool->empty, &pool->mutex);
  pthread_mutex_unlock(&pool->mutex);
  if (pool->has_ended) pool->calls->thread_join(pool->calls->context, pool->ended);
  pthread_cond_destroy(&pool->empty);
  pthread_cond_destroy(&pool->work);
  pthread_mutex_destroy(&pool->mutex);
}

// Queues |call|, for a thread that is idle, or new if there may be one. Returns a negative code if
// there is none at all.
static int enqueue(weir_internal_blocking_pool *pool, blocking_call *call) {
  pthread_mutex_lock(&pool->mutex);
  int result = 0;
  if (pool->queued >= pool->free && pool->threads < pool->most_threads) result = add_thread(pool);
  if (pool->threads > 0) {
    result = 0;
    call->state = QUEUED;
    weir_internal_list_append(&pool->queue, &call->link);
    pool->queued++;
    pthread_cond_signal(&pool->work);
  }
  pthread_mutex_unlock(&pool->mutex);
  return result;
}

// Takes |call| back if it has not begun; abandons it if it has begun, has not ended, and may be
// abandoned. Returns its state before.
static call_state give_up(weir_internal_blocking_pool *pool, blocking_call *call, bool abandon) {
  pthread_mutex_lock(&pool->mutex);
  call_state state = call->state;
  if (state == QUEUED) {
    weir_internal_link_remove(&call->link);
    pool->queued--;
  } else if (state == RUNNING && abandon) {
    call->state = ABANDONED;
  }
  pthread_mutex_unlock(&pool->mutex);
  return state;
}

// The calls

static void call_ended(weir_internal_message *message) {
  blocking_call *call = WEIR_INTERNAL_CONTAINER(message, blocking_call, message);
  call->ended = true;
  // It misses when a cancellation came first; the waiter looks at |ended|.
  (void)weir_internal_wake(call->ticket, 0);
}

static int await_message(blocking_call *call) {
  call->ticket = weir_internal_ticket_take_for("blocking call");
  return weir_internal_suspend(call->ticket, WEIR_FOREVER);
}

// Waits for the end of |call|, whatever else happens, and has happened.
static void await_end(blocking_call *call) {
  weir_shield shield = weir_shield_begin();
  while (!call->ended) {
    // Behind the shield nothing but the message ends the wait.
    int result = await_message(call);
    (void)result;
  }
  weir_shield_end(shield);
}

static void init_call(blocking_call *call, weir_function function, void *argument) {
  memset(call, 0, sizeof *call);
  call->message.run = call_ended;
  call->loop = weir_internal_current_loop();
  call->function = function;
  call->argument = argument;
}

// Returns the pool of the current coroutine's selector, or NULL.
static weir_internal_blocking_pool *current_pool(void) {
  weir_internal_selector_loop *loop = weir_internal_current_selector_loop();
  return loop != NULL ? &loop->selector->blocking : NULL;
}

int weir_blocking(weir_function function, void *argument) {
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  weir_internal_blocking_pool *pool = current_pool();
  if (pool == NULL || function == NULL) return -EINVAL;
  blocking_call call;
  init_call(&call, function, argument);
  result = enqueue(pool, &call);
  if (result < 0) return result;
  result = await_message(&call);
  if (!call.ended && give_up(pool, &call, false) == QUEUED) return result;
  if (result == -ETIMEDOUT) weir_internal_forget_expiry();
  await_end(&call);
  return call.result;
}

static bool is_interruption(int result) { return result == -ECANCELED || result == -ETIMEDOUT; }

// Carries out a call that may be abandoned. Returns its result; *out_abandoned tells whether the
// thread will discard the argument.
static int call_detached(weir_internal_blocking_pool *pool, blocking_call *call,
                         bool *out_abandoned) {
  int result = enqueue(pool, call);
  if (result == 0) {
    result = await_message(call);
    call_state state = call->ended ? ENDED : give_up(pool, call, true);
    if (state == RUNNING) {
      *out_abandoned = true;
      return result;
    }
    if (state == ENDED) {
      if (result == -ETIMEDOUT) weir_internal_forget_expiry();
      await_end(call);
      result = call->result;
    }
  }
  weir_internal_release(call, sizeof *call);
  return result;
}

int weir_blocking_detached(weir_function function, void *argument,
                           void (*discard)(void *argument)) {
  int result = weir_internal_enter_here();
  bool abandoned = false;
  if (result == 0) {
    weir_internal_blocking_pool *pool = current_pool();
    if (pool == NULL || function == NULL) return -EINVAL;
    blocking_call *call = (blocking_call *)weir_internal_allocate(sizeof *call);
    if (call == NULL) return -ENOMEM;
    init_call(call, function, argument);
    call->discard = discard;
    result = call_detached(pool, call, &abandoned);
  }
  if (is_interruption(result) && !abandoned && discard != NULL) discard(argument);
  return result;
}
