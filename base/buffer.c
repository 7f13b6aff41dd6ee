// SPDX-License-Identifier: Apache-2.0

#include "weir/buffer.h"

#include "base/internal/memory.h"

enum { SMALLEST_CAPACITY = 64 };

// The capacity doubles at least, so that appending costs each byte a constant number of moves.
static size_t grown_capacity(const weir_buffer *buffer, size_t needed) {
  size_t doubled = buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : SIZE_MAX;
  size_t capacity = needed > doubled ? needed : doubled;
  return capacity > SMALLEST_CAPACITY ? capacity : SMALLEST_CAPACITY;
}

int weir_buffer_reserve(weir_buffer *buffer, size_t room) {
  if (room <= buffer->capacity - buffer->size) return 0;
  if (room > SIZE_MAX - buffer->size) return -EOVERFLOW;
  size_t capacity = grown_capacity(buffer, buffer->size + room);
  char *data = (char *)weir_internal_allocate_unset(capacity);
  if (data == NULL) return -ENOMEM;
  if (buffer->size > 0) memcpy(data, buffer->data, buffer->size);
  weir_internal_release(buffer->data, buffer->capacity);
  buffer->data = data;
  buffer->capacity = capacity;
  return 0;
}

int weir_buffer_append(weir_buffer *buffer, weir_bytes bytes) {
  if (bytes.size == 0) return 0;
  // What is a part of the buffer moves with it.
  size_t offset = (size_t)((uintptr_t)bytes.data - (uintptr_t)buffer->data);
  bool moves = offset < buffer->size;
  int result = weir_buffer_reserve(buffer, bytes.size);
  if (result < 0) return result;
  const char *data = moves ? buffer->data + offset : bytes.data;
  memcpy(buffer->data + buffer->size, data, bytes.size);
  buffer->size += bytes.size;
  return 0;
}

void weir_buffer_release(weir_buffer *buffer) {
  weir_internal_release(buffer->data, buffer->capacity);
  *buffer = (weir_buffer){NULL, 0, 0};
}
