// SPDX-License-Identifier: Apache-2.0
//
// What the echo servers do for each client.

#ifndef WEIR_EXAMPLES_ECHO_H
#define WEIR_EXAMPLES_ECHO_H

#include "weir/channel.h"

// Sends every line of |client| back, and closes it. It is a weir_tcp_handler; |unused| is its
// argument.
int echo(weir_connection *client, void *unused);

#endif  // WEIR_EXAMPLES_ECHO_H
