// SPDX-License-Identifier: Apache-2.0
//
// Runs random programs at both ends of a connection in memory, as an input says, and compares each
// step with a queue of bytes. fuzz/README.md has the format of an input and what is compared.

#include <cstdint>

#include "fuzz/channel_program.h"
#include "fuzz/channel_world.h"
#include "fuzz/fail.h"
#include "testing/counting_allocator.h"
#include "testing/virtual_loop.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  weir_fuzz::Program program = weir_fuzz::DecodeProgram(data, size);
  weir_testing::CountingAllocator allocator;
  {
    // Each input has a loop of its own, so that nothing is left when that has ended.
    weir_testing::VirtualLoop loop;
    if (loop.created() != 0) weir_fuzz::Fail("no loop: %s", weir_error_name(loop.created()));
    weir_fuzz::World world(program, allocator);
    int result = loop.Run([&] { return world.Run(); });
    if (result != 0) weir_fuzz::Fail("the loop: %s", weir_error_name(result));
  }
  if (allocator.outstanding() != 0) weir_fuzz::Fail("%ld blocks leak", allocator.outstanding());
  return 0;
}
