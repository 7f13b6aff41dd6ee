// SPDX-License-Identifier: Apache-2.0

#include "base/internal/memory.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "weir/base.h"

static void *default_allocate(void *context, size_t size) {
  (void)context;
  return malloc(size);
}

static void default_release(void *context, void *memory, size_t size) {
  (void)context;
  (void)size;
  free(memory);
}

static void *default_map(void *context, size_t size) {
  (void)context;
  void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (pages == MAP_FAILED) return NULL;
  // A huge page would make each parked coroutine cost up to 2 MiB. EINVAL: the kernel has none.
  int result = madvise(pages, size, MADV_NOHUGEPAGE);
  (void)result;
  return pages;
}

static void default_unmap(void *context, void *pages, size_t size) {
  (void)context;
  // Only a wrong address or size makes munmap fail, and both come from default_map.
  int result = munmap(pages, size);
  (void)result;
}

enum {
  GUARD_INSTALL = 102,  // Linux 6.13; a guard that needs no mapping of its own (madvise(2))
  NO_ADVICE = INT_MAX,  // what every kernel must refuse
};

// An emulator of user programs may say yes to all advice, and do nothing.
static bool guards_are_real(void *pages, size_t size) {
  return madvise(pages, size, NO_ADVICE) != 0 && madvise(pages, size, GUARD_INSTALL) == 0;
}

static int default_guard(void *context, void *pages, size_t size) {
  (void)context;
  // 0: not known yet. Threads that find out at the same time find the same.
  static atomic_int guards;
  enum { REAL = 1, MISSING = 2 };
  int known = atomic_load_explicit(&guards, memory_order_relaxed);
  if (known == 0) {
    known = guards_are_real(pages, size) ? REAL : MISSING;
    atomic_store_explicit(&guards, known, memory_order_relaxed);
  }
  if (known == REAL && madvise(pages, size, GUARD_INSTALL) == 0) return 0;
  return mprotect(pages, size, PROT_NONE) == 0 ? 0 : -errno;
}

static void default_trim(void *context, void *pages, size_t size) {
  (void)context;
  // Advice: where it is not followed, the memory just stays.
  int result = madvise(pages, size, MADV_DONTNEED);
  (void)result;
}

#define DEFAULT_ALLOCATOR                                                               \
  {                                                                                     \
    NULL, default_allocate, default_release, default_map, default_unmap, default_guard, \
        default_trim                                                                    \
  }

static const weir_allocator default_allocator = DEFAULT_ALLOCATOR;
static weir_allocator current_allocator = DEFAULT_ALLOCATOR;

int weir_set_allocator(const weir_allocator *allocator) {
  if (allocator == NULL) allocator = &default_allocator;
  if (allocator->allocate == NULL || allocator->release == NULL || allocator->map == NULL ||
      allocator->unmap == NULL) {
    return -EINVAL;
  }
  current_allocator = *allocator;
  if (current_allocator.guard == NULL) current_allocator.guard = default_guard;
  if (current_allocator.trim == NULL) current_allocator.trim = default_trim;
  return 0;
}

void *weir_internal_allocate_unset(size_t size) {
  return current_allocator.allocate(current_allocator.context, size);
}

void *weir_internal_allocate(size_t size) {
  void *memory = weir_internal_allocate_unset(size);
  if (memory != NULL) memset(memory, 0, size);
  return memory;
}

void weir_internal_release(void *memory, size_t size) {
  if (memory != NULL) current_allocator.release(current_allocator.context, memory, size);
}

void *weir_internal_map_pages(size_t size) {
  return current_allocator.map(current_allocator.context, size);
}

void weir_internal_unmap_pages(void *pages, size_t size) {
  if (pages != NULL) current_allocator.unmap(current_allocator.context, pages, size);
}

int weir_internal_guard_pages(void *pages, size_t size) {
  return current_allocator.guard(current_allocator.context, pages, size);
}

void weir_internal_trim_pages(void *pages, size_t size) {
  current_allocator.trim(current_allocator.context, pages, size);
}
