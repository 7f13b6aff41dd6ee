// SPDX-License-Identifier: Apache-2.0

#include "fuzz/split_transport.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "fuzz/fail.h"

namespace weir_fuzz {

struct SplitTransport::Operations {
  static SplitTransport &Of(weir_connection *self) {
    return *reinterpret_cast<Connection *>(self)->transport;
  }
  static int Read(weir_connection *self, weir_internal_lender *lender, bool wait) {
    return Of(self).Read(lender, wait);
  }
  static int Write(weir_connection *, const struct iovec *, int, bool) { Fail("a write"); }
  static void Interrupt(weir_connection *, int) { Fail("an interrupt"); }
  static int WatchWrite(weir_connection *, weir_internal_watcher *) { Fail("a watch"); }
  static void UnwatchWrite(weir_connection *) {}
  static int FinishWrite(weir_connection *, bool) { return 0; }
  static void Linger(weir_connection *self) { weir_internal_connection_lingered(self); }
  static void Abort(weir_connection *) { Fail("an abort"); }
  static void Release(weir_connection *self) { Of(self).released_ = true; }

  static constexpr weir_internal_transport kTransport = [] {
    weir_internal_transport transport = {};
    transport.read = Read;
    transport.write = Write;
    transport.interrupt_read = Interrupt;
    transport.interrupt_write = Interrupt;
    transport.watch_write = WatchWrite;
    transport.unwatch_write = UnwatchWrite;
    transport.finish_write = FinishWrite;
    transport.linger = Linger;
    transport.abort = Abort;
    transport.release = Release;
    return transport;
  }();
};

SplitTransport::SplitTransport(const std::string &stream, std::vector<int> pieces)
    : stream_(stream), pieces_(std::move(pieces)) {
  bool progress = std::any_of(pieces_.begin(), pieces_.end(), [](int piece) { return piece > 0; });
  if (!progress) pieces_.push_back(1 << 30);
  connection_.transport = this;
  weir_internal_connection_init(&connection_.shared, &Operations::kTransport);
  connection_.shared.local_address = "here";
  connection_.shared.remote_address = "there";
}

void SplitTransport::Expect(size_t needed, size_t room) {
  needed_ = needed;
  room_ = room;
  timed_out_ = false;
}

int SplitTransport::Lend(weir_internal_lender *lender, struct iovec *buffers) const {
  int count = lender->lend(lender, buffers);
  if (count < 1 || count > WEIR_INTERNAL_LENT_BUFFERS) Fail("lend returned %d", count);
  size_t lent = 0;
  for (int i = 0; i < count; i++) {
    if (buffers[i].iov_len == 0) Fail("an empty buffer was lent");
    lent += buffers[i].iov_len;
  }
  if (lent > room_) Fail("%zu bytes of room were lent, more than %zu", lent, room_);
  return count;
}

// Writes to both ends of what is lent: none of it may hold anything that is still to be read.
static void Scribble(const struct iovec *buffers, int count) {
  const size_t most = 64;
  for (int i = 0; i < count; i++) {
    char *data = static_cast<char *>(buffers[i].iov_base);
    size_t part = std::min(buffers[i].iov_len, most);
    memset(data, '?', part);
    memset(data + buffers[i].iov_len - part, '?', part);
  }
}

int SplitTransport::Deliver(const struct iovec *buffers, int count) {
  Scribble(buffers, count);
  size_t done = 0;
  for (int i = 0; i < count && rest_of_piece_ > 0; i++) {
    size_t part = std::min({buffers[i].iov_len, rest_of_piece_, stream_.size() - delivered_});
    if (part == 0) break;
    memcpy(buffers[i].iov_base, stream_.data() + delivered_, part);
    delivered_ += part;
    rest_of_piece_ -= part;
    done += part;
  }
  return static_cast<int>(done);
}

int SplitTransport::Read(weir_internal_lender *lender, bool wait) {
  if (!wait) Fail("a read that does not wait");
  if (delivered_ >= needed_) Fail("asks for more, but %zu bytes are enough", needed_);
  struct iovec buffers[WEIR_INTERNAL_LENT_BUFFERS];
  for (;;) {
    if (rest_of_piece_ > 0) {
      if (delivered_ == stream_.size()) return 0;
      return Deliver(buffers, Lend(lender, buffers));
    }
    int piece = pieces_[piece_++ % pieces_.size()];
    if (piece == kLater) {
      int result = weir_delay(kWait);
      timed_out_ = result == -ETIMEDOUT;
      if (result < 0) return result;
    } else if (piece == kNothing) {
      Lend(lender, buffers);
      lender->take_back(lender);
    } else {
      rest_of_piece_ = static_cast<size_t>(piece);
    }
  }
}

}  // namespace weir_fuzz
