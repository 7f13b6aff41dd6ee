// SPDX-License-Identifier: Apache-2.0

#include "fuzz/tls_world.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "fuzz/fail.h"

namespace weir_fuzz {

namespace {

constexpr char kHost[] = "fuzz.test";
constexpr size_t kSmallRoom = 500;
// Longer than every timeout of ours together.
constexpr int64_t kPatience = 120 * WEIR_SECOND;

int CallBody(void *body) {
  (*static_cast<std::function<void()> *>(body))();
  return 0;
}

// For whoever looks into a finding.
bool Traces() {
  static const bool traces = getenv("WEIR_FUZZ_TRACE") != nullptr;
  return traces;
}

// What somebody who has no keys may put onto a wire.
std::string Forged(uint8_t argument) {
  switch (argument & 15) {
    case 0:
      return std::string("\x15\x03\x03\x00\x02\x01\x00", 7);  // close_notify
    case 1:
      return std::string("\x15\x03\x03\x00\x02\x02\x28", 7);  // handshake_failure
    case 2:
      return std::string("\x15\x03\x03\x00\x02\x01\x5a", 7);  // user_canceled
    case 3:
      return std::string("\x14\x03\x03\x00\x01\x01", 6);  // ChangeCipherSpec
    case 4:
      return std::string("\x16\x03\x03\x00\x04\x00\x00\x00\x00", 9);  // HelloRequest
    case 5:
      return std::string("\x17\x03\x03\x00\x05hello", 10);
    case 6:
      return std::string("\x17\x03\x03\x00\x00", 5);  // without data
    case 7:
      return std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, '\0');
    case 8:
      return std::string("\x17\x03\x03\xff\xff", 5);  // too large
    case 9:
      return std::string("\x18\x03\x03\x00\x03\x01\x40\x00", 8);  // a heartbeat
    case 10:
      return std::string("\x16\x03\x03\x00\x05\x18\x00\x00\x01\x01", 10);  // KeyUpdate
    case 11:
      return "HTTP/1.1 400 Bad Request\r\n\r\n";
    case 12:
      return std::string("\x80\x2e\x01\x00\x02", 5);  // SSL 2
    case 13:
      return std::string("\x16\x03\x01\x00\x00", 5);  // an empty record of the handshake
    case 14:
      return std::string("\x17\x03", 2);  // the beginning of a record
    default:
      return std::string(1, '\0');
  }
}

}  // namespace

// Coroutines

void TlsWorld::Launch(Actor &actor, const char *doing, std::function<void()> body) {
  weir_job_close(actor.job);
  actor.job = nullptr;
  actor.doing = doing;
  actor.cancelled = false;
  actor.busy = true;
  actor.body = [&actor, body] {
    body();
    actor.busy = false;
  };
  int result = weir_launch(nullptr, &actor.job, nullptr, CallBody, &actor.body);
  if (result == 0) return;
  if (!NoMemory()) Fail("launch: %s", weir_error_name(result));
  // A connection has to be closed all the same.
  if (&actor == &sides_[0].closer || &actor == &sides_[1].closer) return actor.body();
  actor.busy = false;
}

void TlsWorld::Await(Actor &actor) {
  if (!actor.busy) return;
  weir_timeout patience = weir_timeout_begin(kPatience);
  int result = weir_job_wait(actor.job, nullptr);
  weir_timeout_end(patience);
  if (result == -ETIMEDOUT) Fail("%s never ends", actor.doing);
  if (result < 0) Fail("wait for %s: %s", actor.doing, weir_error_name(result));
}

void TlsWorld::Cancel(Actor &actor) {
  if (!actor.busy) return;
  actor.cancelled = true;
  weir_job_cancel(actor.job);
}

// Everybody else runs until he waits.
void TlsWorld::Settle() {
  int result = weir_delay(WEIR_MICROSECOND);
  if (result < 0) Fail("delay: %s", weir_error_name(result));
  CheckWaiters();
}

// The beginning

void TlsWorld::Prepare() {
  for (int i = 0; i < 2; i++) {
    Side &side = sides_[i];
    side.name = i == 0 ? "client" : "server";
    side.peer = &sides_[1 - i];
    side.auto_flush = program_.auto_flush[i];
    side.plug.input = &wires_[i];
    side.plug.output = &wires_[1 - i];
    side.connection = ConnectionOf(&side.plug, kHost);
    if (!program_.handshake_too) wires_[i].set_automatic(true);
  }
  if (program_.handshake_too) allocator_.FailNth(program_.failing_allocation);
  for (Side &side : sides_) ShakeHands(side);
  if (program_.handshake_too) return;
  for (Side &side : sides_) Await(side.handshake);
  for (TlsWire &wire : wires_) {
    wire.set_automatic(false);
    if (program_.small_room) wire.set_room(kSmallRoom);
  }
}

void TlsWorld::ShakeHands(Side &side) {
  side.shaking_hands = true;
  Launch(side.handshake, "a handshake", [this, &side] {
    bool is_client = &side == &sides_[0];
    if (side.taken) return;
    weir_connection **at = &side.connection;
    int result = is_client ? weir_tls_client(at, options_) : weir_tls_server(at, context_);
    if (Traces()) {
      fprintf(stderr, "the %s's handshake: %d, %s\n", side.name, result,
              weir_tls_last_failure(nullptr)->text);
    }
    side.shaking_hands = false;
    if ((result == 0) != (side.connection != nullptr)) {
      Fail("a handshake left the wrong connection");
    }
    JudgeHandshake(side, result);
  });
}

