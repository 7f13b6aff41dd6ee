// SPDX-License-Identifier: Apache-2.0

#include "coroutine/internal/report.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <unistd.h>

void weir_internal_report_text(weir_internal_report *report, const char *text) {
  size_t size = strlen(text);
  size_t room = sizeof report->text - 1 - report->size;  // but for the end of the line
  if (size > room) size = room;
  memcpy(report->text + report->size, text, size);
  report->size += size;
}

void weir_internal_report_number(weir_internal_report *report, uint64_t number, unsigned base) {
  char digits[65];
  char *first = digits + sizeof digits - 1;
  *first = '\0';
  do {
    *--first = "0123456789abcdef"[number % base];
    number /= base;
  } while (number > 0);
  weir_internal_report_text(report, first);
}

void weir_internal_report_name(weir_internal_report *report,
                               const weir_coroutine_description *coroutine) {
  weir_internal_report_text(report, "\"");
  weir_internal_report_text(report, coroutine->name);
  weir_internal_report_text(report, "\"");
  if (coroutine->scope[0] == '\0') return;
  weir_internal_report_text(report, " in \"");
  weir_internal_report_text(report, coroutine->scope);
  weir_internal_report_text(report, "\"");
}

void weir_internal_report_launch(weir_internal_report *report,
                                 const weir_coroutine_description *coroutine) {
  if (coroutine->launch_module[0] == '\0') return;
  weir_internal_report_text(report, ", launched at ");
  weir_internal_report_text(report, coroutine->launch_module);
  weir_internal_report_text(report, "+0x");
  weir_internal_report_number(report, coroutine->launch_offset, 16);
}

static void report_seconds(weir_internal_report *report, int64_t nanoseconds) {
  uint64_t milliseconds = (uint64_t)(nanoseconds / WEIR_MILLISECOND);
  weir_internal_report_number(report, milliseconds / 1000, 10);
  // Three digits, with their leading zeros: 1001 to 1999 without the first.
  weir_internal_report fraction = {.size = 0};
  weir_internal_report_number(&fraction, 1000 + milliseconds % 1000, 10);
  fraction.text[fraction.size] = '\0';
  fraction.text[0] = '.';
  weir_internal_report_text(report, fraction.text);
}

void weir_internal_report_coroutine(weir_internal_report *report,
                                    const weir_coroutine_description *coroutine) {
  weir_internal_report_name(report, coroutine);
  weir_internal_report_text(report, " waits for ");
  weir_internal_report_text(report, coroutine->waits_for);
  weir_internal_report_text(report, " since ");
  report_seconds(report, coroutine->since);
  weir_internal_report_text(report, " s, stack ");
  weir_internal_report_number(report, coroutine->stack_used, 10);
  weir_internal_report_text(report, " of ");
  weir_internal_report_number(report, coroutine->stack_size, 10);
  weir_internal_report_launch(report, coroutine);
  if (coroutine->cancelled) weir_internal_report_text(report, ", cancelled");
}

void weir_internal_report_write(weir_internal_report *report, int fd) {
  report->text[report->size++] = '\n';
  size_t done = 0;
  while (done < report->size) {
    // It may be called in a signal handler of any thread: not in the table: of a selector.
    ssize_t count = write(fd, report->text + done, report->size - done);
    if (count < 0 && errno == EINTR) continue;
    // Whoever reads the reports has gone, or does not keep up.
    if (count <= 0) break;
    done += (size_t)count;
  }
  report->size = 0;
}

// The only module of a static program, of which dladdr may know nothing.
static bool locate_static(Dl_info *out) {
  // A dynamic program has a loader, at this base.
  if (getauxval(AT_BASE) != 0) return false;
  out->dli_fname = (const char *)getauxval(AT_EXECFN);
  out->dli_fbase = (void *)(getauxval(AT_PHDR) - sizeof(ElfW(Ehdr)));
  return true;
}

// Describes where |address| is for addr2line(1), which wants an offset, but the address itself in a
// program that is always loaded at the same place.
static void locate(weir_coroutine_description *out, const void *address) {
  Dl_info module;
  if (address == NULL) return;
  // The address is where the call returns to; the call itself lies before it.
  if (dladdr((const char *)address - 1, &module) == 0 && !locate_static(&module)) return;
  uint16_t type;
  memcpy(&type, (const char *)module.dli_fbase + offsetof(ElfW(Ehdr), e_type), sizeof type);
  uintptr_t base = type == ET_EXEC ? 0 : (uintptr_t)module.dli_fbase;
  out->launch_module = module.dli_fname;
  out->launch_offset = (uintptr_t)address - 1 - base;
}

void weir_internal_describe(weir_coroutine_description *out,
                            const weir_internal_coroutine *coroutine, int64_t now) {
  memset(out, 0, sizeof *out);
  const char *unnamed = coroutine->loop->root == coroutine ? "root" : "";
  bool is_proxy = coroutine->stack == NULL;
  const weir_scope *parent = coroutine->parent;
  if (coroutine->remote != NULL) parent = weir_internal_remote_scope(coroutine->remote);
  const char *scope = parent != NULL ? parent->name : NULL;
  out->name = coroutine->name != NULL ? coroutine->name : unnamed;
  out->scope = scope != NULL ? scope : "";
  out->launch_module = "";
  out->cancelled = coroutine->cancelled || coroutine->untold_failures > 0;
  locate(out, coroutine->launch_site);
  if (is_proxy) {
    out->waits_for = "another loop";
    out->since = now > coroutine->suspended_at ? now - coroutine->suspended_at : 0;
    return;
  }
  bool runs = coroutine == coroutine->loop->current;
  bool waits = (atomic_load_explicit(&coroutine->ticket, memory_order_relaxed) & 1) != 0 && !runs;
  out->waits_for = waits ? coroutine->waits_for : "nothing";
  out->since = waits && now > coroutine->suspended_at ? now - coroutine->suspended_at : 0;
  const weir_internal_stack *stack = coroutine->stack;
  const void *end = runs ? __builtin_frame_address(0) : coroutine->context.stack_pointer;
  out->stack_size = stack->pool->stack_size;
  // A handler of signals may be on another stack.
  size_t used = (size_t)((uintptr_t)stack->bottom + out->stack_size - (uintptr_t)end);
  out->stack_used = used <= out->stack_size ? used : out->stack_size;
}
