// SPDX-License-Identifier: Apache-2.0
//
// Accepting: whatever goes wrong with one client, or with the machine for a while, is no reason to
// stop serving the next.

#include "base/internal/memory.h"
#include "tcp/internal/listener.h"
#include "tcp/internal/options.h"
#include "tcp/internal/tcp_connection.h"

#define FIRST_PAUSE (100 * WEIR_MILLISECOND)
#define LONGEST_PAUSE WEIR_SECOND

// Failures of the client that was to be accepted: Linux hands out errors that the new socket
// already has, and accept(2) says that these are to be treated like EAGAIN.
static bool is_the_clients(int result) {
  switch (result) {
    case -EINTR:
    case -ECONNABORTED:
    case -ENETDOWN:
    case -EPROTO:
    case -ENOPROTOOPT:
    case -EHOSTDOWN:
    case -ENONET:
    case -EHOSTUNREACH:
    case -EOPNOTSUPP:
    case -ENETUNREACH:
      return true;
    default:
      return false;
  }
}

// Something has run out, and the client still waits in the kernel's queue.
static bool is_shortage(int result) {
  return result == -EMFILE || result == -ENFILE || result == -ENOBUFS || result == -ENOMEM;
}

// Returns a file descriptor, |remote| and a connection that is not open, or a negative code.
static int accept_descriptor(weir_internal_shard *shard, bool is_unix, weir_address *remote,
                             weir_tcp_connection **out) {
  // The memory comes first: without it the client stays in the queue, and is not lost.
  if (*out == NULL) {
    *out = is_unix ? weir_internal_tcp_connection_allocate_unix()
                   : weir_internal_tcp_connection_allocate(NULL);
  }
  if (*out == NULL) return -ENOMEM;
  remote->size = sizeof remote->socket;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_ACCEPT,
      .descriptor = &shard->descriptor,
      .with.accept = {&remote->socket.any, &remote->size},
  };
  return weir_internal_await(&operation);
}

// What it waits for after a shortage, and how long.
typedef struct patience {
  bool asks_twice;  // there were no file descriptors
  uint64_t closes;  // of descriptors, before the last attempt; only if it asks twice
  int64_t pause;
} patience;

// Waits until there may be enough again.
static int await_plenty(weir_selector *selector, int shortage, patience *self) {
  bool is_first = !self->asks_twice && (shortage == -EMFILE || shortage == -ENFILE);
  if (is_first) {
    // One may have been closed before anybody looked. From now on each attempt tells.
    self->asks_twice = true;
    return weir_internal_enter_here();
  }
  uint64_t closes = self->asks_twice ? self->closes : weir_internal_selector_closes(selector);
  int result = weir_internal_selector_await_descriptor(selector, closes, self->pause);
  self->pause = self->pause < LONGEST_PAUSE / 2 ? self->pause * 2 : LONGEST_PAUSE;
  return result;
}

// The same, but survives what is no reason to stop.
static int accept_patiently(weir_internal_shard *shard, bool is_unix, weir_address *remote,
                            weir_tcp_connection **out) {
  weir_selector *selector = shard->descriptor.selector;
  patience left = {.pause = FIRST_PAUSE};
  for (;;) {
    if (left.asks_twice) left.closes = weir_internal_selector_closes(selector);
    int result = accept_descriptor(shard, is_unix, remote, out);
    if (result >= 0) return result;
    if (is_the_clients(result)) {
      // Lets others run now and then: there may be many such clients in a row.
      result = weir_internal_enter_here();
    } else if (is_shortage(result)) {
      result = await_plenty(selector, result, &left);
    }
    if (shard->closing) return WEIR_E_CLOSED;
    if (result < 0) return result;
  }
}

