// SPDX-License-Identifier: Apache-2.0
//
// Every read, over every short stream, cut in pieces in every way, with small buffers and limits,
// against a model: undisturbed, and with each wait ended by a deadline, by a cancellation or for
// want of memory, after which the read is repeated.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/read_operations.h"
#include "testing/reader_model.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ReaderModel;
using weir_testing::ReadOperation;
using weir_testing::ReadOutcome;
using weir_testing::ScriptedTransport;

using Pieces = std::vector<std::string>;
using Operations = std::vector<ReadOperation>;

struct Scenario {
  Pieces pieces;
  weir_read_channel_options options;
  std::vector<const ReadOperation *> operations;  // one behind the other

  std::string stream() const {
    std::string all;
    for (const std::string &piece : pieces) all += piece;
    return all;
  }
};

std::ostream &operator<<(std::ostream &out, const Scenario &scenario) {
  for (const ReadOperation *operation : scenario.operations) out << "[" << operation->name << "] ";
  out << "capacity " << scenario.options.capacity << ", line limit " << scenario.options.line_limit
      << ", ending " << scenario.options.line_ending;
  for (const std::string &piece : scenario.pieces) out << " | " << ::testing::PrintToString(piece);
  return out;
}

// Calls |visit| with every string of |alphabet| of at most |longest| bytes.
template <typename Visit>
void ForEachStream(const std::string &alphabet, size_t longest, Visit visit) {
  std::vector<std::string> same_size = {""};
  for (size_t size = 0; size <= longest; size++) {
    std::vector<std::string> next;
    for (const std::string &stream : same_size) {
      visit(stream);
      for (char byte : alphabet) next.push_back(stream + byte);
    }
    same_size = std::move(next);
  }
}

// Calls |visit| with every way to cut |stream| in pieces.
template <typename Visit>
void ForEachCut(const std::string &stream, Visit visit) {
  size_t places = stream.empty() ? 0 : stream.size() - 1;
  for (size_t cuts = 0; cuts < size_t{1} << places; cuts++) {
    Pieces pieces;
    for (size_t at = 0; at < stream.size(); at++) {
      if (at == 0 || (cuts >> (at - 1) & 1) != 0) pieces.emplace_back();
      pieces.back() += stream[at];
    }
    visit(pieces);
  }
}

weir_read_channel_options Options(size_t capacity, size_t line_limit,
                                  weir_line_ending ending = WEIR_LINE_LF,
                                  bool resynchronise = false) {
  weir_read_channel_options options = {};
  options.capacity = capacity;
  options.line_limit = line_limit;
  options.line_ending = ending;
  options.resynchronise = resynchronise;
  return options;
}

// Whether a read ended early, and may be repeated.
bool IsDisturbed(int result) {
  return result == -ETIMEDOUT || result == -ECANCELED || result == -ENOMEM;
}

class ExhaustiveRead : public weir_testing::ChannelTest {
 protected:
  // How a read is done, given what its earlier tries gave.
  using Way = std::function<ReadOutcome(const ReadOperation &, const ReadOutcome &so_far)>;

  // Reads with each operation in turn, then the rest of the stream, and compares with the model.
  // Unless the pieces are there |all_at_once|, one comes each time a read was disturbed.
  void Compare(const Scenario &scenario, bool all_at_once, const Way &way) {
    ScriptedTransport script;
    reader_ = script.reader();
    EXPECT_EQ(0, weir_read_channel_configure(reader_, &scenario.options));
    size_t fed = 0;
    auto feed = [&] {
      if (fed < scenario.pieces.size()) script.Feed(scenario.pieces[fed]);
      if (fed == scenario.pieces.size()) script.FeedEnd();
      return fed++ <= scenario.pieces.size();
    };
    while (all_at_once && feed()) continue;
    ReaderModel model(scenario.stream(), scenario.options);
    for (const ReadOperation *operation : scenario.operations) {
      ReadOutcome outcome = way(*operation, {});
      // Once everything is there it has all that it can wait for.
      while (IsDisturbed(outcome.result) && (all_at_once || feed())) {
        outcome = way(*operation, outcome);
      }
      EXPECT_EQ(operation->expect(model), outcome) << operation->name << " in " << scenario;
    }
    while (feed()) continue;
    static const ReadOperation rest = weir_testing::RemainingOperation(1000);
    EXPECT_EQ(rest.expect(model), rest.read(reader_, {})) << "the rest in " << scenario;
    EXPECT_EQ(scenario.stream().size(), weir_total_bytes_read(reader_)) << scenario;
    EXPECT_EQ(0u, weir_read_buffered(reader_)) << scenario;
    EXPECT_EQ(0, weir_connection_close(script.connection()));
  }

