// SPDX-License-Identifier: Apache-2.0
//
// Every read of a channel, and what it may say.

#include <cinttypes>
#include <cstring>
#include <vector>

#include "channel/internal/read_channel.h"
#include "fuzz/channel_world.h"

namespace weir_fuzz {

using Result = StreamModel::Result;
using Outcome = StreamModel::Outcome;

bool World::IsExcused(const Actor &actor, int result, const std::set<int> &reasons) const {
  if (result >= 0) return false;
  if (result == -ECANCELED && actor.cancelled) return true;
  if (result == -ETIMEDOUT && (actor.hurried || actor.patient)) return true;
  if (result == -EBUSY && actor.end->probes > 0) return true;
  // Argument errors and the stream's end are told by the model alone.
  bool judged = result <= WEIR_E_END_OF_STREAM && result != WEIR_E_CLOSED;
  return reasons.count(result) > 0 || (NoMemory() && !judged);
}

// The stream without what the other end's channel still holds.
StreamModel World::Visible(const Actor &actor) const {
  StreamModel visible = actor.end->input->model;
  if (!actor.other->closed) visible.Hide(weir_write_pending(actor.other->writer));
  return visible;
}

void World::CheckIdle(const Actor &actor, const char *name) const {
  const End &end = *actor.end;
  if (end.closed || weir_read_buffered(end.reader) > 0) return;
  if (end.reader->buffer != nullptr) Fail("%s waits with a buffer", name);
  if (end.reader->past_search != nullptr) Fail("%s waits with a search", name);
}

// A read has waited until nothing happened any more. It must have had a reason.
void World::CheckPatience(Actor &actor, const char *name, const Result &now) {
  Direction &input = *actor.end->input;
  CheckIdle(actor, name);
  if (NoMemory() || InShortage() || input.uncertain) return;
  if (actor.end->read_cause < 0) Fail("%s waits although reading was cancelled", name);
  if (now.outcome != Outcome::kWait) Fail("%s waits for what is there", name);
  if (input.broken) Fail("%s waits although the stream broke off", name);
  if (input.writing != Flight::kNone) Fail("%s waits, and so does the writer", name);
  const End &other = *actor.other;
  if (other.closed || !other.auto_flush || other.half_closed) return;
  if (weir_write_pending(other.writer) > 0) Fail("%s waits for what is not flushed", name);
}

void World::JudgeFailure(Actor &actor, const char *name, const Got &got) {
  if (!got.partly) {
    if (!got.text.empty()) Fail("%s stores something although it failed", name);
    return;
  }
  StreamModel &model = actor.end->input->model;
  Result some = model.Some(got.count);
  if (some.outcome != Outcome::kDone) Fail("%s reports %zu bytes that never came", name, got.count);
  if (!got.text.empty() && got.text != some.text) Fail("%s reports other bytes", name);
  model.Accept(some);
}

// |expected| follows from all that is in the stream now.
void World::Judge(Actor &actor, const char *name, const Got &got, const Result &expected) {
  Direction &input = *actor.end->input;
  if (input.uncertain) return;
  bool excused = IsExcused(actor, got.result, input.read_reasons);
  if (excused) return JudgeFailure(actor, name, got);
  if (actor.end->read_cause < 0 && !got.copied && expected.outcome != Outcome::kTooLarge) {
    Fail("%s: %s, although reading was cancelled", name, weir_error_name(got.result));
  }
  if (expected.outcome == Outcome::kWait) {
    Fail("%s: %s (%d) too early, at %" PRIu64, name, weir_error_name(got.result), got.result,
         input.model.read());
  }
  int code = CodeOf(expected.outcome);
  if (got.result != code) {
    Fail("%s: %s (%d), but expected %s, at %" PRIu64, name, weir_error_name(got.result), got.result,
         weir_error_name(code), input.model.read());
  }
  if (got.text != expected.text) {
    Fail("%s: %zu bytes, but expected %zu, or others, at %" PRIu64, name, got.text.size(),
         expected.text.size(), input.model.read());
  }
  if (got.count != expected.count) {
    Fail("%s: counts %zu, but expected %zu", name, got.count, expected.count);
  }
  input.model.Accept(expected);
}

namespace {

std::string TextOf(weir_bytes bytes) {
  return bytes.size > 0 ? std::string(bytes.data, bytes.size) : "";
}

std::string TextOf(weir_buffer *buffer) {
  std::string text = TextOf(weir_buffer_bytes(buffer));
  weir_buffer_release(buffer);
  return text;
}

// Memory of exactly |size| bytes, so that ASan sees what is written behind it.
std::vector<char> Room(size_t size) {
  std::vector<char> room;
  room.reserve(size);
  room.resize(size);
  return room;
}

}  // namespace

// Of those that take what is there, the number is theirs to choose.
void World::ReadSome(Actor &actor, const Step &step, bool wait) {
  End &end = *actor.end;
  StreamModel &model = end.input->model;
  const char *name = wait ? "read_available" : "read_try";
  std::vector<char> out = Room(step.size());
  // One that drops the rest of a line does not do so for ever.
  bool idle = end.input->writing == Flight::kNone && !actor.other->closing && !program_.custom &&
              !program_.resynchronise;
  bool there = idle && !wait && Visible(actor).Available(step.size()).count > 0;
  int result = Call(actor, step, &end.input->reading, [&] {
    return wait ? weir_read_available(end.reader, out.data(), out.size())
                : weir_read_try(end.reader, out.data(), out.size());
  });
  if (wait && actor.patient) CheckPatience(actor, name, Visible(actor).Available(step.size()));
  if (result == -EAGAIN && !wait) {
    if (there && end.read_cause == 0) Fail("read_try finds nothing");
    return;
  }
  size_t count = result > 0 ? static_cast<size_t>(result) : 0;
  Result expected = model.Available(step.size());
  if (count > 0 && count <= expected.count) expected = model.Some(count);
  if (result == 0 && step.size() > 0) Fail("%s returned 0", name);
  Judge(actor, name, {std::min(result, 0), std::string(out.data(), count), count}, expected);
}

void World::ReadAllRemaining(Actor &actor, const Step &step, size_t most) {
  End &end = *actor.end;
  weir_buffer buffer = {};
  int result = Call(actor, step, &end.input->reading,
                    [&] { return weir_read_remaining(end.reader, &buffer, most); });
  if (actor.patient) CheckPatience(actor, "read_remaining", Visible(actor).Remaining(most));
  Result expected = end.input->model.Remaining(most);
  std::string text = TextOf(&buffer);
  if (text.size() > most) Fail("read_remaining exceeds its limit");
  Judge(actor, "read_remaining", {result, text, text.size(), true}, expected);
}

// Reads that know how much they want.
void World::ReadSized(Actor &actor, const Step &step, int kind) {
  static const char *const kNames[] = {"fully",           "exactly", "packet", "discard",
                                       "discard_exactly", "peek",    "await",  "exhausted"};
  End &end = *actor.end;
  size_t size = step.size();
  Got got;
  got.result = Call(actor, step, &end.input->reading, [&] {
    std::vector<char> out = Room(size);
    weir_bytes bytes = weir_text("");
    size_t done = 12345;
    uint64_t dropped = 12345;
    int result = 0;
    switch (kind) {
      case 0:
        result = weir_read_fully(end.reader, out.data(), size, &done);
        if (done > size) Fail("read_fully reports %zu bytes", done);
        got = {0, std::string(out.data(), done), done, true};
        break;
      case 1:
        result = weir_read_exactly(end.reader, out.data(), size);
        if (result == 0) got = {0, std::string(out.data(), size), size};
        break;
      case 2:
        result = weir_read_packet(end.reader, size, &bytes);
        got = {0, TextOf(bytes), bytes.size};
        break;
      case 3:
      case 4:
        result = kind == 3 ? weir_read_discard(end.reader, size, &dropped)
                           : weir_read_discard_exactly(end.reader, size, &dropped);
        got = {0, "", static_cast<size_t>(dropped), true};
        break;
      case 5:
        result = weir_read_peek(end.reader, size, &bytes);
        got = {0, TextOf(bytes)};
        break;
      case 6:
        result = weir_read_await(end.reader, size);
        break;
      default:
        result = weir_read_exhausted(end.reader);
        if (result > 0) got.count = 1;
        if (result > 0) result = 0;
    }
    return result;
  });
  auto expect = [&](const StreamModel &model) -> Result {
    switch (kind) {
      case 0:
        return model.Fully(size);
      case 1:
      case 2:
        return model.Exactly(size);
      case 3:
      case 4:
        return model.Discard(size, kind == 4);
      case 5:
        return model.Peek(size);
      case 6:
        return {model.Peek(size).outcome};
      default:
        return model.Exhausted();
    }
  };
  if (actor.patient) CheckPatience(actor, kNames[kind], expect(Visible(actor)));
  Judge(actor, kNames[kind], got, expect(end.input->model));
}

void World::ReadLine(Actor &actor, const Step &step, int kind) {
  static const char *const kNames[] = {"line",        "utf8_line",   "line_strict",
                                       "utf8_strict", "append_line", "append_utf8_line"};
  static constexpr int (*kLines[])(weir_read_channel *, weir_bytes *) = {
      weir_read_line, weir_read_utf8_line, weir_read_line_strict, weir_read_utf8_line_strict};
  End &end = *actor.end;
  Got got;
  got.result = Call(actor, step, &end.input->reading, [&] {
    weir_bytes line = weir_text("not touched");
    weir_buffer buffer = {};
    if (kind < 4) {
      int result = kLines[kind](end.reader, &line);
      got.text = TextOf(line);
      return result;
    }
    int result = kind == 4 ? weir_append_line(end.reader, &buffer)
                           : weir_append_utf8_line(end.reader, &buffer);
    got.text = TextOf(&buffer);
    return result;
  });
  bool utf8 = (kind & 1) != 0;
  bool strict = kind == 2 || kind == 3;
  if (actor.patient) CheckPatience(actor, kNames[kind], Visible(actor).Line(utf8, strict));
  Judge(actor, kNames[kind], got, end.input->model.Line(utf8, strict));
}

void World::ReadUntil(Actor &actor, const Step &step, bool append) {
  End &end = *actor.end;
  StreamModel &model = end.input->model;
  StreamModel::Until until = UntilOf(step);
  weir_read_until_options options = OptionsOf(until);
  Got got;
  got.result = Call(actor, step, &end.input->reading, [&] {
    weir_bytes bytes = weir_text("not touched");
    weir_buffer buffer = {};
    weir_bytes delimiter = BytesOf(until.delimiter);
    int result = append ? weir_append_until(end.reader, delimiter, &options, &buffer)
                        : weir_read_until(end.reader, delimiter, &options, &bytes);
    std::string text = append ? TextOf(&buffer) : TextOf(bytes);
    got = {0, text, text.size(), append};
    return result;
  });
  const char *name = append ? "append_until" : "read_until";
  auto expect = [&](const StreamModel &stream) {
    return append ? stream.AppendUntil(until) : stream.ReadUntil(until);
  };
  if (actor.patient) CheckPatience(actor, name, expect(Visible(actor)));
  if (append && !end.input->uncertain &&
      got.count > std::min(model.AppendBound(until), model.LeftBefore(until.delimiter))) {
    Fail("%s exceeds its limit, or the delimiter's place", name);
  }
  Judge(actor, name, got, expect(model));
}

void World::ReadSpan(Actor &actor, const Step &step) {
  End &end = *actor.end;
  StreamModel &model = end.input->model;
  size_t least = step.size();
  weir_bytes bytes = weir_text("not touched");
  int result = Call(actor, step, &end.input->reading,
                    [&] { return weir_read_span(end.reader, least, &bytes); });
  if (actor.patient) CheckPatience(actor, "span", Visible(actor).Peek(least));
  size_t there = bytes.size;
  if (result == 0 && there < least) Fail("a span of %zu bytes", there);
  if (result == 0 && there > model.limit()) Fail("a span of %zu bytes, above the limit", there);
  Result expected = model.Peek(least);
  if (result == 0 && there > least) expected = {Outcome::kDone, model.Some(there).text};
  Judge(actor, "span", {result, TextOf(bytes)}, expected);
  if (result < 0 || end.closed) return;
  size_t taken = std::min(there, static_cast<size_t>(step.high()));
  std::string text = TextOf(bytes);
  bool all = there == weir_read_buffered(end.reader);
  if (all && weir_read_consume(end.reader, there + 1) == 0) Fail("consumes what is not there");
  result = weir_read_consume(end.reader, taken);
  if (IsExcused(actor, result, end.input->read_reasons) || end.read_cause < 0) return;
  if (result != 0) Fail("consume: %s", weir_error_name(result));
  if (text != TextOf(bytes)) Fail("a span has changed");
  model.Accept(model.Some(taken));
}

void World::ReadSkip(Actor &actor, const Step &step) {
  End &end = *actor.end;
  std::string expected = UntilOf(step).delimiter;
  if ((step.argument & 8) != 0) expected.clear();
  if ((step.argument & 16) != 0) expected += program_.material.substr(0, 20);
  Got got;
  got.result = Call(actor, step, &end.input->reading, [&] {
    int result = weir_read_skip_if_found(end.reader, BytesOf(expected));
    if (result > 0) got.count = 1;
    return std::min(result, 0);
  });
  if (actor.patient) CheckPatience(actor, "skip_if_found", Visible(actor).SkipIfFound(expected));
  Judge(actor, "skip_if_found", got, end.input->model.SkipIfFound(expected));
}

void World::ReadNumber(Actor &actor, const Step &step) {
  End &end = *actor.end;
  bool big = (step.argument & 4) != 0;
  size_t size = size_t{1} << (step.argument & 3);
  uint64_t value = 0;
  Got got;
  got.result = Call(actor, step, &end.input->reading, [&] {
    uint8_t one = 0;
    uint16_t two = 0;
    uint32_t four = 0;
    double eight = 0;
    int result = 0;
    if (size == 1) result = weir_read_uint8(end.reader, &one);
    if (size == 2) result = (big ? weir_read_uint16_be : weir_read_uint16_le)(end.reader, &two);
    if (size == 4) result = (big ? weir_read_uint32_be : weir_read_uint32_le)(end.reader, &four);
    if (size == 8) result = (big ? weir_read_double_be : weir_read_double_le)(end.reader, &eight);
    memcpy(&value, &eight, sizeof value);
    if (size < 8) value = size == 1 ? one : size == 2 ? two : four;
    return result;
  });
  if (got.result == 0) {
    for (size_t i = 0; i < size; i++) {
      got.text += static_cast<char>(value >> 8 * (big ? size - 1 - i : i));
    }
    got.count = size;
  }
  if (actor.patient) CheckPatience(actor, "a number", Visible(actor).Exactly(size));
  Judge(actor, "a number", got, end.input->model.Exactly(size));
}

void World::Read(Actor &actor, const Step &step) {
  int kind = step.kind % 26;
  if (kind < 2) return ReadSome(actor, step, kind == 0);
  if (kind < 10) return ReadSized(actor, step, kind - 2);
  if (kind < 16) return ReadLine(actor, step, kind - 10);
  if (kind < 18) return ReadUntil(actor, step, kind == 17);
  if (kind == 18) return ReadAllRemaining(actor, step, step.high() < 8 ? SIZE_MAX : step.size());
  if (kind == 19) return ReadSpan(actor, step);
  if (kind == 20) return ReadSkip(actor, step);
  if (kind == 21) return ReadNumber(actor, step);
  CopyOut(actor, step, kind - 22);
}

}  // namespace weir_fuzz
