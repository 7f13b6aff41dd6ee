// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/credential.h"

#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/x509v3.h>

#include "base/internal/memory.h"
#include "tls/internal/certificate.h"
#include "tls/internal/load.h"
#include "tls/internal/pem.h"
#include "tls/internal/private_key.h"
#include "tls/internal/server_name.h"
#include "tls/internal/settings.h"

enum { FILE_LIMIT = 1024 * 1024 };

// A chain that is being read. |last| is the certificate read last.
typedef struct chain {
  weir_tls_credential *credential;
  X509 *first;
  X509 *last;
} chain;

// Checks |certificate|, number |number| of the chain from 1 on, as everybody does.
static int check_strength(X509 *certificate, size_t number) {
  const char *weakness = weir_internal_tls_certificate_weakness(certificate);
  bool is_root = X509_check_issued(certificate, certificate) == X509_V_OK;
  if (weakness == NULL && !is_root) weakness = weir_internal_tls_signature_weakness(certificate);
  if (weakness == NULL) return 0;
  return weir_internal_tls_fail(WEIR_E_TLS_CHAIN, "nobody accepts certificate %zu: %s", number,
                                weakness);
}

static int check_order(X509 *issuer, X509 *certificate, size_t number) {
  EVP_PKEY *key = X509_get_pubkey(issuer);
  bool fits = key != NULL && X509_check_issued(issuer, certificate) == X509_V_OK &&
              X509_verify(certificate, key) == 1;
  EVP_PKEY_free(key);
  if (fits) return 0;
  return weir_internal_tls_fail(WEIR_E_TLS_CHAIN, "certificate %zu has not signed the one before",
                                number);
}

static int add_certificate(chain *self, const weir_internal_pem_block *block) {
  weir_tls_credential *credential = self->credential;
  size_t number = credential->chain_size + 1;
  if (number > WEIR_INTERNAL_TLS_CHAIN_LIMIT) {
    return weir_internal_tls_fail(WEIR_E_TLS_CHAIN, "there are more than %d certificates",
                                  WEIR_INTERNAL_TLS_CHAIN_LIMIT);
  }
  X509 *certificate;
  int result = weir_internal_tls_certificate_parse(&credential->chain[number - 1], &certificate,
                                                   block->data, block->size);
  if (result < 0) {
    return weir_internal_tls_fail(result, "block %d of the chain, in line %d, is no certificate",
                                  block->number, block->line);
  }
  credential->chain_size = number;
  result = check_strength(certificate, number);
  if (result == 0 && self->last != NULL) result = check_order(certificate, self->last, number);
  if (self->last != self->first) X509_free(self->last);
  self->last = certificate;
  if (self->first == NULL) self->first = certificate;
  return result;
}

static bool belongs_to_key(const weir_internal_pem_block *block) {
  static const char *const labels[] = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
                                       "ENCRYPTED PRIVATE KEY", "EC PARAMETERS"};
  for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
    if (weir_internal_pem_is(block, labels[i])) return true;
  }
  return false;
}

static int read_block(chain *self, const weir_internal_pem_block *block) {
  if (weir_internal_pem_is(block, "CERTIFICATE") && !block->has_headers) {
    return add_certificate(self, block);
  }
  if (belongs_to_key(block)) return 0;
  return weir_internal_tls_fail(
      WEIR_E_TLS_PEM, "block %d of the chain, in line %d, is \"%.*s\" and no certificate",
      block->number, block->line, (int)block->label.size, block->label.data);
}

static int read_chain(chain *self, weir_bytes text) {
  weir_internal_pem_reader reader = weir_internal_pem_begin(text);
  weir_internal_pem_block block;
  int result;
  while ((result = weir_internal_pem_next(&reader, &block)) == 1) {
    result = read_block(self, &block);
    weir_internal_pem_block_release(&block);
    if (result < 0) return result;
  }
  if (result == 0 && self->first == NULL) {
    result = weir_internal_tls_fail(WEIR_E_TLS_CHAIN, "there is no certificate in the chain");
  }
  return result;
}

