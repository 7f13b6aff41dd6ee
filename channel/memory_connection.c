// SPDX-License-Identifier: Apache-2.0

#include "base/internal/memory.h"
#include "weir/custom_connection.h"

typedef struct memory_streams {
  weir_bytes input;
  weir_buffer *output;  // NULL: dropped
} memory_streams;

static int read_input(void *context, void *out, size_t size, bool wait) {
  (void)wait;
  weir_bytes *input = &((memory_streams *)context)->input;
  if (size > input->size) size = input->size;
  if (size == 0) return 0;
  memcpy(out, input->data, size);
  *input = weir_bytes_of(input->data + size, input->size - size);
  return (int)size;
}

static int write_output(void *context, const void *data, size_t size, bool wait) {
  (void)wait;
  weir_buffer *output = ((memory_streams *)context)->output;
  int result = output == NULL ? 0 : weir_buffer_append(output, weir_bytes_of(data, size));
  return result < 0 ? result : (int)size;
}

static void release(void *context) { weir_internal_release(context, sizeof(memory_streams)); }

static const weir_custom_operations memory_operations = {
    .read = read_input, .write = write_output, .release = release};

int weir_memory_connection(weir_connection **out, weir_bytes input, weir_buffer *output) {
  static const weir_custom_options names = {.local_address = "memory", .remote_address = "memory"};
  *out = NULL;
  memory_streams *streams = (memory_streams *)weir_internal_allocate(sizeof *streams);
  if (streams == NULL) return -ENOMEM;
  streams->input = input;
  streams->output = output;
  int result = weir_custom_connection(out, &memory_operations, streams, &names);
  if (result < 0) release(streams);
  return result;
}
