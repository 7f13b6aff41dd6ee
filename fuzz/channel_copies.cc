// SPDX-License-Identifier: Apache-2.0
//
// Copies between the ends and memory. The other side of a copy is known from the start, or at its
// end, so that every byte is accounted for.

#include "fuzz/channel_world.h"
#include "weir/custom_connection.h"

namespace weir_fuzz {

using Result = StreamModel::Result;
using Outcome = StreamModel::Outcome;

namespace {

// Of the copies of a number of bytes, some are exact.
bool IsExact(const Step &step) { return step.high() >= 4; }

// A connection over memory.
struct Memory {
  explicit Memory(const std::string &input) : text(input) {
    result = weir_memory_connection(&connection, weir_bytes_of(text.data(), text.size()), &output);
  }
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;
  ~Memory() { weir_buffer_release(&output); }

  weir_read_channel *reader() { return weir_open_read_channel(connection); }
  weir_write_channel *writer() { return weir_open_write_channel(connection, false); }

  // Closes it. Returns all that was written.
  std::string Close() {
    weir_shield shield = weir_shield_begin();
    weir_connection_close(connection);
    weir_shield_end(shield);
    return output.size > 0 ? std::string(output.data, output.size) : "";
  }

  std::string text;
  weir_buffer output = {};
  weir_connection *connection = nullptr;
  int result;
};

}  // namespace

void World::JudgeCopyOut(Actor &actor, int kind, const Step &step, int result, uint64_t count,
                         const std::string &target) {
  static const char *const kNames[] = {"copy", "copy_until", "tee", "copy_and_close"};
  End &end = *actor.end;
  StreamModel &model = end.input->model;
  auto size = static_cast<size_t>(count);
  bool others = target != model.Some(size).text && !end.input->uncertain;
  if (others) Fail("%s: %zu bytes are others", kNames[kind], size);
  auto expect = [&](const StreamModel &stream) -> Result {
    if (kind == 1) return stream.CopyUntil(UntilOf(step));
    bool limited = kind == 0 && step.high() < 8;
    if (!limited) return stream.Remaining(SIZE_MAX);
    Result copied = stream.Fully(step.size());
    if (copied.outcome == Outcome::kEnd && !IsExact(step)) copied.outcome = Outcome::kDone;
    return copied;
  };
  if (actor.patient) CheckPatience(actor, kNames[kind], expect(Visible(actor)));
  Judge(actor, kNames[kind], {result, target, size, true, true}, expect(model));
  // A tee or a copy that also ends takes its channels with it.
  if (kind >= 2 && result < 0 && !end.closed && end.read_cause == 0) CancelReading(actor, result);
}

// 0 copy, 1 copy_until, 2 tee, 3 copy_and_close.
void World::CopyOut(Actor &actor, const Step &step, int kind) {
  End &end = *actor.end;
  Memory first(""), second("");
  bool was_cancelled = end.read_cause < 0;
  size_t held = weir_read_buffered(end.reader);
  uint64_t count = 0;
  int result = std::min(first.result, second.result);
  bool begun = result == 0;
  StreamModel::Until until = UntilOf(step);
  weir_read_until_options until_options = OptionsOf(until);
  weir_copy_options options = {};
  options.method = (step.argument & 128) != 0 ? WEIR_COPY_ANY : WEIR_COPY_THROUGH_MEMORY;
  auto *limited = IsExact(step) ? weir_copy_exactly : weir_copy_at_most;
  if (begun) {
    // A failed tee has cancelled the reader by the time it returns.
    if (kind >= 2) end.input->write_reasons.insert({-ECANCELED, -ETIMEDOUT, -ENOMEM});
    std::set<int> &told = end.input->write_reasons;
    if (kind >= 2) told.insert(end.input->read_reasons.begin(), end.input->read_reasons.end());
    result = Call(actor, step, &end.input->reading, [&] {
      weir_write_channel *target = first.writer();
      if (kind == 0 && step.high() < 8) {
        return limited(end.reader, target, step.size(), &options, &count);
      }
      if (kind == 0) return weir_copy(end.reader, target, &options, &count);
      if (kind == 2) return weir_tee(end.reader, target, second.writer(), &count);
      if (kind == 3) return weir_copy_and_close(end.reader, target, &options, &count);
      return weir_copy_until(end.reader, BytesOf(until.delimiter), &until_options, target, &count);
    });
  }
  size_t most = std::max(held, end.input->model.options().capacity);
  bool limited_copy = begun && kind == 0 && step.high() < 8 && result == 0;
  if (limited_copy && !end.closed && weir_read_buffered(end.reader) > most) {
    Fail("a copy reads too far ahead");
  }
  if (kind >= 2 && result < 0) {
    end.input->read_reasons.insert(result);
    end.input->write_reasons.insert(result);
  }
  bool cancelled = kind >= 2 && result < 0;
  // What a target could not be given it may take a while to close.
  end.input->copied = begun;
  std::string target = first.Close();
  std::string other = second.Close();
  end.input->copied = false;
  if (!begun) return;
  if (was_cancelled && count > 0) Fail("a copy from a channel that was cancelled");
  // What a cancel has dropped tells nothing.
  if (kind == 2 && !cancelled && target != other) Fail("a tee tells its targets different things");
  if (cancelled || NoMemory()) target = end.input->model.Some(static_cast<size_t>(count)).text;
  if (target.size() != count && !(result < 0)) Fail("a copy counts other than the target has");
  if (target.size() != count) target = end.input->model.Some(static_cast<size_t>(count)).text;
  JudgeCopyOut(actor, kind, step, result, count, target);
}

// Of a copy that is refused, because another coroutine uses a channel of its, nothing is seen.
void World::ProbeCopies(Actor &actor) {
  const End &end = *actor.end;
  bool reads = end.input->reading != Flight::kNone;
  bool writes = end.output->writing != Flight::kNone;
  if (!reads && !writes) return;
  Memory memory("text"), other("");
  if (memory.result == 0 && other.result == 0) {
    int read_cause = weir_read_channel_cause(end.reader);
    int write_cause = weir_write_channel_cause(end.writer);
    int copied = -EBUSY, teed = -EBUSY;
    if (reads) copied = weir_copy_and_close(end.reader, memory.writer(), nullptr, nullptr);
    if (writes) teed = weir_tee(memory.reader(), other.writer(), end.writer, nullptr);
    if (copied != -EBUSY || teed != -EBUSY) Fail("a busy channel is copied: %d, %d", copied, teed);
    bool same = weir_read_channel_cause(end.reader) == read_cause &&
                weir_write_channel_cause(end.writer) == write_cause;
    if (!same) Fail("a copy that is refused cancels what others use");
    for (Memory *each : {&memory, &other}) {
      bool sound = weir_read_channel_cause(each->reader()) == 0 &&
                   weir_write_channel_cause(each->writer()) == 0;
      if (!sound) Fail("a copy that is refused cancels what is its own");
    }
  }
  memory.Close();
  other.Close();
}

// 0 copy, 1 copy_until, 2 tee.
void World::CopyIn(Actor &actor, const Step &step, int kind) {
  static const char *const kNames[] = {"copy from memory", "copy_until from memory",
                                       "tee from memory"};
  End &end = *actor.end;
  StreamModel::Until until = UntilOf(step);
  StreamModel source({16384, 65536, false, false});
  std::string text = Material(actor, step.size() + step.high() * size_t{8});
  source.Offer(text);
  source.End();
  Result expected = kind == 1 ? source.CopyUntil(until) : source.Remaining(SIZE_MAX);
  Memory memory(text), second("");
  uint64_t count = 0;
  if (memory.result < 0 || second.result < 0) {
    memory.Close();
    second.Close();
    return;
  }
  uint64_t before = weir_total_bytes_written(end.writer);
  Direction &output = *end.output;
  output.model.Offer(expected.text);
  if (kind == 2) output.read_reasons.insert({-ECANCELED, -ETIMEDOUT, -ENOMEM, -EBUSY});
  if (kind == 2) {
    output.read_reasons.insert(output.write_reasons.begin(), output.write_reasons.end());
    output.write_reasons.insert({-ECANCELED, -ETIMEDOUT, -ENOMEM});
    output.model.End();
  }
  int result = Call(
      actor, step, &output.writing,
      [&] {
        weir_read_until_options options = OptionsOf(until);
        if (kind == 0) return weir_copy(memory.reader(), end.writer, nullptr, &count);
        if (kind == 2) return weir_tee(memory.reader(), end.writer, second.writer(), &count);
        return weir_copy_until(memory.reader(), BytesOf(until.delimiter), &options, end.writer,
                               &count);
      },
      Flight::kCopy);
  if (kind == 2 && result == 0) end.half_closed = true;
  if (kind == 2 && result == 0) output.write_reasons.insert(WEIR_E_CLOSED);
  if (kind == 2 && result < 0) {
    // After an end that was reached nothing breaks any more.
    output.write_reasons.insert(result);
    output.read_reasons.insert(result);
    if (!end.half_closed && !end.closed) output.model.End(false);
    if (program_.custom) BreakBoth(end, *actor.other, result);
  }
  // Of a tee each target may have taken a different number.
  Wrote wrote;
  wrote.partly = true;
  wrote.taken = static_cast<size_t>(count);
  wrote.knows_taken = kind != 2 || result == 0;
  wrote.result = result == CodeOf(expected.outcome) ? 0 : result;
  if (wrote.result == 0 && count != expected.text.size()) Fail("%s: a wrong count", kNames[kind]);
  if (count > expected.text.size()) Fail("%s: counts too many", kNames[kind]);
  JudgeWrite(actor, kNames[kind], expected.text, wrote, before);
  // What was not copied is unread, and so is the delimiter unless all went well.
  if (kind != 2) {
    bool took_delimiter = wrote.result == 0 && expected.outcome == Outcome::kDone;
    uint64_t gone = took_delimiter ? expected.used : count;
    uint64_t total = weir_total_bytes_read(memory.reader());
    if (total != gone) Fail("%s: bytes of the source are lost", kNames[kind]);
  }
  memory.Close();
  second.Close();
}

}  // namespace weir_fuzz
