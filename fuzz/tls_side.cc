// SPDX-License-Identifier: Apache-2.0
//
// What the two sides do, and what is expected of it.

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fuzz/fail.h"
#include "fuzz/tls_world.h"

namespace weir_fuzz {

namespace {

constexpr size_t kRecordHeader = 5;
constexpr char kApplicationData = 23;
// What surrounds the plain text of a record at least.
constexpr size_t kLeastOverhead = 16;
constexpr size_t kLeastOverheadOf13 = 17;

}  // namespace

// Models

// Differs by direction, and does not repeat itself soon.
char TlsWorld::Pattern(const Side &writer, uint64_t at) const {
  uint64_t mixed = (at + (&writer == &sides_[0] ? 0 : 1'000'003)) * 0x9E3779B97F4A7C15u;
  return static_cast<char>(mixed >> 56);
}

// Bytes of the records that have arrived whole, as they were sent, at most.
uint64_t TlsWorld::MostIntact(const Side &writer) const {
  const TlsWire &wire = *writer.plug.output;
  const std::string &sent = wire.sent();
  const size_t overhead = program_.tls_1_2 ? kLeastOverhead : kLeastOverheadOf13;
  uint64_t most = 0;
  for (size_t at = 0; at + kRecordHeader <= wire.intact();) {
    size_t size = static_cast<uint8_t>(sent[at + 3]) * 256u + static_cast<uint8_t>(sent[at + 4]);
    bool is_data = sent[at] == kApplicationData;
    at += kRecordHeader + size;
    if (at > wire.intact()) break;
    if (is_data && at > writer.records_begin && size > overhead) most += size - overhead;
  }
  return most;
}

bool TlsWorld::IsDisturbed() const { return wires_[0].touched() || wires_[1].touched(); }

// Failures

bool TlsWorld::IsExcused(const Side &side, const Actor &actor, int result) const {
  const TlsWire &input = *side.plug.input;
  const Side &peer = *side.peer;
  switch (result) {
    case -ECANCELED:
      return actor.cancelled;
    case -ECONNABORTED:
      return side.aborted || side.closed;
    case WEIR_E_CLOSED:
      return side.closed || side.ending;
    case -ECONNRESET:
      return input.reset();
    case -EPIPE:
      return input.reset() || side.ending;
    case WEIR_E_TLS_TRUNCATED:
      // To a peer who is gone close_notify need not have been sent, and who was cancelled did not
      // wait for that.
      return input.ended() && (!peer.ended || peer.end_may_wait || input.reset() ||
                               side.disturbed || !input.complete());
    case WEIR_E_TLS_PROTOCOL:
      return input.tampered();
    case WEIR_E_TLS_ALERT:
      return peer.plug.input->tampered() || peer.failed;
    default:
      return false;
  }
}

void TlsWorld::JudgeFailure(const Side &side, const Actor &actor, int result) {
  if (NoMemory() || IsExcused(side, actor, result)) return;
  Fail("the %s, %s: %s without a reason", side.name, actor.doing, weir_error_name(result));
}

// The handshake

void TlsWorld::JudgeHandshake(Side &side, int result) {
  if (result == 0) {
    side.secure = true;
    side.disturbed = side.plug.input->tampered();
    side.records_begin = side.plug.output->sent().size();
    weir_open_write_channel(side.connection, side.auto_flush);
    return;
  }
  side.failed = true;
  if (NoMemory()) return;
  if (!IsDisturbed() && !interfered_ && !side.peer->failed) {
    Fail("the %s's handshake: %s", side.name, weir_error_name(result));
  }
  switch (result) {
    case WEIR_E_TLS_PROTOCOL:
    case WEIR_E_TLS_ALERT:
    case WEIR_E_TLS_NO_AGREEMENT:
    case -ETIMEDOUT:
      return;
    case WEIR_E_TLS_CERTIFICATE:
    case WEIR_E_TLS_TRUNCATED:
      // Before there are keys anybody can change a certificate, or send close_notify.
      if (side.plug.input->tampered()) return;
      [[fallthrough]];
    default:
      if (!IsExcused(side, side.handshake, result)) {
        Fail("the %s's handshake: %s without a reason", side.name, weir_error_name(result));
      }
  }
}

// Reading

void TlsWorld::JudgeBytes(Side &side, const std::string &bytes) {
  const Side &writer = *side.peer;
  if (bytes.empty()) return;
  if (side.found_end) Fail("the %s reads on behind the end", side.name);
  if (side.read_failure < 0) Fail("the %s reads on behind a failure", side.name);
  for (char byte : bytes) {
    if (byte != Pattern(writer, side.read++)) {
      Fail("byte %" PRIu64 " that the %s reads is wrong", side.read - 1, side.name);
    }
  }
  if (side.read > writer.written + writer.in_flight) Fail("the %s reads too much", side.name);
  if (!side.disturbed && side.read > MostIntact(writer)) {
    Fail("the %s reads %" PRIu64 " bytes, but only %" PRIu64 " have arrived", side.name, side.read,
         MostIntact(writer));
  }
}

void TlsWorld::JudgeEnd(Side &side) {
  const Side &writer = *side.peer;
  const TlsWire &input = *side.plug.input;
  side.found_end = true;
  if (program_.allow_truncation && input.ended()) return;
  if (!writer.ending) Fail("the %s finds an end that nobody has sent", side.name);
  if (writer.cut) Fail("the %s takes what was cut for complete", side.name);
  if (side.read != writer.written) {
    Fail("the %s finds the end behind %" PRIu64 " of %" PRIu64 " bytes", side.name, side.read,
         writer.written);
  }
  if (!side.disturbed && input.intact() < input.sent().size()) {
    Fail("the %s finds an end that has not arrived", side.name);
  }
}

void TlsWorld::JudgeReadEnd(Side &side, int result) {
  if (result >= 0 || result == -EAGAIN) return;
  if (result == WEIR_E_END_OF_STREAM) return JudgeEnd(side);
  JudgeFailure(side, side.reader, result);
  bool is_final =
      result == WEIR_E_TLS_TRUNCATED || result == WEIR_E_TLS_PROTOCOL || result == WEIR_E_TLS_ALERT;
  if (!is_final || NoMemory()) return;
  if (side.read_failure < 0 && side.read_failure != result) {
    Fail("the %s's failure becomes %s", side.name, weir_error_name(result));
  }
  if (side.found_end) Fail("the %s: %s behind the end", side.name, weir_error_name(result));
  side.read_failure = result;
  side.failed = true;
}

void TlsWorld::Read(Side &side, TlsStepKind kind, size_t size) {
  const char *doing = kind == TlsStepKind::kReadFully ? "reading fully" : "reading";
  Launch(side.reader, doing, [this, &side, kind, size] {
    weir_read_channel *reader = weir_open_read_channel(side.connection);
    std::string bytes(size, '\0');
    size_t done = 0;
    int result = 0;
    if (side.closed) return;
    if (kind == TlsStepKind::kReadFully) {
      result = weir_read_fully(reader, bytes.data(), size, &done);
    } else if (kind == TlsStepKind::kReadAwait) {
      result = weir_read_await(reader, 1);
    } else {
      auto *read = kind == TlsStepKind::kReadTry ? weir_read_try : weir_read_available;
      result = read(reader, bytes.data(), size);
      if (result > 0) done = static_cast<size_t>(result);
    }
    bytes.resize(done);
    JudgeBytes(side, bytes);
    JudgeReadEnd(side, result);
  });
}

void TlsWorld::ReadToEnd(Side &side) {
  char bytes[5000];
  int result;
  do {
    result = weir_read_available(weir_open_read_channel(side.connection), bytes, sizeof bytes);
    if (result > 0) JudgeBytes(side, std::string(bytes, static_cast<size_t>(result)));
  } while (result > 0);
  JudgeReadEnd(side, result);
}

// A reader who waits has nothing to read.
void TlsWorld::CheckWaiters() const {
  for (const Side &side : sides_) {
    const Actor &reader = side.reader;
    bool waits = reader.busy && !reader.cancelled && strcmp(reader.doing, "reading") == 0;
    if (!waits || !side.plug.input->complete() || side.closed || NoMemory()) continue;
    if (side.peer->flushed > side.read) {
      Fail("the %s waits, but there are %" PRIu64 " bytes", side.name,
           side.peer->flushed - side.read);
    }
  }
}

// Writing

void TlsWorld::Write(Side &side, TlsStepKind kind, size_t size) {
  Launch(side.writer, "writing", [this, &side, kind, size] {
    if (side.closed) return;
    weir_write_channel *writer = weir_open_write_channel(side.connection, side.auto_flush);
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; i++) bytes[i] = Pattern(side, side.written + i);
    size_t done = 0;
    side.in_flight = size;
    int result;
    if (kind == TlsStepKind::kWrite) {
      result = weir_write_fully(writer, bytes.data(), size, &done);
    } else {
      result = weir_write_try(writer, bytes.data(), size);
      if (result > 0) done = static_cast<size_t>(result);
    }
    side.in_flight = 0;
    side.written += done;
    // Who closes meanwhile leaves the beginning of a text, unless nothing of it was taken.
    if (result == WEIR_E_CLOSED && done > 0 && done < size) side.cut = true;
    if (result < 0 && result != -EAGAIN) JudgeFailure(side, side.writer, result);
  });
}

