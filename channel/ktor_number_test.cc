// SPDX-License-Identifier: Apache-2.0
//
// Numbers of every kind at every place of a small ring: Ktor's scenarios of that kind, written
// afresh. docs/ktor-parity.md says which is which.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "testing/pipe_test.h"
#include "weir/channel.h"

namespace {

class KtorNumber : public weir_testing::PipeTest {
 protected:
  // One kind of number: writes and reads the one that belongs to |seed|.
  struct Kind {
    const char *name;
    size_t size;
    std::function<int(weir_write_channel *, unsigned seed)> write;
    std::function<bool(weir_read_channel *, unsigned seed)> read;
  };

  template <typename Type>
  static Kind Make(const char *name, int (*write)(weir_write_channel *, Type),
                   int (*read)(weir_read_channel *, Type *)) {
    // Each byte of it is different, and the first one has its sign bit half of the time.
    auto value = [](unsigned seed) {
      return static_cast<Type>(0x0123456789abcdefu * (seed * 2 + 1));
    };
    return {name, sizeof(Type),
            [=](weir_write_channel *to, unsigned seed) { return write(to, value(seed)); },
            [=](weir_read_channel *from, unsigned seed) {
              Type got = 0;
              return read(from, &got) == 0 && got == value(seed);
            }};
  }

  static std::vector<Kind> Kinds() {
    return {
        Make<uint8_t>("uint8", weir_write_uint8, weir_read_uint8),
        Make<int8_t>("int8", weir_write_int8, weir_read_int8),
        Make<uint16_t>("uint16_be", weir_write_uint16_be, weir_read_uint16_be),
        Make<uint16_t>("uint16_le", weir_write_uint16_le, weir_read_uint16_le),
        Make<int16_t>("int16_be", weir_write_int16_be, weir_read_int16_be),
        Make<int16_t>("int16_le", weir_write_int16_le, weir_read_int16_le),
        Make<uint32_t>("uint32_be", weir_write_uint32_be, weir_read_uint32_be),
        Make<uint32_t>("uint32_le", weir_write_uint32_le, weir_read_uint32_le),
        Make<int32_t>("int32_be", weir_write_int32_be, weir_read_int32_be),
        Make<int32_t>("int32_le", weir_write_int32_le, weir_read_int32_le),
        Make<uint64_t>("uint64_be", weir_write_uint64_be, weir_read_uint64_be),
        Make<uint64_t>("uint64_le", weir_write_uint64_le, weir_read_uint64_le),
        Make<int64_t>("int64_be", weir_write_int64_be, weir_read_int64_be),
        Make<int64_t>("int64_le", weir_write_int64_le, weir_read_int64_le),
        Make<float>("float_be", weir_write_float_be, weir_read_float_be),
        Make<float>("float_le", weir_write_float_le, weir_read_float_le),
        Make<double>("double_be", weir_write_double_be, weir_read_double_be),
        Make<double>("double_le", weir_write_double_le, weir_read_double_le),
    };
  }
};

TEST_F(KtorNumber, EveryKindAtEveryShiftOfASmallRing) {
  for (const Kind &kind : Kinds()) {
    for (size_t ring : {kind.size, size_t{9}, size_t{16}}) {
      for (size_t shift = 0; shift < ring; shift++) {
        SCOPED_TRACE(std::string(kind.name) + " " + std::to_string(shift));
        WithPipe({ring, 0, 1}, [&] {
          // The first number begins |shift| bytes behind the beginning of the ring.
          EXPECT_EQ(0, Send(std::string(ring, '#')));
          Start([&] {
            EXPECT_EQ(0, Send(std::string(shift, '#')));
            for (unsigned seed = 0; seed < 4; seed++) EXPECT_EQ(0, kind.write(writer(), seed));
            return weir_flush(writer());
          });
          EXPECT_EQ(std::string(ring + shift, '#'), ReadFully(ring + shift));
          for (unsigned seed = 0; seed < 4; seed++) EXPECT_TRUE(kind.read(reader(), seed)) << seed;
        });
      }
    }
  }
}

TEST_F(KtorNumber, MixedByteOrders) {
  WithPipe({}, [this] {
    EXPECT_EQ(0, weir_write_uint16_be(writer(), 0x0102));
    EXPECT_EQ(0, weir_write_uint16_le(writer(), 0x0102));
    EXPECT_EQ(0, weir_write_uint32_le(writer(), 0x01020304));
    EXPECT_EQ(0, weir_write_uint32_be(writer(), 0x01020304));
    EXPECT_EQ(0, weir_write_uint64_be(writer(), 0x0102030405060708));
    EXPECT_EQ(0, weir_write_uint64_le(writer(), 0x0102030405060708));
    EXPECT_EQ(0, weir_write_float_le(writer(), 1.5f));
    EXPECT_EQ(0, weir_write_double_be(writer(), 1.5));
    EXPECT_EQ(0, weir_flush(writer()));
    weir_bytes bytes;
    EXPECT_EQ(0, weir_read_peek(reader(), 40, &bytes));
    const std::string expected(
        "\1\2\2\1\4\3\2\1\1\2\3\4\1\2\3\4\5\6\7\10\10\7\6\5\4\3\2\1"
        "\0\0\xc0\x3f\x3f\xf8\0\0\0\0\0\0",
        40);
    EXPECT_EQ(expected, Text(bytes));
    uint16_t two = 0;
    uint32_t four = 0;
    uint64_t eight = 0;
    EXPECT_EQ(0, weir_read_uint16_be(reader(), &two));
    EXPECT_EQ(0x0102, two);
    EXPECT_EQ(0, weir_read_uint16_be(reader(), &two));  // written in the other order
    EXPECT_EQ(0x0201, two);
    EXPECT_EQ(0, weir_read_uint32_be(reader(), &four));
    EXPECT_EQ(0x04030201u, four);
    EXPECT_EQ(0, weir_read_uint32_le(reader(), &four));
    EXPECT_EQ(0x04030201u, four);
    EXPECT_EQ(0, weir_read_uint64_le(reader(), &eight));
    EXPECT_EQ(0x0807060504030201u, eight);
    EXPECT_EQ(0, weir_read_uint64_le(reader(), &eight));
    EXPECT_EQ(0x0102030405060708u, eight);
  });
}

TEST_F(KtorNumber, SingleBytesThatComeLateMakeANumberWhileOthersRun) {
  for (const Kind &kind : Kinds()) {
    SCOPED_TRACE(kind.name);
    WithPipe({1, 0, 0}, [&] {
      size_t turns = 0;
      bool read = false;
      Start([&] {
        EXPECT_TRUE(kind.read(reader(), 7));
        read = true;
        return 0;
      });
      Start([&] {
        EXPECT_EQ(0, kind.write(writer(), 7));
        return weir_flush(writer());  // a byte whenever the last one has been taken
      });
      for (; !read && turns < 1000; turns++) EXPECT_EQ(0, weir_delay(1));
      EXPECT_TRUE(read);
    });
  }
}

TEST_F(KtorNumber, OneAndThreeBytes) {
  WithPipe({}, [this] {
    uint32_t value = 0;
    EXPECT_EQ(0, Send("\x11"));
    EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return weir_read_uint32_be(reader(), &value); }));
    EXPECT_EQ(0u, value);
    EXPECT_EQ(0, Send("\x22\x33\x44"));
    EXPECT_EQ(0, weir_read_uint32_be(reader(), &value));
    EXPECT_EQ(0x11223344u, value);
  });
}

