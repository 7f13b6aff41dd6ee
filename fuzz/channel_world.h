// SPDX-License-Identifier: Apache-2.0
//
// The two ends of a connection beside the models of both directions, and the coroutines that use
// them: one that reads and one that writes at each end.

#ifndef WEIR_FUZZ_CHANNEL_WORLD_H
#define WEIR_FUZZ_CHANNEL_WORLD_H

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string>

#include "fuzz/channel_program.h"
#include "fuzz/fail.h"
#include "fuzz/stream_model.h"
#include "testing/counting_allocator.h"
#include "testing/custom_layer.h"
#include "weir/channel.h"
#include "weir/coroutine.h"

namespace weir_fuzz {

// A custom connection over one end of a pipe.
using Layer = weir_testing::CustomLayer;

enum class Flight { kNone, kSingle, kCopy };

// What goes from one end to the other.
struct Direction {
  explicit Direction(StreamModel::Options options) : model(options) {}
  StreamModel model;
  // Codes with which reads and writes may fail from now on.
  std::set<int> read_reasons, write_reasons;
  // Operations that are suspended.
  Flight reading = Flight::kNone, writing = Flight::kNone;
  // A copy has ended, and has yet to be compared.
  bool copied = false;
  // How much of a write was taken will never be known.
  bool uncertain = false;
  // Whoever reads finds out in any case that the stream broke off.
  bool broken = false;
};

struct End {
  weir_connection *connection = nullptr;
  weir_read_channel *reader = nullptr;
  weir_write_channel *writer = nullptr;
  Direction *input = nullptr, *output = nullptr;
  bool auto_flush = false;
  size_t write_capacity = 0;
  int read_cause = 0, write_cause = 0;  // of the first cancel
  bool half_closed = false, aborted = false;
  bool closed = false;   // and must not be touched any more
  bool closing = false;  // a close is in flight, and what it has not sent cannot be seen
  int probes = 0;        // in flight: to whoever comes meanwhile the channel is busy
};

class World {
 public:
  World(const Program &program, weir_testing::CountingAllocator &allocator)
      : program_(program),
        allocator_(allocator),
        directions_{Direction(ModelOptionsOf(program)), Direction(ModelOptionsOf(program))} {}

  // The first coroutine.
  int Run();

 private:
  // A coroutine, or one that does a step for it.
  struct Actor {
    int number = 0;
    End *end = nullptr, *other = nullptr;
    weir_job *job = nullptr;  // of the step that it does
    bool cancelled = false;
    size_t material = 0;  // where its writes have come
    // About the last call.
    bool hurried = false;  // the step's deadline has passed
    bool patient = false;  // nothing has happened for a long time
    std::function<int()> body;
  };

  static StreamModel::Options ModelOptionsOf(const Program &program);

  // Making and breaking (channel_world.cc)
  int Open();
  int OpenEnds(weir_connection **ends);
  void Prepare(int side, weir_connection *connection);
  void RunProgram(Actor &actor);
  void Drain();
  void CloseAll();
  void Do(Actor &actor, const Step &step);
  void DoStepItself(Actor &actor, const Step &step);
  void DoStep(Actor &actor, const Step &step);
  void Common(Actor &actor, const Step &step);
  void CancelStep(Actor &actor);
  void CancelReading(Actor &actor, int cause);
  void CancelWriting(Actor &actor, int cause);
  void Abort(Actor &actor);
  void Close(Actor &actor);
  void BreakBoth(End &end, End &other, int cause);
  void Probe(Actor &actor);
  void ProbeReading(Actor &actor);
  void ProbeWriting(Actor &actor);
  void CheckChannels(const Actor &actor);

  // Reading (channel_reads.cc)
  struct Got {
    int result = 0;
    std::string text = {};
    size_t count = 0;
    bool partly = false;  // what was reported counts although the read failed
    bool copied = false;  // a cancel may have come while its target was waited for
  };
  void Read(Actor &actor, const Step &step);
  void ReadSized(Actor &actor, const Step &step, int kind);
  void ReadLine(Actor &actor, const Step &step, int kind);
  void ReadUntil(Actor &actor, const Step &step, bool append);
  void ReadSpan(Actor &actor, const Step &step);
  void ReadNumber(Actor &actor, const Step &step);
  void ReadSkip(Actor &actor, const Step &step);
  void ReadSome(Actor &actor, const Step &step, bool wait);
  void ReadAllRemaining(Actor &actor, const Step &step, size_t most);
  void Judge(Actor &actor, const char *name, const Got &got, const StreamModel::Result &expected);
  void JudgeFailure(Actor &actor, const char *name, const Got &got);
  bool IsExcused(const Actor &actor, int result, const std::set<int> &reasons) const;
  void CheckPatience(Actor &actor, const char *name, const StreamModel::Result &now);
  void CheckIdle(const Actor &actor, const char *name) const;
  StreamModel Visible(const Actor &actor) const;

