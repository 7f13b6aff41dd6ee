// SPDX-License-Identifier: Apache-2.0

#include "fuzz/channel_world.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "weir/custom_connection.h"

namespace weir_fuzz {

namespace {

constexpr int kCauses[4] = {-EPROTO, -EIO, -ENOBUFS, -ENODATA};

size_t OrDefault(size_t size, size_t by_default) { return size > 0 ? size : by_default; }

}  // namespace

StreamModel::Options World::ModelOptionsOf(const Program &program) {
  return {OrDefault(program.read_capacity, 16 * 1024), OrDefault(program.line_limit, 64 * 1024),
          program.cr_ends_line, program.resynchronise};
}

// Making

int World::OpenEnds(weir_connection **ends) {
  weir_pipe_options options = {};
  options.capacity = program_.pipe_capacity;
  options.across_loops = program_.across_loops;
  int result = weir_pipe(&ends[0], &ends[1], &options);
  if (result < 0 || !program_.custom) return result;
  for (int side = 0; side < 2; side++) {
    Layer &layer = layers_[side];
    layer.lower = ends[side];
    layer.first_refused = program_.first_refused;
    layer.last_refused = program_.first_refused + program_.refused - 1;
    result =
        weir_custom_connection(&ends[side], &weir_testing::kCustomLayerOperations, &layer, nullptr);
    if (program_.refused > 0) directions_[side].write_reasons.insert(-ENOBUFS);
    if (result < 0) Fail("no connection: %s", weir_error_name(result));
  }
  return 0;
}

void World::Prepare(int side, weir_connection *connection) {
  End &end = ends_[side];
  end.connection = connection;
  end.auto_flush = program_.auto_flush[side];
  end.reader = weir_open_read_channel(connection);
  end.writer = weir_open_write_channel(connection, end.auto_flush);
  end.output = &directions_[side];
  end.input = &directions_[1 - side];
  end.write_capacity = OrDefault(program_.write_capacity, 16 * 1024);
  weir_read_channel_options reading = {};
  reading.capacity = program_.read_capacity;
  reading.line_limit = program_.line_limit;
  reading.line_ending = program_.cr_ends_line ? WEIR_LINE_ANY : WEIR_LINE_LF;
  reading.resynchronise = program_.resynchronise;
  weir_write_channel_options writing = {};
  writing.capacity = program_.write_capacity;
  int result = weir_read_channel_configure(end.reader, &reading);
  if (result == 0) result = weir_write_channel_configure(end.writer, &writing);
  if (result < 0) Fail("configure: %s", weir_error_name(result));
}

int World::Open() {
  weir_connection *connections[2];
  int result = OpenEnds(connections);
  if (result < 0) Fail("no ends: %s", weir_error_name(result));
  Prepare(0, connections[0]);
  Prepare(1, connections[1]);
  for (int i = 0; i < kActors; i++) {
    actors_[i].number = i;
    actors_[i].end = &ends_[EndOf(i)];
    actors_[i].other = &ends_[1 - EndOf(i)];
    actors_[i].body = [this, i] {
      RunProgram(actors_[i]);
      return 0;
    };
  }
  return 0;
}

// Running

static int CallBody(void *body) { return (*static_cast<std::function<int()> *>(body))(); }

void World::RunProgram(Actor &actor) {
  for (const Step &step : program_.steps[actor.number]) {
    if (actor.end->closed) return;
    Do(actor, step);
    CheckChannels(actor);
  }
}

void World::Do(Actor &actor, const Step &step) {
  actor.cancelled = false;
  std::function<int()> body = [&] {
    if (!actor.end->closed) DoStep(actor, step);
    return 0;
  };
  if (!step.in_job) {
    body();
    return;
  }
  // A coroutine of its own begins later, when the other ones have run, and may be cancelled.
  if (weir_launch(nullptr, &actor.job, nullptr, CallBody, &body) < 0) return;
  int result = weir_job_wait(actor.job, nullptr);
  if (result < 0) Fail("wait for a job: %s", weir_error_name(result));
  weir_job_close(actor.job);
  actor.job = nullptr;
}

// For whoever looks into a finding.
static void Trace(int actor, const Step &step, const char *when) {
  static const bool wanted = getenv("WEIR_FUZZ_TRACE") != nullptr;
  if (!wanted) return;
  fprintf(stderr, "%9" PRId64 " ns: %s %c %s kind %d, argument 0x%02x, deadline %" PRId64 "%s\n",
          weir_now() % WEIR_SECOND, when, "AB"[EndOf(actor)], IsReader(actor) ? "reader" : "writer",
          step.kind, step.argument, step.deadline, step.in_job ? ", in a job" : "");
}

void World::DoStep(Actor &actor, const Step &step) {
  Trace(actor.number, step, "begin");
  DoStepItself(actor, step);
  Trace(actor.number, step, "ended");
}

void World::DoStepItself(Actor &actor, const Step &step) {
  actor.hurried = actor.patient = false;
  if (step.kind >= 208) return Common(actor, step);
  if (IsReader(actor.number)) return Read(actor, step);
  Write(actor, step);
}

// What both kinds of coroutines do, some of it seldom, since it ends so much.
void World::Common(Actor &actor, const Step &step) {
  int kind = step.kind - 208;
  int cause = kCauses[step.argument & 3];
  if (kind < 12) {
    int result = weir_delay(Until(actor, kTimes[step.argument & 7]));
    if (result < 0 && !actor.cancelled) Fail("delay: %s", weir_error_name(result));
  } else if (kind < 18) {
    int result = weir_yield();
    if (result < 0 && !actor.cancelled) Fail("yield: %s", weir_error_name(result));
  } else if (kind < 26) {
    CancelStep(actors_[step.argument % kActors]);
  } else if (kind < 34) {
    Probe(actor);
  } else if (kind < 38) {
    CancelReading(actor, cause);
  } else if (kind < 42) {
    CancelWriting(actor, cause);
  } else if (kind < 44) {
    Abort(actor);
  } else {
    Close(actor);
  }
}

void World::CancelStep(Actor &actor) {
  if (actor.job == nullptr) return;
  actor.cancelled = true;
  weir_job_cancel(actor.job);
}

// A second coroutine on the same channel is refused.
void World::Probe(Actor &actor) {
  End &end = *actor.end;
  end.probes++;
  ProbeReading(actor);
  if (!end.closed) ProbeWriting(actor);
  if (!end.closed) ProbeCopies(actor);
  end.probes--;
}

void World::ProbeReading(Actor &actor) {
  End &end = *actor.end;
  int result = weir_read_await(end.reader, 0);
  if (result == 0 && end.input->reading != Flight::kNone) Fail("two may read");
  if (result < 0 && result != -EBUSY) {
    if (!IsExcused(actor, result, end.input->read_reasons)) Fail("probe: %d", result);
  }
}

void World::ProbeWriting(Actor &actor) {
  End &end = *actor.end;
  int result = weir_write_await_room(end.writer, 0);
  if (result == 0 && end.output->writing != Flight::kNone) Fail("two may write");
  if (result < 0 && result != -EBUSY) {
    if (!IsExcused(actor, result, end.output->write_reasons)) Fail("probe: %d", result);
  }
}

// Breaking

// A custom transport cannot break one direction alone, and tells the other end the cause.
void World::BreakBoth(End &end, End &other, int cause) {
  for (Direction *direction : {end.input, end.output}) {
    for (int code : {cause, -ECONNABORTED, -ECONNRESET, -EPIPE, -ECANCELED}) {
      direction->read_reasons.insert(code);
      direction->write_reasons.insert(code);
    }
  }
  static_cast<void>(other);
}

void World::CancelReading(Actor &actor, int cause) {
  End &end = *actor.end;
  int before = weir_read_channel_cause(end.reader);
  weir_read_channel_cancel(end.reader, cause);
  end.input->read_reasons.insert(cause);
  end.input->write_reasons.insert(cause);
  if (weir_read_buffered(end.reader) > 0) Fail("a cancel leaves bytes");
  // What broke the stream before stays.
  if (!end.aborted && end.read_cause == 0) end.read_cause = before < 0 ? before : cause;
}

void World::CancelWriting(Actor &actor, int cause) {
  End &end = *actor.end;
  bool ended = end.half_closed;
  bool first = weir_write_channel_cause(end.writer) == 0 && !end.aborted && !ended;
  weir_write_channel_cancel(end.writer, cause);
  if (ended) return;
  end.output->write_reasons.insert(cause);
  end.output->read_reasons.insert(cause);
  if (program_.custom) BreakBoth(end, *actor.other, cause);
  if (!first) return;
  end.write_cause = cause;
  end.output->broken = !program_.custom && !end.output->model.ended();
}

void World::Abort(Actor &actor) {
  End &end = *actor.end;
  end.aborted = true;
  for (Direction *direction : {end.input, end.output}) {
    for (int code : {-ECONNABORTED, -ECONNRESET}) {
      direction->read_reasons.insert(code);
      direction->write_reasons.insert(code);
    }
  }
  if (program_.custom) BreakBoth(end, *actor.other, -ECONNABORTED);
  if (!program_.custom) end.input->broken = end.output->broken = true;
  weir_connection_abort(end.connection);
}

void World::Close(Actor &actor) {
  End &end = *actor.end;
  end.closed = true;
  Direction &output = *end.output, &input = *end.input;
  output.write_reasons.insert(WEIR_E_CLOSED);
  input.read_reasons.insert(WEIR_E_CLOSED);
  input.write_reasons.insert({-EPIPE, -ECONNRESET});
  // When output is lost the other end is told.
  bool sound = output.writing == Flight::kNone && weir_write_pending(end.writer) == 0 &&
               weir_write_channel_cause(end.writer) == 0 && !end.aborted && !program_.custom;
  if (!sound) output.read_reasons.insert({-ECONNRESET, -ECONNABORTED});
  if (program_.custom) BreakBoth(end, *actor.other, -ECONNABORTED);
  output.model.End();
  end.closing = true;
  int result = weir_connection_close(end.connection);
  end.closing = false;
  if (sound && result != 0 && !NoMemory() && !actor.cancelled && output.write_reasons.size() == 1) {
    Fail("close: %s", weir_error_name(result));
  }
}

void World::CheckChannels(const Actor &actor) {
  const End &end = *actor.end;
  if (end.closed) return;
  const StreamModel &model = end.input->model;
  uint64_t read = weir_total_bytes_read(end.reader);
  bool settled = end.input->reading == Flight::kNone && weir_read_channel_cause(end.reader) == 0 &&
                 !end.input->uncertain && !end.input->copied;
  if (settled && (read < model.read() || read > model.read_at_most())) {
    Fail("%" PRIu64 " bytes count as read, but these are %" PRIu64, read, model.read());
  }
  // A line may be followed by what ends it, and by one byte more.
  size_t most = std::max(model.options().capacity, model.options().line_limit) + 3;
  if (weir_read_buffered(end.reader) > most) Fail("too many bytes are buffered");
  if (read + weir_read_buffered(end.reader) > model.written() && settled) Fail("too much is there");
  if (weir_write_pending(end.writer) > end.write_capacity) Fail("too many bytes are pending");
  bool sound = weir_write_channel_cause(end.writer) == 0 && !end.half_closed;
  size_t all = weir_write_room(end.writer) + weir_write_pending(end.writer);
  if (sound && !end.aborted && all != end.write_capacity) Fail("%zu bytes of room in all", all);
  if (end.read_cause < 0 && weir_read_channel_cause(end.reader) != end.read_cause) {
    Fail("the first cause did not stay");
  }
  if (end.write_cause < 0 && weir_write_channel_cause(end.writer) != end.write_cause) {
    Fail("the first cause did not stay");
  }
}

// The end

// Whatever was written arrives, and then the end of the stream, unless something broke.
void World::Drain() {
  weir_job *jobs[kActors] = {};
  Step last;
  std::function<int()> bodies[kActors];
  for (int i = 0; i < kActors; i++) {
    Actor &actor = actors_[i];
    bodies[i] = [this, &actor, &last] {
      actor.hurried = actor.patient = actor.cancelled = false;
      if (actor.end->closed) return 0;
      if (IsReader(actor.number)) {
        ReadAllRemaining(actor, last, SIZE_MAX);
      } else {
        HalfClose(actor, last);
      }
      return 0;
    };
    if (weir_launch(nullptr, &jobs[i], nullptr, CallBody, &bodies[i]) < 0) bodies[i] = nullptr;
  }
  for (weir_job *job : jobs) {
    if (job != nullptr && weir_job_wait(job, nullptr) < 0) Fail("wait for the end");
    weir_job_close(job);
  }
}

void World::CloseAll() {
  for (int side = 0; side < 2; side++) {
    if (!ends_[side].closed) Close(actors_[side * 2]);
  }
  for (Layer &layer : layers_) {
    if (layer.lower == nullptr) continue;
    // A close whose coroutine was cancelled goes on in the loop, perhaps after a pause.
    for (int i = 0; i < 60 && layer.released == 0; i++) {
      if (weir_delay(WEIR_SECOND / 10) < 0) Fail("wait for a release");
    }
    if (layer.released != 1) Fail("released %d times", layer.released);
    weir_connection_abort(layer.lower);
    weir_connection_close(layer.lower);
  }
}

int World::Run() {
  int result = Open();
  if (result < 0) return result;
  weir_job *jobs[kActors] = {};
  allocator_.FailNth(program_.failing_allocation);
  for (int i = 0; i < kActors; i++) {
    if (program_.steps[i].empty()) continue;
    if (weir_launch(nullptr, &jobs[i], nullptr, CallBody, &actors_[i].body) < 0) jobs[i] = nullptr;
  }
  for (weir_job *job : jobs) {
    if (job != nullptr && weir_job_wait(job, nullptr) < 0) Fail("wait for a program");
    weir_job_close(job);
  }
  Drain();
  CloseAll();
  return 0;
}

}  // namespace weir_fuzz
