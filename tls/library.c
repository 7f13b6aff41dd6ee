// SPDX-License-Identifier: Apache-2.0

#include <openssl/base.h>

#include "weir/tls.h"

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

const char *weir_tls_library(void) { return "BoringSSL, API version " TEXT(BORINGSSL_API_VERSION); }
