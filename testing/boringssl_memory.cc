// SPDX-License-Identifier: Apache-2.0

#include "testing/boringssl_memory.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>

namespace weir_testing {

namespace {

std::atomic<bool (*)()> filter{nullptr};
std::atomic<int64_t> nth_refused{0};
std::atomic<int64_t> allocations{0};
std::atomic<int64_t> blocks{0};

// Before each block, so that its size is known. All are in a list: who counts them needs nobody
// else to report what is lost.
struct alignas(std::max_align_t) Header {
  size_t size;
  Header *next;
  Header *previous;
};

std::mutex mutex;
Header first = {0, &first, &first};

void Link(Header *header) {
  std::lock_guard<std::mutex> lock(mutex);
  header->next = first.next;
  header->previous = &first;
  header->next->previous = header;
  first.next = header;
}

void Unlink(Header *header) {
  std::lock_guard<std::mutex> lock(mutex);
  header->next->previous = header->previous;
  header->previous->next = header->next;
}

// Counts an allocation, and tells whether it is to be refused.
bool IsRefused() {
  bool (*counts)() = filter;
  return (counts == nullptr || counts()) && ++allocations == nth_refused;
}

}  // namespace

void BoringSslMemory::Refuse(int64_t nth) {
  nth_refused = nth;
  allocations = 0;
}

void BoringSslMemory::SetFilter(bool (*new_filter)()) { filter = new_filter; }

bool BoringSslMemory::HasRefused() { return nth_refused != 0 && allocations >= nth_refused; }

int64_t BoringSslMemory::count() { return allocations; }

int64_t BoringSslMemory::outstanding() { return blocks; }

}  // namespace weir_testing

extern "C" {

void *OPENSSL_memory_alloc(size_t size);
void OPENSSL_memory_free(void *block);
size_t OPENSSL_memory_get_size(void *block);

void *OPENSSL_memory_alloc(size_t size) {
  using weir_testing::Header;
  if (weir_testing::IsRefused()) return nullptr;
  void *memory = malloc(sizeof(Header) + size);
  if (memory == nullptr) return nullptr;
  weir_testing::blocks++;
  Header *header = new (memory) Header{size, nullptr, nullptr};
  weir_testing::Link(header);
  return header + 1;
}

void OPENSSL_memory_free(void *block) {
  weir_testing::blocks--;
  auto *header = static_cast<weir_testing::Header *>(block) - 1;
  weir_testing::Unlink(header);
  free(header);
}

size_t OPENSSL_memory_get_size(void *block) {
  return (static_cast<weir_testing::Header *>(block) - 1)->size;
}

}  // extern "C"
