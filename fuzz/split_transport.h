// SPDX-License-Identifier: Apache-2.0
//
// A transport that hands out a stream in the pieces it was told, and looks at how the reader asks
// for them. Nothing can be written to it.

#ifndef WEIR_FUZZ_SPLIT_TRANSPORT_H
#define WEIR_FUZZ_SPLIT_TRANSPORT_H

#include <cstddef>
#include <string>
#include <vector>

#include "channel/internal/connection.h"

namespace weir_fuzz {

class SplitTransport {
 public:
  // What one piece is, but for sizes: nothing yet, so that the reader has to wait; or a readiness
  // behind which there is nothing.
  static constexpr int kLater = 0;
  static constexpr int kNothing = -1;

  // How long the reader waits at kLater, in virtual time.
  static constexpr int64_t kWait = WEIR_MILLISECOND;

  // Serves |stream|, which outlives it, in pieces of the sizes in |pieces|, used over and over.
  // Without a size among them there is one piece more, of everything.
  SplitTransport(const std::string &stream, std::vector<int> pieces);
  SplitTransport(const SplitTransport &) = delete;
  SplitTransport &operator=(const SplitTransport &) = delete;

  // Closed with weir_connection_close. Lives no longer than the transport.
  weir_connection *connection() { return &connection_.shared; }

  // Announces an operation. It must not ask for more once |needed| bytes were handed out, and must
  // not lend more than |room|.
  void Expect(size_t needed, size_t room);
  // Whether a deadline has passed since then, while the reader waited.
  bool timed_out() const { return timed_out_; }

  // Bytes handed out so far.
  size_t delivered() const { return delivered_; }
  bool released() const { return released_; }

 private:
  struct Connection {
    weir_connection shared;  // first
    SplitTransport *transport;
  };
  struct Operations;

  int Read(weir_internal_lender *lender, bool wait);
  int Lend(weir_internal_lender *lender, struct iovec *buffers) const;
  int Deliver(const struct iovec *buffers, int count);

  const std::string &stream_;
  std::vector<int> pieces_;
  size_t piece_ = 0;
  size_t rest_of_piece_ = 0;
  size_t delivered_ = 0;
  size_t needed_ = 0;
  size_t room_ = 0;
  bool timed_out_ = false;
  bool released_ = false;
  Connection connection_ = {};
};

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_SPLIT_TRANSPORT_H
