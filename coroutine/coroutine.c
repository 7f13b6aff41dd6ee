// SPDX-License-Identifier: Apache-2.0
//
// The life of a coroutine: its making, its running, and how it is parked, woken and cancelled.

#include "coroutine/internal/coroutine.h"

// Where a control block begins, below the end of its stack.
enum { CONTROL_BLOCK_ALIGNMENT = 64 };

// Nanoseconds after which a round ends with the turn that was used up.
enum { LONG_ROUND = 200 * 1000 };

static void fire_deadline(weir_internal_timer *timer);
static void deliver_wake(weir_internal_message *message);

static void end(weir_internal_coroutine *coroutine, int result) {
  weir_internal_loop *loop = coroutine->loop;
  result = weir_internal_scopes_end(coroutine, result);
  if (coroutine->locals != NULL) weir_internal_locals_end(coroutine);
  weir_internal_pre_suspend_run(coroutine);
  if (weir_internal_timer_is_armed(&coroutine->timer)) {
    weir_internal_timer_cancel(loop, &coroutine->timer);
  }
  if (coroutine->job != NULL) weir_internal_job_ended(coroutine->job, result);
  if (coroutine->parent != NULL) {
    weir_internal_scope_child_ended(coroutine->parent, coroutine, result);
  } else {
    loop->root = NULL;
    (void)weir_internal_cancel_request_close(&loop->cancel_root_request, loop);
    loop->root_result = result;
  }
  weir_internal_link_remove(&coroutine->of_loop);
  weir_internal_loop_count(loop, -1);
  // Whoever learns of it finds a loop with one less.
  if (coroutine->remote != NULL) weir_internal_remote_guest_ended(coroutine->remote, result);
  loop->ended = coroutine;
}

static void run(void *argument) {
  weir_internal_coroutine *coroutine = (weir_internal_coroutine *)argument;
  weir_internal_loop *loop = coroutine->loop;
  weir_internal_context_entered(&loop->context);
  weir_internal_loop_bury(loop);
  end(coroutine, coroutine->function(coroutine->argument));
  weir_internal_context_leave(&coroutine->context, weir_internal_loop_next(loop));
}

bool weir_internal_launch_options_are_valid(const weir_launch_options *options) {
  if (options == NULL || options->stack_size == 0) return true;
  return options->stack_size >= WEIR_INTERNAL_SMALLEST_STACK &&
         options->stack_size <= WEIR_INTERNAL_LARGEST_STACK;
}

// Returns where stacks of |size| bytes come from.
static weir_internal_stack_pool *pool_of(weir_internal_loop *loop, size_t size) {
  size *= WEIR_INTERNAL_STACK_FACTOR;
  if (size == loop->stacks.stack_size) return &loop->stacks;
  int bits = WEIR_INTERNAL_SMALLEST_STACK_BITS;
  while ((size_t)1 << bits < size) bits++;
  weir_internal_stack_pool *pool = &loop->sized_stacks[bits - WEIR_INTERNAL_SMALLEST_STACK_BITS];
  if (pool->stack_size == 0) weir_internal_stack_pool_init(pool, (size_t)1 << bits);
  return pool;
}

// Clears all but the ticket, line by line: for a block as large as this compilers choose an
// instruction that takes long to begin.
static void clear(weir_internal_coroutine *coroutine, char *end) {
  size_t before = offsetof(weir_internal_coroutine, context);
  memset(&coroutine->context, 0, CONTROL_BLOCK_ALIGNMENT - before);
  char *line = (char *)coroutine + CONTROL_BLOCK_ALIGNMENT;
  for (; line < end; line += CONTROL_BLOCK_ALIGNMENT) memset(line, 0, CONTROL_BLOCK_ALIGNMENT);
}

weir_internal_coroutine *weir_internal_coroutine_create(weir_internal_loop *loop,
                                                        const weir_launch_options *options,
                                                        weir_function function, void *argument) {
  bool own_size = options != NULL && options->stack_size > 0;
  weir_internal_stack_pool *pool = own_size ? pool_of(loop, options->stack_size) : &loop->stacks;
  weir_internal_stack *stack = weir_internal_stack_take(pool);
  if (stack == NULL) return NULL;
  size_t block_size = (sizeof(weir_internal_coroutine) + CONTROL_BLOCK_ALIGNMENT - 1) &
                      ~(size_t)(CONTROL_BLOCK_ALIGNMENT - 1);
  char *block = stack->top - block_size;
  weir_internal_coroutine *coroutine = (weir_internal_coroutine *)(void *)block;
  atomic_store_explicit(&coroutine->ticket, 0, memory_order_relaxed);
  clear(coroutine, stack->top);
  coroutine->loop = loop;
  coroutine->stack = stack;
  if (options != NULL) coroutine->name = options->name;
  coroutine->function = function;
  coroutine->argument = argument;
  coroutine->deadline = WEIR_FOREVER;
  coroutine->timer.fire = fire_deadline;
  coroutine->wake_message.run = deliver_wake;
  weir_internal_list_init(&coroutine->pre_suspend);
  weir_internal_list_init(&coroutine->scopes);
  weir_internal_link_init(&coroutine->sibling);
  weir_internal_context_make(&coroutine->context, stack->bottom, (size_t)(block - stack->bottom),
                             run, coroutine);
  weir_internal_list_append(&loop->coroutines, &coroutine->of_loop);
  weir_internal_loop_count(loop, 1);
  return coroutine;
}

