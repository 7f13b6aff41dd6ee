// SPDX-License-Identifier: Apache-2.0
//
// A pair of connections for the matrix of suspensions.

#include <utility>

#include "testing/channel_suspensions.h"
#include "testing/expect_coroutine.h"

namespace weir_testing {

Line::~Line() {
  if (near_ != nullptr) weir_connection_abort(near_);
  weir_connection_abort(far_);
  weir_connection_close(near_);
  weir_connection_close(far_);
}

void Line::Send(const std::string &bytes) {
  weir_write_channel *output = weir_open_write_channel(far_, false);
  EXPECT_EQ(0, weir_write_fully(output, bytes.data(), bytes.size(), nullptr));
  EXPECT_EQ(0, weir_flush(output));
}

void Line::EndSending() {
  EXPECT_EQ(0, weir_write_channel_close(weir_open_write_channel(far_, false)));
}

std::string Line::ReceiveAll() {
  weir_buffer buffer = {};
  int result = weir_read_remaining(far_input(), &buffer, SIZE_MAX);
  weir_bytes bytes = weir_buffer_bytes(&buffer);
  std::string all(bytes.size > 0 ? bytes.data : "", bytes.size);
  weir_buffer_release(&buffer);
  if (result < 0) all += weir_error_name(result);
  return all;
}

std::string Line::FillUp() {
  constexpr size_t kPart = 64 * 1024;
  std::string all;
  int result = 0;
  while (result == 0) {
    std::string part(kPart, static_cast<char>('a' + all.size() / kPart % 26));
    weir_timeout timeout = weir_timeout_begin(WEIR_SECOND);
    result = weir_write_fully(output(), part.data(), part.size(), nullptr);
    weir_timeout_end(timeout);
    all += part;
  }
  EXPECT_EQ(-ETIMEDOUT, result);
  all.resize(weir_total_bytes_written(output()));
  // What is large passes by the channel's own memory, which is left to fill.
  while ((result = weir_write_try(output(), "!", 1)) == 1) all += '!';
  EXPECT_EQ(-EAGAIN, result);
  return all;
}

void Line::ReceiveInBackground() {
  receiver_ = LaunchJob([this] {
    received_ = ReceiveAll();
    return 0;
  });
}

std::string Line::AwaitReceived() {
  EXPECT_EQ(0, EndOf(receiver_));
  return std::move(received_);
}

int Line::CloseNear() {
  weir_connection *connection = near_;
  near_ = nullptr;
  weir_connection_set_close_timeout(connection, 0);
  return weir_connection_close(connection);
}

}  // namespace weir_testing
