// SPDX-License-Identifier: Apache-2.0

#include "testing/tls_things.h"

#include <gtest/gtest.h>

namespace weir_testing {

namespace {

weir_bytes BytesOf(const std::string &text) { return weir_bytes_of(text.data(), text.size()); }

}  // namespace

TlsCredential MakeTlsCredential(const Credential &credential, bool sign_on_pool) {
  weir_tls_credential_options options = {};
  options.sign_on_pool = sign_on_pool;
  weir_tls_credential *result = nullptr;
  EXPECT_EQ(0, weir_tls_credential_create(&result, BytesOf(credential.chain_pem),
                                          BytesOf(credential.key_pem), &options))
      << LastTlsFailure();
  return TlsCredential(result);
}

TlsTrust MakeTlsTrust(const Certificate &root) {
  weir_tls_trust *result = nullptr;
  EXPECT_EQ(0, weir_tls_trust_create(&result, BytesOf(root.Pem()))) << LastTlsFailure();
  return TlsTrust(result);
}

TlsOptions MakeTlsOptions(const Certificate &root, weir_tls_options_builder builder) {
  TlsTrust trust = MakeTlsTrust(root);
  builder.trust = trust.get();
  weir_tls_options *result = nullptr;
  EXPECT_EQ(0, weir_tls_options_build(&result, &builder)) << LastTlsFailure();
  return TlsOptions(result);
}

TlsContext MakeTlsContext(const std::vector<Credential> &credentials,
                          weir_tls_context_builder builder) {
  std::vector<TlsCredential> owned;
  std::vector<weir_tls_credential *> all;
  for (const Credential &credential : credentials) {
    owned.push_back(MakeTlsCredential(credential));
    all.push_back(owned.back().get());
  }
  builder.credentials = all.data();
  builder.credential_count = all.size();
  weir_tls_context *result = nullptr;
  EXPECT_EQ(0, weir_tls_context_build(&result, &builder)) << LastTlsFailure();
  return TlsContext(result);
}

std::string LastTlsFailure() { return weir_tls_last_failure(nullptr)->text; }

}  // namespace weir_testing
