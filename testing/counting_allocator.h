// SPDX-License-Identifier: Apache-2.0
//
// An allocator that counts what is out, and can refuse the Nth request.

#ifndef WEIR_TESTING_COUNTING_ALLOCATOR_H
#define WEIR_TESTING_COUNTING_ALLOCATOR_H

#include <atomic>
#include <cstddef>

#include "weir/base.h"

namespace weir_testing {

// Is the process's allocator while it exists. Nothing of Weir may outlive it or be older.
class CountingAllocator {
 public:
  CountingAllocator();
  ~CountingAllocator();
  CountingAllocator(const CountingAllocator &) = delete;
  CountingAllocator &operator=(const CountingAllocator &) = delete;

  // Refuses the |nth| request from now on, for memory or for a guard, counted from 1; 0 refuses
  // none.
  void FailNth(int nth);
  // Whether a request was refused since FailNth.
  bool refused() const { return refused_; }

  // What is out: blocks and mapped areas, and the bytes of the blocks alone.
  long outstanding() const { return outstanding_; }
  long block_bytes() const { return block_bytes_; }
  // The largest block_bytes() since the last reset.
  long peak_block_bytes() const { return peak_block_bytes_; }
  void ResetPeak() { peak_block_bytes_ = block_bytes_.load(); }

 private:
  static void *Allocate(void *context, size_t size);
  static void Release(void *context, void *memory, size_t size);
  static void *Map(void *context, size_t size);
  static void Unmap(void *context, void *pages, size_t size);
  static int Guard(void *context, void *pages, size_t size);
  static void Trim(void *context, void *pages, size_t size);
  bool Refuses();
  bool Refuse();
  void CountBlock(long size);

  std::atomic<long> requests_left_{0};
  std::atomic<bool> refused_{false};
  std::atomic<long> outstanding_{0};
  std::atomic<long> block_bytes_{0};
  std::atomic<long> peak_block_bytes_{0};
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_COUNTING_ALLOCATOR_H
