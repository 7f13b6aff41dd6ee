// SPDX-License-Identifier: Apache-2.0

#include "testing/failing_calls.h"

#include <cerrno>
#include <vector>

namespace weir_testing {
namespace {

struct Kind {
  const char *name;
  std::vector<int> errnos;  // none: never fails
};

// In the order of Call. What the man pages list, without what only a wrong argument can cause.
const std::array<Kind, kCallKinds> &Kinds() {
  static const auto *kinds = new std::array<Kind, kCallKinds>{{
      {"socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT}},
      {"bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM}},
      {"listen", {EADDRINUSE, ENOBUFS}},
      {"accept", {EINTR, ECONNABORTED, EPROTO, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM}},
      {"connect",
       {EINTR, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, ENOBUFS, ENOMEM,
        ECONNRESET, EPERM}},
      {"getsockopt", {ENOBUFS, ENOMEM}},
      {"setsockopt", {ENOBUFS, ENOMEM, ENOPROTOOPT}},
      {"getsockname", {ENOBUFS}},
      {"getpeername", {ENOBUFS, ENOTCONN}},
      {"shutdown", {ENOBUFS, ENOTCONN}},
      {"recv", {EINTR, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENOMEM, ENOBUFS, EIO}},
      {"send", {EINTR, ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENOMEM, ENOBUFS, EIO}},
      {"close", {}},
      {"read", {EINTR, EAGAIN, EIO}},
      {"write", {}},
      {"epoll_create", {EMFILE, ENFILE, ENOMEM}},
      {"epoll_ctl", {ENOMEM, ENOSPC}},
      {"epoll_wait", {EINTR}},
      {"eventfd", {EMFILE, ENFILE, ENOMEM}},
      {"signalfd", {EMFILE, ENFILE, ENOMEM}},
      {"sigprocmask", {}},
      {"pthread_create", {EAGAIN}},
      {"pthread_join", {}},
      {"timerfd_create", {EMFILE, ENFILE, ENOMEM}},
      {"timerfd_settime", {}},
  }};
  return *kinds;
}

using Table = weir_internal_system_calls;

FailingCalls *Self(void *context) { return static_cast<FailingCalls *>(context); }

// Wrapped<Call, &weir_internal_system_calls::member>::Function counts, then fails or asks below.
template <Call call, typename Member, Member member>
struct Wrapped;

template <Call call, typename... Arguments,
          int (*weir_internal_system_calls::*member)(void *, Arguments...)>
struct Wrapped<call, int (*weir_internal_system_calls::*)(void *, Arguments...), member> {
  static int Function(void *context, Arguments... arguments) {
    int error = Self(context)->Enter(call);
    const Table &below = Self(context)->below();
    return error != 0 ? -error : (below.*member)(below.context, arguments...);
  }
};

template <Call call, auto member>
constexpr auto kWrapped = Wrapped<call, decltype(member), member>::Function;

int EpollControl(void *context, int epoll, int operation, int fd, epoll_event *event) {
  return Self(context)->EpollControl(epoll, operation, fd, event);
}

int Send(void *context, int fd, const iovec *buffers, int count) {
  return Self(context)->Send(fd, buffers, count);
}

int Receive(void *context, int fd, const iovec *buffers, int count) {
  return Self(context)->Receive(fd, buffers, count);
}

// An interrupted connect goes on by itself.
int Connect(void *context, int fd, const sockaddr *address, socklen_t size) {
  int error = Self(context)->Enter(Call::kConnect);
  const Table &below = Self(context)->below();
  if (error == EINTR) {
    int result = below.connect(below.context, fd, address, size);
    return result == 0 || result == -EINPROGRESS ? -EINTR : result;
  }
  return error != 0 ? -error : below.connect(below.context, fd, address, size);
}

int64_t Now(void *context) {
  const Table &below = Self(context)->below();
  return below.now(below.context);
}

// Returns the place of the errno called |name|, or errnos.size().
size_t PlaceOf(const std::string &name, const std::vector<int> &errnos) {
  size_t place = 0;
  while (place < errnos.size() && name != weir_error_name(-errnos[place])) place++;
  return place;
}

Table MakeTable(FailingCalls *self) {
  Table table = {};
  table.context = self;
  table.socket = kWrapped<Call::kSocket, &Table::socket>;
  table.bind = kWrapped<Call::kBind, &Table::bind>;
  table.listen = kWrapped<Call::kListen, &Table::listen>;
  table.accept = kWrapped<Call::kAccept, &Table::accept>;
  table.connect = Connect;
  table.get_option = kWrapped<Call::kGetOption, &Table::get_option>;
  table.set_option = kWrapped<Call::kSetOption, &Table::set_option>;
  table.local_address = kWrapped<Call::kLocalAddress, &Table::local_address>;
  table.remote_address = kWrapped<Call::kRemoteAddress, &Table::remote_address>;
  table.shutdown = kWrapped<Call::kShutdown, &Table::shutdown>;
  table.receive = Receive;
  table.send = Send;
  table.close = kWrapped<Call::kClose, &Table::close>;
  table.read = kWrapped<Call::kRead, &Table::read>;
  table.write = kWrapped<Call::kWrite, &Table::write>;
  table.epoll_create = kWrapped<Call::kEpollCreate, &Table::epoll_create>;
  table.epoll_control = EpollControl;
  table.epoll_wait = kWrapped<Call::kEpollWait, &Table::epoll_wait>;
  table.event_create = kWrapped<Call::kEventCreate, &Table::event_create>;
  table.signal_create = kWrapped<Call::kSignalCreate, &Table::signal_create>;
  table.signal_mask = kWrapped<Call::kSignalMask, &Table::signal_mask>;
  table.thread_start = kWrapped<Call::kThreadStart, &Table::thread_start>;
  table.thread_join = kWrapped<Call::kThreadJoin, &Table::thread_join>;
  table.timer_create = kWrapped<Call::kTimerCreate, &Table::timer_create>;
  table.timer_set = kWrapped<Call::kTimerSet, &Table::timer_set>;
  table.now = Now;
  return table;
}

}  // namespace

const char *CallName(Call call) { return Kinds()[static_cast<size_t>(call)].name; }

FailingCalls::FailingCalls(const weir_internal_system_calls &below)
    : below_(below), table_(MakeTable(this)) {}

void FailingCalls::FailNth(int nth, size_t which) {
  calls_left_ = nth;
  which_ = which;
  error_.clear();
  reached_ = false;
  failed_ = false;
}

void FailingCalls::FailNthWith(int nth, const std::string &error) {
  FailNth(nth, 0);
  error_ = error;
}

int FailingCalls::Enter(Call call) {
  const auto index = static_cast<size_t>(call);
  counts_[index]++;
  const std::vector<int> &errnos = Kinds()[index].errnos;
  std::lock_guard<std::mutex> lock(mutex_);
  if (errnos.empty() || calls_left_ == 0 || --calls_left_ > 0) return 0;
  reached_ = true;
  size_t which = error_.empty() ? which_ : PlaceOf(error_, errnos);
  return which < errnos.size() ? Fail(call, errnos[which]) : 0;
}

// Apart, so that a debugger can stop here.
int FailingCalls::Fail(Call call, int error) {
  failed_ = true;
  failed_call_ = call;
  failed_errno_ = error;
  return error;
}

// What gives up a registration or an association cannot fail, so a planned failure goes to the next
// call.
int FailingCalls::EpollControl(int epoll, int operation, int fd, epoll_event *event) {
  int error = operation == EPOLL_CTL_DEL ? 0 : Enter(Call::kEpollControl);
  if (error != 0) return -error;
  // Descriptors that are closed are replaced when their number is registered anew.
  if (operation == EPOLL_CTL_ADD) {
    std::lock_guard<std::mutex> lock(mutex_);
    registrations_[fd] = {epoll, *event};
  }
  return below_.epoll_control(below_.context, epoll, operation, fd, event);
}

std::vector<iovec> FailingCalls::Limited(const iovec *buffers, int count) const {
  std::vector<iovec> limited(buffers, buffers + count);
  if (transfer_limit_ == 0) return limited;
  size_t left = transfer_limit_;
  for (iovec &buffer : limited) {
    if (buffer.iov_len > left) buffer.iov_len = left;
    left -= buffer.iov_len;
  }
  return limited;
}

// Returns 0 or a negative errno.
int FailingCalls::EnterTransfer(Call call, int fd) {
  int error = Enter(call);
  // Told once that the peer is gone, both directions are at their end.
  if (error == ECONNRESET || error == EPIPE) below_.shutdown(below_.context, fd, SHUT_RDWR);
  return -error;
}

int FailingCalls::Send(int fd, const iovec *buffers, int count) {
  int failure = EnterTransfer(Call::kSend, fd);
  if (failure != 0) return failure;
  return below_.send(below_.context, fd, Limited(buffers, count).data(), count);
}

int FailingCalls::Receive(int fd, const iovec *buffers, int count) {
  int failure = EnterTransfer(Call::kReceive, fd);
  if (failure != 0) return failure;
  int result = below_.receive(below_.context, fd, Limited(buffers, count).data(), count);
  if (transfer_limit_ > 0 && result == static_cast<int>(transfer_limit_)) {
    // Told the same again, the kernel reports once more what is there.
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = registrations_.find(fd);
    if (found != registrations_.end()) {
      below_.epoll_control(below_.context, found->second.epoll, EPOLL_CTL_MOD, fd,
                           &found->second.event);
    }
  }
  return result;
}

}  // namespace weir_testing
