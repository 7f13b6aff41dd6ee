// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/server_name.h"

#include <arpa/inet.h>

enum { NAME_LIMIT = 253, LABEL_LIMIT = 63 };  // RFC 1035, 2.3.4

static bool set_address(weir_internal_tls_name *out, const char *text) {
  unsigned char address[sizeof(struct in6_addr)];
  if (inet_pton(AF_INET, text, address) == 1) {
    return inet_ntop(AF_INET, address, out->text, sizeof out->text) != NULL;
  }
  // The zone of a link-local address says how to get there, and nothing about who is there.
  char plain[INET6_ADDRSTRLEN];
  size_t size = strcspn(text, "%");
  if (size >= sizeof plain) return false;
  memcpy(plain, text, size);
  plain[size] = '\0';
  return inet_pton(AF_INET6, plain, address) == 1 &&
         inet_ntop(AF_INET6, address, out->text, sizeof out->text) != NULL;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }

// Checks the label of |size| characters at |label|.
static const char *check_label(const char *label, size_t size) {
  if (size == 0) return "a part of it is empty";
  if (size > LABEL_LIMIT) return "a part of it has more than 63 characters";
  if (label[0] == '-' || label[size - 1] == '-') return "a part of it begins or ends with '-'";
  for (size_t i = 0; i < size; i++) {
    if ((unsigned char)label[i] >= 0x80) return "it is not in its ASCII form (xn--...)";
    // The underscore is none of the names that hosts may have, but some have it.
    if (!is_letter(label[i]) && !is_digit(label[i]) && label[i] != '-' && label[i] != '_') {
      return "a host name has letters, digits, '-' and '.' only";
    }
  }
  return NULL;
}

// Some resolvers take names whose last label is a number for addresses.
static bool is_number(const char *label) {
  if (label[0] == '0' && label[1] == 'x') return true;
  return label[strspn(label, "0123456789")] == '\0';
}

static const char *check_host(const char *text) {
  const char *label = text;
  for (;;) {
    size_t size = strcspn(label, ".");
    const char *wrong = check_label(label, size);
    if (wrong != NULL) return wrong;
    if (label[size] == '\0') break;
    label += size + 1;
  }
  return is_number(label) ? "it is no address, and a host name does not end with a number" : NULL;
}

const char *weir_internal_tls_name_set(weir_internal_tls_name *out, const char *text) {
  *out = (weir_internal_tls_name){0};
  if (set_address(out, text)) {
    out->is_address = true;
    return NULL;
  }
  size_t size = strlen(text);
  if (size > 0 && text[size - 1] == '.') size--;
  const char *wrong = size == 0 ? "it is empty" : NULL;
  if (size > NAME_LIMIT) wrong = "it has more than 253 characters";
  if (wrong == NULL) {
    for (size_t i = 0; i < size; i++) {
      char c = text[i];
      out->text[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    wrong = check_host(out->text);
  }
  if (wrong != NULL) *out = (weir_internal_tls_name){0};
  return wrong;
}

bool weir_internal_tls_name_matches(const char *pattern, const char *name) {
  if (strcmp(pattern, name) == 0) return true;
  if (strncmp(pattern, "*.", 2) != 0) return false;
  const char *dot = strchr(name, '.');
  return dot != NULL && dot != name && strcmp(pattern + 1, dot) == 0;
}
