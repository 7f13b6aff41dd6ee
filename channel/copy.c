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

static int copy(weir_internal_transfer *self, const weir_copy_options *options) {
  uint64_t limit = options->limit > 0 ? options->limit : UINT64_MAX;
  int result = weir_internal_transfer_all(self, limit, options->method);
  return result < 0 ? result : weir_internal_transfer_flush(self);
}

int weir_copy(weir_read_channel *source, weir_write_channel *target,
              const weir_copy_options *options, uint64_t *out_count) {
  weir_internal_transfer self = transfer_of(source, target);
  if (out_count != NULL) *out_count = 0;
  if (options == NULL) options = &default_options;
  if (!is_legal(options)) return -EINVAL;
  int result = weir_internal_transfer_begin(&self);
  if (result < 0) return result;
  result = weir_internal_transfer_reason(&self, copy(&self, options));
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
  result = copy(self, options);
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
