// SPDX-License-Identifier: Apache-2.0
//
// Copies of which another coroutine ends one of the channels.

#include <gtest/gtest.h>

#include <string>

#include "testing/copy_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

class CopyEnded : public weir_testing::CopyTest {};

// In both places where a copy may wait.

TEST_F(CopyEnded, ClosingOrAbortingEitherConnectionEndsIt) {
  for (bool waits_for_source : {true, false}) {
    for (bool end_source : {true, false}) {
      for (bool abort : {true, false}) {
        WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
          if (!waits_for_source) {
            source.Feed("stuck");
            target.SetRoom(0);
          }
          int result = 0;
          Start([&] {
            result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
            return 0;
          });
          weir_connection *ended = end_source ? source.connection() : target.connection();
          int64_t before = weir_now();
          if (abort) {
            weir_connection_abort(ended);
            EXPECT_EQ(0, weir_yield());
          } else {
            weir_connection_set_close_timeout(ended, 1);
            (void)weir_connection_close(ended);
            EXPECT_LE(weir_now(), before + 1);
          }
          EXPECT_EQ(abort ? -ECONNABORTED : WEIR_E_CLOSED, result);
          target.SetRoom(ScriptedTransport::kUnlimited);
        });
      }
    }
  }
}

TEST_F(CopyEnded, CancellingEitherChannelEndsItWithTheCause) {
  for (bool waits_for_source : {true, false}) {
    for (bool end_source : {true, false}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        if (!waits_for_source) {
          source.Feed("stuck");
          target.SetRoom(0);
        }
        int result = 0;
        Start([&] {
          result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
          return 0;
        });
        if (end_source) weir_read_channel_cancel(source.reader(), -EPROTO);
        if (!end_source) weir_write_channel_cancel(target.writer(), -EPROTO);
        EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(-EPROTO, result);
        target.SetRoom(ScriptedTransport::kUnlimited);
      });
    }
  }
}

// The copy is about to run when another coroutine ends one of its channels: it must not wait again.

enum class Ending { kAbort, kCancel, kClose };

void EndSource(ScriptedTransport &script, Ending how) {
  if (how == Ending::kAbort) weir_connection_abort(script.connection());
  if (how == Ending::kCancel) weir_read_channel_cancel(script.reader(), -EPROTO);
  if (how == Ending::kClose) (void)weir_connection_close(script.connection());
}

void EndTarget(ScriptedTransport &script, Ending how) {
  if (how == Ending::kAbort) weir_connection_abort(script.connection());
  if (how == Ending::kCancel) weir_write_channel_cancel(script.writer(), -EPROTO);
  if (how == Ending::kClose) (void)weir_connection_close(script.connection());
}

int CodeOf(Ending how) {
  if (how == Ending::kAbort) return -ECONNABORTED;
  return how == Ending::kCancel ? -EPROTO : WEIR_E_CLOSED;
}

constexpr Ending kEndings[] = {Ending::kAbort, Ending::kCancel, Ending::kClose};

TEST_F(CopyEnded, TheEndOfTheSourceIsNotMissedByACopyThatWasJustWoken) {
  for (Ending how : kEndings) {
    for (size_t size : {100, 9000}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
        source.Feed(Pattern(size));
        target.SetRoom(0);
        int result = 0;
        Start([&] {
          result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
          return 0;
        });
        target.AddRoom(10);
        weir_connection_set_close_timeout(source.connection(), 0);
        int64_t before = weir_now();
        EndSource(source, how);
        for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(CodeOf(how), result);
        EXPECT_LT(weir_now() - before, WEIR_SECOND);
        target.SetRoom(ScriptedTransport::kUnlimited);
      });
    }
  }
}

TEST_F(CopyEnded, TheEndOfTheTargetIsNotMissedByACopyThatHasJustFlushed) {
  for (Ending how : kEndings) {
    WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
      source.Feed("flushed");
      target.SetRoom(0);
      int result = 0;
      Start([&] {
        result = weir_copy(source.reader(), target.writer(), nullptr, nullptr);
        return 0;
      });
      target.SetRoom(ScriptedTransport::kUnlimited);
      int64_t before = weir_now();
      EndTarget(target, how);
      for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
      EXPECT_EQ(CodeOf(how), result);
      EXPECT_LT(weir_now() - before, WEIR_SECOND);
    });
  }
}

TEST_F(CopyEnded, TheEndOfOneTargetIsNotMissedByATeeThatWasJustWokenByTheOther) {
  for (Ending how : kEndings) {
    for (size_t size : {100, 9000}) {
      WithTwo([&](ScriptedTransport &source, ScriptedTransport &first) {
        ScriptedTransport second;
        source.Feed(Pattern(size));
        first.SetRoom(0);
        int result = 0;
        Start([&] {
          result = weir_tee(source.reader(), first.writer(), second.writer(), nullptr);
          return 0;
        });
        first.AddRoom(10);
        int64_t before = weir_now();
        EndTarget(second, how);
        for (int i = 0; i < 3; i++) EXPECT_EQ(0, weir_yield());
        EXPECT_EQ(CodeOf(how), result);
        EXPECT_LT(weir_now() - before, WEIR_SECOND);
        first.SetRoom(ScriptedTransport::kUnlimited);
        if (!second.released()) (void)weir_connection_close(second.connection());
      });
    }
  }
}

// The interruption is over with the copy: what its coroutine does next may wait.
TEST_F(CopyEnded, ItsCoroutineGoesOnAfterAnEnd) {
  WithTwo([&](ScriptedTransport &source, ScriptedTransport &target) {
    source.Feed("some");
    target.SetRoom(0);
    int delayed = -1;
    Start([&] {
      EXPECT_EQ(-EPROTO, weir_copy_and_close(source.reader(), target.writer(), nullptr, nullptr));
      delayed = weir_delay(WEIR_MILLISECOND);
      return 0;
    });
    target.AddRoom(1);
    weir_read_channel_cancel(source.reader(), -EPROTO);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(0, delayed);
  });
}

}  // namespace
