// SPDX-License-Identifier: Apache-2.0
//
// The one door to memory: everything that Weir allocates goes through the table set by
// weir_set_allocator, so that a test can make any allocation fail.

#ifndef WEIR_BASE_INTERNAL_MEMORY_H
#define WEIR_BASE_INTERNAL_MEMORY_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

// weir_internal_allocate returns |size| zeroed bytes aligned for any type, or NULL.
void *weir_internal_allocate(size_t size);

// weir_internal_allocate_unset is weir_internal_allocate without the zeroing, for buffers.
void *weir_internal_allocate_unset(size_t size);

// weir_internal_release gives back |memory| of |size| bytes. NULL is legal.
void weir_internal_release(void *memory, size_t size);

// weir_internal_map_pages returns |size| bytes of zeroed pages, or NULL; |size| is a multiple of
// the page size.
void *weir_internal_map_pages(size_t size);

// weir_internal_unmap_pages gives back what weir_internal_map_pages returned. NULL is legal.
void weir_internal_unmap_pages(void *pages, size_t size);

// weir_internal_guard_pages makes |pages| inaccessible. Returns 0 or a negative code.
int weir_internal_guard_pages(void *pages, size_t size);

// weir_internal_trim_pages lets the kernel take back what |pages| contain.
void weir_internal_trim_pages(void *pages, size_t size);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BASE_INTERNAL_MEMORY_H