  void Undisturbed(const Scenario &scenario) {
    Compare(scenario, true, [this](const auto &operation, const auto &so_far) {
      return operation.read(reader_, so_far);
    });
  }

  void WithDeadlines(const Scenario &scenario) {
    Compare(scenario, false, [this](const auto &operation, const auto &so_far) {
      weir_timeout timeout = weir_timeout_begin(WEIR_MILLISECOND);
      ReadOutcome outcome = operation.read(reader_, so_far);
      weir_timeout_end(timeout);
      return outcome;
    });
  }

  void WithCancellations(const Scenario &scenario) {
    Compare(scenario, false, [this](const auto &operation, const auto &so_far) {
      ReadOutcome outcome;
      weir_job *job;
      auto read = [&] {
        outcome = operation.read(reader_, so_far);
        return 0;
      };
      Start(read, &job);
      weir_job_cancel(job);
      EXPECT_EQ(0, weir_job_wait(job, nullptr));
      weir_job_close(job);
      return outcome;
    });
  }

  // The first try has no memory at its first request, the next not at its second, and so on.
  void WithoutMemory(const Scenario &scenario) {
    int nth = 0;
    Compare(scenario, true, [&](const auto &operation, const auto &so_far) {
      allocator().FailNth(++nth);
      ReadOutcome outcome = operation.read(reader_, so_far);
      if (!allocator().refused()) nth = 0;
      allocator().FailNth(0);
      return outcome;
    });
  }

  weir_read_channel *reader_ = nullptr;
};

// Reads that know how much they want.
Operations SizedOperations() {
  using namespace weir_testing;
  Operations operations = {ExhaustedOperation()};
  for (size_t size : {0, 1, 2, 3, 5}) {
    operations.push_back(ExactlyOperation(size));
    operations.push_back(PacketOperation(size));
    operations.push_back(PeekOperation(size));
    if (size > 0) operations.push_back(SpanAndConsumeOperation(size));
    operations.push_back(AwaitOperation(size));
    operations.push_back(DiscardOperation(size, false));
    operations.push_back(DiscardOperation(size, true));
    operations.push_back(RemainingOperation(size));
  }
  for (const char *expected : {"", "a", "\n", "ab", "a\n", "\na", "aa\n", "aaaaaa"}) {
    operations.push_back(SkipIfFoundOperation(expected));
  }
  return operations;
}

ReadOperation PlainLine() { return weir_testing::LineOperation("line", weir_read_line, false); }

std::vector<weir_read_channel_options> SmallOptions() {
  return {Options(1, 1), Options(2, 3), Options(4, 1, WEIR_LINE_ANY, true)};
}

// Behind a line, so that there may be something to drop first.
template <typename Check>
void ForEachSized(size_t longest, Check check) {
  const ReadOperation line = PlainLine();
  const Operations operations = SizedOperations();
  ForEachStream("a\r\n", longest, [&](const std::string &stream) {
    ForEachCut(stream, [&](const Pieces &pieces) {
      for (const weir_read_channel_options &options : SmallOptions()) {
        for (const ReadOperation &operation : operations) {
          check(Scenario{pieces, options, {&line, &operation}});
        }
      }
    });
  });
}

