// SPDX-License-Identifier: Apache-2.0
//
// Where the lines of a block end. memchr finds one line end and forgets what it saw behind it, so
// that for lines of tens of bytes most of its work is to begin anew. Here a block is searched once
// and all its line ends are kept as bits; the next one is then a count of zeros away.

#ifndef WEIR_CHANNEL_INTERNAL_LINE_ENDS_H
#define WEIR_CHANNEL_INTERNAL_LINE_ENDS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
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
// The plain forms run on every machine. The others are for x86-64, all of which have SSE2: there is
// nothing to choose at run time, and nothing to call.

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

#if defined(__SSE2__)
static inline __m128i weir_internal_load_16(const char *bytes) {
  return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

// Gathers the highest bits of 64 bytes.
static inline uint64_t weir_internal_gather_64(__m128i first, __m128i second, __m128i third,
                                               __m128i fourth) {
  uint64_t lower = (uint32_t)_mm_movemask_epi8(first) | (uint32_t)_mm_movemask_epi8(second) << 16;
  uint64_t upper = (uint32_t)_mm_movemask_epi8(third) | (uint32_t)_mm_movemask_epi8(fourth) << 16;
  return lower | upper << 32;
}

static inline uint64_t weir_internal_line_ends_sse2(const char *block) {
  const __m128i lf = _mm_set1_epi8('\n');
  return weir_internal_gather_64(_mm_cmpeq_epi8(weir_internal_load_16(block), lf),
                                 _mm_cmpeq_epi8(weir_internal_load_16(block + 16), lf),
                                 _mm_cmpeq_epi8(weir_internal_load_16(block + 32), lf),
                                 _mm_cmpeq_epi8(weir_internal_load_16(block + 48), lf));
}

static inline uint64_t weir_internal_not_ascii_sse2(const char *block) {
  return weir_internal_gather_64(weir_internal_load_16(block), weir_internal_load_16(block + 16),
                                 weir_internal_load_16(block + 32),
                                 weir_internal_load_16(block + 48));
}

static inline bool weir_internal_is_ascii_sse2(const char *block) {
  __m128i lower = _mm_or_si128(weir_internal_load_16(block), weir_internal_load_16(block + 16));
  __m128i upper =
      _mm_or_si128(weir_internal_load_16(block + 32), weir_internal_load_16(block + 48));
  return _mm_movemask_epi8(_mm_or_si128(lower, upper)) == 0;
}
#endif

// The best of them here.
static inline uint64_t weir_internal_line_ends_of(const char *block) {
#if defined(__SSE2__)
  return weir_internal_line_ends_sse2(block);
#else
  return weir_internal_line_ends_plain(block);
#endif
}

static inline uint64_t weir_internal_not_ascii_of(const char *block) {
#if defined(__SSE2__)
  return weir_internal_not_ascii_sse2(block);
#else
  return weir_internal_not_ascii_plain(block);
#endif
}

// weir_internal_is_ascii tells whether all bytes at |block| are ASCII, and with it valid UTF-8.
static inline bool weir_internal_is_ascii(const char *block) {
#if defined(__SSE2__)
  return weir_internal_is_ascii_sse2(block);
#else
  return weir_internal_not_ascii_plain(block) == 0;
#endif
}

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_LINE_ENDS_H
