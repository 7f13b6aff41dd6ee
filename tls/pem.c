// SPDX-License-Identifier: Apache-2.0

#include "tls/internal/pem.h"

#include <openssl/base64.h>
#include <openssl/mem.h>

#include "base/internal/memory.h"
#include "tls/internal/settings.h"

enum { LABEL_LIMIT = 64 };

static bool starts_with(weir_bytes bytes, const char *prefix) {
  size_t size = strlen(prefix);
  return bytes.size >= size && memcmp(bytes.data, prefix, size) == 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f'; }

weir_internal_pem_reader weir_internal_pem_begin(weir_bytes text) {
  // Some editors put a byte order mark in front.
  if (starts_with(text, "\xEF\xBB\xBF")) text = weir_bytes_of(text.data + 3, text.size - 3);
  return (weir_internal_pem_reader){.rest = text};
}

// Takes the next line, without its end and the blanks before that. Returns false when there is
// none.
static bool next_line(weir_internal_pem_reader *reader, weir_bytes *out) {
  weir_bytes rest = reader->rest;
  if (rest.size == 0) return false;
  size_t size = 0;
  while (size < rest.size && rest.data[size] != '\n' && rest.data[size] != '\r') size++;
  size_t end = size;
  if (end < rest.size) {
    end += rest.data[end] == '\r' && end + 1 < rest.size && rest.data[end + 1] == '\n' ? 2 : 1;
  }
  reader->rest = weir_bytes_of(rest.data + end, rest.size - end);
  reader->line++;
  while (size > 0 && is_blank(rest.data[size - 1])) size--;
  *out = weir_bytes_of(rest.data, size);
  return true;
}

// Whether |line| is the boundary that begins with |begin|; *out_label is what it names.
static bool is_boundary(weir_bytes line, const char *begin, weir_bytes *out_label) {
  static const char end[] = "-----";
  size_t begin_size = strlen(begin);
  size_t end_size = sizeof end - 1;
  if (!starts_with(line, begin) || line.size <= begin_size + end_size) return false;
  if (memcmp(line.data + line.size - end_size, end, end_size) != 0) return false;
  *out_label = weir_bytes_of(line.data + begin_size, line.size - begin_size - end_size);
  return out_label->size <= LABEL_LIMIT;
}

static bool same(weir_bytes first, weir_bytes second) {
  return first.size == second.size && memcmp(first.data, second.data, first.size) == 0;
}

// Whether there is a boundary in |line| where it is none. Whoever has indented a block does not
// mean that it be passed over.
static bool is_displaced(weir_bytes line) {
  return memmem(line.data, line.size, "-----BEGIN ", 11) != NULL ||
         memmem(line.data, line.size, "-----END ", 9) != NULL;
}

static int fail_at(const weir_internal_pem_reader *reader, const char *what) {
  return weir_internal_tls_fail(WEIR_E_TLS_PEM, "line %d of the PEM text: %s", reader->line, what);
}

// Moves the characters of |line| that are not blank to |out|, and returns their number.
static size_t squeeze(char *out, weir_bytes line) {
  size_t size = 0;
  for (size_t i = 0; i < line.size; i++) {
    if (!is_blank(line.data[i])) out[size++] = line.data[i];
  }
  return size;
}

// Allocates room for what stands before the end of the block, twice: for what is decoded, and
// behind it for the characters it comes from.
static int allocate(const weir_internal_pem_reader *reader, weir_internal_pem_block *block) {
  weir_internal_pem_reader ahead = *reader;
  weir_bytes line;
  size_t size = 0;
  while (next_line(&ahead, &line) && !starts_with(line, "-----")) size += line.size;
  block->capacity = 2 * size + 2;
  block->data = (uint8_t *)weir_internal_allocate_unset(block->capacity);
  if (block->data == NULL) return weir_internal_tls_fail(-ENOMEM, "no memory for a PEM block");
  return 0;
}

// Reads the rest of a block, whose beginning has been read.
static int read_block(weir_internal_pem_reader *reader, weir_internal_pem_block *block) {
  int result = allocate(reader, block);
  if (result < 0) return result;
  size_t room = block->capacity / 2;
  char *characters = (char *)block->data + room;
  size_t count = 0;
  weir_bytes line, label;
  while (next_line(reader, &line)) {
    if (starts_with(line, "-----")) {
      if (!is_boundary(line, "-----END ", &label)) return fail_at(reader, "no end of a block");
      if (!same(label, block->label)) {
        return fail_at(reader, "the end of another block than the one that began");
      }
      if (block->has_headers) return 1;
      if (EVP_DecodeBase64(block->data, &block->size, room, (const uint8_t *)characters, count) ==
              1 &&
          block->size > 0) {
        return 1;
      }
      return fail_at(reader, "the block is not base64");
    }
    if (memchr(line.data, ':', line.size) != NULL) block->has_headers = true;
    count += squeeze(characters + count, line);
  }
  return fail_at(reader, "the text ends within a block");
}

int weir_internal_pem_next(weir_internal_pem_reader *reader, weir_internal_pem_block *out) {
  *out = (weir_internal_pem_block){0};
  weir_bytes line;
  while (next_line(reader, &line)) {
    if (!starts_with(line, "-----")) {
      if (is_displaced(line)) return fail_at(reader, "a block that does not begin its line");
      continue;
    }
    if (!is_boundary(line, "-----BEGIN ", &out->label)) {
      return fail_at(reader, "no beginning of a block");
    }
    out->number = ++reader->block;
    out->line = reader->line;
    int result = read_block(reader, out);
    if (result < 0) weir_internal_pem_block_release(out);
    return result;
  }
  return 0;
}

void weir_internal_pem_block_release(weir_internal_pem_block *block) {
  if (block->data != NULL) OPENSSL_cleanse(block->data, block->capacity);
  weir_internal_release(block->data, block->capacity);
  *block = (weir_internal_pem_block){0};
}

bool weir_internal_pem_is(const weir_internal_pem_block *block, const char *label) {
  return same(block->label, weir_text(label));
}
