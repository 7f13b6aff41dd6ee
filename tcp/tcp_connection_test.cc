// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::AcceptRaw;
using weir_testing::EndOf;
using weir_testing::ExpectLaunch;
using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::LaunchJob;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::RawSocket;
using weir_testing::ReadAll;
using weir_testing::RunCoroutine;
using weir_testing::TcpPair;
using weir_testing::Write;

class TcpConnection : public weir_testing::LeakCheckedTest {};

// Sends back what comes, until the end of the stream.
int EchoBytes(weir_connection *connection) {
  char buffer[5000];
  int count;
  while ((count = weir_read_available(Input(connection), buffer, sizeof buffer)) > 0) {
    int result = weir_write_fully(Output(connection), buffer, static_cast<size_t>(count), nullptr);
    if (result < 0) return result;
  }
  return count == WEIR_E_END_OF_STREAM ? weir_write_channel_close(Output(connection)) : count;
}

// Bytes

class Echo : public TcpConnection, public ::testing::WithParamInterface<size_t> {};

TEST_P(Echo, ReturnsEveryByte) {
  const std::string data = Pattern(GetParam());
  std::string received;
  ExpectRun([&] {
    TcpPair pair = MakeTcpPair();
    ExpectLaunch([&] {
      EXPECT_EQ(0, EchoBytes(pair.near));
      return weir_connection_close(pair.near);
    });
    ExpectLaunch([&] {
      EXPECT_EQ(0, Write(pair.far, data));
      // The half-close says that this is all; reading goes on.
      return weir_write_channel_close(Output(pair.far));
    });
    EXPECT_EQ(0, ReadAll(pair.far, &received));
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    return weir_connection_close(pair.far);
  });
  EXPECT_TRUE(data == received) << data.size() << " sent, " << received.size() << " received";
}

INSTANTIATE_TEST_SUITE_P(Sizes, Echo,
                         ::testing::Values(0, 1, 4095, 4096, 4097, 40960, 41280, 8 << 20));

TEST_F(TcpConnection, DataAndTheEndTogetherBeforeTheFirstRead) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer, [&] {
      EXPECT_EQ(0, peer.Send("one\r\ntwo\nrest"));
      EXPECT_EQ(0, peer.FinishWriting());
    });
    weir_bytes line;
    for (const char *expected : {"one", "two", "rest"}) {
      EXPECT_EQ(0, weir_read_utf8_line(Input(connection), &line));
      EXPECT_EQ(expected, std::string(line.data, line.size));
    }
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_utf8_line(Input(connection), &line));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_utf8_line(Input(connection), &line));
    peer.Close();
    return weir_connection_close(connection);
  });
}

TEST_F(TcpConnection, DataAndTheEndTogetherWhileTheReaderWaits) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    std::string received;
    ExpectLaunch([&] { return ReadAll(connection, &received); });
    EXPECT_EQ(0, weir_yield());
    EXPECT_EQ(0, peer.Send("last words"));
    EXPECT_EQ(0, peer.FinishWriting());
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ("last words", received);
    peer.Close();
    return weir_connection_close(connection);
  });
}

// An urgent mark stops the kernel's reads at its place, which makes a short read look like a
// drained socket.

TEST_F(TcpConnection, AnUrgentMarkBeforeTheFirstRead) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer, [&] {
      EXPECT_EQ(0, peer.Send("abc"));
      EXPECT_EQ(0, peer.Send("d", MSG_OOB));
      EXPECT_EQ(0, peer.Send("efg"));
      EXPECT_EQ(0, peer.FinishWriting());
    });
    std::string received;
    EXPECT_EQ(0, ReadAll(connection, &received));
    EXPECT_EQ("abcdefg", received);
    peer.Close();
    return weir_connection_close(connection);
  });
}

TEST_F(TcpConnection, AnUrgentMarkInAStreamThatGoesOn) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    std::string received;
    ExpectLaunch([&] {
      weir_bytes line;
      int result;
      while ((result = weir_read_line(Input(connection), &line)) == 0) {
        received.append(line.data, line.size).append("|");
        EXPECT_EQ(0, weir_write_line(Output(connection), line));
      }
      return result == WEIR_E_END_OF_STREAM ? 0 : result;
    });
    std::string sent, echoed;
    for (int i = 0; i < 100; i++) {
      // The mark is in the middle of one segment, and nothing follows until the echo has
      // come, so a reader that stops at the mark waits for ever.
      std::string line = "before" + std::to_string(i) + "after";
      EXPECT_EQ(0, peer.Send("before" + std::to_string(i), MSG_OOB | (i % 2 == 0 ? MSG_MORE : 0)));
      EXPECT_EQ(0, peer.Send("after\r\n"));
      std::string echo;
      EXPECT_EQ(0, peer.Receive(&echo, line.size() + 2));
      EXPECT_EQ(line + "\r\n", echo);
      sent += line + "|";
    }
    EXPECT_EQ(0, peer.FinishWriting());
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(sent, received);
    peer.Close();
    return weir_connection_close(connection);
  });
}

