// SPDX-License-Identifier: Apache-2.0
//
// The search for a delimiter in bytes that come in pieces. It looks at each byte once, in time
// linear in the bytes and the delimiter, however they were cut and whatever they contain (Knuth,
// Morris and Pratt: "Fast pattern matching in strings", 1977).

#ifndef WEIR_CHANNEL_INTERNAL_DELIMITER_SEARCH_H
#define WEIR_CHANNEL_INTERNAL_DELIMITER_SEARCH_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// Delimiters up to this size need no memory.
enum { WEIR_INTERNAL_SHORT_DELIMITER = 64 };

typedef struct weir_internal_delimiter_search {
  weir_bytes delimiter;
  // How many of the bytes searched last are the beginning of the delimiter, as many as possible;
  // all of it once it was found.
  size_t matched;
  // borders[i]: the size of the longest beginning of the delimiter, but not all, with which its
  // first i + 1 bytes end.
  uint32_t *borders;
  uint32_t short_borders[WEIR_INTERNAL_SHORT_DELIMITER];
} weir_internal_delimiter_search;

// weir_internal_delimiter_search_begin prepares |search| for |delimiter|, of 1 byte to 1 GiB, which
// must stay. Returns 0 or -ENOMEM; after a 0 weir_internal_delimiter_search_end frees the memory.
WEIR_MUST_USE int weir_internal_delimiter_search_begin(weir_internal_delimiter_search *search,
                                                       weir_bytes delimiter);
void weir_internal_delimiter_search_end(weir_internal_delimiter_search *search);

// weir_internal_delimiter_search_on goes on with |bytes|, which come behind those before. Returns
// how many of them were searched: all, or up to the end of the first delimiter.
size_t weir_internal_delimiter_search_on(weir_internal_delimiter_search *search, weir_bytes bytes);

// weir_internal_delimiter_search_found tells whether the last byte searched ends a delimiter.
static inline bool weir_internal_delimiter_search_found(
    const weir_internal_delimiter_search *search) {
  return search->matched == search->delimiter.size;
}

// How far a search had come when its deadline passed, so that the next one for the same delimiter
// can go on there.
typedef struct weir_internal_past_search {
  uint64_t position;  // in the stream, of the first byte that was searched
  size_t searched;    // bytes from there on, in vain
  size_t matched;     // of these, the last ones that are the beginning of the delimiter
  size_t size;        // of |delimiter|
  char delimiter[];
} weir_internal_past_search;

#ifdef __cplusplus
}
#endif

#endif  // WEIR_CHANNEL_INTERNAL_DELIMITER_SEARCH_H
