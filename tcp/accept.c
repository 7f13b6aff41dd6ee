// SPDX-License-Identifier: Apache-2.0
//
// Accepting: whatever goes wrong with one client, or with the machine for a while, is no reason to
// stop serving the next.

#include "base/internal/memory.h"
#include "tcp/internal/listener.h"
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
static int accept_descriptor(weir_listener *listener, weir_address *remote,
                             weir_tcp_connection **out) {
  // The memory comes first: without it the client stays in the queue, and is not lost.
  if (*out == NULL) *out = weir_internal_tcp_connection_allocate(NULL);
  if (*out == NULL) return -ENOMEM;
  remote->size = sizeof remote->socket;
  weir_internal_operation operation = {
      .kind = WEIR_INTERNAL_ACCEPT,
      .descriptor = &listener->descriptor,
      .with.accept = {&remote->socket.any, &remote->size},
  };
  return weir_internal_await(&operation);
}

// The same, but survives what is no reason to stop.
static int accept_patiently(weir_listener *listener, weir_address *remote,
                            weir_tcp_connection **out) {
  int64_t pause = FIRST_PAUSE;
  for (;;) {
    int result = accept_descriptor(listener, remote, out);
    if (result >= 0) return result;
    if (is_the_clients(result)) {
      // Lets others run now and then: there may be many such clients in a row.
      result = weir_internal_enter(NULL);
    } else if (is_shortage(result)) {
      result = weir_internal_selector_await_descriptor(listener->descriptor.selector, pause);
      pause = pause < LONGEST_PAUSE / 2 ? pause * 2 : LONGEST_PAUSE;
    }
    if (listener->closing) return WEIR_E_CLOSED;
    if (result < 0) return result;
  }
}

static void find_local_address(const weir_listener *listener, int fd, weir_address *out) {
  *out = listener->address;
  if (!listener->everywhere) return;
  const weir_internal_system_calls *calls =
      weir_internal_selector_calls(listener->descriptor.selector);
  weir_address local = {.size = sizeof local.socket};
  // Where it fails, the listener's own address with its port says enough: it is for messages, and
  // no reason to send a client away.
  if (calls->local_address(calls->context, fd, &local.socket.any, &local.size) == 0) *out = local;
}

static int accept_connection(weir_listener *listener, weir_connection **out) {
  weir_tcp_connection *connection = NULL;
  weir_address remote = {0};
  int fd = accept_patiently(listener, &remote, &connection);
  if (fd < 0) {
    if (connection != NULL) weir_internal_tcp_connection_discard(connection);
    return fd;
  }
  weir_address local;
  find_local_address(listener, fd, &local);
  weir_internal_descriptor_open(&connection->descriptor, listener->descriptor.selector, fd, true);
  *out = weir_internal_tcp_connection_ready(connection, &listener->options, &local, &remote);
  return 0;
}

int weir_accept(weir_listener *listener, weir_connection **out) {
  *out = NULL;
  if (listener == NULL || weir_current_selector() == NULL) return -EINVAL;
  if (weir_current_selector() != listener->descriptor.selector) return -EXDEV;
  // From here on the listener cannot go away: weir_internal_enter may let its owner run.
  listener->inside++;
  int result = weir_internal_enter(NULL);
  if (result == 0 && listener->closing) result = WEIR_E_CLOSED;
  if (result == 0 && listener->accepting) result = -EBUSY;
  if (result == 0) {
    listener->accepting = true;
    result = accept_connection(listener, out);
    listener->accepting = false;
  }
  listener->inside--;
  if (listener->inside == 0) weir_internal_wait_queue_wake_all(&listener->left, 0);
  return result;
}
