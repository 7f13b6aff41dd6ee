// SPDX-License-Identifier: Apache-2.0
//
// Copying up to a delimiter. What may be its beginning is held back until more is known.

#include "channel/internal/transfer.h"

// What is searched for, and how far the search has come in what the source holds.
typedef struct search {
  weir_bytes delimiter;
  uint64_t limit;  // bytes before it
  bool keep;
  bool allow_missing;
} search;

// Returns where the delimiter begins in |data|, or |size|.
static size_t find(const char *data, size_t size, weir_bytes delimiter) {
  const char *at = (const char *)memmem(data, size, delimiter.data, delimiter.size);
  return at == NULL ? size : (size_t)(at - data);
}

// Returns how many bytes at the end of |data| may be the beginning of the delimiter.
static size_t beginning_of(const char *data, size_t size, weir_bytes delimiter) {
  size_t held_back = size < delimiter.size - 1 ? size : delimiter.size - 1;
  while (held_back > 0 && memcmp(data + size - held_back, delimiter.data, held_back) != 0) {
    held_back--;
  }
  return held_back;
}

// Passes |size| bytes, or as many as the limit allows.
static int pass(weir_internal_transfer *self, const search *what, size_t size) {
  uint64_t left = what->limit - self->count;
  bool too_many = size > left;
  if (too_many) size = (size_t)left;
  int result = size > 0 ? weir_internal_transfer_pass(self, size) : 0;
  return result == 0 && too_many ? -EMSGSIZE : result;
}

// The source has ended and holds no delimiter.
static int pass_last(weir_internal_transfer *self, const search *what) {
  size_t held = weir_internal_reader_held(self->source);
  if (!what->allow_missing || (held == 0 && self->count == 0)) return WEIR_E_END_OF_STREAM;
  return pass(self, what, held);
}

// Passes what the source holds, as far as it can. Returns 1 when the delimiter was found.
static int pass_held(weir_internal_transfer *self, const search *what, size_t *held_back) {
  weir_read_channel *source = self->source;
  const char *data = source->buffer + source->start;
  size_t held = weir_internal_reader_held(source);
  size_t at = find(data, held, what->delimiter);
  bool found = at < held;
  *held_back = found ? held - at : beginning_of(data, held, what->delimiter);
  int result = pass(self, what, held - *held_back);
  if (result < 0 || !found) return result;
  if (!what->keep) weir_internal_reader_consume(source, what->delimiter.size);
  return 1;
}

static int copy_until(weir_internal_transfer *self, const search *what) {
  size_t held_back = 0;
  for (;;) {
    int result = weir_internal_transfer_await(self);
    // What was held back was searched already.
    if (result > 0 && held_back > 0) result = weir_internal_transfer_await_more(self);
    if (result == 0) return pass_last(self, what);
    if (result > 0) result = pass_held(self, what, &held_back);
    if (result != 0) return result < 0 ? result : 0;
  }
}

static bool is_beyond_limit(const weir_read_channel *source, size_t size) {
  return size > source->capacity && size > (size_t)source->line_limit + 2;
}

int weir_copy_until(weir_read_channel *source, weir_bytes delimiter,
                    const weir_read_until_options *options, weir_write_channel *target,
                    uint64_t *out_count) {
  weir_internal_transfer self = {
      .source = source, .targets = {target, NULL}, .target_count = 1, .count = 0};
  search what = {.delimiter = delimiter, .limit = UINT64_MAX};
  if (options != NULL) {
    if (options->limit > 0) what.limit = options->limit;
    what.keep = options->keep;
    what.allow_missing = options->allow_missing;
  }
  if (out_count != NULL) *out_count = 0;
  if (delimiter.size == 0) return -EINVAL;
  if (is_beyond_limit(source, delimiter.size)) return -EMSGSIZE;
  int result = weir_internal_transfer_begin(&self);
  if (result < 0) return result;
  result = copy_until(&self, &what);
  if (result == 0) result = weir_internal_transfer_flush(&self);
  result = weir_internal_transfer_reason(&self, result);
  if (out_count != NULL) *out_count = self.count;
  return weir_internal_transfer_leave(&self, result);
}
