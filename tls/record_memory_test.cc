// SPDX-License-Identifier: Apache-2.0
//
// When BoringSSL has no memory for a record: the end of a stream is not said to be sent when it was
// not.

#include "testing/record_memory.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"
#include "testing/virtual_clock.h"

namespace weir_testing {
namespace {

constexpr int kMostTried = 10;

class RecordMemoryTest : public LeakCheckedTest,
                         public ::testing::WithParamInterface<weir_tls_version> {
 protected:
  // Writes "hello" and calls |end| with the |nth| allocation failing, and then closes what that has
  // left. Returns what the peer reads afterwards; tells whether one failed.
  static std::string EndWith(int nth, const std::function<int(weir_connection **)> &end,
                             bool *out_refused) {
    SecureWorld world(GetParam());
    std::string got;
    ExpectRun([&] {
      SecurePair pair = world.Connect(Wire::kPipe);
      EXPECT_EQ(0, Send(pair.near, "hello"));
      RecordMemory::Refuse(nth);
      int result = end(&pair.near);
      EXPECT_TRUE(result == 0 || result == -ENOMEM) << weir_error_name(result);
      *out_refused = RecordMemory::HasRefused();
      RecordMemory::Refuse(0);
      EXPECT_EQ(0, weir_connection_close(pair.near));
      got = ReadToEnd(pair.far);
      EXPECT_EQ(0, weir_connection_close(pair.far));
      return 0;
    });
    return got;
  }

  static void ExpectTheEnd(const std::function<int(weir_connection **)> &end) {
    bool refused = true;
    int tried = 0;
    for (int nth = 1; refused && nth < kMostTried; nth++, tried++) {
      EXPECT_EQ("hello", EndWith(nth, end, &refused)) << nth;
    }
    EXPECT_FALSE(refused);
    EXPECT_LE(RecordMemory::CanRefuse() ? 2 : 1, tried);
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, RecordMemoryTest, testing::Values(WEIR_TLS_1_2, WEIR_TLS_1_3));

TEST_P(RecordMemoryTest, TheEndOfAStreamIsSent) {
  ExpectTheEnd([](weir_connection **connection) {
    return weir_write_channel_close(weir_open_write_channel(*connection, false));
  });
}

TEST_P(RecordMemoryTest, AClosedConnectionHasSaidItsEnd) {
  ExpectTheEnd([](weir_connection **connection) {
    weir_connection *closed = *connection;
    *connection = nullptr;
    return weir_connection_close(closed);
  });
}

// And nobody waits for memory with which it would not be sent either.
TEST_P(RecordMemoryTest, WhatCannotBeSealedEndsTheSession) {
  if (!RecordMemory::CanRefuse()) return;
  VirtualClock clock;
  SecureWorld world(GetParam());
  ExpectRun(clock.options(), [&] {
    SecurePair pair = world.Connect(Wire::kPipe);
    weir_write_channel *output = weir_open_write_channel(pair.near, true);
    EXPECT_EQ(0, weir_write_string(output, "never sealed"));
    RecordMemory::Refuse(1);
    EXPECT_EQ(WEIR_E_TLS_LIBRARY, weir_flush(output));
    EXPECT_TRUE(RecordMemory::HasRefused());
    EXPECT_EQ(WEIR_E_TLS_LIBRARY, Send(pair.near, "more"));
    EXPECT_EQ(WEIR_E_TLS_LIBRARY, weir_tls_last_failure(pair.near)->code);
    int64_t begin = clock.now();
    EXPECT_EQ(WEIR_E_TLS_LIBRARY, weir_connection_close(pair.near));
    EXPECT_GE(WEIR_SECOND, clock.now() - begin);
    EXPECT_NE("", ReadToEnd(pair.far));
    weir_connection_abort(pair.far);
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair.far));
    return 0;
  });
}

}  // namespace
}  // namespace weir_testing
