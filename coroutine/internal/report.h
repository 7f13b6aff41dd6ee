// SPDX-License-Identifier: Apache-2.0
//
// Lines of text about coroutines, made without the C library's formatting, so that a signal handler
// may make them too.

#ifndef WEIR_COROUTINE_INTERNAL_REPORT_H
#define WEIR_COROUTINE_INTERNAL_REPORT_H

#include "coroutine/internal/coroutine.h"
#include "weir/diagnostics.h"

#ifdef __cplusplus
extern "C" {
#endif

// A line; what does not fit is left out.
typedef struct weir_internal_report {
  char text[1024];
  size_t size;
} weir_internal_report;

// Each appends to the line: a |text|, or a |number| with digits to |base|, at most 16.
void weir_internal_report_text(weir_internal_report *report, const char *text);
void weir_internal_report_number(weir_internal_report *report, uint64_t number, unsigned base);

// Names the coroutine: `"reader" in "clients"`.
void weir_internal_report_name(weir_internal_report *report,
                               const weir_coroutine_description *coroutine);
// Says where it was launched, if that is known: `, launched at /usr/bin/server+0x1234`.
void weir_internal_report_launch(weir_internal_report *report,
                                 const weir_coroutine_description *coroutine);
// The whole line of a dump.
void weir_internal_report_coroutine(weir_internal_report *report,
                                    const weir_coroutine_description *coroutine);

// Writes the line to |fd| and empties |report|.
void weir_internal_report_write(weir_internal_report *report, int fd);

// weir_internal_describe tells what is known of |coroutine|, of this thread's loop, at |now|.
void weir_internal_describe(weir_coroutine_description *out,
                            const weir_internal_coroutine *coroutine, int64_t now);

// weir_internal_signal_stack_begin tells that this thread runs one loop more: it gets a stack for
// signal handlers if an overflow report was asked for. Returns 0, or -ENOMEM, and then it runs the
// loop all the same. weir_internal_signal_stack_end tells that it runs one less; with the last one
// goes the stack.
WEIR_MUST_USE int weir_internal_signal_stack_begin(void);
void weir_internal_signal_stack_end(void);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_COROUTINE_INTERNAL_REPORT_H
