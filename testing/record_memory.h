// SPDX-License-Identifier: Apache-2.0
//
// The memory for records that BoringSSL takes from malloc itself, past the hooks of
// testing/boringssl_memory.h: refused at will. A test that links this has a malloc of its own. With
// a sanitizer, or where BoringSSL is no shared library, nothing is refused.

#ifndef WEIR_TESTING_RECORD_MEMORY_H
#define WEIR_TESTING_RECORD_MEMORY_H

namespace weir_testing {

class RecordMemory {
 public:
  // Refuses BoringSSL's |nth| call of malloc from now on, from 1; 0 refuses none.
  static void Refuse(int nth);
  // Whether one was refused since.
  static bool HasRefused();
  // Whether any ever can be.
  static bool CanRefuse();
};

}  // namespace weir_testing

#endif  // WEIR_TESTING_RECORD_MEMORY_H
