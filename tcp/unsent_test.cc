// SPDX-License-Identifier: Apache-2.0
//
// What was written can never be sent, and not because of the peer. Nobody waits for it but the
// reader, who would wait for the answer to it for ever.

#include <gtest/gtest.h>

#include <cerrno>
#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::EndOf;
using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::TcpPair;

constexpr size_t kCapacity = 16 * 1024;

class Unsent : public weir_testing::LeakCheckedTest {
 protected:
  // Makes writes of |sizes| that the kernel refuses, and expects the reader to be told.
  void ExpectReaderTold(const std::vector<size_t> &sizes) {
    weir_internal_system_calls calls = weir_internal_kernel;
    weir_selector_options options = {};
    options.system_calls = &calls;
    ExpectRun(options, [&] {
      TcpPair pair = MakeTcpPair();
      weir_job *reader = LaunchJob([&] {
        char byte;
        return weir_read_available(Input(pair.near), &byte, 1);
      });
      EXPECT_EQ(0, weir_yield());
      calls.send = [](void *, int, const iovec *, int) { return -EPERM; };
      for (size_t size : sizes) {
        const std::string text(size, 'x');
        EXPECT_EQ(0, weir_write_fully(Output(pair.near), text.data(), size, nullptr));
      }
      weir_timeout timeout = weir_timeout_begin(5 * WEIR_SECOND);
      int result = EndOf(reader);
      EXPECT_FALSE(weir_timeout_end(timeout));
      EXPECT_EQ(-ECONNRESET, result) << weir_error_name(result);
      EXPECT_EQ(-EPERM, weir_flush(Output(pair.near)));
      weir_connection_abort(pair.near);
      weir_connection_close(pair.near);
      weir_connection_close(pair.far);
      return 0;
    });
  }
};

TEST_F(Unsent, WhatAutoFlushSends) { ExpectReaderTold({100}); }

TEST_F(Unsent, WhatFillsTheBuffer) { ExpectReaderTold({100, kCapacity - 100}); }

TEST_F(Unsent, WhatIsSentAtOnceBecauseItWouldFillIt) { ExpectReaderTold({kCapacity}); }

}  // namespace
