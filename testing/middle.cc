// SPDX-License-Identifier: Apache-2.0

#include "testing/middle.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "testing/expect_coroutine.h"

namespace weir_testing {

namespace {

// Changes |piece| as the direction wants it. Returns false if the stream ends behind it.
bool Tamper(Middle::Direction *direction, std::string *piece) {
  bool goes_on = true;
  if (direction->cut_after - direction->passed < piece->size()) {
    piece->resize(direction->cut_after - direction->passed);
    direction->was_cut = true;
    goes_on = false;
  }
  if (direction->stall_after - direction->passed < piece->size()) {
    piece->resize(direction->stall_after - direction->passed);
    direction->was_stalled = true;
    goes_on = false;
  }
  size_t flip = direction->flip_at - direction->passed;
  if (direction->flip_at >= direction->passed && flip < piece->size()) {
    (*piece)[flip] = static_cast<char>((*piece)[flip] ^ direction->flip_mask);
    direction->was_flipped = true;
  }
  direction->passed += piece->size();
  direction->seen += *piece;
  return goes_on;
}

// Writes |bytes| in pieces. Returns 0 or a negative code.
int WriteInPieces(weir_write_channel *output, const std::string &bytes, size_t piece) {
  for (size_t at = 0; at < bytes.size();) {
    size_t size = std::min(piece, bytes.size() - at);
    int result = weir_write_fully(output, bytes.data() + at, size, nullptr);
    if (result == 0) result = weir_flush(output);
    // So the other end reads each piece by itself.
    if (result == 0 && piece != SIZE_MAX) result = weir_yield();
    if (result < 0) return result;
    at += size;
  }
  return 0;
}

// Writes |bytes|, of which |offset| were passed on before them.
int Write(weir_write_channel *output, Middle::Direction *direction, size_t offset,
          const std::string &bytes) {
  size_t split = direction->split_at - offset;
  if (direction->split_at < offset || split >= bytes.size()) {
    return WriteInPieces(output, bytes, direction->piece);
  }
  direction->was_split = true;
  int result = WriteInPieces(output, bytes.substr(0, split), direction->piece);
  if (result == 0) result = weir_delay(WEIR_MILLISECOND);
  return result < 0 ? result : WriteInPieces(output, bytes.substr(split), direction->piece);
}

}  // namespace

void Middle::Pass(weir_connection *from, weir_connection *to, Direction *direction) {
  weir_read_channel *input = weir_open_read_channel(from);
  weir_write_channel *output = weir_open_write_channel(to, false);
  int result = 0;
  bool goes_on = true;
  while (result == 0 && goes_on) {
    char buffer[4096];
    result = weir_read_available(input, buffer, sizeof buffer);
    if (result <= 0) break;
    std::string bytes(buffer, static_cast<size_t>(result));
    size_t offset = direction->passed;
    goes_on = Tamper(direction, &bytes);
    result = Write(output, direction, offset, bytes);
  }
  // Who sends more is not to wait for ever.
  if (direction->was_stalled) result = weir_read_discard(input, UINT64_MAX, nullptr);
  if (result == 0 || result == WEIR_E_END_OF_STREAM) {
    result = weir_write_channel_close(output);
  } else {
    weir_write_channel_cancel(output, result);
  }
  if (!goes_on) result = weir_read_discard(input, UINT64_MAX, nullptr);
}

Middle::Middle(const Direction &to_client, const Direction &to_server)
    : to_client_(to_client), to_server_(to_server) {
  EXPECT_EQ(0, weir_pipe(&client_, &client_side_, nullptr));
  EXPECT_EQ(0, weir_pipe(&server_, &server_side_, nullptr));
  EXPECT_EQ(0, weir_scope_open(&scope_, nullptr));
  ExpectLaunch(scope_, [this] { return Pass(server_side_, client_side_, &to_client_), 0; });
  ExpectLaunch(scope_, [this] { return Pass(client_side_, server_side_, &to_server_), 0; });
}

Middle::~Middle() {
  EXPECT_EQ(0, weir_scope_wait(scope_));
  EXPECT_EQ(0, weir_scope_close(scope_));
  weir_connection_close(client_side_);
  weir_connection_close(server_side_);
}

}  // namespace weir_testing
