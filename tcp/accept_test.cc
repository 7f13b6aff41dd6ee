// SPDX-License-Identifier: Apache-2.0
//
// Accepting, above all when it does not go well.

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "testing/virtual_clock.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Bind;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::LaunchJob;
using weir_testing::RawSocket;

class Accept : public weir_testing::LeakCheckedTest {};

// A client comes through |listener| and goes.
void Meet(weir_listener *listener) {
  RawSocket client;
  EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
  weir_connection *connection = nullptr;
  EXPECT_EQ(0, weir_accept(listener, &connection));
  client.Close();
  EXPECT_EQ(0, weir_connection_close(connection));
}

TEST_F(Accept, ASecondAcceptorIsRefused) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    ExpectLaunch([&] {
      weir_connection *connection = nullptr;
      EXPECT_EQ(WEIR_E_CLOSED, weir_accept(listener, &connection));
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    weir_connection *connection = nullptr;
    EXPECT_EQ(-EBUSY, weir_accept(listener, &connection));
    EXPECT_EQ(nullptr, connection);
    return weir_listener_close(listener);
  });
}

TEST_F(Accept, IsCancelledAndEndsAtItsDeadline) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    weir_connection *connection = nullptr;
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_accept(listener, &connection));
    EXPECT_TRUE(weir_timeout_end(timeout));
    weir_job *job = LaunchJob([&] {
      weir_connection *none = nullptr;
      return weir_accept(listener, &none);
    });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    // The listener is as good as before.
    Meet(listener);
    return weir_listener_close(listener);
  });
}

TEST_F(Accept, TakesAClientThatHasGoneAlready) {
  ExpectRun([] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    RawSocket client;
    EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
    client.Reset();
    weir_connection *connection = nullptr;
    EXPECT_EQ(0, weir_accept(listener, &connection));
    EXPECT_EQ(0u, std::string(weir_remote_address(connection)).find("127.0.0.1:"));
    weir_bytes line;
    EXPECT_EQ(-ECONNRESET, weir_read_line(weir_open_read_channel(connection), &line));
    // The failure stays, although the kernel now says "end of stream".
    EXPECT_EQ(-ECONNRESET, weir_read_line(weir_open_read_channel(connection), &line));
    EXPECT_EQ(-ECONNRESET, weir_connection_close(connection));
    return weir_listener_close(listener);
  });
}

// The next results of accept: a negative code, or 0 for the kernel's own answer.
int planned[8];
int plan_next;
int accept_calls;

weir_internal_system_calls PlannedCalls(const weir_internal_system_calls &below) {
  plan_next = 0;
  accept_calls = 0;
  weir_internal_system_calls calls = below;
  calls.accept = [](void *, int fd, struct sockaddr *address, socklen_t *size, int flags) {
    accept_calls++;
    int result = planned[plan_next];
    if (result == 0) return weir_internal_kernel.accept(nullptr, fd, address, size, flags);
    plan_next++;
    return result;
  };
  return calls;
}

TEST_F(Accept, PassesOverClientsThatFailed) {
  const int failures[] = {-EINTR,     -ECONNABORTED, -ENETDOWN,   -EPROTO,      -ENOPROTOOPT,
                          -EHOSTDOWN, -EHOSTUNREACH, -EOPNOTSUPP, -ENETUNREACH, -ENONET};
  for (int failure : failures) {
    weir_internal_system_calls calls = PlannedCalls(weir_internal_kernel);
    for (int i = 0; i < 7; i++) planned[i] = failure;
    weir_selector_options options = {};
    options.system_calls = &calls;
    ExpectRun(options, [] {
      weir_listener *listener = Bind("127.0.0.1", 0);
      Meet(listener);
      return weir_listener_close(listener);
    });
    EXPECT_EQ(8, accept_calls) << weir_error_name(failure);
  }
}

// Runs Meet on a clock of its own while accept fails |count| times, and returns how long it took.
int64_t TimeToMeet(int failure, int count) {
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  weir_internal_system_calls calls = PlannedCalls(*options.system_calls);
  for (int i = 0; i < 8; i++) planned[i] = i < count ? failure : 0;
  options.system_calls = &calls;
  int64_t start = clock.now();
  ExpectRun(options, [] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    Meet(listener);
    return weir_listener_close(listener);
  });
  EXPECT_EQ(count + 1, accept_calls);
  return clock.now() - start;
}

TEST_F(Accept, WaitsLongerAndLongerWhenDescriptorsRunOut) {
  for (int failure : {-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM}) {
    // Descriptors are asked for twice before the first wait.
    int more = failure == -EMFILE || failure == -ENFILE ? 1 : 0;
    EXPECT_EQ(0, TimeToMeet(failure, more)) << weir_error_name(failure);
    EXPECT_EQ(100 * WEIR_MILLISECOND, TimeToMeet(failure, 1 + more)) << weir_error_name(failure);
    EXPECT_EQ(300 * WEIR_MILLISECOND, TimeToMeet(failure, 2 + more)) << weir_error_name(failure);
    // 100 + 200 + 400 + 800, and from then on a second at most.
    EXPECT_EQ(1500 * WEIR_MILLISECOND, TimeToMeet(failure, 4 + more)) << weir_error_name(failure);
    EXPECT_EQ(3500 * WEIR_MILLISECOND, TimeToMeet(failure, 6 + more)) << weir_error_name(failure);
  }
}

