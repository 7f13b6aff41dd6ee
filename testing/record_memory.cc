// SPDX-License-Identifier: Apache-2.0

#include "testing/record_memory.h"

#include <dlfcn.h>
#include <openssl/ssl.h>

#include <atomic>
#include <cstring>

#include "testing/sanitizers.h"

namespace {

std::atomic<int> left{0};
std::atomic<bool> refused{false};

// The library in which |address| is; NULL: none.
const void *LibraryOf(const void *address) {
  Dl_info found;
  return dladdr(address, &found) != 0 ? found.dli_fbase : nullptr;
}

const void *FunctionOfBoringSsl() { return reinterpret_cast<const void *>(&SSL_shutdown); }

}  // namespace

namespace weir_testing {

void RecordMemory::Refuse(int nth) {
  refused = false;
  left = nth;
}

bool RecordMemory::HasRefused() { return refused; }

bool RecordMemory::CanRefuse() {
  const void *here = reinterpret_cast<const void *>(&RecordMemory::CanRefuse);
  return !kHasSanitizer && LibraryOf(FunctionOfBoringSsl()) != LibraryOf(here);
}

}  // namespace weir_testing

#if !WEIR_HAS_SANITIZER

extern "C" void *__libc_malloc(size_t size);

extern "C" void *malloc(size_t size) {
  if (left.load(std::memory_order_relaxed) > 0 &&
      LibraryOf(__builtin_return_address(0)) == LibraryOf(FunctionOfBoringSsl()) && --left == 0) {
    refused = true;
    return nullptr;
  }
  return __libc_malloc(size);
}

#endif
