// SPDX-License-Identifier: Apache-2.0
//
// The kernel's own system calls: each entry makes one, and turns errno into a result.

#include "selector/internal/system_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "weir/base.h"

static int result_of(long result) { return result < 0 ? -errno : (int)result; }

static int kernel_socket(void *context, int domain, int type, int protocol) {
  (void)context;
  return result_of(socket(domain, type, protocol));
}

static int kernel_bind(void *context, int fd, const struct sockaddr *address, socklen_t size) {
  (void)context;
  return result_of(bind(fd, address, size));
}

static int kernel_listen(void *context, int fd, int backlog) {
  (void)context;
  return result_of(listen(fd, backlog));
}

static int kernel_accept(void *context, int fd, struct sockaddr *address, socklen_t *size,
                         int flags) {
  (void)context;
  return result_of(accept4(fd, address, size, flags));
}

static int kernel_connect(void *context, int fd, const struct sockaddr *address, socklen_t size) {
  (void)context;
  return result_of(connect(fd, address, size));
}

static int kernel_get_option(void *context, int fd, int level, int name, void *value,
                             socklen_t *size) {
  (void)context;
  return result_of(getsockopt(fd, level, name, value, size));
}

static int kernel_set_option(void *context, int fd, int level, int name, const void *value,
                             socklen_t size) {
  (void)context;
  return result_of(setsockopt(fd, level, name, value, size));
}

static int kernel_local_address(void *context, int fd, struct sockaddr *address, socklen_t *size) {
  (void)context;
  return result_of(getsockname(fd, address, size));
}

static int kernel_remote_address(void *context, int fd, struct sockaddr *address, socklen_t *size) {
  (void)context;
  return result_of(getpeername(fd, address, size));
}

static int kernel_shutdown(void *context, int fd, int how) {
  (void)context;
  return result_of(shutdown(fd, how));
}

static int kernel_receive(void *context, int fd, const struct iovec *buffers, int count) {
  (void)context;
  if (count == 1) return result_of(recv(fd, buffers[0].iov_base, buffers[0].iov_len, 0));
  return result_of(readv(fd, buffers, count));
}

static int send_message(int fd, const struct iovec *buffers, int count) {
  struct msghdr message = {0};
  message.msg_iov = (struct iovec *)(uintptr_t)buffers;
  message.msg_iovlen = (size_t)count;
  return result_of(sendmsg(fd, &message, MSG_NOSIGNAL));
}

static int kernel_send(void *context, int fd, const struct iovec *buffers, int count) {
  (void)context;
  if (count > 1) return send_message(fd, buffers, count);
  return result_of(send(fd, buffers[0].iov_base, buffers[0].iov_len, MSG_NOSIGNAL));
}

static int kernel_receive_from(void *context, int fd, void *out, size_t size,
                               struct sockaddr *address, socklen_t *address_size) {
  (void)context;
  return result_of(recvfrom(fd, out, size, MSG_TRUNC, address, address_size));
}

static int kernel_send_to(void *context, int fd, const void *data, size_t size,
                          const struct sockaddr *address, socklen_t address_size) {
  (void)context;
  return result_of(sendto(fd, data, size, MSG_NOSIGNAL, address, address_size));
}

static int kernel_receive_messages(void *context, int fd, struct mmsghdr *messages,
                                   unsigned count) {
  (void)context;
  return result_of(recvmmsg(fd, messages, count, 0, NULL));
}

static int kernel_send_messages(void *context, int fd, struct mmsghdr *messages, unsigned count) {
  (void)context;
  return result_of(sendmmsg(fd, messages, count, MSG_NOSIGNAL));
}

static int kernel_close(void *context, int fd) {
  (void)context;
  return result_of(close(fd));
}

static int kernel_read(void *context, int fd, void *out, size_t size) {
  (void)context;
  return result_of(read(fd, out, size));
}

