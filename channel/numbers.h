// SPDX-License-Identifier: Apache-2.0
//
// weir/numbers.h: numbers in binary, in both byte orders: |be| is big-endian, as the Internet has
// it, |le| little-endian. Floats are IEEE 754.
//
// Each read is weir_read_exactly and each write weir_write_fully for the bytes of one number: they
// suspend and fail as those do; a write also returns -EMSGSIZE when the number is larger than the
// channel's capacity. So a number is read or written as a whole or not at all, and a read whose
// deadline passed may simply be repeated, with two bytes of four there.
//
// Example:
//   static int run(void *argument) {
//     (void)argument;
//     weir_connection *memory;
//     int result = weir_memory_connection(&memory, weir_bytes_of("\x00\x2a", 2), NULL);
//     if (result < 0) return result;
//     uint16_t answer;
//     result = weir_read_uint16_be(weir_open_read_channel(memory), &answer);
//     if (result == 0) printf("%u\n", answer);  // 42
//     weir_connection_close(memory);
//     return result;
//   }
//   assert(weir_run(NULL, run, NULL) == 0);

#ifndef WEIR_NUMBERS_H
#define WEIR_NUMBERS_H

#include "weir/read_channel.h"
#include "weir/write_channel.h"

#ifdef __cplusplus
extern "C" {
#endif

// Reading

// Numbers of one byte, which has no order.
WEIR_MUST_USE int weir_read_uint8(weir_read_channel *channel, uint8_t *out);
WEIR_MUST_USE int weir_read_int8(weir_read_channel *channel, int8_t *out);

// Numbers of two bytes.
WEIR_MUST_USE int weir_read_uint16_be(weir_read_channel *channel, uint16_t *out);
WEIR_MUST_USE int weir_read_uint16_le(weir_read_channel *channel, uint16_t *out);
WEIR_MUST_USE int weir_read_int16_be(weir_read_channel *channel, int16_t *out);
WEIR_MUST_USE int weir_read_int16_le(weir_read_channel *channel, int16_t *out);

// Numbers of four bytes.
WEIR_MUST_USE int weir_read_uint32_be(weir_read_channel *channel, uint32_t *out);
WEIR_MUST_USE int weir_read_uint32_le(weir_read_channel *channel, uint32_t *out);
WEIR_MUST_USE int weir_read_int32_be(weir_read_channel *channel, int32_t *out);
WEIR_MUST_USE int weir_read_int32_le(weir_read_channel *channel, int32_t *out);

// Numbers of eight bytes.
WEIR_MUST_USE int weir_read_uint64_be(weir_read_channel *channel, uint64_t *out);
WEIR_MUST_USE int weir_read_uint64_le(weir_read_channel *channel, uint64_t *out);
WEIR_MUST_USE int weir_read_int64_be(weir_read_channel *channel, int64_t *out);
WEIR_MUST_USE int weir_read_int64_le(weir_read_channel *channel, int64_t *out);

// Floats, of four and of eight bytes.
WEIR_MUST_USE int weir_read_float_be(weir_read_channel *channel, float *out);
WEIR_MUST_USE int weir_read_float_le(weir_read_channel *channel, float *out);
WEIR_MUST_USE int weir_read_double_be(weir_read_channel *channel, double *out);
WEIR_MUST_USE int weir_read_double_le(weir_read_channel *channel, double *out);

// Writing

// Numbers of one byte, which has no order.
WEIR_MUST_USE int weir_write_uint8(weir_write_channel *channel, uint8_t value);
WEIR_MUST_USE int weir_write_int8(weir_write_channel *channel, int8_t value);

// Numbers of two bytes.
WEIR_MUST_USE int weir_write_uint16_be(weir_write_channel *channel, uint16_t value);
WEIR_MUST_USE int weir_write_uint16_le(weir_write_channel *channel, uint16_t value);
WEIR_MUST_USE int weir_write_int16_be(weir_write_channel *channel, int16_t value);
WEIR_MUST_USE int weir_write_int16_le(weir_write_channel *channel, int16_t value);

// Numbers of four bytes.
WEIR_MUST_USE int weir_write_uint32_be(weir_write_channel *channel, uint32_t value);
WEIR_MUST_USE int weir_write_uint32_le(weir_write_channel *channel, uint32_t value);
WEIR_MUST_USE int weir_write_int32_be(weir_write_channel *channel, int32_t value);
WEIR_MUST_USE int weir_write_int32_le(weir_write_channel *channel, int32_t value);

// Numbers of eight bytes.
WEIR_MUST_USE int weir_write_uint64_be(weir_write_channel *channel, uint64_t value);
WEIR_MUST_USE int weir_write_uint64_le(weir_write_channel *channel, uint64_t value);
WEIR_MUST_USE int weir_write_int64_be(weir_write_channel *channel, int64_t value);
WEIR_MUST_USE int weir_write_int64_le(weir_write_channel *channel, int64_t value);

// Floats, of four and of eight bytes.
WEIR_MUST_USE int weir_write_float_be(weir_write_channel *channel, float value);
WEIR_MUST_USE int weir_write_float_le(weir_write_channel *channel, float value);
WEIR_MUST_USE int weir_write_double_be(weir_write_channel *channel, double value);
WEIR_MUST_USE int weir_write_double_le(weir_write_channel *channel, double value);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_NUMBERS_H
