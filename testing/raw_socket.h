// SPDX-License-Identifier: Apache-2.0
//
// A peer that is no part of Weir: plain system calls on an IPv4 loopback socket. It waits through
// weir_selector_select, so that it can be a coroutine beside the code under test.

#ifndef WEIR_TESTING_RAW_SOCKET_H
#define WEIR_TESTING_RAW_SOCKET_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir_testing {

class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  ~RawSocket() { Close(); }
  RawSocket(RawSocket &&other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  RawSocket &operator=(RawSocket &&other) noexcept;

  int fd() const { return fd_; }

  // Connects to 127.0.0.1. Does not suspend: the kernel takes the connection into the listener's
  // queue. |receive_buffer| of 0 is the kernel's default. Returns 0 or a negative errno.
  int Connect(uint16_t port, int receive_buffer = 0);

  // Becomes a listener on 127.0.0.1 and returns its port, or a negative errno. Accept suspends.
  int Listen(int backlog);
  int Accept(RawSocket *out);

  // Takes a port for itself on which, as long as this exists, IPv4 and IPv6 clients are refused.
  // Returns it, or a negative errno.
  int Reserve();

  // Sends all of |data|; suspends. Returns 0 or a negative errno.
  int Send(std::string_view data, int flags = 0);
  // Sends what the kernel takes at once, and returns how much.
  int SendSome(std::string_view data);

  // Receives |size| bytes, fewer if the stream ends; suspends. Appends to |out|. Returns 0 or a
  // negative errno.
  int Receive(std::string *out, size_t size);
  // Receives until the end of the stream.
  int ReceiveAll(std::string *out) { return Receive(out, SIZE_MAX); }

  // The kernel's view of the connection's end: 0, or a negative errno such as -ECONNRESET.
  int PendingError() const;

  int FinishWriting();
  // Closes with a reset.
  void Reset();
  void Close();

 private:
  int Wait(int interest);

  int fd_ = -1;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_RAW_SOCKET_H
