// SPDX-License-Identifier: Apache-2.0
//
// Records of TLS 1.3 (TLS_AES_128_GCM_SHA256) with any content that is valid for the cryptography
// and not for much else: made of a traffic secret, as a key log tells it.

#ifndef WEIR_TESTING_RECORD_FORGER_H
#define WEIR_TESTING_RECORD_FORGER_H

#include <openssl/aead.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "testing/bare_tls.h"
#include "testing/secure_pair.h"

namespace weir_testing {

enum : uint8_t { kAlertRecord = 21, kHandshakeRecord = 22, kDataRecord = 23 };

class RecordForger {
 public:
  // |secret| is a *_TRAFFIC_SECRET_0, under which nothing has been sent yet.
  explicit RecordForger(const std::string &secret);

  // The next record, with |content| of |type| inside.
  std::string Seal(uint8_t type, const std::string &content);

 private:
  bssl::ScopedEVP_AEAD_CTX aead_;
  std::string iv_;
  uint64_t sequence_ = 0;
};

// A NewSessionTicket message (RFC 8446, 4.6.1).
std::string NewSessionTicket(uint8_t number);

// A server that after the handshake sends what it likes, to a client of ours.
class ForgingServer {
 public:
  // Makes |*client| secure, over |wire|, with the options of |world|.
  ForgingServer(const SecureWorld &world, Wire wire, weir_connection **client);

  std::string Seal(uint8_t type, const std::string &content) {
    return forger_->Seal(type, content);
  }
  weir_connection *connection() { return bare_->connection(); }
  BareTls *bare() { return bare_.get(); }

 private:
  Credential credential_;
  std::string secret_;
  std::unique_ptr<BareTls> bare_;
  std::unique_ptr<RecordForger> forger_;
};

// Runs |body| with such a server and its client, whom it aborts in the end.
void RunWithForgingServer(Wire wire,
                          const std::function<void(ForgingServer *, weir_connection *)> &body);

}  // namespace weir_testing

#endif  // WEIR_TESTING_RECORD_FORGER_H
