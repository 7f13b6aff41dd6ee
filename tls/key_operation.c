// SPDX-License-Identifier: Apache-2.0
//
// Which kinds of keys a client can deal with, and signatures that are made on the blocking pool.

#include <openssl/bytestring.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include "base/internal/memory.h"
#include "tls/internal/common.h"
#include "weir/blocking.h"

// What a client says of the keys that it can deal with.

// Whether |list|, 16-bit numbers, contains |number|.
static bool contains(CBS list, uint16_t number) {
  uint16_t found;
  while (CBS_get_u16(&list, &found)) {
    if (found == number) return true;
  }
  return false;
}

// The contents of an extension that begin with their length in |prefix| bytes; empty if there is
// none.
static CBS list_in(const SSL_CLIENT_HELLO *hello, uint16_t extension, int prefix) {
  const uint8_t *data = NULL;
  size_t size = 0;
  CBS list, contents;
  CBS_init(&list, NULL, 0);
  if (SSL_early_callback_ctx_extension_get(hello, extension, &data, &size) != 1) return list;
  CBS_init(&contents, data, size);
  int ok = prefix == 1 ? CBS_get_u8_length_prefixed(&contents, &list)
                       : CBS_get_u16_length_prefixed(&contents, &list);
  if (!ok) CBS_init(&list, NULL, 0);
  return list;
}

static bool contains_any(CBS list, const uint16_t *numbers, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (contains(list, numbers[i])) return true;
  }
  return false;
}

static int curve_of(const EVP_PKEY *key) {
  return EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)));
}

// For TLS 1.3 the kind of the signature is all that counts.
static bool suits_signatures(const EVP_PKEY *key, CBS signatures, bool is_tls13) {
  static const uint16_t rsa[] = {SSL_SIGN_RSA_PSS_RSAE_SHA256, SSL_SIGN_RSA_PSS_RSAE_SHA384,
                                 SSL_SIGN_RSA_PSS_RSAE_SHA512, SSL_SIGN_RSA_PKCS1_SHA256,
                                 SSL_SIGN_RSA_PKCS1_SHA384,    SSL_SIGN_RSA_PKCS1_SHA512};
  enum { PSS = 3, RSA_ALL = 6 };
  static const uint16_t ecdsa[] = {SSL_SIGN_ECDSA_SECP256R1_SHA256,
                                   SSL_SIGN_ECDSA_SECP384R1_SHA384};
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
      return contains_any(signatures, rsa, is_tls13 ? PSS : RSA_ALL);
    case EVP_PKEY_ED25519:
      return contains(signatures, SSL_SIGN_ED25519);
    default:
      if (!is_tls13) return contains_any(signatures, ecdsa, 2);
      return contains(signatures, ecdsa[curve_of(key) == NID_secp384r1 ? 1 : 0]);
  }
}

// In TLS 1.2 the suite says of what kind the key is, and the groups say on what curve.
static bool suits_suites(const EVP_PKEY *key, const SSL_CLIENT_HELLO *hello) {
  static const uint16_t with_rsa[] = {0xC02F, 0xC030, 0xCCA8};    // RFC 5289, RFC 7905
  static const uint16_t with_ecdsa[] = {0xC02B, 0xC02C, 0xCCA9};  // Ed25519, too: RFC 8422
  CBS suites;
  CBS_init(&suites, hello->cipher_suites, hello->cipher_suites_len);
  if (EVP_PKEY_id(key) == EVP_PKEY_RSA) return contains_any(suites, with_rsa, 3);
  if (!contains_any(suites, with_ecdsa, 3)) return false;
  if (EVP_PKEY_id(key) != EVP_PKEY_EC) return true;
  CBS groups = list_in(hello, TLSEXT_TYPE_supported_groups, 2);
  return contains(groups,
                  curve_of(key) == NID_secp384r1 ? SSL_CURVE_SECP384R1 : SSL_CURVE_SECP256R1);
}

bool weir_internal_tls_credential_suits(const weir_tls_credential *credential,
                                        const SSL_CLIENT_HELLO *hello, int max_version) {
  CBS versions = list_in(hello, TLSEXT_TYPE_supported_versions, 1);
  bool is_tls13 = max_version >= TLS1_3_VERSION && contains(versions, TLS1_3_VERSION);
  CBS signatures = list_in(hello, TLSEXT_TYPE_signature_algorithms, 2);
  return suits_signatures(credential->key, signatures, is_tls13) &&
         (is_tls13 || suits_suites(credential->key, hello));
}

// Signatures on the pool

