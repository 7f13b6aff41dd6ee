// SPDX-License-Identifier: Apache-2.0
//
// Writes that ask for room, or come in parts; and what a channel tells about itself.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;
using Writes = std::vector<std::string>;

class WriteRoom : public weir_testing::ChannelTest {
 protected:
  static void Configure(ScriptedTransport &script, size_t capacity) {
    weir_write_channel_options options = {};
    options.capacity = capacity;
    EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
  }
  static int Available(ScriptedTransport &script, const std::string &data) {
    return weir_write_available(&script.connection()->writer, data.data(), data.size());
  }
  static int Try(ScriptedTransport &script, const std::string &data) {
    return weir_write_try(&script.connection()->writer, data.data(), data.size());
  }
  static int Gather(ScriptedTransport &script, const std::vector<std::string> &parts,
                    size_t *done = nullptr) {
    std::vector<weir_bytes> spans;
    for (const std::string &part : parts) spans.push_back(weir_bytes_of(part.data(), part.size()));
    return weir_write_gather(&script.connection()->writer, spans.data(),
                             static_cast<int>(spans.size()), done);
  }
};

TEST_F(WriteRoom, AvailableTakesWhatHasRoom) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    EXPECT_EQ(0, Available(script, ""));
    EXPECT_EQ(3, Available(script, "abc"));
    EXPECT_EQ(1, Available(script, "defg"));
    EXPECT_EQ(0u, weir_write_room(script.writer()));
    EXPECT_EQ(4u, weir_write_pending(script.writer()));
    script.SetRoom(2);
    EXPECT_EQ(2, Available(script, "efg"));
    EXPECT_EQ("ab", script.sent());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ("abcdef", script.sent());
    EXPECT_EQ(6u, weir_total_bytes_written(script.writer()));
  });
}

TEST_F(WriteRoom, AvailableWaitsForRoom) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    EXPECT_EQ(4, Available(script, "abcd"));
    int result = -1;
    Start([&] {
      result = Available(script, "xyz");
      return 0;
    });
    EXPECT_EQ(-1, result);
    EXPECT_EQ(-EBUSY, Available(script, "no"));
    EXPECT_EQ(-EBUSY, Try(script, "no"));
    EXPECT_EQ(-EBUSY, Gather(script, {"no"}));
    EXPECT_EQ(-EBUSY, weir_write_await_room(script.writer(), 1));
    script.AddRoom(2);
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(2, result);
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Available(script, "no"); }));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ("abcdxy", script.sent());
  });
}

TEST_F(WriteRoom, TryNeverSuspends) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    bool others_ran = false;
    EXPECT_EQ(0, weir_testing::LaunchCoroutine([&] {
                others_ran = true;
                return 0;
              }));
    EXPECT_EQ(0, Try(script, ""));
    EXPECT_EQ(4, Try(script, "abcdef"));
    for (int i = 0; i < 1000; i++) EXPECT_EQ(-EAGAIN, Try(script, "x"));
    EXPECT_FALSE(others_ran);
    script.SetRoom(1);
    EXPECT_EQ(1, Try(script, "xyz"));
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(1, Try(script, "y"));
    EXPECT_EQ("abcdx", script.sent());
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ("abcdxy", script.sent());
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(others_ran);
  });
}

TEST_F(WriteRoom, TryLeavesToTheLoopWhatTheLoopSends) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 4);
    script.SetRoom(0);
    script.writer(true);
    EXPECT_EQ(4, Try(script, "abcd"));
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(script.watched());
    EXPECT_EQ(-EAGAIN, Try(script, "x"));
    EXPECT_TRUE(script.watched());
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ("abcd", script.sent());
    EXPECT_EQ(1, weir_write_try(&script.connection()->writer, "x", 1));
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ("abcdx", script.sent());
  });
}

TEST_F(WriteRoom, GatherTakesAllOrNothingOfWhatFits) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 8);
    size_t done = 7;
    EXPECT_EQ(0, Gather(script, {}, &done));
    EXPECT_EQ(0u, done);
    EXPECT_EQ(-EINVAL, weir_write_gather(script.writer(), nullptr, -1, &done));
    EXPECT_EQ(0, Gather(script, {"", "a", "bc", "", "def"}, &done));
    EXPECT_EQ(6u, done);
    EXPECT_EQ(Writes{}, script.writes());
    script.SetRoom(0);
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return Gather(script, {"g", "hi"}, &done); }));
    EXPECT_EQ(0u, done);
    script.SetRoom(ScriptedTransport::kUnlimited);
    EXPECT_EQ(0, Gather(script, {"g", "hi"}, &done));
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ("abcdefghi", script.sent());
  });
}

