// SPDX-License-Identifier: Apache-2.0

#include "fuzz/fail.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace weir_fuzz {

void Fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("fuzz: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

}  // namespace weir_fuzz