static void find_local_address(const weir_listener *listener, int fd, weir_address *out) {
  *out = listener->address;
  if (!listener->everywhere) return;
  const weir_internal_system_calls *calls = weir_internal_selector_calls(listener->selector);
  weir_address local = {.size = sizeof local.socket};
  // Where it fails, the listener's own address with its port says enough: it is for messages, and
  // no reason to send a client away.
  if (calls->local_address(calls->context, fd, &local.socket.any, &local.size) == 0) *out = local;
}

// Returns 0 and a connection that is open, or a negative code.
static int accept_open(weir_listener *listener, weir_internal_shard *shard, weir_address *remote,
                       weir_tcp_connection **out) {
  bool is_unix = listener->address.socket.any.sa_family == AF_UNIX;
  int fd = accept_patiently(shard, is_unix, remote, out);
  if (fd < 0) return fd;
  // A short read of a unix socket proves nothing, since it stops where other credentials begin.
  weir_internal_descriptor_open(&(*out)->descriptor, listener->selector, fd, !is_unix);
  if (is_unix) {
    weir_internal_tcp_set_accepted_unix_options(weir_internal_selector_calls(listener->selector),
                                                fd, &listener->options);
  }
  return 0;
}

// The user does not want this client: the next one may have its memory.
static int pass_over(const weir_internal_shard *shard, weir_tcp_connection *connection) {
  weir_internal_descriptor_close(&connection->descriptor);
  int result = weir_internal_enter_here();
  return shard->closing ? WEIR_E_CLOSED : result;
}

static int accept_connection(weir_listener *listener, weir_internal_shard *shard,
                             weir_connection **out) {
  weir_tcp_connection *connection = NULL;
  weir_address remote = {0};
  int result;
  do {
    result = accept_open(listener, shard, &remote, &connection);
    if (result < 0) break;
    int fd = connection->descriptor.fd;
    if (weir_internal_tcp_prepare_accepted(fd, &listener->options) == 0) {
      weir_address local;
      find_local_address(listener, fd, &local);
      *out = weir_internal_tcp_connection_ready(connection, &listener->options, &local, &remote);
      return 0;
    }
    result = pass_over(shard, connection);
  } while (result == 0);
  if (connection != NULL) weir_internal_tcp_connection_discard(connection);
  return result;
}

// Returns the shard of the current loop; NULL if there is none.
static weir_internal_shard *shard_here(weir_listener *listener) {
  if (listener->shard_count > 1) return &listener->shards[weir_current_loop()];
  weir_internal_shard *only = &listener->shards[0];
  weir_internal_loop *loop = NULL;
  bool first = __atomic_compare_exchange_n(&only->loop, &loop, weir_internal_current_loop(), false,
                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  return first || loop == weir_internal_current_loop() ? only : NULL;
}

weir_internal_shard *weir_internal_listener_hold(weir_listener *listener) {
  weir_internal_shard *shard = shard_here(listener);
  if (shard != NULL) shard->inside++;
  return shard;
}

void weir_internal_listener_let_go(weir_internal_shard *shard) {
  shard->inside--;
  if (shard->inside > 0) return;
  // After either there is no shard any more.
  if (shard->left != NULL) {
    weir_internal_reply_send(shard->left);
  } else if (shard->to_free != NULL) {
    weir_internal_listener_release(shard->to_free);
  }
}

int weir_accept(weir_listener *listener, weir_connection **out) {
  *out = NULL;
  if (listener == NULL || weir_current_selector() == NULL) return -EINVAL;
  if (weir_current_selector() != listener->selector) return -EXDEV;
  // From here on the listener cannot go away: weir_internal_enter may let its owner run.
  weir_internal_shard *shard = weir_internal_listener_hold(listener);
  if (shard == NULL) return -EXDEV;
  int result = weir_internal_enter_here();
  if (result == 0 && shard->closing) result = WEIR_E_CLOSED;
  if (result == 0 && shard->accepting) result = -EBUSY;
  if (result == 0) {
    shard->accepting = true;
    result = accept_connection(listener, shard, out);
    shard->accepting = false;
  }
  weir_internal_listener_let_go(shard);
  return result;
}
