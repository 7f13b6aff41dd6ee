// SPDX-License-Identifier: Apache-2.0
//
// Hosts and peers by script, in virtual time: which addresses a name has and when the answer comes,
// and whether, when and how somebody answers at an address. All that is asked is written down with
// its time. Nothing is sent anywhere, and connections carry nothing.

#ifndef WEIR_TESTING_SCRIPTED_NETWORK_H
#define WEIR_TESTING_SCRIPTED_NETWORK_H

#include <map>
#include <string>
#include <vector>

#include "selector/internal/system_calls.h"
#include "weir/resolve.h"
#include "weir/selector.h"

namespace weir_testing {

class ScriptedNetwork {
 public:
  ScriptedNetwork();
  ScriptedNetwork(const ScriptedNetwork &) = delete;
  ScriptedNetwork &operator=(const ScriptedNetwork &) = delete;

  // Options for a selector that lives in this network, and the resolver that knows its hosts.
  weir_selector_options options() const;
  const weir_resolver *resolver() const { return &resolver_; }
  const weir_internal_system_calls *calls() const { return &calls_; }

  // The answer to every name: |addresses| after |milliseconds|, or |result|, if that is negative.
  // Without a script it is WEIR_E_NAME_NOT_FOUND at once.
  void Answer(weir_family family, int64_t milliseconds, std::vector<std::string> addresses,
              int result = 0);

  // Whoever connects to |address| is connected after |milliseconds|, or gets |result| then. A time
  // below 0 is no time at all: already connect(2) says so. Without a script nobody ever answers.
  void Peer(const std::string &address, int64_t milliseconds, int result = 0);

  // What local address those have who connect to |address|; by default one that is nobody's.
  void Local(const std::string &address, const std::string &text) { locals_[address] = text; }

  // What happened so far, since the network is there: "0: ask IPv6", "50: connect 192.0.2.1",
  // "60: close 192.0.2.1".
  const std::vector<std::string> &log() const { return log_; }
  int64_t milliseconds() const { return (now_ - kStart) / WEIR_MILLISECOND; }
  int open_sockets() const { return static_cast<int>(sockets_.size()); }

 private:
  static constexpr int64_t kStart = 1000 * WEIR_SECOND;

  struct Script {
    int64_t delay = WEIR_FOREVER;
    int result = 0;
    std::vector<std::string> addresses;
  };
  struct Socket {
    std::string peer;  // empty: not asked for
    weir_address remote = {};
    int64_t due = WEIR_FOREVER;
    int result = 0;
  };

  static ScriptedNetwork *Self(void *self) { return static_cast<ScriptedNetwork *>(self); }

  void Log(const std::string &what);
  int Resolve(weir_address *out, size_t capacity, weir_family family);
  int OpenSocket();
  int Connect(int fd, const sockaddr *address, socklen_t size);
  int PendingError(int fd, void *value);
  int LocalAddress(int fd, sockaddr *address, socklen_t *size);
  int RemoteAddress(int fd, sockaddr *address, socklen_t *size);
  int Close(int fd);
  int Wait(int epoll, epoll_event *events, int count, int64_t timeout);
  int64_t NextDue() const;
  void WakeThoseDue();

  weir_internal_system_calls calls_;
  weir_resolver resolver_;
  int64_t now_ = kStart;
  Script answers_[3];
  std::map<std::string, Script> peers_;
  std::map<std::string, std::string> locals_;
  std::map<int, Socket> sockets_;
  std::vector<std::string> log_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_SCRIPTED_NETWORK_H
