// SPDX-License-Identifier: Apache-2.0

#include "testing/raw_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "weir/selector.h"

namespace weir_testing {
namespace {

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

const sockaddr *Any(const sockaddr_in *address) {
  return reinterpret_cast<const sockaddr *>(address);
}

}  // namespace

RawSocket &RawSocket::operator=(RawSocket &&other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

int RawSocket::Connect(uint16_t port, int receive_buffer) {
  Close();
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return -errno;
  if (receive_buffer > 0 &&
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer) < 0) {
    return -errno;
  }
  sockaddr_in address = Loopback(port);
  return connect(fd_, Any(&address), sizeof address) < 0 ? -errno : 0;
}

int RawSocket::Listen(int backlog) {
  Close();
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return -errno;
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  if (bind(fd_, Any(&address), size) < 0 || listen(fd_, backlog) < 0) return -errno;
  if (getsockname(fd_, reinterpret_cast<sockaddr *>(&address), &size) < 0) return -errno;
  return ntohs(address.sin_port);
}

int RawSocket::Reserve() {
  Close();
  fd_ = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return -errno;
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  socklen_t size = sizeof address;
  auto *any = reinterpret_cast<sockaddr *>(&address);
  if (bind(fd_, any, size) < 0 || getsockname(fd_, any, &size) < 0) return -errno;
  return ntohs(address.sin6_port);
}

int RawSocket::Wait(int interest) {
  int result = weir_selector_select(fd_, interest);
  return result < 0 ? result : 0;
}

int RawSocket::Accept(RawSocket *out) {
  int result = Wait(WEIR_READABLE);
  if (result < 0) return result;
  int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  *out = RawSocket(fd);
  return 0;
}

int RawSocket::SendSome(std::string_view data) {
  ssize_t count = send(fd_, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return count < 0 ? -errno : static_cast<int>(count);
}

int RawSocket::Send(std::string_view data, int flags) {
  while (!data.empty()) {
    ssize_t count = send(fd_, data.data(), data.size(), flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count >= 0) {
      data.remove_prefix(static_cast<size_t>(count));
      continue;
    }
    if (errno != EAGAIN) return -errno;
    int result = Wait(WEIR_WRITABLE);
    if (result < 0) return result;
  }
  return 0;
}

int RawSocket::Receive(std::string *out, size_t size) {
  char buffer[4096];
  while (size > 0) {
    ssize_t count = recv(fd_, buffer, std::min(size, sizeof buffer), MSG_DONTWAIT);
    if (count == 0) return 0;
    if (count > 0) {
      out->append(buffer, static_cast<size_t>(count));
      size -= static_cast<size_t>(count);
      continue;
    }
    if (errno != EAGAIN) return -errno;
    int result = Wait(WEIR_READABLE);
    if (result < 0) return result;
  }
  return 0;
}

int RawSocket::PendingError() const {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
  return -error;
}

int RawSocket::FinishWriting() { return shutdown(fd_, SHUT_WR) < 0 ? -errno : 0; }

void RawSocket::Reset() {
  if (fd_ < 0) return;
  linger now = {1, 0};
  // Where it fails the close is an ordinary one, and the test says so.
  static_cast<void>(setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now));
  Close();
}

void RawSocket::Close() {
  if (fd_ < 0) return;
  // Those who never waited are unknown to the selector, which does not mind.
  static_cast<void>(weir_selector_forget(fd_));
  static_cast<void>(close(fd_));
  fd_ = -1;
}

}  // namespace weir_testing
