// SPDX-License-Identifier: Apache-2.0
//
// The files of unix sockets. bind(2) makes one, and neither close(2) nor the end of the process
// removes it (unix(7)); the next bind(2) to the path fails then.

#ifndef WEIR_SELECTOR_INTERNAL_SOCKET_FILE_H
#define WEIR_SELECTOR_INTERNAL_SOCKET_FILE_H

#include <sys/un.h>

#include "selector/internal/system_calls.h"
#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// Which file a socket was bound to; all zero is none.
typedef struct weir_internal_socket_file {
  dev_t device;
  ino_t number;
} weir_internal_socket_file;

// weir_internal_socket_file_bind is bind(2) of |fd|, a socket of |type|, to a path or an abstract
// name. With |replace|, the file of a socket that nobody has any more is removed first; never any
// other file. *out tells what weir_internal_socket_file_remove may remove. Returns 0 or a negative
// code.
WEIR_MUST_USE int weir_internal_socket_file_bind(const weir_internal_system_calls *calls, int fd,
                                                 int type, const struct sockaddr_un *address,
                                                 socklen_t size, bool replace,
                                                 weir_internal_socket_file *out);

// weir_internal_socket_file_remove removes |file| from the path of |address|, if it is still there.
void weir_internal_socket_file_remove(const weir_internal_system_calls *calls,
                                      const struct sockaddr_un *address,
                                      const weir_internal_socket_file *file);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_SOCKET_FILE_H
