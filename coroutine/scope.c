// SPDX-License-Identifier: Apache-2.0
//
// Scopes own coroutines and do not end before them; launching.

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"
#include "coroutine/internal/remote.h"

// |scope| is opened inside another one of which the owner is to learn that it failed.
static void inherit_failure(weir_scope *scope) {
  int failure = weir_internal_untold_failure(scope->owner, false);
  if (scope->cancelled || failure == 0) return;
  scope->cancelled = true;
  scope->cause = failure;
}

// Inlined into the launch, which is quick.
static inline __attribute__((always_inline)) void prepare(weir_scope *scope,
                                                          weir_internal_coroutine *owner) {
  scope->owner = owner;
  weir_internal_list_init(&scope->children);
  weir_internal_wait_queue_init(&scope->waiter);
  scope->deadline = owner->deadline;
  scope->shields = owner->shields;
  scope->cancelled = owner->cancelled && owner->shields == 0;
  scope->cause = owner->cause;
  if (owner->untold_failures > 0) inherit_failure(scope);
  weir_internal_list_append(&owner->scopes, &scope->link);
}

void weir_internal_scope_init(weir_scope *scope, weir_internal_coroutine *owner) {
  prepare(scope, owner);
}

// A scope that has a handle.
typedef struct opened_scope {
  weir_scope scope;
  weir_internal_cancel_request cancel_request;  // closed when the scope is
} opened_scope;

static opened_scope *opened(weir_scope *scope) {
  return WEIR_INTERNAL_CONTAINER(scope, opened_scope, scope);
}

static void read_cancel(weir_internal_message *message) {
  opened_scope *self = WEIR_INTERNAL_CONTAINER(message, opened_scope, cancel_request.message);
  int cause = weir_internal_cancel_request_read(&self->cancel_request);
  if (cause < 0) {
    weir_internal_scope_cancel_children(&self->scope, cause);
  } else {
    weir_internal_release(self, sizeof *self);
  }
}

int weir_scope_open(weir_scope **out, const weir_scope_options *options) {
  weir_internal_coroutine *owner = weir_internal_running();
  if (out == NULL) return -EINVAL;
  *out = NULL;
  if (owner == NULL || owner->scopes_ended) return -EINVAL;
  opened_scope *self = (opened_scope *)weir_internal_allocate(sizeof *self);
  if (self == NULL) return -ENOMEM;
  weir_scope *scope = &self->scope;
  weir_internal_scope_init(scope, owner);
  weir_internal_cancel_request_open(&self->cancel_request, read_cancel);
  if (options != NULL) {
    scope->fail_together = options->fail_together;
    scope->name = options->name;
  }
  *out = scope;
  return 0;
}

weir_scope *weir_internal_scope_resolve(weir_scope *scope) {
  weir_internal_coroutine *current = weir_internal_running();
  if (current == NULL) return NULL;
  if (scope != NULL) return scope;
  return current->scopes_ended ? NULL : &current->own_scope;
}

// Failing together

int weir_internal_find_untold_failure(const weir_internal_coroutine *coroutine, bool any) {
  // The outermost comes first: the others are inside of it.
  const weir_internal_list *scopes = &coroutine->scopes;
  for (weir_internal_link *link = scopes->next; link != scopes; link = link->next) {
    const weir_scope *scope = WEIR_INTERNAL_CONTAINER(link, weir_scope, link);
    bool kept_off = coroutine->shields > scope->shields;
    if (scope->untold && (any || !kept_off)) return scope->first_failure;
  }
  return 0;
}

static void set_untold(weir_scope *scope, bool untold) {
  if (scope->untold == untold) return;
  scope->untold = untold;
  if (untold) {
    scope->owner->untold_failures++;
  } else {
    scope->owner->untold_failures--;
  }
  weir_internal_coroutine_look_again(scope->owner);
}

// The owner begins to wait for |scope|, by which it learns what it does not know yet.
static inline void begin_wait(weir_scope *scope) {
  scope->awaited = true;
  if (scope->untold) set_untold(scope, false);
}

