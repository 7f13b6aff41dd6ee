// SPDX-License-Identifier: Apache-2.0
//
// The same for every client, whether it came over TCP, a unix socket or TLS.

#include "examples/echo.h"

#include <stdio.h>

int echo(weir_connection *client, void *unused) {
  (void)unused;
  weir_read_channel *input = weir_open_read_channel(client);
  weir_write_channel *output = weir_open_write_channel(client, true);
  const char *name = weir_remote_address(client);
  printf("Socket accepted: %s\n", name);
  weir_bytes line;
  int result;
  while ((result = weir_read_utf8_line(input, &line)) == 0) {
    printf("%s: %.*s\n", name, (int)line.size, line.data);
    if ((result = weir_write_line(output, line)) < 0) break;
  }
  if (result != WEIR_E_END_OF_STREAM) printf("%s: %s\n", name, weir_error_message(result));
  return weir_connection_close(client);
}
