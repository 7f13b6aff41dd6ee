// SPDX-License-Identifier: Apache-2.0
//
// System calls, the kernel's or others, behind a counter, which can fail the Nth one. With it a
// test runs a scenario again and again, each time with another call failing, until the scenario
// passes untouched.
//
// close, now and the write that wakes a loop never fail, so they are not counted among the fallible
// calls. EAGAIN is given only by calls that are asked again whatever happens: the kernel promises
// an event after any other EAGAIN, and we could not keep that promise. For the same reason a send
// or receive that says that the peer is gone (ECONNRESET, EPIPE) ends both directions. epoll_ctl is
// never refused with EPERM: of a descriptor that is not a socket it says that this is a regular
// file, always ready, and weir_selector_select has to believe it.

#ifndef WEIR_TESTING_FAILING_CALLS_H
#define WEIR_TESTING_FAILING_CALLS_H

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "weir/base.h"

namespace weir_testing {

enum class Call {
  kSocket,
  kBind,
  kListen,
  kAccept,
  kConnect,
  kGetOption,
  kSetOption,
  kLocalAddress,
  kRemoteAddress,
  kShutdown,
  kReceive,
  kSend,
  kReceiveFrom,
  kSendTo,
  kReceiveMessages,
  kSendMessages,
  kClose,
  kRead,
  kWrite,
  kPipe,
  kSpliceIn,
  kSpliceOut,
  kFileStatus,
  kRemoveFile,
  kEpollCreate,
  kEpollControl,
  kEpollWait,
  kEventCreate,
  kSignalCreate,
  kSignalMask,
  kResolve,
  kThreadCreate,
  kTimerCreate,
  kTimerSet,
};
constexpr size_t kCallKinds = static_cast<size_t>(Call::kTimerSet) + 1;

// Returns the name of |call| as the man pages have it.
const char *CallName(Call call);

// Returns how many errnos |call| may give.
size_t ErrorCount(Call call);

class FailingCalls {
 public:
  // |below| makes the calls that do not fail, and lives as long as this.
  explicit FailingCalls(const weir_internal_system_calls &below = weir_internal_kernel);
  FailingCalls(const FailingCalls &) = delete;
  FailingCalls &operator=(const FailingCalls &) = delete;

  // For weir_selector_options.system_calls.
  const weir_internal_system_calls *table() const { return &table_; }

  // Fails the |nth| fallible call from now on, counted from 1, with the errno of number |which|,
  // from 0, among those that such a call may give. 0 fails none.
  void FailNth(int nth, size_t which);
  // The same, but for the first of the kind |call| from the |nth| fallible call on.
  void FailNthOnly(int nth, Call call, size_t which);
  // Like FailNth with the errno of that name, "EPIPE".
  void FailNthWith(int nth, const std::string &error);

  // Lets each send and receive take |size| bytes at most; 0 sets no limit. Like the kernel's, a
  // receive that leaves something behind is followed by an event.
  void LimitTransfers(size_t size) { transfer_limit_ = size; }

  // What came of it: whether there was such a call, and whether that may give such an errno and
  // therefore failed.
  bool reached() const { return reached_; }
  bool failed() const { return failed_; }
  // What failed and how, "EPIPE"; only if something did.
  Call failed_call() const { return failed_call_; }
  int failed_number() const { return failed_number_; }  // among the fallible calls, from 1
  const char *failed_error() const { return weir_error_name(-failed_errno_); }

  // How many calls of this kind were made.
  int count(Call call) const { return counts_[static_cast<size_t>(call)]; }

  // For the functions of the table, from here on.
  const weir_internal_system_calls &below() const { return below_; }
  // Counts |call|; returns the errno with which it is to fail, or 0.
  int Enter(Call call);
  // And transfer at most what LimitTransfers says.
  int Send(int fd, const iovec *buffers, int count);
  int Receive(int fd, const iovec *buffers, int count);
  int SpliceIn(int socket, int pipe, size_t size);
  int SpliceOut(int pipe, int socket, size_t size);
  // Every host there is has the addresses of this machine, every service is port 7, and nobody is
  // asked.
  int Resolve(const char *host, const char *service, const addrinfo *hints, addrinfo **out);
  int EpollControl(int epoll, int operation, int fd, epoll_event *event);

 private:
  // What the kernel was told of a descriptor.
  struct Registration {
    int epoll;
    epoll_event event;
  };

  int Fail(Call call, int error);
  int EnterTransfer(Call call, int fd);
  size_t Limited(size_t size) const;
  std::vector<iovec> Limited(const iovec *buffers, int count) const;

  // Of what follows; loops on several threads may call.
  std::mutex mutex_;
  const weir_internal_system_calls &below_;
  weir_internal_system_calls table_;
  std::array<std::atomic<int>, kCallKinds> counts_{};
  int nth_ = 0;  // 0: none is to fail any more
  int number_ = 0;
  size_t which_ = 0;
  std::string error_;         // replaces which_ unless empty
  std::optional<Call> only_;  // what may fail, unless everything may
  bool reached_ = false;
  bool failed_ = false;
  int failed_number_ = 0;
  Call failed_call_ = Call::kSocket;
  int failed_errno_ = 0;
  size_t transfer_limit_ = 0;
  std::map<int, Registration> registrations_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_FAILING_CALLS_H