TEST_F(Accept, GoesOnAsSoonAsADescriptorIsClosed) {
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  weir_internal_system_calls calls = PlannedCalls(*options.system_calls);
  for (int &result : planned) result = 0;
  options.system_calls = &calls;
  int64_t start = clock.now();
  ExpectRun(options, [] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    weir_listener *other = Bind("127.0.0.1", 0);
    planned[0] = planned[1] = -EMFILE;
    ExpectLaunch([=] {
      Meet(listener);
      return weir_listener_close(listener);
    });
    EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
    EXPECT_EQ(2, accept_calls);
    EXPECT_EQ(0, weir_listener_close(other));
    return weir_scope_wait(nullptr);
  });
  EXPECT_EQ(3, accept_calls);
  EXPECT_EQ(10 * WEIR_MILLISECOND, clock.now() - start);
}

// Another loop closes one between an accept that fails and the wait, be it the first or a later
// one. No time passes.
TEST_F(Accept, ADescriptorThatIsClosedJustBeforeTheWaitIsNotMissed) {
  constexpr int kCloses = 5;
  static std::atomic<int> accepts, closes;
  accepts = closes = 0;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.now = [](void *) { return WEIR_SECOND; };
  calls.accept = [](void *, int fd, sockaddr *address, socklen_t *size, int flags) {
    accepts++;
    if (closes >= kCloses) return weir_internal_kernel.accept(nullptr, fd, address, size, flags);
    int before = closes;
    while (closes == before) continue;
    return -EMFILE;
  };
  weir_selector_options options = {};
  options.loops = 2;
  options.system_calls = &calls;
  ExpectRun(options, [] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    EXPECT_EQ(0, weir_testing::LaunchCoroutineOn(1, [] {
                for (int i = 0; i < kCloses; i++) {
                  weir_listener *other = Bind("127.0.0.1", 0);
                  while (accepts == i) continue;
                  EXPECT_EQ(0, weir_listener_close(other));
                  closes++;
                }
                return 0;
              }));
    Meet(listener);
    EXPECT_EQ(kCloses + 1, accepts);
    return weir_listener_close(listener);
  });
}

TEST_F(Accept, CloseEndsTheWaitForADescriptor) {
  weir_testing::VirtualClock clock;
  weir_selector_options options = clock.options();
  weir_internal_system_calls calls = PlannedCalls(*options.system_calls);
  for (int &result : planned) result = -EMFILE;
  options.system_calls = &calls;
  int64_t start = clock.now();
  ExpectRun(options, [] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    RawSocket client;
    EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
    int seen = 0;
    ExpectLaunch([&] {
      weir_connection *connection = nullptr;
      seen = weir_accept(listener, &connection);
      return 0;
    });
    EXPECT_EQ(0, weir_delay(10 * WEIR_MILLISECOND));
    EXPECT_EQ(0, weir_listener_close(listener));
    EXPECT_EQ(WEIR_E_CLOSED, seen);
    return 0;
  });
  EXPECT_EQ(10 * WEIR_MILLISECOND, clock.now() - start);
}

TEST_F(Accept, WithoutMemoryTheClientWaits) {
  weir_testing::VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    int64_t start = clock.now();
    allocator().FailNth(1);
    Meet(listener);
    EXPECT_TRUE(allocator().refused());
    EXPECT_EQ(100 * WEIR_MILLISECOND, clock.now() - start);
    return weir_listener_close(listener);
  });
}

TEST_F(Accept, TheWaitForMemoryEndsAtTheDeadline) {
  weir_testing::VirtualClock clock;
  ExpectRun(clock.options(), [&] {
    weir_listener *listener = Bind("127.0.0.1", 0);
    RawSocket client;
    EXPECT_EQ(0, client.Connect(weir_listener_port(listener)));
    weir_connection *connection = nullptr;
    weir_timeout timeout = weir_timeout_begin(10 * WEIR_MILLISECOND);
    allocator().FailNth(1);
    EXPECT_EQ(-ETIMEDOUT, weir_accept(listener, &connection));
    EXPECT_TRUE(weir_timeout_end(timeout));
    EXPECT_TRUE(allocator().refused());
    EXPECT_EQ(nullptr, connection);
    // The client has not been lost.
    EXPECT_EQ(0, weir_accept(listener, &connection));
    client.Close();
    weir_connection_close(connection);
    return weir_listener_close(listener);
  });
}

}  // namespace
