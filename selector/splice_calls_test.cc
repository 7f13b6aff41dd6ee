// SPDX-License-Identifier: Apache-2.0
//
// The kernel's calls that splice: what they do about SIGPIPE.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "selector/internal/system_calls.h"

namespace {

bool IsPending() {
  sigset_t pending;
  EXPECT_EQ(0, sigpending(&pending));
  return sigismember(&pending, SIGPIPE) == 1;
}

bool IsBlocked() {
  sigset_t blocked;
  EXPECT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &blocked));
  return sigismember(&blocked, SIGPIPE) == 1;
}

void Mask(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  EXPECT_EQ(0, pthread_sigmask(how, &signals, nullptr));
}

// Splices to a socket whose peer is gone. SIGPIPE would end the process.
void ExpectBrokenPipe() {
  int ends[2], sockets[2];
  ASSERT_EQ(0, weir_internal_kernel.pipe(nullptr, 1 << 16, &ends[0], &ends[1]));
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets));
  close(sockets[1]);
  EXPECT_EQ(4, write(ends[1], "text", 4));
  EXPECT_EQ(-EPIPE, weir_internal_kernel.splice_out(nullptr, ends[0], sockets[0], 4));
  close(sockets[0]);
  close(ends[0]);
  close(ends[1]);
}

TEST(SpliceCalls, ABrokenPipeRaisesNoSignal) {
  ExpectBrokenPipe();
  EXPECT_FALSE(IsBlocked());
  EXPECT_FALSE(IsPending());
}

TEST(SpliceCalls, ABlockedSignalStaysBlockedAndIsNotPending) {
  Mask(SIG_BLOCK);
  ExpectBrokenPipe();
  EXPECT_TRUE(IsBlocked());
  EXPECT_FALSE(IsPending());
  Mask(SIG_UNBLOCK);
}

TEST(SpliceCalls, ASignalThatIsPendingStaysPending) {
  Mask(SIG_BLOCK);
  EXPECT_EQ(0, raise(SIGPIPE));
  ExpectBrokenPipe();
  EXPECT_TRUE(IsPending());
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  int taken = 0;
  EXPECT_EQ(0, sigwait(&signals, &taken));
  Mask(SIG_UNBLOCK);
}

TEST(SpliceCalls, PipesAreNonBlockingAndClosedOnExec) {
  int ends[2];
  ASSERT_EQ(0, weir_internal_kernel.pipe(nullptr, 1 << 16, &ends[0], &ends[1]));
  for (int end : ends) {
    EXPECT_NE(0, fcntl(end, F_GETFL) & O_NONBLOCK);
    EXPECT_NE(0, fcntl(end, F_GETFD) & FD_CLOEXEC);
    close(end);
  }
}

}  // namespace
