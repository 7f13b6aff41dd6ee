// SPDX-License-Identifier: Apache-2.0
//
// Every operation that suspends, on what belongs to another loop: it returns -EXDEV and does
// nothing.

#include <gtest/gtest.h>

#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/tcp_pair.h"
#include "weir/copy.h"
#include "weir/numbers.h"
#include "weir/signals.h"
#include "weir/tcp.h"

namespace {

using weir_testing::ExpectRun;
using weir_testing::Input;
using weir_testing::LaunchCoroutine;
using weir_testing::LaunchCoroutineOn;
using weir_testing::MakeTcpPair;
using weir_testing::Output;
using weir_testing::TcpPair;

struct Operation {
  const char *name;
  // |foreign| belongs to another loop, |own| to this one. Its input and output have room and text.
  std::function<int(weir_connection *foreign, weir_connection *own)> call;
};

char memory[16];
size_t done;
uint64_t count;
weir_bytes span;

Operation Read(const char *name, const std::function<int(weir_read_channel *)> &read) {
  return {name, [read](weir_connection *foreign, weir_connection *) {
            return read(weir_open_read_channel(foreign));
          }};
}

Operation Write(const char *name, const std::function<int(weir_write_channel *)> &write) {
  return {name, [write](weir_connection *foreign, weir_connection *) {
            return write(weir_open_write_channel(foreign, false));
          }};
}

// A read that appends to a buffer.
template <typename Append>
int Appending(Append append) {
  weir_buffer buffer = {};
  int result = append(&buffer);
  weir_buffer_release(&buffer);
  return result;
}

template <typename Number>
int ReadNumber(weir_read_channel *input, int (*read)(weir_read_channel *, Number *)) {
  Number number;
  return read(input, &number);
}

using In = weir_read_channel *;
using Out = weir_write_channel *;

std::vector<Operation> Reads() {
  const weir_bytes end = weir_text("\n");
  return {
      Read("available", [](In in) { return weir_read_available(in, memory, 1); }),
      Read("try", [](In in) { return weir_read_try(in, memory, 1); }),
      Read("fully", [](In in) { return weir_read_fully(in, memory, 1, &done); }),
      Read("exactly", [](In in) { return weir_read_exactly(in, memory, 1); }),
      Read("packet", [](In in) { return weir_read_packet(in, 1, &span); }),
      Read("discard", [](In in) { return weir_read_discard(in, 1, &count); }),
      Read("discard exactly", [](In in) { return weir_read_discard_exactly(in, 1, &count); }),
      Read("line", [](In in) { return weir_read_line(in, &span); }),
      Read("line strict", [](In in) { return weir_read_line_strict(in, &span); }),
      Read("utf8 line", [](In in) { return weir_read_utf8_line(in, &span); }),
      Read("utf8 line strict", [](In in) { return weir_read_utf8_line_strict(in, &span); }),
      Read("until", [=](In in) { return weir_read_until(in, end, nullptr, &span); }),
      Read("skip if found", [=](In in) { return weir_read_skip_if_found(in, end); }),
      Read("peek", [](In in) { return weir_read_peek(in, 1, &span); }),
      Read("span", [](In in) { return weir_read_span(in, 1, &span); }),
      Read("await", [](In in) { return weir_read_await(in, 1); }),
      Read("exhausted", [](In in) { return weir_read_exhausted(in); }),
      Read("remaining",
           [](In in) {
             return Appending([in](weir_buffer *out) { return weir_read_remaining(in, out, 9); });
           }),
      Read("append line",
           [](In in) {
             return Appending([in](weir_buffer *out) { return weir_append_line(in, out); });
           }),
      Read("append utf8 line",
           [](In in) {
             return Appending([in](weir_buffer *out) { return weir_append_utf8_line(in, out); });
           }),
      Read("append until",
           [=](In in) {
             return Appending(
                 [=](weir_buffer *out) { return weir_append_until(in, end, nullptr, out); });
           }),
      Read("uint8", [](In in) { return ReadNumber(in, weir_read_uint8); }),
      Read("uint16 be", [](In in) { return ReadNumber(in, weir_read_uint16_be); }),
      Read("uint32 le", [](In in) { return ReadNumber(in, weir_read_uint32_le); }),
      Read("double be", [](In in) { return ReadNumber(in, weir_read_double_be); }),
  };
}

std::vector<Operation> Writes() {
  const weir_bytes text = weir_text("x");
  return {
      Write("fully", [](Out out) { return weir_write_fully(out, memory, 1, &done); }),
      Write("available", [](Out out) { return weir_write_available(out, memory, 1); }),
      Write("try", [](Out out) { return weir_write_try(out, memory, 1); }),
      Write("string", [](Out out) { return weir_write_string(out, "x"); }),
      Write("line", [=](Out out) { return weir_write_line(out, text); }),
      Write("format", [](Out out) { return weir_write_format(out, "%d", 1); }),
      Write("gather", [=](Out out) { return weir_write_gather(out, &text, 1, &done); }),
      Write("await room", [](Out out) { return weir_write_await_room(out, 1); }),
      Write("flush", [](Out out) { return weir_flush(out); }),
      Write("end", [](Out out) { return weir_write_channel_close(out); }),
      Write("uint8", [](Out out) { return weir_write_uint8(out, 1); }),
      Write("uint64 be", [](Out out) { return weir_write_uint64_be(out, 1); }),
      Write("float le", [](Out out) { return weir_write_float_le(out, 1); }),
      {"close",
       [](weir_connection *foreign, weir_connection *) { return weir_connection_close(foreign); }},
  };
}

std::vector<Operation> Copies() {
  return {
      {"weir_copy from",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy(Input(foreign), Output(own), nullptr, &count);
       }},
      {"weir_copy to",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy(Input(own), Output(foreign), nullptr, &count);
       }},
      {"weir_copy_at_most to",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy_at_most(Input(own), Output(foreign), 1, nullptr, &count);
       }},
      {"weir_copy_until from",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy_until(Input(foreign), weir_text("\n"), nullptr, Output(own), &count);
       }},
      {"weir_copy_until to",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy_until(Input(own), weir_text("\n"), nullptr, Output(foreign), &count);
       }},
  };
}

