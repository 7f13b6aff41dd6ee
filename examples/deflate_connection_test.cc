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

TEST_F(Deflate, ACloseInACancelledCoroutineDeliversAll) {
  WithFilters(0, [&] {
    weir_job *job;
    Start(
        [&] {
          weir_connection *end = ends_[0];
          EXPECT_EQ(0, weir_write_line(weir_open_write_channel(end, false), weir_text("last")));
          EXPECT_EQ(-ECANCELED, weir_delay(WEIR_FOREVER));
          ends_[0] = nullptr;
          (void)weir_connection_close(end);
          return 0;
        },
        &job);
    weir_job_cancel(job);
    EXPECT_EQ(0, weir_job_wait(job, nullptr));
    weir_job_close(job);
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(weir_open_read_channel(ends_[1]), &line));
    EXPECT_EQ("last", Text(line));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(weir_open_read_channel(ends_[1]), &line));
  });
}

TEST_F(Deflate, WhatTheChannelBelowRefusesIsKeptAndSentLater) {
  for (bool read : {false, true}) {
    WithFilters(0, [&] {
      weir_write_channel *output = weir_open_write_channel(ends_[0], false);
      EXPECT_EQ(0, weir_write_line(output, weir_text("first")));
      // No buffer for the channel below.
      allocator().FailNth(1);
      EXPECT_EQ(0, weir_flush(output));
      EXPECT_TRUE(allocator().refused());
      allocator().FailNth(0);
      char byte;
      if (read) {
        EXPECT_EQ(-EAGAIN, weir_read_try(weir_open_read_channel(ends_[0]), &byte, 1));
      } else {
        EXPECT_EQ(0, weir_write_line(output, weir_text("second")));
        EXPECT_EQ(0, weir_flush(output));
      }
      weir_bytes line;
      EXPECT_EQ(0, weir_read_line(weir_open_read_channel(ends_[1]), &line));
      EXPECT_EQ("first", Text(line));
      if (read) return;
      EXPECT_EQ(0, weir_read_line(weir_open_read_channel(ends_[1]), &line));
      EXPECT_EQ("second", Text(line));
    });
  }
}

// A source of empty blocks of zlib's, after its header.
TEST_F(Deflate, InputThatYieldsNothingDoesNotStarveOthers) {
  static constexpr int kEnough = 1000000;
  int position = 0;
  weir_custom_operations operations = {};
  operations.read = [](void *context, void *out, size_t size, bool) {
    static constexpr unsigned char kHeader[] = {0x78, 0x9c}, kBlock[] = {0, 0, 0, 0xff, 0xff};
    int *at = static_cast<int *>(context);
    if (*at >= kEnough) return 0;
    for (size_t i = 0; i < size; i++, ++*at) {
      static_cast<unsigned char *>(out)[i] = *at < 2 ? kHeader[*at] : kBlock[(*at - 2) % 5];
    }
    return static_cast<int>(size);
  };
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *inner, *filter;
              EXPECT_EQ(0, weir_custom_connection(&inner, &operations, &position, nullptr));
              EXPECT_EQ(0, deflate_connection(&filter, inner));
              char byte;
              weir_read_channel *input = weir_open_read_channel(filter);
              EXPECT_EQ(-EAGAIN, weir_read_try(input, &byte, 1));
              EXPECT_GT(kEnough, position);
              // Nothing can be written there.
              EXPECT_EQ(-EPIPE, weir_connection_close(filter));
              EXPECT_EQ(-EPIPE, weir_connection_close(inner));
              return 0;
            }));
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
