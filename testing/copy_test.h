// SPDX-License-Identifier: Apache-2.0
//
// What tests of copies have in common: a source and a target that do what the test says.

#ifndef WEIR_TESTING_COPY_TEST_H
#define WEIR_TESTING_COPY_TEST_H

#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace weir_testing {

class CopyTest : public ChannelTest {
 protected:
  // Runs |body| over two scripted transports; the bytes go from the first to the second.
  void WithTwo(std::function<void(ScriptedTransport &, ScriptedTransport &)> body) {
    WithScript([&](ScriptedTransport &source) {
      ScriptedTransport target;
      body(source, target);
      if (!target.released()) weir_connection_close(target.connection());
    });
  }

  static void FeedAll(ScriptedTransport &script, const std::string &bytes, size_t step) {
    for (size_t at = 0; at < bytes.size(); at += step) script.Feed(bytes.substr(at, step));
    script.FeedEnd();
  }

  static std::string Pattern(size_t size) {
    std::string pattern(size, '\0');
    for (size_t i = 0; i < size; i++) pattern[i] = static_cast<char>(i * 7 % 251);
    return pattern;
  }

  // What is unread.
  static std::string Rest(ScriptedTransport &script) {
    std::string all;
    char bytes[100];
    int result;
    while ((result = weir_read_available(script.reader(), bytes, sizeof bytes)) > 0) {
      all.append(bytes, static_cast<size_t>(result));
    }
    return all;
  }
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_COPY_TEST_H