// These cancel what they were given, if it is ours.
std::vector<Operation> CopiesThatClose() {
  return {
      {"weir_copy_and_close from",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy_and_close(Input(foreign), Output(own), nullptr, &count);
       }},
      {"weir_copy_and_close to",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_copy_and_close(Input(own), Output(foreign), nullptr, &count);
       }},
      {"weir_tee from",
       [](weir_connection *foreign, weir_connection *own) {
         return weir_tee(Input(foreign), Output(own), Output(own), &count);
       }},
  };
}

enum Kind { kTcp, kPipe, kPipeAcrossLoops };

class ForeignLoop : public weir_testing::LeakCheckedTest,
                    public ::testing::WithParamInterface<Kind> {
 protected:
  static void Run(const weir_testing::Body &body) {
    weir_selector_options options = {};
    options.loops = 2;
    ExpectRun(options, body);
  }

  static void On(int loop, const weir_testing::Body &body) {
    weir_scope *scope = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    EXPECT_EQ(0, LaunchCoroutineOn(loop, body, scope));
    EXPECT_EQ(0, weir_scope_wait(scope));
    weir_scope_close(scope);
  }

  static TcpPair Make(Kind kind) {
    if (kind == kTcp) return MakeTcpPair();
    TcpPair pair;
    weir_pipe_options options = {};
    options.across_loops = kind == kPipeAcrossLoops;
    EXPECT_EQ(0, weir_pipe(&pair.near, &pair.far, &options));
    return pair;
  }

  // Tries |operations| on an end of another loop, and expects that this end is as it was before.
  static void Refuses(const std::vector<Operation> &operations) {
    Run([&] {
      TcpPair pair = Make(GetParam());
      EXPECT_EQ(0, weir_write_string(Output(pair.far), "heard\n"));
      EXPECT_EQ(0, weir_flush(Output(pair.far)));
      EXPECT_EQ(0, weir_read_await(Input(pair.near), 1) < 0);
      EXPECT_EQ(0, weir_write_string(weir_open_write_channel(pair.near, false), "sa"));
      for (const Operation &operation : operations) {
        SCOPED_TRACE(operation.name);
        On(1, [&] {
          TcpPair own = Make(kTcp);
          EXPECT_EQ(0, weir_write_string(Output(own.far), "something to copy\n"));
          EXPECT_EQ(0, weir_flush(Output(own.far)));
          int result = operation.call(pair.near, own.near);
          EXPECT_EQ(-EXDEV, result) << operation.name << ": " << weir_error_name(result);
          weir_connection_abort(own.far);
          weir_connection_close(own.near);
          weir_connection_close(own.far);
          return 0;
        });
      }
      weir_bytes line;
      EXPECT_EQ(0, weir_read_line(Input(pair.near), &line));
      EXPECT_EQ("heard", std::string(line.data, line.size));
      EXPECT_EQ(0, weir_write_string(Output(pair.near), "id\n"));
      EXPECT_EQ(0, weir_read_line(Input(pair.far), &line));
      EXPECT_EQ("said", std::string(line.data, line.size));
      weir_connection_abort(pair.far);
      weir_connection_close(pair.far);
      weir_connection_close(pair.near);
      return 0;
    });
  }
};

