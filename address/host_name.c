// SPDX-License-Identifier: Apache-2.0

#include "address/internal/host_name.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_LABEL = 63 };

// isalnum(3) and its like would ask the locale.
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_allowed(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

// The length of |name| without a dot behind.
static size_t length_of(const char *name) {
  size_t length = strlen(name);
  return length > 0 && name[length - 1] == '.' ? length - 1 : length;
}

// The last label of the first |length| characters of |name|; up to |length|.
static const char *last_label(const char *name, size_t length) {
  const char *dot = memrchr(name, '.', length);
  return dot == NULL ? name : dot + 1;
}

// Whether a label is a number as inet_aton(3) takes it: no top-level domain is.
static bool is_number(const char *label, size_t length) {
  bool hexadecimal = length >= 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X');
  for (size_t i = hexadecimal ? 2 : 0; i < length; i++) {
    bool hexadecimal_digit =
        (label[i] >= 'a' && label[i] <= 'f') || (label[i] >= 'A' && label[i] <= 'F');
    if (!is_digit(label[i]) && !(hexadecimal && hexadecimal_digit)) return false;
  }
  return true;
}

bool weir_internal_host_name_is_valid(const char *name) {
  size_t length = length_of(name);
  if (length == 0 || length > WEIR_INTERNAL_LONGEST_HOST_NAME) return false;
  size_t label = 0;
  for (size_t i = 0; i < length; i++) {
    if (name[i] != '.') {
      if (!is_allowed(name[i]) || ++label > LONGEST_LABEL) return false;
      continue;
    }
    if (label == 0) return false;
    label = 0;
  }
  return label > 0 && !is_number(name + length - label, label);
}

bool weir_internal_host_name_ends_in(const char *name, const char *label) {
  size_t length = length_of(name);
  const char *last = last_label(name, length);
  size_t size = (size_t)(name + length - last);
  return size == strlen(label) && strncasecmp(last, label, size) == 0;
}
