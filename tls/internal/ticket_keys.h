// SPDX-License-Identifier: Apache-2.0

#ifndef WEIR_TLS_INTERNAL_TICKET_KEYS_H
#define WEIR_TLS_INTERNAL_TICKET_KEYS_H

#include "weir/tls_context.h"

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_tls_use_ticket_keys has |context|, which is being built, encrypt tickets under
// |keys|, and not under keys of BoringSSL's. Returns 0 or -EINVAL, noted.
WEIR_MUST_USE int weir_internal_tls_use_ticket_keys(weir_tls_context *context,
                                                    const weir_tls_ticket_key *keys, size_t count);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_TICKET_KEYS_H
