// SPDX-License-Identifier: Apache-2.0
//
// Secure connections of ours with each other, for tests, over a pipe or TCP and with any version of
// TLS: the client is near, the server far.

#ifndef WEIR_TESTING_SECURE_PAIR_H
#define WEIR_TESTING_SECURE_PAIR_H

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "testing/tls_things.h"
#include "weir/channel.h"
#include "weir/tls.h"

namespace weir_testing {

// What carries the records. A narrow pipe holds less than any record.
enum class Wire { kPipe, kNarrowPipe, kTcp, kUnix };

// Names for tests and failures.
std::string NameOf(Wire wire);

struct SecureKind {
  Wire wire;
  weir_tls_version version;
};

std::string NameOf(const SecureKind &kind);
void PrintTo(const SecureKind &kind, std::ostream *out);

// For INSTANTIATE_TEST_SUITE_P.
std::vector<SecureKind> AllSecureKinds();
inline std::string SecureKindName(const ::testing::TestParamInfo<SecureKind> &test) {
  return NameOf(test.param);
}

struct SecurePair {
  weir_connection *near = nullptr;
  weir_connection *far = nullptr;
  int near_result = 0;
  int far_result = 0;
};

// Makes two connections that carry bytes to each other, in a coroutine.
SecurePair MakeWire(Wire wire);

// Options and a context that fit together.
class SecureWorld {
 public:
  explicit SecureWorld(weir_tls_terms client_terms = {}, weir_tls_terms server_terms = {},
                       weir_tls_options_builder client = {}, weir_tls_context_builder server = {});
  // Of that version only.
  explicit SecureWorld(weir_tls_version version);

  const weir_tls_options *options() const { return options_.get(); }
  const weir_tls_context *context() const { return context_.get(); }

  // Makes both ends of |pair| secure, in two coroutines.
  void ShakeHands(SecurePair *pair) const;

  // Makes a secure pair, and expects success.
  SecurePair Connect(Wire wire) const;

  // The authority of all worlds of the process.
  static const TestAuthority &authority();

 private:
  TlsOptions options_;
  TlsContext context_;
};

// Closes what is left of both, at the same time, and expects success.
void CloseSecurePair(SecurePair *pair);

// Reads to the end of the stream; how it ended is told behind the bytes, unless in peace.
std::string ReadToEnd(weir_connection *connection);

// Writes and flushes. Returns 0 or a negative code.
int Send(weir_connection *connection, const std::string &bytes);

// Reads exactly |size| bytes; a failure is told behind those that came.
std::string Receive(weir_connection *connection, size_t size);

}  // namespace weir_testing

#endif  // WEIR_TESTING_SECURE_PAIR_H
