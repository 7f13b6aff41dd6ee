// SPDX-License-Identifier: Apache-2.0
//
// Copies that end their target, or cancel it.

#include <gtest/gtest.h>

#include <atomic>
#include <initializer_list>
#include <string>
#include <thread>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class CopyAndClose : public weir_testing::CopyTest {};

TEST_F(CopyAndClose, EndsTheTarget) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    FeedAll(source, "all of it", 2);
    uint64_t count = 0;
    EXPECT_EQ(0, weir_copy_and_close(source.reader(), target.writer(), nullptr, &count));
    EXPECT_EQ(9u, count);
    EXPECT_EQ("all of it", target.sent());
    EXPECT_EQ(1, target.finished());
  });
}

TEST_F(CopyAndClose, CancelsBothWhenItFails) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("partial");
    source.FeedFailure(-ECONNRESET);
    EXPECT_EQ(-ECONNRESET, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(-ECONNRESET, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(1, target.aborted());
    EXPECT_EQ(0, target.finished());
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("lost");
    target.FailWrites(-EPIPE);
    EXPECT_EQ(-EPIPE, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] {
      return weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
    }));
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    weir_timeout timeout = weir_timeout_begin(0);  // before it begins
    EXPECT_EQ(-ETIMEDOUT, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    weir_timeout_end(timeout);
    EXPECT_EQ(-ETIMEDOUT, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-ETIMEDOUT, weir_write_channel_cause(target.writer()));
  });
}

// Whoever closes the target of a copy that has not come to the end breaks the stream off.
TEST_F(CopyAndClose, DoesNotLetAClosedTargetLookComplete) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      int result = 0;
      Start([&] {
        result = weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr);
        return 0;
      });
      EXPECT_EQ(-ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(WEIR_E_CLOSED, result);
      EXPECT_EQ(1, target.aborted());
      EXPECT_EQ(0, target.finished());
    });
  }
}

TEST_F(CopyAndClose, AClosedTargetEndsBetweenPiecesOnly) {
  for (bool waits_for_source : {true, false}) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed(Pattern(6000));
      if (!waits_for_source) target.SetRoom(5000);
      Start([&] {
        EXPECT_EQ(WEIR_E_CLOSED, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
        return 0;
      });
      EXPECT_EQ(waits_for_source ? 0 : -ECONNABORTED, weir_connection_close(target.connection()));
      EXPECT_EQ(waits_for_source ? 0 : 1, target.aborted());
      EXPECT_EQ(waits_for_source ? 1 : 0, target.finished());
    });
  }
}

TEST_F(CopyAndClose, ThePeerOfAClosedTargetSeesThatItWasCutShort) {
  EXPECT_EQ(0, RunLoop([&] {
              weir_connection *from[2], *to[2];
              EXPECT_EQ(0, weir_pipe(&from[0], &from[1], nullptr));
              EXPECT_EQ(0, weir_pipe(&to[0], &to[1], nullptr));
              Start([&] {
                EXPECT_EQ(WEIR_E_CLOSED, weir_copy_and_close(weir_open_read_channel(from[1]),
                                                             weir_open_write_channel(to[0], false),
                                                             nullptr, nullptr));
                return 0;
              });
              EXPECT_EQ(0, weir_write_string(weir_open_write_channel(from[0], true), "a part"));
              EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
              EXPECT_EQ(-ECONNABORTED, weir_connection_close(to[0]));
              uint64_t count = 0;
              EXPECT_EQ(-ECONNRESET, weir_read_discard_exactly(weir_open_read_channel(to[1]),
                                                               UINT64_MAX, &count));
              for (weir_connection *each : {from[0], from[1], to[1]}) {
                weir_connection_abort(each);
                (void)weir_connection_close(each);
              }
              return 0;
            }));
}

// What others use does not suffer from the end of the coroutine that would copy: not if that was
// cancelled, not if its deadline has passed.

enum class Used { kSource, kFirst, kSecond };

void ExpectUntouched(std::initializer_list<ScriptedTransport *> all) {
  for (ScriptedTransport *each : all) {
    EXPECT_EQ(0, weir_read_channel_cause(each->reader()));
    EXPECT_EQ(0, weir_write_channel_cause(each->writer()));
    EXPECT_EQ(0, each->aborted());
  }
}

TEST_F(CopyAndClose, AndATeeLeaveWhatOthersUse) {
  for (Used used : {Used::kSource, Used::kFirst, Used::kSecond}) {
    for (bool cancelled : {true, false}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
        ScriptedTransport second;
        ScriptedTransport &busy = used == Used::kSecond ? second : first;
        busy.SetRoom(0);
        Start([&] {
          char byte;
          if (used == Used::kSource) return weir_read_exactly(source.reader(), &byte, 1);
          EXPECT_EQ(0, weir_write_string(busy.writer(), "x"));
          return weir_flush(busy.writer());
        });
        weir_job *job = nullptr;
        EXPECT_EQ(0, weir_testing::LaunchCoroutine(
                         [&] {
                           uint64_t count = 7;
                           weir_timeout timeout = weir_timeout_begin(cancelled ? WEIR_SECOND : 0);
                           EXPECT_EQ(-EBUSY, weir_tee(source.reader(), first.writer(),
                                                      second.writer(), &count));
                           EXPECT_EQ(0u, count);
                           EXPECT_EQ(-EBUSY, weir_copy_and_close(source.reader(), busy.writer(),
                                                                 nullptr, &count));
                           weir_timeout_end(timeout);
                           return 0;
                         },
                         nullptr, &job));
        if (cancelled) weir_job_cancel(job);
        EXPECT_EQ(0, weir_job_wait(job, nullptr));
        weir_job_close(job);
        ExpectUntouched({&source, &first, &second});
        busy.SetRoom(ScriptedTransport::kUnlimited);
        source.Feed("x");
        EXPECT_EQ(0, weir_scope_wait(nullptr));
        (void)weir_connection_close(second.connection());
      });
    }
  }
}

