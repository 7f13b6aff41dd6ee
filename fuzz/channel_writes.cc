// SPDX-License-Identifier: Apache-2.0
//
// Every write to a channel, and what it may say.

#include <cinttypes>
#include <cstring>

#include "fuzz/channel_world.h"

namespace weir_fuzz {

std::string World::Material(Actor &actor, size_t size) {
  std::string text;
  const std::string &material = program_.material;
  while (text.size() < size) {
    size_t at = actor.material++ % material.size();
    text += material[at];
  }
  return text;
}

void World::JudgeWriteFailure(Actor &actor, const char *name, int result) {
  Direction &output = *actor.end->output;
  if (!IsExcused(actor, result, output.write_reasons)) {
    Fail("%s: %s (%d)", name, weir_error_name(result), result);
  }
  // In a pipe that is a cause that somebody has given.
  bool passes = result == -ENOBUFS && !actor.end->closed && !program_.custom &&
                weir_write_channel_cause(actor.end->writer) != result;
  if (passes) Fail("%s: a cause does not stay", name);
  // Whoever reads would have made room.
  bool stuck = result == -ETIMEDOUT && actor.patient && !NoMemory();
  if (stuck && output.reading == Flight::kSingle) {
    Fail("%s waits, and so does the reader", name);
  }
}

void World::JudgeWrite(Actor &actor, const char *name, const std::string &data, Wrote wrote,
                       uint64_t before) {
  End &end = *actor.end;
  Direction &output = *end.output;
  if (wrote.result < 0) JudgeWriteFailure(actor, name, wrote.result);
  bool cancelled = end.write_cause < 0 && wrote.result >= 0 && !data.empty() && !wrote.partly;
  if (cancelled) Fail("%s succeeds although writing was cancelled", name);
  if (wrote.result >= 0 && !wrote.partly) {
    if (wrote.knows_taken && wrote.taken != data.size()) Fail("%s reports another size", name);
    wrote.taken = data.size();
    wrote.knows_taken = true;
  }
  if (!end.closed) {
    uint64_t counted = weir_total_bytes_written(end.writer) - before;
    if (wrote.knows_taken && counted != wrote.taken) {
      Fail("%s: %s, %zu bytes, but %" PRIu64 " are counted", name, weir_error_name(wrote.result),
           wrote.taken, counted);
    }
    wrote.taken = static_cast<size_t>(counted);
  } else if (!wrote.knows_taken) {
    output.uncertain = true;
    return;
  }
  if (wrote.taken > data.size()) Fail("%s takes %zu bytes", name, wrote.taken);
  // A cancel may cut it.
  bool whole = data.size() <= end.write_capacity && end.write_cause == 0;
  if (wrote.all_or_none && whole && wrote.taken > 0 && wrote.taken < data.size()) {
    Fail("%s: %s, but takes %zu bytes of %zu", name, weir_error_name(wrote.result), wrote.taken,
         data.size());
  }
  if (!output.model.Keep(wrote.taken)) Fail("%s: the reader got what was not taken", name);
}

// 0 fully, 1 available, 2 try, 3 gather, 4 string, 5 line, 6 format.
void World::WriteBytes(Actor &actor, const Step &step, int kind) {
  static const char *const kNames[] = {
      "write_fully", "write_available", "write_try", "gather", "string", "line", "format"};
  End &end = *actor.end;
  size_t size = step.size();
  std::string text = Material(actor, size);
  if (kind == 4 || kind == 6) std::replace(text.begin(), text.end(), '\0', '0');
  std::string data = kind == 5 ? text + "\r\n" : kind == 6 ? text + "-42\n" : text;
  uint64_t before = weir_total_bytes_written(end.writer);
  size_t room = weir_write_room(end.writer);
  end.output->model.Offer(data);
  Wrote wrote;
  wrote.result = Call(actor, step, &end.output->writing, [&] {
    weir_bytes bytes = BytesOf(text);
    size_t half = size / 2;
    weir_bytes parts[3] = {{bytes.data, half}, {"", 0}, {bytes.data + half, size - half}};
    switch (kind) {
      case 0:
        wrote.knows_taken = true;
        return weir_write_fully(end.writer, text.data(), size, &wrote.taken);
      case 1:
        return weir_write_available(end.writer, text.data(), size);
      case 2:
        return weir_write_try(end.writer, text.data(), size);
      case 3:
        wrote.knows_taken = true;
        return weir_write_gather(end.writer, parts, 3, &wrote.taken);
      case 4:
        return weir_write_string(end.writer, text.c_str());
      case 5:
        return weir_write_line(end.writer, bytes);
      default:
        return weir_write_format(end.writer, "%s%d\n", text.c_str(), -42);
    }
  });
  if (kind == 1 || kind == 2) {
    wrote.partly = true;
    // One that a close has met may have taken some all the same, and not say so.
    wrote.knows_taken = wrote.result >= 0 || !end.closed;
    wrote.taken = static_cast<size_t>(std::max(wrote.result, 0));
    if (wrote.result == 0 && size > 0) Fail("%s returned 0", kNames[kind]);
  }
  wrote.all_or_none = kind >= 3;
  if (kind == 2 && wrote.result == -EAGAIN) {
    if (room > 0) Fail("write_try finds no room");
    wrote.result = 0;
  }
  JudgeWrite(actor, kNames[kind], data, wrote, before);
}

void World::WriteNumber(Actor &actor, const Step &step) {
  End &end = *actor.end;
  bool big = (step.argument & 4) != 0;
  size_t size = size_t{1} << (step.argument & 3);
  std::string data = Material(actor, size);
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) {
    value |= uint64_t{static_cast<uint8_t>(data[i])} << 8 * (big ? size - 1 - i : i);
  }
  double eight;
  memcpy(&eight, &value, sizeof eight);
  uint64_t before = weir_total_bytes_written(end.writer);
  end.output->model.Offer(data);
  Wrote wrote;
  wrote.all_or_none = true;
  wrote.result = Call(actor, step, &end.output->writing, [&] {
    auto two = static_cast<uint16_t>(value);
    auto four = static_cast<uint32_t>(value);
    if (size == 1) return weir_write_uint8(end.writer, static_cast<uint8_t>(value));
    if (size == 2) return (big ? weir_write_uint16_be : weir_write_uint16_le)(end.writer, two);
    if (size == 4) return (big ? weir_write_uint32_be : weir_write_uint32_le)(end.writer, four);
    return (big ? weir_write_double_be : weir_write_double_le)(end.writer, eight);
  });
  bool too_large = size > end.write_capacity;
  if (too_large && wrote.result == 0) Fail("a number is written that does not fit");
  if (too_large && wrote.result == -EMSGSIZE) wrote.result = 0, data.clear();
  JudgeWrite(actor, "a number", data, wrote, before);
}

