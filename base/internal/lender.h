// SPDX-License-Identifier: Apache-2.0
//
// A lender provides memory at the moment when bytes are ready to fill it, so that what waits for
// bytes holds no buffer.

#ifndef WEIR_BASE_INTERNAL_LENDER_H
#define WEIR_BASE_INTERNAL_LENDER_H

#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { WEIR_INTERNAL_LENT_BUFFERS = 2 };

typedef struct weir_internal_lender {
  // Fills in up to WEIR_INTERNAL_LENT_BUFFERS non-empty |buffers| of together at most 1 GiB, to be
  // filled in order, and returns their number, or a negative code. They stay valid until the
  // current coroutine suspends.
  int (*lend)(struct weir_internal_lender *lender, struct iovec *buffers);
  // Called when nothing was put into what was lent, before the operation waits. May be NULL.
  void (*take_back)(struct weir_internal_lender *lender);
} weir_internal_lender;

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BASE_INTERNAL_LENDER_H
