// SPDX-License-Identifier: Apache-2.0
//
// What lines as long as a buffer, and longer, cost in system calls.

#include <gtest/gtest.h>

#include <string>

#include "testing/expect_coroutine.h"
#include "testing/failing_calls.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::Call;
using weir_testing::ExpectLaunch;
using weir_testing::FailingCalls;
using weir_testing::Input;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::RunCoroutine;
using weir_testing::TcpPair;

class LongLines : public weir_testing::LeakCheckedTest {};

int EchoLines(weir_connection *connection) {
  weir_bytes line;
  int result;
  while ((result = weir_read_utf8_line(Input(connection), &line)) == 0) {
    EXPECT_EQ(0, weir_write_line(Output(connection), line));
  }
  EXPECT_EQ(WEIR_E_END_OF_STREAM, result);
  return weir_connection_close(connection);
}

// Both ends are counted: each sends and receives the line once.
TEST_F(LongLines, ALineOfTheCapacityIsReceivedAndSentByOneCallEach) {
  for (size_t size : {16382, 16384}) {
    FailingCalls calls;
    weir_selector_options options = {};
    options.system_calls = calls.table();
    const std::string text(size, 'x');
    EXPECT_EQ(0, RunCoroutine(
                     [&] {
                       TcpPair pair = MakeTcpPair();
                       ExpectLaunch([&] { return EchoLines(pair.near); });
                       weir_bytes line;
                       for (int i = 1; i <= 10; i++) {
                         int sends = calls.count(Call::kSend);
                         int receives = calls.count(Call::kReceive);
                         EXPECT_EQ(0, weir_write_line(Output(pair.far),
                                                      weir_bytes_of(text.data(), text.size())));
                         EXPECT_EQ(0, weir_read_utf8_line(Input(pair.far), &line));
                         EXPECT_EQ(text.size(), line.size);
                         EXPECT_EQ(2, calls.count(Call::kSend) - sends) << size;
                         EXPECT_EQ(2, calls.count(Call::kReceive) - receives) << size;
                       }
                       EXPECT_EQ(0, weir_connection_close(pair.far));
                       return weir_scope_wait(nullptr);
                     },
                     &options));
  }
}

}  // namespace