// Signs |signature| with |key|. Returns 0, -ENOMEM or WEIR_E_TLS_LIBRARY.
static int make_signature(weir_internal_tls_signature *signature, EVP_PKEY *key) {
  EVP_MD_CTX context;
  EVP_MD_CTX_init(&context);
  EVP_PKEY_CTX *parameters = NULL;
  const EVP_MD *digest = SSL_get_signature_algorithm_digest(signature->algorithm);
  bool is_pss = SSL_is_signature_algorithm_rsa_pss(signature->algorithm) == 1;
  signature->output_size = signature->output_capacity;
  bool ok = EVP_DigestSignInit(&context, &parameters, digest, NULL, key) == 1 &&
            (!is_pss || (EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                         EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, -1) == 1)) &&
            EVP_DigestSign(&context, signature->output, &signature->output_size, signature->input,
                           signature->input_size) == 1;
  EVP_MD_CTX_cleanup(&context);
  bool lacked_memory = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
  ERR_clear_error();
  if (ok) return 0;
  return lacked_memory ? -ENOMEM : WEIR_E_TLS_LIBRARY;
}

static int make_signature_of_state(void *argument) {
  weir_internal_tls_state *state = (weir_internal_tls_state *)argument;
  return make_signature(&state->signature, state->credential->key);
}

static int sign_on_pool(weir_internal_tls_handshake *handshake) {
  weir_internal_tls_state *state = weir_internal_tls_state_of(handshake);
  int result = weir_blocking(make_signature_of_state, state);
  // Without a thread it has to be done here.
  if (result == -EAGAIN) result = make_signature_of_state(state);
  if (result == 0) return 0;
  return weir_internal_tls_refuse(handshake, result, "the signature could not be made: %s",
                                  weir_error_message(result));
}

static enum ssl_private_key_result_t sign(SSL *ssl, uint8_t *out, size_t *out_size, size_t max_out,
                                          uint16_t algorithm, const uint8_t *input,
                                          size_t input_size) {
  (void)out;
  (void)out_size;
  weir_internal_tls_handshake *handshake = weir_internal_tls_handshake_of(ssl);
  if (handshake == NULL) return ssl_private_key_failure;
  weir_internal_tls_signature *signature = &weir_internal_tls_state_of(handshake)->signature;
  weir_internal_tls_signature_release(signature);
  signature->input = (uint8_t *)weir_internal_allocate_unset(input_size);
  signature->output = (uint8_t *)weir_internal_allocate_unset(max_out);
  signature->input_size = input_size;
  signature->output_capacity = max_out;
  if (signature->input == NULL || signature->output == NULL) {
    weir_internal_tls_refuse(handshake, -ENOMEM, "no memory for a signature");
    return ssl_private_key_failure;
  }
  memcpy(signature->input, input, input_size);
  signature->algorithm = algorithm;
  handshake->task = sign_on_pool;
  return ssl_private_key_retry;
}

// Only the key exchange by RSA needs it, which is not offered.
static enum ssl_private_key_result_t decrypt(SSL *ssl, uint8_t *out, size_t *out_size,
                                             size_t max_out, const uint8_t *input,
                                             size_t input_size) {
  (void)ssl;
  (void)out;
  (void)out_size;
  (void)max_out;
  (void)input;
  (void)input_size;
  return ssl_private_key_failure;
}

static enum ssl_private_key_result_t complete(SSL *ssl, uint8_t *out, size_t *out_size,
                                              size_t max_out) {
  weir_internal_tls_handshake *handshake = weir_internal_tls_handshake_of(ssl);
  if (handshake == NULL) return ssl_private_key_failure;
  const weir_internal_tls_signature *signature = &weir_internal_tls_state_of(handshake)->signature;
  if (signature->output_size == 0 || signature->output_size > max_out) {
    return ssl_private_key_failure;
  }
  memcpy(out, signature->output, signature->output_size);
  *out_size = signature->output_size;
  return ssl_private_key_success;
}

void weir_internal_tls_signature_release(weir_internal_tls_signature *signature) {
  weir_internal_release(signature->input, signature->input_size);
  weir_internal_release(signature->output, signature->output_capacity);
  *signature = (weir_internal_tls_signature){0};
}

int weir_internal_tls_credential_use(SSL *ssl, const weir_tls_credential *credential) {
  static const SSL_PRIVATE_KEY_METHOD on_pool = {sign, decrypt, complete};
  int ok = SSL_set_chain_and_key(ssl, credential->chain, credential->chain_size,
                                 credential->sign_on_pool ? NULL : credential->key,
                                 credential->sign_on_pool ? &on_pool : NULL);
  ERR_clear_error();
  // All else was checked when the credential was made.
  return ok == 1 ? 0 : -ENOMEM;
}
