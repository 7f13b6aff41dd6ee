// SPDX-License-Identifier: Apache-2.0
//
// Copying up to a delimiter. What may be its beginning is held back until more is known.

#include "channel/internal/delimiter_search.h"
#include "channel/internal/transfer.h"

// What is searched for. The source holds what the search has matched, and nothing more, when all
// that it holds was searched.
typedef struct until {
  weir_internal_delimiter_search search;
  uint64_t limit;  // bytes before the delimiter
  bool keep;
  bool allow_missing;
} until;

// Passes |size| bytes, or as many as the limit allows.
static int pass(weir_internal_transfer *self, const until *what, size_t size) {
  uint64_t left = what->limit - self->count;
  bool too_many = size > left;
  if (too_many) size = (size_t)left;
  int result = size > 0 ? weir_internal_transfer_pass(self, size) : 0;
  return result == 0 && too_many ? -EMSGSIZE : result;
}

// The source has ended and holds no delimiter.
static int pass_last(weir_internal_transfer *self, const until *what) {
  size_t held = weir_internal_reader_held(self->source);
  if (!what->allow_missing || (held == 0 && self->count == 0)) return WEIR_E_END_OF_STREAM;
  return pass(self, what, held);
}

// Passes what the source holds, as far as it can. Returns 1 when the delimiter was found.
static int pass_held(weir_internal_transfer *self, until *what) {
  weir_read_channel *source = self->source;
  size_t held_back = what->search.matched;
  weir_bytes held = weir_internal_reader_span(source, weir_internal_reader_held(source));
  weir_bytes next = weir_bytes_of(held.data + held_back, held.size - held_back);
  size_t searched = held_back + weir_internal_delimiter_search_on(&what->search, next);
  int result = pass(self, what, searched - what->search.matched);
  if (result < 0) return result;
  return weir_internal_delimiter_search_found(&what->search);
}

// Flushes, and reads the delimiter only then: whatever keeps the call from its end finds it unread,
// and so does the call that repeats it.
static int end_behind_delimiter(weir_internal_transfer *self, const until *what) {
  int result = weir_internal_transfer_flush(self);
  if (result < 0 || what->keep) return result;
  size_t size = what->search.delimiter.size;
  // A cancel meanwhile has dropped it.
  if (weir_internal_reader_held(self->source) < size) return self->source->failure;
  weir_internal_reader_consume(self->source, size);
  return 0;
}

static int end_without_delimiter(weir_internal_transfer *self, const until *what) {
  int result = pass_last(self, what);
  return result < 0 ? result : weir_internal_transfer_flush(self);
}

static int copy_until(weir_internal_transfer *self, until *what) {
  for (;;) {
    int result = weir_internal_transfer_await(self);
    // What was held back was searched already.
    if (result > 0 && what->search.matched > 0) result = weir_internal_transfer_await_more(self);
    if (result == 0) return end_without_delimiter(self, what);
    if (result > 0) result = pass_held(self, what);
    if (result < 0) return result;
    if (result > 0) return end_behind_delimiter(self, what);
  }
}

static int begin(until *self, weir_bytes delimiter, const weir_read_until_options *options) {
  static const weir_read_until_options defaults = {0};
  if (options == NULL) options = &defaults;
  self->limit = options->limit > 0 ? options->limit : UINT64_MAX;
  self->keep = options->keep;
  self->allow_missing = options->allow_missing;
  return weir_internal_delimiter_search_begin(&self->search, delimiter);
}

int weir_copy_until(weir_read_channel *source, weir_bytes delimiter,
                    const weir_read_until_options *options, weir_write_channel *target,
                    uint64_t *out_count) {
  weir_internal_transfer self = {
      .source = source, .targets = {target, NULL}, .target_count = 1, .count = 0};
  if (out_count != NULL) *out_count = 0;
  if (delimiter.size == 0) return -EINVAL;
  if (delimiter.size > weir_internal_reader_limit(source)) return -EMSGSIZE;
  until what;
  int result = begin(&what, delimiter, options);
  if (result < 0) return result;
  result = weir_internal_transfer_begin(&self);
  if (result == 0) {
    result = weir_internal_transfer_reason(&self, copy_until(&self, &what));
    if (out_count != NULL) *out_count = self.count;
    result = weir_internal_transfer_leave(&self, result);
  }
  weir_internal_delimiter_search_end(&what.search);
  return result;
}