// 0 await_room, 1 flush, 2 configure.
void World::WriteControl(Actor &actor, const Step &step, int kind) {
  End &end = *actor.end;
  size_t size = step.size();
  if (kind == 2) {
    end.auto_flush = (step.argument & 1) != 0;
    end.writer = weir_open_write_channel(end.connection, end.auto_flush);
    return;
  }
  int result = Call(actor, step, &end.output->writing, [&] {
    return kind == 0 ? weir_write_await_room(end.writer, size) : weir_flush(end.writer);
  });
  bool excused = IsExcused(actor, result, end.output->write_reasons);
  bool too_large = kind == 0 && size > end.write_capacity;
  if (result == -EMSGSIZE && too_large) return;
  if (result < 0) return JudgeWriteFailure(actor, kind == 0 ? "await_room" : "flush", result);
  if (too_large || end.closed || excused) Fail("await_room or flush succeeds");
  if (kind == 0 && weir_write_room(end.writer) < size) Fail("await_room without room");
  if (kind == 1 && weir_write_pending(end.writer) > 0) Fail("flush leaves something");
}

void World::HalfClose(Actor &actor, const Step &step) {
  End &end = *actor.end;
  Direction &output = *end.output;
  bool again = end.half_closed;
  // The reader may see the end before we return.
  output.model.End();
  int result =
      Call(actor, step, &output.writing, [&] { return weir_write_channel_close(end.writer); });
  if (result == 0) {
    if (!end.closed && weir_write_pending(end.writer) > 0) Fail("a half-close leaves something");
    end.half_closed = true;
    output.write_reasons.insert(WEIR_E_CLOSED);
    return;
  }
  if (!again && !end.closed) output.model.End(false);
  JudgeWriteFailure(actor, "half-close", result);
}

void World::Write(Actor &actor, const Step &step) {
  int kind = step.kind % 16;
  if (kind < 7) return WriteBytes(actor, step, kind);
  if (kind == 7) return WriteNumber(actor, step);
  if (kind < 11) return WriteControl(actor, step, kind - 8);
  if (kind == 11) return WriteControl(actor, step, 1);
  if (kind == 12 && step.argument < 64) return HalfClose(actor, step);
  if (kind == 12) return WriteBytes(actor, step, 0);
  CopyIn(actor, step, kind - 13);
}

}  // namespace weir_fuzz
