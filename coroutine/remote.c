// SPDX-License-Identifier: Apache-2.0
//
// Coroutines on other loops. One that is launched there, the guest, belongs to a scope here, where
// a proxy stands for it: a control block without a stack, that is a child of the scope and ends
// when the guest has ended. Between the two go four messages:
//
//   request   here to there: launch it
//   launched  there to here: it exists, or there is no memory for it (a reply)
//   cancel    here to there, and back when it was read
//   ended     there to here: with the result
//
// Everything is in one block of memory, that belongs to this side. It is freed when the guest has
// ended and the message of a cancellation, if one was sent, is back.

#include "coroutine/internal/remote.h"

#include "base/internal/memory.h"
#include "coroutine/internal/coroutine.h"

// The launching coroutine waits for it.
typedef struct launch {
  weir_internal_reply reply;
  int result;
} launch;

struct weir_internal_remote {
  // Of the side that launched; |proxy.loop| is its loop.
  weir_internal_coroutine proxy;
  bool ended;
  bool cancel_away;  // the message is on its way, there or back
  bool force_again;  // meanwhile it was forced, and must be told so
  // Written before the request, read there. Who answers may be gone afterwards, so |launch| is not
  // used after the answer.
  weir_internal_loop *target;
  launch *launch;
  weir_launch_options options;
  int64_t deadline;
  int born_cause;  // why it was cancelled already; 0: it was not
  // On the way.
  bool force;
  int cause;
  int result;
  weir_internal_message request;
  weir_internal_message cancel;
  weir_internal_message end;
  // Of the other side.
  weir_internal_coroutine *guest;  // NULL before and after its life
};

// Replies

static void deliver_reply(weir_internal_message *message) {
  weir_internal_reply *reply = WEIR_INTERNAL_CONTAINER(message, weir_internal_reply, message);
  reply->arrived = true;
  // The coroutine may still wait for something else, or the loop forces all coroutines to end; in
  // both cases it looks at |arrived|.
  if (reply->ticket.coroutine != NULL) (void)weir_internal_wake(reply->ticket, 0);
}

void weir_internal_reply_init(weir_internal_reply *reply) {
  memset(reply, 0, sizeof *reply);
  reply->message.run = deliver_reply;
  reply->loop = weir_internal_current_loop();
}

void weir_internal_reply_send(weir_internal_reply *reply) {
  weir_internal_loop_post(reply->loop, &reply->message);
}

void weir_internal_reply_await(weir_internal_reply *reply, const char *what) {
  weir_shield shield = weir_shield_begin();
  while (!reply->arrived) {
    reply->ticket = weir_internal_ticket_take_for(what);
    // Behind the shield nothing else ends the wait, unless the loop cannot wait any more.
    int reason = weir_internal_suspend(reply->ticket, WEIR_FOREVER);
    (void)reason;
  }
  weir_shield_end(shield);
}

// Calls

typedef struct call {
  weir_internal_message request;
  weir_internal_reply reply;
  void (*function)(void *argument);
  void *argument;
} call;

static void run_call(weir_internal_message *message) {
  call *self = WEIR_INTERNAL_CONTAINER(message, call, request);
  self->function(self->argument);
  weir_internal_reply_send(&self->reply);
}

void weir_internal_loop_call(weir_internal_loop *loop, void (*function)(void *argument),
                             void *argument, const char *what) {
  if (loop == weir_internal_current_loop()) {
    function(argument);
    return;
  }
  call self = {.request = {.run = run_call}, .function = function, .argument = argument};
  weir_internal_reply_init(&self.reply);
  weir_internal_loop_post(loop, &self.request);
  weir_internal_reply_await(&self.reply, what);
}

// The side of the guest

static void answer(weir_internal_remote *remote, int result) {
  launch *waiting = remote->launch;
  waiting->result = result;
  weir_internal_reply_send(&waiting->reply);
}

