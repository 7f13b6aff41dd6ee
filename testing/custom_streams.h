// SPDX-License-Identifier: Apache-2.0
//
// A custom connection of which a test says when its operations wait.

#ifndef WEIR_TESTING_CUSTOM_STREAMS_H
#define WEIR_TESTING_CUSTOM_STREAMS_H

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "weir/custom_connection.h"

namespace weir_testing {

// A source and a sink of which a test says when they wait.
struct Streams {
  std::string input;
  bool ended = false;
  std::string output;
  size_t room = static_cast<size_t>(-1);
  int failure = 0;       // of every call
  int finish_waits = 0;  // finish() says -EAGAIN without |wait|
  int finished = 0, aborted = 0, released = 0;
  int cause = 0;
  size_t largest_read = 0;
  int waiting_calls = 0;
  bool inside = false;  // a call that waits

  // Waiting is reading from a pipe: each byte wakes once. Without a pipe nothing wakes.
  weir_connection *near = nullptr, *far = nullptr;

  void Wake() { EXPECT_EQ(0, weir_write_string(weir_open_write_channel(near, true), ".")); }

  int Wait() {
    waiting_calls++;
    inside = true;
    char byte;
    int result = far == nullptr ? weir_delay(WEIR_FOREVER)
                                : weir_read_available(weir_open_read_channel(far), &byte, 1);
    inside = false;
    return result < 0 ? result : 0;
  }

  int Read(char *out, size_t size, bool wait) {
    largest_read = std::max(largest_read, size);
    for (;;) {
      if (failure < 0) return failure;
      if (!input.empty()) {
        size = std::min(size, input.size());
        memcpy(out, input.data(), size);
        input.erase(0, size);
        return static_cast<int>(size);
      }
      if (ended) return 0;
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
    }
  }

  int Write(const char *data, size_t size, bool wait) {
    for (;;) {
      if (failure < 0) return failure;
      if (room > 0) {
        size = std::min(size, room);
        output.append(data, size);
        if (room != static_cast<size_t>(-1)) room -= size;
        return static_cast<int>(size);
      }
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
    }
  }

  int Finish(bool wait) {
    if (finish_waits > 0) {
      if (!wait) return -EAGAIN;
      int result = Wait();
      if (result < 0) return result;
      finish_waits = 0;
    }
    finished++;
    return failure;
  }
};

// The |context| of the operations below.
inline Streams &Of(void *context) { return *static_cast<Streams *>(context); }

inline constexpr weir_custom_operations kStreamOperations = {
    [](void *context, void *out, size_t size, bool wait) {
      return Of(context).Read(static_cast<char *>(out), size, wait);
    },
    [](void *context, const void *data, size_t size, bool wait) {
      return Of(context).Write(static_cast<const char *>(data), size, wait);
    },
    [](void *context, bool wait) { return Of(context).Finish(wait); },
    [](void *context, int cause) {
      Of(context).aborted++;
      Of(context).cause = cause;
    },
    [](void *context) { Of(context).released++; },
};

// A connection over Streams.
class CustomTest : public ChannelTest {
 protected:
  void WithCustom(std::function<void()> body) {
    EXPECT_EQ(0, RunLoop([&] {
                streams_ = Streams();
                int result = weir_pipe(&streams_.near, &streams_.far, nullptr);
                if (result < 0) return result;
                result = weir_custom_connection(&custom_, &kStreamOperations, &streams_, nullptr);
                if (result == 0) {
                  body();
                  (void)weir_connection_close(custom_);
                  EXPECT_EQ(1, streams_.released);
                }
                weir_connection_close(streams_.near);
                weir_connection_close(streams_.far);
                return result;
              }));
  }

  weir_read_channel *Reader() { return weir_open_read_channel(custom_); }
  weir_write_channel *Writer(bool auto_flush = false) {
    return weir_open_write_channel(custom_, auto_flush);
  }
  int Read() {
    char byte;
    return weir_read_available(Reader(), &byte, 1);
  }
  int Write(const std::string &text, bool auto_flush = false) {
    return weir_write_fully(Writer(auto_flush), text.data(), text.size(), nullptr);
  }
  int Close() {
    weir_connection *closed = custom_;
    custom_ = nullptr;
    return weir_connection_close(closed);
  }
  // Lets the loop take a few turns.
  static void Turns() {
    for (int i = 0; i < 5; i++) EXPECT_EQ(0, weir_delay(1));
  }

  Streams streams_;
  weir_connection *custom_ = nullptr;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_CUSTOM_STREAMS_H
