// SPDX-License-Identifier: Apache-2.0
//
// The memory of BoringSSL: counted, and refused at will. A test that links this takes all of it
// from here (the hooks in <openssl/mem.h>), but for the buffers of records, which do not come
// through them.

#ifndef WEIR_TESTING_BORINGSSL_MEMORY_H
#define WEIR_TESTING_BORINGSSL_MEMORY_H

#include <cstdint>

namespace weir_testing {

class BoringSslMemory {
 public:
  // Refuses the |nth| allocation from now on, from 1; 0 refuses none.
  static void Refuse(int64_t nth);
  // Only those allocations count, and may be refused, for which |filter| returns true; NULL: all.
  static void SetFilter(bool (*filter)());
  // Whether one was refused since.
  static bool HasRefused();
  // Allocations since the last Refuse.
  static int64_t count();
  // Blocks that are not free.
  static int64_t outstanding();
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_BORINGSSL_MEMORY_H
