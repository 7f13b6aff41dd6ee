// SPDX-License-Identifier: Apache-2.0
//
// UTF-8 in blocks of 32 bytes, without a branch for what a block holds, after J. Keiser and
// D. Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (Software: Practice and
// Experience 51(5), 2021).
//
// The idea: almost every mistake shows in two neighbouring bytes, and there in three of their four
// half bytes. Each of these three half bytes is looked up in a table that says which mistakes it
// would fit; a mistake that all three fit has been made. What remains is that third and fourth
// bytes must be there where, and only where, a lead byte two or three before calls for them.
//
// The bytes before a block's are loaded from where they lie, one, two and three bytes before it, so
// no state goes from block to block; and the last block is simply the last 32 bytes, some of which
// were looked at before.

#include "channel/internal/utf8.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define WITH_AVX2 __attribute__((target("avx2")))

enum { BLOCK = 32, LONGEST = 4 };

// Mistakes in two neighbouring bytes. |TWO_CONTINUATIONS| is one unless it is called for.
enum {
  TOO_SHORT = 1 << 0,          // a lead byte, and no continuation
  TOO_LONG = 1 << 1,           // ASCII, and a continuation
  OVERLONG_3 = 1 << 2,         // E0, then below A0
  TOO_LARGE = 1 << 3,          // F4, then 90 and above; F5 and above, then 90 and above
  SURROGATE = 1 << 4,          // ED, then A0 and above
  OVERLONG_2 = 1 << 5,         // C0 or C1
  OVERLONG_4 = 1 << 6,         // F0, then below 90
  TOO_LARGE_LEAD = 1 << 6,     // F5 and above, then below 90
  TWO_CONTINUATIONS = 1 << 7,  // must stay the highest bit
};

// What the first byte of the two may be about, whatever its lower half is.
enum { ANY_LOWER = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS };

WITH_AVX2 static __m256i look_up(__m256i halves, __m128i table) {
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), halves);
}

WITH_AVX2 static __m256i upper_halves(__m256i bytes) {
  return _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0F));
}

WITH_AVX2 static __m256i fits_first_upper(__m256i first) {
  const __m128i table = _mm_setr_epi8(
      TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,  // 0 to 7
      (char)TWO_CONTINUATIONS, (char)TWO_CONTINUATIONS, (char)TWO_CONTINUATIONS,
      (char)TWO_CONTINUATIONS,              // 8 to B
      TOO_SHORT | OVERLONG_2,               // C
      TOO_SHORT,                            // D
      TOO_SHORT | OVERLONG_3 | SURROGATE,   // E
      TOO_SHORT | TOO_LARGE | OVERLONG_4);  // F; and TOO_LARGE_LEAD
  return look_up(upper_halves(first), table);
}

WITH_AVX2 static __m256i fits_first_lower(__m256i first) {
  const char above_4 = (char)(ANY_LOWER | TOO_LARGE | TOO_LARGE_LEAD);
  const __m128i table =
      _mm_setr_epi8((char)(ANY_LOWER | OVERLONG_2 | OVERLONG_3 | OVERLONG_4),                // 0
                    (char)(ANY_LOWER | OVERLONG_2),                                          // 1
                    (char)ANY_LOWER, (char)ANY_LOWER,                                        // 2, 3
                    (char)(ANY_LOWER | TOO_LARGE),                                           // 4
                    above_4, above_4, above_4, above_4, above_4, above_4, above_4, above_4,  // to C
                    (char)(above_4 | SURROGATE),                                             // D
                    above_4, above_4);
  return look_up(_mm256_and_si256(first, _mm256_set1_epi8(0x0F)), table);
}

WITH_AVX2 static __m256i fits_second_upper(__m256i second) {
  const char any = (char)(TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS);
  const __m128i table = _mm_setr_epi8(
      TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
      (char)(any | OVERLONG_3 | OVERLONG_4),  // 8; and TOO_LARGE_LEAD
      (char)(any | OVERLONG_3 | TOO_LARGE),   // 9
      (char)(any | SURROGATE | TOO_LARGE), (char)(any | SURROGATE | TOO_LARGE),  // A, B
      TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);
  return look_up(upper_halves(second), table);
}