TEST_P(ForeignLoop, ReadsAreRefused) { Refuses(Reads()); }
TEST_P(ForeignLoop, WritesAreRefused) { Refuses(Writes()); }
TEST_P(ForeignLoop, CopiesAreRefused) { Refuses(Copies()); }
TEST_P(ForeignLoop, CopiesThatCloseAreRefused) { Refuses(CopiesThatClose()); }

INSTANTIATE_TEST_SUITE_P(Tcp, ForeignLoop, ::testing::Values(kTcp, kPipe, kPipeAcrossLoops));

TEST_F(ForeignLoop, SoAreTheScopesAndJobsOfAnother) {
  Run([] {
    weir_scope *scope = nullptr;
    weir_job *job = nullptr;
    EXPECT_EQ(0, weir_scope_open(&scope, nullptr));
    auto wait = [] { return weir_delay(WEIR_FOREVER); };
    EXPECT_EQ(0, LaunchCoroutine(wait, scope, &job));
    On(1, [&] {
      auto never = [] { return ADD_FAILURE(), 0; };
      EXPECT_EQ(-EXDEV, LaunchCoroutine(never, scope));
      EXPECT_EQ(-EXDEV, LaunchCoroutineOn(0, never, scope));
      EXPECT_EQ(-EXDEV, LaunchCoroutineOn(1, never, scope));
      EXPECT_EQ(-EXDEV, weir_job_wait(job, nullptr));
      EXPECT_EQ(-EINVAL, weir_scope_wait(scope));  // nor is it that of another coroutine here
      EXPECT_EQ(-EINVAL, weir_scope_close(scope));
      return 0;
    });
    weir_job_close(job);
    return weir_scope_close(scope);
  });
}

TEST_F(ForeignLoop, SoAreListenersAndSignals) {
  Run([] {
    weir_listener *listener = weir_testing::Bind("127.0.0.1", 0);
    weir_connection *client = nullptr;
    weir_timeout timeout = weir_timeout_begin(0);
    EXPECT_EQ(-ETIMEDOUT, weir_accept(listener, &client));
    weir_timeout_end(timeout);
    const int wanted = SIGUSR2;
    weir_signals *signals = nullptr;
    EXPECT_EQ(0, weir_signals_open(&signals, &wanted, 1));
    On(1, [&] {
      EXPECT_EQ(-EXDEV, weir_accept(listener, &client));
      EXPECT_EQ(-EXDEV,
                weir_tcp_serve(
                    listener, nullptr, [](weir_connection *, void *) { return 0; }, nullptr));
      EXPECT_EQ(-EXDEV, weir_signals_wait(signals));
      return 0;
    });
    weir_signals_close(signals);
    return weir_listener_close(listener);
  });
}

TEST_F(ForeignLoop, AnotherSelectorIsEvenMoreForeign) {
  Run([] {
    weir_selector *other = nullptr;
    EXPECT_EQ(0, weir_selector_create(&other, nullptr));
    weir_connection *connection = nullptr;
    EXPECT_EQ(-EXDEV, weir_tcp_connect(weir_tcp(other), &connection, "127.0.0.1", 1));
    weir_listener *listener = nullptr;
    EXPECT_EQ(0, weir_tcp_bind(weir_tcp(other), &listener, "127.0.0.1", 0));
    EXPECT_EQ(-EXDEV, weir_accept(listener, &connection));
    EXPECT_EQ(-EXDEV, weir_listener_close(listener));
    auto close = [](void *argument) {
      return weir_listener_close(static_cast<weir_listener *>(argument));
    };
    std::thread([&] { EXPECT_EQ(0, weir_selector_run(other, close, listener)); }).join();
    return weir_selector_close(other);
  });
}

}  // namespace
