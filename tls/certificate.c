// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/err.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "tls/internal/failure.h"

enum { LEAST_RSA_BITS = 2048 };

int weir_internal_tls_certificate_parse(CRYPTO_BUFFER **out_buffer, X509 **out, const uint8_t *data,
                                        size_t size) {
  *out = NULL;
  *out_buffer = CRYPTO_BUFFER_new(data, size, NULL);
  if (*out_buffer == NULL) {
    ERR_clear_error();
    return -ENOMEM;
  }
  *out = X509_parse_from_buffer(*out_buffer);
  if (*out != NULL) return 0;
  // Without a reason it was memory.
  bool is_none = ERR_peek_error() != 0;
  int result = weir_internal_tls_lacked_memory() || !is_none ? -ENOMEM : WEIR_E_TLS_CHAIN;
  CRYPTO_BUFFER_free(*out_buffer);
  *out_buffer = NULL;
  return result;
}

static const char *curve_weakness(const EVP_PKEY *key) {
  const EC_KEY *ec_key = EVP_PKEY_get0_EC_KEY(key);
  int curve = ec_key == NULL ? NID_undef : EC_GROUP_get_curve_name(EC_KEY_get0_group(ec_key));
  bool known = curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1;
  return known ? NULL : "its key is on an unknown curve";
}

const char *weir_internal_tls_key_weakness(const EVP_PKEY *key) {
  switch (EVP_PKEY_id(key)) {
    case EVP_PKEY_RSA:
      return EVP_PKEY_bits(key) < LEAST_RSA_BITS ? "its RSA key has less than 2048 bits" : NULL;
    case EVP_PKEY_EC:
      return curve_weakness(key);
    case EVP_PKEY_ED25519:
      return NULL;
    default:
      return "its key is of an unknown kind";
  }
}

const char *weir_internal_tls_certificate_weakness(X509 *certificate) {
  EVP_PKEY *key = X509_get_pubkey(certificate);
  const char *weakness = "its key is of an unknown kind";
  if (key != NULL) weakness = weir_internal_tls_key_weakness(key);
  EVP_PKEY_free(key);
  ERR_clear_error();
  return weakness;
}

bool weir_internal_tls_may_sign(X509 *certificate) {
  // All bits are set where nothing is said.
  return (X509_get_key_usage(certificate) & KU_DIGITAL_SIGNATURE) != 0;
}

// The hash function in the parameters of an RSA-PSS signature (RFC 8017, A.2.3).
static int pss_hash(const ASN1_STRING *parameters) {
  CBS outer, sequence, tagged, algorithm, object;
  CBS_init(&outer, ASN1_STRING_get0_data(parameters), (size_t)ASN1_STRING_length(parameters));
  if (!CBS_get_asn1(&outer, &sequence, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&sequence, &tagged, CBS_ASN1_CONTEXT_SPECIFIC | CBS_ASN1_CONSTRUCTED | 0u) ||
      !CBS_get_asn1(&tagged, &algorithm, CBS_ASN1_SEQUENCE) ||
      !CBS_get_asn1(&algorithm, &object, CBS_ASN1_OBJECT)) {
    return NID_sha1;  // what it is when nothing is said
  }
  return OBJ_cbs2nid(&object);
}

static int signature_hash(X509 *certificate) {
  const ASN1_BIT_STRING *signature = NULL;
  const X509_ALGOR *algorithm = NULL;
  X509_get0_signature(&signature, &algorithm, certificate);
  const ASN1_OBJECT *object = NULL;
  int kind = V_ASN1_UNDEF;
  const void *parameters = NULL;
  X509_ALGOR_get0(&object, &kind, &parameters, algorithm);
  int number = OBJ_obj2nid(object);
  if (number == NID_ED25519) return NID_sha512;
  if (number == NID_rsassaPss) {
    return kind == V_ASN1_SEQUENCE ? pss_hash((const ASN1_STRING *)parameters) : NID_sha1;
  }
  int hash = NID_undef;
  return OBJ_find_sigid_algs(number, &hash, NULL) == 1 ? hash : NID_undef;
}

const char *weir_internal_tls_signature_weakness(X509 *certificate) {
  int hash = signature_hash(certificate);
  ERR_clear_error();
  switch (hash) {
    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
      return NULL;
    case NID_sha1:
      return "it is signed with SHA-1";
    default:
      return "it is signed with an unknown algorithm";
  }
}

// Appends |name| in lower case, and a NUL; not if it is none.
static int append_name(weir_buffer *out, const ASN1_STRING *name) {
  const uint8_t *data = ASN1_STRING_get0_data(name);
  size_t size = (size_t)ASN1_STRING_length(name);
  if (size == 0 || memchr(data, 0, size) != NULL) return 0;
  int result = weir_buffer_reserve(out, size + 1);
  if (result < 0) return result;
  for (size_t i = 0; i < size; i++) {
    char c = (char)data[i];
    out->data[out->size++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
  }
  out->data[out->size++] = '\0';
  return 0;
}

int weir_internal_tls_certificate_names(weir_buffer *out, X509 *certificate) {
  GENERAL_NAMES *names =
      (GENERAL_NAMES *)X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int result = weir_internal_tls_lacked_memory() ? -ENOMEM : 0;
  for (size_t i = 0; names != NULL && result == 0 && i < sk_GENERAL_NAME_num(names); i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) result = append_name(out, name->d.dNSName);
  }
  GENERAL_NAMES_free(names);
  return result;
}

void weir_internal_tls_certificate_subject(char *out, size_t size, X509 *certificate) {
  snprintf(out, size, "?");
  BIO *bio = BIO_new(BIO_s_mem());
  const uint8_t *data = NULL;
  size_t length = 0;
  // This form escapes what is not printable ASCII.
  if (bio != NULL &&
      X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0 &&
      BIO_mem_contents(bio, &data, &length) == 1) {
    snprintf(out, size, "%.*s", (int)length, (const char *)data);
  }
  BIO_free(bio);
  ERR_clear_error();
}
