// SPDX-License-Identifier: Apache-2.0

#include "testing/record_forger.h"

#include <gtest/gtest.h>
#include <openssl/digest.h>
#include <openssl/hkdf.h>

#include "testing/expect_coroutine.h"

namespace weir_testing {

namespace {

constexpr size_t kKeySize = 16;
constexpr size_t kIvSize = 12;
constexpr size_t kTagSize = 16;

const uint8_t *Bytes(const std::string &text) {
  return reinterpret_cast<const uint8_t *>(text.data());
}
uint8_t *Bytes(std::string *text) { return reinterpret_cast<uint8_t *>(&(*text)[0]); }

// HKDF-Expand-Label without a context (RFC 8446, 7.1).
std::string ExpandLabel(const std::string &secret, const std::string &label, size_t size) {
  const std::string full = "tls13 " + label;
  std::string info = {'\0', static_cast<char>(size), static_cast<char>(full.size())};
  info += full + '\0';
  std::string out(size, '\0');
  EXPECT_EQ(1, HKDF_expand(Bytes(&out), size, EVP_sha256(), Bytes(secret), secret.size(),
                           Bytes(info), info.size()));
  return out;
}

std::string FromHex(const std::string &hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

// Where the key log of the only handshake at a time leaves the secret.
thread_local std::string *current_secret = nullptr;

void LogKey(const SSL *, const char *line) {
  const std::string text = line;
  const std::string label = "SERVER_TRAFFIC_SECRET_0 ";
  if (text.compare(0, label.size(), label) != 0) return;
  *current_secret = FromHex(text.substr(text.rfind(' ') + 1));
}

}  // namespace

RecordForger::RecordForger(const std::string &secret) : iv_(ExpandLabel(secret, "iv", kIvSize)) {
  const std::string key = ExpandLabel(secret, "key", kKeySize);
  EXPECT_EQ(1, EVP_AEAD_CTX_init(aead_.get(), EVP_aead_aes_128_gcm(), Bytes(key), key.size(),
                                 kTagSize, nullptr));
}

std::string RecordForger::Seal(uint8_t type, const std::string &content) {
  const std::string inner = content + static_cast<char>(type);
  const size_t size = inner.size() + kTagSize;
  std::string record = {kDataRecord, 3, 3, static_cast<char>(size >> 8), static_cast<char>(size)};
  std::string nonce = iv_;
  for (size_t i = 0; i < sizeof sequence_; i++) {
    const char byte = static_cast<char>(sequence_ >> (8 * i));
    char &at = nonce[kIvSize - 1 - i];
    at = static_cast<char>(at ^ byte);
  }
  sequence_++;
  std::string sealed(size, '\0');
  size_t done = 0;
  EXPECT_EQ(1,
            EVP_AEAD_CTX_seal(aead_.get(), Bytes(&sealed), &done, size, Bytes(nonce), nonce.size(),
                              Bytes(inner), inner.size(), Bytes(record), record.size()));
  EXPECT_EQ(size, done);
  return record + sealed;
}

std::string NewSessionTicket(uint8_t number) {
  // Lifetime, age, nonce, ticket, no extensions.
  const std::string body = {0, 0, 1,   0,   0,   0,   0, 1, 1, static_cast<char>(number),
                            0, 4, 't', 'i', 'c', 'k', 0, 0};
  return std::string{4, 0, 0, static_cast<char>(body.size())} + body;
}

ForgingServer::ForgingServer(const SecureWorld &world, Wire wire, weir_connection **client)
    : credential_(SecureWorld::authority().Make(Defect::kNone, Role::kServer)) {
  SecurePair pair = MakeWire(wire);
  *client = pair.near;
  BareTlsOptions options;
  options.is_server = true;
  options.credential = &credential_;
  options.min_version = options.max_version = TLS1_3_VERSION;
  options.tune_context = [](SSL_CTX *context) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_keylog_callback(context, LogKey);
  };
  weir_connection *far = pair.far;
  weir_job *server = LaunchJob([this, far, &options] {
    current_secret = &secret_;
    bare_ = std::make_unique<BareTls>(far, options);
    return bare_->Handshake();
  });
  EXPECT_EQ(0, weir_tls_client(client, world.options())) << LastTlsFailure();
  EXPECT_EQ(0, EndOf(server)) << bare_->reason();
  EXPECT_EQ(32u, secret_.size());
  forger_ = std::make_unique<RecordForger>(secret_);
}

void RunWithForgingServer(Wire wire,
                          const std::function<void(ForgingServer *, weir_connection *)> &body) {
  SecureWorld world;
  ExpectRun([&] {
    weir_connection *client = nullptr;
    {
      ForgingServer server(world, wire, &client);
      body(&server, client);
      weir_connection_abort(client);
      weir_connection_set_close_timeout(client, 0);
      weir_connection_close(client);
    }
    return 0;
  });
}

}  // namespace weir_testing
