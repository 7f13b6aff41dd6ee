// SPDX-License-Identifier: Apache-2.0
//
// What a proxy tells the server behind it of the client: the PROXY protocol, version 2, as
// HAProxy's documentation has it (proxy-protocol.txt).

#ifndef WEIR_EXAMPLES_PROXY_HEADER_H
#define WEIR_EXAMPLES_PROXY_HEADER_H

#include "weir/channel.h"

// Writes the header of a client that came from the address |from| to the address |to|, as
// weir_remote_address and weir_local_address return them, spoke |protocol| (ALPN) and asked for
// |server_name| (SNI); both may be NULL. Returns 0, or what a write returns.
int write_proxy_header(weir_write_channel *output, const char *from, const char *to,
                       const char *protocol, const char *server_name);

#endif  // WEIR_EXAMPLES_PROXY_HEADER_H
