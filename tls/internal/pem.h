// SPDX-License-Identifier: Apache-2.0
//
// PEM (RFC 7468), read strictly: text between the blocks is passed over, but nothing that looks
// like a part of a block.

#ifndef WEIR_TLS_INTERNAL_PEM_H
#define WEIR_TLS_INTERNAL_PEM_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weir_internal_pem_reader {
  weir_bytes rest;
  int line;   // lines read
  int block;  // blocks read
} weir_internal_pem_reader;

typedef struct weir_internal_pem_block {
  int number;        // from 1 on
  int line;          // of its beginning, from 1 on
  weir_bytes label;  // a part of the text: "CERTIFICATE"
  bool has_headers;  // as keys have that are encrypted in the old way (RFC 1421); then no |data|
  uint8_t *data;
  size_t size;
  size_t capacity;
} weir_internal_pem_block;

// weir_internal_pem_begin returns a reader of |text|, which must stay.
weir_internal_pem_reader weir_internal_pem_begin(weir_bytes text);

// weir_internal_pem_next stores the next block, which is released by
// weir_internal_pem_block_release. Returns 1; 0 at the end of the text, WEIR_E_TLS_PEM or -ENOMEM,
// both noted, and then there is nothing to release.
WEIR_MUST_USE int weir_internal_pem_next(weir_internal_pem_reader *reader,
                                         weir_internal_pem_block *out);

// weir_internal_pem_block_release wipes and frees what |block| holds.
void weir_internal_pem_block_release(weir_internal_pem_block *block);

// weir_internal_pem_is tells whether |block| has that |label|.
bool weir_internal_pem_is(const weir_internal_pem_block *block, const char *label);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_TLS_INTERNAL_PEM_H
