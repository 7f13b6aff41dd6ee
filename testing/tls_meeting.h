// SPDX-License-Identifier: Apache-2.0
//
// Handshakes over a pipe, and what each end knows afterwards. Each end then sends a byte and reads
// one, so that what a handshake leaves to be sent or learned later has been, and closes.

#ifndef WEIR_TESTING_TLS_MEETING_H
#define WEIR_TESTING_TLS_MEETING_H

#include <functional>
#include <string>
#include <vector>

#include "testing/bare_tls.h"
#include "testing/tls_things.h"
#include "weir/tls.h"

namespace weir_testing {

// One of our ends. The fields behind |failure| are filled in if the handshake succeeded.
struct TlsEnd {
  int handshake = 0;
  int talk = 0;  // how sending and reading a byte ended
  weir_tls_failure failure = {};
  int version = 0;
  std::string cipher_suite, group, protocol, server_name;
  bool resumed = false;
  std::vector<std::string> peer_chain;
};

// A bare one.
struct BareEnd {
  int handshake = 0;
  int talk = 0;
  int alert = -1;
  std::string reason;
  std::string protocol, server_name, cipher_suite;
  int version = 0;
  uint16_t signature_algorithm = 0;  // of the peer
  std::string peer_certificate;      // DER
};

struct TlsMeeting {
  TlsEnd client;
  TlsEnd server;
};

// Returns |connection| under the name of a host, which pipes do not have; NULL is none.
weir_connection *NameHost(weir_connection *connection, const char *host);

// Has |options| meet |context|, in a coroutine. |host| is that of the client's connection.
TlsMeeting Meet(const weir_tls_options *options, const weir_tls_context *context,
                const char *host = nullptr);

// The same with a bare end on one side, in *out_bare. That one is in a coroutine of its own.
TlsEnd MeetBareServer(const weir_tls_options *options, BareTlsOptions server, BareEnd *out_bare,
                      const char *host = nullptr);
TlsEnd MeetBareClient(BareTlsOptions client, const weir_tls_context *context, BareEnd *out_bare);

}  // namespace weir_testing

#endif  // WEIR_TESTING_TLS_MEETING_H
