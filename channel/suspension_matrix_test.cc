// SPDX-License-Identifier: Apache-2.0
//
// Every suspension in a channel over pipes against all that interrupts it. tcp/ has the same over
// sockets.

#include "testing/suspension_matrix.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "testing/channel_suspensions.h"
#include "weir/channel.h"
#include "weir/custom_connection.h"

namespace {

using weir_testing::Carrier;
using weir_testing::PointName;
using weir_testing::SuspensionMatrix;
using weir_testing::SuspensionPoint;

Carrier MakePipe(bool across_loops) {
  Carrier carrier;
  weir_pipe_options options = {};
  options.across_loops = across_loops;
  EXPECT_EQ(0, weir_pipe(&carrier.near, &carrier.far, &options));
  return carrier;
}

Carrier MakeLocalPipe() { return MakePipe(false); }
Carrier MakeSharedPipe() { return MakePipe(true); }

std::vector<SuspensionPoint> Points(const weir_testing::MakeCarrier &make) {
  std::vector<SuspensionPoint> points = weir_testing::ReadPoints(make);
  for (const SuspensionPoint &point : weir_testing::WritePoints(make)) points.push_back(point);
  for (const SuspensionPoint &point : weir_testing::CopyPoints(make)) points.push_back(point);
  return points;
}

INSTANTIATE_TEST_SUITE_P(Pipe, SuspensionMatrix, testing::ValuesIn(Points(MakeLocalPipe)),
                         PointName);
INSTANTIATE_TEST_SUITE_P(SharedPipe, SuspensionMatrix, testing::ValuesIn(Points(MakeSharedPipe)),
                         PointName);

TEST(SuspensionPoints, AreAllThere) {
  const std::set<std::string> not_suspending = {
      "weir_connection_abort",
      "weir_connection_host",
      "weir_connection_set_close_timeout",
      "weir_custom_connection",
      "weir_local_address",
      "weir_memory_connection",
      "weir_open_read_channel",
      "weir_open_write_channel",
      "weir_pipe",
      "weir_read_buffered",
      "weir_read_channel_cancel",
      "weir_read_channel_cause",
      "weir_read_channel_configure",
      "weir_read_consume",
      "weir_read_try",
      "weir_reader",
      "weir_remote_address",
      "weir_total_bytes_read",
      "weir_total_bytes_written",
      "weir_write_channel_cancel",
      "weir_write_channel_cause",
      "weir_write_channel_configure",
      "weir_write_pending",
      "weir_write_room",
      "weir_write_try",
      "weir_writer",
  };
  weir_testing::ExpectComplete(
      {"channel/channel.h", "channel/copy.h", "channel/custom_connection.h", "channel/numbers.h",
       "channel/read_channel.h", "channel/write_channel.h"},
      Points(MakeLocalPipe), not_suspending);
}

}  // namespace
