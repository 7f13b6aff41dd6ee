// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/trust.h"

#include <openssl/err.h>

#include "base/internal/memory.h"
#include "tls/internal/certificate.h"
#include "tls/internal/load.h"
#include "tls/internal/pem.h"
#include "tls/internal/settings.h"

static int add(weir_tls_trust *trust, const weir_internal_pem_block *block, bool lenient) {
  CRYPTO_BUFFER *buffer;
  X509 *certificate;
  int result = weir_internal_tls_certificate_parse(&buffer, &certificate, block->data, block->size);
  if (result == WEIR_E_TLS_CHAIN && lenient) return 0;
  if (result < 0) {
    return weir_internal_tls_fail(result, "block %d of the roots, in line %d, is no certificate",
                                  block->number, block->line);
  }
  // The same one twice is all right.
  int added = X509_STORE_add_cert(trust->store, certificate);
  if (added != 1 && ERR_GET_REASON(ERR_peek_last_error()) == X509_R_CERT_ALREADY_IN_HASH_TABLE) {
    added = 1;
  }
  X509_free(certificate);
  CRYPTO_BUFFER_free(buffer);
  if (added != 1) return weir_internal_tls_fail(-ENOMEM, "no memory for a root certificate");
  ERR_clear_error();
  trust->count++;
  return 0;
}

static int add_all(weir_tls_trust *trust, weir_bytes roots, bool lenient) {
  weir_internal_pem_reader reader = weir_internal_pem_begin(roots);
  weir_internal_pem_block block;
  int result;
  while ((result = weir_internal_pem_next(&reader, &block)) == 1) {
    if (weir_internal_pem_is(&block, "CERTIFICATE") && !block.has_headers) {
      result = add(trust, &block, lenient);
    } else if (!lenient) {
      result =
          weir_internal_tls_fail(WEIR_E_TLS_PEM,
                                 "block %d of the roots, in line %d, is \"%.*s\" and not "
                                 "\"CERTIFICATE\"",
                                 block.number, block.line, (int)block.label.size, block.label.data);
    }
    weir_internal_pem_block_release(&block);
    if (result < 0) break;
  }
  return result;
}

int weir_internal_tls_trust_fill(weir_tls_trust *trust, weir_bytes roots, bool lenient) {
  trust->store = X509_STORE_new();
  if (trust->store == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for roots");
  int result = add_all(trust, roots, lenient);
  if (result == 0 && trust->count == 0) {
    result = weir_internal_tls_fail(WEIR_E_TLS_NO_ROOTS, "there is no certificate in the roots");
  }
  if (result < 0) {
    X509_STORE_free(trust->store);
    *trust = (weir_tls_trust){0};
    return result;
  }
  atomic_init(&trust->references, 1);
  return 0;
}

int weir_tls_trust_create(weir_tls_trust **out, weir_bytes roots) {
  *out = NULL;
  weir_tls_trust *trust = (weir_tls_trust *)weir_internal_allocate(sizeof *trust);
  if (trust == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for roots");
  int result = weir_internal_tls_trust_fill(trust, roots, false);
  if (result < 0) {
    weir_internal_release(trust, sizeof *trust);
    return result;
  }
  *out = trust;
  return 0;
}

typedef struct loading {
  weir_tls_trust **out;
  const char *path;
} loading;

static int load(void *argument) {
  loading *self = (loading *)argument;
  weir_buffer text = {0};
  int result = weir_internal_tls_read_file(&text, self->path, WEIR_INTERNAL_TLS_ROOTS_LIMIT);
  if (result == 0) result = weir_tls_trust_create(self->out, weir_buffer_bytes(&text));
  weir_buffer_release(&text);
  return result;
}

int weir_tls_trust_load(weir_tls_trust **out, const char *path) {
  *out = NULL;
  loading self = {.out = out, .path = path};
  return weir_internal_tls_off_loop(load, &self);
}

weir_tls_trust *weir_internal_tls_trust_hold(const weir_tls_trust *trust) {
  // Counting is all that is ever changed in what users share.
  weir_tls_trust *self = (weir_tls_trust *)(uintptr_t)trust;
  if (self != NULL) atomic_fetch_add_explicit(&self->references, 1, memory_order_relaxed);
  return self;
}

void weir_tls_trust_close(weir_tls_trust *trust) {
  if (trust == NULL) return;
  if (atomic_fetch_sub_explicit(&trust->references, 1, memory_order_acq_rel) != 1) return;
  X509_STORE_free(trust->store);
  weir_internal_release(trust, sizeof *trust);
}