void weir_internal_coroutine_look_again(weir_internal_coroutine *coroutine) {
  if (coroutine != coroutine->loop->current || weir_internal_thread.allowance == 0) return;
  coroutine->turn = weir_internal_thread.allowance;
  weir_internal_thread.allowance = 0;
}

weir_internal_coroutine *weir_internal_current_coroutine(void) { return weir_internal_running(); }

static inline int look_at(const weir_internal_coroutine *coroutine) {
  if (coroutine->cancelled && coroutine->shields == 0) return -ECANCELED;
  if (weir_internal_untold_failure(coroutine, false) < 0) return -ECANCELED;
  return coroutine->deadline > coroutine->loop->now ? 0 : -ETIMEDOUT;
}

int weir_internal_coroutine_check(weir_internal_coroutine *coroutine) {
  int stop = look_at(coroutine);
  if (stop == -ETIMEDOUT) coroutine->deadline_expired = true;
  return stop;
}

static int yield_now(weir_internal_coroutine *coroutine) {
  weir_internal_pre_suspend_run(coroutine);
  coroutine->wake_reason = 0;
  weir_internal_loop_make_ready(coroutine->loop, coroutine);
  weir_internal_coroutine_park(coroutine);
  return weir_internal_coroutine_check(coroutine);
}

// A turn that was used up may have taken long, so timers and the world come before the next one.
// But to look at the world takes as long as twenty lines that need none of it.
static void end_long_round(weir_internal_loop *loop) {
  int64_t now = loop->operations->now(loop->operations_context);
  if (now - loop->now >= LONG_ROUND) loop->turns_left = 0;
}

int weir_internal_enter_slowly(const weir_internal_loop *loop) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return -EINVAL;
  if (loop != NULL && loop != coroutine->loop) return -EXDEV;
  int stop = weir_internal_coroutine_check(coroutine);
  if (stop < 0) return stop;
  weir_internal_coroutine_look_again(coroutine);
  if (coroutine->turn == 0) {
    end_long_round(coroutine->loop);
    return yield_now(coroutine);
  }
  weir_internal_thread.allowance = coroutine->turn - 1;
  coroutine->turn = 0;
  return 0;
}

void weir_internal_spend_slowly(size_t bytes) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return;
  weir_internal_thread_state *thread = &weir_internal_thread;
  // What is left of the turn is in one of the two.
  uint32_t *left = thread->allowance > 0 ? &thread->allowance : &coroutine->turn;
  size_t spent = bytes / WEIR_INTERNAL_BYTES_PER_OPERATION;
  *left = spent < *left ? *left - (uint32_t)spent : 0;
}

int weir_internal_check(const weir_internal_loop *loop) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return -EINVAL;
  if (loop != NULL && loop != coroutine->loop) return -EXDEV;
  return weir_internal_coroutine_check(coroutine);
}

static bool is_interrupted(const weir_internal_coroutine *coroutine) {
  const weir_internal_interruptible *each = coroutine->interruptible;
  while (each != NULL && !each->interrupted) each = each->outer;
  // The further out, the more shields are inside it.
  return each != NULL && each->shields == coroutine->shields;
}

int weir_yield(void) {
  int result = weir_internal_enter_here();
  if (result < 0) return result;
  weir_internal_coroutine *coroutine = weir_internal_running();
  result = yield_now(coroutine);
  return result == 0 && is_interrupted(coroutine) ? -ECANCELED : result;
}

size_t weir_internal_stack_left(void) {
  const weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return SIZE_MAX;
  uintptr_t here = (uintptr_t)__builtin_frame_address(0);
  uintptr_t bottom = (uintptr_t)coroutine->stack->bottom;
  return here > bottom ? here - bottom : 0;
}

// Suspending and waking

static inline weir_internal_ticket take_ticket(const char *what) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  coroutine->waits_for = what;
  uint64_t generation = ++coroutine->loop->generations << 1 | 1;
  atomic_store_explicit(&coroutine->ticket, generation, memory_order_release);
  weir_internal_ticket ticket = {coroutine, generation};
  return ticket;
}

