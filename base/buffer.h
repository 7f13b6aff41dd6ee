// SPDX-License-Identifier: Apache-2.0
//
// weir/buffer.h: bytes that grow, in memory of their owner.
//
// A weir_buffer is a plain value; zero is an empty one. Functions that read append to it, so that
// it can gather what comes in pieces.
//
// Example:
//   weir_buffer greeting = {0};
//   assert(weir_buffer_append(&greeting, weir_text("hello, ")) == 0);
//   assert(weir_buffer_append(&greeting, weir_text("world")) == 0);
//   printf("%.*s\n", (int)greeting.size, greeting.data);
//   weir_buffer_release(&greeting);

#ifndef WEIR_BUFFER_H
#define WEIR_BUFFER_H

#include "weir/base.h"

#ifdef __cplusplus
extern "C" {
#endif

// |size| bytes at |data|, which is NULL when nothing was ever reserved, with room for |capacity|.
// The bytes and |size| are the owner's to change; |data| and |capacity| are not.
typedef struct weir_buffer {
  char *data;
  size_t size;
  size_t capacity;
} weir_buffer;

// weir_buffer_reserve makes room for |room| more bytes behind those that |buffer| holds, which may
// move them. Returns 0; -ENOMEM or -EOVERFLOW, and then nothing has changed.
WEIR_MUST_USE int weir_buffer_reserve(weir_buffer *buffer, size_t room);

// weir_buffer_append copies |bytes|, which may be a part of |buffer| itself, to the end of
// |buffer|. Returns 0; -ENOMEM or -EOVERFLOW, and then nothing has changed.
WEIR_MUST_USE int weir_buffer_append(weir_buffer *buffer, weir_bytes bytes);

// weir_buffer_bytes returns a span over what |buffer| holds, valid until it next grows or is
// released.
static inline weir_bytes weir_buffer_bytes(const weir_buffer *buffer) {
  return weir_bytes_of(buffer->data, buffer->size);
}

// weir_buffer_release frees the memory and leaves |buffer| empty.
void weir_buffer_release(weir_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif  // WEIR_BUFFER_H
