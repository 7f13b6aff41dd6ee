// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

// The reference decodes code points by arithmetic, then asks whether the shortest encoding of what
// it found is what it read: another way of saying the same.
bool ReferenceIsValid(const std::string &text) {
  for (size_t at = 0; at < text.size();) {
    auto lead = static_cast<unsigned char>(text[at]);
    size_t length = 1;
    while (length < 8 && (lead & (0x80 >> length)) != 0) length++;
    if (lead < 0x80) {
      at++;
      continue;
    }
    if ((lead & 0x40) == 0 || length > 4 || at + length > text.size()) return false;
    uint32_t code_point = lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
      auto next = static_cast<unsigned char>(text[at + i]);
      if (next / 64 != 2) return false;
      code_point = code_point * 64 + next % 64;
    }
    size_t shortest = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    if (shortest != length || code_point > 0x10FFFF || code_point / 0x800 == 0x1B) return false;
    at += length;
  }
  return true;
}

bool IsValid(const std::string &text) {
  return weir_internal_utf8_is_valid(text.data(), text.size());
}

std::string Bytes(std::initializer_list<int> values) {
  std::string bytes;
  for (int value : values) bytes.push_back(static_cast<char>(value));
  return bytes;
}

TEST(Utf8, NothingIsValid) {
  EXPECT_TRUE(weir_internal_utf8_is_valid("", 0));
  EXPECT_TRUE(weir_internal_utf8_is_valid(nullptr, 0));
}

TEST(Utf8, AllInputsOfUpToThreeBytesAgreeWithTheReference) {
  for (int a = 0; a < 256; a++) {
    ASSERT_EQ(ReferenceIsValid(Bytes({a})), IsValid(Bytes({a}))) << a;
    for (int b = 0; b < 256; b++) {
      ASSERT_EQ(ReferenceIsValid(Bytes({a, b})), IsValid(Bytes({a, b}))) << a << " " << b;
    }
  }
  std::string text(3, '\0');
  for (uint32_t value = 0; value < 1u << 24; value++) {
    text[0] = static_cast<char>(value >> 16);
    text[1] = static_cast<char>(value >> 8);
    text[2] = static_cast<char>(value);
    if (ReferenceIsValid(text) != IsValid(text)) FAIL() << std::hex << value;
  }
}

TEST(Utf8, BoundariesOfFourBytesAgreeWithTheReference) {
  const std::vector<int> leads = {0x7F, 0x80, 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xEF,
                                  0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFC, 0xFF};
  const std::vector<int> others = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F,
                                   0xA0, 0xBF, 0xC0, 0xC2, 0xED, 0xFF};
  for (int a : leads) {
    for (int b = 0; b < 256; b++) {
      for (int c : others) {
        for (int d : others) {
          std::string text = Bytes({a, b, c, d});
          ASSERT_EQ(ReferenceIsValid(text), IsValid(text)) << a << " " << b << " " << c << " " << d;
        }
      }
    }
  }
}

TEST(Utf8, EveryCodePointIsValidButNoSurrogate) {
  for (uint32_t code_point = 0x800; code_point <= 0x110000; code_point++) {
    std::string text;
    if (code_point < 0x10000) {
      text = Bytes({0xE0 | static_cast<int>(code_point >> 12)});
    } else {
      text = Bytes({0xF0 | static_cast<int>(code_point >> 18),
                    0x80 | static_cast<int>(code_point >> 12 & 63)});
    }
    text += Bytes(
        {0x80 | static_cast<int>(code_point >> 6 & 63), 0x80 | static_cast<int>(code_point & 63)});
    bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
    ASSERT_EQ(!surrogate && code_point <= 0x10FFFF, IsValid(text)) << std::hex << code_point;
  }
}

struct NamedText {
  const char *name;
  std::string text;
  bool valid;
};

const NamedText kNamed[] = {
    {"Ascii", "plain", true},
    {"Nul", Bytes({0, 0x61, 0}), true},
    {"TwoBytes", "\xC3\xA9", true},
    {"ThreeBytes", "\xE2\x82\xAC", true},
    {"FourBytes", "\xF0\x9F\x98\x80", true},
    {"ByteOrderMark", "\xEF\xBB\xBF", true},
    {"LastCodePoint", "\xF4\x8F\xBF\xBF", true},
    {"AboveTheLastCodePoint", "\xF4\x90\x80\x80", false},
    {"OverlongSlash", "\xC0\xAF", false},
    {"OverlongSlashInThree", "\xE0\x80\xAF", false},
    {"OverlongSlashInFour", "\xF0\x80\x80\xAF", false},
    {"OverlongNul", "\xC0\x80", false},
    {"FirstSurrogate", "\xED\xA0\x80", false},
    {"LastSurrogate", "\xED\xBF\xBF", false},
    {"BeforeTheSurrogates", "\xED\x9F\xBF", true},
    {"LoneContinuation", "\x80", false},
    {"TwoBytesCutOff", "\xC3", false},
    {"ThreeBytesCutOff", "\xE2\x82", false},
    {"FourBytesCutOff", "\xF0\x9F\x98", false},
    {"FiveBytes", "\xF8\x88\x80\x80\x80", false},
};

// What stands before and behind moves the text over the words in which ASCII is skipped.
TEST(Utf8, NeighboursOfAnyLengthChangeNothing) {
  for (const NamedText &named : kNamed) {
    for (size_t before = 0; before <= 20; before++) {
      for (size_t behind = 0; behind <= 20; behind++) {
        std::string text = std::string(before, 'a') + named.text + std::string(behind, 'z');
        ASSERT_EQ(named.valid, IsValid(text)) << named.name << " " << before << " " << behind;
      }
    }
  }
}

TEST(Utf8, ASequenceOnlyCompletedBehindTheEndIsCutOff) {
  EXPECT_FALSE(weir_internal_utf8_is_valid("\xE2\x82\xAC", 2));
  EXPECT_FALSE(weir_internal_utf8_is_valid("aaaaaaaa\xF0\x9F\x98\x80", 11));
}

}  // namespace
