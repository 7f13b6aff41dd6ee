// SPDX-License-Identifier: Apache-2.0
//
// A client and a server of ours, the wires between them, and what may be expected of both.

#ifndef WEIR_FUZZ_TLS_WORLD_H
#define WEIR_FUZZ_TLS_WORLD_H

#include <cstdint>
#include <functional>
#include <string>

#include "fuzz/tls_program.h"
#include "fuzz/tls_wire.h"
#include "testing/counting_allocator.h"
#include "weir/coroutine.h"
#include "weir/tls.h"

namespace weir_fuzz {

class TlsWorld {
 public:
  TlsWorld(const TlsProgram &program, const weir_tls_options *options,
           const weir_tls_context *context, weir_testing::CountingAllocator &allocator)
      : program_(program), options_(options), context_(context), allocator_(allocator) {}

  // The first coroutine.
  int Run();

 private:
  // A coroutine that does one thing at a time.
  struct Actor {
    weir_job *job = nullptr;
    std::function<void()> body;
    const char *doing = "nothing";
    bool busy = false;
    bool cancelled = false;
  };

  struct Side {
    const char *name = "";
    Side *peer = nullptr;
    bool auto_flush = false;
    TlsPlug plug;
    weir_connection *connection = nullptr;
    Actor handshake, reader, writer, closer;
    bool shaking_hands = false;
    bool secure = false;
    // The handshake was disturbed, and came to its end all the same: so it is not known which of
    // the bytes that were sent have been counted.
    bool disturbed = false;
    size_t records_begin = 0;  // behind the handshake, in what the side has sent
    // Writing. Bytes in flight are those of a write that has not returned.
    uint64_t written = 0, in_flight = 0, flushed = 0;
    bool ending = false;        // a shutdown or a close has begun
    bool ended = false;         // and has succeeded
    bool end_may_wait = false;  // to be sent
    bool cut = false;           // a close ended a write in the middle
    // Reading.
    uint64_t read = 0;
    bool found_end = false;
    int read_failure = 0;  // that stays
    bool aborted = false;
    bool closed = false;  // or about to be
    bool taken = false;   // by the close
    bool failed = false;  // and may have told the peer so
  };

  // Steps (tls_world.cc)
  void Prepare();
  void ShakeHands(Side &side);
  void Launch(Actor &actor, const char *doing, std::function<void()> body);
  void Await(Actor &actor);
  void Settle();
  void Do(const TlsStep &step);
  void DoOnTheWay(const TlsStep &step);
  void DoAtSide(const TlsStep &step);
  void Cancel(Actor &actor);
  void Finish();
  void Drain();
  void CloseAll();

  // What a side does, and what comes of it (tls_side.cc)
  void Read(Side &side, TlsStepKind kind, size_t size);
  void ReadToEnd(Side &side);
  void Write(Side &side, TlsStepKind kind, size_t size);
  void Flush(Side &side);
  void Shutdown(Side &side);
  void Abort(Side &side);
  void Close(Side &side);
  void JudgeHandshake(Side &side, int result);
  void JudgeBytes(Side &side, const std::string &bytes);
  void JudgeReadEnd(Side &side, int result);
  void JudgeEnd(Side &side);
  void JudgeFailure(const Side &side, const Actor &actor, int result);
  bool IsExcused(const Side &side, const Actor &actor, int result) const;
  void CheckWaiters() const;

  bool IsDisturbed() const;
  bool IsSound() const;
  char Pattern(const Side &writer, uint64_t at) const;
  uint64_t MostIntact(const Side &writer) const;
  // Without memory anything may fail, but nothing may be lost or invented.
  bool NoMemory() const { return allocator_.refused(); }

  const TlsProgram &program_;
  const weir_tls_options *options_;
  const weir_tls_context *context_;
  weir_testing::CountingAllocator &allocator_;
  TlsWire wires_[2];  // to the client, to the server
  Side sides_[2];
  bool interfered_ = false;  // with a handshake, in other ways than on the wires
};

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_TLS_WORLD_H
