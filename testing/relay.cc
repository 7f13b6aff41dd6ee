// SPDX-License-Identifier: Apache-2.0

#include "testing/relay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

namespace weir_testing {
namespace {

SpliceCounts *Self(void *context) { return static_cast<SpliceCounts *>(context); }

int Pipe(void *context, size_t size, int *read_end, int *write_end) {
  SpliceCounts *self = Self(context);
  if (self->pipe_error != 0) return -self->pipe_error;
  self->pipes++;
  return weir_internal_kernel.pipe(nullptr, size, read_end, write_end);
}

int SpliceIn(void *context, int socket, int pipe, size_t size) {
  SpliceCounts *self = Self(context);
  if (self->in_error != 0) return -self->in_error;
  int result = weir_internal_kernel.splice_in(nullptr, socket, pipe, std::min(size, self->piece));
  if (result > 0) self->in += static_cast<uint64_t>(result);
  return result;
}

int SpliceOut(void *context, int pipe, int socket, size_t size) {
  SpliceCounts *self = Self(context);
  if (self->out_error != 0) return -self->out_error;
  int result = weir_internal_kernel.splice_out(nullptr, pipe, socket, std::min(size, self->piece));
  if (result > 0) self->out += static_cast<uint64_t>(result);
  return result;
}

}  // namespace

SpliceCounts::SpliceCounts() : table_(weir_internal_kernel) {
  // The kernel's other calls look at no context.
  table_.context = this;
  table_.pipe = Pipe;
  table_.splice_in = SpliceIn;
  table_.splice_out = SpliceOut;
}

Relay MakeRelay(bool slow) {
  Relay relay;
  relay.source = AcceptRaw(&relay.sender);
  relay.target = AcceptRaw(&relay.receiver, {}, slow ? 4096 : 0);
  return relay;
}

void CloseRelay(const Relay &relay) {
  for (weir_connection *each : {relay.source, relay.target}) {
    if (each == nullptr) continue;
    weir_connection_abort(each);
    static_cast<void>(weir_connection_close(each));
  }
}

weir_job *LaunchSender(Relay *relay, const std::string &data) {
  return LaunchJob([=, &data] {
    int result = relay->sender.Send(data);
    return result == 0 ? relay->sender.FinishWriting() : result;
  });
}

void ExpectRelayRun(const SpliceCounts &counts, Body body) {
  weir_selector_options options = {};
  options.system_calls = counts.table();
  Body bounded = [&] {
    weir_timeout timeout = weir_timeout_begin(10 * WEIR_SECOND);
    int result = body();
    EXPECT_FALSE(weir_timeout_end(timeout));
    return result;
  };
  EXPECT_EQ(0, RunCoroutine(bounded, &options));
}

}  // namespace weir_testing