// The wait for |scope|, of which a coroutine has failed, ended with |result|; if that is negative
// it has told nothing. Returns the result of weir_scope_wait.
static int tell(weir_scope *scope, int result) {
  if (result == 0) scope->told = true;
  set_untold(scope, scope->fail_together && !scope->told);
  if (result < 0) return result;
  weir_internal_coroutine_learn(scope->first_failure);
  return scope->first_failure;
}

// The first coroutine of |scope| has failed: what its owner does meanwhile is inside of it and
// ends, too, as are the scopes that the owner has opened since.
static void stop_owner(weir_scope *scope) {
  if (scope->awaited) return;
  weir_internal_coroutine *owner = scope->owner;
  set_untold(scope, true);
  for (weir_internal_link *link = scope->link.next; link != &owner->scopes; link = link->next) {
    weir_scope *inner = WEIR_INTERNAL_CONTAINER(link, weir_scope, link);
    if (inner->shields > scope->shields) continue;
    weir_internal_scope_cancel_children(inner, scope->first_failure);
  }
  if (owner->shields > scope->shields) return;
  // If it is not suspended, or woken already, its next suspension tells.
  (void)weir_internal_wake_present(owner, -ECANCELED);
}

static int wait_for_children(weir_scope *scope) {
  int result = weir_internal_enter_here();
  while (result == 0 && !weir_internal_list_is_empty(&scope->children)) {
    result = weir_internal_wait_queue_wait_for(&scope->waiter, WEIR_FOREVER, "scope");
  }
  return result;
}

int weir_scope_wait(weir_scope *scope) {
  scope = weir_internal_scope_resolve(scope);
  if (scope == NULL || scope->owner != weir_internal_running()) return -EINVAL;
  begin_wait(scope);
  int result = wait_for_children(scope);
  scope->awaited = false;
  return scope->first_failure < 0 ? tell(scope, result) : result;
}

void weir_internal_scope_cancel_children(weir_scope *scope, int cause) {
  // Then all who are in it know.
  if (scope->cancelled) return;
  scope->cause = cause;
  scope->cancelled = true;
  for (weir_internal_link *link = scope->children.next; link != &scope->children;
       link = link->next) {
    weir_internal_coroutine_cancel(WEIR_INTERNAL_CONTAINER(link, weir_internal_coroutine, sibling),
                                   cause);
  }
}

void weir_scope_cancel(weir_scope *scope) { weir_scope_cancel_with_cause(scope, -ECANCELED); }

void weir_scope_cancel_with_cause(weir_scope *scope, int cause) {
  if (cause >= 0) cause = -ECANCELED;
  if (scope != NULL && scope->owner->loop != weir_internal_current_loop()) {
    weir_internal_cancel_request_send(&opened(scope)->cancel_request, scope->owner->loop, cause);
    return;
  }
  if (scope == NULL) scope = weir_internal_scope_resolve(NULL);
  if (scope != NULL) weir_internal_scope_cancel_children(scope, cause);
}

static void join_children(weir_scope *scope) {
  begin_wait(scope);
  weir_shield shield = weir_shield_begin();
  while (!weir_internal_list_is_empty(&scope->children)) {
    // Behind the shield nothing but the last child wakes it.
    int result = weir_internal_wait_queue_wait_for(&scope->waiter, WEIR_FOREVER, "scope");
    (void)result;
  }
  weir_shield_end(shield);
}

// Suspends until |scope| has no children, whatever else happens.
static inline void join(weir_scope *scope) {
  if (!weir_internal_list_is_empty(&scope->children)) join_children(scope);
}

static void free_scope(weir_scope *scope) {
  set_untold(scope, false);
  weir_internal_link_remove(&scope->link);
  opened_scope *self = opened(scope);
  bool due = weir_internal_cancel_request_close(&self->cancel_request, scope->owner->loop);
  if (!due) weir_internal_release(self, sizeof *self);
}

