// SPDX-License-Identifier: Apache-2.0

#include "selector/internal/kernel_pipe.h"

#include "selector/internal/selector.h"

int weir_internal_kernel_pipe_take(weir_internal_selector_loop *loop,
                                   weir_internal_kernel_pipe *out) {
  if (loop->pipe_count > 0) {
    *out = loop->pipes[--loop->pipe_count];
    return 0;
  }
  const weir_internal_system_calls *calls = loop->selector->calls;
  out->held = 0;
  return calls->pipe(calls->context, WEIR_INTERNAL_KERNEL_PIPE_SIZE, &out->read_end,
                     &out->write_end);
}

static void close_pipe(weir_internal_selector_loop *loop, const weir_internal_kernel_pipe *pipe) {
  const weir_internal_system_calls *calls = loop->selector->calls;
  // What is still in it is dropped anyway, whatever close reports.
  (void)calls->close(calls->context, pipe->read_end);
  (void)calls->close(calls->context, pipe->write_end);
}

void weir_internal_kernel_pipe_give(weir_internal_selector_loop *loop,
                                    weir_internal_kernel_pipe *pipe) {
  if (pipe->held == 0 && loop->pipe_count < WEIR_INTERNAL_POOLED_PIPES) {
    loop->pipes[loop->pipe_count++] = *pipe;
  } else {
    close_pipe(loop, pipe);
    weir_internal_shortage_eased(loop);
  }
  *pipe = (weir_internal_kernel_pipe){0};
}

void weir_internal_kernel_pipes_close(weir_internal_selector_loop *loop) {
  while (loop->pipe_count > 0) close_pipe(loop, &loop->pipes[--loop->pipe_count]);
}