weir_internal_ticket weir_internal_ticket_take_for(const char *what) { return take_ticket(what); }

bool weir_internal_claim(weir_internal_ticket ticket) {
  uint64_t expected = ticket.generation;
  return atomic_compare_exchange_strong_explicit(&ticket.coroutine->ticket, &expected,
                                                 ticket.generation - 1, memory_order_acq_rel,
                                                 memory_order_relaxed);
}

void weir_internal_deliver(weir_internal_ticket ticket, int reason) {
  weir_internal_coroutine *coroutine = ticket.coroutine;
  coroutine->wake_reason = reason;
  if (coroutine->loop == weir_internal_thread.loop) {
    weir_internal_loop_make_ready(coroutine->loop, coroutine);
  } else {
    weir_internal_loop_post(coroutine->loop, &coroutine->wake_message);
  }
}

bool weir_internal_wake(weir_internal_ticket ticket, int reason) {
  if (!weir_internal_claim(ticket)) return false;
  weir_internal_deliver(ticket, reason);
  return true;
}

bool weir_internal_ticket_is_open(weir_internal_ticket ticket) {
  return atomic_load_explicit(&ticket.coroutine->ticket, memory_order_relaxed) == ticket.generation;
}

static void deliver_wake(weir_internal_message *message) {
  weir_internal_coroutine *coroutine =
      WEIR_INTERNAL_CONTAINER(message, weir_internal_coroutine, wake_message);
  weir_internal_loop_make_ready(coroutine->loop, coroutine);
}

static weir_internal_ticket present_ticket(weir_internal_coroutine *coroutine) {
  uint64_t generation = atomic_load_explicit(&coroutine->ticket, memory_order_acquire);
  weir_internal_ticket ticket = {coroutine, generation};
  return ticket;
}

static bool is_parked(weir_internal_ticket ticket) { return (ticket.generation & 1) != 0; }

bool weir_internal_wake_present(weir_internal_coroutine *coroutine, int reason) {
  weir_internal_ticket ticket = present_ticket(coroutine);
  return is_parked(ticket) && weir_internal_wake(ticket, reason);
}

void weir_internal_interruptible_begin(weir_internal_interruptible *self) {
  self->coroutine = weir_internal_running();
  self->outer = self->coroutine->interruptible;
  self->shields = self->coroutine->shields;
  self->interrupted = false;
  self->coroutine->interruptible = self;
}

void weir_internal_interruptible_end(weir_internal_interruptible *self) {
  self->coroutine->interruptible = self->outer;
}

void weir_internal_interruptible_interrupt(weir_internal_interruptible *self) {
  self->interrupted = true;
  if (self->coroutine->shields > self->shields) return;
  // A wake that is lost has met one that came before, and the next suspension tells.
  (void)weir_internal_wake_present(self->coroutine, -ECANCELED);
}

// The timer stays armed when its suspension ends early, because most end early and the next
// deadline is mostly later. So it may fire too soon, and is then armed again.
static void fire_deadline(weir_internal_timer *timer) {
  weir_internal_coroutine *coroutine =
      WEIR_INTERNAL_CONTAINER(timer, weir_internal_coroutine, timer);
  weir_internal_loop *loop = coroutine->loop;
  weir_internal_ticket ticket = present_ticket(coroutine);
  if (!is_parked(ticket) || coroutine->wake_at == WEIR_FOREVER) return;
  if (coroutine->wake_at > loop->now) {
    weir_internal_timer_arm(loop, timer, coroutine->wake_at);
    return;
  }
  bool is_deadline = coroutine->wake_at == coroutine->deadline;
  if (weir_internal_wake(ticket, is_deadline ? -ETIMEDOUT : -ETIME) && is_deadline) {
    coroutine->deadline_expired = true;
  }
}

// Returns the result of the suspension that |stop|, or an interruption, ends at once; 0: nothing
// does. Whoever was served meanwhile is told that, and what is in the way stays there.
static int end_at_once(weir_internal_ticket ticket, int stop) {
  weir_internal_coroutine *coroutine = ticket.coroutine;
  bool interrupted = is_interrupted(coroutine);
  if ((stop == 0 && !interrupted) || !weir_internal_claim(ticket)) return 0;
  if (stop == -ETIMEDOUT) coroutine->deadline_expired = true;
  return interrupted ? -ECANCELED : stop;
}

