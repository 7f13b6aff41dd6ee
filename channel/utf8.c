// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/utf8.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static bool is_between(unsigned char byte, unsigned char first, unsigned char last) {
  return byte >= first && byte <= last;
}

static bool is_continuation(unsigned char byte) { return is_between(byte, 0x80, 0xBF); }

// Returns the length of the sequence of more than one byte that |at| begins with, of which |left|
// bytes are there, or 0 if there is none. The second byte alone decides what is overlong, a
// surrogate or too large.
static size_t sequence_length(const unsigned char *at, size_t left) {
  if (left < 2) return 0;
  unsigned char lead = at[0];
  if (is_between(lead, 0xC2, 0xDF)) return is_continuation(at[1]) ? 2 : 0;
  if (is_between(lead, 0xE0, 0xEF)) {
    unsigned char first = lead == 0xE0 ? 0xA0 : 0x80;
    unsigned char last = lead == 0xED ? 0x9F : 0xBF;
    return left >= 3 && is_between(at[1], first, last) && is_continuation(at[2]) ? 3 : 0;
  }
  if (is_between(lead, 0xF0, 0xF4)) {
    unsigned char first = lead == 0xF0 ? 0x90 : 0x80;
    unsigned char last = lead == 0xF4 ? 0x8F : 0xBF;
    return left >= 4 && is_between(at[1], first, last) && is_continuation(at[2]) &&
                   is_continuation(at[3])
               ? 4
               : 0;
  }
  return 0;
}

enum { WORD = sizeof(uint64_t), BLOCK = 4 * WORD };

static uint64_t load(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static bool is_ascii(uint64_t words) { return (words & UINT64_C(0x8080808080808080)) == 0; }

static bool is_ascii_block(const unsigned char *at) {
  return is_ascii(load(at) | load(at + WORD) | load(at + 2 * WORD) | load(at + 3 * WORD));
}

// Returns how many bytes of ASCII the |size| bytes at |at| begin with, perhaps a few too few. What
// is less than a block or a word at the end is looked at together with some bytes before it.
static size_t skip_ascii(const unsigned char *at, size_t size) {
  size_t done = 0;
  while (size - done >= BLOCK && is_ascii_block(at + done)) done += BLOCK;
  if (size >= BLOCK && size - done < BLOCK && is_ascii_block(at + size - BLOCK)) return size;
  while (size - done >= WORD && is_ascii(load(at + done))) done += WORD;
  if (size >= WORD && size - done < WORD && is_ascii(load(at + size - WORD))) return size;
  return done;
}

size_t weir_internal_utf8_prefix_plain(const char *data, size_t size) {
  const unsigned char *at = (const unsigned char *)data;
  size_t done = skip_ascii(at, size);
  while (done < size) {
    if (at[done] >= 0x80) {
      size_t length = sequence_length(at + done, size - done);
      if (length == 0) return done;
      done += length;
    } else if (++done < size && at[done] < 0x80) {
      // Two in a row: probably more of them follow.
      done += skip_ascii(at + done, size - done);
    }
  }
  return size;
}

// The choice

typedef size_t prefix_function(const char *data, size_t size);

static size_t choose_and_call(const char *data, size_t size);

// Threads that call for the first time together all choose the same, and nothing else is handed
// over with the pointer; so relaxed order is enough.
static _Atomic(prefix_function *) chosen = choose_and_call;

static prefix_function *choose(void) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return weir_internal_utf8_prefix_avx2;
#endif
  return weir_internal_utf8_prefix_plain;
}

static size_t choose_and_call(const char *data, size_t size) {
  prefix_function *choice = choose();
  atomic_store_explicit(&chosen, choice, memory_order_relaxed);
  return choice(data, size);
}

size_t weir_internal_utf8_prefix(const char *data, size_t size) {
  return atomic_load_explicit(&chosen, memory_order_relaxed)(data, size);
}