static int kernel_write(void *context, int fd, const void *data, size_t size) {
  (void)context;
  return result_of(write(fd, data, size));
}

static int kernel_pipe(void *context, size_t size, int *read_end, int *write_end) {
  (void)context;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  // An unprivileged user may have used up what is allowed of larger pipes; then it stays small.
  (void)fcntl(ends[0], F_SETPIPE_SZ, (int)size);
  *read_end = ends[0];
  *write_end = ends[1];
  return 0;
}

static int kernel_file_status(void *context, const char *path, struct stat *out) {
  (void)context;
  return result_of(lstat(path, out));
}

static int kernel_remove_file(void *context, const char *path) {
  (void)context;
  return result_of(unlink(path));
}

static int splice_some(int from, int to, size_t size) {
  return result_of(splice(from, NULL, to, NULL, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
}

static int kernel_splice_in(void *context, int socket, int pipe, size_t size) {
  (void)context;
  return splice_some(socket, pipe, size);
}

// Takes back a SIGPIPE that was raised while it was blocked.
static void take_back_signal(const sigset_t *signals) {
  const struct timespec at_once = {0, 0};
  int taken;
  do {
    taken = sigtimedwait(signals, NULL, &at_once);
  } while (taken < 0 && errno == EINTR);
}

// Unlike send(2), splice(2) cannot be told to raise no SIGPIPE. It is raised for this thread, and
// so it can be blocked here, and taken back when there is one more than before.
static int kernel_splice_out(void *context, int pipe, int socket, size_t size) {
  (void)context;
  sigset_t broken_pipe, previous, pending;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  // With these arguments it cannot fail (pthread_sigmask(3)).
  (void)pthread_sigmask(SIG_BLOCK, &broken_pipe, &previous);
  // What is not blocked is not pending.
  bool was_blocked = sigismember(&previous, SIGPIPE) == 1;
  bool was_pending =
      was_blocked && sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
  int result = splice_some(pipe, socket, size);
  if (result == -EPIPE && !was_pending) take_back_signal(&broken_pipe);
  if (!was_blocked) (void)pthread_sigmask(SIG_SETMASK, &previous, NULL);
  return result;
}

static int kernel_epoll_create(void *context) {
  (void)context;
  return result_of(epoll_create1(EPOLL_CLOEXEC));
}

static int kernel_epoll_control(void *context, int epoll, int operation, int fd,
                                struct epoll_event *event) {
  (void)context;
  return result_of(epoll_ctl(epoll, operation, fd, event));
}

// Whole milliseconds, rounded up so that no deadline is early.
static int milliseconds(int64_t nanoseconds) {
  int64_t result = nanoseconds / 1000000 + (nanoseconds % 1000000 != 0);
  return result < INT32_MAX ? (int)result : INT32_MAX;
}

static int kernel_epoll_wait(void *context, int epoll, struct epoll_event *events, int count,
                             int64_t timeout) {
  (void)context;
  if (timeout <= 0) return result_of(epoll_wait(epoll, events, count, timeout < 0 ? -1 : 0));
#ifdef SYS_epoll_pwait2
  // Linux 5.11; a seccomp filter that is older may refuse it as well.
  static atomic_bool refused;
  if (!atomic_load_explicit(&refused, memory_order_relaxed)) {
    struct timespec left = {.tv_sec = (time_t)(timeout / 1000000000),
                            .tv_nsec = (long)(timeout % 1000000000)};
    int result = result_of(syscall(SYS_epoll_pwait2, epoll, events, count, &left, NULL, 0));
    if (result != -ENOSYS && result != -EPERM) return result;
    atomic_store_explicit(&refused, true, memory_order_relaxed);
  }
#endif
  return result_of(epoll_wait(epoll, events, count, milliseconds(timeout)));
}

static int kernel_event_create(void *context) {
  (void)context;
  return result_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int kernel_signal_create(void *context, const sigset_t *signals) {
  (void)context;
  return result_of(signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

static int kernel_signal_mask(void *context, int how, const sigset_t *signals,
                              sigset_t *out_previous) {
  (void)context;
  return -pthread_sigmask(how, signals, out_previous);
}

// What getaddrinfo(3) says, as our codes. |by_service|: it was not asked for a host.
static int result_of_names(int code, bool by_service) {
  switch (code) {
    case 0:
      return 0;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
    case EAI_SERVICE:
      return by_service ? WEIR_E_SERVICE_NOT_FOUND : WEIR_E_NAME_NOT_FOUND;
    case EAI_AGAIN:
      return WEIR_E_NAME_TRY_AGAIN;
    case EAI_FAIL:
      return WEIR_E_NAME_FAILED;
    case EAI_MEMORY:
      return -ENOMEM;
    case EAI_FAMILY:
      return -EAFNOSUPPORT;
    case EAI_SYSTEM:
      // No deadline of ours has passed.
      if (errno == ETIMEDOUT) return WEIR_E_NAME_TRY_AGAIN;
      return errno == 0 ? -EIO : -errno;
    default:
      return -EINVAL;
  }
}

static int kernel_resolve(void *context, const char *host, const char *service,
                          const struct addrinfo *hints, struct addrinfo **out) {
  (void)context;
  return result_of_names(getaddrinfo(host, service, hints, out), host == NULL);
}

static void kernel_free_names(void *context, struct addrinfo *list) {
  (void)context;
  freeaddrinfo(list);
}

static int kernel_thread_create(void *context, pthread_t *out, void *(*function)(void *argument),
                                void *argument) {
  (void)context;
  return -pthread_create(out, NULL, function, argument);
}

static void kernel_thread_join(void *context, pthread_t thread) {
  (void)context;
  // Only a wrong argument makes it fail.
  (void)pthread_join(thread, NULL);
}

static int kernel_timer_create(void *context) {
  (void)context;
  return result_of(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

static int kernel_timer_set(void *context, int fd, int64_t when) {
  (void)context;
  struct itimerspec time = {0};
  if (when >= 0) time.it_value = (struct timespec){when / 1000000000, when % 1000000000};
  return result_of(timerfd_settime(fd, TFD_TIMER_ABSTIME, &time, NULL));
}

static int64_t kernel_now(void *context) {
  (void)context;
  struct timespec now;
  // With this clock and a valid pointer it cannot fail (clock_gettime(2)).
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

const weir_internal_system_calls weir_internal_kernel = {
    .context = NULL,
    .socket = kernel_socket,
    .bind = kernel_bind,
    .listen = kernel_listen,
    .accept = kernel_accept,
    .connect = kernel_connect,
    .get_option = kernel_get_option,
    .set_option = kernel_set_option,
    .local_address = kernel_local_address,
    .remote_address = kernel_remote_address,
    .shutdown = kernel_shutdown,
    .receive = kernel_receive,
    .send = kernel_send,
    .receive_from = kernel_receive_from,
    .send_to = kernel_send_to,
    .receive_messages = kernel_receive_messages,
    .send_messages = kernel_send_messages,
    .close = kernel_close,
    .read = kernel_read,
    .write = kernel_write,
    .pipe = kernel_pipe,
    .splice_in = kernel_splice_in,
    .splice_out = kernel_splice_out,
    .file_status = kernel_file_status,
    .remove_file = kernel_remove_file,
    .epoll_create = kernel_epoll_create,
    .epoll_control = kernel_epoll_control,
    .epoll_wait = kernel_epoll_wait,
    .event_create = kernel_event_create,
    .signal_create = kernel_signal_create,
    .signal_mask = kernel_signal_mask,
    .resolve = kernel_resolve,
    .free_names = kernel_free_names,
    .thread_create = kernel_thread_create,
    .thread_join = kernel_thread_join,
    .timer_create = kernel_timer_create,
    .timer_set = kernel_timer_set,
    .now = kernel_now,
};
