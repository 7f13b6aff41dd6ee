// SPDX-License-Identifier: Apache-2.0
//
// What TLS is made of, for tests: owned, and made in one line of what testing/certificates.h makes.
// The functions expect success.

#ifndef WEIR_TESTING_TLS_THINGS_H
#define WEIR_TESTING_TLS_THINGS_H

#include <memory>
#include <string>
#include <vector>

#include "testing/certificates.h"
#include "weir/tls.h"

namespace weir_testing {

struct TlsCloser {
  void operator()(weir_tls_credential *credential) const { weir_tls_credential_close(credential); }
  void operator()(weir_tls_trust *trust) const { weir_tls_trust_close(trust); }
  void operator()(weir_tls_options *options) const { weir_tls_options_close(options); }
  void operator()(weir_tls_context *context) const { weir_tls_context_close(context); }
};
using TlsCredential = std::unique_ptr<weir_tls_credential, TlsCloser>;
using TlsTrust = std::unique_ptr<weir_tls_trust, TlsCloser>;
using TlsOptions = std::unique_ptr<weir_tls_options, TlsCloser>;
using TlsContext = std::unique_ptr<weir_tls_context, TlsCloser>;

// What was made by testing/certificates.h, as the library has it: who one is, and whom one trusts.
TlsCredential MakeTlsCredential(const Credential &credential, bool sign_on_pool = false);
TlsTrust MakeTlsTrust(const Certificate &root);

// Options of clients that trust |root|, and otherwise are as the |builder|.
TlsOptions MakeTlsOptions(const Certificate &root, weir_tls_options_builder builder = {});

// A context with |credentials|, and otherwise as the |builder|.
TlsContext MakeTlsContext(const std::vector<Credential> &credentials,
                          weir_tls_context_builder builder = {});

// What is known of the last failure outside of any connection.
std::string LastTlsFailure();

}  // namespace weir_testing

#endif  // WEIR_TESTING_TLS_THINGS_H