// Steps

void TlsWorld::Do(const TlsStep &step) {
  if (Traces()) {
    fprintf(stderr, "%s: step %d, argument 0x%02x%s\n", sides_[step.side].name,
            static_cast<int>(step.kind), step.argument, step.at_once ? ", at once" : "");
  }
  if (step.kind < TlsStepKind::kRead) {
    DoOnTheWay(step);
  } else {
    DoAtSide(step);
  }
  if (!step.at_once) Settle();
}

void TlsWorld::DoOnTheWay(const TlsStep &step) {
  TlsWire &wire = wires_[step.side];
  const TlsWire &other = wires_[1 - step.side];
  size_t argument = step.argument;
  switch (step.kind) {
    case TlsStepKind::kDeliver:
      return wire.Deliver(argument + 1);
    case TlsStepKind::kDeliverAll:
      return wire.Deliver(SIZE_MAX);
    case TlsStepKind::kFlipBit:
      return wire.FlipBit(argument >> 3, argument & 7);
    case TlsStepKind::kDrop:
      return wire.Drop(argument >> 4, step.size());
    case TlsStepKind::kDuplicate:
      return wire.Duplicate(argument >> 4, step.size());
    case TlsStepKind::kInject:
      return wire.Inject(argument >> 4 == 15 ? SIZE_MAX : argument >> 4, Forged(step.argument));
    case TlsStepKind::kReflect:
      return wire.Inject(0, other.on_the_way().substr(0, step.size()));
    case TlsStepKind::kCutOff:
      return wire.CutOff();
    case TlsStepKind::kReset:
      wires_[0].Reset();
      return wires_[1].Reset();
    default:
      return wire.set_room(argument * 100);
  }
}

void TlsWorld::DoAtSide(const TlsStep &step) {
  Side &side = sides_[step.side];
  bool may_read = side.secure && !side.closed && !side.reader.busy;
  bool may_write = side.secure && !side.closed && !side.writer.busy;
  switch (step.kind) {
    case TlsStepKind::kRead:
    case TlsStepKind::kReadFully:
    case TlsStepKind::kReadTry:
    case TlsStepKind::kReadAwait:
      if (may_read) Read(side, step.kind, step.size());
      return;
    case TlsStepKind::kWrite:
    case TlsStepKind::kWriteTry:
      if (may_write) Write(side, step.kind, step.size());
      return;
    case TlsStepKind::kFlush:
      if (may_write) Flush(side);
      return;
    case TlsStepKind::kShutdown:
      if (may_write) Shutdown(side);
      return;
    case TlsStepKind::kCancelReader:
      return Cancel(side.reader);
    case TlsStepKind::kCancelWriter:
      return Cancel(side.writer);
    case TlsStepKind::kCancelHandshake:
      if (side.handshake.busy) interfered_ = true;
      return Cancel(side.handshake);
    case TlsStepKind::kAbort:
      return Abort(side);
    case TlsStepKind::kClose:
      return Close(side);
    default: {
      interfered_ = interfered_ || side.handshake.busy || side.peer->handshake.busy;
      int result = weir_delay(step.argument * (WEIR_SECOND / 10));
      if (result < 0) Fail("delay: %s", weir_error_name(result));
    }
  }
}

// The end

bool TlsWorld::IsSound() const {
  for (const Side &side : sides_) {
    if (!side.secure || side.disturbed || side.aborted || side.closed || side.failed) return false;
    if (side.plug.input->ended() && !side.peer->ended) return false;
  }
  return !IsDisturbed() && !NoMemory();
}

// What was written arrives, and then the end of the stream.
void TlsWorld::Drain() {
  Actor readers[2], writers[2];
  for (int i = 0; i < 2; i++) {
    Side &side = sides_[i];
    Launch(readers[i], "reading the rest", [this, &side] {
      Await(side.reader);
      side.reader.cancelled = false;
      ReadToEnd(side);
    });
    Launch(writers[i], "writing the rest", [this, &side] {
      Await(side.writer);
      if (!side.ended) Shutdown(side);
      Await(side.writer);
    });
  }
  for (Actor *actors : {readers, writers}) {
    for (int i = 0; i < 2; i++) {
      Await(actors[i]);
      weir_job_close(actors[i].job);
    }
  }
  if (NoMemory()) return;
  for (Side &side : sides_) {
    if (!side.ended) Fail("the %s cannot end its stream", side.name);
    if (!side.found_end) Fail("the %s does not find the end", side.name);
  }
}

void TlsWorld::CloseAll() {
  for (Side &side : sides_) Close(side);
  for (Side &side : sides_) {
    for (Actor *actor : {&side.closer, &side.reader, &side.writer, &side.handshake}) {
      Await(*actor);
      weir_job_close(actor->job);
    }
  }
}

void TlsWorld::Finish() {
  for (TlsWire &wire : wires_) {
    wire.set_room(SIZE_MAX);
    wire.set_automatic(true);
  }
  for (Side &side : sides_) Await(side.handshake);
  Settle();
  if (IsSound()) {
    // From here on memory suffices: who has none for the end leaves others waiting for it.
    allocator_.FailNth(0);
    Drain();
  }
  CloseAll();
}

int TlsWorld::Run() {
  Prepare();
  if (!program_.handshake_too) allocator_.FailNth(program_.failing_allocation);
  for (const TlsStep &step : program_.steps) Do(step);
  Finish();
  return 0;
}

}  // namespace weir_fuzz