// Ends

TEST_F(TcpConnection, AReaderThatWaitsSeesTheEnd) {
  ExpectRun([] {
    TcpPair pair = MakeTcpPair();
    ExpectLaunch([&] {
      weir_bytes line;
      EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(Input(pair.near), &line));
      return weir_connection_close(pair.near);
    });
    EXPECT_EQ(0, weir_yield());
    // Both ends close in peace, so neither waits for its time to be up.
    EXPECT_EQ(0, weir_connection_close(pair.far));
    return weir_scope_wait(nullptr);
  });
}

TEST_F(TcpConnection, EachDirectionEndsAlone) {
  ExpectRun([] {
    for (bool swap : {false, true}) {
      TcpPair pair = MakeTcpPair();
      weir_connection *first = swap ? pair.near : pair.far;
      weir_connection *second = swap ? pair.far : pair.near;
      EXPECT_EQ(0, weir_write_line(Output(first), weir_text("question")));
      EXPECT_EQ(0, weir_write_channel_close(Output(first)));
      EXPECT_EQ(WEIR_E_CLOSED, Write(first, "more"));
      weir_bytes line;
      EXPECT_EQ(0, weir_read_line(Input(second), &line));
      EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(Input(second), &line));
      EXPECT_EQ(0, weir_write_line(Output(second), weir_text("answer")));
      EXPECT_EQ(0, weir_write_channel_close(Output(second)));
      EXPECT_EQ(0, weir_read_line(Input(first), &line));
      EXPECT_EQ("answer", std::string(line.data, line.size));
      EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(Input(first), &line));
      EXPECT_EQ(0, weir_connection_close(first));
      EXPECT_EQ(0, weir_connection_close(second));
    }
    return 0;
  });
}

TEST_F(TcpConnection, AbortResetsThePeerAtOnce) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    // Unsent output is dropped.
    EXPECT_EQ(0, weir_write_string(weir_open_write_channel(connection, false), "never sent"));
    weir_connection_abort(connection);
    // The peer knows before the close.
    EXPECT_EQ(-ECONNRESET, peer.PendingError());
    weir_bytes line;
    EXPECT_EQ(-ECONNABORTED, weir_read_line(Input(connection), &line));
    EXPECT_EQ(-ECONNABORTED, Write(connection, "x"));
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(connection));
    return 0;
  });
}

TEST_F(TcpConnection, AbortWakesReaderAndWriter) {
  ExpectRun([] {
    TcpPair pair = MakeTcpPair();
    ExpectLaunch([&] {
      weir_bytes line;
      EXPECT_EQ(-ECONNABORTED, weir_read_line(Input(pair.near), &line));
      return 0;
    });
    ExpectLaunch([&] {
      EXPECT_EQ(-ECONNABORTED, Write(pair.near, std::string(32 << 20, 'x')));
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    weir_connection_abort(pair.near);
    weir_connection_abort(pair.near);
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair.near));
    std::string received;
    EXPECT_EQ(-ECONNRESET, ReadAll(pair.far, &received));
    weir_connection_close(pair.far);
    return 0;
  });
}

// Refuses to dissolve associations and, where |refuse_linger|, to promise a reset.
bool refuse_linger;

weir_internal_system_calls CallsWithoutAbort() {
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.connect = [](void *, int fd, const struct sockaddr *address, socklen_t size) {
    return address->sa_family == AF_UNSPEC
               ? -EBUSY
               : weir_internal_kernel.connect(nullptr, fd, address, size);
  };
  calls.set_option = [](void *, int fd, int level, int name, const void *value, socklen_t size) {
    return name == SO_LINGER && refuse_linger
               ? -ENOBUFS
               : weir_internal_kernel.set_option(nullptr, fd, level, name, value, size);
  };
  return calls;
}

// Aborts with a reader waiting, closes, and returns what the peer then reads.
int AbortAndRead(bool without_linger) {
  refuse_linger = without_linger;
  weir_internal_system_calls calls = CallsWithoutAbort();
  weir_selector_options options = {};
  options.system_calls = &calls;
  return RunCoroutine(
      [] {
        TcpPair pair = MakeTcpPair();
        ExpectLaunch([&] {
          weir_bytes line;
          EXPECT_EQ(-ECONNABORTED, weir_read_line(Input(pair.near), &line));
          return 0;
        });
        EXPECT_EQ(0, weir_yield());
        weir_connection_abort(pair.near);
        EXPECT_EQ(0, weir_scope_wait(nullptr));
        EXPECT_EQ(-ECONNABORTED, weir_connection_close(pair.near));
        weir_bytes line;
        int result = weir_read_line(Input(pair.far), &line);
        weir_connection_close(pair.far);
        return result;
      },
      &options);
}

TEST_F(TcpConnection, WhereAbortCannotResetAtOnceTheCloseDoes) {
  EXPECT_EQ(-ECONNRESET, AbortAndRead(false));
}