// The highest bit of each byte is set where |before_2| or |before_3|, two and three bytes before,
// call for a third or fourth byte.
WITH_AVX2 static __m256i called_for(__m256i before_2, __m256i before_3) {
  __m256i third = _mm256_subs_epu8(before_2, _mm256_set1_epi8(0xE0 - 0x80));
  __m256i fourth = _mm256_subs_epu8(before_3, _mm256_set1_epi8(0xF0 - 0x80));
  return _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
}

// Marks the mistakes that end in |block|. What it lacks at its end the block behind it must find.
WITH_AVX2 static __m256i mistakes_in(__m256i block, __m256i before_1, __m256i before_2,
                                     __m256i before_3) {
  __m256i mistakes =
      _mm256_and_si256(_mm256_and_si256(fits_first_upper(before_1), fits_first_lower(before_1)),
                       fits_second_upper(block));
  // A continuation behind another one is right exactly where it is called for.
  return _mm256_xor_si256(mistakes, called_for(before_2, before_3));
}

WITH_AVX2 static bool is_ascii(__m256i bytes) { return _mm256_movemask_epi8(bytes) == 0; }

WITH_AVX2 static bool is_nothing(__m256i marks) { return _mm256_testz_si256(marks, marks) != 0; }

WITH_AVX2 static __m256i load(const char *at) {
  return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

WITH_AVX2 static __m256i mistakes_at(const char *at) {
  return mistakes_in(load(at), load(at - 1), load(at - 2), load(at - 3));
}

// Whether no mistake ends in the block at |at|, before which three bytes or more lie.
WITH_AVX2 static bool is_sound_at(const char *at) {
  return is_ascii(_mm256_or_si256(load(at), load(at - 3))) || is_nothing(mistakes_at(at));
}

// The same for the four blocks at |at|, with one branch for all.
WITH_AVX2 static bool are_sound_at(const char *at) {
  __m256i first = _mm256_or_si256(load(at - 3), load(at));
  __m256i second = _mm256_or_si256(load(at + BLOCK), load(at + 2 * BLOCK));
  __m256i bytes = _mm256_or_si256(_mm256_or_si256(first, second), load(at + 3 * BLOCK));
  if (is_ascii(bytes)) return true;
  first = _mm256_or_si256(mistakes_at(at), mistakes_at(at + BLOCK));
  second = _mm256_or_si256(mistakes_at(at + 2 * BLOCK), mistakes_at(at + 3 * BLOCK));
  return is_nothing(_mm256_or_si256(first, second));
}

// The same for the block at |at|, before which nothing lies; that is as good as zeros.
WITH_AVX2 static bool is_sound_at_start(const char *at) {
  __m256i block = load(at);
  if (is_ascii(block)) return true;
  // Before the upper half lies the lower half, and before that nothing.
  __m256i halves_before = _mm256_permute2x128_si256(block, block, 0x08);
  return is_nothing(mistakes_in(block, _mm256_alignr_epi8(block, halves_before, 15),
                                _mm256_alignr_epi8(block, halves_before, 14),
                                _mm256_alignr_epi8(block, halves_before, 13)));
}

// Goes on one character at a time behind the first |sound| bytes, of which the last character may
// be cut off.
static size_t finish(const char *data, size_t sound, size_t size) {
  size_t from = sound;
  for (size_t back = 1; back <= LONGEST && back <= sound; back++) {
    unsigned char byte = (unsigned char)data[sound - back];
    if (byte < 0x80) break;
    if (byte < 0xC0) continue;
    from = sound - back;
    break;
  }
  return from + weir_internal_utf8_prefix_plain(data + from, size - from);
}

WITH_AVX2 size_t weir_internal_utf8_prefix_avx2(const char *data, size_t size) {
  // Then the last block, too, has three bytes before it.
  if (size < BLOCK + 3) return weir_internal_utf8_prefix_plain(data, size);
  if (!is_sound_at_start(data)) return finish(data, 0, size);
  size_t done = BLOCK;
  for (; size - done >= 4 * BLOCK; done += 4 * BLOCK) {
    if (!are_sound_at(data + done)) return finish(data, done, size);
  }
  for (; size - done >= BLOCK; done += BLOCK) {
    if (!is_sound_at(data + done)) return finish(data, done, size);
  }
  if (done < size && !is_sound_at(data + size - BLOCK)) return finish(data, done, size);
  return finish(data, size, size);
}

#else

// ISO C wants something in every file.
typedef int weir_internal_utf8_avx2_is_for_x86_64;

#endif
