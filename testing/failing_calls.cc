// SPDX-License-Identifier: Apache-2.0

#include "testing/failing_calls.h"

#include <algorithm>
#include <cerrno>
#include <vector>

namespace weir_testing {
namespace {

struct Kind {
  const char *name;
  std::vector<int> errnos;  // none: never fails
};

// In the order of Call. What the man pages list, the call's own and ip(7) and tcp(7) for sockets,
// without what only a wrong argument or a wrong use can cause. The header says what else is left
// out.
const std::array<Kind, kCallKinds> &Kinds() {
  static const auto *kinds = new std::array<Kind, kCallKinds>{{
      {"socket",
       {EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT,
        EINVAL}},
      {"bind", {EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOBUFS, ENOMEM}},
      {"listen", {EADDRINUSE, ENOBUFS}},
      {"accept",
       {EINTR, ECONNABORTED, EPROTO, EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, ENETDOWN, ENOPROTOOPT,
        EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ENOSR, ESOCKTNOSUPPORT,
        EPROTONOSUPPORT, ETIMEDOUT}},
      // EINVAL is a blackhole route.
      {"connect",
       {EINTR, ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EADDRNOTAVAIL, EAGAIN, ENOBUFS, ENOMEM,
        ECONNRESET, EPERM, EACCES, EADDRINUSE, EAFNOSUPPORT, EHOSTUNREACH, EHOSTDOWN, ENETDOWN,
        EINVAL}},
      {"getsockopt", {ENOBUFS, ENOMEM, ENOPROTOOPT}},
      {"setsockopt", {ENOBUFS, ENOMEM, ENOPROTOOPT, EOPNOTSUPP}},
      {"getsockname", {ENOBUFS}},
      {"getpeername", {ENOBUFS, ENOTCONN}},
      {"shutdown", {ENOBUFS, ENOTCONN}},
      {"recv",
       {EINTR, ECONNRESET, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENETDOWN,
        EPROTO, ENOTCONN, ENOMEM, ENOBUFS, EIO}},
      {"send",
       {EINTR, ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, EHOSTDOWN, ENETUNREACH, ENETDOWN, EPROTO,
        EACCES, EPERM, ENOTCONN, EINVAL, ENOMEM, ENOBUFS, EIO}},
      // Of datagrams: ICMP errors, and what udp(7) and unix(7) list.
      {"recvfrom",
       {EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EPROTO, ENOPROTOOPT,
        EMSGSIZE, ENOMEM, ENOBUFS}},
      {"sendto",
       {EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EPROTO, ENOPROTOOPT,
        EMSGSIZE, EACCES, EPERM, EINVAL, ENOMEM, ENOBUFS}},
      {"recvmmsg",
       {EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EPROTO, ENOPROTOOPT,
        EMSGSIZE, ENOMEM, ENOBUFS}},
      {"sendmmsg",
       {EINTR, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN, EPROTO, ENOPROTOOPT,
        EMSGSIZE, EACCES, EPERM, EINVAL, ENOMEM, ENOBUFS}},
      {"close", {}},
      {"read", {EINTR, EAGAIN, EIO}},
      {"write", {}},
      {"pipe", {EMFILE, ENFILE, ENOMEM}},
      {"splice", {EINTR, EINVAL, ECONNRESET, ETIMEDOUT, ENOMEM, EIO}},
      {"splice", {EINTR, EINVAL, ECONNRESET, EPIPE, ETIMEDOUT, ENOMEM, EIO}},
      {"lstat", {EACCES, ENOENT, ENOMEM}},
      // Whoever owns a socket's file cannot undo a failure.
      {"unlink", {}},
      {"epoll_create", {EMFILE, ENFILE, ENOMEM}},
      {"epoll_ctl", {ENOMEM, ENOSPC}},
      {"epoll_wait", {EINTR}},
      {"eventfd", {EMFILE, ENFILE, ENODEV, ENOMEM}},
      {"signalfd", {EMFILE, ENFILE, ENODEV, ENOMEM}},
      {"sigprocmask", {}},
      {"getaddrinfo",
       {-WEIR_E_NAME_NOT_FOUND, -WEIR_E_NAME_TRY_AGAIN, -WEIR_E_NAME_FAILED, ENOMEM, EMFILE,
        ENFILE}},
      {"pthread_create", {EAGAIN}},
      {"timerfd_create", {EMFILE, ENFILE, ENODEV, ENOMEM}},
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

int SpliceIn(void *context, int socket, int pipe, size_t size) {
  return Self(context)->SpliceIn(socket, pipe, size);
}

int SpliceOut(void *context, int pipe, int socket, size_t size) {
  return Self(context)->SpliceOut(pipe, socket, size);
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

int Resolve(void *context, const char *host, const char *service, const addrinfo *hints,
            addrinfo **out) {
  return Self(context)->Resolve(host, service, hints, out);
}

void FreeNames(void *context, addrinfo *list) {
  const Table &below = Self(context)->below();
  below.free_names(below.context, list);
}

void ThreadJoin(void *context, pthread_t thread) {
  const Table &below = Self(context)->below();
  below.thread_join(below.context, thread);
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
  table.receive_from = kWrapped<Call::kReceiveFrom, &Table::receive_from>;
  table.send_to = kWrapped<Call::kSendTo, &Table::send_to>;
  table.receive_messages = kWrapped<Call::kReceiveMessages, &Table::receive_messages>;
  table.send_messages = kWrapped<Call::kSendMessages, &Table::send_messages>;
  table.close = kWrapped<Call::kClose, &Table::close>;
  table.read = kWrapped<Call::kRead, &Table::read>;
  table.write = kWrapped<Call::kWrite, &Table::write>;
  table.pipe = kWrapped<Call::kPipe, &Table::pipe>;
  table.splice_in = SpliceIn;
  table.splice_out = SpliceOut;
  table.file_status = kWrapped<Call::kFileStatus, &Table::file_status>;
  table.remove_file = kWrapped<Call::kRemoveFile, &Table::remove_file>;
  table.epoll_create = kWrapped<Call::kEpollCreate, &Table::epoll_create>;
  table.epoll_control = EpollControl;
  table.epoll_wait = kWrapped<Call::kEpollWait, &Table::epoll_wait>;
  table.event_create = kWrapped<Call::kEventCreate, &Table::event_create>;
  table.signal_create = kWrapped<Call::kSignalCreate, &Table::signal_create>;
  table.signal_mask = kWrapped<Call::kSignalMask, &Table::signal_mask>;
  table.resolve = Resolve;
  table.free_names = FreeNames;
  table.thread_create = kWrapped<Call::kThreadCreate, &Table::thread_create>;
  table.thread_join = ThreadJoin;
  table.timer_create = kWrapped<Call::kTimerCreate, &Table::timer_create>;
  table.timer_set = kWrapped<Call::kTimerSet, &Table::timer_set>;
  table.now = Now;
  return table;
}

}  // namespace

const char *CallName(Call call) { return Kinds()[static_cast<size_t>(call)].name; }

size_t ErrorCount(Call call) { return Kinds()[static_cast<size_t>(call)].errnos.size(); }

FailingCalls::FailingCalls(const weir_internal_system_calls &below)
    : below_(below), table_(MakeTable(this)) {}

void FailingCalls::FailNth(int nth, size_t which) {
  nth_ = nth;
  number_ = 0;
  which_ = which;
  error_.clear();
  only_.reset();
  reached_ = false;
  failed_ = false;
}

void FailingCalls::FailNthWith(int nth, const std::string &error) {
  FailNth(nth, 0);
  error_ = error;
}

void FailingCalls::FailNthOnly(int nth, Call call, size_t which) {
  FailNth(nth, which);
  only_ = call;
}

int FailingCalls::Enter(Call call) {
  const auto index = static_cast<size_t>(call);
  counts_[index]++;
  const std::vector<int> &errnos = Kinds()[index].errnos;
  std::lock_guard<std::mutex> lock(mutex_);
  if (errnos.empty() || nth_ == 0 || ++number_ < nth_) return 0;
  reached_ = true;
  if (only_.has_value() && *only_ != call) return 0;
  nth_ = 0;
  size_t which = error_.empty() ? which_ : PlaceOf(error_, errnos);
  return which < errnos.size() ? Fail(call, errnos[which]) : 0;
}

// Apart, so that a debugger can stop here.
int FailingCalls::Fail(Call call, int error) {
  failed_ = true;
  failed_number_ = number_;
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

int FailingCalls::Resolve(const char *host, const char *service, const addrinfo *hints,
                          addrinfo **out) {
  int error = Enter(Call::kResolve);
  if (error != 0) return -error;
  addrinfo loopback = *hints;
  loopback.ai_flags &= ~AI_PASSIVE;
  static_cast<void>(host);
  static_cast<void>(service);
  return below_.resolve(below_.context, nullptr, "7", &loopback, out);
}

size_t FailingCalls::Limited(size_t size) const {
  return transfer_limit_ == 0 ? size : std::min(size, transfer_limit_);
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

int FailingCalls::SpliceIn(int socket, int pipe, size_t size) {
  int failure = EnterTransfer(Call::kSpliceIn, socket);
  if (failure != 0) return failure;
  return below_.splice_in(below_.context, socket, pipe, Limited(size));
}

int FailingCalls::SpliceOut(int pipe, int socket, size_t size) {
  int failure = EnterTransfer(Call::kSpliceOut, socket);
  if (failure != 0) return failure;
  return below_.splice_out(below_.context, pipe, socket, Limited(size));
}

}  // namespace weir_testing