TEST_F(ExhaustiveRead, SizedReads) {
  RunLoop([this] {
    ForEachSized(4, [&](const Scenario &scenario) { Undisturbed(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, SizedReadsWithDeadlines) {
  RunLoop([this] {
    ForEachSized(4, [&](const Scenario &scenario) { WithDeadlines(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, SizedReadsWithCancellations) {
  RunLoop([this] {
    ForEachSized(3, [&](const Scenario &scenario) { WithCancellations(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, SizedReadsWithoutMemory) {
  RunLoop([this] {
    ForEachSized(3, [&](const Scenario &scenario) { WithoutMemory(scenario); });
    return 0;
  });
}

// Delimiters, some of which overlap themselves or are above the limit.
Operations UntilOperations(bool limits) {
  Operations operations;
  std::vector<size_t> all_limits =
      limits ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{1000};
  for (const char *delimiter : {"-", "--", "-a-", "--a", "a-a-a"}) {
    for (int bits = 0; bits < 4; bits++) {
      for (size_t limit : all_limits) {
        weir_read_until_options options = {limit, (bits & 1) != 0, (bits & 2) != 0};
        operations.push_back(weir_testing::AppendUntilOperation(delimiter, options));
        if (!limits) options.limit = 0;
        operations.push_back(weir_testing::UntilOperation(delimiter, options));
      }
    }
  }
  return operations;
}

template <typename Check>
void ForEachUntil(size_t longest, bool limits, Check check) {
  const Operations operations = UntilOperations(limits);
  ForEachStream("a-", longest, [&](const std::string &stream) {
    ForEachCut(stream, [&](const Pieces &pieces) {
      for (const weir_read_channel_options &options : {Options(1, 2), Options(6, 3)}) {
        for (const ReadOperation &operation : operations) {
          check(Scenario{pieces, options, {&operation}});
        }
      }
    });
  });
}

TEST_F(ExhaustiveRead, Delimiters) {
  RunLoop([this] {
    ForEachUntil(5, true, [&](const Scenario &scenario) { Undisturbed(scenario); });
    ForEachUntil(6, false, [&](const Scenario &scenario) { Undisturbed(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, DelimitersWithDeadlines) {
  RunLoop([this] {
    ForEachUntil(6, false, [&](const Scenario &scenario) { WithDeadlines(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, DelimitersWithCancellations) {
  RunLoop([this] {
    ForEachUntil(4, false, [&](const Scenario &scenario) { WithCancellations(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, DelimitersWithoutMemory) {
  RunLoop([this] {
    ForEachUntil(4, false, [&](const Scenario &scenario) { WithoutMemory(scenario); });
    return 0;
  });
}

Operations LineForms() {
  using namespace weir_testing;
  return {
      PlainLine(),
      LineOperation("strict line", weir_read_line_strict, true),
      LineOperation("strict UTF-8 line", weir_read_utf8_line_strict, true),
      AppendLineOperation("append line", weir_append_line),
      AppendLineOperation("append UTF-8 line", weir_append_utf8_line),
  };
}

// Three lines of each form.
template <typename Check>
void ForEachLines(size_t longest, Check check) {
  const Operations forms = LineForms();
  ForEachStream("a\r\n", longest, [&](const std::string &stream) {
    ForEachCut(stream, [&](const Pieces &pieces) {
      for (weir_line_ending ending : {WEIR_LINE_LF, WEIR_LINE_ANY}) {
        for (size_t limit = 1; limit <= 2; limit++) {
          for (bool resynchronise : {false, true}) {
            weir_read_channel_options options = Options(2, limit, ending, resynchronise);
            for (const ReadOperation &form : forms) {
              check(Scenario{pieces, options, {&form, &form, &form}});
            }
          }
        }
      }
    });
  });
}

TEST_F(ExhaustiveRead, Lines) {
  RunLoop([this] {
    ForEachLines(4, [&](const Scenario &scenario) { Undisturbed(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, LinesWithDeadlines) {
  RunLoop([this] {
    ForEachLines(5, [&](const Scenario &scenario) { WithDeadlines(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, LinesWithCancellations) {
  RunLoop([this] {
    ForEachLines(3, [&](const Scenario &scenario) { WithCancellations(scenario); });
    return 0;
  });
}

TEST_F(ExhaustiveRead, LinesWithoutMemory) {
  RunLoop([this] {
    ForEachLines(4, [&](const Scenario &scenario) { WithoutMemory(scenario); });
    return 0;
  });
}

}  // namespace
