// SPDX-License-Identifier: Apache-2.0
//
// Much in both directions at the same time, at unequal speeds.

#include <cstdint>
#include <string>

#include "testing/expect_coroutine.h"
#include "testing/leak_checked_test.h"
#include "testing/secure_pair.h"

namespace weir_testing {
namespace {

constexpr size_t kMany = 64 * 1024 * 1024;

// Byte number |at| of a stream; neighbouring records differ.
unsigned char ByteAt(uint64_t at, unsigned seed) {
  return static_cast<unsigned char>(at * 31 + at / 251 + at / 65537 + seed);
}

// Writes |size| bytes of a stream in parts of |part|, without flushing them.
int WriteMany(weir_connection *connection, size_t size, size_t part, unsigned seed) {
  weir_write_channel *output = weir_open_write_channel(connection, false);
  std::string bytes(part, '\0');
  for (size_t at = 0; at < size; at += part) {
    for (size_t i = 0; i < part; i++) bytes[i] = static_cast<char>(ByteAt(at + i, seed));
    int result = weir_write_fully(output, bytes.data(), part, nullptr);
    if (result < 0) return result;
  }
  return weir_write_channel_close(output);
}

// Reads to the end in parts of at most |part|, and lets others run |pauses| times after each.
void ReadMany(weir_connection *connection, size_t size, size_t part, int pauses, unsigned seed) {
  std::string bytes(part, '\0');
  size_t at = 0;
  int result;
  while ((result = weir_read_available(weir_open_read_channel(connection), bytes.data(), part)) >
         0) {
    for (int i = 0; i < result; i++) {
      if (static_cast<unsigned char>(bytes[static_cast<size_t>(i)]) == ByteAt(at++, seed)) continue;
      ADD_FAILURE() << "byte " << at - 1;
      return;
    }
    for (int i = 0; i < pauses; i++) EXPECT_EQ(0, weir_yield());
  }
  EXPECT_EQ(WEIR_E_END_OF_STREAM, result) << weir_error_name(result);
  EXPECT_EQ(size, at);
}

class Duplex : public LeakCheckedTest, public ::testing::WithParamInterface<SecureKind> {};

INSTANTIATE_TEST_SUITE_P(Kinds, Duplex, testing::ValuesIn(AllSecureKinds()), SecureKindName);

TEST_P(Duplex, ManyBytesBothWaysToASlowAndAFastReader) {
  SecureWorld world(GetParam().version);
  ExpectRun([&] {
    SecurePair pair = world.Connect(GetParam().wire);
    weir_job *jobs[] = {
        LaunchJob([&] { return WriteMany(pair.near, kMany / 2, 128 * 1024, 1); }),
        LaunchJob([&] { return WriteMany(pair.far, kMany / 2, 4096, 2); }),
        LaunchJob([&] { return ReadMany(pair.far, kMany / 2, 10000, 3, 1), 0; }),
        LaunchJob([&] { return ReadMany(pair.near, kMany / 2, 64 * 1024, 0, 2), 0; }),
    };
    for (weir_job *job : jobs) EXPECT_EQ(0, EndOf(job));
    CloseSecurePair(&pair);
    return 0;
  });
}

// Neither side reads before it has written more than anything between them holds: the one who
// reads makes room for the other.
TEST_P(Duplex, AWriterThatWaitsDoesNotKeepItsReaderFromReading) {
  constexpr size_t kSize = 16 * 1024 * 1024;
  SecureWorld world(GetParam().version);
  ExpectRun([&] {
    SecurePair pair = world.Connect(GetParam().wire);
    weir_job *near = LaunchJob([&] { return WriteMany(pair.near, kSize, 64 * 1024, 1); });
    weir_job *far = LaunchJob([&] { return WriteMany(pair.far, kSize, 64 * 1024, 2); });
    EXPECT_EQ(0, weir_delay(WEIR_MILLISECOND));
    ReadMany(pair.near, kSize, 64 * 1024, 0, 2);
    EXPECT_EQ(0, EndOf(far));
    ReadMany(pair.far, kSize, 64 * 1024, 0, 1);
    EXPECT_EQ(0, EndOf(near));
    CloseSecurePair(&pair);
    return 0;
  });
}

}  // namespace
}  // namespace weir_testing