// Whether the key belongs to the first certificate.
static int check_key(const chain *self) {
  EVP_PKEY *public_key = X509_get_pubkey(self->first);
  int same = public_key != NULL ? EVP_PKEY_cmp(public_key, self->credential->key) : 0;
  EVP_PKEY_free(public_key);
  if (same == 1) return 0;
  return weir_internal_tls_fail(WEIR_E_TLS_KEY,
                                "the private key does not belong to the first certificate");
}

static int fill(weir_tls_credential *credential, weir_bytes chain_text, weir_bytes key_text) {
  chain self = {.credential = credential};
  int result = read_chain(&self, chain_text);
  if (result == 0 && !weir_internal_tls_may_sign(self.first)) {
    result = weir_internal_tls_fail(WEIR_E_TLS_CHAIN,
                                    "nobody accepts certificate 1: its key may not sign");
  }
  if (result == 0) result = weir_internal_tls_private_key_read(&credential->key, key_text);
  if (result == 0) result = check_key(&self);
  if (result == 0) {
    result = weir_internal_tls_certificate_names(&credential->names, self.first);
    if (result < 0) result = weir_internal_tls_fail(result, "no memory for a certificate's names");
  }
  if (self.last != self.first) X509_free(self.last);
  X509_free(self.first);
  ERR_clear_error();
  return result;
}

static void free_credential(weir_tls_credential *credential) {
  for (size_t i = 0; i < credential->chain_size; i++) CRYPTO_BUFFER_free(credential->chain[i]);
  EVP_PKEY_free(credential->key);
  weir_buffer_release(&credential->names);
  weir_internal_release(credential, sizeof *credential);
}

int weir_tls_credential_create(weir_tls_credential **out, weir_bytes chain_text,
                               weir_bytes key_text, const weir_tls_credential_options *options) {
  *out = NULL;
  weir_tls_credential *credential =
      (weir_tls_credential *)weir_internal_allocate(sizeof *credential);
  if (credential == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for a credential");
  atomic_init(&credential->references, 1);
  credential->sign_on_pool = options != NULL && options->sign_on_pool;
  int result = fill(credential, chain_text, key_text);
  if (result < 0) {
    free_credential(credential);
    return result;
  }
  *out = credential;
  return 0;
}

typedef struct loading {
  weir_tls_credential **out;
  const char *chain_path;
  const char *key_path;
  const weir_tls_credential_options *options;
} loading;

static int load(void *argument) {
  loading *self = (loading *)argument;
  weir_buffer chain_text = {0};
  weir_buffer key_text = {0};
  int result = weir_internal_tls_read_file(&chain_text, self->chain_path, FILE_LIMIT);
  if (result == 0) result = weir_internal_tls_read_file(&key_text, self->key_path, FILE_LIMIT);
  if (result == 0) {
    result = weir_tls_credential_create(self->out, weir_buffer_bytes(&chain_text),
                                        weir_buffer_bytes(&key_text), self->options);
  }
  // The key may be in either.
  if (chain_text.data != NULL) OPENSSL_cleanse(chain_text.data, chain_text.size);
  if (key_text.data != NULL) OPENSSL_cleanse(key_text.data, key_text.size);
  weir_buffer_release(&chain_text);
  weir_buffer_release(&key_text);
  return result;
}

int weir_tls_credential_load(weir_tls_credential **out, const char *chain_path,
                             const char *key_path, const weir_tls_credential_options *options) {
  *out = NULL;
  loading self = {out, chain_path, key_path, options};
  return weir_internal_tls_off_loop(load, &self);
}

weir_tls_credential *weir_internal_tls_credential_hold(const weir_tls_credential *credential) {
  // Counting is all that is ever changed in what users share.
  weir_tls_credential *self = (weir_tls_credential *)(uintptr_t)credential;
  if (self != NULL) atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
  return self;
}

void weir_tls_credential_close(weir_tls_credential *credential) {
  if (credential == NULL) return;
  if (atomic_fetch_sub_explicit(&credential->references, 1, memory_order_acq_rel) != 1) return;
  free_credential(credential);
}

bool weir_internal_tls_credential_is_for(const weir_tls_credential *credential, const char *name) {
  const weir_buffer *names = &credential->names;
  for (size_t at = 0; at < names->size; at += strlen(names->data + at) + 1) {
    if (weir_internal_tls_name_matches(names->data + at, name)) return true;
  }
  return false;
}
