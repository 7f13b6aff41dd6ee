// SPDX-License-Identifier: Apache-2.0

#include "weir/numbers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "testing/channel_test.h"
#include "testing/scripted_transport.h"
#include "weir/channel.h"

namespace {

using weir_testing::ScriptedTransport;

// One number with its bytes, and the functions for it.
template <typename Type>
struct Example {
  Type value;
  std::string bytes;
  int (*read)(weir_read_channel *, Type *);
  int (*write)(weir_write_channel *, Type);
};

std::string Bytes(const std::vector<int> &values) {
  std::string bytes;
  for (int value : values) bytes += static_cast<char>(value);
  return bytes;
}

class Numbers : public weir_testing::ChannelTest {
 protected:
  template <typename Type>
  void Check(const Example<Type> &example) {
    Writes(example);
    IsWrittenWholeOrNotAtAllWhateverTheCapacity(example);
    // With something before it, so that it lies at every place of a small buffer.
    for (size_t before = 0; before <= 8; before++) ReadsInEveryCut(example, before);
    ReadsByteByByteUnderDeadlines(example);
    IsNotReadWhenTheStreamEndsBefore(example);
  }

 private:
  template <typename Type>
  void Writes(const Example<Type> &example) {
    WithScript([&](ScriptedTransport &script) {
      EXPECT_EQ(0, example.write(script.writer(), example.value));
      EXPECT_EQ(0, weir_flush(script.writer()));
      EXPECT_EQ(example.bytes, script.sent());
      EXPECT_EQ(0, weir_write_channel_close(script.writer()));
      EXPECT_EQ(WEIR_E_CLOSED, example.write(script.writer(), example.value));
    });
  }

  // A deadline passes while the transport takes one byte at a time, and then none.
  template <typename Type>
  void IsWrittenWholeOrNotAtAllWhateverTheCapacity(const Example<Type> &example) {
    for (size_t capacity = 1; capacity <= 9; capacity++) {
      for (size_t room = 0; room <= capacity + 8; room++) {
        SCOPED_TRACE(std::to_string(capacity) + " " + std::to_string(room));
        WithScript([&](ScriptedTransport &script) {
          weir_write_channel_options options = {};
          options.capacity = capacity;
          EXPECT_EQ(0, weir_write_channel_configure(script.writer(), &options));
          script.LimitWrites(1);
          script.SetRoom(0);
          std::string before(capacity - 1, '#');
          EXPECT_EQ(0, weir_write_string(script.writer(), before.c_str()));
          script.SetRoom(room);
          int result = AtOnce([&] { return example.write(script.writer(), example.value); });
          bool fits = example.bytes.size() <= capacity;
          bool has_room = room + 1 >= example.bytes.size();
          EXPECT_EQ(!fits ? -EMSGSIZE : has_room ? 0 : -ETIMEDOUT, result);
          script.SetRoom(ScriptedTransport::kUnlimited);
          EXPECT_EQ(0, weir_flush(script.writer()));
          EXPECT_EQ(before + (result == 0 ? example.bytes : ""), script.sent());
        });
      }
    }
  }

  template <typename Type>
  static void ExpectValue(const Example<Type> &example, ScriptedTransport &script) {
    Type value = 42;
    EXPECT_EQ(0, example.read(script.reader(), &value));
    EXPECT_EQ(0, memcmp(&example.value, &value, sizeof value));
  }

  template <typename Type>
  void ReadsInEveryCut(const Example<Type> &example, size_t before) {
    std::string stream = std::string(before, '#') + example.bytes + example.bytes;
    for (size_t cut = 0; cut <= stream.size(); cut++) {
      WithScript([&](ScriptedTransport &script) {
        weir_read_channel_options options = {};
        options.capacity = 9;
        options.line_limit = 1;
        EXPECT_EQ(0, weir_read_channel_configure(script.reader(), &options));
        script.Feed(stream.substr(0, cut));
        script.Feed(stream.substr(cut));
        EXPECT_EQ(0, weir_read_discard_exactly(script.reader(), before, nullptr));
        ExpectValue(example, script);
        ExpectValue(example, script);
      });
    }
  }

  template <typename Type>
  void ReadsByteByByteUnderDeadlines(const Example<Type> &example) {
    WithScript([&](ScriptedTransport &script) {
      for (char byte : example.bytes) {
        Type value = 42;
        EXPECT_EQ(-ETIMEDOUT, AtOnce([&] { return example.read(script.reader(), &value); }));
        EXPECT_EQ(Type{42}, value);
        script.Feed(std::string(1, byte));
      }
      ExpectValue(example, script);
    });
  }

