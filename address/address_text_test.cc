// SPDX-License-Identifier: Apache-2.0
//
// The text of addresses: all that RFC 5952 says, and the way back.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <array>
#include <cstdio>
#include <string>

#include "weir/address.h"

namespace {

using Groups = std::array<uint16_t, 8>;

std::string Format(const weir_address &address) {
  char text[WEIR_ADDRESS_TEXT_SIZE];
  return weir_address_format(&address, text);
}

weir_address Ipv6(const Groups &groups) {
  uint8_t bytes[16];
  for (size_t i = 0; i < 8; i++) {
    bytes[2 * i] = static_cast<uint8_t>(groups[i] >> 8);
    bytes[2 * i + 1] = static_cast<uint8_t>(groups[i]);
  }
  weir_address address;
  EXPECT_EQ(0, weir_address_from_bytes(&address, weir_bytes_of(bytes, sizeof bytes), 1));
  return address;
}

// The digits between the brackets.
std::string Digits(const Groups &groups) {
  const std::string text = Format(Ipv6(groups));
  EXPECT_EQ('[', text.front());
  EXPECT_EQ("]:1", text.substr(text.size() - 3));
  return text.substr(1, text.size() - 4);
}

std::string Joined(const Groups &groups, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; i++) {
    char group[5];
    snprintf(group, sizeof group, "%x", static_cast<unsigned>(groups[i]));
    text += (i > begin ? ":" : "") + std::string(group);
  }
  return text;
}

bool AllZero(const Groups &groups, size_t begin, size_t end) {
  for (size_t i = begin; i < end; i++) {
    if (groups[i] != 0) return false;
  }
  return true;
}

// What section 4 says, without a thought of speed: of all stretches of two zero groups and more the
// longest, the first of those.
std::string Reference(const Groups &groups) {
  for (size_t length = 8; length >= 2; length--) {
    for (size_t begin = 0; begin + length <= 8; begin++) {
      if (!AllZero(groups, begin, begin + length)) continue;
      return Joined(groups, 0, begin) + "::" + Joined(groups, begin + length, 8);
    }
  }
  return Joined(groups, 0, 8);
}

TEST(AddressText, EveryPatternOfZerosIsShortenedAsRfc5952Says) {
  for (unsigned pattern = 0; pattern < 256; pattern++) {
    for (uint16_t other : Groups{0x1, 0x10, 0xabc, 0xffff, 0x2, 0x20, 0xdef, 0xfffe}) {
      Groups groups;
      for (size_t i = 0; i < 8; i++) groups[i] = (pattern >> i & 1) != 0 ? other : uint16_t{0};
      // Only the mapped addresses have another text.
      if (AllZero(groups, 0, 5) && groups[5] == 0xffff) continue;
      EXPECT_EQ(Reference(groups), Digits(groups)) << pattern;
    }
  }
}

TEST(AddressText, EveryGroupIsLowerCaseWithoutLeadingZeros) {
  for (unsigned group = 1; group <= 0xffff; group++) {
    const Groups groups = {static_cast<uint16_t>(group), 1, 2, 3, 4, 5, 6, 7};
    char expected[32];
    snprintf(expected, sizeof expected, "%x:1:2:3:4:5:6:7", group);
    ASSERT_EQ(expected, Digits(groups));
  }
}

TEST(AddressText, WhatIsFormattedIsParsedToTheSame) {
  for (unsigned pattern = 0; pattern < 256; pattern++) {
    Groups groups;
    for (size_t i = 0; i < 8; i++)
      groups[i] = (pattern >> i & 1) != 0 ? uint16_t{0xffff} : uint16_t{0};
    const weir_address address = Ipv6(groups);
    weir_address again;
    ASSERT_EQ(0, weir_address_from_text(&again, Format(address).c_str())) << Format(address);
    EXPECT_TRUE(weir_address_equal(&address, &again)) << Format(address);
  }
}

// The examples of the sections of RFC 5952.
TEST(AddressText, TheExamplesOfRfc5952) {
  const struct {
    const char *given;
    const char *text;
  } examples[] = {
      {"2001:0db8::0001", "2001:db8::1"},                // 4.1
      {"2001:db8:0:0:0:0:2:1", "2001:db8::2:1"},         // 4.2.1
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},           // 4.2.3
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},     // 4.2.3
      {"2001:DB8::ABCD:EF", "2001:db8::abcd:ef"},        // 4.3
      {"::ffff:c000:201", "::ffff:192.0.2.1"},           // 5
      {"::ffff:0:0", "::ffff:0.0.0.0"},                  // 5
      {"::192.0.2.1", "::c000:201"},                     // 5: deprecated
      {"::1:2", "::1:2"},                                //
      {"::ffff:0:192.0.2.1", "::ffff:0:c000:201"},       //
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},      //
      {"::", "::"},                                      //
      {"1::", "1::"},                                    //
      {"0:0:0:0:0:0:0:1", "::1"},                        //
      {"1:0:0:0:0:0:0:0", "1::"},                        //
      {"FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF:FFFF", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto &example : examples) {
    weir_address address;
    ASSERT_EQ(0, weir_address_parse(&address, example.given, 80)) << example.given;
    EXPECT_EQ("[" + std::string(example.text) + "]:80", Format(address));
  }
}