int weir_scope_close(weir_scope *scope) {
  if (scope == NULL) return 0;
  weir_internal_coroutine *current = weir_internal_running();
  if (current == NULL || scope->owner != current || scope == &current->own_scope) return -EINVAL;
  weir_internal_scope_cancel_children(scope, -ECANCELED);
  join(scope);
  int result = scope->first_failure;
  free_scope(scope);
  weir_internal_coroutine_learn(result);
  return result;
}

int weir_internal_scopes_end(weir_internal_coroutine *coroutine, int result) {
  weir_scope *own = &coroutine->own_scope;
  // One that ends because a scope of its own has failed, without having asked why, hands that on.
  int failure = weir_internal_untold_failure(coroutine, true);
  if (result == -ECANCELED && !coroutine->cancelled && failure < 0) result = failure;
  int cause = result < 0 ? result : -ECANCELED;
  // One that ends because it was cancelled hands on why.
  if (result == -ECANCELED && coroutine->cancelled) cause = coroutine->cause;
  while (coroutine->scopes.previous != &own->link) {
    weir_scope *scope = WEIR_INTERNAL_CONTAINER(coroutine->scopes.previous, weir_scope, link);
    weir_internal_scope_cancel_children(scope, cause);
    join(scope);
    free_scope(scope);
  }
  if (result < 0) weir_internal_scope_cancel_children(own, cause);
  join(own);
  coroutine->scopes_ended = true;
  return result;
}

void weir_internal_scope_child_ended(weir_scope *scope, weir_internal_coroutine *child,
                                     int result) {
  weir_internal_link_remove(&child->sibling);
  bool failed = result < 0 && result != -ECANCELED;
  if (failed && scope->first_failure == 0) {
    scope->first_failure = result;
    if (scope->fail_together) {
      weir_internal_scope_cancel_children(scope, result);
      stop_owner(scope);
    }
  }
  if (weir_internal_list_is_empty(&scope->children)) {
    weir_internal_wait_queue_wake_all(&scope->waiter, 0);
  }
}

void weir_internal_scope_adopt(weir_scope *scope, weir_internal_coroutine *child) {
  child->deadline = scope->deadline;
  child->cancelled = scope->cancelled;
  child->cause = scope->cause;
  child->parent = scope;
  weir_internal_list_append(&scope->children, &child->sibling);
  prepare(&child->own_scope, child);
}

int weir_internal_loop_launch(weir_internal_loop *loop, weir_function function, void *argument) {
  weir_internal_coroutine *child = weir_internal_coroutine_create(loop, NULL, function, argument);
  if (child == NULL) return -ENOMEM;
  weir_internal_scope_adopt(&loop->background, child);
  weir_internal_loop_make_ready(loop, child);
  return 0;
}

int weir_internal_launch(weir_scope *scope, weir_job **out_or_null,
                         const weir_launch_options *options, weir_function function, void *argument,
                         void *launch_site) {
  if (out_or_null != NULL) *out_or_null = NULL;
  scope = weir_internal_scope_resolve(scope);
  if (scope == NULL || function == NULL) return -EINVAL;
  if (!weir_internal_launch_options_are_valid(options)) return -EINVAL;
  weir_internal_loop *loop = weir_internal_thread.loop;
  if (scope->owner->loop != loop) return -EXDEV;
  weir_job *job = NULL;
  if (out_or_null != NULL) {
    job = (weir_job *)weir_internal_allocate(sizeof *job);
    if (job == NULL) return -ENOMEM;
  }
  weir_internal_coroutine *child =
      weir_internal_coroutine_create(loop, options, function, argument);
  if (child == NULL) {
    weir_internal_release(job, sizeof *job);
    return -ENOMEM;
  }
  weir_internal_scope_adopt(scope, child);
  child->launch_site = launch_site;
  if (job != NULL) {
    weir_internal_job_init(job, child);
    *out_or_null = job;
  }
  weir_internal_loop_make_ready(loop, child);
  return 0;
}

int weir_launch(weir_scope *scope, weir_job **out_or_null, const weir_launch_options *options,
                weir_function function, void *argument) {
  return weir_internal_launch(scope, out_or_null, options, function, argument,
                              __builtin_return_address(0));
}
