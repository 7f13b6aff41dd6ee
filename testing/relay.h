// SPDX-License-Identifier: Apache-2.0
//
// A copy from one TCP connection to another, for tests: what comes in from one of ours goes out to
// another, by whatever copies the test makes between, and what was spliced is counted.

#ifndef WEIR_TESTING_RELAY_H
#define WEIR_TESTING_RELAY_H

#include <cstdint>
#include <string>

#include "selector/internal/system_calls.h"
#include "testing/expect_coroutine.h"
#include "testing/tcp_pair.h"
#include "weir/tcp.h"

namespace weir_testing {

// The kernel's calls, those that splice counted.
class SpliceCounts {
 public:
  SpliceCounts();

  const weir_internal_system_calls *table() const { return &table_; }

  // Errors that calls return instead of doing anything, 0 for none; |pieces| limits each splice.
  int pipe_error = 0;
  int in_error = 0;
  int out_error = 0;
  size_t piece = SIZE_MAX;

  int pipes = 0;     // made
  uint64_t in = 0;   // bytes that went into a pipe
  uint64_t out = 0;  // and came out into a socket

 private:
  weir_internal_system_calls table_;
};

// Bytes from |sender| reach |source|; bytes to |target| reach |receiver|.
struct Relay {
  RawSocket sender;
  weir_connection *source = nullptr;
  weir_connection *target = nullptr;
  RawSocket receiver;

  weir_read_channel *from() const { return weir_open_read_channel(source); }
  weir_write_channel *to() const { return weir_open_write_channel(target, false); }
};

// Makes the connections. Little goes to a |slow| receiver that does not receive.
Relay MakeRelay(bool slow = false);

// Closes both of ours, at once and whatever state they are in.
void CloseRelay(const Relay &relay);

// Launches a coroutine that sends |data|, which outlives it, and the end of the stream.
weir_job *LaunchSender(Relay *relay, const std::string &data);

// Runs |body| in a coroutine over |counts|, under a deadline of ten seconds.
void ExpectRelayRun(const SpliceCounts &counts, Body body);

}  // namespace weir_testing

#endif  // WEIR_TESTING_RELAY_H
