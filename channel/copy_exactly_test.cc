// SPDX-License-Identifier: Apache-2.0
//
// Copies of a number of bytes: whatever ends one, what it has counted is copied, and nothing else.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

const std::string kStream = "abcdefg";

class CopyExactly : public weir_testing::CopyTest {
 protected:
  // Calls |visit| with each way to cut the first |size| bytes of the stream in pieces.
  template <typename Visit>
  static void ForEachCut(size_t size, Visit visit) {
    size_t places = size > 0 ? size - 1 : 0;
    for (size_t cuts = 0; cuts < size_t{1} << places; cuts++) {
      std::vector<std::string> pieces;
      for (size_t at = 0; at < size; at++) {
        if (at == 0 || (cuts >> (at - 1) & 1) != 0) pieces.emplace_back();
        pieces.back() += kStream[at];
      }
      visit(pieces);
    }
  }

  static int CopySome(ScriptedTransport &source, ScriptedTransport &target, uint64_t size,
                      uint64_t *done) {
    uint64_t count = 12345;
    int result = weir_copy_exactly(source.reader(), target.writer(), size - *done, nullptr, &count);
    *done += count;
    return result;
  }
};

TEST_F(CopyExactly, EverySplitOfEveryStreamAndSize) {
  for (size_t there = 0; there <= kStream.size(); there++) {
    ForEachCut(there, [&](const std::vector<std::string> &pieces) {
      for (size_t size = 0; size <= there + 1; size++) {
        for (size_t capacity : {1, 2, 100}) {
          WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
            for (const std::string &piece : pieces) source.Feed(piece);
            source.FeedEnd();
            weir_read_channel_options reading = {};
            reading.capacity = capacity;
            EXPECT_EQ(0, weir_read_channel_configure(source.reader(), &reading));
            weir_write_channel_options writing = {capacity};
            EXPECT_EQ(0, weir_write_channel_configure(target.writer(), &writing));
            target.LimitWrites(2);
            uint64_t done = 0;
            int result = CopySome(source, target, size, &done);
            EXPECT_EQ(size > there ? WEIR_E_END_OF_STREAM : 0, result);
            EXPECT_EQ(std::min(size, there), done);
            EXPECT_EQ(kStream.substr(0, done), target.sent());
            EXPECT_EQ(done, weir_total_bytes_read(source.reader()));
            EXPECT_EQ(kStream.substr(done, there - done), Rest(source));
          });
        }
      }
    });
  }
}

// Each wait for the source, and each for the target, is ended by a deadline; then the copy is
// repeated for the rest.
TEST_F(CopyExactly, ADeadlineAtEveryWaitLosesNothing) {
  ForEachCut(kStream.size(), [&](const std::vector<std::string> &pieces) {
    for (size_t size = 0; size <= kStream.size() + 1; size++) {
      for (size_t room : {1, 2, 3}) {
        WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
          target.SetRoom(0);
          size_t fed = 0;
          uint64_t done = 0;
          int result = -ETIMEDOUT;
          for (int tries = 0; result == -ETIMEDOUT && tries < 100; tries++) {
            result = AtOnce([&] { return CopySome(source, target, size, &done); });
            EXPECT_EQ(done, weir_total_bytes_written(target.writer()));
            EXPECT_EQ(done, weir_total_bytes_read(source.reader()));
            if (fed < pieces.size()) source.Feed(pieces[fed]);
            if (fed == pieces.size()) source.FeedEnd();
            fed++;
            target.AddRoom(room);
          }
          EXPECT_EQ(size > kStream.size() ? WEIR_E_END_OF_STREAM : 0, result);
          size_t expected = std::min(size, kStream.size());
          EXPECT_EQ(expected, done);
          EXPECT_EQ(kStream.substr(0, expected), target.sent());
        });
      }
    }
  });
}

TEST_F(CopyExactly, ACancellationLosesNothing) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    uint64_t done = 0;
    source.Feed("abc");
    weir_job *job;
    Start([&] { return CopySome(source, target, 7, &done); }, &job);
    weir_job_cancel(job);
    int result = 0;
    EXPECT_EQ(0, weir_job_wait(job, &result));
    weir_job_close(job);
    EXPECT_EQ(-ECANCELED, result);
    EXPECT_EQ(3u, done);
    source.Feed("defg--");
    EXPECT_EQ(0, CopySome(source, target, 7, &done));
    EXPECT_EQ(7u, done);
    EXPECT_EQ(kStream, target.sent());
    EXPECT_EQ(2u, weir_read_buffered(source.reader()));
  });
}

// Neither failure is taken for the end of the stream, and the count is right with each.
TEST_F(CopyExactly, AFailureIsTold) {
  for (size_t size : {3, 4}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed("abc");
      source.FeedFailure(-ECONNRESET);
      uint64_t done = 0;
      EXPECT_EQ(size > 3 ? -ECONNRESET : 0, CopySome(source, target, size, &done));
      EXPECT_EQ(3u, done);
      EXPECT_EQ(0, weir_flush(target.writer()));
      EXPECT_EQ("abc", target.sent());
    });
  }
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed(Pattern(5000));
    target.SetRoom(4500);
    uint64_t done = 0;
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return CopySome(source, target, 5000, &done); }));
    EXPECT_EQ(4500u, done);
    target.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, CopySome(source, target, 5000, &done));
    EXPECT_EQ(500u, weir_read_buffered(source.reader()) + done - 4500);
  });
}

TEST_F(CopyExactly, TheCountIsOptionalAndTheOptionsAreChecked) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, "abc", 2);
    weir_copy_options options = {};
    options.method = WEIR_COPY_THROUGH_MEMORY;
    EXPECT_EQ(0, weir_copy_exactly(source.reader(), target.writer(), 2, &options, nullptr));
    EXPECT_EQ(WEIR_E_END_OF_STREAM,
              weir_copy_exactly(source.reader(), target.writer(), 2, nullptr, nullptr));
    EXPECT_EQ("abc", target.sent());
    EXPECT_EQ(0, weir_copy_exactly(source.reader(), target.writer(), 0, nullptr, nullptr));
    uint64_t count = 7;
    EXPECT_EQ(0, weir_write_channel_close(target.writer()));
    EXPECT_EQ(WEIR_E_CLOSED,
              weir_copy_exactly(source.reader(), target.writer(), 1, nullptr, &count));
    EXPECT_EQ(0u, count);
  });
}

}  // namespace
