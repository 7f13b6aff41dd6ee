// SPDX-License-Identifier: Apache-2.0

#include "testing/tls_meeting.h"

#include <gtest/gtest.h>

#include "testing/expect_coroutine.h"
#include "weir/custom_connection.h"

namespace weir_testing {

weir_connection *NameHost(weir_connection *connection, const char *host) {
  if (host == nullptr) return connection;
  weir_custom_operations operations = {};
  operations.read = [](void *context, void *out, size_t size, bool wait) {
    auto *channel = weir_open_read_channel(static_cast<weir_connection *>(context));
    int count = wait ? weir_read_available(channel, out, size) : weir_read_try(channel, out, size);
    return count == WEIR_E_END_OF_STREAM ? 0 : count;
  };
  operations.write = [](void *context, const void *data, size_t size, bool wait) {
    auto *channel = weir_open_write_channel(static_cast<weir_connection *>(context), true);
    if (!wait) return weir_write_try(channel, data, size);
    int result = weir_write_fully(channel, data, size, nullptr);
    return result < 0 ? result : static_cast<int>(size);
  };
  operations.finish = [](void *context, bool wait) {
    if (!wait) return -EAGAIN;
    auto *channel = weir_open_write_channel(static_cast<weir_connection *>(context), true);
    return weir_write_channel_close(channel);
  };
  operations.release = [](void *context) {
    weir_connection_set_close_timeout(static_cast<weir_connection *>(context), 0);
    weir_connection_close(static_cast<weir_connection *>(context));
  };
  weir_custom_options options = {};
  options.host = host;
  weir_connection *named = nullptr;
  EXPECT_EQ(0, weir_custom_connection(&named, &operations, connection, &options));
  return named;
}

namespace {

std::string TextOrEmpty(const char *text) { return text != nullptr ? text : ""; }

void Describe(weir_connection *connection, TlsEnd *end) {
  weir_tls_information information;
  EXPECT_EQ(0, weir_tls_get_information(connection, &information));
  end->version = information.version;
  end->cipher_suite = TextOrEmpty(information.cipher_suite);
  end->group = TextOrEmpty(information.group);
  end->protocol = TextOrEmpty(information.protocol);
  end->server_name = TextOrEmpty(information.server_name);
  end->resumed = information.resumed;
  for (size_t i = 0; i < information.peer_chain_size; i++) {
    weir_bytes certificate = weir_tls_peer_certificate(connection, i);
    end->peer_chain.emplace_back(certificate.data, certificate.size);
  }
}

int Talk(weir_connection *connection) {
  int result = weir_write_string(weir_open_write_channel(connection, true), ".");
  char byte;
  if (result == 0) result = weir_read_exactly(weir_open_read_channel(connection), &byte, 1);
  return result;
}

// What an end of ours does after |shake_hands|, which returns as weir_tls_client.
TlsEnd Play(weir_connection *connection,
            const std::function<int(weir_connection **)> &shake_hands) {
  TlsEnd end;
  end.handshake = shake_hands(&connection);
  if (end.handshake < 0) {
    EXPECT_EQ(nullptr, connection);
    end.failure = *weir_tls_last_failure(nullptr);
    return end;
  }
  Describe(connection, &end);
  end.talk = Talk(connection);
  end.failure = *weir_tls_last_failure(connection);
  weir_connection_set_close_timeout(connection, WEIR_SECOND);
  weir_connection_close(connection);
  return end;
}

TlsEnd PlayClient(weir_connection *connection, const weir_tls_options *options) {
  return Play(connection, [&](weir_connection **at) { return weir_tls_client(at, options); });
}

TlsEnd PlayServer(weir_connection *connection, const weir_tls_context *context) {
  return Play(connection, [&](weir_connection **at) { return weir_tls_server(at, context); });
}

void Describe(SSL *ssl, BareEnd *end) {
  const uint8_t *protocol = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &protocol, &size);
  end->protocol.assign(reinterpret_cast<const char *>(protocol), size);
  end->server_name = TextOrEmpty(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
  end->version = SSL_version(ssl);
  end->cipher_suite = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl));
  end->signature_algorithm = SSL_get_peer_signature_algorithm(ssl);
  const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
  if (chain == nullptr || sk_CRYPTO_BUFFER_num(chain) == 0) return;
  const CRYPTO_BUFFER *first = sk_CRYPTO_BUFFER_value(chain, 0);
  end->peer_certificate.assign(reinterpret_cast<const char *>(CRYPTO_BUFFER_data(first)),
                               CRYPTO_BUFFER_len(first));
}

BareEnd PlayBare(weir_connection *connection, const BareTlsOptions &options) {
  BareEnd end;
  BareTls bare(connection, options);
  end.handshake = bare.Handshake();
  if (end.handshake == 0) {
    Describe(bare.ssl(), &end);
    std::string got;
    int sent = bare.Write(".");
    end.talk = bare.Read(&got, 1);  // which tells why it could not be sent
    if (end.talk == 0) end.talk = sent;
    if (end.talk == 0) static_cast<void>(bare.Shutdown());  // the other may have left first
  }
  end.alert = bare.alert();
  end.reason = bare.reason();
  return end;
}

// Runs both at once, each over its end of a pipe.
void Both(const std::function<void(weir_connection *)> &near_side,
          const std::function<void(weir_connection *)> &far_side) {
  weir_connection *near = nullptr, *far = nullptr;
  EXPECT_EQ(0, weir_pipe(&near, &far, nullptr));
  weir_job *job = LaunchJob([&far_side, far] {
    far_side(far);
    return 0;
  });
  near_side(near);
  EXPECT_EQ(0, EndOf(job));
}

}  // namespace

TlsMeeting Meet(const weir_tls_options *options, const weir_tls_context *context,
                const char *host) {
  TlsMeeting meeting;
  Both([&](auto *near) { meeting.client = PlayClient(NameHost(near, host), options); },
       [&](auto *far) { meeting.server = PlayServer(far, context); });
  return meeting;
}

TlsEnd MeetBareServer(const weir_tls_options *options, BareTlsOptions server, BareEnd *out_bare,
                      const char *host) {
  TlsEnd client;
  server.is_server = true;
  Both([&](auto *near) { client = PlayClient(NameHost(near, host), options); },
       [&](auto *far) { *out_bare = PlayBare(far, server); });
  return client;
}

TlsEnd MeetBareClient(BareTlsOptions client, const weir_tls_context *context, BareEnd *out_bare) {
  TlsEnd server;
  client.is_server = false;
  Both([&](auto *near) { server = PlayServer(near, context); },
       [&](auto *far) { *out_bare = PlayBare(far, client); });
  return server;
}

}  // namespace weir_testing