  // Writing (channel_writes.cc)
  struct Wrote {
    int result = 0;
    size_t taken = 0;
    bool knows_taken = false;
    bool all_or_none = false;
    bool partly = false;  // success may be less than everything
  };
  void Write(Actor &actor, const Step &step);
  void WriteBytes(Actor &actor, const Step &step, int kind);
  void WriteNumber(Actor &actor, const Step &step);
  void WriteControl(Actor &actor, const Step &step, int kind);
  void HalfClose(Actor &actor, const Step &step);
  void JudgeWrite(Actor &actor, const char *name, const std::string &data, Wrote wrote,
                  uint64_t before);
  void JudgeWriteFailure(Actor &actor, const char *name, int result);
  std::string Material(Actor &actor, size_t size);

  // Copying (channel_copies.cc)
  void CopyOut(Actor &actor, const Step &step, int kind);
  void CopyIn(Actor &actor, const Step &step, int kind);
  void ProbeCopies(Actor &actor);
  void JudgeCopyOut(Actor &actor, int kind, const Step &step, int result, uint64_t count,
                    const std::string &target);

  // Calls |function| under the step's deadline, and under a long one, at which no other timer
  // fires: what is seen there is what everything has come to.
  template <typename Function>
  int Call(Actor &actor, const Step &step, Flight *flight, Function function,
           Flight kind = Flight::kSingle) {
    weir_timeout patience = weir_timeout_begin(Until(actor, WEIR_SECOND));
    weir_timeout hurry = {};
    bool hurried = step.deadline >= 0;
    if (hurried) hurry = weir_timeout_begin(step.deadline > 0 ? Until(actor, step.deadline) : 0);
    *flight = kind;
    int result = function();
    *flight = Flight::kNone;
    actor.hurried = hurried && weir_timeout_end(hurry);
    actor.patient = weir_timeout_end(patience);
    return result;
  }

  // A duration, of |least| or a little more, that ends when no other actor's does.
  static int64_t Until(const Actor &actor, int64_t least) {
    int64_t then = weir_now() + least;
    return (then | 63) + 1 + actor.number * 8 - weir_now();
  }

  // Output was refused a short time ago, and is still to be tried again.
  bool InShortage() const {
    constexpr int64_t kLongestPause = 100 * WEIR_MILLISECOND;
    return std::any_of(std::begin(layers_), std::end(layers_), [](const Layer &layer) {
      return layer.refused_at > 0 && weir_now() - layer.refused_at <= kLongestPause;
    });
  }

  // Without memory anything may fail, but nothing may be lost.
  bool NoMemory() const { return allocator_.refused(); }

  const Program &program_;
  weir_testing::CountingAllocator &allocator_;
  Direction directions_[2];
  End ends_[2];
  Layer layers_[2];
  Actor actors_[kActors];
};

// Delimiters, some of which overlap themselves.
inline StreamModel::Until UntilOf(const Step &step) {
  static const char *const kDelimiters[8] = {"-",  "--",    "-a-",  "\n",
                                             "ab", "a-a-a", "\r\n", "bbbbbbbbb"};
  static constexpr size_t kLimits[8] = {0, 1, 2, 3, 7, 50, 300, 3000};
  return {kDelimiters[step.argument & 7], kLimits[(step.argument >> 3) & 7],
          (step.argument & 64) != 0, (step.argument & 128) != 0};
}

// The same as options of weir_read_until.
inline weir_read_until_options OptionsOf(const StreamModel::Until &until) {
  weir_read_until_options options = {};
  options.limit = until.limit;
  options.keep = until.keep;
  options.allow_missing = until.allow_missing;
  return options;
}

// The bytes of |text|, which must outlive them.
inline weir_bytes BytesOf(const std::string &text) {
  return weir_bytes_of(text.data(), text.size());
}

// The code that a read returns when the model says |outcome|.
inline int CodeOf(StreamModel::Outcome outcome) {
  switch (outcome) {
    case StreamModel::Outcome::kEnd:
      return WEIR_E_END_OF_STREAM;
    case StreamModel::Outcome::kTooLarge:
      return -EMSGSIZE;
    case StreamModel::Outcome::kLineTooLong:
      return WEIR_E_LINE_TOO_LONG;
    case StreamModel::Outcome::kUnterminated:
      return WEIR_E_LINE_UNTERMINATED;
    case StreamModel::Outcome::kInvalidUtf8:
      return WEIR_E_INVALID_UTF8;
    default:
      return 0;
  }
}

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_CHANNEL_WORLD_H
