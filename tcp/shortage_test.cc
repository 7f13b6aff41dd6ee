// SPDX-License-Identifier: Apache-2.0
//
// The kernel has no memory for what nobody waits for: each send of a conversation in turn fails,
// and some behind it, and so does what ends the stream. Nothing of that may be noticed.

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::Pattern;
using weir_testing::ReadAll;
using weir_testing::TcpPair;
using weir_testing::Write;

// The kernel's calls, of which some fail.
class Shortages {
 public:
  // From call number |first| to |last|, from 1 on.
  Shortages(int first, int last, int with)
      : first_(first), last_(last), error_(with), table_(weir_internal_kernel) {
    table_.context = this;  // the kernel's look at none
    table_.send = [](void *context, int fd, const struct iovec *buffers, int count) {
      int error = Self(context)->Enter();
      return error != 0 ? -error : weir_internal_kernel.send(nullptr, fd, buffers, count);
    };
    table_.shutdown = [](void *context, int fd, int how) {
      int error = how == SHUT_WR ? Self(context)->Enter() : 0;
      return error != 0 ? -error : weir_internal_kernel.shutdown(nullptr, fd, how);
    };
  }
  Shortages(const Shortages &) = delete;
  Shortages &operator=(const Shortages &) = delete;

  const weir_internal_system_calls *table() const { return &table_; }
  bool happened() const { return number_ >= first_; }

 private:
  static Shortages *Self(void *context) { return static_cast<Shortages *>(context); }

  int Enter() {
    number_++;
    return number_ >= first_ && number_ <= last_ ? error_ : 0;
  }

  int first_, last_, error_;
  int number_ = 0;
  weir_internal_system_calls table_;
};

int Echo(weir_connection *connection) {
  weir_bytes line;
  int result;
  while ((result = weir_read_line(Input(connection), &line)) == 0) {
    if ((result = weir_write_line(Output(connection), line)) < 0) break;
  }
  int closed = weir_connection_close(connection);
  return result == WEIR_E_END_OF_STREAM ? closed : result;
}

// Several lines at once, so that some are written while the loop has not sent others.
int Ask(weir_connection *connection, int round) {
  std::string question = "line " + std::to_string(round);
  for (int i = 0; i < 3; i++) {
    int result = weir_write_line(Output(connection), weir_text(question.c_str()));
    if (result < 0) return result;
  }
  for (int i = 0; i < 3; i++) {
    weir_bytes line;
    int result = weir_read_line(Input(connection), &line);
    if (result < 0) return result;
    if (question != std::string(line.data, line.size)) return -EIO;
  }
  return 0;
}

int AskAndClose(weir_connection *connection) {
  int result = 0;
  for (int round = 0; round < 5 && result == 0; round++) result = Ask(connection, round);
  int closed = weir_connection_close(connection);
  return result < 0 ? result : closed;
}

void ExpectLines(const weir_selector_options &options) {
  ExpectRun(options, [] {
    TcpPair pair = MakeTcpPair();
    weir_job *echo = weir_testing::LaunchJob([=] { return Echo(pair.near); });
    EXPECT_EQ(0, AskAndClose(pair.far));
    EXPECT_EQ(0, weir_testing::EndOf(echo));
    return 0;
  });
}

// All of it is left to the close.
void ExpectMegabyte(const weir_selector_options &options) {
  const std::string data = Pattern(1 << 20);
  std::string received;
  ExpectRun(options, [&] {
    TcpPair pair = MakeTcpPair();
    weir_job *reader = weir_testing::LaunchJob([&] {
      int result = ReadAll(pair.far, &received);
      int closed = weir_connection_close(pair.far);
      return result < 0 ? result : closed;
    });
    weir_write_channel_options writing = {};
    writing.capacity = 2 * data.size();
    EXPECT_EQ(0, weir_write_channel_configure(Output(pair.near), &writing));
    EXPECT_EQ(0, Write(pair.near, data));
    EXPECT_EQ(0, weir_connection_close(pair.near));
    return weir_testing::EndOf(reader);
  });
  EXPECT_TRUE(data == received);
}

class Shortage : public weir_testing::LeakCheckedTest {
 protected:
  // Until no call is left to fail.
  static void FailEach(void (*expect)(const weir_selector_options &)) {
    for (int error : {ENOMEM, ENOBUFS}) {
      bool happened = true;
      int first = 1;
      for (; happened && !HasFailure(); first++) {
        Shortages shortages(first, first % 3 == 0 ? first + 4 : first, error);
        weir_selector_options options = {};
        options.system_calls = shortages.table();
        expect(options);
        happened = shortages.happened();
        if (HasFailure()) ADD_FAILURE() << weir_error_name(-error) << " from call " << first;
      }
      EXPECT_LT(4, first);
    }
  }
};

TEST_F(Shortage, NoLineIsLost) { FailEach(ExpectLines); }

TEST_F(Shortage, NothingThatACloseSendsIsLost) { FailEach(ExpectMegabyte); }

}  // namespace
