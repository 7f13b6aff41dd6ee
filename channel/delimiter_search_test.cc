// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/delimiter_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "testing/leak_checked_test.h"

namespace {

class DelimiterSearch : public weir_testing::LeakCheckedTest {
 protected:
  // Searches |text| in pieces of |size|. Returns where the delimiter ends, or npos.
  static size_t Find(const std::string &text, const std::string &delimiter, size_t size) {
    weir_internal_delimiter_search search;
    weir_bytes wanted = weir_bytes_of(delimiter.data(), delimiter.size());
    EXPECT_EQ(0, weir_internal_delimiter_search_begin(&search, wanted));
    size_t at = 0;
    while (at < text.size() && !weir_internal_delimiter_search_found(&search)) {
      size_t piece = std::min(size, text.size() - at);
      size_t searched =
          weir_internal_delimiter_search_on(&search, weir_bytes_of(text.data() + at, piece));
      at += searched;
      EXPECT_TRUE(searched == piece || weir_internal_delimiter_search_found(&search));
      EXPECT_EQ(0, text.compare(at - search.matched, search.matched, delimiter, 0, search.matched));
    }
    bool found = weir_internal_delimiter_search_found(&search);
    weir_internal_delimiter_search_end(&search);
    return found ? at : std::string::npos;
  }

  static void Check(const std::string &text, const std::string &delimiter) {
    size_t expected = text.find(delimiter);
    if (expected != std::string::npos) expected += delimiter.size();
    for (size_t size : {size_t{1}, size_t{2}, size_t{3}, text.size() + 1}) {
      EXPECT_EQ(expected, Find(text, delimiter, size)) << text << " " << delimiter << " " << size;
    }
  }

  // The |number|th string of |size| bytes over two letters.
  static std::string Nth(unsigned number, size_t size) {
    std::string text;
    for (size_t i = 0; i < size; i++) text += (number >> i & 1) != 0 ? 'a' : '-';
    return text;
  }
};

TEST_F(DelimiterSearch, AgreesWithThePlainSearchOnEverything) {
  for (size_t delimiter_size = 1; delimiter_size <= 5; delimiter_size++) {
    for (unsigned delimiter = 0; delimiter < 1u << delimiter_size; delimiter++) {
      for (unsigned text = 0; text < 1u << 9; text++) {
        Check(Nth(text, 9), Nth(delimiter, delimiter_size));
      }
    }
  }
}

TEST_F(DelimiterSearch, DelimitersOfEverySizeAroundTheShortOnes) {
  for (size_t size = 1; size <= WEIR_INTERNAL_SHORT_DELIMITER + 3; size++) {
    std::string delimiter = std::string(size - 1, '-') + "a";
    Check(std::string(100, '-') + "aaa", delimiter);
    Check("--" + delimiter.substr(0, size - 1), delimiter);
  }
}

TEST_F(DelimiterSearch, BytesAreBytes) {
  Check(std::string("\0\xff\0\xff\x80", 5), std::string("\0\xff\x80", 3));
  Check(std::string("\r\n\0\r\n\0", 6), std::string("\n\0", 2));
}

TEST_F(DelimiterSearch, OnlyLongDelimitersNeedMemory) {
  weir_internal_delimiter_search search;
  std::string longer(WEIR_INTERNAL_SHORT_DELIMITER + 1, '-');
  allocator().FailNth(1);
  EXPECT_EQ(0, weir_internal_delimiter_search_begin(
                   &search, weir_bytes_of(longer.data(), longer.size() - 1)));
  weir_internal_delimiter_search_end(&search);
  EXPECT_EQ(-ENOMEM, weir_internal_delimiter_search_begin(
                         &search, weir_bytes_of(longer.data(), longer.size())));
}

// A search that began anew for each byte would look at 10^10 of them.
TEST_F(DelimiterSearch, TheWorstCaseTakesLinearTime) {
  std::string delimiter = std::string(100000, '-') + "a";
  std::string text = std::string(200000, '-') + "a";
  EXPECT_EQ(text.size(), Find(text, delimiter, 1));
  text = std::string(99999, '-') + "x" + text;
  EXPECT_EQ(text.size(), Find(text, delimiter, 4096));
}

}  // namespace
