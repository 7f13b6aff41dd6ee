// SPDX-License-Identifier: Apache-2.0
//
// What tests of channels have in common: virtual time, and a leak check behind everything.

#ifndef WEIR_TESTING_CHANNEL_TEST_H
#define WEIR_TESTING_CHANNEL_TEST_H

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>

#include "testing/lambda_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/scripted_transport.h"
#include "testing/virtual_loop.h"
#include "weir/channel.h"

namespace weir_testing {

class ChannelTest : public LeakCheckedTest {
 protected:
  // Runs |body| as the root coroutine of a loop with virtual time.
  int RunLoop(std::function<int()> body) {
    VirtualLoop loop;
    EXPECT_EQ(0, loop.created());
    return loop.Run(std::move(body));
  }

  // The same over a scripted transport, whose connection is closed behind |body| unless that did
  // it.
  void WithScript(std::function<void(ScriptedTransport &)> body) {
    VirtualLoop loop;
    ScriptedTransport script;
    int result = loop.Run([&] {
      body(script);
      if (!script.released()) weir_connection_close(script.connection());
      return 0;
    });
    EXPECT_EQ(0, result);
  }

  // Launches |body| and lets it run until it waits for something.
  void Start(std::function<int()> body, weir_job **job = nullptr) {
    EXPECT_EQ(0, LaunchCoroutine(std::move(body), nullptr, job));
    EXPECT_EQ(0, weir_yield());
  }

  // Runs |body| with a deadline that passes at once if it waits; returns its result.
  static int AtOnce(std::function<int()> body) {
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    int result = body();
    weir_timeout_end(timeout);
    return result;
  }

  static std::string Text(weir_bytes bytes) { return std::string(bytes.data, bytes.size); }
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_CHANNEL_TEST_H
