// SPDX-License-Identifier: Apache-2.0
//
// The system calls that Weir makes: the second of its two seams. Every one goes through the table
// of its selector, so that a test can count it or make it fail, and a simulation can answer it.
// Each function returns zero or more on success and a negated errno on failure.

#ifndef WEIR_SELECTOR_INTERNAL_SYSTEM_CALLS_H
#define WEIR_SELECTOR_INTERNAL_SYSTEM_CALLS_H

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

// <sys/socket.h> declares it to those who define _GNU_SOURCE.
struct mmsghdr;
struct stat;

typedef struct weir_internal_system_calls {
  void *context;  // passed to each function
  // Sockets.
  int (*socket)(void *context, int domain, int type, int protocol);
  int (*bind)(void *context, int fd, const struct sockaddr *address, socklen_t size);
  int (*listen)(void *context, int fd, int backlog);
  int (*accept)(void *context, int fd, struct sockaddr *address, socklen_t *size, int flags);
  int (*connect)(void *context, int fd, const struct sockaddr *address, socklen_t size);
  int (*get_option)(void *context, int fd, int level, int name, void *value, socklen_t *size);
  int (*set_option)(void *context, int fd, int level, int name, const void *value, socklen_t size);
  int (*local_address)(void *context, int fd, struct sockaddr *address, socklen_t *size);
  int (*remote_address)(void *context, int fd, struct sockaddr *address, socklen_t *size);
  int (*shutdown)(void *context, int fd, int how);
  // Receive, send and those that splice never raise SIGPIPE.
  int (*receive)(void *context, int fd, const struct iovec *buffers, int count);
  int (*send)(void *context, int fd, const struct iovec *buffers, int count);
  // Datagrams: one, whose real size |receive_from| returns although no more than |size| bytes of it
  // are kept; or several, whose number is returned. |address| may be NULL.
  int (*receive_from)(void *context, int fd, void *out, size_t size, struct sockaddr *address,
                      socklen_t *address_size);
  int (*send_to)(void *context, int fd, const void *data, size_t size,
                 const struct sockaddr *address, socklen_t address_size);
  int (*receive_messages)(void *context, int fd, struct mmsghdr *messages, unsigned count);
  int (*send_messages)(void *context, int fd, struct mmsghdr *messages, unsigned count);
  // Descriptors of any kind.
  int (*close)(void *context, int fd);
  int (*read)(void *context, int fd, void *out, size_t size);
  int (*write)(void *context, int fd, const void *data, size_t size);
  // Pipes of the kernel, non-blocking and close-on-exec: *read_end and *write_end get the ends, and
  // |size| is a wish.
  int (*pipe)(void *context, size_t size, int *read_end, int *write_end);
  // Move bytes from a socket into an empty pipe, and from a pipe that is not empty to a socket, as
  // receive and send do. A |splice_in| of 0 does not tell whether it is the end: urgent data stops
  // it too.
  int (*splice_in)(void *context, int socket, int pipe, size_t size);
  int (*splice_out)(void *context, int pipe, int socket, size_t size);
  // Files of unix sockets: lstat(2) and unlink(2).
  int (*file_status)(void *context, const char *path, struct stat *out);
  int (*remove_file)(void *context, const char *path);
  // Waiting. |timeout| in nanoseconds, negative for none.
  int (*epoll_create)(void *context);
  int (*epoll_control)(void *context, int epoll, int operation, int fd, struct epoll_event *event);
  int (*epoll_wait)(void *context, int epoll, struct epoll_event *events, int count,
                    int64_t timeout);
  int (*event_create)(void *context);
  // Signals.
  int (*signal_create)(void *context, const sigset_t *signals);
  int (*signal_mask)(void *context, int how, const sigset_t *signals, sigset_t *out_previous);
  // Names: getaddrinfo(3), which blocks and so is called on a thread of the pool only. Returns 0, a
  // negated errno or one of weir/base.h: WEIR_E_NAME_NOT_FOUND and so on. *out is freed by
  // |free_names|.
  int (*resolve)(void *context, const char *host, const char *service, const struct addrinfo *hints,
                 struct addrinfo **out);
  void (*free_names)(void *context, struct addrinfo *list);
  // Threads, which end by returning; each is joined.
  int (*thread_create)(void *context, pthread_t *out, void *(*function)(void *argument),
                       void *argument);
  void (*thread_join)(void *context, pthread_t thread);
  // A descriptor that is readable once the time |when| of |now| has come; negative disarms it.
  int (*timer_create)(void *context);
  int (*timer_set)(void *context, int fd, int64_t when);
  // The time of CLOCK_MONOTONIC in nanoseconds.
  int64_t (*now)(void *context);
} weir_internal_system_calls;

// The kernel's own.
extern const weir_internal_system_calls weir_internal_kernel;

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_SYSTEM_CALLS_H
