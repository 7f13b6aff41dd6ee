// SPDX-License-Identifier: Apache-2.0

#include "testing/bare_tls.h"

#include <gtest/gtest.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

namespace weir_testing {

namespace {

// All that BoringSSL can, so that nothing fails on this side.
constexpr uint16_t kSignatureAlgorithms[] = {
    SSL_SIGN_ED25519,
    SSL_SIGN_ECDSA_SECP256R1_SHA256,
    SSL_SIGN_ECDSA_SECP384R1_SHA384,
    SSL_SIGN_RSA_PSS_RSAE_SHA256,
    SSL_SIGN_RSA_PKCS1_SHA256,
};

void UseCredential(SSL_CTX *context, const Credential &credential) {
  bssl::UniquePtr<BIO> bio(
      BIO_new_mem_buf(credential.chain_pem.data(), static_cast<int>(credential.chain_pem.size())));
  bool is_first = true;
  for (;;) {
    bssl::UniquePtr<X509> next(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (!next) break;
    EXPECT_EQ(1, is_first ? SSL_CTX_use_certificate(context, next.get())
                          : SSL_CTX_add1_chain_cert(context, next.get()));
    is_first = false;
  }
  ERR_clear_error();
  EXPECT_EQ(1, SSL_CTX_use_PrivateKey(context, credential.leaf.key()));
}

}  // namespace

BareTls::BareTls(weir_connection *connection, const BareTlsOptions &options)
    : connection_(connection), context_(SSL_CTX_new(TLS_method())) {
  SSL_CTX *context = context_.get();
  constexpr size_t count = sizeof kSignatureAlgorithms / sizeof kSignatureAlgorithms[0];
  EXPECT_EQ(1, SSL_CTX_set_verify_algorithm_prefs(context, kSignatureAlgorithms, count));
  if (options.min_version != 0) SSL_CTX_set_min_proto_version(context, options.min_version);
  if (options.max_version != 0) SSL_CTX_set_max_proto_version(context, options.max_version);
  if (options.credential != nullptr) UseCredential(context, *options.credential);
  if (options.tune_context) options.tune_context(context);
  ssl_.reset(SSL_new(context));
  input_ = BIO_new(BIO_s_mem());
  output_ = BIO_new(BIO_s_mem());
  BIO_set_mem_eof_return(input_, -1);
  SSL_set_bio(ssl(), input_, output_);
  SSL_set_app_data(ssl(), reinterpret_cast<char *>(this));
  SSL_set_info_callback(ssl(), Note);
  if (options.is_server) {
    SSL_set_accept_state(ssl());
  } else {
    SSL_set_connect_state(ssl());
  }
  if (options.tune) options.tune(ssl());
}

BareTls::~BareTls() { weir_connection_close(connection_); }

void BareTls::Note(const SSL *ssl, int kind, int value) {
  constexpr int kFatal = 2 << 8;
  auto *self = reinterpret_cast<BareTls *>(SSL_get_app_data(ssl));
  if (kind == SSL_CB_READ_ALERT && (value & kFatal) != 0) self->alert_ = value & 0xff;
}

int BareTls::Receive() {
  char buffer[4096];
  int count = weir_read_available(weir_open_read_channel(connection_), buffer, sizeof buffer);
  if (count > 0) {
    EXPECT_EQ(count, BIO_write(input_, buffer, count));
  }
  return count > 0 ? 0 : count;
}

int BareTls::Send() {
  const uint8_t *data = nullptr;
  size_t size = 0;
  EXPECT_EQ(1, BIO_mem_contents(output_, &data, &size));
  const std::string flight(reinterpret_cast<const char *>(data), size);
  EXPECT_EQ(1, BIO_reset(output_));
  weir_write_channel *channel = weir_open_write_channel(connection_, false);
  int result = 0;
  if (!flight.empty()) result = weir_write_fully(channel, flight.data(), flight.size(), nullptr);
  return result < 0 ? result : weir_flush(channel);
}

int BareTls::Run(const std::function<int()> &call) {
  for (;;) {
    ERR_clear_error();
    int result = call();
    int error = SSL_get_error(ssl(), result);
    uint32_t why = ERR_peek_last_error();
    if (result <= 0 && error == SSL_ERROR_SSL) reason_ = ERR_reason_error_string(why);
    ERR_clear_error();
    int sent = Send();
    if (result > 0) return sent < 0 ? sent : result;
    if (error != SSL_ERROR_WANT_READ) return -1;
    int received = Receive();
    if (received < 0) return received;
  }
}

int BareTls::Handshake() {
  int result = Run([this] { return SSL_do_handshake(ssl()); });
  return result < 0 ? result : 0;
}

int BareTls::Read(std::string *out, size_t size) {
  while (size > 0) {
    char buffer[4096];
    const size_t most = size < sizeof buffer ? size : sizeof buffer;
    int count = Run([&] { return SSL_read(ssl(), buffer, static_cast<int>(most)); });
    if (count < 0) return count;
    out->append(buffer, static_cast<size_t>(count));
    size -= static_cast<size_t>(count);
  }
  return 0;
}

int BareTls::Write(std::string_view data) {
  int result = Run([&] { return SSL_write(ssl(), data.data(), static_cast<int>(data.size())); });
  return result < 0 ? result : 0;
}

int BareTls::Shutdown() {
  ERR_clear_error();
  int result = SSL_shutdown(ssl());
  ERR_clear_error();
  return result < 0 ? result : Send();
}

}  // namespace weir_testing
