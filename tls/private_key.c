// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/private_key.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/nid.h>
#include <openssl/rsa.h>

#include "tls/internal/certificate.h"
#include "tls/internal/pem.h"
#include "tls/internal/settings.h"

// The forms that keys have (RFC 5208, RFC 8017 A.1.2, RFC 5915). Each returns NULL if |data| is not
// one as a whole.

static EVP_PKEY *parse_pkcs8(CBS *data) {
  EVP_PKEY *key = EVP_parse_private_key(data);
  if (key == NULL || CBS_len(data) == 0) return key;
  EVP_PKEY_free(key);
  return NULL;
}

static EVP_PKEY *parse_rsa(CBS *data) {
  RSA *rsa = RSA_parse_private_key(data);
  EVP_PKEY *key = EVP_PKEY_new();
  if (rsa == NULL || key == NULL || CBS_len(data) != 0 || EVP_PKEY_set1_RSA(key, rsa) != 1) {
    EVP_PKEY_free(key);
    key = NULL;
  }
  RSA_free(rsa);
  return key;
}

static EVP_PKEY *parse_ec(CBS *data) {
  EC_KEY *ec_key = EC_KEY_parse_private_key(data, NULL);
  EVP_PKEY *key = EVP_PKEY_new();
  if (ec_key == NULL || key == NULL || CBS_len(data) != 0 ||
      EVP_PKEY_set1_EC_KEY(key, ec_key) != 1) {
    EVP_PKEY_free(key);
    key = NULL;
  }
  EC_KEY_free(ec_key);
  return key;
}

static const struct {
  const char *label;
  EVP_PKEY *(*parse)(CBS *data);
} forms[] = {
    {"PRIVATE KEY", parse_pkcs8},
    {"RSA PRIVATE KEY", parse_rsa},
    {"EC PRIVATE KEY", parse_ec},
};
enum { FORM_COUNT = sizeof forms / sizeof forms[0] };

static int read_key(EVP_PKEY **out, const weir_internal_pem_block *block, size_t form) {
  if (*out != NULL) {
    return weir_internal_tls_fail(WEIR_E_TLS_KEY, "there is more than one private key");
  }
  if (block->has_headers) {
    return weir_internal_tls_fail(WEIR_E_TLS_KEY, "the private key is encrypted");
  }
  CBS data;
  CBS_init(&data, block->data, block->size);
  *out = forms[form].parse(&data);
  if (*out != NULL) return 0;
  return weir_internal_tls_fail(WEIR_E_TLS_KEY,
                                "the private key, in line %d, cannot be read, or is of a kind "
                                "that is not supported",
                                block->line);
}

static int read_block(EVP_PKEY **out, const weir_internal_pem_block *block) {
  for (size_t i = 0; i < FORM_COUNT; i++) {
    if (weir_internal_pem_is(block, forms[i].label)) return read_key(out, block, i);
  }
  if (weir_internal_pem_is(block, "ENCRYPTED PRIVATE KEY")) {
    return weir_internal_tls_fail(WEIR_E_TLS_KEY, "the private key is encrypted");
  }
  // What comes with keys: the chain, and what the openssl command puts before EC keys.
  if (weir_internal_pem_is(block, "CERTIFICATE") || weir_internal_pem_is(block, "EC PARAMETERS")) {
    return 0;
  }
  return weir_internal_tls_fail(WEIR_E_TLS_PEM, "block %d, in line %d, is \"%.*s\" and no key",
                                block->number, block->line, (int)block->label.size,
                                block->label.data);
}

static bool is_on_p521(const EVP_PKEY *key) {
  if (EVP_PKEY_id(key) != EVP_PKEY_EC) return false;
  const EC_KEY *ec_key = EVP_PKEY_get0_EC_KEY(key);
  return EC_GROUP_get_curve_name(EC_KEY_get0_group(ec_key)) == NID_secp521r1;
}

static const char *find_fault(const EVP_PKEY *key) {
  return is_on_p521(key) ? "it is on P-521, which few peers accept"
                         : weir_internal_tls_key_weakness(key);
}

int weir_internal_tls_private_key_read(EVP_PKEY **out, weir_bytes text) {
  *out = NULL;
  weir_internal_pem_reader reader = weir_internal_pem_begin(text);
  weir_internal_pem_block block;
  int result;
  while ((result = weir_internal_pem_next(&reader, &block)) == 1) {
    result = read_block(out, &block);
    weir_internal_pem_block_release(&block);
    if (result < 0) break;
  }
  if (result == 0 && *out == NULL) {
    result = weir_internal_tls_fail(WEIR_E_TLS_KEY, "there is no private key in the text");
  }
  if (result == 0) {
    const char *fault = find_fault(*out);
    if (fault != NULL) {
      result = weir_internal_tls_fail(WEIR_E_TLS_KEY, "the private key cannot be used: %s", fault);
    }
  }
  if (result < 0) {
    EVP_PKEY_free(*out);
    *out = NULL;
  }
  return result;
}
