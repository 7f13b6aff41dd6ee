// SPDX-License-Identifier: Apache-2.0
//
// A TLS peer that is no part of Weir's TLS: bare BoringSSL over a connection of ours, which checks
// nothing and shows whatever it is given, so that a test can see what its peer makes of that.

#ifndef WEIR_TESTING_BARE_TLS_H
#define WEIR_TESTING_BARE_TLS_H

#include <openssl/ssl.h>

#include <functional>
#include <string>
#include <string_view>

#include "testing/certificates.h"
#include "weir/channel.h"

namespace weir_testing {

struct BareTlsOptions {
  bool is_server = false;
  // What it shows, if anything.
  const Credential *credential = nullptr;
  // 0: what BoringSSL can.
  uint16_t min_version = 0;
  uint16_t max_version = 0;
  // For all else, before the handshake.
  std::function<void(SSL_CTX *)> tune_context;
  std::function<void(SSL *)> tune;
};

class BareTls {
 public:
  // |connection|, which it closes in the end, is that of the current coroutine, which makes all
  // calls. All that suspend return 0, -1 when BoringSSL fails, or what the connection said.
  BareTls(weir_connection *connection, const BareTlsOptions &options);
  ~BareTls();
  BareTls(const BareTls &) = delete;
  BareTls &operator=(const BareTls &) = delete;

  int Handshake();
  // Reads |size| bytes.
  int Read(std::string *out, size_t size);
  int Write(std::string_view data);
  // Sends close_notify.
  int Shutdown();

  SSL *ssl() { return ssl_.get(); }
  weir_connection *connection() { return connection_; }
  // The fatal alert that was received, -1 if none was.
  int alert() const { return alert_; }
  // BoringSSL's word for what failed.
  const std::string &reason() const { return reason_; }

 private:
  // Repeats |call|, which returns as SSL_read does, until BoringSSL is satisfied.
  int Run(const std::function<int()> &call);
  int Receive();
  int Send();
  static void Note(const SSL *ssl, int kind, int value);

  weir_connection *connection_;
  bssl::UniquePtr<SSL_CTX> context_;
  bssl::UniquePtr<SSL> ssl_;
  BIO *input_ = nullptr;   // the SSL's
  BIO *output_ = nullptr;  // too
  int alert_ = -1;
  std::string reason_;
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_BARE_TLS_H