void TlsWorld::Flush(Side &side) {
  Launch(side.writer, "flushing", [this, &side] {
    if (side.closed) return;
    uint64_t before = side.written;
    weir_write_channel *writer = weir_open_write_channel(side.connection, side.auto_flush);
    int result = weir_flush(writer);
    if (result < 0) return JudgeFailure(side, side.writer, result);
    if (!side.closed && !side.aborted) side.flushed = before;
  });
}

void TlsWorld::Shutdown(Side &side) {
  Launch(side.writer, "ending the stream", [this, &side] {
    if (side.closed) return;
    side.ending = true;
    int result = weir_write_channel_close(weir_open_write_channel(side.connection, false));
    if (result < 0) return JudgeFailure(side, side.writer, result);
    side.ended = true;
    // A second one does nothing.
    side.end_may_wait = side.end_may_wait || side.writer.cancelled;
  });
}

// The end

void TlsWorld::Abort(Side &side) {
  if (side.connection == nullptr || side.closed) return;
  interfered_ = interfered_ || side.shaking_hands;
  side.aborted = true;
  weir_connection_abort(side.connection);
}

void TlsWorld::Close(Side &side) {
  if (side.connection == nullptr || side.closed) return;
  side.closed = true;
  Launch(side.closer, "closing", [this, &side] {
    // A handshake that fails closes by itself.
    if (side.connection == nullptr) return;
    side.taken = true;
    interfered_ = interfered_ || side.shaking_hands;
    side.ending = true;
    int result = weir_connection_close(side.connection);
    side.connection = nullptr;
    if (result == 0 && side.secure && !side.cut) side.ended = true;
    bool is_known = result == 0 || result == -ETIMEDOUT || result == -ECONNABORTED;
    if (!is_known) JudgeFailure(side, side.closer, result);
  });
}

}  // namespace weir_fuzz
