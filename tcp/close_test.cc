// SPDX-License-Identifier: Apache-2.0
//
// How a TCP connection ends in peace, whatever its peer does.

#include <gtest/gtest.h>

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
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::RawSocket;
using weir_testing::Tcp;
using weir_testing::Write;

class Close : public weir_testing::LeakCheckedTest {};

TEST_F(Close, DeliversOutputDespiteUnreadInput) {
  const std::string data = Pattern(1 << 20);
  std::string received;
  ExpectRun([&] {
    RawSocket peer;
    weir_connection *connection =
        AcceptRaw(&peer, [&] { EXPECT_EQ(0, peer.Send(Pattern(100000))); });
    ExpectLaunch([&] {
      EXPECT_EQ(0, Write(connection, data));
      return weir_connection_close(connection);
    });
    EXPECT_EQ(0, weir_yield());
    // It goes on sending while it reads slowly, and closes only after the end.
    for (int i = 0; i < 16; i++) {
      EXPECT_EQ(0, peer.Receive(&received, data.size() / 16));
      EXPECT_EQ(0, peer.Send(Pattern(1000)));
    }
    EXPECT_EQ(0, peer.ReceiveAll(&received));
    peer.Close();
    return weir_scope_wait(nullptr);
  });
  EXPECT_TRUE(data == received) << received.size();
}

TEST_F(Close, OutlivesAFloodWithoutStarvingOthers) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    weir_connection_set_close_timeout(connection, 30 * WEIR_SECOND);
    bool closed = false;
    ExpectLaunch([&] {
      int result = weir_connection_close(connection);
      closed = true;
      return result;
    });
    // The peer floods in its own turns, and we get ours as well.
    const std::string flood = Pattern(1 << 20);
    for (int i = 0; i < 64; i++) {
      EXPECT_EQ(0, peer.Send(flood));
      EXPECT_EQ(0, weir_yield());
      EXPECT_FALSE(closed);
    }
    peer.Close();
    EXPECT_EQ(0, weir_scope_wait(nullptr));
    EXPECT_TRUE(closed);
    return 0;
  });
}

// A kernel in which one descriptor never runs dry.
int endless_fd = -1;
long endless_reads;

TEST_F(Close, AnEndlessStreamLeavesTheLoopItsTurns) {
  weir_internal_system_calls calls = weir_internal_kernel;
  endless_reads = 0;
  endless_fd = -1;
  calls.accept = [](void *, int fd, struct sockaddr *address, socklen_t *size, int flags) {
    return endless_fd = weir_internal_kernel.accept(nullptr, fd, address, size, flags);
  };
  calls.receive = [](void *, int fd, const struct iovec *buffers, int count) {
    if (fd != endless_fd) return weir_internal_kernel.receive(nullptr, fd, buffers, count);
    endless_reads++;
    size_t size = 0;
    for (int i = 0; i < count; i++) size += buffers[i].iov_len;
    return static_cast<int>(size);
  };
  weir_selector_options options = {};
  options.system_calls = &calls;
  ExpectRun(options, [] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer, [&] { EXPECT_EQ(0, peer.Send("begin")); });
    char first[1];
    EXPECT_EQ(1, weir_read_available(Input(connection), first, 1));
    weir_connection_set_close_timeout(connection, 100 * WEIR_MILLISECOND);
    ExpectLaunch([=] { return weir_connection_close(connection); });
    for (int i = 0; i < 100; i++) {
      long before = endless_reads;
      EXPECT_EQ(0, weir_delay(1));
      EXPECT_LE(endless_reads - before, 64);
    }
    EXPECT_GT(endless_reads, 100);
    return weir_scope_wait(nullptr);
  });
}

TEST_F(Close, IsBoundedWhenThePeerNeverEnds) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    EXPECT_EQ(0, weir_write_line(Output(connection), weir_text("bye")));
    weir_connection_set_close_timeout(connection, 20 * WEIR_MILLISECOND);
    int64_t start = weir_now();
    // Everything was sent, so it is a success.
    EXPECT_EQ(0, weir_connection_close(connection));
    EXPECT_GE(weir_now() - start, 20 * WEIR_MILLISECOND);
    std::string received;
    EXPECT_EQ(0, peer.ReceiveAll(&received));
    EXPECT_EQ("bye\r\n", received);
    return 0;
  });
}

TEST_F(Close, IsBoundedWhenThePeerNeverReads) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    weir_write_channel *output = Output(connection);
    const std::string data = Pattern(10000);
    // Fills the kernel, then the channel.
    for (;;) {
      weir_timeout timeout = weir_timeout_begin(100 * WEIR_MILLISECOND);
      int result = weir_write_fully(output, data.data(), data.size(), nullptr);
      weir_timeout_end(timeout);
      if (result == -ETIMEDOUT) break;
      EXPECT_EQ(0, result);
    }
    weir_connection_set_close_timeout(connection, 20 * WEIR_MILLISECOND);
    EXPECT_EQ(-ETIMEDOUT, weir_connection_close(connection));
    // Output was lost, and the peer can tell.
    std::string received;
    EXPECT_EQ(-ECONNRESET, peer.ReceiveAll(&received));
    return 0;
  });
}

TEST_F(Close, CancelledLeavesTheRestToTheLoop) {
  const std::string data = Pattern(4 << 20);
  std::string received;
  weir_selector_options options = {};
  options.drain_timeout = 20 * WEIR_SECOND;
  ExpectRun(options, [&] {
    RawSocket peer;
    weir_tcp_builder tcp = Tcp();
    tcp.options.write.capacity = data.size();
    weir_listener *listener = nullptr;
    weir_connection *connection = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(tcp, &listener, "127.0.0.1", 0));
    EXPECT_EQ(0, peer.Connect(weir_listener_port(listener)));
    EXPECT_EQ(0, weir_accept(listener, &connection));
    EXPECT_EQ(0, weir_listener_close(listener));
    weir_job *job = LaunchJob([&] {
      EXPECT_EQ(0, Write(connection, data));
      return weir_connection_close(connection);
    });
    EXPECT_EQ(0, weir_yield());
    weir_job_cancel(job);
    EXPECT_EQ(-ECANCELED, EndOf(job));
    EXPECT_EQ(0, peer.ReceiveAll(&received));
    return 0;
  });
  EXPECT_TRUE(data == received) << received.size();
}

TEST_F(Close, MakesOthersLeave) {
  ExpectRun([] {
    RawSocket peer;
    weir_connection *connection = AcceptRaw(&peer);
    ExpectLaunch([&] {
      weir_bytes line;
      EXPECT_EQ(WEIR_E_CLOSED, weir_read_line(Input(connection), &line));
      return 0;
    });
    EXPECT_EQ(0, weir_yield());
    peer.Close();
    return weir_connection_close(connection);
  });
}

}  // namespace
