// SPDX-License-Identifier: Apache-2.0

#include "testing/scripted_network.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weir_testing {
namespace {

// The text of an address without its port.
std::string HostOf(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  std::string host = weir_address_format(&address, text);
  host.resize(host.rfind(':'));
  return host.front() == '[' ? host.substr(1, host.size() - 2) : host;
}

weir_address Parse(const std::string &host, uint16_t port) {
  weir_address address;
  EXPECT_EQ(0, weir_address_parse(&address, host.c_str(), port)) << host;
  return address;
}

}  // namespace

// The calls that are not here are the kernel's, which ignore their context.
ScriptedNetwork::ScriptedNetwork() : calls_(weir_internal_kernel) {
  calls_.context = this;
  calls_.now = [](void *self) { return Self(self)->now_; };
  calls_.epoll_wait = [](void *self, int epoll, epoll_event *events, int count, int64_t timeout) {
    return Self(self)->Wait(epoll, events, count, timeout);
  };
  calls_.socket = [](void *self, int, int, int) { return Self(self)->OpenSocket(); };
  calls_.connect = [](void *self, int fd, const sockaddr *address, socklen_t size) {
    return Self(self)->Connect(fd, address, size);
  };
  calls_.set_option = [](void *, int, int, int, const void *, socklen_t) { return 0; };
  calls_.get_option = [](void *self, int fd, int, int, void *value, socklen_t *) {
    return Self(self)->PendingError(fd, value);
  };
  calls_.local_address = [](void *self, int fd, sockaddr *address, socklen_t *size) {
    return Self(self)->LocalAddress(fd, address, size);
  };
  calls_.remote_address = [](void *self, int fd, sockaddr *address, socklen_t *size) {
    return Self(self)->RemoteAddress(fd, address, size);
  };
  calls_.shutdown = [](void *, int, int) { return 0; };
  calls_.close = [](void *self, int fd) { return Self(self)->Close(fd); };
  resolver_.context = this;
  resolver_.resolve = [](void *self, weir_address *out, size_t capacity, const char *,
                         weir_family family) { return Self(self)->Resolve(out, capacity, family); };
  for (Script &answer : answers_) {
    answer.delay = 0;
    answer.result = WEIR_E_NAME_NOT_FOUND;
  }
}

weir_selector_options ScriptedNetwork::options() const {
  weir_selector_options options = {};
  options.system_calls = &calls_;
  return options;
}

void ScriptedNetwork::Answer(weir_family family, int64_t milliseconds,
                             std::vector<std::string> addresses, int result) {
  answers_[family] = {milliseconds * WEIR_MILLISECOND, result, std::move(addresses)};
}

void ScriptedNetwork::Peer(const std::string &address, int64_t milliseconds, int result) {
  peers_[address] = {milliseconds * WEIR_MILLISECOND, result, {}};
}

void ScriptedNetwork::Log(const std::string &what) {
  log_.push_back(std::to_string(milliseconds()) + ": " + what);
}

int ScriptedNetwork::Resolve(weir_address *out, size_t capacity, weir_family family) {
  const Script &answer = answers_[family];
  Log(family == WEIR_IPV6 ? "ask IPv6" : "ask IPv4");
  if (answer.delay > 0) {
    int result = weir_delay(answer.delay);
    if (result < 0) return result;
  }
  if (answer.result < 0) return answer.result;
  const size_t count = std::min(capacity, answer.addresses.size());
  for (size_t i = 0; i < count; i++) out[i] = Parse(answer.addresses[i], 0);
  return static_cast<int>(count);
}

// An eventfd whose counter is full cannot be written to, like a socket that connects.
int ScriptedNetwork::OpenSocket() {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd < 0) return -errno;
  const uint64_t full = UINT64_MAX - 1;
  EXPECT_EQ(static_cast<ssize_t>(sizeof full), write(fd, &full, sizeof full));
  sockets_[fd] = {};
  return fd;
}

int ScriptedNetwork::Connect(int fd, const sockaddr *address, socklen_t size) {
  if (address->sa_family == AF_UNSPEC) return 0;  // an abort
  Socket &socket = sockets_[fd];
  socket.remote.size = size;
  memcpy(&socket.remote.socket, address, size);
  socket.peer = HostOf(socket.remote);
  Log("connect " + socket.peer);
  const auto found = peers_.find(socket.peer);
  if (found == peers_.end()) return -EINPROGRESS;
  socket.result = found->second.result;
  if (found->second.delay < 0) return socket.result;
  socket.due = now_ + found->second.delay;
  return -EINPROGRESS;
}

int ScriptedNetwork::PendingError(int fd, void *value) {
  const int error = -sockets_[fd].result;
  memcpy(value, &error, sizeof error);
  return 0;
}

int ScriptedNetwork::LocalAddress(int fd, sockaddr *address, socklen_t *size) {
  const std::string &peer = sockets_[fd].peer;
  const auto found = locals_.find(peer);
  weir_address local =
      Parse(peer.find(':') != std::string::npos ? "2001:db8::ffff" : "192.0.2.255", 50000);
  if (found != locals_.end()) {
    EXPECT_EQ(0, weir_address_from_text(&local, found->second.c_str()));
  }
  memcpy(address, &local.socket, local.size);
  *size = local.size;
  return 0;
}

int ScriptedNetwork::RemoteAddress(int fd, sockaddr *address, socklen_t *size) {
  const weir_address &remote = sockets_[fd].remote;
  memcpy(address, &remote.socket, remote.size);
  *size = remote.size;
  return 0;
}

int ScriptedNetwork::Close(int fd) {
  const auto found = sockets_.find(fd);
  if (found != sockets_.end()) {
    Log("close " + found->second.peer);
    sockets_.erase(found);
  }
  return weir_internal_kernel.close(nullptr, fd);
}

int64_t ScriptedNetwork::NextDue() const {
  int64_t next = WEIR_FOREVER;
  for (const auto &[fd, socket] : sockets_) next = std::min(next, socket.due);
  return next;
}

void ScriptedNetwork::WakeThoseDue() {
  for (auto &[fd, socket] : sockets_) {
    if (socket.due > now_) continue;
    socket.due = WEIR_FOREVER;
    uint64_t drained;
    EXPECT_EQ(static_cast<ssize_t>(sizeof drained), read(fd, &drained, sizeof drained));
  }
}

int ScriptedNetwork::Wait(int epoll, epoll_event *events, int count, int64_t timeout) {
  WakeThoseDue();
  int result = weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, 0);
  if (result != 0 || timeout == 0) return result;
  const int64_t due = NextDue();
  const int64_t until = timeout < 0 ? WEIR_FOREVER : now_ + timeout;
  if (due == WEIR_FOREVER && timeout < 0) {
    return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, -1);
  }
  now_ = std::min(due, until);
  WakeThoseDue();
  return weir_internal_kernel.epoll_wait(nullptr, epoll, events, count, 0);
}

}  // namespace weir_testing