TEST(AddressText, EveryByteOfIpv4) {
  for (unsigned byte = 0; byte < 256; byte++) {
    const uint8_t bytes[] = {static_cast<uint8_t>(byte), static_cast<uint8_t>(255 - byte), 0, 10};
    weir_address address;
    ASSERT_EQ(0, weir_address_from_bytes(&address, weir_bytes_of(bytes, sizeof bytes), 65535));
    EXPECT_EQ(std::to_string(byte) + "." + std::to_string(255 - byte) + ".0.10:65535",
              Format(address));
  }
}

// Only those of scope link-local have one as a rule, but whoever gave one gets it back.
TEST(AddressText, TheScopeIsKept) {
  for (const char *text :
       {"[fe80::1%lo]:80", "[ff02::1%lo]:80", "[::1%lo]:80", "[::ffff:192.0.2.1%lo]:80"}) {
    weir_address address;
    ASSERT_EQ(0, weir_address_from_text(&address, text));
    EXPECT_EQ(if_nametoindex("lo"), address.socket.ipv6.sin6_scope_id);
    EXPECT_EQ(text, Format(address));
  }
}

TEST(AddressText, NoTextIsLongerThanItsRoom) {
  weir_address address = Ipv6({0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888});
  address.socket.ipv6.sin6_scope_id = UINT32_MAX;
  address.socket.ipv6.sin6_port = 0xffff;
  char text[WEIR_ADDRESS_IP_TEXT_SIZE + 1];
  text[WEIR_ADDRESS_IP_TEXT_SIZE] = 'x';
  EXPECT_STREQ("[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535",
               weir_address_format(&address, text));
  EXPECT_EQ('x', text[WEIR_ADDRESS_IP_TEXT_SIZE]);
}

TEST(AddressFromText, ReadsWhatIsWritten) {
  for (const char *text : {"127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[2001:db8::1]:443",
                           "[::ffff:192.0.2.1]:7", "unix:/run/weir", "unix:relative", "unix:@weir",
                           "unix:./@weir", "unix:/with space", "unix:/Grüße"}) {
    weir_address address;
    ASSERT_EQ(0, weir_address_from_text(&address, text)) << text;
    EXPECT_EQ(text, Format(address));
  }
}

TEST(AddressFromText, RefusesWhatIsNone) {
  for (const char *text : {"",
                           "?",
                           ":",
                           ":80",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:-1",
                           "127.0.0.1: 80",
                           "::1",
                           "::1:80",
                           "1:2:3:4:5:6:7:8:80",
                           "[::1]",
                           "[::1]80",
                           "[::1:80",
                           "::1]:80",
                           "[]:80",
                           "[:80",
                           "]:80",
                           "[127.0.0.1:80",
                           "localhost:80",
                           "unix:",
                           "unix:@",
                           "UNIX:/x",
                           "fe80::1%no-such-one:80"}) {
    weir_address address;
    EXPECT_EQ(-EINVAL, weir_address_from_text(&address, text)) << text;
    EXPECT_EQ("?", Format(address));
  }
  weir_address address;
  EXPECT_EQ(-EINVAL, weir_address_from_text(&address, nullptr));
  EXPECT_EQ(-ENODEV, weir_address_from_text(&address, "[fe80::1%no-such-one]:80"));
  EXPECT_EQ(-ENAMETOOLONG,
            weir_address_from_text(&address, ("unix:" + std::string(108, 'x')).c_str()));
  EXPECT_EQ(-EINVAL, weir_address_from_text(&address, (std::string(500, '1') + ":80").c_str()));
}

// Brackets tell where an address ends; the kinds that need none may have them.
TEST(AddressFromText, Ipv4MayHaveBrackets) {
  weir_address address;
  ASSERT_EQ(0, weir_address_from_text(&address, "[127.0.0.1]:80"));
  EXPECT_EQ("127.0.0.1:80", Format(address));
}

}  // namespace
