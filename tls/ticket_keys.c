// SPDX-License-Identifier: Apache-2.0
//
// Ticket keys of the user's. BoringSSL asks for one for each ticket that it seals or opens.

#include "tls/internal/ticket_keys.h"

#include <openssl/cipher.h>
#include <openssl/digest.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>

#include "tls/internal/common.h"

// What a key consists of: its name, and two keys.
enum { NAME_SIZE = 16, HMAC_KEY = 16, HMAC_KEY_SIZE = 16, CIPHER_KEY = 32 };
// What the callback returns.
enum { FAILED = -1, UNKNOWN = 0, GOOD = 1, GOOD_BUT_OLD = 2 };

static bool have_one_name(const weir_tls_ticket_key *one, const uint8_t *name) {
  return memcmp(one->bytes, name, NAME_SIZE) == 0;
}

// Copies the key of |name|, or the first one without a name. Returns what it is good for.
static int find(weir_tls_context *context, const uint8_t *name, weir_tls_ticket_key *out) {
  int result = UNKNOWN;
  pthread_mutex_lock(&context->mutex);
  for (size_t i = 0; i < context->ticket_key_count && result == UNKNOWN; i++) {
    if (name != NULL && !have_one_name(&context->ticket_keys[i], name)) continue;
    *out = context->ticket_keys[i];
    result = i == 0 ? GOOD : GOOD_BUT_OLD;
  }
  pthread_mutex_unlock(&context->mutex);
  return result;
}

static bool prepare(const weir_tls_ticket_key *key, const uint8_t *iv, EVP_CIPHER_CTX *cipher,
                    HMAC_CTX *hmac, bool seals) {
  return EVP_CipherInit_ex(cipher, EVP_aes_128_cbc(), NULL, key->bytes + CIPHER_KEY, iv, seals) ==
             1 &&
         HMAC_Init_ex(hmac, key->bytes + HMAC_KEY, HMAC_KEY_SIZE, EVP_sha256(), NULL) == 1;
}

static int choose_key(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher, HMAC_CTX *hmac,
                      int seals) {
  weir_internal_tls_common *common = weir_internal_tls_common_of_context(SSL_get_SSL_CTX(ssl));
  weir_tls_context *context = (weir_tls_context *)(void *)common;
  weir_tls_ticket_key key;
  int result = find(context, seals ? NULL : name, &key);
  if (result == UNKNOWN) return result;
  if (seals) {
    memcpy(name, key.bytes, NAME_SIZE);
    RAND_bytes(iv, EVP_CIPHER_iv_length(EVP_aes_128_cbc()));
  }
  if (!prepare(&key, iv, cipher, hmac, seals)) result = FAILED;
  OPENSSL_cleanse(&key, sizeof key);
  return result;
}

static int check(const weir_tls_ticket_key *keys, size_t count) {
  if (count == 0 || keys == NULL) {
    return weir_internal_tls_fail(-EINVAL, "there are no ticket keys");
  }
  if (count > WEIR_TLS_TICKET_KEYS_AT_MOST) {
    return weir_internal_tls_fail(-EINVAL, "there are %zu ticket keys, more than %d", count,
                                  WEIR_TLS_TICKET_KEYS_AT_MOST);
  }
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < i; j++) {
      if (!have_one_name(&keys[j], keys[i].bytes)) continue;
      return weir_internal_tls_fail(-EINVAL, "ticket keys %zu and %zu have the same name", j + 1,
                                    i + 1);
    }
  }
  return 0;
}

static void keep(weir_tls_context *context, const weir_tls_ticket_key *keys, size_t count) {
  pthread_mutex_lock(&context->mutex);
  OPENSSL_cleanse(context->ticket_keys, sizeof context->ticket_keys);
  memcpy(context->ticket_keys, keys, count * sizeof *keys);
  context->ticket_key_count = count;
  pthread_mutex_unlock(&context->mutex);
}

int weir_internal_tls_use_ticket_keys(weir_tls_context *context, const weir_tls_ticket_key *keys,
                                      size_t count) {
  int result = check(keys, count);
  if (result < 0) return result;
  keep(context, keys, count);
  SSL_CTX_set_tlsext_ticket_key_cb(context->common.settings.ssl_context, choose_key);
  return 0;
}

int weir_tls_context_replace_ticket_keys(weir_tls_context *context, const weir_tls_ticket_key *keys,
                                         size_t count) {
  int result = check(keys, count);
  if (result < 0) return result;
  // Who has asked BoringSSL to replace its own goes on with these.
  pthread_mutex_lock(&context->mutex);
  bool has_some = context->ticket_key_count > 0;
  pthread_mutex_unlock(&context->mutex);
  if (!has_some) {
    return weir_internal_tls_fail(-EINVAL, "the context was built without ticket keys");
  }
  keep(context, keys, count);
  return 0;
}
