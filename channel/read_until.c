// SPDX-License-Identifier: Apache-2.0
//
// Reads up to a delimiter: in place, as far as the buffer goes, or into the caller's memory, as far
// as that goes.

#include "base/internal/memory.h"
#include "channel/internal/connection.h"
#include "channel/internal/delimiter_search.h"

typedef struct until {
  weir_internal_delimiter_search search;
  size_t limit;     // bytes before the delimiter at most
  size_t searched;  // bytes that are held and were searched
  bool keep;
  bool allow_missing;
} until;

// The bytes that were searched and cannot belong to the delimiter any more.
static size_t certain(const until *self) { return self->searched - self->search.matched; }

// Searches what is held, but no more than may matter. Returns 1 when the delimiter was found, 0
// when it may still come, and -EMSGSIZE when it comes too late.
static int search_held(const weir_read_channel *channel, until *self) {
  // An earlier call may have had another limit.
  if (certain(self) > self->limit) return -EMSGSIZE;
  size_t held = weir_internal_reader_held(channel);
  size_t size = self->search.delimiter.size;
  if (held > size && held - size > self->limit) held = self->limit + size;
  weir_bytes bytes = weir_internal_reader_span(channel, held);
  bytes.data += self->searched;
  bytes.size -= self->searched;
  self->searched += weir_internal_delimiter_search_on(&self->search, bytes);
  if (certain(self) > self->limit) return -EMSGSIZE;
  return weir_internal_delimiter_search_found(&self->search);
}

// Waits until the delimiter was found. Returns 0, WEIR_E_END_OF_STREAM, -EMSGSIZE or another
// negative code.
static int find(weir_read_channel *channel, until *self) {
  int result;
  while ((result = search_held(channel, self)) == 0) {
    result = weir_internal_reader_more(channel);
    if (result < 0) return result;
  }
  return result < 0 ? result : 0;
}

// A call that was ended by its deadline may be repeated, again and again. If each began its search
// anew, a large text of which little comes in the time that each has would take for ever.

static size_t size_of(const weir_internal_past_search *past) { return sizeof *past + past->size; }

void weir_internal_reader_forget_search(weir_read_channel *channel) {
  if (channel->past_search == NULL) return;
  weir_internal_release(channel->past_search, size_of(channel->past_search));
  channel->past_search = NULL;
}

static bool is_alike(const weir_internal_past_search *past, weir_bytes delimiter) {
  return past != NULL && past->size == delimiter.size &&
         memcmp(past->delimiter, delimiter.data, delimiter.size) == 0;
}

void weir_internal_reader_forget_useless_search(weir_read_channel *channel) {
  if (channel->past_search->position == weir_total_bytes_read(channel)) return;
  weir_internal_reader_forget_search(channel);
}

// Few bytes are searched anew in the time that each call takes for its delimiter. After a cancel
// there are none any more.
static bool is_worth_it(const weir_read_channel *channel, const until *self) {
  return self->searched > self->search.delimiter.size &&
         self->searched <= weir_internal_reader_held(channel);
}

// Without memory the next call searches anew.
static void remember(weir_read_channel *channel, const until *self) {
  weir_bytes delimiter = self->search.delimiter;
  if (!is_worth_it(channel, self)) {
    weir_internal_reader_forget_search(channel);
    return;
  }
  if (!is_alike(channel->past_search, delimiter)) {
    weir_internal_reader_forget_search(channel);
    weir_internal_past_search *past = (weir_internal_past_search *)weir_internal_allocate_unset(
        sizeof(weir_internal_past_search) + delimiter.size);
    if (past == NULL) return;
    past->size = delimiter.size;
    memcpy(past->delimiter, delimiter.data, delimiter.size);
    channel->past_search = past;
  }
  channel->past_search->position = weir_total_bytes_read(channel);
  channel->past_search->searched = self->searched;
  channel->past_search->matched = self->search.matched;
}

// What was read meanwhile has moved the position.
static void recall(const weir_read_channel *channel, until *self) {
  const weir_internal_past_search *past = channel->past_search;
  if (!is_alike(past, self->search.delimiter)) return;
  if (past->position != weir_total_bytes_read(channel)) return;
  self->searched = past->searched;
  self->search.matched = past->matched;
}

