// SPDX-License-Identifier: Apache-2.0

#include "examples/deflate_connection.h"

#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST  // so that it takes input that is const
#include <zlib.h>

enum {
  PIECE = 4096,             // bytes that are compressed at a time
  COMPRESSED = PIECE + 64,  // which never takes more than this
};

typedef struct filter {
  weir_read_channel *input;    // of the connection below
  weir_write_channel *output;  // likewise
  z_stream inflate;
  z_stream deflate;
  unsigned char received[PIECE];
  // Compressed bytes that |output| has not taken yet.
  unsigned char compressed[COMPRESSED];
  size_t compressed_size;
} filter;

// Hands on what is compressed.
static int hand_on(filter *self) {
  while (self->compressed_size > 0) {
    int result = weir_write_try(self->output, self->compressed, self->compressed_size);
    if (result < 0) return result;
    self->compressed_size -= (size_t)result;
    memmove(self->compressed, self->compressed + result, self->compressed_size);
  }
  return 0;
}

// Reads more compressed bytes. The stream below must not end before the compressed one.
static int receive(filter *self, bool wait) {
  int result = wait ? weir_read_available(self->input, self->received, sizeof self->received)
                    : weir_read_try(self->input, self->received, sizeof self->received);
  if (result < 0) return result == WEIR_E_END_OF_STREAM ? -EPROTO : result;
  self->inflate.next_in = self->received;
  self->inflate.avail_in = (uInt)result;
  return 0;
}

static int filter_read(void *context, void *out, size_t size, bool wait) {
  filter *self = (filter *)context;
  if (size > PIECE) size = PIECE;
  // The answer may depend on what was kept. A failure is told to the next write.
  if (self->compressed_size > 0) (void)!hand_on(self);
  bool has_received = false;
  for (;;) {
    self->inflate.next_out = (Bytef *)out;
    self->inflate.avail_out = (uInt)size;
    int code = inflate(&self->inflate, Z_SYNC_FLUSH);
    if (self->inflate.avail_out < size) return (int)(size - self->inflate.avail_out);
    if (code == Z_STREAM_END) return 0;
    if (code != Z_OK && code != Z_BUF_ERROR) return -EPROTO;
    if (!wait && has_received) return -EAGAIN;  // others shall run, too
    int result = receive(self, wait);
    if (result < 0) return result;
    has_received = true;
  }
}

// Compresses |size| bytes and hands them on, or ends the compressed stream.
static int send(filter *self, const void *data, size_t size, int mode, bool wait) {
  // First the room: what is compressed cannot be taken back.
  int result = 0;
  if (wait) result = weir_write_await_room(self->output, COMPRESSED);
  if (result == 0 && weir_write_room(self->output) < COMPRESSED) result = -EAGAIN;
  if (result < 0) return result;
  // What was kept goes first, and needs the room that is left behind it.
  if (self->compressed_size > 0) {
    result = hand_on(self);
    return result < 0 ? result : send(self, data, size, mode, wait);
  }
  self->deflate.next_in = (const Bytef *)data;
  self->deflate.avail_in = (uInt)size;
  self->deflate.next_out = self->compressed;
  self->deflate.avail_out = sizeof self->compressed;
  int code = deflate(&self->deflate, mode);
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return -EPROTO;
  self->compressed_size = sizeof self->compressed - self->deflate.avail_out;
  // If that fails for now (-EBUSY, -ENOMEM, a cancellation) they are kept.
  (void)!hand_on(self);
  return weir_write_channel_cause(self->output);
}

static int filter_write(void *context, const void *data, size_t size, bool wait) {
  if (size > PIECE) size = PIECE;
  int result = send((filter *)context, data, size, Z_SYNC_FLUSH, wait);
  return result < 0 ? result : (int)size;
}

static int filter_finish(void *context, bool wait) {
  filter *self = (filter *)context;
  if (!wait) return -EAGAIN;
  int result = send(self, "", 0, Z_FINISH, true);
  if (result == 0) result = hand_on(self);
  return result < 0 ? result : weir_write_channel_close(self->output);
}

static void filter_abort(void *context, int cause) {
  filter *self = (filter *)context;
  weir_write_channel_cancel(self->output, cause);
  weir_read_channel_cancel(self->input, cause);
}

static void filter_release(void *context) {
  filter *self = (filter *)context;
  inflateEnd(&self->inflate);
  deflateEnd(&self->deflate);
  free(self);
}

int deflate_connection(weir_connection **out, weir_connection *inner) {
  static const weir_custom_operations operations = {
      .read = filter_read,
      .write = filter_write,
      .finish = filter_finish,
      .abort = filter_abort,
      .release = filter_release,
  };
  *out = NULL;
  filter *self = (filter *)calloc(1, sizeof *self);
  if (self == NULL) return -ENOMEM;
  self->input = weir_open_read_channel(inner);
  self->output = weir_open_write_channel(inner, true);
  const weir_custom_options names = {
      .local_address = weir_local_address(inner),
      .remote_address = weir_remote_address(inner),
      .host = weir_connection_host(inner),
  };
  int result = -ENOMEM;
  if (inflateInit(&self->inflate) == Z_OK &&
      deflateInit(&self->deflate, Z_DEFAULT_COMPRESSION) == Z_OK) {
    result = weir_custom_connection(out, &operations, self, &names);
  }
  if (result < 0) filter_release(self);
  return result;
}