TEST_F(CopyAndClose, AndATeeLeaveWhatBelongsToOtherLoops) {
  for (Used used : {Used::kSource, Used::kFirst, Used::kSecond}) {
    weir_testing::VirtualLoop here, elsewhere;
    ScriptedTransport source, first, second;
    ScriptedTransport *all[] = {&source, &first, &second};
    ScriptedTransport &other = *all[static_cast<int>(used)];
    EXPECT_EQ(0, elsewhere.Run([&] { return weir_write_string(other.writer(), "x"); }));
    EXPECT_EQ(0, here.Run([&] {
      weir_timeout timeout = weir_timeout_begin(0);
      EXPECT_EQ(-EXDEV, weir_tee(source.reader(), first.writer(), second.writer(), nullptr));
      if (used != Used::kSecond) {
        EXPECT_EQ(-EXDEV, weir_copy_and_close(source.reader(), first.writer(), nullptr, nullptr));
      }
      weir_timeout_end(timeout);
      return 0;
    }));
    ExpectUntouched({&source, &first, &second});
    for (ScriptedTransport *each : all) {
      weir_testing::VirtualLoop &owner = each == &other ? elsewhere : here;
      EXPECT_EQ(0, owner.Run([&] { return weir_connection_close(each->connection()); }));
    }
  }
}

// |first| comes to belong to another loop while the tee looks at |second|, which is being aborted
// there.
TEST_F(CopyAndClose, AndATeeLeaveWhatComesToBelongToAnotherLoop) {
  for (int round = 0; round < 10; round++) {
    weir_testing::VirtualLoop here, elsewhere;
    ScriptedTransport source, first, second;
    weir_write_channel *targets[] = {first.writer(), second.writer()};
    std::atomic<bool> is_held{false}, has_begun{false};
    second.OnAbort([&] {
      is_held = true;
      while (!has_begun) std::this_thread::yield();
      for (int i = 0; i < round; i++) std::this_thread::yield();
      EXPECT_EQ(0, weir_write_string(targets[0], "x"));
    });
    std::thread thread([&] {
      EXPECT_EQ(0, elsewhere.Run([&] { return weir_connection_abort(second.connection()), 0; }));
    });
    EXPECT_EQ(0, here.Run([&] {
      while (!is_held) std::this_thread::yield();
      has_begun = true;
      EXPECT_EQ(-EXDEV, weir_tee(source.reader(), targets[0], targets[1], nullptr));
      return 0;
    }));
    thread.join();
    ExpectUntouched({&source, &first});
    EXPECT_EQ(0, elsewhere.Run([&] { return weir_connection_close(first.connection()); }));
    EXPECT_EQ(0, here.Run([&] { return weir_connection_close(source.connection()); }));
    EXPECT_EQ(-ECONNABORTED, here.Run([&] { return weir_connection_close(second.connection()); }));
  }
}

// Nor does a copy that does not begin make the others its own.
TEST_F(CopyAndClose, OtherCopiesLeaveWhatBelongsToNoLoopAlone) {
  weir_testing::VirtualLoop here, elsewhere;
  ScriptedTransport source, target;
  EXPECT_EQ(0, elsewhere.Run([&] { return weir_write_string(target.writer(), "x"); }));
  EXPECT_EQ(0, here.Run([&] {
    EXPECT_EQ(-EXDEV, weir_copy(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(-EXDEV,
              weir_copy_until(source.reader(), weir_text("x"), nullptr, target.writer(), nullptr));
    EXPECT_EQ(-EXDEV, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    return 0;
  }));
  for (ScriptedTransport *each : {&source, &target}) {
    EXPECT_EQ(0, elsewhere.Run([&] { return weir_connection_close(each->connection()); }));
  }
}

TEST_F(CopyAndClose, AndATeeLeaveAllOutsideACoroutine) {
  ScriptedTransport source, first, second;
  EXPECT_EQ(-EINVAL, weir_copy_and_close(source.reader(), first.writer(), nullptr, nullptr));
  EXPECT_EQ(-EINVAL, weir_tee(source.reader(), first.writer(), second.writer(), nullptr));
  ExpectUntouched({&source, &first, &second});
  for (ScriptedTransport *each : {&source, &first, &second}) {
    EXPECT_EQ(0, RunLoop([&] { return weir_connection_close(each->connection()); }));
  }
}

// Those that are the caller's own are cancelled, whatever keeps it from beginning.
TEST_F(CopyAndClose, CancelsItsOwnAlsoWhenItCannotBegin) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    EXPECT_EQ(0, weir_write_channel_close(target.writer()));
    EXPECT_EQ(WEIR_E_CLOSED,
              weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(WEIR_E_CLOSED, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(0, weir_write_channel_cause(target.writer()));  // which has come to its end
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    weir_connection_abort(source.connection());
    EXPECT_EQ(-ECONNABORTED,
              weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
    EXPECT_EQ(-ECONNABORTED, weir_write_channel_cause(target.writer()));
    EXPECT_EQ(0, target.finished());
  });
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
    ScriptedTransport second;
    weir_write_channel_cancel(second.writer(), -EPROTO);
    EXPECT_EQ(-EPROTO, weir_tee(source.reader(), first.writer(), second.writer(), nullptr));
    EXPECT_EQ(-EPROTO, weir_read_channel_cause(source.reader()));
    EXPECT_EQ(-EPROTO, weir_write_channel_cause(first.writer()));
    (void)weir_connection_close(second.connection());
  });
}

}  // namespace
