// SPDX-License-Identifier: Apache-2.0
//
// Somebody on the line between two connections: all bytes of both directions pass through, in
// pieces of any size, are counted, and may be changed, or end where they should not.

#ifndef WEIR_TESTING_MIDDLE_H
#define WEIR_TESTING_MIDDLE_H

#include <cstdint>
#include <functional>
#include <string>

#include "weir/channel.h"

namespace weir_testing {

class Middle {
 public:
  struct Direction {
    size_t piece = SIZE_MAX;        // bytes passed on at a time at most, each flushed
    size_t cut_after = SIZE_MAX;    // bytes after which the stream ends, as if in peace
    size_t stall_after = SIZE_MAX;  // bytes after which nothing comes any more, nor the end
    size_t flip_at = SIZE_MAX;      // the byte of which a bit is changed
    uint8_t flip_mask = 0x10;       // which
    size_t split_at = SIZE_MAX;     // the byte before which everybody else runs until he waits
    size_t passed = 0;
    bool was_cut = false;
    bool was_stalled = false;
    bool was_flipped = false;
    bool was_split = false;
    std::string seen;  // all that was passed on
  };

  // Makes the connections, and coroutines of the current one's that pass the bytes on.
  Middle(const Direction &to_client, const Direction &to_server);
  // Waits until both streams have ended.
  ~Middle();
  Middle(const Middle &) = delete;
  Middle &operator=(const Middle &) = delete;

  // The outer ends, for those who talk with each other. Whoever takes one closes it.
  weir_connection *client() const { return client_; }
  weir_connection *server() const { return server_; }

  const Direction &to_client() const { return to_client_; }
  const Direction &to_server() const { return to_server_; }

 private:
  static void Pass(weir_connection *from, weir_connection *to, Direction *direction);

  Direction to_client_;
  Direction to_server_;
  weir_connection *client_ = nullptr;
  weir_connection *server_ = nullptr;
  weir_connection *client_side_ = nullptr;
  weir_connection *server_side_ = nullptr;
  weir_scope *scope_ = nullptr;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_MIDDLE_H
