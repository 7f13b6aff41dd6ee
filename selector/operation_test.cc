// SPDX-License-Identifier: Apache-2.0

#include "selector/internal/operation.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"

namespace {

using weir_testing::LaunchCoroutine;
using weir_testing::RunCoroutine;

char memory[16];

int Lend(weir_internal_lender *lender, struct iovec *buffers) {
  static_cast<void>(lender);
  buffers[0] = {memory, sizeof memory};
  return 1;
}

// One end belongs to a descriptor, the other to the test.
struct Pair {
  Pair() {
    int fds[2];
    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds));
    weir_internal_descriptor_open(&descriptor, weir_current_selector(), fds[0], false);
    peer = fds[1];
  }
  ~Pair() {
    weir_internal_descriptor_close(&descriptor);
    close(peer);
  }
  int Receive() {
    weir_internal_lender lender = {Lend, nullptr};
    weir_internal_operation operation = {};
    operation.kind = WEIR_INTERNAL_RECEIVE;
    operation.descriptor = &descriptor;
    operation.with.lender = &lender;
    return weir_internal_await(&operation);
  }
  weir_internal_descriptor descriptor;
  int peer = -1;
};

class Operation : public weir_testing::LeakCheckedTest {};

TEST_F(Operation, AnInterruptionEndsAnOperationThatWaits) {
  EXPECT_EQ(0, RunCoroutine([] {
              Pair pair;
              int result = 1;
              EXPECT_EQ(0, LaunchCoroutine([&] {
                          result = pair.Receive();
                          return 0;
                        }));
              EXPECT_EQ(0, weir_yield());
              weir_internal_descriptor_interrupt(&pair.descriptor, WEIR_INTERNAL_READ,
                                                 WEIR_E_CLOSED);
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              EXPECT_EQ(WEIR_E_CLOSED, result);
              return 0;
            }));
}

// Two coroutines are woken in one round. The first takes away what the second was woken for, and
// then interrupts it: the second finds nothing, and must not wait again.
TEST_F(Operation, AnInterruptionReachesAnOperationThatIsAboutToBeTriedAgain) {
  EXPECT_EQ(0, RunCoroutine([] {
              Pair first, second;
              int result = 1;
              EXPECT_EQ(0, LaunchCoroutine([&] {
                          EXPECT_EQ(1, first.Receive());
                          char byte;
                          EXPECT_EQ(1, recv(second.descriptor.fd, &byte, 1, 0));
                          weir_internal_descriptor_interrupt(&second.descriptor, WEIR_INTERNAL_READ,
                                                             WEIR_E_CLOSED);
                          return 0;
                        }));
              EXPECT_EQ(0, LaunchCoroutine([&] {
                          result = second.Receive();
                          return 0;
                        }));
              EXPECT_EQ(0, weir_yield());
              EXPECT_EQ(1, send(first.peer, "x", 1, MSG_NOSIGNAL));
              EXPECT_EQ(1, send(second.peer, "x", 1, MSG_NOSIGNAL));
              EXPECT_EQ(0, weir_scope_wait(nullptr));
              EXPECT_EQ(WEIR_E_CLOSED, result);
              return 0;
            }));
}

// Both directions become ready at once. The first who is told ends the descriptor, whose memory
// then is another one's.
TEST_F(Operation, TheFirstWhoIsToldMayCloseTheDescriptor) {
  struct Both {
    Pair pair;
    weir_internal_operation read = {};
    weir_internal_operation write = {};
    bool told = false;
  };
  EXPECT_EQ(0, RunCoroutine([] {
              Both both;
              weir_internal_descriptor *descriptor = &both.pair.descriptor;
              const struct iovec buffer = {memory, sizeof memory};
              int result = 0;
              while (result >= 0) result = weir_internal_try_to_send(descriptor, &buffer, 1);
              EXPECT_EQ(-EAGAIN, result);
              both.read.kind = WEIR_INTERNAL_READABLE;
              both.write.kind = WEIR_INTERNAL_WRITABLE;
              both.read.descriptor = both.write.descriptor = descriptor;
              both.read.owner = &both;
              both.read.complete = [](weir_internal_operation *operation) {
                auto *self = static_cast<Both *>(operation->owner);
                EXPECT_TRUE(weir_internal_cancel_operation(&self->write));
                weir_internal_descriptor_close(&self->pair.descriptor);
                self->pair.descriptor.waiting[WEIR_INTERNAL_WRITE] = &self->write;
                self->told = true;
              };
              both.write.complete = [](weir_internal_operation *) { ADD_FAILURE(); };
              EXPECT_EQ(-EINPROGRESS, weir_internal_submit(&both.read));
              EXPECT_EQ(-EINPROGRESS, weir_internal_submit(&both.write));
              EXPECT_EQ(1, send(both.pair.peer, "x", 1, MSG_NOSIGNAL));
              char bytes[1000];
              while (recv(both.pair.peer, bytes, sizeof bytes, 0) > 0) continue;
              while (!both.told) EXPECT_EQ(0, weir_yield());
              EXPECT_EQ(0, weir_yield());
              return 0;
            }));
}

}  // namespace
