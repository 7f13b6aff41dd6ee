// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "weir/address.h"

namespace {

weir_address Of(const std::string &text) {
  weir_address address;
  EXPECT_EQ(0, weir_address_from_text(&address, text.c_str())) << text;
  return address;
}

uint64_t HashOf(const std::string &text, uint64_t seed = 0) {
  const weir_address address = Of(text);
  return weir_address_hash(&address, seed);
}

TEST(AddressHash, IsTheSameForEqualAddresses) {
  EXPECT_EQ(HashOf("127.0.0.1:80"), HashOf("127.0.0.1:80"));
  EXPECT_EQ(HashOf("[2001:db8::1]:80"), HashOf("[2001:DB8:0:0::1]:80"));
  EXPECT_EQ(HashOf("unix:/x"), HashOf("unix:/x"));
  weir_address labelled = Of("[::1]:80");
  labelled.socket.ipv6.sin6_flowinfo = 7;
  EXPECT_EQ(HashOf("[::1]:80"), weir_address_hash(&labelled, 0));
  // What lies behind the bytes in use says nothing.
  weir_address dirty = Of("127.0.0.1:80");
  memset(reinterpret_cast<char *>(&dirty.socket) + dirty.size, 'x',
         sizeof dirty.socket - dirty.size);
  EXPECT_EQ(HashOf("127.0.0.1:80"), weir_address_hash(&dirty, 0));
}

TEST(AddressHash, EachPartCounts) {
  const std::vector<std::string> texts = {
      "127.0.0.1:80", "127.0.0.1:81", "127.0.0.2:80", "126.0.0.1:80",     "[::1]:80",
      "[::1]:81",     "[::2]:80",     "[::1%lo]:80",  "[::127.0.0.1]:80", "[::ffff:127.0.0.1]:80",
      "unix:x",       "unix:@x",      "unix:xx",      "unix:12345678",    "unix:123456789",
      "unix:@1234567"};
  std::set<uint64_t> seen;
  for (const std::string &text : texts) seen.insert(HashOf(text));
  EXPECT_EQ(texts.size(), seen.size());
}

TEST(AddressHash, TheSeedChangesWhatCollides) {
  EXPECT_NE(HashOf("127.0.0.1:80", 0), HashOf("127.0.0.1:80", 1));
  EXPECT_NE(HashOf("127.0.0.1:80", 0) ^ HashOf("127.0.0.1:81", 0),
            HashOf("127.0.0.1:80", 1) ^ HashOf("127.0.0.1:81", 1));
}

// The lowest bits, which tables use, differ as those of a random number would.
TEST(AddressHash, SpreadsNeighbours) {
  constexpr int kSlots = 1024;
  std::vector<int> slots(kSlots);
  for (int i = 0; i < 16 * kSlots; i++) {
    const std::string host = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    slots[HashOf(host + ":80") % kSlots]++;
  }
  for (int count : slots) EXPECT_LT(count, 48);
}

TEST(AddressHash, NobodyHasOneToo) {
  const weir_address nobody = {};
  EXPECT_EQ(weir_address_hash(&nobody, 3), weir_address_hash(&nobody, 3));
}

}  // namespace
