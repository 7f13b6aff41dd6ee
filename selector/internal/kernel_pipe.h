// SPDX-License-Identifier: Apache-2.0
//
// Pipes of the kernel, through which splice(2) moves bytes from socket to socket. A pipe is two
// file descriptors, so it is taken only when there are bytes to go through it, and each loop keeps
// a few empty ones at hand.

#ifndef WEIR_SELECTOR_INTERNAL_KERNEL_PIPE_H
#define WEIR_SELECTOR_INTERNAL_KERNEL_PIPE_H

#include <stddef.h>

#include "selector/internal/operation.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  // As much as an unprivileged user may have in one by default (pipe(7)), and so much moves at
  // once; docs/decisions.md has the trial.
  WEIR_INTERNAL_KERNEL_PIPE_SIZE = 1 << 20,
  // Empty pipes that wait in a loop at most.
  WEIR_INTERNAL_POOLED_PIPES = 8,
};

// All zero is no pipe.
typedef struct weir_internal_kernel_pipe {
  int read_end;
  int write_end;
  size_t held;  // bytes in it, for its owner to count
} weir_internal_kernel_pipe;

// weir_internal_kernel_pipe_take gives an empty pipe to *out. Returns 0 or a negative code.
WEIR_MUST_USE int weir_internal_kernel_pipe_take(weir_internal_selector_loop *loop,
                                                 weir_internal_kernel_pipe *out);

// weir_internal_kernel_pipe_give gives |pipe| back with what it holds, which is dropped, and makes
// it no pipe.
void weir_internal_kernel_pipe_give(weir_internal_selector_loop *loop,
                                    weir_internal_kernel_pipe *pipe);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_SELECTOR_INTERNAL_KERNEL_PIPE_H