TEST_F(KtorNumber, OfTooFewBytesNoneIsTaken) {
  for (const Kind &kind : Kinds()) {
    SCOPED_TRACE(kind.name);
    WithPipe({}, [&] {
      const std::string few(kind.size - 1, 'x');
      EXPECT_EQ(0, kind.write(writer(), 3));
      EXPECT_EQ(0, Write(few));
      EXPECT_EQ(0, weir_write_channel_close(writer()));
      EXPECT_TRUE(kind.read(reader(), 3));
      uint64_t before = weir_total_bytes_read(reader());
      EXPECT_FALSE(kind.read(reader(), 3));
      EXPECT_EQ(before, weir_total_bytes_read(reader()));
      EXPECT_EQ(few + "<WEIR_E_END_OF_STREAM>", ReadFully(kind.size));
    });
  }
}

TEST_F(KtorNumber, ManyWrittenAndFlushedWhileTheyAreRead) {
  constexpr unsigned kCount = 20000;
  for (const Kind &kind : Kinds()) {
    SCOPED_TRACE(kind.name);
    WithPipe({13, 29, 17}, [&] {
      Start([&] {
        int result = 0;
        for (unsigned seed = 0; seed < kCount && result == 0; seed++) {
          result = kind.write(writer(), seed);
          if (result == 0 && seed % 5 == 0) result = weir_flush(writer());
        }
        EXPECT_EQ(0, result);
        return weir_write_channel_close(writer());
      });
      unsigned seed = 0;
      while (seed < kCount && kind.read(reader(), seed)) seed++;
      EXPECT_EQ(kCount, seed);
      EXPECT_EQ("<WEIR_E_END_OF_STREAM>", Read(1));
    });
  }
}

}  // namespace