// What its scope, on the other side, would have given it.
static void adopt_guest(weir_internal_coroutine *guest, weir_internal_remote *remote) {
  weir_scope *guests = &guest->loop->guests;
  guest->deadline = remote->deadline;
  guest->cancelled = remote->born_cause < 0;
  guest->cause = remote->born_cause;
  guest->parent = guests;
  weir_internal_list_append(&guests->children, &guest->sibling);
  weir_internal_scope_init(&guest->own_scope, guest);
  guest->remote = remote;
  remote->guest = guest;
}

static void launch_guest(weir_internal_message *message) {
  weir_internal_remote *remote = WEIR_INTERNAL_CONTAINER(message, weir_internal_remote, request);
  weir_internal_loop *loop = remote->target;
  atomic_fetch_sub_explicit(&loop->requests, 1, memory_order_relaxed);
  // Only coroutines of loops themselves may still launch others then; see loop.c.
  if (weir_internal_loop_is_ending(loop)) {
    answer(remote, -ECANCELED);
    return;
  }
  const weir_internal_coroutine *proxy = &remote->proxy;
  weir_internal_coroutine *guest =
      weir_internal_coroutine_create(loop, &remote->options, proxy->function, proxy->argument);
  if (guest == NULL) {
    answer(remote, -ENOMEM);
    return;
  }
  adopt_guest(guest, remote);
  guest->launch_site = proxy->launch_site;
  answer(remote, 0);
  weir_internal_loop_make_ready(loop, guest);
}

static void take_cancel_back(weir_internal_message *message);

static void read_cancel(weir_internal_message *message) {
  weir_internal_remote *remote = WEIR_INTERNAL_CONTAINER(message, weir_internal_remote, cancel);
  if (remote->force) {
    // The loop it came from has failed, and with it the run.
    weir_internal_loop_fail(remote->target, remote->cause);
  } else if (remote->guest != NULL) {
    weir_internal_coroutine_cancel(remote->guest, remote->cause);
  }
  message->run = take_cancel_back;
  weir_internal_loop_post(remote->proxy.loop, message);
}

void weir_internal_remote_guest_ended(weir_internal_remote *remote, int result) {
  // Once that is posted the other side may be gone, and with it what a dump would tell.
  remote->guest->remote = NULL;
  remote->guest->name = NULL;
  remote->guest = NULL;
  remote->result = result;
  weir_internal_loop_post(remote->proxy.loop, &remote->end);
}

const weir_scope *weir_internal_remote_scope(const weir_internal_remote *remote) {
  return remote->proxy.parent;
}

// The side that launched

static void free_if_done(weir_internal_remote *remote) {
  if (!remote->ended || remote->cancel_away) return;
  remote->proxy.loop->proxy_count--;
  weir_internal_release(remote, sizeof *remote);
}

void weir_internal_remote_cancel(weir_internal_coroutine *proxy, bool force) {
  weir_internal_remote *remote = proxy->remote;
  if (remote->cancel_away) {
    remote->force_again |= force;
    return;
  }
  remote->cancel_away = true;
  remote->force = force;
  remote->cause = force ? proxy->loop->wait_failure : proxy->cause;
  remote->cancel.run = read_cancel;
  weir_internal_loop_post(remote->target, &remote->cancel);
}

static void take_cancel_back(weir_internal_message *message) {
  weir_internal_remote *remote = WEIR_INTERNAL_CONTAINER(message, weir_internal_remote, cancel);
  remote->cancel_away = false;
  bool force = remote->force_again;
  remote->force_again = false;
  if (force && !remote->ended) weir_internal_remote_cancel(&remote->proxy, true);
  free_if_done(remote);
}

// The proxy leaves its scope, which it does not outlive.
static void leave_scope(weir_internal_remote *remote, int result) {
  weir_internal_coroutine *proxy = &remote->proxy;
  weir_internal_link_remove(&proxy->of_loop);
  weir_internal_scope_child_ended(proxy->parent, proxy, result);
  remote->ended = true;
  free_if_done(remote);
}