static inline int suspend(weir_internal_ticket ticket, int64_t until) {
  weir_internal_coroutine *coroutine = ticket.coroutine;
  weir_internal_pre_suspend_run(coroutine);
  int stop = look_at(coroutine);
  if (stop < 0 || coroutine->interruptible != NULL) {
    stop = end_at_once(ticket, stop);
    if (stop < 0) return stop;
  }
  // It is behind a shield, which does not help when the loop has failed.
  if (coroutine->cancelled && coroutine->loop->wait_failure < 0) coroutine->loop->force_due = true;
  coroutine->suspended_at = coroutine->loop->now;
  coroutine->wake_at = until < coroutine->deadline ? until : coroutine->deadline;
  bool covered = weir_internal_timer_is_armed(&coroutine->timer) &&
                 coroutine->timer.when <= coroutine->wake_at;
  if (coroutine->wake_at != WEIR_FOREVER && !covered) {
    weir_internal_timer_arm(coroutine->loop, &coroutine->timer, coroutine->wake_at);
  }
  return weir_internal_coroutine_park(coroutine);
}

int weir_internal_suspend(weir_internal_ticket ticket, int64_t until) {
  return suspend(ticket, until);
}

int weir_internal_wait_for(weir_internal_ticket *out, int64_t until, const char *what) {
  *out = take_ticket(what);
  return suspend(*out, until);
}

// Cancelling

// Why, and whether shields help.
typedef struct cancellation {
  int cause;
  bool force;
} cancellation;

static void wake_cancelled(weir_internal_coroutine *coroutine, cancellation how) {
  if (coroutine->stack == NULL) {
    weir_internal_remote_cancel(coroutine, how.force);
    return;
  }
  weir_internal_coroutine_look_again(coroutine);
  weir_internal_ticket ticket = present_ticket(coroutine);
  if (!is_parked(ticket) || (coroutine->shields > 0 && !how.force)) return;
  // A wake that is lost has met one that came before, and the next suspension tells.
  (void)weir_internal_wake(ticket, -ECANCELED);
}

// Returns whether |coroutine|, and all below it, did not know. Below one that was cancelled before
// there is nobody who was not, but for those that shields keep from it.
static bool cancel_one(weir_internal_coroutine *coroutine, cancellation how) {
  bool knew = coroutine->cancelled;
  if (!knew) coroutine->cause = how.cause;
  coroutine->cancelled = true;
  if (knew && !how.force) return false;
  wake_cancelled(coroutine, how);
  return true;
}

// Returns the first child in the scopes of |owner| from |link| on, and marks these as cancelled.
static weir_internal_coroutine *first_child(weir_internal_coroutine *owner,
                                            weir_internal_link *link, cancellation how) {
  for (; link != &owner->scopes; link = link->next) {
    weir_scope *scope = WEIR_INTERNAL_CONTAINER(link, weir_scope, link);
    if ((scope->shields > 0 || scope->cancelled) && !how.force) continue;
    if (!scope->cancelled) scope->cause = how.cause;
    scope->cancelled = true;
    if (!weir_internal_list_is_empty(&scope->children)) {
      return WEIR_INTERNAL_CONTAINER(scope->children.next, weir_internal_coroutine, sibling);
    }
  }
  return NULL;
}

// Returns who follows |coroutine| in a walk of the tree below |top|; |down|: those below it come
// next. No recursion: the tree may be deeper than a stack.
static weir_internal_coroutine *next_in_tree(weir_internal_coroutine *coroutine, bool down,
                                             weir_internal_coroutine *top, cancellation how) {
  weir_internal_coroutine *child =
      down ? first_child(coroutine, coroutine->scopes.next, how) : NULL;
  if (child != NULL) return child;
  while (coroutine != top) {
    weir_scope *scope = coroutine->parent;
    if (coroutine->sibling.next != &scope->children) {
      return WEIR_INTERNAL_CONTAINER(coroutine->sibling.next, weir_internal_coroutine, sibling);
    }
    child = first_child(scope->owner, scope->link.next, how);
    if (child != NULL) return child;
    coroutine = scope->owner;
  }
  return NULL;
}

static void cancel_tree(weir_internal_coroutine *top, cancellation how) {
  weir_internal_coroutine *coroutine = top;
  while (coroutine != NULL) {
    bool down = cancel_one(coroutine, how);
    coroutine = next_in_tree(coroutine, down, top, how);
  }
}

void weir_internal_coroutine_cancel(weir_internal_coroutine *coroutine, int cause) {
  cancel_tree(coroutine, (cancellation){.cause = cause, .force = false});
}

void weir_internal_coroutine_force(weir_internal_coroutine *coroutine, int cause) {
  cancel_tree(coroutine, (cancellation){.cause = cause, .force = true});
}

bool weir_is_cancelled(void) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  return coroutine != NULL && (coroutine->cancelled || coroutine->untold_failures > 0);
}

int weir_cancellation_cause(void) {
  weir_internal_coroutine *coroutine = weir_internal_running();
  if (coroutine == NULL) return 0;
  return coroutine->cancelled ? coroutine->cause : weir_internal_untold_failure(coroutine, true);
}
