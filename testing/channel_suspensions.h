// SPDX-License-Identifier: Apache-2.0
//
// Suspensions in channels, for the matrix: every function that reads, writes, copies or closes,
// over whatever carries the bytes.

#ifndef WEIR_TESTING_CHANNEL_SUSPENSIONS_H
#define WEIR_TESTING_CHANNEL_SUSPENSIONS_H

#include <functional>
#include <vector>

#include "testing/suspension_matrix.h"
#include "weir/channel.h"

namespace weir_testing {

// Two connections that are connected with each other.
struct Carrier {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
};

// Makes them, in a coroutine.
using MakeCarrier = std::function<Carrier()>;

// A carrier that takes itself down.
class Line {
 public:
  explicit Line(const MakeCarrier &make) : Line(make()) {}
  ~Line();
  Line(const Line &) = delete;
  Line &operator=(const Line &) = delete;

  weir_read_channel *input() const { return weir_open_read_channel(near_); }
  weir_write_channel *output() const { return weir_open_write_channel(near_, false); }
  weir_read_channel *far_input() const { return weir_open_read_channel(far_); }
  weir_connection *near() const { return near_; }

  // What the far end does.
  void Send(const std::string &bytes);
  void EndSending();
  // Reads to the end of the stream; how it ended is told behind the bytes, unless in peace.
  std::string ReceiveAll();

  // Writes until nothing is taken any more, and returns that.
  std::string FillUp();
  // Takes all that was written, in a coroutine of the current one's, until the stream ends.
  void ReceiveInBackground();
  std::string AwaitReceived();

  int CloseNear();
  void AbortNear() { weir_connection_abort(near_); }
  // Whoever has called weir_connection_close by hand has |near| no more.
  void ForgetNear() { near_ = nullptr; }

 private:
  explicit Line(Carrier carrier) : near_(carrier.near), far_(carrier.far) {}

  weir_connection *near_;
  weir_connection *far_;
  weir_job *receiver_ = nullptr;
  std::string received_;
};

// The rows of what reads, of what writes and of what copies, over carriers that |make| makes.
std::vector<SuspensionPoint> ReadPoints(const MakeCarrier &make);
std::vector<SuspensionPoint> WritePoints(const MakeCarrier &make);
std::vector<SuspensionPoint> CopyPoints(const MakeCarrier &make);

}  // namespace weir_testing

#endif  // WEIR_TESTING_CHANNEL_SUSPENSIONS_H