// Prepares |self|. What is read |in_place| must fit into the channel together with the delimiter.
static int begin(const weir_read_channel *channel, until *self, weir_bytes delimiter,
                 const weir_read_until_options *options, bool in_place) {
  static const weir_read_until_options defaults = {0};
  if (options == NULL) options = &defaults;
  if (delimiter.size == 0) return -EINVAL;
  size_t largest = weir_internal_reader_limit(channel);
  if (delimiter.size > largest) return -EMSGSIZE;
  size_t most = in_place ? largest - delimiter.size : SIZE_MAX;
  if (options->limit > most) return -EMSGSIZE;
  self->limit = options->limit;
  if (self->limit == 0) self->limit = channel->line_limit < most ? channel->line_limit : most;
  self->searched = 0;
  self->keep = options->keep;
  self->allow_missing = options->allow_missing;
  return weir_internal_delimiter_search_begin(&self->search, delimiter);
}

static void drop_delimiter(weir_read_channel *channel, const until *self) {
  if (!self->keep) weir_internal_reader_consume(channel, self->search.delimiter.size);
}

// In place

static int read_rest(weir_read_channel *channel, const until *self, weir_bytes *out_bytes) {
  size_t held = weir_internal_reader_held(channel);
  if (!self->allow_missing || held == 0) return WEIR_E_END_OF_STREAM;
  if (held > self->limit) return -EMSGSIZE;
  *out_bytes = weir_internal_reader_take(channel, held);
  return 0;
}

static int read_until(weir_read_channel *channel, until *self, weir_bytes *out_bytes) {
  int result = weir_internal_reader_settle(channel);
  if (result < 0) return result;
  recall(channel, self);
  result = find(channel, self);
  if (result == -ETIMEDOUT || result == -ECANCELED) {
    remember(channel, self);
    return result;
  }
  weir_internal_reader_forget_search(channel);
  if (result == WEIR_E_END_OF_STREAM) return read_rest(channel, self, out_bytes);
  if (result < 0) return result;
  *out_bytes = weir_internal_reader_take(channel, certain(self));
  drop_delimiter(channel, self);
  return 0;
}

int weir_read_until(weir_read_channel *channel, weir_bytes delimiter,
                    const weir_read_until_options *options, weir_bytes *out_bytes) {
  until self;
  *out_bytes = weir_bytes_of("", 0);
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = begin(channel, &self, delimiter, options, true);
  if (result == 0) {
    result = read_until(channel, &self, out_bytes);
    weir_internal_delimiter_search_end(&self.search);
  }
  return weir_internal_reader_leave_span(channel, result, out_bytes);
}

// Into the caller's memory

// Appends the first |size| bytes that are held. -EMSGSIZE when the limit permits only a part.
static int move(weir_read_channel *channel, until *self, size_t size, weir_buffer *out) {
  size_t part = size < self->limit ? size : self->limit;
  int result = weir_buffer_append(out, weir_internal_reader_span(channel, part));
  if (result < 0) return result;
  weir_internal_reader_consume(channel, part);
  self->limit -= part;
  self->searched -= part;
  return part < size ? -EMSGSIZE : 0;
}

static int append_rest(weir_read_channel *channel, until *self, bool some, weir_buffer *out) {
  size_t held = weir_internal_reader_held(channel);
  if (!self->allow_missing || (held == 0 && !some)) return WEIR_E_END_OF_STREAM;
  return move(channel, self, held, out);
}

static int append_until(weir_read_channel *channel, until *self, weir_buffer *out) {
  size_t before = out->size;
  int result = weir_internal_reader_settle(channel);
  while (result == 0) {
    int found = search_held(channel, self);
    // What cannot belong to the delimiter makes room in the channel for what may.
    result = move(channel, self, certain(self), out);
    if (result == 0 && found == 1) {
      drop_delimiter(channel, self);
      return 0;
    }
    if (result == 0) result = weir_internal_reader_more(channel);
  }
  if (result != WEIR_E_END_OF_STREAM) return result;
  return append_rest(channel, self, out->size > before, out);
}

int weir_append_until(weir_read_channel *channel, weir_bytes delimiter,
                      const weir_read_until_options *options, weir_buffer *out) {
  until self;
  int result = weir_internal_reader_enter(channel);
  if (result < 0) return result;
  result = begin(channel, &self, delimiter, options, false);
  if (result == 0) {
    result = append_until(channel, &self, out);
    weir_internal_delimiter_search_end(&self.search);
  }
  return weir_internal_reader_leave(channel, result);
}
