// SPDX-License-Identifier: Apache-2.0
//
// Copies from channel to channel.

#include "channel/internal/transfer.h"

static const weir_copy_options default_options = {0};

static weir_internal_transfer transfer_of(weir_read_channel *source, weir_write_channel *target) {
  weir_internal_transfer transfer = {
      .source = source, .targets = {target, NULL}, .target_count = 1, .count = 0};
  return transfer;
}

static bool is_legal(const weir_copy_options *options) {
  return options->method == WEIR_COPY_ANY || options->method == WEIR_COPY_THROUGH_MEMORY;
}

// Copies up to |size| bytes.
static int copy(weir_internal_transfer *self, uint64_t size, const weir_copy_options *options) {
  int result = size > 0 ? weir_internal_transfer_all(self, size, options->method)
                        : weir_internal_reader_nothing(self->source);
  return result < 0 ? result : weir_internal_transfer_flush(self);
}

int weir_copy(weir_read_channel *source, weir_write_channel *target,
              const weir_copy_options *options, uint64_t *out_count) {
  return weir_copy_at_most(source, target, UINT64_MAX, options, out_count);
}

int weir_copy_at_most(weir_read_channel *source, weir_write_channel *target, uint64_t size,
                      const weir_copy_options *options, uint64_t *out_count) {
  weir_internal_transfer self = transfer_of(source, target);
  if (out_count != NULL) *out_count = 0;
  if (options == NULL) options = &default_options;
  if (!is_legal(options)) return -EINVAL;
  int result = weir_internal_transfer_begin(&self);
  if (result < 0) return result;
  result = weir_internal_transfer_reason(&self, copy(&self, size, options));
  if (out_count != NULL) *out_count = self.count;
  return weir_internal_transfer_leave(&self, result);
}

// Copies all and ends; on failure cancels everything.
static int copy_and_end(weir_internal_transfer *self, const weir_copy_options *options,
                        uint64_t *out_count) {
  if (out_count != NULL) *out_count = 0;
  int result = weir_internal_transfer_check(self);
  if (result < 0) return result;
  result = weir_internal_transfer_begin(self);
  if (result < 0) {
    weir_internal_transfer_cancel(self, result);
    return result;
  }
  result = copy(self, UINT64_MAX, options);
  if (result == 0) result = weir_internal_transfer_end(self);
  result = weir_internal_transfer_reason(self, result);
  if (result < 0) {
    weir_internal_transfer_cut(self);
    weir_internal_transfer_cancel(self, result);
  }
  if (out_count != NULL) *out_count = self->count;
  return weir_internal_transfer_leave(self, result);
}

int weir_copy_and_close(weir_read_channel *source, weir_write_channel *target,
                        const weir_copy_options *options, uint64_t *out_count) {
  weir_internal_transfer self = transfer_of(source, target);
  if (options == NULL) options = &default_options;
  if (is_legal(options)) return copy_and_end(&self, options, out_count);
  if (out_count != NULL) *out_count = 0;
  return -EINVAL;
}

int weir_tee(weir_read_channel *source, weir_write_channel *first, weir_write_channel *second,
             uint64_t *out_count) {
  weir_internal_transfer self = {
      .source = source, .targets = {first, second}, .target_count = 2, .count = 0};
  return copy_and_end(&self, &default_options, out_count);
}
