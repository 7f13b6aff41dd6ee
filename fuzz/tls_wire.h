// SPDX-License-Identifier: Apache-2.0
//
// What lies between two ends of a TLS connection, in the hands of somebody who is not to be
// trusted: nothing arrives before it is delivered, and what is on its way can be changed.

#ifndef WEIR_FUZZ_TLS_WIRE_H
#define WEIR_FUZZ_TLS_WIRE_H

#include <cstddef>
#include <cstdint>
#include <string>

#include "weir/channel.h"
#include "weir/sync.h"

namespace weir_fuzz {

// One direction. Bytes are sent, then on their way, then delivered, and then read.
class TlsWire {
 public:
  // In a coroutine.
  TlsWire();
  ~TlsWire();
  TlsWire(const TlsWire &) = delete;
  TlsWire &operator=(const TlsWire &) = delete;

  // What its two ends do. Both return as the operations of weir/custom_connection.h.
  int Read(void *out, size_t size, bool wait);
  int Write(const void *data, size_t size, bool wait);
  void Finish();

  // What happens on the way.
  void Deliver(size_t size);
  void FlipBit(size_t at, int bit);
  void Drop(size_t at, size_t size);
  void Duplicate(size_t at, size_t size);
  void Inject(size_t at, const std::string &bytes);
  void CutOff();  // what was delivered is followed by the end of the stream
  void Reset();   // both ends fail

  // Takes no more than |room| bytes that are on their way.
  void set_room(size_t room);
  // Delivers all by itself.
  void set_automatic(bool automatic);

  const std::string &on_the_way() const { return on_the_way_; }
  // What the sender has sent, all of it.
  const std::string &sent() const { return sent_; }
  // How much of that has been delivered as it was sent, up to the first difference.
  size_t intact() const { return intact_; }
  bool tampered() const { return delivered_ > intact_; }
  // The receiver finds the end of the stream behind all that was delivered.
  bool ended() const { return ended_; }
  // That is not the sender's doing.
  bool cut_off() const { return cut_off_; }
  bool reset() const { return reset_; }
  // Somebody has done more than to deliver.
  bool touched() const { return touched_; }
  // All that was sent has been delivered as it was.
  bool complete() const { return delivered_ == intact_ && intact_ == sent_.size(); }

 private:
  void Wake();

  std::string sent_, on_the_way_, unread_;
  size_t delivered_ = 0, intact_ = 0;
  size_t room_ = SIZE_MAX;
  bool automatic_ = false, finished_ = false, ended_ = false, cut_off_ = false;
  bool reset_ = false, touched_ = false;
  weir_event *readable_ = nullptr, *writable_ = nullptr;
};

// One end of two wires.
struct TlsPlug {
  TlsWire *input = nullptr, *output = nullptr;
};

// Makes |plug|, which must live until the close, a connection to |host|.
weir_connection *ConnectionOf(TlsPlug *plug, const char *host);

}  // namespace weir_fuzz

#endif  // WEIR_FUZZ_TLS_WIRE_H
