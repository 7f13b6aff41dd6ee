// SPDX-License-Identifier: Apache-2.0
//
// What tests of weir_writer and weir_reader have in common: functions that are lambdas.

#ifndef WEIR_TESTING_PIPE_COROUTINE_TEST_H
#define WEIR_TESTING_PIPE_COROUTINE_TEST_H

#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "weir/channel.h"

namespace weir_testing {

class PipeCoroutineTest : public ChannelTest {
 protected:
  using Write = std::function<int(weir_write_channel *)>;
  using Read = std::function<int(weir_read_channel *)>;

  // The bodies must outlive the coroutine.
  static int MakeWriter(weir_connection **out, Write &body, weir_end_options options = {},
                        weir_scope *scope = nullptr) {
    auto call = [](weir_write_channel *channel, void *argument) {
      return (*static_cast<Write *>(argument))(channel);
    };
    return weir_writer(out, scope, &options, call, &body);
  }
  static int MakeReader(weir_connection **out, Read &body, weir_end_options options = {},
                        weir_scope *scope = nullptr) {
    auto call = [](weir_read_channel *channel, void *argument) {
      return (*static_cast<Read *>(argument))(channel);
    };
    return weir_reader(out, scope, &options, call, &body);
  }

  // Everything up to the end of the stream, and then the result.
  static std::string ReadAll(weir_read_channel *channel) {
    std::string all;
    char bytes[64];
    int result;
    while ((result = weir_read_available(channel, bytes, sizeof bytes)) > 0) {
      all.append(bytes, static_cast<size_t>(result));
    }
    return all + " " + weir_error_name(result);
  }

  weir_connection *end_ = nullptr;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_PIPE_COROUTINE_TEST_H
