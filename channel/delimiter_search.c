// SPDX-License-Identifier: Apache-2.0

#include "channel/internal/delimiter_search.h"

#include "base/internal/memory.h"

// Returns how much of the delimiter is matched when |byte| follows |matched| bytes of it.
static inline size_t advance(const weir_internal_delimiter_search *search, size_t matched,
                             char byte) {
  const char *delimiter = search->delimiter.data;
  while (matched > 0 && delimiter[matched] != byte) matched = search->borders[matched - 1];
  return delimiter[matched] == byte ? matched + 1 : 0;
}

// The borders are found by searching the delimiter in itself.
static void find_borders(weir_internal_delimiter_search *search) {
  size_t matched = 0;
  search->borders[0] = 0;
  for (size_t i = 1; i < search->delimiter.size; i++) {
    matched = advance(search, matched, search->delimiter.data[i]);
    search->borders[i] = (uint32_t)matched;
  }
}

int weir_internal_delimiter_search_begin(weir_internal_delimiter_search *search,
                                         weir_bytes delimiter) {
  search->delimiter = delimiter;
  search->matched = 0;
  search->borders = search->short_borders;
  if (delimiter.size > WEIR_INTERNAL_SHORT_DELIMITER) {
    search->borders = weir_internal_allocate_unset(delimiter.size * sizeof *search->borders);
    if (search->borders == NULL) return -ENOMEM;
  }
  find_borders(search);
  return 0;
}

void weir_internal_delimiter_search_end(weir_internal_delimiter_search *search) {
  if (search->borders == search->short_borders) return;
  weir_internal_release(search->borders, search->delimiter.size * sizeof *search->borders);
}

size_t weir_internal_delimiter_search_on(weir_internal_delimiter_search *search, weir_bytes bytes) {
  size_t at = 0;
  while (at < bytes.size && !weir_internal_delimiter_search_found(search)) {
    if (search->matched == 0) {
      // Mostly nothing is matched, and then the C library is faster than we are.
      const char *first = memchr(bytes.data + at, search->delimiter.data[0], bytes.size - at);
      if (first == NULL) return bytes.size;
      at = (size_t)(first - bytes.data);
    }
    search->matched = advance(search, search->matched, bytes.data[at]);
    at++;
  }
  return at;
}