  template <typename Type>
  void IsNotReadWhenTheStreamEndsBefore(const Example<Type> &example) {
    WithScript([&](ScriptedTransport &script) {
      script.Feed(example.bytes.substr(1));
      script.FeedEnd();
      Type value = 42;
      EXPECT_EQ(WEIR_E_END_OF_STREAM, example.read(script.reader(), &value));
      EXPECT_EQ(Type{42}, value);
      EXPECT_EQ(0u, weir_total_bytes_read(script.reader()));
    });
  }
};

TEST_F(Numbers, OneByte) {
  Check<uint8_t>({0, Bytes({0}), weir_read_uint8, weir_write_uint8});
  Check<uint8_t>({0xfe, Bytes({0xfe}), weir_read_uint8, weir_write_uint8});
  Check<int8_t>({-128, Bytes({0x80}), weir_read_int8, weir_write_int8});
  Check<int8_t>({127, Bytes({0x7f}), weir_read_int8, weir_write_int8});
}

TEST_F(Numbers, TwoBytes) {
  Check<uint16_t>({0xfe01, Bytes({0xfe, 0x01}), weir_read_uint16_be, weir_write_uint16_be});
  Check<uint16_t>({0xfe01, Bytes({0x01, 0xfe}), weir_read_uint16_le, weir_write_uint16_le});
  Check<int16_t>({-2, Bytes({0xff, 0xfe}), weir_read_int16_be, weir_write_int16_be});
  Check<int16_t>({-2, Bytes({0xfe, 0xff}), weir_read_int16_le, weir_write_int16_le});
  Check<int16_t>({-32768, Bytes({0x80, 0x00}), weir_read_int16_be, weir_write_int16_be});
}

TEST_F(Numbers, FourBytes) {
  const std::string up = Bytes({0x81, 0x02, 0x03, 0x04});
  const std::string down = Bytes({0x04, 0x03, 0x02, 0x81});
  Check<uint32_t>({0x81020304, up, weir_read_uint32_be, weir_write_uint32_be});
  Check<uint32_t>({0x81020304, down, weir_read_uint32_le, weir_write_uint32_le});
  Check<int32_t>({-0x7efdfcfc, up, weir_read_int32_be, weir_write_int32_be});
  Check<int32_t>({-0x7efdfcfc, down, weir_read_int32_le, weir_write_int32_le});
}

TEST_F(Numbers, EightBytes) {
  const std::string up = Bytes({0x81, 2, 3, 4, 5, 6, 7, 8});
  const std::string down = Bytes({8, 7, 6, 5, 4, 3, 2, 0x81});
  Check<uint64_t>({0x8102030405060708, up, weir_read_uint64_be, weir_write_uint64_be});
  Check<uint64_t>({0x8102030405060708, down, weir_read_uint64_le, weir_write_uint64_le});
  Check<int64_t>({-0x7efdfcfbfaf9f8f8, up, weir_read_int64_be, weir_write_int64_be});
  Check<int64_t>({-0x7efdfcfbfaf9f8f8, down, weir_read_int64_le, weir_write_int64_le});
}

TEST_F(Numbers, Floats) {
  Check<float>({1.5f, Bytes({0x3f, 0xc0, 0, 0}), weir_read_float_be, weir_write_float_be});
  Check<float>({1.5f, Bytes({0, 0, 0xc0, 0x3f}), weir_read_float_le, weir_write_float_le});
  Check<float>({-0.0f, Bytes({0x80, 0, 0, 0}), weir_read_float_be, weir_write_float_be});
  Check<float>({std::numeric_limits<float>::infinity(), Bytes({0x7f, 0x80, 0, 0}),
                weir_read_float_be, weir_write_float_be});
}

TEST_F(Numbers, Doubles) {
  const std::string up = Bytes({0xbf, 0xf8, 0, 0, 0, 0, 0, 1});
  const std::string down = Bytes({1, 0, 0, 0, 0, 0, 0xf8, 0xbf});
  const double value = -std::nextafter(1.5, 2.0);
  Check<double>({value, up, weir_read_double_be, weir_write_double_be});
  Check<double>({value, down, weir_read_double_le, weir_write_double_le});
}

// Not a number, but still bits that somebody has put there.
TEST_F(Numbers, TheBitsOfANanSurvive) {
  const std::string nan = Bytes({0x7f, 0xf8, 0, 0, 0xde, 0xad, 0xbe, 0xef});
  WithScript([&](ScriptedTransport &script) {
    script.Feed(nan);
    double value = 0;
    EXPECT_EQ(0, weir_read_double_be(script.reader(), &value));
    EXPECT_TRUE(std::isnan(value));
    EXPECT_EQ(0, weir_write_double_be(script.writer(), value));
    EXPECT_EQ(0, weir_flush(script.writer()));
    EXPECT_EQ(nan, script.sent());
  });
}

}  // namespace
