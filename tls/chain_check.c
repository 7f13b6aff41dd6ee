// SPDX-License-Identifier: Apache-2.0
//
// The built-in check of a peer's certificate chain. What X509_verify_cert leaves open is closed
// here: names count in the subjectAltName only, and weak keys and signatures do not.

#include "tls/internal/chain_check.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/internal/certificate.h"

// One check. |words| is why the chain was refused.
typedef struct check {
  X509_STORE_CTX *context;
  STACK_OF(X509) * others;  // all but the first
  X509 *leaf;
  X509 *culprit;  // NULL: not known
  int verify_result;
  int depth;
  const char *words;
} check;

// Parses the chain. Returns 0, -ENOMEM or WEIR_E_TLS_CERTIFICATE.
static int parse(check *self, const STACK_OF(CRYPTO_BUFFER) * chain) {
  self->others = sk_X509_new_null();
  if (self->others == NULL) return -ENOMEM;
  for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++) {
    X509 *certificate = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i));
    if (certificate == NULL) {
      self->verify_result = WEIR_TLS_VERIFY_UNREADABLE;
      self->depth = (int)i;
      self->words = "it cannot be read";
      return ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE ? -ENOMEM
                                                                           : WEIR_E_TLS_CERTIFICATE;
    }
    if (i == 0) {
      self->leaf = certificate;
    } else if (sk_X509_push(self->others, certificate) == 0) {
      X509_free(certificate);
      return -ENOMEM;
    }
  }
  return 0;
}

static bool set_name(X509_VERIFY_PARAM *parameters, const weir_internal_tls_name *name) {
  if (name == NULL || name->text[0] == '\0') return true;
  if (name->is_address) return X509_VERIFY_PARAM_set1_ip_asc(parameters, name->text) == 1;
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(parameters, name->text, strlen(name->text)) == 1;
}

static int prepare(check *self, X509_STORE *roots, bool peer_is_server,
                   const weir_internal_tls_name *name) {
  self->context = X509_STORE_CTX_new();
  if (self->context == NULL ||
      X509_STORE_CTX_init(self->context, roots, self->leaf, self->others) != 1 ||
      X509_STORE_CTX_set_default(self->context, peer_is_server ? "ssl_server" : "ssl_client") !=
          1) {
    return -ENOMEM;
  }
  X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(self->context);
  // Roots are looked for before what the peer has sent, and whatever is trusted ends the chain,
  // whether it has signed itself or not.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
  return set_name(parameters, name) ? 0 : -ENOMEM;
}

// BoringSSL says of several things that there is no issuer. Finds out which it is: the chain ends
// with one who vouches for himself, or goes on with one who may not vouch for others.
static void explain_missing_issuer(check *self) {
  if (self->culprit == NULL) return;
  if (X509_NAME_cmp(X509_get_subject_name(self->culprit), X509_get_issuer_name(self->culprit)) ==
      0) {
    self->verify_result = self->depth == 0 ? X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT
                                           : X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN;
    return;
  }
  for (size_t i = 0; i < sk_X509_num(self->others); i++) {
    X509 *other = sk_X509_value(self->others, i);
    if (X509_check_issued(other, self->culprit) != X509_V_ERR_KEYUSAGE_NO_CERTSIGN) continue;
    self->verify_result = X509_V_ERR_INVALID_CA;
    self->culprit = other;
    self->depth++;
    return;
  }
}

static int verify(check *self) {
  if (X509_verify_cert(self->context) == 1) return 0;
  self->verify_result = X509_STORE_CTX_get_error(self->context);
  self->depth = X509_STORE_CTX_get_error_depth(self->context);
  self->culprit = X509_STORE_CTX_get_current_cert(self->context);
  if (self->verify_result == X509_V_ERR_OUT_OF_MEM) return -ENOMEM;
  if (self->verify_result == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY) {
    explain_missing_issuer(self);
  }
  // It must not pass for accepted, whatever happens.
  if (self->verify_result == X509_V_OK) self->verify_result = X509_V_ERR_UNSPECIFIED;
  self->words = X509_verify_cert_error_string(self->verify_result);
  return WEIR_E_TLS_CERTIFICATE;
}

// Looks at all keys in the chain that was built, and all signatures but that on the root, which
// nobody needs.
static int check_strength(check *self) {
  STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(self->context);
  size_t count = sk_X509_num(built);
  for (size_t i = 0; i < count; i++) {
    X509 *certificate = sk_X509_value(built, i);
    self->depth = (int)i;
    self->culprit = certificate;
    self->words = weir_internal_tls_certificate_weakness(certificate);
    self->verify_result = WEIR_TLS_VERIFY_WEAK_KEY;
    if (self->words != NULL) return WEIR_E_TLS_CERTIFICATE;
    if (i + 1 == count) break;
    self->words = weir_internal_tls_signature_weakness(certificate);
    self->verify_result = WEIR_TLS_VERIFY_WEAK_SIGNATURE;
    if (self->words != NULL) return WEIR_E_TLS_CERTIFICATE;
  }
  return 0;
}

// Fills in |failure| and returns its code.
static int describe(const check *self, weir_tls_failure *failure, uint8_t *out_alert, int result,
                    const weir_internal_tls_name *name) {
  failure->code = result;
  if (result == -ENOMEM) {
    *out_alert = SSL_AD_INTERNAL_ERROR;
    snprintf(failure->text, sizeof failure->text, "no memory to check the peer's certificate");
    return result;
  }
  failure->verify_result = self->verify_result;
  failure->depth = self->depth;
  *out_alert = SSL_AD_BAD_CERTIFICATE;
  if (self->verify_result < WEIR_TLS_VERIFY_WEAK_KEY) {
    *out_alert = (uint8_t)SSL_alert_from_verify_result(self->verify_result);
  }
  X509 *culprit = self->culprit != NULL ? self->culprit : self->leaf;
  char subject[96] = "";
  if (culprit != NULL && self->verify_result != WEIR_TLS_VERIFY_UNREADABLE) {
    weir_internal_tls_certificate_subject(subject, sizeof subject, culprit);
  }
  bool is_name = self->verify_result == X509_V_ERR_HOSTNAME_MISMATCH ||
                 self->verify_result == X509_V_ERR_IP_ADDRESS_MISMATCH;
  snprintf(failure->text, sizeof failure->text,
           "the peer's certificate was refused: %s%s%.80s (number %d of the chain%s%.60s)",
           self->words, is_name ? ": " : "", is_name ? name->text : "", self->depth,
           subject[0] != '\0' ? ", " : "", subject);
  return result;
}

int weir_internal_tls_check_chain(weir_tls_failure *failure, uint8_t *out_alert,
                                  const STACK_OF(CRYPTO_BUFFER) * chain, X509_STORE *roots,
                                  bool peer_is_server, const weir_internal_tls_name *name) {
  check self = {0};
  int result = parse(&self, chain);
  if (result == 0 && self.leaf == NULL) {
    self.verify_result = X509_V_ERR_UNSPECIFIED;
    self.words = "there is none";
    result = WEIR_E_TLS_CERTIFICATE;
  }
  if (result == 0) result = prepare(&self, roots, peer_is_server, name);
  if (result == 0) result = verify(&self);
  if (result == 0) result = check_strength(&self);
  if (result < 0) result = describe(&self, failure, out_alert, result, name);
  X509_STORE_CTX_free(self.context);
  sk_X509_pop_free(self.others, X509_free);
  X509_free(self.leaf);
  ERR_clear_error();
  return result;
}
