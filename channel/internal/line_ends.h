// SPDX-License-Identifier: Apache-2.0
//
// Where the lines of a block end. memchr finds one line end and forgets what it saw behind it, so
// that for lines of tens of bytes most of its work is to begin anew. Here a block is searched once
// and all its line ends are kept as bits; the next one is then a count of zeros away.

#ifndef WEIR_CHANNEL_INTERNAL_LINE_ENDS_H
#define WEIR_CHANNEL_INTERNAL_LINE_ENDS_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

// One bit for each byte.
enum { WEIR_INTERNAL_LINE_BLOCK = 64 };

// The block that was searched last, where its bytes lie in a buffer. Zeroed, it is none.
typedef struct weir_internal_line_ends {
  uint64_t marks;  // the highest bit stands for the last byte
  uint32_t end;    // behind the last byte
} weir_internal_line_ends;

// What is told of each of the 64 bytes of a block is a mask, the lowest bit for the first.
//
// The plain forms run on every machine. The others are for x86-64, all of which have SSE2; those
// with AVX2 take fewer steps, and are chosen at run time where that is worth it.

// Loads eight bytes, the first into the lowest.
static inline uint64_t weir_internal_load_8(const char *bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

// Gathers the highest bits of eight bytes in the lowest byte.
static inline uint64_t weir_internal_gather_8(uint64_t word) {
  return ((word >> 7) & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

// weir_internal_line_ends_plain returns which bytes at |block| are LF.
static inline uint64_t weir_internal_line_ends_plain(const char *block) {
  const uint64_t low = UINT64_C(0x7F7F7F7F7F7F7F7F);
  uint64_t marks = 0;
  for (int i = 0; i < WEIR_INTERNAL_LINE_BLOCK; i += 8) {
    uint64_t word = weir_internal_load_8(block + i) ^ UINT64_C(0x0A0A0A0A0A0A0A0A);
    // Nothing carries from byte to byte. The highest bit of a byte is set where it was LF.
    word = ~(((word & low) + low) | word | low);
    marks |= weir_internal_gather_8(word) << i;
  }
  return marks;
}

// weir_internal_not_ascii_plain returns which bytes at |block| are no ASCII.
static inline uint64_t weir_internal_not_ascii_plain(const char *block) {
  uint64_t marks = 0;
  for (int i = 0; i < WEIR_INTERNAL_LINE_BLOCK; i += 8) {
    marks |= weir_internal_gather_8(weir_internal_load_8(block + i)) << i;
  }
  return marks;
}

#if defined(__x86_64__)
// Loads 16 bytes.
static inline __m128i weir_internal_load_16(const char *bytes) {
  return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

// Gathers the highest bits of 16 bytes.
static inline uint64_t weir_internal_gather_16(__m128i bytes) {
  return (uint32_t)_mm_movemask_epi8(bytes);
}

// Tells which of 16 bytes are LF.
static inline uint64_t weir_internal_line_ends_in_16(const char *bytes) {
  return weir_internal_gather_16(_mm_cmpeq_epi8(weir_internal_load_16(bytes), _mm_set1_epi8('\n')));
}

// weir_internal_line_ends_sse2 is weir_internal_line_ends_plain with SSE2.
static inline uint64_t weir_internal_line_ends_sse2(const char *block) {
  uint64_t lower = weir_internal_line_ends_in_16(block) | weir_internal_line_ends_in_16(block + 16)
                                                              << 16;
  uint64_t upper =
      weir_internal_line_ends_in_16(block + 32) | weir_internal_line_ends_in_16(block + 48) << 16;
  return lower | upper << 32;
}

// Tells which of 32 bytes are LF.
__attribute__((target("avx2"))) static inline uint64_t weir_internal_line_ends_in_32(
    const char *bytes) {
  __m256i loaded = _mm256_loadu_si256((const __m256i *)(const void *)bytes);
  return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(loaded, _mm256_set1_epi8('\n')));
}

// weir_internal_line_ends_avx2 is weir_internal_line_ends_plain for processors that have AVX2.
__attribute__((target("avx2"))) static inline uint64_t weir_internal_line_ends_avx2(
    const char *block) {
  return weir_internal_line_ends_in_32(block) | weir_internal_line_ends_in_32(block + 32) << 32;
}

// Tells which of 16 bytes are no ASCII: those with the highest bit.
static inline uint64_t weir_internal_not_ascii_in_16(const char *bytes) {
  return weir_internal_gather_16(weir_internal_load_16(bytes));
}

// weir_internal_not_ascii_sse2 is weir_internal_not_ascii_plain with SSE2.
static inline uint64_t weir_internal_not_ascii_sse2(const char *block) {
  uint64_t lower = weir_internal_not_ascii_in_16(block) | weir_internal_not_ascii_in_16(block + 16)
                                                              << 16;
  uint64_t upper =
      weir_internal_not_ascii_in_16(block + 32) | weir_internal_not_ascii_in_16(block + 48) << 16;
  return lower | upper << 32;
}
#endif

// weir_internal_line_ends_of and weir_internal_not_ascii_of are the best of those that need not be
// chosen.
static inline uint64_t weir_internal_line_ends_of(const char *block) {
#if defined(__x86_64__)
  return weir_internal_line_ends_sse2(block);
#else
  return weir_internal_line_ends_plain(block);
#endif
}
static inline uint64_t weir_internal_not_ascii_of(const char *block) {
#if defined(__x86_64__)
  return weir_internal_not_ascii_sse2(block);
#else
  return weir_internal_not_ascii_plain(block);
#endif
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_LINE_ENDS_H
