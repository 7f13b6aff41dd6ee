// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

namespace {

// The reference decodes code points by arithmetic, then asks whether the shortest encoding of what
// it found is what it read: another way of saying the same.
size_t ReferencePrefix(const std::string &text) {
  size_t at = 0;
  while (at < text.size()) {
    auto lead = static_cast<unsigned char>(text[at]);
    size_t length = 1;
    while (length < 8 && (lead & (0x80 >> length)) != 0) length++;
    if (lead < 0x80) {
      at++;
      continue;
    }
    if ((lead & 0x40) == 0 || length > 4 || at + length > text.size()) return at;
    uint32_t code_point = lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
      auto next = static_cast<unsigned char>(text[at + i]);
      if (next / 64 != 2) return at;
      code_point = code_point * 64 + next % 64;
    }
    size_t shortest = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    if (shortest != length || code_point > 0x10FFFF || code_point / 0x800 == 0x1B) return at;
    at += length;
  }
  return at;
}

bool ReferenceIsValid(const std::string &text) { return ReferencePrefix(text) == text.size(); }

struct Way {
  const char *name;
  size_t (*prefix)(const char *data, size_t size);
};

// The ways that this machine has, and the choice among them.
const std::vector<Way> &Ways() {
  static const std::vector<Way> ways = [] {
    std::vector<Way> found = {{"chosen", weir_internal_utf8_prefix},
                              {"plain", weir_internal_utf8_prefix_plain}};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2")) found.push_back({"avx2", weir_internal_utf8_prefix_avx2});
#endif
    return found;
  }();
  return ways;
}

// What all ways say. One that disagrees with the first makes the answer |SIZE_MAX|.
size_t Prefix(const char *data, size_t size) {
  size_t prefix = Ways()[0].prefix(data, size);
  for (const Way &way : Ways()) {
    if (way.prefix(data, size) != prefix) return SIZE_MAX;
  }
  return prefix;
}

size_t Prefix(const std::string &text) { return Prefix(text.data(), text.size()); }

bool IsValid(const std::string &text) {
  EXPECT_EQ(ReferencePrefix(text), Prefix(text));
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
  EXPECT_EQ(0u, Prefix("", 0));
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
    if (ReferencePrefix(text) != Prefix(text)) FAIL() << std::hex << value;
  }
}

// The same where they lie across blocks of 32 bytes, at the start and at the end: short texts are
// not looked at in blocks.
TEST(Utf8, AllInputsOfThreeBytesInALongerTextAgreeWithTheReference) {
  const std::vector<size_t> places = {0, 31, 61};
  std::string text(4, 'a');
  std::string around(64, 'a');
  for (uint32_t value = 0; value < 1u << 24; value++) {
    // Without a lead or a continuation there is nothing to see.
    if ((value & 0x808080) == 0) continue;
    text[0] = static_cast<char>(value >> 16);
    text[1] = static_cast<char>(value >> 8);
    text[2] = static_cast<char>(value);
    size_t place = places[value % places.size()];
    around.replace(place, 3, text, 0, 3);
    size_t expected = ReferencePrefix(text);
    expected = expected == text.size() ? around.size() : place + expected;
    size_t got = Ways().back().prefix(around.data(), around.size());
    around.replace(place, 3, "aaa");
    if (expected != got) FAIL() << std::hex << value << " at " << place;
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
          // And across two blocks of a longer text.
          std::string longer = std::string(30, 'a') + text + std::string(30, 'z');
          ASSERT_EQ(ReferencePrefix(longer), Prefix(longer))
              << a << " " << b << " " << c << " " << d;
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

// A text with characters of every length, so that each size cuts some of them off.
std::string Mixed(size_t size) {
  const std::string sample =
      "Gr\xC3\xBC\xC3\x9F"
      "e \xE4\xBD\xA0\xE5\xA5\xBD \xF0\x9F\x98\x80 ok, ";
  std::string text;
  while (text.size() < size) text += sample;
  return text.substr(0, size);
}

// Each text lies in memory of just its size, so that ASan sees who reads behind it.
TEST(Utf8, EverySizeAtEveryOffsetAgreesWithTheReference) {
  for (size_t size = 0; size <= 200; size++) {
    for (size_t offset = 0; offset < 35; offset++) {
      std::string all = Mixed(size + offset);
      std::vector<char> exact(all.begin(), all.end());
      std::string text = all.substr(offset);
      ASSERT_EQ(ReferencePrefix(text), Prefix(exact.data() + offset, size))
          << size << " " << offset;
    }
  }
}

TEST(Utf8, AMistakeAnywhereIsFoundThere) {
  const std::vector<int> mistakes = {0x80, 0xC0, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF};
  for (size_t size = 1; size <= 140; size++) {
    for (const std::string &text : {std::string(size, 'a'), Mixed(size)}) {
      for (size_t at = 0; at < size; at++) {
        for (int mistake : mistakes) {
          std::vector<char> broken(text.begin(), text.end());
          broken[at] = static_cast<char>(mistake);
          size_t expected = ReferencePrefix(std::string(broken.begin(), broken.end()));
          ASSERT_EQ(expected, Prefix(broken.data(), size)) << size << " " << at << " " << mistake;
        }
      }
    }
  }
}

TEST(Utf8, ALongTextIsFoundWhole) {
  for (size_t size : {1000, 4096, 65536, 100001}) {
    EXPECT_EQ(ReferencePrefix(Mixed(size)), Prefix(Mixed(size)));
    EXPECT_EQ(size, Prefix(std::string(size, 'a')));
  }
}

TEST(Utf8, ASequenceOnlyCompletedBehindTheEndIsCutOff) {
  EXPECT_FALSE(weir_internal_utf8_is_valid("\xE2\x82\xAC", 2));
  EXPECT_FALSE(weir_internal_utf8_is_valid("aaaaaaaa\xF0\x9F\x98\x80", 11));
}

}  // namespace
