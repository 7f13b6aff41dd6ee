// SPDX-License-Identifier: Apache-2.0

#include "testing/counting_allocator.h"

#include <sys/mman.h>

#include <cassert>
#include <cerrno>
#include <cstdlib>

namespace weir_testing {

CountingAllocator::CountingAllocator() {
  weir_allocator table = {this, Allocate, Release, Map, Unmap, Guard, Trim};
  int result = weir_set_allocator(&table);
  assert(result == 0);
  static_cast<void>(result);
}

CountingAllocator::~CountingAllocator() {
  int result = weir_set_allocator(nullptr);
  assert(result == 0);
  static_cast<void>(result);
}

void CountingAllocator::FailNth(int nth) {
  requests_left_ = nth;
  refused_ = false;
}

bool CountingAllocator::Refuses() {
  return requests_left_ > 0 && --requests_left_ == 0 && Refuse();
}

// Apart, so that a debugger can stop here.
bool CountingAllocator::Refuse() {
  refused_ = true;
  return true;
}

void CountingAllocator::CountBlock(long size) {
  long now = block_bytes_ += size;
  long peak = peak_block_bytes_;
  while (now > peak && !peak_block_bytes_.compare_exchange_weak(peak, now)) continue;
}

void *CountingAllocator::Allocate(void *context, size_t size) {
  auto *self = static_cast<CountingAllocator *>(context);
  if (self->Refuses()) return nullptr;
  void *memory = malloc(size);
  if (memory == nullptr) return nullptr;
  self->outstanding_++;
  self->CountBlock(static_cast<long>(size));
  return memory;
}

void CountingAllocator::Release(void *context, void *memory, size_t size) {
  auto *self = static_cast<CountingAllocator *>(context);
  self->outstanding_--;
  self->CountBlock(-static_cast<long>(size));
  free(memory);
}

void *CountingAllocator::Map(void *context, size_t size) {
  auto *self = static_cast<CountingAllocator *>(context);
  if (self->Refuses()) return nullptr;
  void *pages = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  self->outstanding_++;
  return pages;
}

void CountingAllocator::Unmap(void *context, void *pages, size_t size) {
  auto *self = static_cast<CountingAllocator *>(context);
  self->outstanding_--;
  int result = munmap(pages, size);
  assert(result == 0);
  static_cast<void>(result);
}

int CountingAllocator::Guard(void *context, void *pages, size_t size) {
  if (static_cast<CountingAllocator *>(context)->Refuses()) return -ENOMEM;
  return mprotect(pages, size, PROT_NONE) == 0 ? 0 : -errno;
}

void CountingAllocator::Trim(void *, void *pages, size_t size) {
  // Memory that was given back is not to be relied on, so it really goes.
  int result = madvise(pages, size, MADV_DONTNEED);
  assert(result == 0);
  static_cast<void>(result);
}

}  // namespace weir_testing