TEST_F(TcpConnection, WhereAbortCannotResetAtAllItEndsBothStreams) {
  EXPECT_EQ(WEIR_E_END_OF_STREAM, AbortAndRead(true));
}

// The writer learns of the reset first, and the kernel then tells the reader "end of stream".
TEST_F(TcpConnection, AResetSeenByTheWriterIsNoEndOfStreamForTheReader) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    peer.Reset();
    weir_write_channel *output = weir_open_write_channel(connection, false);
    EXPECT_EQ(0, weir_write_string(output, "x"));
    EXPECT_EQ(-ECONNRESET, weir_flush(output));
    weir_bytes line;
    EXPECT_EQ(-ECONNRESET, weir_read_line(Input(connection), &line));
    EXPECT_EQ(-ECONNRESET, weir_connection_close(connection));
    return 0;
  });
}

TEST_F(TcpConnection, AnEndOfStreamBeforeABrokenWriteStaysOne) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer, [&] { EXPECT_EQ(0, peer.Send("whole\n")); });
    // The peer closes properly: everything it had to say, then its end.
    peer.Close();
    weir_write_channel *output = weir_open_write_channel(connection, false);
    int result = 0;
    while (result == 0) {
      result = weir_write_string(output, "nobody listens");
      if (result == 0) result = weir_flush(output);
    }
    EXPECT_EQ(-EPIPE, result);
    weir_bytes line;
    EXPECT_EQ(0, weir_read_line(Input(connection), &line));
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_line(Input(connection), &line));
    EXPECT_EQ(-EPIPE, weir_connection_close(connection));
    return 0;
  });
}

// Limits

TEST_F(TcpConnection, ReadsAndWritesAreCancelledAndEndAtTheirDeadline) {
  ExpectRun([] {
    TcpPair pair = MakeTcpPair();
    weir_bytes line;
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_read_line(Input(pair.near), &line));
    EXPECT_TRUE(weir_timeout_end(timeout));
    timeout = weir_timeout_begin(20 * WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, Write(pair.near, std::string(32 << 20, 'x')));
    EXPECT_TRUE(weir_timeout_end(timeout));
    weir_job *job = LaunchJob([&] { return weir_read_line(Input(pair.near), &line); });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    // Reading still works.
    EXPECT_EQ(0, weir_write_line(Output(pair.far), weir_text("hello")));
    EXPECT_EQ(0, weir_read_line(Input(pair.near), &line));
    weir_connection_abort(pair.near);
    weir_connection_close(pair.near);
    weir_connection_close(pair.far);
    return 0;
  });
}

// A kernel that gives up on a peer that is silent: the first call of one direction is told, and
// from then on the reader only hears "end of stream". The test's own sockets do not come here.
bool silence_meets_writer;
bool silence_told;

int GiveUpOnce(bool writer) {
  if (silence_told || writer != silence_meets_writer) return -EAGAIN;
  silence_told = true;
  return -ETIMEDOUT;
}

weir_internal_system_calls CallsOfASilentPeer(bool meets_writer) {
  silence_meets_writer = meets_writer;
  silence_told = false;
  weir_internal_system_calls calls = weir_internal_kernel;
  calls.send = [](void *, int, const struct iovec *, int) { return GiveUpOnce(true); };
  calls.receive = [](void *, int, const struct iovec *, int) {
    return silence_told ? 0 : GiveUpOnce(false);
  };
  return calls;
}

TEST_F(TcpConnection, WhatTheKernelGaveUpNeverLooksWhole) {
  for (bool meets_writer : {true, false}) {
    weir_internal_system_calls calls = CallsOfASilentPeer(meets_writer);
    weir_selector_options options = {};
    options.system_calls = &calls;
    ExpectRun(options, [=] {
      RawSocket peer;
      weir_connection *connection = AcceptRaw(&peer);
      if (meets_writer) {
        EXPECT_EQ(0, weir_write_string(Output(connection), "question"));
        EXPECT_EQ(-ETIMEDOUT, weir_flush(Output(connection)));
      }
      char answer[10];
      // The event that tells of the end.
      peer.Close();
      for (int i = 0; i < 2; i++) {
        EXPECT_EQ(-ETIMEDOUT, weir_read_available(Input(connection), answer, sizeof answer));
      }
      weir_connection_abort(connection);
      weir_connection_close(connection);
      return 0;
    });
    EXPECT_TRUE(silence_told);
  }
}

TEST_F(TcpConnection, ADeadlineDoesNotBreakTheStream) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    char answer[10];
    weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_read_available(Input(connection), answer, sizeof answer));
    EXPECT_TRUE(weir_timeout_end(timeout));
    peer.Close();
    EXPECT_EQ(WEIR_E_END_OF_STREAM, weir_read_available(Input(connection), answer, sizeof answer));
    return weir_connection_close(connection);
  });
}

}  // namespace
