// SPDX-License-Identifier: Apache-2.0
//
// The last part of a peaceful close. If a socket is closed while it holds input that nobody read,
// or while more comes in, the kernel sends a reset, and a reset destroys the output that the peer
// has not read yet. So after our end of the stream we go on reading, and drop what comes, until the
// peer has ended its stream too.

#include "tcp/internal/tcp_connection.h"

enum {
  SCRATCH_SIZE = 16 * 1024,
  // After so many reads in a row the others have their turn, although the peer may send for ever.
  READS_PER_TURN = 16,
};

// Nobody looks at what is read into it, so that all connections of a thread share it.
static _Thread_local char scratch[SCRATCH_SIZE];

static int lend_scratch(weir_internal_lender *lender, struct iovec *buffers) {
  (void)lender;
  buffers[0] = (struct iovec){scratch, sizeof scratch};
  return 1;
}

static weir_internal_lender scratch_lender = {.lend = lend_scratch};

static void drain(weir_tcp_connection *self) {
  for (int reads = 0; reads < READS_PER_TURN; reads++) {
    weir_internal_operation receive = {.kind = WEIR_INTERNAL_RECEIVE,
                                       .descriptor = &self->descriptor,
                                       .with.lender = &scratch_lender};
    int result = weir_internal_try(&receive);
    if (result == -EAGAIN) {
      result = weir_internal_tcp_background_wait(self, WEIR_INTERNAL_READABLE, drain);
      if (result == 0) return;
    }
    if (result <= 0) {
      // The end, or a failure: the peer's, or ours to wait for it. In both cases nothing is left to
      // be done here. This may free the connection.
      weir_internal_connection_lingered(&self->connection);
      return;
    }
  }
  weir_internal_tcp_background_next_turn(self, drain);
}

void weir_internal_tcp_linger(weir_connection *connection) {
  weir_tcp_connection *self = (weir_tcp_connection *)connection;
  if (self->end_seen) {
    weir_internal_connection_lingered(connection);
    return;
  }
  drain(self);
}
