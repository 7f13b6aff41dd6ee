// SPDX-License-Identifier: Apache-2.0
//
// Channels of sockets that end with a cause, and copies between sockets.

#include <gtest/gtest.h>

#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::ReadAll;
using weir_testing::TcpPair;
using weir_testing::Write;

class TcpCancel : public weir_testing::LeakCheckedTest {};

TEST_F(TcpCancel, ACancelledWriteSideResetsThePeer) {
  ExpectRun([&] {
    TcpPair pair = MakeTcpPair();
    EXPECT_EQ(0, Write(pair.near, "half of it"));
    weir_write_channel_cancel(Output(pair.near), -EPROTO);
    std::string received;
    EXPECT_EQ(-ECONNRESET, ReadAll(pair.far, &received));
    EXPECT_EQ(-EPROTO, Write(pair.near, "x"));
    EXPECT_EQ(-EPROTO, weir_write_channel_cause(Output(pair.near)));
    EXPECT_EQ(-ECONNABORTED, weir_read_channel_cause(Input(pair.near)));
    EXPECT_EQ(-EPROTO, weir_connection_close(pair.near));
    EXPECT_EQ(-ECONNRESET, weir_read_channel_cause(Input(pair.far)));
    (void)weir_connection_close(pair.far);
    return 0;
  });
}

TEST_F(TcpCancel, SuspendedOperationsReturnTheCause) {
  ExpectRun([&] {
    TcpPair pair = MakeTcpPair();
    int read = 1, written = 1;
    ExpectLaunch([&] {
      char byte;
      read = weir_read_available(Input(pair.near), &byte, 1);
      return 0;
    });
    ExpectLaunch([&] {
      while ((written = Write(pair.near, std::string(1 << 20, 'x'))) == 0) continue;
      return 0;
    });
    EXPECT_EQ(0, weir_delay(5 * WEIR_MILLISECOND));
    weir_read_channel_cancel(Input(pair.near), -EBADMSG);
    EXPECT_EQ(0, weir_yield());
    weir_write_channel_cancel(Output(pair.near), -EPROTO);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(-EBADMSG, read);
    EXPECT_EQ(-EPROTO, written);
    EXPECT_EQ(-EPROTO, weir_connection_close(pair.near));
    (void)weir_connection_close(pair.far);
    return 0;
  });
}

TEST_F(TcpCancel, ACancelledReadSideLetsOutputGo) {
  ExpectRun([&] {
    TcpPair pair = MakeTcpPair();
    weir_read_channel_cancel(Input(pair.near), -EPROTO);
    EXPECT_EQ(0, Write(pair.far, "unwanted"));
    EXPECT_EQ(0, Write(pair.near, "wanted"));
    EXPECT_EQ(0, weir_write_channel_close(Output(pair.far)));
    EXPECT_EQ(0, weir_connection_close(pair.near));
    std::string received;
    EXPECT_EQ(0, ReadAll(pair.far, &received));
    EXPECT_EQ("wanted", received);
    return weir_connection_close(pair.far);
  });
}

TEST_F(TcpCancel, AConnectionEchoesItself) {
  const std::string data = Pattern(3000000);
  std::string received;
  ExpectRun([&] {
    TcpPair pair = MakeTcpPair();
    uint64_t count = 0;
    ExpectLaunch([&] {
      EXPECT_EQ(0, weir_copy_and_close(Input(pair.near), Output(pair.near), nullptr, &count));
      return weir_connection_close(pair.near);
    });
    ExpectLaunch([&] {
      EXPECT_EQ(0, Write(pair.far, data));
      return weir_write_channel_close(Output(pair.far));
    });
    EXPECT_EQ(0, ReadAll(pair.far, &received));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(data.size(), count);
    return weir_connection_close(pair.far);
  });
  EXPECT_TRUE(data == received);
}

TEST_F(TcpCancel, AnAbortEndsACopyWhereverItWaits) {
  for (bool source : {true, false}) {
    ExpectRun([&] {
      TcpPair in = MakeTcpPair(), out = MakeTcpPair();
      int result = 0;
      ExpectLaunch([&] {
        result = weir_copy(Input(in.near), Output(out.near), nullptr, nullptr);
        return 0;
      });
      EXPECT_EQ(0, Write(in.far, "something"));
      EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
      weir_connection_abort(source ? in.near : out.near);
      EXPECT_EQ(0, weir_scope_wait(nullptr));
      EXPECT_EQ(-ECONNABORTED, result);
      for (weir_connection *end : {in.near, in.far, out.near, out.far}) {
        weir_connection_set_close_timeout(end, WEIR_MILLISECOND);
        (void)weir_connection_close(end);
      }
      return 0;
    });
  }
}

}  // namespace