TEST_F(WriteRoom, ALargeGatherLeavesTogetherUncopied) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 8);
    std::vector<std::string> parts;
    std::string all = "first";
    for (int i = 0; i < 12; i++) parts.emplace_back(100, static_cast<char>('a' + i));
    for (const std::string &part : parts) all += part;
    EXPECT_EQ(0, weir_write_string(script.writer(), "first"));
    EXPECT_EQ(0, Gather(script, parts));
    EXPECT_EQ(Writes{all}, script.writes());
    EXPECT_EQ(13, script.last_write_buffers());
  });
}

TEST_F(WriteRoom, AGatherOfManyPartsArrivesWholeHoweverItIsCut) {
  for (size_t capacity : {1, 5, 64, 10000}) {
    for (size_t limit : {1, 2, 7, 99, 1000}) {
      WithScript([&](ScriptedTransport &script) {
        Configure(script, capacity);
        script.LimitWrites(limit);
        std::vector<std::string> parts;
        std::string all;
        for (size_t i = 0; i < 60; i++) {
          parts.emplace_back(i % 13, static_cast<char>('a' + i % 26));
          all += parts.back();
        }
        size_t done = 0;
        EXPECT_EQ(0, Gather(script, parts, &done));
        EXPECT_EQ(all.size(), done);
        EXPECT_EQ(0, weir_flush(script.writer()));
        EXPECT_EQ(all, script.sent());
      });
    }
  }
}

TEST_F(WriteRoom, AwaitRoomWaitsForExactlyWhatIsAsked) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 8);
    script.SetRoom(0);
    EXPECT_EQ(-EMSGSIZE, weir_write_await_room(script.writer(), 9));
    EXPECT_EQ(0, weir_write_await_room(script.writer(), 8));
    EXPECT_EQ(5, Available(script, "abcde"));
    EXPECT_EQ(0, weir_write_await_room(script.writer(), 3));
    bool room = false;
    Start([&] {
      EXPECT_EQ(0, weir_write_await_room(script.writer(), 5));
      room = true;
      return 0;
    });
    script.AddRoom(1);
    EXPECT_EQ(0, weir_yield());
    EXPECT_FALSE(room);
    script.AddRoom(1);
    EXPECT_EQ(0, weir_yield());
    EXPECT_TRUE(room);
    EXPECT_EQ(5u, weir_write_room(script.writer()));
    script.SetRoom(ScriptedTransport::kUnlimited);
  });
}

TEST_F(WriteRoom, TheTotalCountsEveryByteOnce) {
  WithScript([](ScriptedTransport &script) {
    Configure(script, 8);
    script.LimitWrites(3);
    EXPECT_EQ(0u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(0, weir_write_line(script.writer(), weir_text("abc")));
    EXPECT_EQ(5u, weir_total_bytes_written(script.writer()));
    std::string large(100, 'x');
    EXPECT_EQ(0, weir_write_string(script.writer(), large.c_str()));
    EXPECT_EQ(105u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ(105u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(0, weir_write_string(script.writer(), "lost"));
    script.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, weir_flush(script.writer()));
    EXPECT_EQ(109u, weir_total_bytes_written(script.writer()));
    EXPECT_EQ(0u, weir_write_pending(script.writer()));
    EXPECT_EQ(0u, weir_write_room(script.writer()));
    EXPECT_EQ(-EPIPE, weir_write_channel_cause(script.writer()));
    EXPECT_EQ(-EPIPE, Try(script, "x"));
    EXPECT_EQ(-EPIPE, Available(script, "x"));
    EXPECT_EQ(-EPIPE, weir_write_await_room(script.writer(), 1));
  });
}

TEST_F(WriteRoom, AClosedChannelHasNone) {
  WithScript([](ScriptedTransport &script) {
    EXPECT_EQ(0, weir_write_channel_close(script.writer()));
    EXPECT_EQ(0u, weir_write_room(script.writer()));
    EXPECT_EQ(0, weir_write_channel_cause(script.writer()));
    EXPECT_EQ(WEIR_E_CLOSED, Try(script, "x"));
    EXPECT_EQ(WEIR_E_CLOSED, Available(script, "x"));
    EXPECT_EQ(WEIR_E_CLOSED, Gather(script, {"x"}));
    EXPECT_EQ(WEIR_E_CLOSED, weir_write_await_room(script.writer(), 1));
  });
}

TEST_F(WriteRoom, WithoutMemoryNothingIsTaken) {
  WithScript([this](ScriptedTransport &script) {
    Configure(script, 8);
    EXPECT_EQ(0, weir_flush(script.writer()));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, Available(script, "x"));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, Try(script, "x"));
    allocator().FailNth(1);
    EXPECT_EQ(-ENOMEM, Gather(script, {"x", "y"}));
    allocator().FailNth(0);
    EXPECT_EQ(1, Available(script, "x"));
    EXPECT_EQ(1u, weir_total_bytes_written(script.writer()));
  });
}

}  // namespace
