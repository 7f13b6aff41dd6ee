// SPDX-License-Identifier: Apache-2.0
//
// Numbers in binary. They are put together and taken apart by shifts, which mean the same on every
// machine, and which compilers turn into one instruction.

#include "weir/numbers.h"

#include "channel/internal/write_channel.h"

// The |size| bytes of a number, and back.

static uint64_t from_be(const unsigned char *bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++) value = value << 8 | bytes[i];
  return value;
}

static uint64_t from_le(const unsigned char *bytes, size_t size) {
  uint64_t value = 0;
  for (size_t i = size; i > 0; i--) value = value << 8 | bytes[i - 1];
  return value;
}

static void to_be(unsigned char *bytes, size_t size, uint64_t value) {
  for (size_t i = size; i > 0; i--, value >>= 8) bytes[i - 1] = (unsigned char)value;
}

static void to_le(unsigned char *bytes, size_t size, uint64_t value) {
  for (size_t i = 0; i < size; i++, value >>= 8) bytes[i] = (unsigned char)value;
}

// Only what fits into the capacity is taken all or none.
static int write_whole(weir_write_channel *channel, const unsigned char *bytes, size_t size) {
  if (size > channel->capacity) return -EMSGSIZE;
  return weir_write_fully(channel, bytes, size, NULL);
}

// A number of |type| is handled as the unsigned number |bits| with the same bit pattern.
#define NUMBER(name, type, bits, order)                            \
  int weir_read_##name(weir_read_channel *channel, type *out) {    \
    unsigned char bytes[sizeof(type)];                             \
    int result = weir_read_exactly(channel, bytes, sizeof bytes);  \
    if (result < 0) return result;                                 \
    bits pattern = (bits)from_##order(bytes, sizeof bytes);        \
    memcpy(out, &pattern, sizeof *out);                            \
    return 0;                                                      \
  }                                                                \
  int weir_write_##name(weir_write_channel *channel, type value) { \
    bits pattern;                                                  \
    memcpy(&pattern, &value, sizeof pattern);                      \
    unsigned char bytes[sizeof(type)];                             \
    to_##order(bytes, sizeof bytes, pattern);                      \
    return write_whole(channel, bytes, sizeof bytes);              \
  }

#define NUMBER_IN_BOTH_ORDERS(name, type, bits) \
  NUMBER(name##_be, type, bits, be)             \
  NUMBER(name##_le, type, bits, le)

NUMBER(uint8, uint8_t, uint8_t, be)
NUMBER(int8, int8_t, uint8_t, be)
NUMBER_IN_BOTH_ORDERS(uint16, uint16_t, uint16_t)
NUMBER_IN_BOTH_ORDERS(int16, int16_t, uint16_t)
NUMBER_IN_BOTH_ORDERS(uint32, uint32_t, uint32_t)
NUMBER_IN_BOTH_ORDERS(int32, int32_t, uint32_t)
NUMBER_IN_BOTH_ORDERS(uint64, uint64_t, uint64_t)
NUMBER_IN_BOTH_ORDERS(int64, int64_t, uint64_t)
NUMBER_IN_BOTH_ORDERS(float, float, uint32_t)
NUMBER_IN_BOTH_ORDERS(double, double, uint64_t)
