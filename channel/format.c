// SPDX-License-Identifier: Apache-2.0
//
// Writing what printf would print: straight into the buffer, if it fits there.

#include <stdio.h>

#include "base/internal/memory.h"
#include "channel/internal/connection.h"

// Formats into memory of its own what needs |size| bytes and found no room in the buffer.
static int format_apart(weir_write_channel *channel, size_t size, const char *format,
                        va_list arguments) WEIR_PRINTF_LIKE(3, 0);
static int format_apart(weir_write_channel *channel, size_t size, const char *format,
                        va_list arguments) {
  char *memory = (char *)weir_internal_allocate_unset(size + 1);
  if (memory == NULL) return -ENOMEM;
  int result = vsnprintf(memory, size + 1, format, arguments);
  if (result >= 0) {
    const weir_bytes bytes = weir_bytes_of(memory, size);
    weir_internal_outgoing text = weir_internal_outgoing_of(&bytes, 1, size);
    result = weir_internal_writer_put(channel, &text);
  } else {
    result = -EINVAL;
  }
  weir_internal_release(memory, size + 1);
  return result;
}

static int format_text(weir_write_channel *channel, const char *format, va_list arguments)
    WEIR_PRINTF_LIKE(2, 0);
static int format_text(weir_write_channel *channel, const char *format, va_list arguments) {
  int result = weir_internal_writer_take_buffer(channel);
  if (result < 0) return result;
  size_t room = channel->size - channel->end;
  va_list again;
  va_copy(again, arguments);
  int size = vsnprintf(channel->buffer + channel->end, room, format, arguments);
  if (size < 0) {
    result = errno == EOVERFLOW || errno == ENOMEM ? -errno : -EINVAL;
  } else if ((size_t)size < room) {
    channel->end += (uint32_t)size;
  } else {
    result = format_apart(channel, (size_t)size, format, again);
  }
  va_end(again);
  weir_internal_writer_settle(channel);
  return result;
}

int weir_write_format_list(weir_write_channel *channel, const char *format, va_list arguments) {
  int result = weir_internal_writer_enter(channel);
  if (result < 0) return result;
  return weir_internal_writer_leave(channel, format_text(channel, format, arguments));
}

int weir_write_format(weir_write_channel *channel, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int result = weir_write_format_list(channel, format, arguments);
  va_end(arguments);
  return result;
}
