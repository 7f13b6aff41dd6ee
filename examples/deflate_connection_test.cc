// SPDX-License-Identifier: Apache-2.0

#include "examples/deflate_connection.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "testing/channel_test.h"
#include "weir/channel.h"

namespace {

class Deflate : public weir_testing::ChannelTest {
 protected:
  // Runs |body| with two connections that compress, over a pipe of |capacity|.
  void WithFilters(size_t capacity, std::function<void()> body) {
    EXPECT_EQ(0, RunLoop([&] {
                weir_pipe_options options = {};
                options.capacity = capacity;
                weir_connection *inner[2];
                int result = weir_pipe(&inner[0], &inner[1], &options);
                if (result < 0) return result;
                for (int i = 0; i < 2; i++) EXPECT_EQ(0, deflate_connection(&ends_[i], inner[i]));
                body();
                for (weir_connection *end : ends_) (void)weir_connection_close(end);
                for (weir_connection *end : inner) (void)weir_connection_close(end);
                return 0;
              }));
  }

  weir_connection *ends_[2] = {};
};

TEST_F(Deflate, ALineIsAnswered) {
  WithFilters(0, [&] {
    Start([&] {
      weir_bytes line;
      while (weir_read_line(weir_open_read_channel(ends_[1]), &line) == 0) {
        EXPECT_EQ(0, weir_write_line(weir_open_write_channel(ends_[1], true), line));
      }
      return 0;
    });
    weir_bytes line;
    for (int i = 0; i < 3; i++) {
      EXPECT_EQ(0, weir_write_line(weir_open_write_channel(ends_[0], true), weir_text("hello")));
      EXPECT_EQ(0, weir_read_line(weir_open_read_channel(ends_[0]), &line));
      EXPECT_EQ("hello", Text(line));
    }
    EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(ends_[0], false)));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(Deflate, AMebibyteArrivesThroughATinyPipe) {
  std::string all(1 << 20, '\0');
  for (size_t i = 0; i < all.size(); i++) all[i] = static_cast<char>(i * i >> 7);
  for (bool auto_flush : {false, true}) {
    WithFilters(7, [&] {
      Start([&] {
        weir_write_channel *output = weir_open_write_channel(ends_[0], auto_flush);
        EXPECT_EQ(0, weir_write_fully(output, all.data(), all.size(), nullptr));
        return weir_write_channel_close(output);
      });
      std::string received(all.size(), '\0');
      weir_read_channel *input = weir_open_read_channel(ends_[1]);
      EXPECT_EQ(0, weir_read_fully(input, &received[0], received.size(), nullptr));
      EXPECT_TRUE(all == received);
      char byte;
      EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_available(input, &byte, 1));
      EXPECT_EQ(0, weir_scope_wait(nullptr));
    });
  }
}

TEST_F(Deflate, ACloseDeliversAll) {
  WithFilters(7, [&] {
    std::string text(50000, 'x');
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(ends_[0], true), text.c_str()));
    Start([&] {
      EXPECT_EQ(0, weir_connection_close(ends_[0]));
      ends_[0] = nullptr;
      return 0;
    });
    std::string received(text.size(), '\0');
    EXPECT_EQ(0, weir_read_fully(weir_open_read_channel(ends_[1]), &received[0], received.size(),
                                 nullptr));
    EXPECT_TRUE(text == received);
    char byte;
    EXPECT_EQ(WEIR_E_END_OF_STREAM,
              weir_read_available(weir_open_read_channel(ends_[1]), &byte, 1));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
  });
}

TEST_F(Deflate, ABreakReachesTheOtherEnd) {
  WithFilters(0, [&] {
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(ends_[0], true), "half"));
    weir_write_channel_cancel(weir_open_write_channel(ends_[0], true), -EIO);
    weir_bytes line;
    EXPECT_EQ(-EIO, weir_read_line(weir_open_read_channel(ends_[1]), &line));
  });
}

}  // namespace
