// SPDX-License-Identifier: Apache-2.0

#include "weir/buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "testing/leak_checked_test.h"

namespace {

class Buffer : public weir_testing::LeakCheckedTest {
 protected:
  void TearDown() override {
    weir_buffer_release(&buffer_);
    LeakCheckedTest::TearDown();
  }

  std::string Text() const {
    weir_bytes bytes = weir_buffer_bytes(&buffer_);
    return std::string(bytes.size > 0 ? bytes.data : "", bytes.size);
  }

  weir_buffer buffer_ = {};
};

TEST_F(Buffer, ZeroIsEmptyAndMayBeReleased) {
  EXPECT_EQ("", Text());
  weir_buffer_release(&buffer_);
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_bytes_of(nullptr, 0)));
  EXPECT_EQ(0, weir_buffer_reserve(&buffer_, 0));
  EXPECT_EQ(nullptr, buffer_.data);
}

TEST_F(Buffer, AppendsPieces) {
  std::string expected;
  for (int i = 0; i < 1000; i++) {
    std::string piece(static_cast<size_t>(i % 7), static_cast<char>('a' + i % 26));
    EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_bytes_of(piece.data(), piece.size())));
    expected += piece;
    EXPECT_GE(buffer_.capacity, buffer_.size);
  }
  EXPECT_EQ(expected, Text());
}

TEST_F(Buffer, GrowsSeldomAndNotByMuch) {
  int moves = 0;
  for (size_t size = 1; size <= 100000; size++) {
    const char *before = buffer_.data;
    EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("x")));
    moves += buffer_.data != before;
  }
  EXPECT_LE(moves, 12);
  EXPECT_LE(buffer_.capacity, 200000u);
}

TEST_F(Buffer, ReservesExactlyWhatIsMuch) {
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("abc")));
  EXPECT_EQ(0, weir_buffer_reserve(&buffer_, 1000));
  EXPECT_EQ(1003u, buffer_.capacity);
  const char *before = buffer_.data;
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text(std::string(1000, 'x').c_str())));
  EXPECT_EQ(before, buffer_.data);
  EXPECT_EQ("abc" + std::string(1000, 'x'), Text());
}

TEST_F(Buffer, AppendsPartsOfItself) {
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("0123456789")));
  std::string expected = "0123456789";
  for (int round = 0; round < 6; round++) {
    EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_buffer_bytes(&buffer_)));
    expected += expected;
    EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_bytes_of(buffer_.data + 3, 4)));
    expected += expected.substr(3, 4);
    EXPECT_EQ(expected, Text());
  }
}

TEST_F(Buffer, TheOwnerMayShortenIt) {
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("abcdef")));
  buffer_.size = 2;
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("xyz")));
  EXPECT_EQ("abxyz", Text());
}

TEST_F(Buffer, WithoutMemoryNothingChanges) {
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text(std::string(64, 'x').c_str())));
  weir_buffer before = buffer_;
  allocator().FailNth(1);
  EXPECT_EQ(-ENOMEM, weir_buffer_append(&buffer_, weir_text("y")));
  EXPECT_TRUE(allocator().refused());
  EXPECT_EQ(before.data, buffer_.data);
  EXPECT_EQ(before.size, buffer_.size);
  EXPECT_EQ(before.capacity, buffer_.capacity);
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("y")));
  EXPECT_EQ(std::string(64, 'x') + "y", Text());
}

TEST_F(Buffer, MoreThanCanBeCountedIsRefused) {
  EXPECT_EQ(0, weir_buffer_append(&buffer_, weir_text("abc")));
  EXPECT_EQ(-EOVERFLOW, weir_buffer_reserve(&buffer_, SIZE_MAX));
  EXPECT_EQ(-EOVERFLOW, weir_buffer_reserve(&buffer_, SIZE_MAX - 2));
  allocator().FailNth(1);  // nobody has that much, and ASan does not like to be asked
  EXPECT_EQ(-ENOMEM, weir_buffer_reserve(&buffer_, SIZE_MAX - 3));
  EXPECT_EQ("abc", Text());
}

}  // namespace