static void end_proxy(weir_internal_message *message) {
  weir_internal_remote *remote = WEIR_INTERNAL_CONTAINER(message, weir_internal_remote, end);
  weir_internal_coroutine *proxy = &remote->proxy;
  if (proxy->job != NULL) weir_internal_job_ended(proxy->job, remote->result);
  leave_scope(remote, remote->result);
}

// Undoes a launch that failed there.
static void take_proxy_back(weir_internal_remote *remote) {
  weir_internal_coroutine *proxy = &remote->proxy;
  weir_internal_release(proxy->job, sizeof(weir_job));
  proxy->job = NULL;
  leave_scope(remote, 0);
}

// The proxy joins its scope before the other side answers, so that the scope does not end without
// it; what is cancelled meanwhile is told after the request.
static void make_proxy(weir_internal_remote *remote, weir_scope *scope) {
  weir_internal_coroutine *proxy = &remote->proxy;
  weir_internal_loop *loop = proxy->loop;
  proxy->name = remote->options.name;
  proxy->suspended_at = loop->now;
  proxy->remote = remote;
  weir_internal_list_init(&proxy->pre_suspend);
  weir_internal_list_init(&proxy->scopes);
  weir_internal_link_init(&proxy->sibling);
  weir_internal_scope_adopt(scope, proxy);
  weir_internal_list_append(&loop->coroutines, &proxy->of_loop);
  loop->proxy_count++;
  remote->deadline = proxy->deadline;
  if (proxy->cancelled) remote->born_cause = proxy->cause;
  remote->request.run = launch_guest;
  remote->end.run = end_proxy;
}

static int launch_and_wait(weir_internal_remote *remote) {
  launch self = {.result = 0};
  weir_internal_reply_init(&self.reply);
  remote->launch = &self;
  atomic_fetch_add_explicit(&remote->target->requests, 1, memory_order_relaxed);
  weir_internal_loop_post(remote->target, &remote->request);
  weir_internal_reply_await(&self.reply, "launch");
  // The guest may have ended by now, and |remote| with it; but not if it never was.
  if (self.result < 0) take_proxy_back(remote);
  return self.result;
}

static weir_job *add_job(weir_internal_remote *remote) {
  weir_job *job = (weir_job *)weir_internal_allocate(sizeof *job);
  if (job != NULL) weir_internal_job_init(job, &remote->proxy);
  return job;
}

int weir_internal_launch_remote(weir_internal_loop *target, weir_scope *scope,
                                weir_job **out_or_null, const weir_launch_options *options,
                                weir_function function, void *argument, void *launch_site) {
  if (out_or_null != NULL) *out_or_null = NULL;
  scope = weir_internal_scope_resolve(scope);
  if (scope == NULL || function == NULL) return -EINVAL;
  if (!weir_internal_launch_options_are_valid(options)) return -EINVAL;
  if (scope->owner->loop != weir_internal_current_loop()) return -EXDEV;
  weir_internal_remote *remote = (weir_internal_remote *)weir_internal_allocate(sizeof *remote);
  if (remote == NULL) return -ENOMEM;
  remote->target = target;
  remote->proxy.loop = weir_internal_current_loop();
  remote->proxy.function = function;
  remote->proxy.argument = argument;
  remote->proxy.launch_site = launch_site;
  if (options != NULL) remote->options = *options;
  weir_job *job = out_or_null != NULL ? add_job(remote) : NULL;
  if (out_or_null != NULL && job == NULL) {
    weir_internal_release(remote, sizeof *remote);
    return -ENOMEM;
  }
  make_proxy(remote, scope);
  int result = launch_and_wait(remote);
  if (result == 0 && out_or_null != NULL) *out_or_null = job;
  return result;
}
